//! The whole of `/metrics`: who writes what of it, and in which order.

use crate::stand_in::engine::metrics::exposition::{CreationTimes, Page};
use crate::stand_in::engine::metrics::identity::Identity;
use crate::stand_in::engine::metrics::tally::Snapshot;
use crate::stand_in::engine::metrics::traffic::Traffic;
use crate::stand_in::engine::metrics::{host, v0, v1};
use crate::stand_in::version::Generation;

/// The page of an engine as it stands.
pub fn render(identity: &Identity, now: &Snapshot, traffic: &Traffic) -> String {
    match identity.version.generation() {
        // Its numbers come from several processes: neither times nor the process are shown.
        Generation::V0 => {
            let mut page = Page::new(CreationTimes::Hidden);
            v0::write(&mut page, identity, now);
            page.into_text()
        }
        Generation::V1 => {
            let mut page = Page::new(CreationTimes::Shown);
            host::write(&mut page);
            v1::write(&mut page, identity, now);
            traffic.write(&mut page);
            page.into_text()
        }
    }
}

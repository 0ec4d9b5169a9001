//! The whole of `/metrics`: who writes what of it, and in which order.

use crate::stand_in::engine::metrics::exposition::{CreationTimes, Page};
use crate::stand_in::engine::metrics::identity::Identity;
use crate::stand_in::engine::metrics::parsing::Parsing;
use crate::stand_in::engine::metrics::tally::Snapshot;
use crate::stand_in::engine::metrics::traffic::Traffic;
use crate::stand_in::engine::metrics::{host, v0, v1};
use crate::stand_in::version::Generation;

/// The page of an engine as it stands; `parsing` where it has a parser of tool calls that is
/// counted.
pub fn render(
    identity: &Identity,
    now: &Snapshot,
    traffic: &Traffic,
    parsing: Option<&Parsing>,
) -> String {
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
            if let Some(parsing) = parsing {
                parsing.write(&mut page, &identity.model_name);
            }
            page.into_text()
        }
    }
}

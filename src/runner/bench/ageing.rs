//! The fake load's part in a node that ages.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::measure::kind::stability::Detail;
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{NodeDetail, NodeReport, NodeStatus};
use crate::runner::ports::NodeRun;

/// As long as its file says in `src/decide/fixture/ageing.rs`.
const LASTS: Duration = Duration::from_secs(12 * 3600);

/// Lasts twelve hours, or until it is to end.
pub(super) async fn age(node: &NodeRun<'_>) -> NodeReport {
    let began = tokio::time::Instant::now();
    let status = tokio::select! {
        () = tokio::time::sleep(LASTS) => NodeStatus::Completed,
        () = node.over.cancelled() => NodeStatus::Failed {
            because: "it was ended before its time".to_owned(),
        },
    };
    let lasted = began.elapsed().as_secs_f64();
    NodeReport {
        node: node.workload.name.clone(),
        kind: WorkloadKind::Age,
        status,
        took_ms: Some(lasted * 1e3),
        metrics: BTreeMap::new(),
        n_requests: 4,
        n_failed: 1,
        notes: Vec::new(),
        client: None,
        detail: Some(NodeDetail::Stability(Detail {
            lasted_h: lasted / 3600.0,
            first_failure_ms: None,
            failures: Vec::new(),
            slopes: Vec::new(),
            parts: Vec::new(),
            resolution: None,
            death: None,
        })),
    }
}

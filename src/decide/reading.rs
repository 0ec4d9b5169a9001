//! What one attempt says of one metric, and why it says nothing where it does.

use crate::measure::metric::{MetricDef, MetricRef, Scale};
use crate::measure::node::NodeStatus;
use crate::outcome::{Measured, Outcome, Settled};
use crate::spec::experiment::Experiment;

/// An attempt that was measured.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    pub settled: &'a Settled,
    pub measured: &'a Measured,
}

impl<'a> Start<'a> {
    /// `None` for an attempt that ended without numbers.
    pub fn of(settled: &'a Settled) -> Option<Self> {
        match &settled.outcome {
            Outcome::Measured(measured) => Some(Self { settled, measured }),
            Outcome::Infeasible(_) | Outcome::Failed(_) | Outcome::Cancelled => None,
        }
    }

    /// The how-manyth start of its cell.
    pub fn number(&self) -> u32 {
        self.settled.attempt.number.0
    }

    /// The number that may be ranked and compared: only a node that was completed has one.
    /// The error says, for a reader, why there is none.
    pub fn value(&self, metric: &MetricRef) -> Result<f64, String> {
        let node = &metric.node;
        let Some(report) = self
            .measured
            .nodes
            .iter()
            .find(|report| report.node == *node)
        else {
            return Err(format!("{node} did not run"));
        };
        match &report.status {
            NodeStatus::Failed { because } => Err(format!("{node} failed: {because}")),
            NodeStatus::Invalid { because } => Err(format!("{node} is invalid: {because}")),
            NodeStatus::Skipped { because } => Err(format!("{node} was skipped: {because}")),
            NodeStatus::Completed => report
                .value(metric)
                .filter(|value| value.is_finite())
                .ok_or_else(|| format!("{node} did not yield it")),
        }
    }

    /// The number that a gate looks at: as [`Self::value`], but a proportion (a success rate)
    /// counts from a failed node too, because it is what made the node fail.
    pub fn gated_value(&self, metric: &MetricRef, scale: Scale) -> Result<f64, String> {
        let value = self.value(metric);
        match scale {
            Scale::Ratio | Scale::Signed => value,
            Scale::Proportion => value.or_else(|why| {
                let report = self.measured.nodes.iter().find(|r| r.node == metric.node);
                report.and_then(|report| report.value(metric)).ok_or(why)
            }),
        }
    }
}

/// The metric behind a reference; `None` when the experiment's node does not yield it (results
/// of another version).
pub fn definition<'a>(experiment: &'a Experiment, metric: &MetricRef) -> Option<&'a MetricDef> {
    let workload = experiment
        .workloads
        .iter()
        .find(|workload| workload.name == metric.node)?;
    workload.metric(&metric.metric)
}

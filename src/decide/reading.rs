//! What one attempt says of one metric, and why it says nothing where it does.

use std::collections::BTreeMap;

use crate::decide::comparable::Yardstick;
use crate::measure::metric::{MetricDef, MetricRef, Scale};
use crate::measure::node::NodeStatus;
use crate::outcome::{Measured, Outcome, Settled};
use crate::spec::experiment::Experiment;

/// An attempt that was measured.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    pub settled: &'a Settled,
    pub measured: &'a Measured,
    /// Nodes that did another task than the baseline, each with the reason.
    incomparable: BTreeMap<String, String>,
}

impl<'a> Start<'a> {
    /// `None` for an attempt that ended without numbers.
    pub fn of(settled: &'a Settled) -> Option<Self> {
        match &settled.outcome {
            Outcome::Measured(measured) => Some(Self {
                settled,
                measured,
                incomparable: BTreeMap::new(),
            }),
            Outcome::Infeasible(_) | Outcome::Failed(_) | Outcome::Cancelled => None,
        }
    }

    /// Held against what the baseline did.
    pub fn against(self, yardstick: &Yardstick<'_>) -> Self {
        Self {
            incomparable: yardstick.incomparable(self.measured),
            ..self
        }
    }

    /// Why the node's numbers must not stand beside those of other cells, although it was
    /// completed.
    pub fn incomparable(&self, node: &str) -> Option<&str> {
        self.incomparable.get(node).map(String::as_str)
    }

    /// What the node measured was not the engine alone.
    pub fn is_invalid(&self, node: &str) -> bool {
        let mut nodes = self.measured.nodes.iter();
        nodes.any(|report| {
            report.node == node && matches!(report.status, NodeStatus::Invalid { .. })
        })
    }

    /// The node ran, and what it measured was the engine.
    pub fn ran(&self, node: &str) -> bool {
        let mut nodes = self.measured.nodes.iter();
        nodes.any(|report| match report.status {
            NodeStatus::Completed | NodeStatus::Failed { .. } => report.node == node,
            NodeStatus::Invalid { .. } | NodeStatus::Skipped { .. } => false,
        })
    }

    /// The how-manyth start of its cell.
    pub fn number(&self) -> u32 {
        self.settled.attempt.number.0
    }

    /// The number that may be ranked and compared: only a node that was completed, and did the
    /// baseline's task, has one.
    /// The error says, for a reader, why there is none.
    pub fn value(&self, metric: &MetricRef) -> Result<f64, String> {
        let node = &metric.node;
        if let Some(because) = self.incomparable(node) {
            return Err(format!("{node} is {because}"));
        }
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

/// The starts in which none of these nodes was disturbed: an invalid one says nothing, good or
/// bad. All of them, where nothing else is left to say why there is no number.
pub fn undisturbed<'s, 'a>(starts: &'s [Start<'a>], nodes: &[&str]) -> Vec<&'s Start<'a>> {
    let disturbed = |start: &&Start<'_>| nodes.iter().any(|node| start.is_invalid(node));
    let valid: Vec<&Start<'a>> = starts.iter().filter(|start| !disturbed(start)).collect();
    match valid.is_empty() {
        true => starts.iter().collect(),
        false => valid,
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

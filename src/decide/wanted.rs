//! Which metrics an experiment names, why, and which way each is better.

use serde::Serialize;

use crate::measure::metric::MetricRef;
use crate::spec::experiment::{Comparison, Experiment, Goal};

/// Why a metric is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Objective,
    UseCase,
    Gate,
    /// Nothing of the experiment names it.
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub metric: MetricRef,
    /// The first that applies.
    pub role: Role,
    /// `None` where nothing says so.
    pub better: Option<Goal>,
}

/// What objectives, use cases and gates name, in this order, each metric once.
pub fn named_by(experiment: &Experiment) -> Vec<Wanted> {
    let mut list = Vec::new();
    for objective in &experiment.objectives {
        add(
            &mut list,
            &objective.metric,
            Role::Objective,
            Some(objective.goal),
        );
    }
    let cases = experiment.use_cases.iter();
    for objective in cases.flat_map(|case| &case.objectives) {
        add(
            &mut list,
            &objective.metric,
            Role::UseCase,
            Some(objective.goal),
        );
    }
    for gate in &experiment.gates {
        let better = match gate.comparison {
            Comparison::Less | Comparison::LessOrEqual => Goal::Min,
            Comparison::Greater | Comparison::GreaterOrEqual => Goal::Max,
        };
        add(&mut list, &gate.metric, Role::Gate, Some(better));
    }
    list
}

/// One more, unless it is there.
pub fn add(list: &mut Vec<Wanted>, metric: &MetricRef, role: Role, better: Option<Goal>) {
    if list.iter().all(|known| known.metric != *metric) {
        list.push(Wanted {
            metric: metric.clone(),
            role,
            better,
        });
    }
}

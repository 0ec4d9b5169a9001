//! For tests: events in a word or two.

use crate::event::{EventKind, RunEvent};
use crate::manifest::RunEnding;
use crate::measure::node::NodeStatus;
use crate::outcome::Outcome;

pub(super) fn short(event: &RunEvent) -> String {
    match &event.kind {
        EventKind::RunStarted {
            n_planned,
            n_settled,
            ..
        } => format!("run {n_settled}/{n_planned}"),
        EventKind::Swept { .. } => "swept".to_owned(),
        EventKind::AttemptStarted {
            cell_name, attempt, ..
        } => format!("attempt {cell_name} {}", attempt.number.0),
        EventKind::AttemptPhase { phase, .. } => phase.name().to_owned(),
        EventKind::NodeStarted { node, .. } => format!("node {node}"),
        EventKind::NodeFinished { report, .. } => match &report.status {
            NodeStatus::Completed => format!("{} completed", report.node),
            NodeStatus::Failed { .. } => format!("{} failed", report.node),
            NodeStatus::Invalid { .. } => format!("{} is invalid", report.node),
            NodeStatus::Skipped { .. } => format!("{} skipped", report.node),
        },
        EventKind::AttemptSettled { settled } => match &settled.outcome {
            Outcome::Measured(_) => "measured".to_owned(),
            Outcome::Infeasible(failure) => format!("infeasible {:?}", failure.class),
            Outcome::Failed(failure) => format!("failed {:?}", failure.class),
            Outcome::Cancelled => "cancelled".to_owned(),
        },
        EventKind::CellSkipped { skip } => format!("skip {}", skip.cell_name),
        EventKind::CellDropped { dropped } => format!("drop {}", dropped.cell_name),
        EventKind::RaceDecided { .. } => "decided".to_owned(),
        EventKind::Forecast { .. } => "forecast".to_owned(),
        EventKind::Waiting { .. } => "waiting".to_owned(),
        EventKind::Notice { .. } => "notice".to_owned(),
        EventKind::ProductionReturned { .. } => "production".to_owned(),
        EventKind::RunEnded { ending } => match ending {
            RunEnding::Complete { .. } => "complete",
            RunEnding::Stopped { .. } => "stopped",
            RunEnding::Open => "open",
        }
        .to_owned(),
    }
}

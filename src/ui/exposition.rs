//! A run as Prometheus reads it: progress, outcomes, and what the objectives were. Serves
//! nothing; whoever listens asks for the text.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::decide::reading::Start;
use crate::event::{EventKind, RunEvent};
use crate::manifest::{Manifest, RunEnding};
use crate::measure::metric::MetricRef;
use crate::outcome::Outcome;

/// What is told of a run so far.
#[derive(Debug, Clone)]
pub struct Exposition {
    version: String,
    experiment: String,
    run: String,
    stand_in: bool,
    objectives: Vec<MetricRef>,
    n_planned: usize,
    /// By outcome, all of them from the start on.
    settled: BTreeMap<&'static str, u64>,
    n_skipped: u64,
    /// In the engines' time.
    attempt_seconds: f64,
    /// By cell and objective, of its last measured start.
    results: BTreeMap<(String, String), f64>,
    ended: bool,
    production_down: bool,
}

const OUTCOMES: [&str; 4] = ["measured", "infeasible", "failed", "cancelled"];

impl Exposition {
    pub fn of(manifest: &Manifest) -> Self {
        let experiment = &manifest.experiment;
        Self {
            version: manifest.gridrun.clone(),
            experiment: experiment.name.clone(),
            run: manifest.run.to_string(),
            stand_in: manifest.is_stand_in(),
            objectives: experiment
                .objectives
                .iter()
                .map(|one| one.metric.clone())
                .collect(),
            n_planned: 0,
            settled: OUTCOMES.map(|outcome| (outcome, 0)).into(),
            n_skipped: 0,
            attempt_seconds: 0.0,
            results: BTreeMap::new(),
            ended: false,
            production_down: false,
        }
    }

    pub fn take(&mut self, event: &RunEvent) {
        match &event.kind {
            EventKind::RunStarted { n_planned, .. } => self.n_planned = *n_planned,
            EventKind::AttemptSettled { settled } => {
                let outcome = match &settled.outcome {
                    Outcome::Measured(_) => "measured",
                    Outcome::Infeasible(_) => "infeasible",
                    Outcome::Failed(_) => "failed",
                    Outcome::Cancelled => "cancelled",
                };
                *self.settled.entry(outcome).or_default() += 1;
                self.attempt_seconds += settled.took_ms / 1e3;
                let Some(start) = Start::of(settled) else {
                    return;
                };
                for metric in &self.objectives {
                    if let Ok(value) = start.value(metric) {
                        let key = (settled.cell_name.clone(), metric.to_string());
                        self.results.insert(key, value);
                    }
                }
            }
            EventKind::CellSkipped { .. } => self.n_skipped += 1,
            EventKind::RunEnded { ending } => self.ended = !matches!(ending, RunEnding::Open),
            EventKind::ProductionReturned { stay } => self.production_down = stay.is_down(),
            EventKind::Swept { .. }
            | EventKind::AttemptStarted { .. }
            | EventKind::AttemptPhase { .. }
            | EventKind::NodeStarted { .. }
            | EventKind::NodeFinished { .. }
            | EventKind::CellDropped { .. }
            | EventKind::RaceDecided { .. }
            | EventKind::Forecast { .. }
            | EventKind::Waiting { .. }
            | EventKind::Notice { .. } => {}
        }
    }

    /// The text format of Prometheus.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, f64)]| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        let alone = |value: f64| vec![(String::new(), value)];
        family(
            "gridrun_run_info",
            "gauge",
            "The run that goes on; stand_in=\"true\" means that no number is about a model or a GPU.",
            &[(
                labels(&[
                    ("version", &self.version),
                    ("experiment", &self.experiment),
                    ("run", &self.run),
                    ("stand_in", if self.stand_in { "true" } else { "false" }),
                ]),
                1.0,
            )],
        );
        family(
            "gridrun_attempts_planned",
            "gauge",
            "Starts of engines that the plan asks for.",
            &alone(self.n_planned as f64),
        );
        let settled: Vec<(String, f64)> = self
            .settled
            .iter()
            .map(|(outcome, n)| (labels(&[("outcome", outcome)]), *n as f64))
            .collect();
        family(
            "gridrun_attempts_settled_total",
            "counter",
            "Starts that have come to their end in this process.",
            &settled,
        );
        family(
            "gridrun_attempt_seconds_total",
            "counter",
            "Time that they took, in the time of the engines.",
            &alone(self.attempt_seconds),
        );
        family(
            "gridrun_cells_skipped_total",
            "counter",
            "Configurations that were proved to die and not started.",
            &alone(self.n_skipped as f64),
        );
        let results: Vec<(String, f64)> = self
            .results
            .iter()
            .map(|((cell, metric), value)| (labels(&[("cell", cell), ("metric", metric)]), *value))
            .collect();
        if !results.is_empty() {
            family(
                "gridrun_objective",
                "gauge",
                "An objective in the last measured start of a configuration, in the unit of its metric.",
                &results,
            );
        }
        family(
            "gridrun_run_ended",
            "gauge",
            "1 when no further start follows.",
            &alone(f64::from(u8::from(self.ended))),
        );
        family(
            "gridrun_production_down",
            "gauge",
            "1 when production was stopped for the run and does not serve again.",
            &alone(f64::from(u8::from(self.production_down))),
        );
        out
    }
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};

    #[test]
    fn a_run_is_told_with_its_outcomes_and_its_objectives() {
        let record = fixture::full();
        let mut told = Exposition::of(&record.manifest);
        let event = |kind| RunEvent {
            at: jiff::Timestamp::UNIX_EPOCH,
            elapsed_ms: 0.0,
            kind,
        };
        for _ in 0..2 {
            let settled = Box::new(fixture::measured("a", 1, Numbers::new(900.0, 90.0)));
            told.take(&event(EventKind::AttemptSettled { settled }));
        }
        let text = told.text();
        assert!(
            text.contains("gridrun_attempts_settled_total{outcome=\"measured\"} 2\n"),
            "{text}"
        );
        assert!(
            text.contains("gridrun_attempts_settled_total{outcome=\"failed\"} 0\n"),
            "{text}"
        );
        let objective = "gridrun_objective{cell=\"a\",metric=\"kv-cache.ttft_repeat_ms.p50\"} 90\n";
        assert!(text.contains(objective), "{text}");
        assert!(text.contains("gridrun_run_ended 0\n"), "{text}");
    }

    #[test]
    fn a_name_of_the_user_ends_no_label() {
        assert_eq!(labels(&[("a", "x\"y\\z\n")]), "{a=\"x\\\"y\\\\z\\n\"}");
    }
}

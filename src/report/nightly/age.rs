//! What a night says of ageing: an engine that served for hours, whether it lived, and where what
//! drifted leads.

use serde::Serialize;

use crate::decide::number;
use crate::id::CellId;
use crate::manifest::RunRecord;
use crate::measure::forecast::Forecast;
use crate::measure::kind::stability::{Death, Drift, Watched};
use crate::measure::metric::WorkloadKind;
use crate::measure::node::{NodeDetail, NodeStatus};
use crate::outcome::Outcome;
use crate::plan::ageing;
use crate::report::span;

/// An engine that slows down by more than this within a day ages. It is what the reference case
/// lets pass from night to night without a word.
const PCT_PER_DAY: f64 = 10.0;

/// One that may be full within this time ages: whoever restarts it every week notices.
const FULL_WITHIN_H: f64 = 7.0 * 24.0;

/// What one `age` node found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Aged {
    pub cell: CellId,
    pub name: String,
    /// The block of the start.
    pub block: u32,
    pub node: String,
    /// From the start of the node to its last answer, in hours of the engine's time.
    pub lasted_h: f64,
    /// As long as all `age` nodes of the start were to last together.
    pub asked_h: f64,
    /// Why it counts for nothing, or for less than was asked; `None` where it ran to its end.
    pub disturbed: Option<String>,
    /// `None` where the engine lived.
    pub death: Option<Death>,
    pub drifts: Vec<Drift>,
}

/// What the `age` nodes of a run found, in the order in which their starts settled.
pub fn aged(record: &RunRecord) -> Vec<Aged> {
    let experiment = &record.manifest.experiment;
    let asked_h = ageing::lasts(experiment).as_secs_f64() / 3600.0;
    let mut found = Vec::new();
    for settled in &record.settled {
        let Outcome::Measured(measured) = &settled.outcome else {
            continue;
        };
        for report in &measured.nodes {
            let (WorkloadKind::Age, Some(NodeDetail::Stability(detail))) =
                (report.kind, &report.detail)
            else {
                continue;
            };
            found.push(Aged {
                cell: settled.attempt.cell.clone(),
                name: settled.cell_name.clone(),
                block: settled.block,
                node: report.node.clone(),
                lasted_h: detail.lasted_h,
                asked_h,
                disturbed: match &report.status {
                    NodeStatus::Completed => None,
                    NodeStatus::Failed { .. } if detail.death.is_some() => None,
                    NodeStatus::Failed { because }
                    | NodeStatus::Invalid { because }
                    | NodeStatus::Skipped { because } => Some(because.clone()),
                },
                death: detail.death.clone(),
                drifts: detail.slopes.clone(),
            });
        }
    }
    found
}

impl Aged {
    /// Why it ages, in words; `None` where nothing says that it does. Drifts are told by the end
    /// of their 95 % interval that is nearer to none.
    pub fn finding(&self) -> Option<String> {
        if let Some(death) = &self.death {
            return Some(format!(
                "it died {} into it ({})",
                span(death.after_ms / 3.6e6),
                death.class
            ));
        }
        let found: Vec<String> = self.drifts.iter().filter_map(drifts).collect();
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// A clause for the line of the night.
    pub fn clause(&self) -> String {
        let served = format!("{} served {}", self.name, span(self.lasted_h));
        let cut = match &self.disturbed {
            Some(because) => format!(" ({because})"),
            None => String::new(),
        };
        match (self.finding(), &self.disturbed) {
            (Some(finding), _) => format!("{} ages: {finding}{cut}", self.name),
            (None, Some(because)) => format!("{served} ({because}), and nothing aged until then"),
            (None, None) => format!("{served}, and nothing says that it ages"),
        }
    }
}

fn drifts(drift: &Drift) -> Option<String> {
    let name = drift.of.name();
    let per_hour = |nearest: f64| {
        (nearest.abs() * 24.0 > PCT_PER_DAY).then(|| {
            format!(
                "{name} changes by {} % an hour ({} to {})",
                number::significant(drift.per_hour),
                number::significant(drift.low),
                number::significant(drift.high)
            )
        })
    };
    match drift.of {
        Watched::Ttft if drift.low > 0.0 => per_hour(drift.low),
        Watched::TokensPerSecond if drift.high < 0.0 => per_hour(drift.high),
        Watched::Ttft | Watched::TokensPerSecond | Watched::Preemptions => None,
        Watched::GpuMemory | Watched::EngineMemory | Watched::ServerMemory | Watched::KvCache => {
            match drift.forecast {
                Some(forecast @ Forecast::Full { soonest_h, .. }) if soonest_h < FULL_WITHIN_H => {
                    Some(format!("{name} {forecast}"))
                }
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::forecast::Limit;

    /// Of a quantity that starts at `from` and changes by `per_h`, over ten hours.
    fn drift(of: Watched, from: f64, per_h: f64, limit: Limit) -> Drift {
        let points: Vec<(f64, f64)> = (0..200)
            .map(|at| {
                let hour = f64::from(at) / 20.0;
                let noise = f64::from(at * 7919 % 13) / 13.0 - 0.5;
                (hour, from + per_h * hour + noise)
            })
            .collect();
        Drift::of(of, &points, limit).unwrap()
    }

    fn aged(drifts: Vec<Drift>) -> Aged {
        Aged {
            cell: CellId::of("safe"),
            name: "safe".to_owned(),
            block: 5,
            node: "grow".to_owned(),
            lasted_h: 10.0,
            asked_h: 10.0,
            disturbed: None,
            death: None,
            drifts,
        }
    }

    #[test]
    fn noise_does_not_age_and_a_drift_does() {
        let still = aged(vec![
            drift(Watched::Ttft, 100.0, 0.0, Limit::Never),
            drift(Watched::GpuMemory, 20_000.0, 0.0, Limit::At(24_576.0)),
        ]);
        assert_eq!(still.finding(), None);
        assert_eq!(
            still.clause(),
            "safe served 10 h 00 min, and nothing says that it ages"
        );
        // 0.2 % an hour are 5 % a day: told by its interval, and not as ageing.
        let slightly = aged(vec![drift(Watched::Ttft, 100.0, 0.2, Limit::Never)]);
        assert!(slightly.drifts[0].low > 0.0);
        assert_eq!(slightly.finding(), None);
        let slower = aged(vec![drift(Watched::Ttft, 100.0, 1.0, Limit::Never)]);
        let said = slower.clause();
        assert!(
            said.starts_with("safe ages: time to first token changes by 1"),
            "{said}"
        );
        // Faster is not older.
        let faster = aged(vec![drift(Watched::Ttft, 100.0, -1.0, Limit::Never)]);
        assert_eq!(faster.finding(), None);
    }

    #[test]
    fn memory_that_will_be_full_within_a_week_ages() {
        let of = |per_h| {
            let limit = Limit::At(24_576.0);
            aged(vec![drift(Watched::GpuMemory, 20_000.0, per_h, limit)])
        };
        assert!(of(100.0).finding().unwrap().contains("full in"));
        assert_eq!(of(10.0).finding(), None);
    }

    #[test]
    fn a_death_is_told_with_its_instant() {
        let dead = Aged {
            death: Some(Death {
                after_ms: 11.5 * 3.6e6,
                class: "gpu_oom_serving".to_owned(),
                explanation: String::new(),
            }),
            ..aged(Vec::new())
        };
        assert_eq!(
            dead.clause(),
            "safe ages: it died 11 h 30 min into it (gpu_oom_serving)"
        );
    }
}

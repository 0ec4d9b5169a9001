//! How a cell stands after its attempts: gates, deaths, and what was never measured.
//!
//! One death of the cell's own making is enough to make it infeasible; a gate whose metric was
//! not measured is a gate missed.

use serde::Serialize;

use crate::decide::number;
use crate::decide::reading::{self, Start};
use crate::measure::metric::{MetricDef, Scale};
use crate::outcome::{Outcome, Settled, Standing};
use crate::spec::experiment::{Comparison, Experiment, Gate};

/// How the attempts of a cell ended, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub n_attempts: u32,
    pub n_measured: u32,
    /// Died of the cell's own making.
    pub n_died: u32,
    /// The machine's, the profile's or gridrun's fault.
    pub n_failed: u32,
    pub n_cancelled: u32,
}

impl Tally {
    pub fn of(settled: &[&Settled]) -> Self {
        let mut tally = Self::default();
        for attempt in settled {
            tally.n_attempts += 1;
            match attempt.outcome {
                Outcome::Measured(_) => tally.n_measured += 1,
                Outcome::Infeasible(_) => tally.n_died += 1,
                Outcome::Failed(_) => tally.n_failed += 1,
                Outcome::Cancelled => tally.n_cancelled += 1,
            }
        }
        tally
    }

    /// Attempts that say something about the cell.
    pub fn n_valid(&self) -> u32 {
        self.n_measured + self.n_died
    }

    /// It was measured and never died of its own making.
    pub fn lived(&self) -> bool {
        self.n_measured > 0 && self.n_died == 0
    }
}

/// Upper 95 % bound of the probability to die at a start, after `n_starts` without a death:
/// 1 - 0.05^(1/n). `None` without a start.
pub fn survival_bound(n_starts: u32) -> Option<f64> {
    (n_starts > 0).then(|| 1.0 - 0.05_f64.powf(1.0 / f64::from(n_starts)))
}

/// What became of one gate in one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateResult {
    /// As the file writes it.
    pub gate: String,
    pub held: bool,
    /// The number that decided: the worst attempt's for a proportion, else the mean; `None`
    /// where it was not measured.
    pub value: Option<f64>,
    /// The number with its unit and where it comes from, or why there is none.
    pub finding: String,
    /// 95 % interval of a mean over starts, by the noise pooled over all cells that lived; `None`
    /// for gates that must hold in every start, and where nothing tells the noise.
    pub interval: Option<(f64, f64)>,
    /// The bound is inside that interval: the next start may say otherwise.
    pub borderline: bool,
    /// Its node was disturbed in every start, so that nothing is known of the cell.
    #[serde(skip)]
    pub is_disturbed: bool,
}

/// Judges every gate of the experiment over the measured attempts of a cell.
///
/// A gate on a proportion (success rate) is a safety gate and must hold in every attempt; any
/// other must hold for the mean. A metric that one attempt could not measure misses the gate in
/// both cases: the slow or broken attempt is the very one that yields no number. A gate on a node
/// that ages is judged by the starts that aged to their end, and by nobody where there are none.
pub fn judge_gates(experiment: &Experiment, starts: &[Start<'_>]) -> Vec<GateResult> {
    let judge = |gate: &Gate| {
        let metric = reading::definition(experiment, &gate.metric);
        judge_gate(
            gate,
            metric,
            experiment.is_ageing(&gate.metric.node),
            starts,
        )
    };
    experiment.gates.iter().map(judge).collect()
}

fn judge_gate(
    gate: &Gate,
    metric: Option<&MetricDef>,
    is_ageing: bool,
    starts: &[Start<'_>],
) -> GateResult {
    let scale = metric.map_or(Scale::Ratio, |metric| metric.scale);
    let node = gate.metric.node.as_str();
    let aged: Vec<&Start<'_>> = starts.iter().filter(|start| start.ran(node)).collect();
    let starts = match is_ageing {
        true => aged,
        false => reading::undisturbed(starts, &[node]),
    };
    let is_disturbed = starts.iter().any(|start| start.is_invalid(node));
    let result = |held: bool, value: Option<f64>, finding: String| GateResult {
        gate: gate.text.clone(),
        held,
        value,
        finding,
        interval: None,
        borderline: false,
        is_disturbed: is_disturbed && !held,
    };
    if is_ageing && starts.is_empty() {
        return result(true, None, "none of its starts has aged".to_owned());
    }
    let mut values = Vec::new();
    for start in starts {
        match start.gated_value(&gate.metric, scale) {
            Ok(value) => values.push((start.number(), value)),
            Err(why) => {
                let finding = format!("not measured in start {}: {why}", start.number());
                return result(false, None, finding);
            }
        }
    }
    let worst = values.iter().copied().reduce(|worst, next| {
        let worse = match gate.comparison {
            Comparison::Less | Comparison::LessOrEqual => next.1 > worst.1,
            Comparison::Greater | Comparison::GreaterOrEqual => next.1 < worst.1,
        };
        if worse { next } else { worst }
    });
    let Some((number, worst)) = worst else {
        return result(false, None, "not measured".to_owned());
    };
    let n = values.len();
    let (value, source) = match (scale, n) {
        (_, 1) => (worst, format!("in start {number}")),
        (Scale::Proportion, _) => (worst, format!("in start {number}, the worst of {n}")),
        (Scale::Ratio | Scale::Signed, _) => {
            let mean = values.iter().map(|(_, value)| value).sum::<f64>() / n as f64;
            (mean, format!("mean of {n} starts"))
        }
    };
    let finding = format!("{} ({source})", number::with_unit(value, metric));
    result(
        gate.comparison.holds(value, gate.bound),
        Some(value),
        finding,
    )
}

/// How a cell stands. `unscored` says why it cannot be ranked by the objectives, if so.
pub fn stand(settled: &[&Settled], gates: &[GateResult], unscored: Option<&str>) -> Standing {
    let tally = Tally::of(settled);
    if tally.n_died > 0 {
        return Standing::Infeasible {
            died: tally.n_died,
            of: tally.n_valid(),
        };
    }
    if tally.n_measured == 0 {
        return Standing::Undecided {
            because: nothing_measured(settled, tally),
        };
    }
    let missed: Vec<String> = gates
        .iter()
        .filter(|gate| !gate.held && !gate.is_disturbed)
        .map(|gate| format!("{}: {}", gate.gate, gate.finding))
        .collect();
    if !missed.is_empty() {
        return Standing::Rejected { gates: missed };
    }
    let unjudged = gates.iter().find(|gate| gate.is_disturbed);
    let unjudged = unjudged.map(|gate| format!("{}: {}", gate.gate, gate.finding));
    match unjudged.or(unscored.map(str::to_owned)) {
        Some(because) => Standing::Undecided { because },
        None => Standing::Ranked,
    }
}

fn nothing_measured(settled: &[&Settled], tally: Tally) -> String {
    if settled.is_empty() {
        return "no start of it has settled".to_owned();
    }
    let causes: Vec<String> = settled
        .iter()
        .filter_map(|attempt| match &attempt.outcome {
            Outcome::Failed(failure) => Some(failure.class.to_string()),
            Outcome::Measured(_) | Outcome::Infeasible(_) | Outcome::Cancelled => None,
        })
        .fold(Vec::new(), |mut distinct, class| {
            if !distinct.contains(&class) {
                distinct.push(class);
            }
            distinct
        });
    let mut parts = Vec::new();
    if tally.n_failed > 0 {
        parts.push(format!(
            "{} of {} starts failed ({})",
            tally.n_failed,
            tally.n_attempts,
            causes.join(", ")
        ));
    }
    if tally.n_cancelled > 0 {
        parts.push(format!(
            "{} of {} starts were cancelled",
            tally.n_cancelled, tally.n_attempts
        ));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::ageing::ageing;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;
    use crate::measure::node::{MetricValue, NodeStatus};

    fn stand_with(gates: &[&str], attempts: &[Settled]) -> (Standing, Vec<GateResult>) {
        let mut experiment = fixture::experiment();
        experiment.gates = gates.iter().map(|text| fixture::gate(text)).collect();
        let settled: Vec<&Settled> = attempts.iter().collect();
        let starts: Vec<Start<'_>> = attempts.iter().filter_map(Start::of).collect();
        let judged = judge_gates(&experiment, &starts);
        (stand(&settled, &judged, None), judged)
    }

    fn rejected(gates: &[&str], attempts: &[Settled]) -> String {
        match stand_with(gates, attempts).0 {
            Standing::Rejected { gates } => gates.join("; "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_death_of_its_own_making_outweighs_every_measurement() {
        let attempts = [
            fixture::measured("a", 1, Numbers::new(900.0, 90.0)),
            fixture::died("a", 2, FailureClass::GpuOomServing),
            fixture::failed("a", 3, FailureClass::EngineDied),
        ];
        // The failed start says nothing about the cell: it is not one of the two.
        assert_eq!(
            stand_with(&[], &attempts).0,
            Standing::Infeasible { died: 1, of: 2 }
        );
    }

    #[test]
    fn nothing_measured_is_undecided_with_its_reason() {
        let because = |attempts: &[Settled]| match stand_with(&[], attempts).0 {
            Standing::Undecided { because } => because,
            other => panic!("{other:?}"),
        };
        assert_eq!(because(&[]), "no start of it has settled");
        let attempts = [
            fixture::failed("a", 1, FailureClass::EngineDied),
            fixture::failed("a", 2, FailureClass::EngineDied),
            fixture::cancelled("a", 3),
        ];
        assert_eq!(
            because(&attempts),
            "2 of 3 starts failed (engine_died), 1 of 3 starts were cancelled"
        );
    }

    #[test]
    fn a_speed_gate_holds_for_the_mean() {
        let attempts = [
            fixture::measured("a", 1, Numbers::new(900.0, 80.0)),
            fixture::measured("a", 2, Numbers::new(900.0, 110.0)),
        ];
        let gate = "kv-cache.ttft_repeat_ms.p50 < 100 ms";
        let (standing, gates) = stand_with(&[gate], &attempts);
        assert_eq!(standing, Standing::Ranked);
        assert_eq!(gates[0].finding, "95.0 ms (mean of 2 starts)");
        assert_eq!(
            rejected(&["kv-cache.ttft_repeat_ms.p50 < 95 ms"], &attempts),
            "kv-cache.ttft_repeat_ms.p50 < 95 ms: 95.0 ms (mean of 2 starts)"
        );
    }

    #[test]
    fn a_gate_on_age_is_judged_by_the_starts_that_aged() {
        let judged = |aged: Option<NodeStatus>| {
            let mut experiment = fixture::experiment();
            experiment.workloads.push(ageing("grow"));
            experiment.gates = vec![fixture::gate("grow.success_rate >= 1")];
            let mut attempts = [1, 2].map(|n| fixture::measured("a", n, Numbers::new(900.0, 80.0)));
            if let (Some(status), Outcome::Measured(measured)) = (aged, &mut attempts[1].outcome) {
                let mut report = measured.nodes[0].clone();
                report.node = "grow".to_owned();
                report.status = status;
                let rate = MetricValue::Scalar(1.0);
                report.metrics = [("success_rate".to_owned(), rate)].into();
                measured.nodes.push(report);
            }
            let starts: Vec<Start<'_>> = attempts.iter().filter_map(Start::of).collect();
            judge_gates(&experiment, &starts).remove(0)
        };
        let because = || "cut short".to_owned();
        let unaged = judged(None);
        assert!(unaged.held);
        assert_eq!(unaged.finding, "none of its starts has aged");
        assert_eq!(
            judged(Some(NodeStatus::Invalid { because: because() })),
            unaged
        );
        let aged = judged(Some(NodeStatus::Completed));
        assert_eq!((aged.held, aged.value), (true, Some(1.0)));
    }

    #[test]
    fn a_safety_gate_holds_in_every_attempt() {
        let attempts = [
            fixture::measured("a", 1, Numbers::new(900.0, 80.0)),
            fixture::measured("a", 2, Numbers::new(900.0, 80.0).success(0.9)),
        ];
        assert_eq!(
            rejected(&["kv-cache.success_rate >= 0.95"], &attempts),
            "kv-cache.success_rate >= 0.95: 0.900 (in start 2, the worst of 2)"
        );
    }

    #[test]
    fn what_was_not_measured_is_no_pass() {
        let broken = [
            fixture::measured("a", 1, Numbers::new(900.0, 80.0)),
            fixture::measured(
                "a",
                2,
                Numbers::new(900.0, 80.0).success(0.2).failed("stalled"),
            ),
        ];
        assert_eq!(
            rejected(&["kv-cache.ttft_repeat_ms.p50 < 100 ms"], &broken),
            "kv-cache.ttft_repeat_ms.p50 < 100 ms: not measured in start 2: kv-cache failed: stalled"
        );
        // The success rate of a failed node is what made it fail, so it counts.
        assert_eq!(
            rejected(&["kv-cache.success_rate >= 0.95"], &broken),
            "kv-cache.success_rate >= 0.95: 0.200 (in start 2, the worst of 2)"
        );
    }

    #[test]
    fn a_disturbed_start_neither_holds_a_gate_nor_misses_it() {
        let disturbed = |number: u32| {
            let numbers = Numbers::new(900.0, 200.0).success(0.5);
            fixture::measured("a", number, numbers.invalid("a stranger"))
        };
        let sound = fixture::measured("a", 2, Numbers::new(900.0, 80.0));
        let gates = [
            "kv-cache.ttft_repeat_ms.p50 < 100 ms",
            "kv-cache.success_rate >= 0.95",
        ];
        let (standing, judged) = stand_with(&gates, &[disturbed(1), sound]);
        assert_eq!(standing, Standing::Ranked);
        assert_eq!(judged[0].finding, "80.0 ms (in start 2)");
        let (standing, judged) = stand_with(&gates[..1], &[disturbed(1)]);
        let because = "kv-cache.ttft_repeat_ms.p50 < 100 ms: not measured in start 1: kv-cache \
                       is invalid: a stranger";
        assert_eq!(
            standing,
            Standing::Undecided {
                because: because.to_owned()
            }
        );
        assert!(!judged[0].held);
    }

    #[test]
    fn the_survival_bound_is_63_percent_at_three_starts() {
        assert!((survival_bound(3).unwrap() - 0.6316).abs() < 1e-4);
        assert!((survival_bound(1).unwrap() - 0.95).abs() < 1e-12);
        assert_eq!(survival_bound(0), None);
    }
}

//! What racing makes of a run at the end of a block: from its attempts to the probabilities that
//! `plan::race` judges by, and what was judged in words.
//!
//! Rests on the attempts of the blocks that have ended, so that a run that was killed within a
//! block and goes on judges as one that was not.

use crate::decide::confidence::ENOUGH;
use crate::decide::decision::{CellResult, Decision, Ranking};
use crate::decide::number;
use crate::decide::reading;
use crate::manifest::{Manifest, RunRecord};
use crate::measure::metric::Scale;
use crate::measure::node::NodeStatus;
use crate::outcome::{Decided, DropCause, Dropped, Race, Settled, Winner};
use crate::plan::race::{self, Entrant, Odds};
use crate::spec::experiment::{Experiment, Strategy};

/// Who is started no more after block `ended` beyond those that `race` has, and whether all is
/// decided. Nothing, where the experiment does not race.
pub fn judge(manifest: &Manifest, settled: &[Settled], race: &Race, ended: u32) -> Race {
    match manifest.experiment.run.strategy {
        Strategy::Exhaustive => return Race::default(),
        Strategy::Race => {}
    }
    let until = settled.iter().filter(|one| one.block <= ended).cloned();
    let record = RunRecord::open(manifest.clone(), until.collect());
    let decision = Decision::of(&record);
    let experiment = &manifest.experiment;
    let rankings: Vec<&Ranking<'_>> = decision.rankings().collect();
    let entrants: Vec<Entrant> = decision
        .cells
        .iter()
        .enumerate()
        .map(|(at, cell)| Entrant {
            is_running: cell.tally.n_died == 0
                && !race.dropped.iter().any(|other| other.cell == cell.cell.id),
            is_unknown: is_unknown(cell),
            odds: rankings.iter().map(|one| odds(one, at, cell)).collect(),
            missed: missed(experiment, cell),
        })
        .collect();
    let call = race::judge(&entrants, ended, experiment.run.repeats, ENOUGH);
    let cell = |at: usize| decision.cells[at].cell;
    let dropped = call.drops.into_iter().map(|(at, cause)| Dropped {
        cell: cell(at).id.clone(),
        cell_name: cell(at).name.clone(),
        after_block: ended,
        cause,
    });
    let decided = call.decided.map(|winners| Decided {
        after_block: ended,
        winners: winners
            .into_iter()
            .zip(&rankings)
            .map(|((at, probability), ranking)| Winner {
                use_case: ranking.name.map(str::to_owned),
                cell: cell(at).id.clone(),
                cell_name: cell(at).name.clone(),
                probability,
            })
            .collect(),
    });
    Race {
        dropped: dropped.collect(),
        decided,
    }
}

fn odds(ranking: &Ranking<'_>, at: usize, cell: &CellResult<'_>) -> Odds {
    match (ranking.score(at), ranking.confidence.chance(at)) {
        (_, Some(chance)) => Odds::Stated(chance.equivalent),
        (Some(_), None) => Odds::Open,
        // A mean may come to hold a gate that it misses now.
        (None, None) if ranking.scores[at].is_none() || is_unknown(cell) => Odds::Open,
        (None, None) => Odds::Out,
    }
}

/// No start of it was wholly valid, and none died of its own making.
fn is_unknown(cell: &CellResult<'_>) -> bool {
    let is_invalid = |status: &NodeStatus| matches!(status, NodeStatus::Invalid { .. });
    let mut starts = cell.starts.iter();
    let is_known = starts.any(|start| {
        let mut nodes = start.measured.nodes.iter();
        !nodes.any(|node| is_invalid(&node.status))
    });
    cell.tally.n_died == 0 && !is_known
}

/// The first gate that no further start can mend: one that must hold in every start, or one whose
/// metric a start did not yield.
fn missed(experiment: &Experiment, cell: &CellResult<'_>) -> Option<(String, String)> {
    let mut judged = cell.gates.iter().zip(&experiment.gates);
    let (result, _) = judged.find(|(result, gate)| {
        let metric = reading::definition(experiment, &gate.metric);
        let is_safety = metric.is_some_and(|metric| metric.scale == Scale::Proportion);
        let is_final = is_safety || result.value.is_none();
        is_final && !result.held && !result.is_disturbed
    })?;
    Some((result.gate.clone(), result.finding.clone()))
}

/// Why a cell was dropped, in words.
pub fn cause(cause: &DropCause) -> String {
    match cause {
        DropCause::Behind { probability, bound } => format!(
            "within the margin of the best with probability {}, less than {}",
            probability_in_words(*probability),
            number::percent(*bound)
        ),
        DropCause::Gate { gate, finding } => format!("it missed {gate}: {finding}"),
    }
}

/// That all is decided, in words.
pub fn decided(decided: &Decided) -> String {
    let winners: Vec<String> = decided
        .winners
        .iter()
        .map(|winner| {
            let ranking = match &winner.use_case {
                Some(name) => format!(" for {name}"),
                None => String::new(),
            };
            format!(
                "{}{ranking} ({})",
                winner.cell_name,
                number::probability(winner.probability)
            )
        })
        .collect();
    format!(
        "decided after block {}: within the margin of the best are {}",
        decided.after_block,
        winners.join(", ")
    )
}

/// Small ones with as many digits as the bound has; draws cannot tell those below one in 10,000.
fn probability_in_words(probability: f64) -> String {
    match probability < 1e-4 {
        true => "under 0.01 %".to_owned(),
        false => format!("{:.2} %", probability * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};

    /// Starts of five cells in so many blocks: two alike, three far behind.
    fn run(blocks: u32) -> RunRecord {
        let starts = (1..=blocks).flat_map(|block| {
            let lean = f64::from(block % 3);
            [
                ("a", 100.0, 1.0),
                ("b", 101.0, -1.0),
                ("c", 130.0, 0.5),
                ("d", 140.0, -0.5),
                ("e", 150.0, 0.7),
            ]
            .map(|(cell, ms, sign)| {
                let numbers = Numbers::new(900.0, ms + sign * lean).speed(300.0 - ms);
                fixture::measured(cell, block, numbers)
            })
        });
        let mut record = fixture::record(starts.collect());
        let experiment = &mut record.manifest.experiment;
        experiment.run.strategy = Strategy::Race;
        experiment.run.repeats = 5;
        record
    }

    fn judged(record: &RunRecord, ended: u32) -> Race {
        judge(&record.manifest, &record.settled, &record.race, ended)
    }

    fn names(race: &Race) -> Vec<&str> {
        let dropped = race.dropped.iter();
        dropped.map(|dropped| dropped.cell_name.as_str()).collect()
    }

    #[test]
    fn who_is_far_behind_is_dropped_once_probabilities_are_stated() {
        let record = run(3);
        // Four degrees of freedom after two blocks.
        assert_eq!(judged(&record, 2), Race::default());
        let race = judged(&record, 3);
        assert_eq!(names(&race), ["c", "d", "e"]);
        assert!(race.dropped.iter().all(|dropped| dropped.after_block == 3));
        assert_eq!(race.decided, None);
        let mut exhaustive = record;
        exhaustive.manifest.experiment.run.strategy = Strategy::Exhaustive;
        assert_eq!(judged(&exhaustive, 3), Race::default());
    }

    #[test]
    fn later_attempts_and_earlier_drops_change_nothing() {
        let mut record = run(4);
        record.settled.truncate(17);
        let race = judged(&record, 3);
        assert_eq!(race, judged(&run(3), 3));
        record.race.dropped = race.dropped[..1].to_vec();
        assert_eq!(judged(&record, 3).dropped, race.dropped[1..]);
    }

    #[test]
    fn a_use_case_keeps_a_cell_in_the_race() {
        let mut record = run(3);
        // By speed the order is the same; by its reverse `e` is the best.
        record.manifest.experiment.use_cases = vec![fixture::use_case_by_speed()];
        assert_eq!(names(&judged(&record, 3)), ["c", "d", "e"]);
        let case = &mut record.manifest.experiment.use_cases[0];
        case.objectives[0].goal = crate::spec::experiment::Goal::Min;
        assert_eq!(names(&judged(&record, 3)), ["c", "d"]);
    }

    #[test]
    fn a_champion_decides_and_is_named_once_nobody_is_unknown() {
        let mut record = run(3);
        record.manifest.experiment.run.equivalence = 0.1;
        assert_eq!(judged(&record, 3).decided, None, "`f` was never measured");
        let died = fixture::died("f", 1, crate::diagnose::FailureClass::KvCacheTooSmall);
        record.settled.push(died);
        let race = judged(&record, 3);
        assert!(race.dropped.is_empty());
        let words = decided(&race.decided.unwrap());
        assert!(
            words.starts_with("decided after block 3: within the margin of the best are "),
            "{words}"
        );
    }

    #[test]
    fn a_speed_gate_may_still_be_held_by_the_mean_and_a_safety_gate_never() {
        let dropped = |gate: &str| {
            let mut record = run(1);
            record.settled[0] = fixture::measured("a", 1, Numbers::new(900.0, 200.0).success(0.5));
            record.manifest.experiment.gates = vec![fixture::gate(gate)];
            names(&judged(&record, 1)).join(" ")
        };
        assert_eq!(dropped("kv-cache.success_rate >= 0.95"), "a");
        assert_eq!(dropped("kv-cache.ttft_repeat_ms.p50 < 190 ms"), "");
    }

    #[test]
    fn what_was_judged_is_told_with_its_number() {
        let dropped = fixture::dropped("c", 2);
        assert_eq!(
            cause(&dropped.cause),
            "within the margin of the best with probability 0.12 %, less than 0.50 %"
        );
        assert_eq!(probability_in_words(0.0), "under 0.01 %");
        assert_eq!(
            decided(&fixture::decided("b", 2)),
            "decided after block 2: within the margin of the best are b (97.3 %)"
        );
    }
}

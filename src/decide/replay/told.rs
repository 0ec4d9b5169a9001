//! What a replay comes to, as data and in words.

use std::fmt::Write;

use serde::Serialize;

use crate::decide::decision::Decision;
use crate::decide::number;
use crate::decide::race::cause;
use crate::decide::replay::play;
use crate::decide::replay::recording::Recording;
use crate::decide::verdict::{Basis, Verdict, contenders};
use crate::outcome::Dropped;
use crate::spec::experiment::Strategy;

/// The result of a replay; also what its JSON holds. Times are seconds of engines, start and
/// nodes, and null where the source lacks some.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    pub strategy: Strategy,
    pub repeats: u32,
    pub seed: u64,
    /// Null where the data carry none.
    pub champion: Option<String>,
    /// The first by its mean, or the champion.
    pub leader: Option<String>,
    /// That the champion, else the leader, is within the margin of the best.
    pub p_equivalent: Option<f64>,
    /// That it is the very best.
    pub p_best: Option<f64>,
    /// Who is still in the race, best first.
    pub contenders: Vec<String>,
    pub starts: usize,
    pub engine_seconds: Option<f64>,
    /// Of those that were measured and did not die.
    pub engine_seconds_living: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhaustive_engine_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhaustive_engine_seconds_living: Option<f64>,
    pub dropped: Vec<Dropped>,
    pub decided_after_block: Option<u32>,
    /// The deadline stopped it before its end.
    pub stopped_by_deadline: bool,
    pub n_cells: usize,
    pub n_skipped: usize,
    pub n_unnamed_dead: u32,
    /// Why nothing is ranked, where nothing is.
    pub nothing_ranked: Option<String>,
    pub warnings: Vec<String>,
}

impl Told {
    /// Plays the recording; a race beside the exhaustive strategy, under the same deadline.
    pub fn of(recording: &Recording, deadline: Option<f64>) -> Self {
        let manifest = &recording.manifest;
        let run = &manifest.experiment.run;
        let played = play(manifest, &recording.settled, deadline);
        let exhaustive = match run.strategy {
            Strategy::Exhaustive => None,
            Strategy::Race => {
                let mut other = manifest.clone();
                other.experiment.run.strategy = Strategy::Exhaustive;
                Some(play(&other, &recording.settled, deadline))
            }
        };
        let decision = Decision::of(&played.record);
        let name = |cell: usize| decision.cells[cell].cell.name.clone();
        let (lead, nothing_ranked) = match decision.verdict(&manifest.experiment) {
            Verdict::Leader(lead) => (Some(lead), None),
            Verdict::NothingRanked { because } => (None, Some(because)),
        };
        let chance = lead
            .as_ref()
            .and_then(|lead| decision.ranking.confidence.chance(lead.cell));
        let is_champion = |basis: Basis| matches!(basis, Basis::Champion { .. });
        let mut warnings = recording.warnings.clone();
        if played.n_measured() > 0
            && lead
                .as_ref()
                .is_some_and(|lead| lead.basis == Basis::SingleStart)
        {
            warnings.push("single starts: nothing tells how much starts of one configuration differ, so no confidence can be stated".to_owned());
        }
        let other = exhaustive.as_ref().map(|other| &other.short_of_attempts);
        let short = other.unwrap_or(&played.short_of_attempts);
        if !short.is_empty() {
            warnings.push(format!(
                "fewer attempts are recorded than {} repeats of all would start, so that these are \
                 missing: {}",
                run.repeats,
                short.join(", ")
            ));
        }
        let known = |seconds: f64| recording.has_times.then_some(seconds);
        Self {
            strategy: run.strategy,
            repeats: run.repeats,
            seed: run.seed,
            champion: lead
                .as_ref()
                .filter(|lead| is_champion(lead.basis))
                .map(|lead| name(lead.cell)),
            leader: lead.as_ref().map(|lead| name(lead.cell)),
            p_equivalent: chance.map(|chance| chance.equivalent),
            p_best: chance.map(|chance| chance.best),
            contenders: contenders(&decision.ranking)
                .into_iter()
                .map(name)
                .collect(),
            starts: played.record.settled.len(),
            engine_seconds: known(played.seconds()),
            engine_seconds_living: known(played.seconds_living()),
            exhaustive_engine_seconds: exhaustive.as_ref().and_then(|other| known(other.seconds())),
            exhaustive_engine_seconds_living: exhaustive
                .as_ref()
                .and_then(|other| known(other.seconds_living())),
            dropped: played.record.race.dropped.clone(),
            decided_after_block: played
                .record
                .race
                .decided
                .as_ref()
                .map(|all| all.after_block),
            stopped_by_deadline: played.is_cut,
            n_cells: manifest.cells.len(),
            n_skipped: played.record.skipped.len(),
            n_unnamed_dead: recording.n_unnamed_dead,
            nothing_ranked: nothing_ranked.cloned(),
            warnings,
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        match (&self.champion, &self.leader, &self.nothing_ranked) {
            (Some(champion), ..) => line(format!("champion: {champion}")),
            (None, Some(leader), _) => line(format!("no champion; leader: {leader}")),
            (None, None, because) => line(format!(
                "nothing is ranked: {}",
                because.as_deref().unwrap_or("unknown")
            )),
        }
        if let (Some(equivalent), Some(best)) = (self.p_equivalent, self.p_best) {
            line(format!(
                "within the margin of the best with probability {}, the very best {}",
                number::probability(equivalent),
                number::probability(best)
            ));
        }
        if !self.contenders.is_empty() {
            line(format!("still in the race: {}", self.contenders.join(", ")));
        }
        for dropped in &self.dropped {
            line(format!(
                "{}: dropped after block {}: {}",
                dropped.cell_name,
                dropped.after_block,
                cause(&dropped.cause)
            ));
        }
        if let Some(block) = self.decided_after_block {
            line(format!("decided after block {block} of {}", self.repeats));
        }
        if self.stopped_by_deadline {
            line("stopped by the deadline".to_owned());
        }
        let seconds = |value: Option<f64>| {
            value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.0} s"))
        };
        line(format!(
            "{} starts of {} configurations in {} of engines, {} of them for those that live",
            self.starts,
            self.n_cells,
            seconds(self.engine_seconds),
            seconds(self.engine_seconds_living)
        ));
        if let (Some(own), Some(other)) = (
            self.engine_seconds_living,
            self.exhaustive_engine_seconds_living,
        ) {
            let share = if other > 0.0 { own / other } else { 1.0 };
            line(format!(
                "exhaustive: {} of engines, {} of them for those that live; the race took {share:.2} of that",
                seconds(self.exhaustive_engine_seconds),
                seconds(Some(other))
            ));
        }
        for warning in &self.warnings {
            line(format!("warning: {warning}"));
        }
        text
    }
}

//! What a decision is in words. Every sentence is made by rule from counts, means and spreads;
//! none claims a confidence that was not computed.

use crate::attest::Attested;
use crate::decide::confidence::{ENOUGH, LEAST_DEGREES};
use crate::decide::decision::{CellResult, Decision, Ranking};
use crate::decide::draws::MOST_BLOCKS_AHEAD;
use crate::decide::number;
use crate::decide::reading;
use crate::decide::score::Spread;
use crate::decide::standing::survival_bound;
use crate::decide::verdict::{Basis, Lead, RunnerUp, Verdict, contenders};
use crate::manifest::{RunEnding, RunRecord};
use crate::measure::metric::MetricDef;
use crate::outcome::{Outcome, Settled, Standing};
use crate::report::race;
use crate::report::text::Prose;
use crate::report::unfinished;
use crate::report::view::{About, Sentence, VerdictKind, VerdictView};
use crate::spec::experiment::{Experiment, Goal, Objective};
use crate::spec::flag::Knob;
use crate::spec::vllm_flags::short_name;

/// Words a run's decision.
pub struct Wording<'a> {
    pub record: &'a RunRecord,
    pub decision: &'a Decision<'a>,
}

impl<'a> Wording<'a> {
    /// The verdict over the experiment's own objectives, with all that must be known before
    /// acting on it.
    pub fn verdict(&self) -> VerdictView {
        let experiment = self.experiment();
        match self.decision.verdict(experiment) {
            Verdict::Leader(lead) => {
                let mut sentences = vec![About::Configuration.says(self.coordinates(lead.cell))];
                sentences.extend(self.placing(&self.decision.ranking, lead));
                sentences.extend(self.baseline(lead).map(|text| About::Baseline.says(text)));
                sentences.push(About::Survival.says(self.survival(lead)));
                sentences.extend(self.attestation(lead));
                sentences.push(About::Counts.says(self.counts()));
                self.leader(lead, sentences)
            }
            Verdict::NothingRanked { because } => {
                let mut sentences = vec![refusal(because)];
                sentences.extend(self.ends().map(|text| About::Counts.says(text)));
                VerdictView {
                    kind: VerdictKind::NothingRanked,
                    cell: None,
                    headline: Prose::new(match self.measured_anything() {
                        true => "No configuration can be recommended.",
                        false => {
                            "Nothing could be measured, so no configuration can be recommended."
                        }
                    }),
                    sentences,
                }
            }
        }
    }

    /// The verdict of one use case.
    pub fn use_case(&self, ranking: &Ranking<'_>) -> VerdictView {
        match self.decision.verdict_of(ranking, self.experiment()) {
            Verdict::Leader(lead) => self.leader(lead, self.placing(ranking, lead)),
            Verdict::NothingRanked { because } => VerdictView {
                kind: VerdictKind::NothingRanked,
                cell: None,
                headline: Prose::new("No configuration can be recommended."),
                sentences: vec![refusal(because)],
            },
        }
    }

    /// What is missing of a run that is not complete.
    pub fn missing(&self) -> Vec<Prose> {
        let first = match &self.record.ending {
            RunEnding::Complete { .. } => return Vec::new(),
            RunEnding::Open => {
                "Nothing says how this run ended: it still runs, or it was killed.".to_owned()
            }
            RunEnding::Stopped { because, .. } => format!("The run was stopped: {because}."),
        };
        let repeats = self.experiment().run.repeats;
        let cells = &self.decision.cells;
        let mut sentences = vec![
            Prose::new(first),
            Prose::new(format!(
                "{} starts have settled, {} were planned.",
                self.record.settled.len(),
                cells.len() * repeats as usize
            )),
        ];
        let names_of = |wanted: &dyn Fn(&CellResult<'_>) -> bool| -> Vec<&str> {
            let found = cells.iter().filter(|cell| wanted(cell));
            found.map(|cell| cell.cell.name.as_str()).collect()
        };
        let never = names_of(&|cell| {
            cell.tally.n_valid() == 0
                && !self.is_dropped(cell)
                && !matches!(cell.standing, Standing::Skipped { .. })
        });
        let fewer = names_of(&|cell| {
            cell.tally.lived() && cell.tally.n_measured < repeats && !self.is_dropped(cell)
        });
        if !never.is_empty() {
            sentences.push(Prose::new("Not measured yet: ").names(never).words("."));
        }
        if !fewer.is_empty() {
            let words = format!("Measured in fewer than {repeats} starts: ");
            sentences.push(Prose::new(words).names(fewer).words("."));
        }
        sentences.extend(unfinished::sentences(self.record, self.decision));
        sentences
    }

    /// Racing starts it no more: what it lacks is not missing.
    fn is_dropped(&self, cell: &CellResult<'_>) -> bool {
        race::dropped_after(self.record, &cell.cell.id).is_some()
    }

    pub fn measured_anything(&self) -> bool {
        self.decision
            .cells
            .iter()
            .any(|cell| cell.tally.n_measured > 0)
    }

    fn experiment(&self) -> &'a Experiment {
        &self.record.manifest.experiment
    }

    fn name(&self, cell: usize) -> &'a str {
        self.decision.cells[cell].cell.name.as_str()
    }

    fn leader(&self, lead: &Lead, sentences: Vec<Sentence>) -> VerdictView {
        let name = self.name(lead.cell);
        let headline = match self.record.ending {
            RunEnding::Complete { .. } => Prose::default(),
            RunEnding::Stopped { .. } | RunEnding::Open => Prose::new("So far: "),
        };
        let headline = headline.name(name).words(match lead.basis {
            Basis::SingleStart => " is the leader of single starts".to_owned(),
            Basis::Mean { n_starts } | Basis::Open { n_starts, .. } => {
                format!(" leads by its mean over {n_starts} starts")
            }
            Basis::Champion { n_starts } => format!(" is the champion of {n_starts} starts"),
        });
        let headline = match lead.same.as_slice() {
            [] => headline,
            [other] => headline
                .words(", ")
                .name(self.name(*other))
                .words(" is the same to you"),
            others => headline.words(format!(", {} others are the same to you", others.len())),
        };
        let headline = headline.words(match lead.basis {
            Basis::SingleStart => "; no confidence can be stated.",
            Basis::Mean { .. } => "; too few starts to say how sure that is.",
            Basis::Open { .. } => "; there is no clear champion.",
            Basis::Champion { .. } => ".",
        });
        VerdictView {
            kind: lead.basis.into(),
            cell: Some(name.to_owned()),
            headline,
            sentences,
        }
    }

    /// What a configuration is.
    fn coordinates(&self, cell: usize) -> Prose {
        let cell = self.decision.cells[cell].cell;
        let values: Vec<String> = cell
            .coordinates
            .iter()
            .map(|(knob, value)| match knob {
                Knob::Flag(flag) => format!("{} = {value}", short_name(flag)),
                Knob::Env(_) => format!("{knob} = {value}"),
            })
            .collect();
        Prose::name_first(&cell.name)
            .words(" is ")
            .names(values.iter().map(String::as_str))
            .words(".")
    }

    /// The leader's numbers, and who follows how closely.
    fn placing(&self, ranking: &Ranking<'_>, lead: &Lead) -> Vec<Sentence> {
        let mut sentences: Vec<Sentence> = ranking
            .objectives
            .iter()
            .map(|objective| {
                Prose::name_first(&objective.metric.to_string())
                    .words(format!(" ({}): ", better(objective.goal)))
                    .name(self.name(lead.cell))
                    .words(format!(" has {}", self.number(objective, lead.cell)))
                    .words(match &lead.runner_up {
                        Some(_) => ", ",
                        None => ".",
                    })
                    .extended(lead.runner_up.as_ref().map(|next| {
                        Prose::name_first(self.name(next.cell))
                            .words(format!(" {}.", self.number(objective, next.cell)))
                    }))
            })
            .map(|text| About::Numbers.says(text))
            .collect();
        match &lead.runner_up {
            None => {
                let text = Prose::new("No other configuration is ranked.");
                sentences.push(About::RunnerUp.says(text));
            }
            Some(next) => {
                sentences.push(About::RunnerUp.says(self.following(ranking, lead, next)));
                sentences.extend(self.same(lead).map(|text| About::Same.says(text)));
                let spread = self.spread_between_starts(ranking);
                sentences.push(About::Spread.says(spread));
                let sureness = self.sureness(ranking, lead);
                sentences.extend(sureness.map(|text| About::Sureness.says(text)));
            }
        }
        sentences
    }

    fn following(&self, ranking: &Ranking<'_>, lead: &Lead, next: &RunnerUp) -> Prose {
        let margin = number::chosen_percent(self.experiment().run.equivalence);
        let by = match ranking.objectives.len() {
            1 => "",
            _ => " by the weighted score",
        };
        let sentence = Prose::name_first(self.name(next.cell));
        if next.behind == 1.0 {
            return sentence.words(format!(" has the same score{by}."));
        }
        let told = |interval: Option<String>| {
            interval.map_or_else(String::new, |interval| format!(" ({interval})"))
        };
        if next.behind < 1.0 {
            // Told the other way round: how much worse the champion's mean is.
            let interval = told(self.interval(ranking, lead.cell, next.cell));
            let distance = number::percent(1.0 / next.behind - 1.0);
            return sentence.words(format!(
                " has the better mean by {distance}{by}{interval}: closer than the margin of \
                 {margin}, and the champion is the simpler one (fewer features switched on, or \
                 less memory)."
            ));
        }
        let interval = told(self.interval(ranking, next.cell, lead.cell));
        let distance = number::percent(next.behind - 1.0);
        sentence.words(match next.same {
            true => format!(
                " follows {distance} behind{by}{interval}: closer than the margin of {margin}, so \
                 the two are the same to you; let other reasons decide."
            ),
            false => format!(
                " follows {distance} behind{by}{interval}, which is more than the margin of \
                 {margin} below which a difference does not matter to you."
            ),
        })
    }

    /// `95 % interval 3.1 % to 5.2 %`: how much worse one cell is than another.
    fn interval(&self, ranking: &Ranking<'_>, cell: usize, other: usize) -> Option<String> {
        let (_, low, high) = ranking.confidence.behind(cell, other)?.ratio();
        let (low, high) = (number::percent(low - 1.0), number::percent(high - 1.0));
        Some(format!("95 % interval {low} to {high}"))
    }

    fn same(&self, lead: &Lead) -> Option<Prose> {
        let others = lead.same.get(1..).filter(|others| !others.is_empty())?;
        let names = others.iter().map(|&cell| self.name(cell));
        Some(Prose::new("Just as close: ").names(names).words("."))
    }

    /// What starts of one and the same configuration differ by.
    fn spread_between_starts(&self, ranking: &Ranking<'_>) -> Prose {
        let confidence = &ranking.confidence;
        let Some(noise) = confidence.noise() else {
            return Prose::new(
                "How much starts of one and the same configuration differ is not known from \
                 single starts: raise ",
            )
            .name("repeats")
            .words(" to see it.");
        };
        let over = match confidence.is_with_earlier() {
            true => "all ranked ones and earlier runs on the same ground",
            false => "all ranked ones",
        };
        Prose::new(format!(
            "Starts of one and the same configuration differ by {} (sd, pooled over {over}, with \
             {:.0} degrees of freedom).",
            number::percent(noise.sd().exp_m1()),
            noise.degrees
        ))
    }

    /// How sure the first place is, or what it would take.
    fn sureness(&self, ranking: &Ranking<'_>, lead: &Lead) -> Option<Prose> {
        let confidence = &ranking.confidence;
        let margin = number::chosen_percent(self.experiment().run.equivalence);
        let enough = number::chosen_percent(ENOUGH);
        let noise = confidence.noise()?;
        let Some(chance) = confidence.chance(lead.cell) else {
            return Some(Prose::new(format!(
                "No probability is stated from {:.0} degrees of freedom; from {LEAST_DEGREES:.0} \
                 on there is one: more configurations, or more ",
                noise.degrees
            ))
            .name("repeats")
            .words("."));
        };
        let chances = format!(
            " is within {margin} of the best with probability {} (the very best: {}; rank {})",
            number::probability(chance.equivalent),
            number::probability(chance.best),
            match chance.ranks {
                (low, high) if low == high => low.to_string(),
                (low, high) => format!("{low} to {high}"),
            },
        );
        let sentence = Prose::name_first(self.name(lead.cell)).words(chances);
        let Basis::Open { more_blocks, .. } = lead.basis else {
            let loss = number::percent(chance.expected_loss);
            let words = format!("; choosing it is expected to cost {loss} against the best.");
            return Some(sentence.words(words));
        };
        let names = contenders(ranking);
        let names = names.iter().map(|&cell| self.name(cell));
        let sentence = sentence
            .words(format!("; a champion needs {enough}. Still in the race: "))
            .names(names);
        Some(sentence.words(match more_blocks {
            Some(1) => ". One more repeat would likely settle it.".to_owned(),
            Some(n) => format!(". {n} more repeats would likely settle it."),
            None => format!(
                ". Not even {MOST_BLOCKS_AHEAD} more repeats would likely settle it: they differ \
                 by about the margin."
            ),
        }))
    }

    fn baseline(&self, lead: &Lead) -> Option<Prose> {
        let baseline = self.decision.baseline?;
        if baseline == lead.cell {
            return Some(Prose::new(
                "It is also the baseline, the first of the file that lived.",
            ));
        }
        let ratio = self.decision.ranking.behind(baseline, lead.cell)?;
        Some(
            Prose::new("Against the baseline ")
                .name(self.name(baseline))
                .words(format!(
                    " (the first of the file that lived) it is {} times as good.",
                    number::significant(ratio)
                )),
        )
    }

    fn survival(&self, lead: &Lead) -> Prose {
        let cell = &self.decision.cells[lead.cell];
        let n = cell.tally.n_measured;
        let bound = survival_bound(n).map_or("-".to_owned(), number::percent);
        let sentence = Prose::new("Survival: 0 deaths in ").words(format!(
            "{n} {}; the chance that it dies in a start can still be as high as {bound} (95 % \
             bound).",
            starts(n)
        ));
        let classes = classes(&cell.settled);
        match classes.is_empty() {
            true => sentence,
            false => sentence.words(format!(
                " Starts that failed for a reason that is not counted as its own: {classes}."
            )),
        }
    }

    /// Which of the leader's varied flags its engine did not confirm.
    fn attestation(&self, lead: &Lead) -> Option<Sentence> {
        let cell = &self.decision.cells[lead.cell];
        let mut unconfirmed: Vec<&str> = Vec::new();
        let mut n_flags = 0;
        for flag in cell.starts.first()?.measured.attestation.iter() {
            n_flags += 1;
            let everywhere = cell.starts.iter().all(|start| {
                let mut flags = start.measured.attestation.iter();
                flags.any(|other| {
                    other.flag == flag.flag && matches!(other.attested, Attested::Confirmed { .. })
                })
            });
            if !everywhere {
                unconfirmed.push(flag.flag.as_str());
            }
        }
        let n_confirmed = n_flags - unconfirmed.len();
        let words =
            format!("The engine's own state confirms {n_confirmed} of its {n_flags} varied flags");
        (n_flags > 0).then(|| match unconfirmed.is_empty() {
            true => About::Confirmed.says(Prose::new(words + ".")),
            false => About::Unconfirmed.says(
                Prose::new(words + "; not confirmed: ")
                    .names(unconfirmed)
                    .words("."),
            ),
        })
    }

    fn counts(&self) -> Prose {
        let cells = &self.decision.cells;
        let count =
            |wanted: fn(&Standing) -> bool| cells.iter().filter(|c| wanted(&c.standing)).count();
        let skipped = match count(|s| matches!(s, Standing::Skipped { .. })) {
            0 => String::new(),
            n => format!("{n} skipped, "),
        };
        let dropped = match cells.iter().filter(|cell| self.is_dropped(cell)).count() {
            0 => String::new(),
            n => format!("; racing dropped {n} of them before the last block"),
        };
        Prose::new(format!(
            "{} configuration{}: {} ranked, {} rejected, {} infeasible, {skipped}{} undecided{dropped}.",
            cells.len(),
            if cells.len() == 1 { "" } else { "s" },
            count(|s| matches!(s, Standing::Ranked)),
            count(|s| matches!(s, Standing::Rejected { .. })),
            count(|s| matches!(s, Standing::Infeasible { .. })),
            count(|s| matches!(s, Standing::Undecided { .. })),
        ))
    }

    /// How the starts ended, where none led to a number.
    fn ends(&self) -> Option<Prose> {
        let settled: Vec<&Settled> = self.record.settled.iter().collect();
        let classes = classes(&settled);
        (!classes.is_empty()).then(|| {
            Prose::new(format!(
                "Starts that ended without a measurement, of {} settled: {classes}.",
                settled.len()
            ))
        })
    }

    fn number(&self, objective: &Objective, cell: usize) -> String {
        let definition = reading::definition(self.experiment(), &objective.metric);
        Spread::over(&objective.metric, &self.decision.cells[cell].starts).map_or_else(
            || "-".to_owned(),
            |spread| spread_in_words(&spread, definition),
        )
    }
}

fn refusal(because: &str) -> Sentence {
    About::Refusal.says(Prose::new(format!("Why: {because}.")))
}

/// `133 ms (mean of 2 starts, sd 2.12 ms)`.
fn spread_in_words(spread: &Spread, metric: Option<&MetricDef>) -> String {
    let mean = number::with_unit(spread.mean, metric);
    match spread.sd {
        None => format!("{mean} (1 start)"),
        Some(sd) => {
            let sd = number::with_unit(sd, metric);
            format!("{mean} (mean of {} starts, sd {sd})", spread.n)
        }
    }
}

/// Which way an objective is better.
pub fn better(goal: Goal) -> &'static str {
    match goal {
        Goal::Min => "lower is better",
        Goal::Max => "higher is better",
    }
}

fn starts(n: u32) -> &'static str {
    match n {
        1 => "start",
        _ => "starts",
    }
}

/// `kv_cache_too_small 4, engine_died 2`, in the order of first appearance.
fn classes(settled: &[&Settled]) -> String {
    let mut counts: Vec<(String, u32)> = Vec::new();
    for attempt in settled {
        let class = match &attempt.outcome {
            Outcome::Measured(_) => continue,
            Outcome::Infeasible(failure) | Outcome::Failed(failure) => failure.class.to_string(),
            Outcome::Cancelled => "cancelled".to_owned(),
        };
        match counts.iter_mut().find(|(name, _)| *name == class) {
            Some((_, n)) => *n += 1,
            None => counts.push((class, 1)),
        }
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    counts.join(", ")
}

/// `42 s`, `3.5 min`, `3 h 12 min`.
pub fn span(hours: f64) -> String {
    let seconds = hours * 3600.0;
    if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        let minutes = (seconds / 60.0).round();
        format!(
            "{:.0} h {:02.0} min",
            (minutes / 60.0).floor(),
            minutes % 60.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_exact_as_a_person_needs_them() {
        for (seconds, text) in [
            (0.4, "0 s"),
            (42.0, "42 s"),
            (210.0, "3.5 min"),
            (11_520.0, "3 h 12 min"),
            (35_999.0, "10 h 00 min"),
        ] {
            assert_eq!(span(seconds / 3600.0), text);
        }
    }
}

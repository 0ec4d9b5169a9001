//! What is wrong with the `[[when]]`s, `[[exclude]]`s and `[[cell]]`s of an experiment once it
//! is known which cells they speak of.

use std::collections::BTreeMap;

use crate::matrix::resolve::{Contest, Resolved, holds, number_of};
use crate::matrix::wording::{add_distinct, knob_text, list_text, n_cells, value_text};
use crate::spec::diagnostic::{Diagnostic, Place};
use crate::spec::experiment::{Condition, Exclude, Experiment, NamedCell, Term};
use crate::spec::flag::{FlagValue, Knob};
use crate::spec::profile::EnvSource;

/// Every value that anything in the two files gives to a knob.
pub(in crate::matrix) struct Vocabulary(BTreeMap<Knob, Vec<FlagValue>>);

impl Vocabulary {
    pub fn of(experiment: &Experiment) -> Self {
        let mut known = Self(BTreeMap::new());
        let engine = &experiment.profile.engine;
        for flag in &engine.flags {
            known.add(&Knob::Flag(flag.name.clone()), &flag.value);
        }
        for (name, source) in &engine.env {
            if let EnvSource::Literal(text) = source {
                known.add(&Knob::Env(name.clone()), &FlagValue::Text(text.clone()));
            }
        }
        for axis in &experiment.axes {
            for value in &axis.values {
                known.add(&axis.knob, value);
            }
        }
        let whens = experiment.whens.iter().map(|when| &when.set);
        let cells = experiment.named_cells.iter().map(|cell| &cell.set);
        for assigned in whens.chain(cells).flat_map(|set| &set.values) {
            known.add(&assigned.knob, &assigned.value);
        }
        known
    }

    fn add(&mut self, knob: &Knob, value: &FlagValue) {
        add_distinct(self.0.entry(knob.clone()).or_default(), value);
    }

    fn of_knob(&self, knob: &Knob) -> &[FlagValue] {
        self.0.get(knob).map_or(&[], Vec::as_slice)
    }

    /// Values of a term that nothing in the files gives to its knob.
    fn strangers(&self, term: &Term) -> Vec<FlagValue> {
        let known = self.of_knob(&term.knob);
        let stranger = |value: &&FlagValue| {
            **value != FlagValue::Default
                && !known
                    .iter()
                    .any(|known| known.to_string() == value.to_string())
        };
        term.any_of.iter().filter(stranger).cloned().collect()
    }
}

/// A `[[cell]]` that leaves out an axis.
pub(in crate::matrix) fn missing_axes(
    experiment: &Experiment,
    cell: &NamedCell,
) -> Option<Diagnostic> {
    let given = |knob: &Knob| {
        cell.set
            .values
            .iter()
            .any(|assigned| assigned.knob == *knob)
    };
    let missing: Vec<String> = experiment
        .axes
        .iter()
        .filter(|axis| !given(&axis.knob))
        .map(|axis| format!("`{}`", knob_text(&axis.knob)))
        .collect();
    (!missing.is_empty()).then(|| {
        Diagnostic::error(
            cell.at,
            format!(
                "cell `{}` gives no value for {}",
                cell.name,
                missing.join(", ")
            ),
        )
        .help("a `[[cell]]` gives every axis of the matrix in its `set`")
    })
}

/// `[[when]]`s that hold for no cell, and values in their `where` that no cell can have.
pub(in crate::matrix) fn about_whens(
    experiment: &Experiment,
    vocabulary: &Vocabulary,
    resolved: &[&Resolved],
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, when) in experiment.whens.iter().enumerate() {
        let what = format!("`[[when]]` #{}", number_of(index));
        if resolved.iter().any(|cell| cell.held.contains(&index)) {
            found.extend(strange_values(&when.condition, vocabulary));
        } else {
            found.push(matches_nothing(&what, when.at, &when.condition, vocabulary));
        }
    }
    found
}

/// `[[exclude]]`s that match no place of the product or all of them, and strange values.
pub(in crate::matrix) fn about_excludes(
    experiment: &Experiment,
    vocabulary: &Vocabulary,
    places: &[Resolved],
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for exclude in &experiment.excludes {
        let matched = places
            .iter()
            .filter(|place| holds(&exclude.condition, &place.state))
            .count();
        if matched == 0 {
            found.push(matches_nothing(
                "this exclude",
                exclude.at,
                &exclude.condition,
                vocabulary,
            ));
        } else if matched == places.len() {
            found.push(matches_everything(exclude, matched));
        } else {
            found.extend(strange_values(&exclude.condition, vocabulary));
        }
    }
    found
}

fn matches_everything(exclude: &Exclude, matched: usize) -> Diagnostic {
    let all = match matched {
        1 => "the only cell".to_owned(),
        _ => format!("all {matched} cells"),
    };
    Diagnostic::error(
        exclude.at,
        format!("this exclude matches {all} of the matrix"),
    )
    .help("name in its `where` what tells the unwanted cells from the others")
}

fn matches_nothing(
    what: &str,
    at: impl Into<Place>,
    condition: &Condition,
    vocabulary: &Vocabulary,
) -> Diagnostic {
    let message = format!("{what} matches no cell");
    for term in &condition.terms {
        let strangers = vocabulary.strangers(term);
        if strangers.len() < term.any_of.len() {
            continue;
        }
        let knob = knob_text(&term.knob);
        let known = vocabulary.of_knob(&term.knob);
        let diagnostic = Diagnostic::error(term.at, message);
        return if known.is_empty() {
            diagnostic.label(format!("no cell has `{knob}`")).help(
                "a `where` speaks of axes, of flags of the profile, and of what a `[[when]]` sets",
            )
        } else {
            diagnostic.label(format!("the values of `{knob}` are {}", list_text(known)))
        };
    }
    Diagnostic::error(at, message)
        .label("each part of its `where` holds somewhere, but never all in one cell")
}

fn strange_values(condition: &Condition, vocabulary: &Vocabulary) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for term in &condition.terms {
        for value in vocabulary.strangers(term) {
            let knob = knob_text(&term.knob);
            let known = list_text(vocabulary.of_knob(&term.knob));
            found.push(
                Diagnostic::warning(
                    term.at,
                    format!("no cell has `{knob} = {}`", value_text(&value)),
                )
                .label(format!("the values of `{knob}` are {known}")),
            );
        }
    }
    found
}

/// Knobs that two `[[when]]`s set to different values in one cell, each pair once.
pub(in crate::matrix) fn about_contests<'a>(
    experiment: &Experiment,
    cells: impl Iterator<Item = (&'a str, &'a Resolved)>,
) -> Vec<Diagnostic> {
    let mut contests: BTreeMap<&Contest, (usize, &str)> = BTreeMap::new();
    for (name, resolved) in cells {
        for contest in &resolved.contests {
            contests.entry(contest).or_insert((0, name)).0 += 1;
        }
    }
    let set_by = |index: usize, knob: &Knob| {
        experiment.whens[index]
            .set
            .values
            .iter()
            .find(|assigned| assigned.knob == *knob)
    };
    contests
        .into_iter()
        .filter_map(|(contest, (count, example))| {
            let later = set_by(contest.later, &contest.knob)?;
            let earlier = set_by(contest.earlier, &contest.knob)?;
            let message = format!(
                "`[[when]]` #{} and #{} set `{}` to different values in {}, for example `{example}`",
                number_of(contest.earlier),
                number_of(contest.later),
                knob_text(&contest.knob),
                n_cells(count),
            );
            let label = format!(
                "{} replaces {}",
                value_text(&later.value),
                value_text(&earlier.value)
            );
            Some(Diagnostic::warning(later.at, message).label(label))
        })
        .collect()
}

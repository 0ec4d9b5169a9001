//! From the axes, `[[when]]`s, `[[exclude]]`s and `[[cell]]`s of an experiment to its cells.
//!
//! The order is fixed: the product in file order, the first axis slowest, then the cells that
//! `[[cell]]`s add outside of it. Knows nothing of how cells are run.

use std::collections::{BTreeSet, HashMap};

use crate::id::CellId;
use crate::matrix::cell::Cell;
use crate::matrix::finding::{
    Vocabulary, about_contests, about_excludes, about_whens, missing_axes,
};
use crate::matrix::name::{made_of, told_apart};
use crate::matrix::resolve::{Resolved, Resolver, holds};
use crate::matrix::rules;
use crate::matrix::wording::{knob_text, n_cells};
use crate::spec::diagnostic::{Diagnostic, FileRole, has_errors};
use crate::spec::experiment::{Axis, Experiment, NamedCell};
use crate::spec::flag::FlagValue;

/// Most cells that a matrix may have before exclusion. Each costs a start of an engine, so
/// anything near it is a mistake.
pub const MAX_CELLS: usize = 10_000;

/// Folded cells that one warning spells out, and places of each of them.
const SHOWN_FOLDS: usize = 5;

/// A matrix, expanded.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    /// What is to be measured, each engine input once.
    pub cells: Vec<Cell>,
    pub excluded: Vec<Excluded>,
    pub folded: Vec<Folded>,
    pub diagnostics: Vec<Diagnostic>,
}

/// A cell of the product that an `[[exclude]]` removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// The name that it would have had.
    pub cell: String,
    /// As the file gives it.
    pub reason: Option<String>,
}

/// Places of the product that give their engines the same input: one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// Names by the values of the axes, at least two.
    pub places: Vec<String>,
    /// Name of the cell that stands for all of them.
    pub into: String,
}

/// One place of the product with its cell.
struct Placed {
    resolved: Resolved,
    cell: Cell,
    /// Name by the values of the axes, before any `[[when]]`.
    place_name: String,
}

/// A cell that is kept.
struct Kept {
    cell: Cell,
    resolved: Resolved,
    named: Naming,
    /// Places of the product that it stands for.
    places: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    ByFile,
    Made,
}

/// Expands the matrix of an experiment and checks all that can be known only then. Where the
/// diagnostics hold an error, the cells are those that could be made in spite of it.
pub fn expand(experiment: &Experiment) -> Expansion {
    let mut expansion = Expansion {
        cells: Vec::new(),
        excluded: Vec::new(),
        folded: Vec::new(),
        diagnostics: Vec::new(),
    };
    if let Some(too_many) = too_many(&experiment.axes) {
        expansion.diagnostics.push(too_many);
        return expansion;
    }
    let resolver = Resolver::new(experiment);
    let places: Vec<Resolved> = product(&experiment.axes)
        .iter()
        .map(|values| resolver.place(values))
        .collect();
    let mut named = Vec::new();
    for cell in &experiment.named_cells {
        match missing_axes(experiment, cell) {
            Some(missing) => expansion.diagnostics.push(missing),
            None => named.push((cell, resolver.named(cell))),
        }
    }

    let vocabulary = Vocabulary::of(experiment);
    let all: Vec<&Resolved> = places
        .iter()
        .chain(named.iter().map(|(_, resolved)| resolved))
        .collect();
    // Without any cell, every `where` would be blamed for matching none.
    if !all.is_empty() {
        expansion
            .diagnostics
            .extend(about_whens(experiment, &vocabulary, &all));
    }
    // An empty axis was named already; an exclude without any matrix matches nothing.
    if !places.is_empty() || experiment.axes.is_empty() {
        expansion
            .diagnostics
            .extend(about_excludes(experiment, &vocabulary, &places));
    }

    let mut keeper = Keeper::default();
    for (resolved, values) in places.into_iter().zip(product(&experiment.axes)) {
        let cell = resolver.cell(&resolved.state, None);
        let place_name = place_name(&experiment.axes, &values, &cell.id);
        keeper.place(
            experiment,
            Placed {
                resolved,
                cell,
                place_name,
            },
            &mut expansion.excluded,
        );
    }
    for (cell, resolved) in named {
        let resolved_cell = resolver.cell(&resolved.state, cell.memory);
        expansion
            .diagnostics
            .extend(keeper.name(cell, resolved_cell, resolved));
    }
    let mut kept = keeper.kept;
    give_names(&experiment.axes, &mut kept);

    let cells = kept
        .iter()
        .map(|kept| (kept.cell.name.as_str(), &kept.resolved));
    expansion
        .diagnostics
        .extend(about_contests(experiment, cells));
    expansion.folded = kept
        .iter_mut()
        .filter(|kept| kept.places.len() > 1)
        .map(|kept| Folded {
            places: std::mem::take(&mut kept.places),
            into: kept.cell.name.clone(),
        })
        .collect();
    expansion
        .diagnostics
        .extend(folding(&experiment.axes, &expansion.folded));
    expansion.cells = kept.into_iter().map(|kept| kept.cell).collect();
    expansion
        .diagnostics
        .extend(rules::check(experiment, &expansion.cells));
    if expansion.cells.is_empty() && !has_errors(&expansion.diagnostics) {
        expansion
            .diagnostics
            .push(nothing_left(expansion.excluded.len()));
    }
    expansion
}

/// Collects cells by their input.
#[derive(Default)]
struct Keeper {
    kept: Vec<Kept>,
    /// Index into `kept`.
    by_id: HashMap<CellId, usize>,
    /// Inputs of excluded cells.
    excluded: BTreeSet<CellId>,
}

impl Keeper {
    /// Takes a place of the product: excludes it, folds it, or keeps it.
    fn place(&mut self, experiment: &Experiment, placed: Placed, excluded: &mut Vec<Excluded>) {
        let Placed {
            resolved,
            cell,
            place_name,
        } = placed;
        let by = experiment
            .excludes
            .iter()
            .find(|exclude| holds(&exclude.condition, &resolved.state));
        if let Some(exclude) = by {
            excluded.push(Excluded {
                cell: place_name,
                reason: exclude.reason.clone(),
            });
            self.excluded.insert(cell.id);
        } else if let Some(&same) = self.by_id.get(&cell.id) {
            self.kept[same].places.push(place_name);
        } else {
            self.keep(Kept {
                cell,
                resolved,
                named: Naming::Made,
                places: vec![place_name],
            });
        }
    }

    /// Takes a `[[cell]]`: gives its name to the cell of the product with the same input, or
    /// adds it.
    fn name(
        &mut self,
        named: &NamedCell,
        mut cell: Cell,
        resolved: Resolved,
    ) -> Option<Diagnostic> {
        let name = &named.name;
        let Some(&same) = self.by_id.get(&cell.id) else {
            let was_excluded = self.excluded.contains(&cell.id).then(|| {
                Diagnostic::warning(
                    named.at,
                    format!(
                        "cell `{name}` is measured although an exclude removes it from the matrix"
                    ),
                )
                .help("drop the `[[cell]]` or the `[[exclude]]`")
            });
            cell.name.clone_from(name);
            self.keep(Kept {
                cell,
                resolved,
                named: Naming::ByFile,
                places: Vec::new(),
            });
            return was_excluded;
        };
        let same = &mut self.kept[same];
        if same.named == Naming::ByFile {
            return Some(Diagnostic::error(
                named.at,
                format!(
                    "cells `{}` and `{name}` are the same configuration",
                    same.cell.name
                ),
            ));
        }
        same.cell.name.clone_from(name);
        same.named = Naming::ByFile;
        None
    }

    fn keep(&mut self, kept: Kept) {
        self.by_id.insert(kept.cell.id.clone(), self.kept.len());
        self.kept.push(kept);
    }
}

/// The product of the axes, the first one slowest; nothing without axes.
fn product(axes: &[Axis]) -> Vec<Vec<&FlagValue>> {
    if axes.is_empty() {
        return Vec::new();
    }
    axes.iter().fold(vec![Vec::new()], |fronts, axis| {
        fronts
            .iter()
            .flat_map(|front| {
                axis.values.iter().map(move |value| {
                    let mut longer: Vec<&FlagValue> = front.clone();
                    longer.push(value);
                    longer
                })
            })
            .collect()
    })
}

fn too_many(axes: &[Axis]) -> Option<Diagnostic> {
    let count = axes
        .iter()
        .try_fold(1_usize, |count, axis| count.checked_mul(axis.values.len()));
    if count.is_some_and(|count| count <= MAX_CELLS) {
        return None;
    }
    let factors: Vec<String> = axes
        .iter()
        .map(|axis| format!("{} ({})", axis.values.len(), knob_text(&axis.knob)))
        .collect();
    let count = count.map_or_else(
        || "more than can be counted".to_owned(),
        |count| count.to_string(),
    );
    let at = axes.first().map(|axis| axis.at);
    Some(
        Diagnostic::error(
            at,
            format!(
                "the matrix has {} = {count} cells before exclusion",
                factors.join(" x ")
            ),
        )
        .label(format!("at most {MAX_CELLS}"))
        .help("every cell is at least one start of an engine: drop values or axes"),
    )
}

fn nothing_left(n_excluded: usize) -> Diagnostic {
    let message = match n_excluded {
        0 => "there is no cell: `[matrix]` is empty and there is no `[[cell]]`".to_owned(),
        _ => format!("no cell is left: all {n_excluded} cells of the matrix are excluded"),
    };
    Diagnostic::error(FileRole::Experiment, message)
}

/// Whether an axis is worth a word in a name; all are where none has two values.
fn in_names(axes: &[Axis]) -> Vec<bool> {
    let varies: Vec<bool> = axes.iter().map(|axis| axis.values.len() > 1).collect();
    if varies.contains(&true) {
        varies
    } else {
        vec![true; axes.len()]
    }
}

fn place_name(axes: &[Axis], values: &[&FlagValue], id: &CellId) -> String {
    let coordinates = axes
        .iter()
        .map(|axis| &axis.knob)
        .zip(values.iter().copied());
    let chosen = coordinates
        .zip(in_names(axes))
        .filter(|(_, named)| *named)
        .map(|(pair, _)| pair);
    made_of(chosen, id)
}

/// Names the cells that the file does not name, by the values that they really have.
fn give_names(axes: &[Axis], kept: &mut [Kept]) {
    let chosen = in_names(axes);
    let mut taken: BTreeSet<String> = kept
        .iter()
        .filter(|kept| kept.named == Naming::ByFile)
        .map(|kept| kept.cell.name.clone())
        .collect();
    for Kept { cell, named, .. } in kept {
        if *named == Naming::Made {
            let coordinates = cell
                .coordinates
                .iter()
                .zip(&chosen)
                .filter(|(_, named)| **named);
            let name = made_of(
                coordinates.map(|((knob, value), _)| (knob, value)),
                &cell.id,
            );
            cell.name = if taken.contains(&name) {
                told_apart(&name, &cell.id)
            } else {
                name
            };
            taken.insert(cell.name.clone());
        }
    }
}

fn folding(axes: &[Axis], folded: &[Folded]) -> Option<Diagnostic> {
    if folded.is_empty() {
        return None;
    }
    let n_places: usize = folded.iter().map(|folded| folded.places.len()).sum();
    let mut lines: Vec<String> = folded
        .iter()
        .take(SHOWN_FOLDS)
        .map(|folded| shortened(&folded.places).join(" = "))
        .collect();
    if folded.len() > SHOWN_FOLDS {
        lines.push(format!("and {} more", folded.len() - SHOWN_FOLDS));
    }
    Some(
        Diagnostic::warning(
            axes.first().map(|axis| axis.at),
            format!(
                "{n_places} places of the matrix are only {}: their engines get the same input",
                n_cells(folded.len())
            ),
        )
        .help(format!(
            "each of these is measured once:\n{}",
            lines.join("\n")
        )),
    )
}

fn shortened(places: &[String]) -> Vec<&str> {
    let mut shown: Vec<&str> = places
        .iter()
        .take(SHOWN_FOLDS)
        .map(String::as_str)
        .collect();
    if places.len() > SHOWN_FOLDS {
        shown.push("...");
    }
    shown
}

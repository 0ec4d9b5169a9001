//! Pruning by proof: which cells need not be started, because one that asks for no more memory,
//! or has no less of it, has died.
//!
//! Nothing is skipped by likelihood. A death proves something only of cells that are equal to
//! the dead one in everything but the few flags in which its class is monotone
//! ([`Prune::monotone`]), only when the cards were the engine's alone, and only until a cell
//! that it would prove dead is seen to live.

use crate::diagnose::{Prune, Side};
use crate::id::CellId;
use crate::manifest::Manifest;
use crate::matrix::cell::Cell;
use crate::outcome::{Outcome, Settled, Skip, Witness};
use crate::spec::experiment::Pruning;
use crate::spec::flag::FlagValue;

/// The cells that need not be started after these attempts, each with its first witness, in the
/// order of the manifest. Cells that died themselves, and those that were measured, are not
/// among them.
pub fn skips(manifest: &Manifest, settled: &[Settled]) -> Vec<Skip> {
    match manifest.experiment.run.pruning {
        Pruning::Off => return Vec::new(),
        Pruning::ByProof => {}
    }
    let witnesses: Vec<(&Settled, &Cell, Prune)> = settled
        .iter()
        .filter_map(|attempt| {
            let proof = proof_of(attempt, manifest.is_stand_in())?;
            let dead = find(&manifest.cells, &attempt.attempt.cell)?;
            let is_refuted = manifest
                .cells
                .iter()
                .any(|cell| was_measured(&cell.id, settled) && proves(proof, dead, cell).is_some());
            (!is_refuted).then_some((attempt, dead, proof))
        })
        .collect();
    let unknown = manifest.cells.iter().filter(|cell| {
        let mut own = settled.iter().filter(|one| one.attempt.cell == cell.id);
        !own.any(|one| match one.outcome {
            Outcome::Measured(_) | Outcome::Infeasible(_) => true,
            Outcome::Failed(_) | Outcome::Cancelled => false,
        })
    });
    unknown
        .filter_map(|cell| {
            let (attempt, rule) = witnesses
                .iter()
                .find_map(|(attempt, dead, proof)| Some((attempt, proves(*proof, dead, cell)?)))?;
            let Outcome::Infeasible(failure) = &attempt.outcome else {
                return None;
            };
            Some(Skip {
                cell: cell.id.clone(),
                cell_name: cell.name.clone(),
                witness: Witness {
                    attempt: attempt.attempt.clone(),
                    cell_name: attempt.cell_name.clone(),
                    class: failure.class,
                    rule,
                },
            })
        })
        .collect()
}

/// What an attempt's end can prove: nothing, unless it died of its own making on cards whose
/// memory nobody else held. Where no card could be watched, only the death of a stand-in, whose
/// cards are imagined, or one of the host's memory, is known to be such.
fn proof_of(attempt: &Settled, is_stand_in: bool) -> Option<Prune> {
    let Outcome::Infeasible(failure) = &attempt.outcome else {
        return None;
    };
    let proof = failure.consequence.prune(failure.class);
    let profiling = attempt.profiling.as_deref();
    let was_watched = profiling.is_some_and(|profiling| !profiling.cards.is_empty());
    let was_alone = profiling.is_none_or(|profiling| profiling.not_alone.is_empty());
    let holds = match proof {
        Prune::None => false,
        Prune::DeviceOom | Prune::KvCache => was_alone && (was_watched || is_stand_in),
        Prune::HostOom => was_alone,
    };
    holds.then_some(proof)
}

/// Does the death of one cell prove that another dies? The rule in words, if so.
pub fn proves(proof: Prune, dead: &Cell, cell: &Cell) -> Option<String> {
    let monotone = proof.monotone();
    if monotone.is_empty() || dead.memory != cell.memory || !same_variables(dead, cell) {
        return None;
    }
    let mut names: Vec<_> = dead.flags.keys().chain(cell.flags.keys()).collect();
    names.sort();
    names.dedup();
    let mut steps = Vec::new();
    for name in names {
        let value = |cell: &Cell| -> Option<FlagValue> {
            let setting = cell.flags.get(name)?;
            (setting.value != FlagValue::Default).then(|| setting.value.clone())
        };
        let (was, is) = (value(dead), value(cell));
        if was == is {
            continue;
        }
        let (_, side) = monotone.iter().find(|(flag, _)| *flag == name.as_str())?;
        // A flag that is not passed has a value that only the engine knows.
        let (was, is) = (number(&was?)?, number(&is?)?);
        let sign = match side {
            Side::AtLeast if is >= was => ">=",
            Side::AtMost if is <= was => "<=",
            Side::AtLeast | Side::AtMost => return None,
        };
        steps.push(format!("{name} {is} {sign} {was}"));
    }
    steps.push("all else is equal".to_owned());
    Some(steps.join(", "))
}

/// A size that can be compared; negative ones are vLLM's marks for a size of its own choice.
fn number(value: &FlagValue) -> Option<f64> {
    let number = match value {
        FlagValue::Int(number) => *number as f64,
        FlagValue::Float(number) => *number,
        FlagValue::Bool(_) | FlagValue::Text(_) | FlagValue::List(_) | FlagValue::Default => {
            return None;
        }
    };
    (number >= 0.0).then_some(number)
}

fn same_variables(dead: &Cell, cell: &Cell) -> bool {
    let given = |cell: &'_ Cell| -> Vec<(String, FlagValue)> {
        let set = cell.env.iter();
        set.filter(|(_, setting)| setting.value != FlagValue::Default)
            .map(|(name, setting)| (name.clone(), setting.value.clone()))
            .collect()
    };
    given(dead) == given(cell)
}

fn was_measured(cell: &CellId, settled: &[Settled]) -> bool {
    let mut own = settled.iter().filter(|one| one.attempt.cell == *cell);
    own.any(|one| matches!(one.outcome, Outcome::Measured(_)))
}

fn find<'a>(cells: &'a [Cell], id: &CellId) -> Option<&'a Cell> {
    cells.iter().find(|cell| cell.id == *id)
}

#[cfg(test)]
mod tests;

//! The one way from a read experiment to one that may be run: all mistakes of its files, its
//! matrix and its DAG together.

use crate::matrix::cell::Cell;
use crate::matrix::{Excluded, Folded, expand};
use crate::plan::{ageing, dag, fit, handover};
use crate::spec::Loaded;
use crate::spec::diagnostic::{Diagnostic, Sources, has_errors};
use crate::spec::experiment::Experiment;

/// An experiment in which no mistake was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub experiment: Experiment,
    /// In the order of the file; at least one.
    pub cells: Vec<Cell>,
    /// Nodes in the order in which they run.
    pub node_order: Vec<String>,
    pub excluded: Vec<Excluded>,
    pub folded: Vec<Folded>,
    pub warnings: Vec<Diagnostic>,
    pub sources: Sources,
}

/// An experiment that must not be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    pub sources: Sources,
    /// All of them, errors and warnings; at least one error.
    pub diagnostics: Vec<Diagnostic>,
}

/// Expands the matrix, orders the nodes, and collects what is wrong. What could not be read
/// well enough to be an experiment is rejected with what the reading found.
pub fn check(loaded: Loaded) -> Result<Checked, Rejected> {
    let Loaded {
        experiment,
        sources,
        mut diagnostics,
    } = loaded;
    let Some(experiment) = experiment else {
        return Err(Rejected {
            sources,
            diagnostics,
        });
    };
    let expansion = expand(&experiment);
    diagnostics.extend(expansion.diagnostics);
    diagnostics.extend(fit::check(&experiment, &expansion.cells));
    diagnostics.extend(handover::check(&experiment));
    diagnostics.extend(ageing::check(&experiment));
    let node_order = dag::order(&experiment.workloads).unwrap_or_else(|cycles| {
        diagnostics.extend(cycles);
        Vec::new()
    });
    if has_errors(&diagnostics) {
        return Err(Rejected {
            sources,
            diagnostics,
        });
    }
    Ok(Checked {
        experiment,
        cells: expansion.cells,
        node_order,
        excluded: expansion.excluded,
        folded: expansion.folded,
        warnings: diagnostics,
        sources,
    })
}

#[cfg(test)]
mod tests;

//! From settled attempts to a decision: how each cell stands, its scores, the verdict, and the
//! frame of all of it. Measures nothing, words nothing for a reader.

pub mod comparable;
pub mod compare;
pub mod conditions;
pub mod confidence;
pub mod decision;
pub mod doubt;
pub mod draws;
pub mod effects;
pub mod estimate;
pub mod fit;
#[cfg(test)]
pub(crate) mod fixture;
pub mod forecast;
pub mod frame;
pub mod hint;
pub mod import;
pub mod night;
pub mod number;
pub mod pareto;
pub mod plain;
pub mod pool;
pub mod prior;
pub mod race;
pub mod reading;
pub mod replay;
pub mod score;
pub mod sensitivity;
pub mod standing;
pub mod verdict;
pub mod wanted;

pub use decision::{CellResult, Decision, Ranking};
pub use verdict::Verdict;

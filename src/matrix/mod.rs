//! Cells: the product of the axes, with linked flags and exclusions applied.

pub mod canonical;
pub mod cell;
pub mod expand;
mod finding;
mod name;
mod resolve;
mod rules;
#[cfg(test)]
mod tests;
mod wording;

pub use expand::{Excluded, Expansion, Folded, MAX_CELLS, expand};

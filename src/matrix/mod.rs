//! Cells: the product of the axes, with linked flags and exclusions applied.

pub mod cell;

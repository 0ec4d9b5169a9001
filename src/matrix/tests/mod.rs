//! Tests of the whole expansion.

mod any;
mod build;
mod cells;
mod mistakes;

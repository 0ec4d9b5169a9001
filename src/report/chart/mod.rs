//! Figures as pure functions from the model of a report to SVG. Knows no page and no file.

mod coordinate;
pub mod heat;
pub mod history;
pub mod interval;
pub mod label;
pub mod lines;
pub mod matrix;
pub mod night;
pub mod palette;
mod plot;
pub mod scale;
pub mod scatter;
pub mod svg;

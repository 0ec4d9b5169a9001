//! The report of a run: from stored data to bytes. Opens no file, prints nothing, decides
//! nothing.

mod assemble;
mod attested;
mod docker_run;
mod document;
mod json;
mod markdown;
mod table;
mod terminal;
mod text;
mod view;
mod wording;
mod workload;

#[cfg(test)]
mod part_tests;
#[cfg(test)]
mod tests;

pub use document::{Report, build};
pub use view::FORMAT;

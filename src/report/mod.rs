//! The report of a run: from stored data to bytes. Opens no file, prints nothing, decides
//! nothing.

mod advice;
mod assemble;
mod atlas;
mod attested;
mod chart;
mod claims;
mod compact;
pub mod compared;
mod course;
mod death;
mod docker_run;
mod document;
mod facts;
mod fold;
mod grid;
mod history;
mod html;
mod imported;
mod json;
mod ledger;
pub mod listing;
mod load_run;
mod machine;
mod markdown;
mod mattered;
mod measures;
mod misfit;
mod night;
pub mod nightly;
mod race;
mod stamp;
mod sway;
mod table;
mod terminal;
mod text;
mod tradeoff;
mod unfinished;
mod view;
mod wording;
mod workload;

#[cfg(test)]
mod part_tests;
#[cfg(test)]
mod partial_tests;
#[cfg(test)]
mod terminal_tests;
#[cfg(test)]
mod tests;

pub use course::{Course, Reading};
pub use docker_run::deploy_command;
#[cfg(test)]
pub(crate) use document::view_of;
pub use document::{Beside, Report, build, build_with};
pub use fold::{cut, wrap};
pub use grid::Paint;
pub use history::Past;
pub use load_run::load_run;
pub use stamp::Stamp;
pub use view::FORMAT;
pub use wording::span;

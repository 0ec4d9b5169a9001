//! What follows from the numbers for whoever must act on them: which configuration for which use,
//! what each one is good and bad at, and what is left to do before one serves. Rules only, all of
//! them in docs/REPORT.md.

mod checklist;
mod portrait;
mod recommendation;

pub use checklist::{Item, State, checklist};
pub use portrait::{Portrait, portraits};
pub use recommendation::{Recommendation, recommendations};

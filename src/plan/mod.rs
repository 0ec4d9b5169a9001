//! From a read experiment to what is to be run: its cells, the order of its nodes, its starts in
//! randomised blocks, and what of them is left.

pub mod ageing;
pub mod blocks;
pub mod check;
pub mod dag;
pub mod estimate;
pub mod fit;
pub mod handover;
pub mod pace;
pub mod proof;
pub mod race;
pub mod redo;
pub mod reuse;
pub mod shuffle;

pub use blocks::{PlannedAttempt, plan, remaining};
pub use check::{Checked, Rejected, check};
pub use estimate::{Ageing, Basis, Estimate, Pace, estimate};

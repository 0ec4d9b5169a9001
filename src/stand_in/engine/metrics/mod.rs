//! What the engine counts, and the page that shows it.

mod exposition;
mod family;
mod host;
mod identity;
mod page;
#[cfg(test)]
mod page_tests;
mod parsing;
mod tally;
mod traffic;
mod v0;
mod v1;

pub use identity::Identity;
pub use page::render;
pub use parsing::{Parsing, Read};
pub use tally::{Ended, Finish, Snapshot, Tally};
pub use traffic::{Exchange, Traffic};

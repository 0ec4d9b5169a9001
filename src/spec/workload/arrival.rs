//! How requests of an open loop follow each other.

use serde::{Deserialize, Serialize};

/// The times between two requests that are asked for at a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// All equal.
    Constant,
    /// By chance, as requests of many users who do not know of each other come.
    Poisson,
}

impl Arrival {
    pub const ALL: [Self; 2] = [Self::Poisson, Self::Constant];
    pub const NAMES: &[&str] = &["poisson", "constant"];

    pub fn name(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Constant => "constant",
        }
    }
}

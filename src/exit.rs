//! The exit codes of gridrun: what a script may rely on. `docs/RESULTS.md` lists them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, and something was measured where measuring was asked.
    Success,
    /// A fault of gridrun itself, or of the machine, that has no code of its own.
    Internal,
    /// A file or an argument is wrong; nothing was started.
    BadInput,
    /// The run ended and nothing could be measured.
    NothingMeasured,
    /// Docker is needed and cannot be reached.
    NoDocker,
    /// Something that every start needs is missing (image, volume, variable, GPU); nothing was
    /// started.
    NotPrepared,
    /// Another run is in this directory or on these GPUs.
    Locked,
    /// The run stopped before its end for the machine's fault, or at its deadline; it can be
    /// resumed.
    Stopped,
    /// `load` measured, and what it measured was the client: its numbers say nothing of the
    /// server.
    ClientBound,
    /// Production was stopped for a run and does not serve again.
    ProductionDown,
    /// `nightly --fail-on regressed`: the champion is worse than it used to be.
    Regressed,
    /// `nightly --fail-on dethroned`: a challenger is better.
    Dethroned,
    /// `nightly --fail-on inconclusive`: nothing could be said.
    Inconclusive,
    /// The user stopped the run; it can be resumed.
    Interrupted,
}

impl Exit {
    /// The number that the process returns. 130 follows the shells' 128 + SIGINT.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Internal => 1,
            Self::BadInput => 2,
            Self::NothingMeasured => 3,
            Self::NoDocker => 4,
            Self::NotPrepared => 5,
            Self::Locked => 6,
            Self::Stopped => 7,
            Self::ClientBound => 8,
            Self::ProductionDown => 9,
            Self::Regressed => 10,
            Self::Dethroned => 11,
            Self::Inconclusive => 12,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

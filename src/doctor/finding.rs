//! What was found of one thing, and what to do about it.

use serde_json::{Value, json};

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Ok,
    /// A run is possible, and something about it will be worse for this.
    Warn,
    /// A run would not begin, or come to nothing.
    Fail(Fault),
    /// Not looked at, or not to be seen here: nothing asks for it.
    Skipped,
}

impl Mark {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail(_) => "fail",
            Self::Skipped => "skip",
        }
    }
}

/// What stops a run; what it would meet first is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Docker cannot be reached.
    NoDocker,
    /// Something that every start needs is missing.
    Missing,
    /// Another run holds what this one needs.
    Locked,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Machine,
    Docker,
    Gpus,
    /// What the profile of the experiment asks for.
    Profile,
    Results,
}

impl Topic {
    pub const ALL: [Self; 5] = [
        Self::Machine,
        Self::Docker,
        Self::Gpus,
        Self::Profile,
        Self::Results,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Machine => "Machine",
            Self::Docker => "Docker",
            Self::Gpus => "GPUs",
            Self::Profile => "Profile",
            Self::Results => "Results",
        }
    }

    /// As JSON names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Docker => "docker",
            Self::Gpus => "gpus",
            Self::Profile => "profile",
            Self::Results => "results",
        }
    }
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub topic: Topic,
    /// The thing's name for scripts; it never changes its meaning.
    pub check: &'static str,
    pub mark: Mark,
    /// A sentence without its full stop.
    pub found: String,
    /// What to do, in words.
    pub advice: Option<String>,
    /// What to do, as a line for a shell.
    pub command: Option<String>,
}

/// One thing that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    pub topic: Topic,
    pub name: &'static str,
}

impl Check {
    pub fn ok(self, found: impl Into<String>) -> Finding {
        self.found(Mark::Ok, found)
    }

    pub fn skipped(self, found: impl Into<String>) -> Finding {
        self.found(Mark::Skipped, found)
    }

    pub fn warn(self, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.found(Mark::Warn, found).advice(advice)
    }

    pub fn fail(
        self,
        fault: Fault,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        self.found(Mark::Fail(fault), found).advice(advice)
    }

    fn found(self, mark: Mark, found: impl Into<String>) -> Finding {
        Finding {
            topic: self.topic,
            check: self.name,
            mark,
            found: found.into(),
            advice: None,
            command: None,
        }
    }
}

impl Finding {
    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds a line to paste into a shell, where there is something to do.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        if self.advice.is_some() {
            self.command = Some(command.into());
        }
        self
    }
}

/// The worst of the faults, if anything fails.
pub fn worst(findings: &[Finding]) -> Option<Fault> {
    findings
        .iter()
        .filter_map(|finding| match finding.mark {
            Mark::Fail(fault) => Some(fault),
            Mark::Ok | Mark::Warn | Mark::Skipped => None,
        })
        .min()
}

/// The findings for machines; absent advice is null.
pub fn as_json(findings: &[Finding]) -> Value {
    findings
        .iter()
        .map(|finding| {
            json!({
                "topic": finding.topic.name(),
                "check": finding.check,
                "mark": finding.mark.name(),
                "found": finding.found,
                "advice": finding.advice,
                "command": finding.command,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_fault_is_what_a_run_would_meet_first() {
        let check = Check {
            topic: Topic::Docker,
            name: "daemon",
        };
        let fail = |fault| check.fail(fault, "f", "a");
        assert_eq!(worst(&[check.ok("o"), check.warn("w", "a")]), None);
        assert_eq!(
            worst(&[fail(Fault::Locked), fail(Fault::Missing)]),
            Some(Fault::Missing)
        );
        assert_eq!(
            worst(&[fail(Fault::Missing), fail(Fault::NoDocker)]),
            Some(Fault::NoDocker)
        );
    }
}

//! What the machine is looked at for: nothing in particular, or an experiment.

use crate::doctor::finding::{Check, Fault, Finding};
use crate::plan::check::Checked;
use crate::spec::flag::FlagValue;
use crate::spec::profile::{EngineProfile, Gpus, Profile, RuntimeChoice};

/// The errand.
#[derive(Debug, Clone, Copy)]
pub enum Errand<'a> {
    /// No experiment was named.
    None,
    Run(&'a Checked),
}

/// Whether something is needed; it decides what its absence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    Needed,
    Unneeded,
    /// Nobody said what is to be run.
    Unclear,
}

impl Demand {
    /// The finding that something is not as this demand would have it.
    pub fn unmet(
        self,
        check: Check,
        fault: Fault,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        match self {
            Self::Needed => check.fail(fault, found, advice),
            Self::Unclear => check.warn(found, advice),
            Self::Unneeded => check.skipped(found),
        }
    }
}

impl<'a> Errand<'a> {
    pub fn profile(self) -> Option<&'a Profile> {
        match self {
            Self::None => None,
            Self::Run(checked) => Some(&checked.experiment.profile),
        }
    }

    pub fn engine(self) -> Option<&'a EngineProfile> {
        self.profile().map(|profile| &profile.engine)
    }

    /// Whether engines are containers.
    pub fn docker(self) -> Demand {
        match self.engine().map(|engine| engine.runtime) {
            None => Demand::Unclear,
            Some(RuntimeChoice::Docker) => Demand::Needed,
            Some(RuntimeChoice::StandIn) => Demand::Unneeded,
        }
    }

    /// Whether engines get GPUs.
    pub fn gpus(self) -> Demand {
        match (self.docker(), self.engine().map(|engine| &engine.gpus)) {
            (Demand::Needed, Some(Gpus::None)) => Demand::Unneeded,
            (demand, _) => demand,
        }
    }

    /// The largest memory limit that a container gets, in bytes.
    pub fn memory_limit(self) -> Option<u64> {
        let Self::Run(checked) = self else {
            return None;
        };
        let of_cells = checked.cells.iter().filter_map(|cell| cell.memory);
        let of_profile = checked.experiment.profile.engine.memory;
        of_cells.chain(of_profile).max()
    }

    /// Over how many GPUs a model is split at most; 1 where no file says.
    pub fn tensor_parallel_size(self) -> i64 {
        let Self::Run(checked) = self else {
            return 1;
        };
        checked
            .cells
            .iter()
            .flat_map(|cell| &cell.flags)
            .filter(|(name, _)| name.as_str() == "tensor-parallel-size")
            .filter_map(|(_, setting)| match setting.value {
                FlagValue::Int(size) => Some(size),
                _ => None,
            })
            .max()
            .unwrap_or(1)
    }

    /// What is looked at, in one line.
    pub fn title(self) -> String {
        let Self::Run(checked) = self else {
            return "this machine, for no experiment in particular: name one to see what it needs"
                .to_owned();
        };
        let profile = &checked.experiment.profile;
        let engines = match (profile.engine.runtime, &profile.engine.gpus) {
            (RuntimeChoice::StandIn, _) => "stand-in engines as child processes".to_owned(),
            (RuntimeChoice::Docker, Gpus::None) => "engines in Docker, without GPUs".to_owned(),
            (RuntimeChoice::Docker, Gpus::All) => "engines in Docker, on all GPUs".to_owned(),
            (RuntimeChoice::Docker, Gpus::Count(1)) => "engines in Docker, on 1 GPU".to_owned(),
            (RuntimeChoice::Docker, Gpus::Count(n)) => format!("engines in Docker, on {n} GPUs"),
            (RuntimeChoice::Docker, Gpus::Ids(ids)) => {
                format!("engines in Docker, on GPU {}", ids.join(", "))
            }
        };
        let name = &checked.experiment.name;
        format!("{name} with profile {}: {engines}", profile.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::fixture::checked;

    #[test]
    fn the_profile_decides_what_is_needed() {
        let cases = [
            ("gpus = \"all\"", Demand::Needed, Demand::Needed),
            ("gpus = \"none\"", Demand::Needed, Demand::Unneeded),
            (
                "runtime = \"stand-in\"\ngpus = \"all\"",
                Demand::Unneeded,
                Demand::Unneeded,
            ),
        ];
        for (lines, docker, gpus) in cases {
            let checked = checked(lines);
            let errand = Errand::Run(&checked);
            assert_eq!((errand.docker(), errand.gpus()), (docker, gpus), "{lines}");
        }
        assert_eq!(Errand::None.docker(), Demand::Unclear);
        assert_eq!(Errand::None.gpus(), Demand::Unclear);
    }

    #[test]
    fn limits_and_sizes_are_the_largest_of_all_cells() {
        let checked = checked("memory = \"1GiB\"\n[engine.flags]\ntensor-parallel-size = 2");
        let errand = Errand::Run(&checked);
        assert_eq!(errand.memory_limit(), Some(1 << 30));
        assert_eq!(errand.tensor_parallel_size(), 2);
        assert_eq!(
            errand.title(),
            "e with profile p: engines in Docker, without GPUs"
        );
    }
}

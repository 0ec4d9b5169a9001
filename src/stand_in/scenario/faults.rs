//! Which faults of a scenario befall one start, and what each of them does to it.

use std::path::{Path, PathBuf};

use crate::spec::diagnostic::{Colour, Source, render};
use crate::spec::experiment::Condition;
use crate::spec::flag::{FlagValue, Knob};
use crate::spec::load_scenario;
use crate::spec::scenario::{FaultSpec, LoadingDeath, Missing, OomStage, Scenario, Victim};
use crate::spec::vllm_flags::lookup;
use crate::stand_in::command::arguments::Arguments;
use crate::stand_in::command::settings::Settings;
use crate::stand_in::scenario::draw::Draw;

/// What an engine is told by its surroundings instead of its command line.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `GRIDRUN_SCENARIO`: a checked scenario as JSON. It needs no file, which a container
    /// would not have.
    pub scenario: Option<String>,
    /// All variables, which a `where` may ask for.
    pub variables: Vec<(String, String)>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let variables: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut surroundings = Self {
            variables,
            ..Self::default()
        };
        surroundings.scenario = surroundings.variable("GRIDRUN_SCENARIO");
        surroundings
    }

    /// A variable that is set to something.
    fn variable(&self, name: &str) -> Option<String> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    }
}

/// A scenario that cannot be played. Displays as what is printed before the engine ends.
#[derive(Debug, thiserror::Error)]
pub enum Unplayable {
    #[error("vllm serve: error: argument --scenario: cannot read {}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{findings}")]
    Wrong { findings: String },
    #[error("vllm serve: error: GRIDRUN_SCENARIO: {0}")]
    Variable(#[from] serde_json::Error),
}

/// The faults of one start.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    active: Vec<Active>,
}

#[derive(Debug, Clone)]
struct Active {
    spec: FaultSpec,
    draw: Draw,
}

/// The faults of an engine that was started so: those of the file of its command line, else
/// those of its surroundings.
///
/// # Errors
/// When the scenario cannot be read, or has mistakes.
pub fn faults_of(arguments: &Arguments, around: &Surroundings) -> Result<Faults, Unplayable> {
    let scenario = match (&arguments.scenario, &around.scenario) {
        (Some(path), _) => read(path)?,
        (None, Some(text)) => serde_json::from_str(text)?,
        (None, None) => return Ok(Faults::default()),
    };
    Ok(Faults::of(&scenario, arguments, around))
}

fn read(path: &Path) -> Result<Scenario, Unplayable> {
    let text = std::fs::read_to_string(path).map_err(|source| Unplayable::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let source = Source {
        path: path.display().to_string(),
        text: text.into(),
    };
    let loaded = load_scenario(&source);
    loaded.scenario.ok_or_else(|| Unplayable::Wrong {
        findings: render(&loaded.diagnostics, &source, Colour::Plain),
    })
}

impl Faults {
    fn of(scenario: &Scenario, arguments: &Arguments, around: &Surroundings) -> Self {
        let start = &arguments.start;
        let active = scenario
            .faults
            .iter()
            .enumerate()
            .filter_map(|(place, fault)| {
                let draw = Draw::new(scenario.seed, place, start);
                let befalls = fault
                    .condition
                    .as_ref()
                    .is_none_or(|condition| holds(condition, arguments, around))
                    && fault.starts.contain(start.number)
                    && draw.hits(fault.probability, "start", 0);
                befalls.then(|| Active {
                    spec: fault.spec.clone(),
                    draw,
                })
            })
            .collect();
        Self { active }
    }

    pub fn is_none(&self) -> bool {
        self.active.is_empty()
    }

    /// What the faults that `pick` knows have to say, in file order.
    pub fn each<'a, T>(
        &'a self,
        pick: impl Fn(&'a FaultSpec, &'a Draw) -> Option<T> + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        self.active
            .iter()
            .filter_map(move |active| pick(&active.spec, &active.draw))
    }

    fn first<'a, T>(&'a self, pick: impl Fn(&'a FaultSpec) -> Option<T> + 'a) -> Option<T> {
        self.each(move |spec, _| pick(spec)).next()
    }

    pub fn import_error(&self) -> Option<Missing> {
        self.first(|spec| match spec {
            FaultSpec::ImportError { missing } => Some(*missing),
            _ => None,
        })
    }

    pub fn holds_port(&self) -> bool {
        self.first(|spec| (*spec == FaultSpec::PortHeld).then_some(()))
            .is_some()
    }

    pub fn hangs_while_loading(&self) -> bool {
        self.first(|spec| (*spec == FaultSpec::HangsWhileLoading).then_some(()))
            .is_some()
    }

    pub fn loading_death(&self) -> Option<LoadingDeath> {
        self.first(|spec| match spec {
            FaultSpec::DiesWhileLoading { how } => Some(*how),
            _ => None,
        })
    }

    /// Whom the kernel kills while the engine loads, and the most memory that is taken for it,
    /// in bytes.
    pub fn host_oom(&self) -> Option<(Victim, u64)> {
        self.first(|spec| match spec {
            FaultSpec::HostOom { victim, up_to } => Some((*victim, *up_to)),
            _ => None,
        })
    }

    pub fn oom_stage(&self) -> Option<OomStage> {
        self.first(|spec| match spec {
            FaultSpec::GpuOomAtStart { at } => Some(*at),
            _ => None,
        })
    }

    pub fn ignores_sigterm(&self) -> bool {
        self.first(|spec| (*spec == FaultSpec::IgnoresSigterm).then_some(()))
            .is_some()
    }

    /// Of an engine that was told to stop.
    pub fn stop_code(&self) -> i32 {
        let code = self.first(|spec| match spec {
            FaultSpec::DirtyStop { code } => Some(*code),
            _ => None,
        });
        code.map_or(0, i32::from)
    }

    /// The command line as the engine takes it, which is not as it was given.
    pub fn taken(&self, arguments: &Arguments) -> Arguments {
        let mut taken = arguments.clone();
        let overruled: Vec<_> = self
            .each(|spec, _| match spec {
                FaultSpec::WrongConfig { set } => Some(set),
                _ => None,
            })
            .flatten()
            .collect();
        for (name, value) in overruled.into_iter().rev() {
            if let Some(known) = lookup(name.as_str()) {
                taken.given.retain(|(flag, _)| flag.name != known.name);
                if *value != FlagValue::Default {
                    taken.given.push((known, value.clone()));
                }
            }
        }
        taken
    }

    /// Bends what decides how the engine lives.
    pub fn bend(&self, settings: &mut Settings) {
        // Backwards, so that of two that cannot both be had the first in the file is.
        for active in self.active.iter().rev() {
            match &active.spec {
                FaultSpec::SlowStart { by } => settings.numbers.start_up += *by,
                FaultSpec::KvCacheTooSmall { left } => settings.kv_cache_memory_bytes = Some(*left),
                FaultSpec::WrongModelName { name } => settings.served_names = vec![name.clone()],
                FaultSpec::StartNoise { sd } => {
                    let factor = active.draw.factor(*sd, "speed", 0);
                    settings.numbers.prefill_tokens_per_second *= factor;
                    settings.numbers.decode_tokens_per_second *= factor;
                }
                FaultSpec::ImportError { .. }
                | FaultSpec::PortHeld
                | FaultSpec::DiesWhileLoading { .. }
                | FaultSpec::HangsWhileLoading
                | FaultSpec::GpuOomAtStart { .. }
                | FaultSpec::HostOom { .. }
                | FaultSpec::WrongConfig { .. }
                | FaultSpec::GpuOomUnderLoad { .. }
                | FaultSpec::GpuLeak { .. }
                | FaultSpec::HostLeak { .. }
                | FaultSpec::WorkerDies { .. }
                | FaultSpec::NoCompletion { .. }
                | FaultSpec::HttpErrors { .. }
                | FaultSpec::CutStream { .. }
                | FaultSpec::GarbledStream { .. }
                | FaultSpec::StalledStream { .. }
                | FaultSpec::RequestNoise { .. }
                | FaultSpec::Ageing { .. }
                | FaultSpec::MetricsMissing { .. }
                | FaultSpec::IgnoresSigterm
                | FaultSpec::DirtyStop { .. } => {}
            }
        }
    }
}

/// Does every term hold of the engine's command line and variables? A flag that was not given
/// has the value `(default)` and no other.
fn holds(condition: &Condition, arguments: &Arguments, around: &Surroundings) -> bool {
    condition.terms.iter().all(|term| {
        let given = match &term.knob {
            Knob::Flag(name) => arguments.get(name.as_str()).cloned(),
            Knob::Env(name) => around.variable(name).map(FlagValue::Text),
        };
        let given = given.unwrap_or(FlagValue::Default);
        term.any_of
            .iter()
            .any(|value| *value == given || value.to_string() == given.to_string())
    })
}

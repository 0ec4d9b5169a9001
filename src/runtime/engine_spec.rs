//! What the runtimes need of a profile: everything about an engine that does not vary from one
//! start to the next, with its environment filled in.
//!
//! Knows nothing of Docker's or the system's forms for it.

use std::path::PathBuf;

use crate::runner::ports::{Launch, RuntimeError};
use crate::spec::profile::{
    EngineProfile, EnvSource, Gpus, Network, RuntimeChoice, Ulimit, Volume,
};

/// The variable by which an engine is told the key that it must ask of its clients.
pub const API_KEY_VARIABLE: &str = "VLLM_API_KEY";

/// The variable by which a stand-in is told how to fail: it needs no file in its container.
const SCENARIO_VARIABLE: &str = "GRIDRUN_SCENARIO";

/// The stand-in's option that tells it whose start it is, and the how-manyth.
const START_OPTION: &str = "--stand-in-start";

/// What does not vary from one engine to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSpec {
    pub image: ImageChoice,
    /// What `vllm serve` is given first. The stand-in takes it as a name and opens no file.
    pub model: String,
    pub gpus: Gpus,
    /// Size of /dev/shm in bytes.
    pub shm: Option<u64>,
    pub ipc_host: bool,
    /// Memory limit in bytes; a launch may bring another.
    pub memory: Option<u64>,
    pub ulimits: Vec<Ulimit>,
    pub network: Network,
    pub volumes: Vec<Volume>,
    pub env: Vec<EngineVariable>,
    /// Options of the stand-in, after all flags; empty for real engines.
    pub stand_in_options: Vec<String>,
    /// How stand-ins are to fail, as they read it; `None` for real engines.
    pub scenario: Option<String>,
    /// The lock file that the run holds while it lives, absolute. By it a later sweep knows
    /// whether what it finds still belongs to somebody.
    pub lock_path: PathBuf,
}

/// What the engine is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageChoice {
    /// An image by its name: found on the daemon, or pulled.
    Named(String),
    /// gridrun itself, as `gridrun stand-in serve`.
    StandIn,
}

/// One environment variable of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVariable {
    pub name: String,
    pub value: String,
    pub visibility: Visibility,
}

/// Whether a value may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Open,
    /// Replaced wherever the engine's output repeats it.
    Secret,
}

impl EngineSpec {
    /// The engine as the profile describes it. `lookup_env` reads gridrun's own environment.
    ///
    /// # Errors
    /// [`RuntimeError::NotPrepared`] that names every variable which is to come from the
    /// environment and is not set there, or that misses the image.
    pub fn from_profile(
        profile: &EngineProfile,
        lookup_env: impl Fn(&str) -> Option<String>,
        lock_path: PathBuf,
    ) -> Result<Self, RuntimeError> {
        let image = match (profile.runtime, &profile.image) {
            (RuntimeChoice::StandIn, _) => ImageChoice::StandIn,
            (RuntimeChoice::Docker, Some(image)) => ImageChoice::Named(image.clone()),
            (RuntimeChoice::Docker, None) => {
                return Err(RuntimeError::NotPrepared {
                    what: "the profile names no image".to_owned(),
                    hint: "give `image` in [engine]".to_owned(),
                });
            }
        };
        let mut env = Vec::new();
        let mut missing = Vec::new();
        for (name, source) in &profile.env {
            match source {
                EnvSource::Literal(value) => env.push(open(name, value)),
                EnvSource::FromEnv(from) => match lookup_env(from) {
                    Some(value) => env.push(EngineVariable {
                        name: name.clone(),
                        value,
                        visibility: Visibility::Secret,
                    }),
                    None => missing.push(format!("`{from}`")),
                },
            }
        }
        if !missing.is_empty() {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            return Err(RuntimeError::NotPrepared {
                what: format!(
                    "{} {verb} not set in the environment and the profile hands it to the engine",
                    missing.join(", ")
                ),
                hint: "set it, or take it out of [engine.env]".to_owned(),
            });
        }
        Ok(Self {
            image,
            model: profile.model.clone(),
            gpus: profile.gpus.clone(),
            shm: profile.shm,
            ipc_host: profile.ipc_host,
            memory: profile.memory,
            ulimits: profile.ulimits.clone(),
            network: profile.network,
            volumes: profile.volumes.clone(),
            env,
            stand_in_options: Vec::new(),
            scenario: None,
            lock_path,
        })
    }

    /// The same engine with the stand-in in its place: image, GPUs and volumes go, and all
    /// else stays. Values from the environment go too: a rehearsal hands no real secret to
    /// anybody and needs none.
    pub fn rehearsal(
        profile: &EngineProfile,
        stand_in_options: Vec<String>,
        lock_path: PathBuf,
    ) -> Self {
        let env = profile
            .env
            .iter()
            .filter_map(|(name, source)| match source {
                EnvSource::Literal(value) => Some(open(name, value)),
                EnvSource::FromEnv(_) => None,
            })
            .collect();
        Self {
            image: ImageChoice::StandIn,
            model: profile.model.clone(),
            gpus: Gpus::None,
            shm: profile.shm,
            ipc_host: profile.ipc_host,
            memory: profile.memory,
            ulimits: profile.ulimits.clone(),
            network: profile.network,
            volumes: Vec::new(),
            env,
            stand_in_options,
            scenario: None,
            lock_path,
        }
    }

    /// Tells the stand-ins how to fail.
    #[must_use]
    pub fn with_scenario(mut self, scenario: String) -> Self {
        self.scenario = Some(scenario);
        self
    }

    /// Gives the stand-in its options; they follow all flags.
    #[must_use]
    pub fn with_stand_in_options(mut self, options: Vec<String>) -> Self {
        self.stand_in_options = options;
        self
    }

    /// What follows `vllm serve`: model, flags, the stand-in's options, and where to listen.
    pub fn arguments(&self, launch: &Launch, host: &str, port: u16) -> Vec<String> {
        let mut arguments = vec![self.model.clone()];
        arguments.extend(launch.args.iter().cloned());
        arguments.extend(self.stand_in_options.iter().cloned());
        if self.scenario.is_some() {
            arguments.push(format!("{START_OPTION}={}", launch.attempt));
        }
        arguments.extend([
            "--host".to_owned(),
            host.to_owned(),
            "--port".to_owned(),
            port.to_string(),
        ]);
        arguments
    }

    /// The engine's variables, each name once: what varies wins over the profile, the
    /// attempt's key over both.
    pub fn environment(&self, launch: &Launch) -> Vec<(String, String)> {
        let given = self
            .env
            .iter()
            .map(|variable| (&variable.name, Some(&variable.value)));
        let varied = launch
            .env
            .iter()
            .map(|(name, value)| (name, value.as_ref()));
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in given.chain(varied) {
            all.retain(|(known, _)| known != name);
            all.extend(value.map(|value| (name.clone(), value.clone())));
        }
        let own = [
            (API_KEY_VARIABLE, Some(&launch.api_key)),
            (SCENARIO_VARIABLE, self.scenario.as_ref()),
        ];
        for (name, value) in own {
            all.retain(|(known, _)| known != name);
            all.extend(value.map(|value| (name.to_owned(), value.clone())));
        }
        all
    }

    /// Values that must not be stored.
    pub fn secrets(&self, launch: &Launch) -> Vec<String> {
        self.env
            .iter()
            .filter(|variable| variable.visibility == Visibility::Secret)
            .map(|variable| variable.value.clone())
            .chain([launch.api_key.clone()])
            .collect()
    }
}

fn open(name: &str, value: &str) -> EngineVariable {
    EngineVariable {
        name: name.to_owned(),
        value: value.to_owned(),
        visibility: Visibility::Open,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::id::{AttemptId, AttemptNo, CellId, RunId};
    use std::path::Path;
    use std::time::Duration;

    pub(crate) fn profile() -> EngineProfile {
        EngineProfile {
            runtime: RuntimeChoice::Docker,
            image: Some("vllm/vllm-openai:v0.11.0".to_owned()),
            model: "Qwen/Qwen3-32B-AWQ".to_owned(),
            gpus: Gpus::All,
            shm: Some(8 << 30),
            ipc_host: false,
            memory: Some(64 << 30),
            ulimits: vec![],
            network: Network::Host,
            volumes: vec![Volume {
                from: "/srv".into(),
                to: "/models".into(),
                read_only: true,
            }],
            flags: vec![],
            env: vec![
                (
                    "HF_HUB_OFFLINE".to_owned(),
                    EnvSource::Literal("1".to_owned()),
                ),
                (
                    "HF_TOKEN".to_owned(),
                    EnvSource::FromEnv("MY_TOKEN".to_owned()),
                ),
            ],
            ready_timeout: Duration::from_secs(1200),
            stop_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(600),
        }
    }

    pub(crate) fn launch(log_path: &Path) -> Launch {
        Launch {
            run: RunId::new(jiff::Timestamp::from_second(1_795_000_000).unwrap(), 7),
            attempt: AttemptId {
                cell: CellId::of("cell"),
                number: AttemptNo(2),
            },
            cell_name: "cell".to_owned(),
            args: vec!["--max-num-seqs".to_owned(), "32".to_owned()],
            env: vec![],
            memory: None,
            api_key: "throw-away".to_owned(),
            log_path: log_path.to_owned(),
        }
    }

    fn with_token(name: &str) -> Option<String> {
        (name == "MY_TOKEN").then(|| "hf_secret".to_owned())
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = EngineSpec::from_profile(&profile(), |_| None, "/lock".into()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`MY_TOKEN` is not set in the environment and the profile hands it to the engine; \
             set it, or take it out of [engine.env]"
        );
    }

    #[test]
    fn arguments_are_model_flags_options_and_address_in_this_order() {
        let spec = EngineSpec::from_profile(&profile(), with_token, "/lock".into())
            .unwrap()
            .with_stand_in_options(vec!["--stand-in-start-up-ms=0".to_owned()]);
        assert_eq!(
            spec.arguments(&launch(Path::new("/log")), "127.0.0.1", 4711)
                .join(" "),
            "Qwen/Qwen3-32B-AWQ --max-num-seqs 32 --stand-in-start-up-ms=0 \
             --host 127.0.0.1 --port 4711"
        );
    }

    #[test]
    fn with_a_scenario_a_start_is_told_its_number() {
        let spec = EngineSpec::rehearsal(&profile(), Vec::new(), "/lock".into())
            .with_scenario("{\"seed\":1}".to_owned());
        let launch = launch(Path::new("/log"));
        let arguments = spec.arguments(&launch, "127.0.0.1", 4711);
        assert!(arguments.contains(&format!("--stand-in-start={}", launch.attempt)));
        let scenario = ("GRIDRUN_SCENARIO".to_owned(), "{\"seed\":1}".to_owned());
        assert!(spec.environment(&launch).contains(&scenario));
    }

    #[test]
    fn what_varies_wins_over_the_profile_and_the_key_over_both() {
        let spec = EngineSpec::from_profile(&profile(), with_token, "/lock".into()).unwrap();
        let mut launch = launch(Path::new("/log"));
        launch.env = vec![
            ("HF_HUB_OFFLINE".to_owned(), Some("0".to_owned())),
            (API_KEY_VARIABLE.to_owned(), Some("mine".to_owned())),
        ];
        let all: Vec<String> = spec
            .environment(&launch)
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            all,
            [
                "HF_TOKEN=hf_secret",
                "HF_HUB_OFFLINE=0",
                "VLLM_API_KEY=throw-away"
            ]
        );
        assert_eq!(spec.secrets(&launch), ["hf_secret", "throw-away"]);
    }

    #[test]
    fn a_rehearsal_keeps_limits_and_open_variables_and_needs_no_secret() {
        let spec = EngineSpec::rehearsal(&profile(), vec!["--x".to_owned()], "/lock".into());
        let real = EngineSpec::from_profile(&profile(), with_token, "/lock".into()).unwrap();
        let expected = EngineSpec {
            image: ImageChoice::StandIn,
            gpus: Gpus::None,
            volumes: vec![],
            env: vec![open("HF_HUB_OFFLINE", "1")],
            stand_in_options: vec!["--x".to_owned()],
            ..real
        };
        assert_eq!(spec, expected);
    }
}

//! Experiments for the tests, and short forms of what comes of them.

use std::time::Duration;

use crate::matrix::Expansion;
use crate::matrix::cell::Cell;
use crate::matrix::expand;
use crate::spec::diagnostic::{Diagnostic, FileRole, Place, Severity, Span};
use crate::spec::experiment::{
    Assigned, Assignment, Axis, Condition, Exclude, Experiment, NamedCell, Pruning, RunSettings,
    Strategy, Term, When,
};
use crate::spec::flag::{FlagName, FlagValue, Knob};
use crate::spec::profile::{BaseFlag, EngineProfile, Gpus, Network, Profile, RuntimeChoice};
use crate::spec::vllm_flags::lookup;

const BASE_AT: usize = 1000;
const AXIS_AT: usize = 2000;
const WHEN_AT: usize = 3000;
const CELL_AT: usize = 4000;
const EXCLUDE_AT: usize = 5000;

pub fn at(start: usize) -> Span {
    Span::new(FileRole::Experiment, start..start + 1)
}

/// `env.NAME` or a flag by any of its names.
pub fn knob(name: &str) -> Knob {
    match name.strip_prefix("env.") {
        Some(name) => Knob::Env(name.to_owned()),
        None => Knob::Flag(FlagName(
            lookup(name).map_or(name, |flag| flag.name).to_owned(),
        )),
    }
}

pub fn text(value: &str) -> FlagValue {
    FlagValue::Text(value.to_owned())
}

pub fn int(value: i64) -> FlagValue {
    FlagValue::Int(value)
}

pub const ON: FlagValue = FlagValue::Bool(true);
pub const OFF: FlagValue = FlagValue::Bool(false);

/// An experiment in which the n-th thing of a kind stands at the kind's offset + 10 n, and its
/// m-th part m after that.
pub fn experiment() -> Experiment {
    Experiment {
        name: "e".to_owned(),
        profile: Profile {
            name: "p".to_owned(),
            engine: EngineProfile {
                runtime: RuntimeChoice::StandIn,
                image: None,
                model: "m".to_owned(),
                gpus: Gpus::None,
                shm: None,
                ipc_host: false,
                memory: Some(1 << 30),
                ulimits: Vec::new(),
                network: Network::Host,
                volumes: Vec::new(),
                flags: Vec::new(),
                env: Vec::new(),
                ready_timeout: Duration::from_secs(1),
                stop_timeout: Duration::from_secs(1),
                request_timeout: Duration::from_secs(1),
            },
            stand_in: None,
            sampling: Default::default(),
            production: None,
        },
        axes: Vec::new(),
        whens: Vec::new(),
        named_cells: Vec::new(),
        excludes: Vec::new(),
        workloads: Vec::new(),
        gates: Vec::new(),
        objectives: Vec::new(),
        use_cases: Vec::new(),
        run: RunSettings {
            repeats: 1,
            seed: 1,
            equivalence: 0.02,
            deadline: None,
            token_times: Default::default(),
            strategy: Strategy::Exhaustive,
            pruning: Pruning::ByProof,
            retries_invalid: 1,
            reuse: None,
        },
    }
}

/// Adds one thing after the other.
pub trait Build: Sized {
    fn base(self, flag: &str, value: FlagValue) -> Self;
    fn axis(self, name: &str, values: &[FlagValue]) -> Self;
    fn when(self, terms: &[(&str, &[FlagValue])], set: &[(&str, FlagValue)]) -> Self;
    fn cell(self, name: &str, set: &[(&str, FlagValue)]) -> Self;
    fn exclude(self, terms: &[(&str, &[FlagValue])]) -> Self;
}

impl Build for Experiment {
    fn base(mut self, flag: &str, value: FlagValue) -> Self {
        let Knob::Flag(name) = knob(flag) else {
            panic!("a flag")
        };
        let at = at(BASE_AT + 10 * self.profile.engine.flags.len());
        self.profile.engine.flags.push(BaseFlag { name, value, at });
        self
    }

    fn axis(mut self, name: &str, values: &[FlagValue]) -> Self {
        let at = at(AXIS_AT + 10 * self.axes.len());
        self.axes.push(Axis {
            knob: knob(name),
            values: values.to_vec(),
            at,
        });
        self
    }

    fn when(mut self, terms: &[(&str, &[FlagValue])], set: &[(&str, FlagValue)]) -> Self {
        let start = WHEN_AT + 10 * self.whens.len();
        self.whens.push(When {
            condition: condition(terms, start),
            set: assignment(set, start + 5),
            at: at(start),
        });
        self
    }

    fn cell(mut self, name: &str, set: &[(&str, FlagValue)]) -> Self {
        let start = CELL_AT + 10 * self.named_cells.len();
        self.named_cells.push(NamedCell {
            name: name.to_owned(),
            set: assignment(set, start + 1),
            memory: None,
            at: at(start),
        });
        self
    }

    fn exclude(mut self, terms: &[(&str, &[FlagValue])]) -> Self {
        let start = EXCLUDE_AT + 10 * self.excludes.len();
        self.excludes.push(Exclude {
            condition: condition(terms, start),
            reason: None,
            at: at(start),
        });
        self
    }
}

fn condition(terms: &[(&str, &[FlagValue])], start: usize) -> Condition {
    let terms = terms
        .iter()
        .enumerate()
        .map(|(m, (name, any_of))| Term {
            knob: knob(name),
            any_of: any_of.to_vec(),
            at: at(start + 1 + m),
        })
        .collect();
    Condition { terms }
}

fn assignment(set: &[(&str, FlagValue)], start: usize) -> Assignment {
    let values = set
        .iter()
        .enumerate()
        .map(|(m, (name, value))| Assigned {
            knob: knob(name),
            value: value.clone(),
            at: at(start + m),
        })
        .collect();
    Assignment { values }
}

/// The reference case: three utilisations, chunked prefill and prefix caching on and off.
pub fn medium() -> Experiment {
    let place = |mem: f64, chunked, prefix, seqs| {
        [
            ("gpu-mem", FlagValue::Float(mem)),
            ("chunked", chunked),
            ("prefix", prefix),
            ("max-num-seqs", int(seqs)),
        ]
    };
    experiment()
        .base("max-model-len", int(40_960))
        .base("tensor-parallel-size", int(2))
        .axis("gpu-mem", &[0.85, 0.90, 0.95].map(FlagValue::Float))
        .axis("chunked", &[ON, OFF])
        .axis("prefix", &[ON, OFF])
        .axis("max-num-seqs", &[int(32)])
        .when(
            &[("chunked", &[OFF])],
            &[("max-num-batched-tokens", int(40_960))],
        )
        .cell("chunked_only_safe", &place(0.85, ON, OFF, 32))
        .cell("safe_conservative", &place(0.85, OFF, OFF, 32))
        .cell("optimized_balanced", &place(0.90, ON, ON, 32))
        .cell("aggressive_cache", &place(0.95, ON, ON, 48))
        .exclude(&[
            ("gpu-mem", &[FlagValue::Float(0.95)]),
            ("max-num-seqs", &[int(32)]),
            ("chunked", &[ON]),
            ("prefix", &[ON]),
        ])
}

pub fn names(expansion: &Expansion) -> Vec<&str> {
    expansion
        .cells
        .iter()
        .map(|cell| cell.name.as_str())
        .collect()
}

pub fn found<'a>(expansion: &'a Expansion, name: &str) -> &'a Cell {
    expansion
        .cells
        .iter()
        .find(|cell| cell.name == name)
        .unwrap()
}

/// `flag=value (who)` of each flag, in order.
pub fn flags(cell: &Cell) -> Vec<String> {
    cell.flags
        .iter()
        .map(|(name, setting)| format!("{name}={} ({})", setting.value, setting.by))
        .collect()
}

/// `error@1000: message | label | help`.
pub fn shown(diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = match diagnostic.place {
        Place::At(span) => span.start.to_string(),
        Place::File(_) => "file".to_owned(),
        Place::Nowhere => "nowhere".to_owned(),
    };
    let mut text = format!("{severity}@{place}: {}", diagnostic.message);
    for more in [&diagnostic.label, &diagnostic.help].into_iter().flatten() {
        text.push_str(" | ");
        text.push_str(more);
    }
    text
}

pub fn diagnostics(experiment: &Experiment) -> Vec<String> {
    expand(experiment).diagnostics.iter().map(shown).collect()
}

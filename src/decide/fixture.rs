//! Hand-made runs for the tests of `decide` and `report`: six cells `a` to `f` on three axes,
//! one kv-cache workload.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::attest::{Attestation, Attested};
use crate::diagnose::{Consequence, Failure, FailureClass, Phase, Stage};
use crate::id::{AttemptId, AttemptNo, CellId, RunId};
use crate::manifest::{Engines, HostFacts, Manifest, RunEnding, RunRecord, SourceCopy};
use crate::matrix::cell::{Cell, SetBy, Setting};
use crate::measure::metric::{MetricRef, Stat, WorkloadKind};
use crate::measure::node::{MetricValue, NodeReport, NodeStatus};
use crate::measure::summary::Summary;
use crate::outcome::{EndState, EngineFacts, Measured, Outcome, Race, RuntimeFacts, Settled};
use crate::spec::diagnostic::Span;
use crate::spec::experiment::{
    Axis, Comparison, Experiment, Gate, Goal, Objective, OnMiss, Pruning, RunSettings, Strategy,
    UseCase, Workload, WorkloadSpec,
};
use crate::spec::flag::{FlagName, FlagValue, Knob};
use crate::spec::profile::{
    BaseFlag, EngineProfile, EnvSource, Gpus, Network, Profile, RuntimeChoice, Ulimit, Volume,
};
use crate::spec::workload::kv_cache::KvCacheSpec;
use crate::time_scale::TimeScale;

pub(crate) mod ageing;
mod crowd;
mod spared;

pub(crate) use crowd::crowd;
pub(crate) use spared::{decided, dropped, forecast, skip};

/// What one attempt measured, before it is made into a node report.
pub(crate) struct Numbers {
    first_ms: f64,
    repeat_ms: f64,
    speed: f64,
    success: f64,
    hit_rate: f64,
    failed: Option<String>,
    invalid: Option<String>,
    without: Option<String>,
    contradicted: Option<String>,
    notes: Vec<String>,
}

impl Numbers {
    pub(crate) fn new(first_ms: f64, repeat_ms: f64) -> Self {
        Self {
            first_ms,
            repeat_ms,
            speed: 45.0,
            success: 1.0,
            hit_rate: 0.96,
            failed: None,
            invalid: None,
            without: None,
            contradicted: None,
            notes: Vec::new(),
        }
    }

    pub(crate) fn speed(self, speed: f64) -> Self {
        Self { speed, ..self }
    }

    pub(crate) fn success(self, success: f64) -> Self {
        Self { success, ..self }
    }

    /// The prefix cache is off: no hit, no acceleration.
    pub(crate) fn no_hits(self) -> Self {
        Self {
            hit_rate: 0.0,
            ..self
        }
    }

    pub(crate) fn invalid(self, because: &str) -> Self {
        Self {
            invalid: Some(because.to_owned()),
            ..self
        }
    }

    pub(crate) fn failed(self, because: &str) -> Self {
        Self {
            failed: Some(because.to_owned()),
            ..self
        }
    }

    pub(crate) fn without(self, metric: &str) -> Self {
        Self {
            without: Some(metric.to_owned()),
            ..self
        }
    }

    pub(crate) fn contradicted(self, found: &str) -> Self {
        Self {
            contradicted: Some(found.to_owned()),
            ..self
        }
    }

    pub(crate) fn note(mut self, note: &str) -> Self {
        self.notes.push(note.to_owned());
        self
    }

    fn metrics(&self) -> BTreeMap<String, MetricValue> {
        let around = |median: f64| {
            let values = [0.98, 0.99, 1.0, 1.01, 1.05].map(|factor| median * factor);
            MetricValue::Distribution(Summary::of(&values).expect("five values"))
        };
        let mut metrics = BTreeMap::from([
            ("ttft_first_ms".to_owned(), around(self.first_ms)),
            ("ttft_repeat_ms".to_owned(), around(self.repeat_ms)),
            ("ttft_miss_ms".to_owned(), around(self.first_ms)),
            ("tokens_per_second".to_owned(), around(self.speed)),
            (
                "acceleration".to_owned(),
                MetricValue::Scalar(self.first_ms / self.repeat_ms),
            ),
            ("hit_rate".to_owned(), MetricValue::Scalar(self.hit_rate)),
            ("success_rate".to_owned(), MetricValue::Scalar(self.success)),
        ]);
        if self.hit_rate > 0.0 {
            metrics.insert("ttft_hit_ms".to_owned(), around(self.repeat_ms));
        }
        if let Some(missing) = &self.without {
            metrics.remove(missing);
        }
        metrics
    }
}

pub(crate) fn metric(text: &str) -> MetricRef {
    let mut parts = text.split('.');
    let mut next = || parts.next().map(str::to_owned);
    MetricRef {
        node: next().expect("a node"),
        metric: next().expect("a metric"),
        stat: next().map(|stat| stat.parse::<Stat>().expect("a statistic")),
    }
}

pub(crate) fn objective(text: &str, goal: Goal, weight: f64) -> Objective {
    Objective {
        metric: metric(text),
        goal,
        weight,
        at: Span::default(),
    }
}

pub(crate) fn use_case_by_speed() -> UseCase {
    UseCase {
        name: "long-answers".to_owned(),
        objectives: vec![objective("kv-cache.tokens_per_second.p50", Goal::Max, 1.0)],
        at: Span::default(),
    }
}

pub(crate) fn gate(text: &str) -> Gate {
    let words: Vec<&str> = text.split_whitespace().collect();
    Gate {
        text: text.to_owned(),
        metric: metric(words[0]),
        comparison: match words[1] {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            other => panic!("{other}"),
        },
        bound: words[2].parse().expect("a number"),
        on_miss: OnMiss::Continue,
        at: Span::default(),
    }
}

fn flag(name: &str) -> FlagName {
    FlagName(name.to_owned())
}

fn axes() -> Vec<Axis> {
    let axis = |name: &str, values: Vec<FlagValue>| Axis {
        knob: Knob::Flag(flag(name)),
        values,
        at: Span::default(),
    };
    vec![
        axis(
            "gpu-memory-utilization",
            vec![
                FlagValue::Float(0.85),
                FlagValue::Float(0.9),
                FlagValue::Float(0.95),
            ],
        ),
        axis(
            "enable-prefix-caching",
            vec![FlagValue::Bool(true), FlagValue::Bool(false)],
        ),
        axis("max-num-seqs", vec![FlagValue::Int(32)]),
    ]
}

fn cell(name: &str, utilisation: f64, prefix: bool) -> Cell {
    let values = [
        FlagValue::Float(utilisation),
        FlagValue::Bool(prefix),
        FlagValue::Int(32),
    ];
    let coordinates: Vec<(Knob, FlagValue)> = axes()
        .into_iter()
        .map(|axis| axis.knob)
        .zip(values)
        .collect();
    let mut flags: BTreeMap<FlagName, Setting> = coordinates
        .iter()
        .filter_map(|(knob, value)| match knob {
            Knob::Flag(name) => Some((
                name.clone(),
                Setting {
                    value: value.clone(),
                    by: SetBy::Axis,
                },
            )),
            Knob::Env(_) => None,
        })
        .collect();
    let base = Setting {
        value: FlagValue::Int(40_960),
        by: SetBy::Base,
    };
    flags.insert(flag("max-model-len"), base);
    Cell {
        id: CellId::of(name),
        name: name.to_owned(),
        coordinates,
        flags,
        env: BTreeMap::new(),
        memory: None,
    }
}

pub(crate) fn cells() -> Vec<Cell> {
    vec![
        cell("a", 0.85, true),
        cell("b", 0.9, true),
        cell("c", 0.85, false),
        cell("d", 0.95, true),
        cell("e", 0.95, false),
        cell("f", 0.9, false),
    ]
}

pub(crate) fn experiment() -> Experiment {
    Experiment {
        name: "medium".to_owned(),
        profile: profile(),
        axes: axes(),
        whens: Vec::new(),
        named_cells: Vec::new(),
        excludes: Vec::new(),
        workloads: vec![Workload {
            name: "kv-cache".to_owned(),
            after: Vec::new(),
            spec: WorkloadSpec::KvCache(KvCacheSpec {
                iterations: 5,
                prompt_tokens: 1200,
                max_tokens: 16,
            }),
            at: Span::default(),
        }],
        gates: Vec::new(),
        objectives: vec![objective("kv-cache.ttft_repeat_ms.p50", Goal::Min, 2.0)],
        use_cases: Vec::new(),
        run: RunSettings {
            repeats: 2,
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

fn profile() -> Profile {
    let base = |name: &str, value: FlagValue| BaseFlag {
        name: flag(name),
        value,
        at: Span::default(),
    };
    Profile {
        name: "medium".to_owned(),
        engine: EngineProfile {
            runtime: RuntimeChoice::Docker,
            image: Some("vllm/vllm-openai:v0.11.0".to_owned()),
            model: "Qwen/Qwen3-32B-AWQ".to_owned(),
            gpus: Gpus::Ids(vec!["0".to_owned(), "1".to_owned()]),
            shm: Some(8 << 30),
            ipc_host: false,
            memory: Some(64 << 30),
            ulimits: vec![Ulimit {
                name: "memlock".to_owned(),
                soft: -1,
                hard: -1,
            }],
            network: Network::Host,
            volumes: vec![Volume {
                from: PathBuf::from("/home/ana/.cache/hugging face"),
                to: PathBuf::from("/root/.cache/huggingface"),
                read_only: true,
            }],
            flags: vec![base("max-model-len", FlagValue::Int(40_960))],
            env: vec![
                (
                    "HF_HUB_OFFLINE".to_owned(),
                    EnvSource::Literal("1".to_owned()),
                ),
                (
                    "HF_TOKEN".to_owned(),
                    EnvSource::FromEnv("HF_TOKEN".to_owned()),
                ),
                (
                    "LICENCE".to_owned(),
                    EnvSource::FromEnv("MY_LICENCE".to_owned()),
                ),
            ],
            ready_timeout: Duration::from_secs(1200),
            stop_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(600),
        },
        stand_in: None,
        sampling: Default::default(),
        production: None,
    }
}

pub(crate) fn at(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_795_495_706 + seconds).expect("a time in range")
}

/// A complete run with these attempts.
pub(crate) fn record(settled: Vec<Settled>) -> RunRecord {
    RunRecord {
        manifest: Manifest {
            format: Manifest::FORMAT,
            gridrun: "0.1.0".to_owned(),
            run: RunId::new(at(0), 0x3f9a),
            started_at: at(0),
            experiment: experiment(),
            cells: cells(),
            node_order: vec!["kv-cache".to_owned()],
            sources: vec![SourceCopy {
                path: "experiments/medium.toml".to_owned(),
                sha256: "5f".repeat(32),
                copy: "experiment.toml".to_owned(),
            }],
            engines: Engines::Docker,
            speed: TimeScale::ONE,
            scenario: None,
            night: None,
            prior_noise: Vec::new(),
            consolidated: Vec::new(),
            runtime: RuntimeFacts {
                runtime: "docker 20.10.24, API 1.41".to_owned(),
                image_digest: Some(format!("vllm/vllm-openai@sha256:{}", "ab".repeat(32))),
                stand_in: false,
                notes: Vec::new(),
            },
            host: HostFacts {
                hostname: "gpu-1".to_owned(),
                os: "Debian GNU/Linux 12".to_owned(),
                kernel: "6.1.0".to_owned(),
                cpu: Some("AMD EPYC 7313".to_owned()),
                n_cpus: 16,
                memory_bytes: Some(128 << 30),
                gpus: vec!["NVIDIA GeForce RTX 4090, driver 570.86".to_owned(); 2],
            },
        },
        settled,
        skipped: Vec::new(),
        production: None,
        imported: Vec::new(),
        race: Race::default(),
        ending: RunEnding::Complete { at: at(5400) },
    }
}

fn settle(cell: &str, number: u32, outcome: Outcome) -> Settled {
    Settled {
        attempt: AttemptId {
            cell: CellId::of(cell),
            number: AttemptNo(number),
        },
        cell_name: cell.to_owned(),
        block: number,
        started_at: at(i64::from(number) * 600),
        took_ms: 95_000.0,
        outcome,
        end: Some(EndState::default()),
        profiling: None,
        origin: None,
    }
}

pub(crate) fn measured(cell: &str, number: u32, numbers: Numbers) -> Settled {
    let utilisation = match cell {
        "a" | "c" => 0.85,
        "b" | "f" => 0.9,
        _ => 0.95,
    };
    let gpu_memory = match &numbers.contradicted {
        Some(found) => Attested::Contradicted {
            found: found.clone(),
            by: "vllm:cache_config_info".to_owned(),
        },
        None => Attested::Confirmed {
            by: format!("vllm:cache_config_info{{gpu_memory_utilization=\"{utilisation}\"}}"),
        },
    };
    let attest = |name: &str, asked: FlagValue, attested: Attested| Attestation {
        flag: flag(name),
        asked,
        attested,
    };
    let outcome = Outcome::Measured(Measured {
        ready_after_ms: 61_200.0 + 400.0 * f64::from(number),
        nodes: vec![NodeReport {
            node: "kv-cache".to_owned(),
            kind: WorkloadKind::KvCache,
            status: match (numbers.failed.clone(), numbers.invalid.clone()) {
                (Some(because), _) => NodeStatus::Failed { because },
                (None, Some(because)) => NodeStatus::Invalid { because },
                (None, None) => NodeStatus::Completed,
            },
            took_ms: Some(21_000.0),
            metrics: numbers.metrics(),
            n_requests: 10,
            n_failed: ((1.0 - numbers.success) * 10.0).round() as u32,
            notes: numbers.notes.clone(),
            client: None,
            detail: None,
        }],
        attestation: vec![
            attest(
                "gpu-memory-utilization",
                FlagValue::Float(utilisation),
                gpu_memory,
            ),
            attest(
                "max-num-seqs",
                FlagValue::Int(32),
                Attested::Accepted {
                    by: "non-default args: {'max_num_seqs': 32}".to_owned(),
                },
            ),
        ],
        engine: EngineFacts {
            version: Some("0.11.0".to_owned()),
            max_model_len: Some(40_960),
            kv_cache_tokens: Some(if utilisation > 0.87 { 71_872 } else { 64_896 }),
            block_size: Some(16),
            warnings: vec!["Casting torch.bfloat16 to torch.float16.".to_owned()],
        },
    });
    settle(cell, number, outcome)
}

pub(crate) fn failure(class: FailureClass, consequence: Consequence) -> Failure {
    Failure {
        class,
        phase: Phase::Starting,
        stage: Some(Stage::KvProfile),
        consequence,
        cause: Some(
            "ValueError: To serve at least one request with the models's max seq len (40960), \
             (10.00 GiB KV cache is needed, which is larger than the available KV cache memory \
             (7.82 GiB)."
                .to_owned(),
        ),
        explanation: "The KV cache that fits into the memory left over cannot hold one request \
                      of the full length."
            .to_owned(),
        suggestion: Some("raise gpu-memory-utilization or lower max-model-len".to_owned()),
        node: None,
        node_after_ms: None,
        exit_code: Some(1),
        oom_killed: Some(false),
        log_tail: vec![
            "INFO 11-24 04:50:01 [gpu_worker.py:298] Available KV cache memory: 7.82 GiB"
                .to_owned(),
            "ERROR 11-24 04:50:01 [core.py:708] EngineCore failed to start.".to_owned(),
        ],
        disturbed: false,
    }
}

pub(crate) fn died(cell: &str, number: u32, class: FailureClass) -> Settled {
    settle(
        cell,
        number,
        Outcome::Infeasible(failure(class, Consequence::Infeasible)),
    )
}

pub(crate) fn failed(cell: &str, number: u32, class: FailureClass) -> Settled {
    let failure = Failure {
        cause: None,
        explanation: "The engine ended without saying why.".to_owned(),
        suggestion: None,
        exit_code: Some(0),
        phase: Phase::Serving,
        stage: Some(Stage::UnderLoad),
        node: Some("kv-cache".to_owned()),
        node_after_ms: None,
        ..failure(class, Consequence::Retry)
    };
    settle(cell, number, Outcome::Failed(failure))
}

pub(crate) fn cancelled(cell: &str, number: u32) -> Settled {
    settle(cell, number, Outcome::Cancelled)
}

/// Two repeats of six cells: `a`, `b`, `c` ranked, `d` infeasible, `e` failed twice, `f`
/// rejected by a gate; with a use case.
pub(crate) fn full() -> RunRecord {
    let quarantined =
        "1 of 5 repeated requests kept out of hits: cached 512 of 1184 eligible tokens";
    let mut record = record(vec![
        measured("c", 1, Numbers::new(1310.0, 1302.0).speed(44.8).no_hits()),
        died("d", 1, FailureClass::KvCacheTooSmall),
        measured("a", 1, Numbers::new(1305.0, 142.0).speed(44.1)),
        failed("e", 1, FailureClass::EngineDied),
        measured("b", 1, Numbers::new(1298.0, 131.0).speed(43.2)),
        measured(
            "f",
            1,
            Numbers::new(1300.0, 1298.0)
                .success(0.8)
                .no_hits()
                .note("2 of 10 requests failed: stalled after 600000 ms"),
        ),
        measured(
            "b",
            2,
            Numbers::new(1331.0, 134.0).speed(43.5).note(quarantined),
        ),
        failed("e", 2, FailureClass::EngineDied),
        measured("f", 2, Numbers::new(1300.0, 1299.0).no_hits()),
        measured("c", 2, Numbers::new(1322.0, 1320.0).speed(44.9).no_hits()),
        measured("a", 2, Numbers::new(1311.0, 146.0).speed(44.6)),
        died("d", 2, FailureClass::KvCacheTooSmall),
    ]);
    record.manifest.experiment.gates = vec![gate("kv-cache.success_rate >= 0.95")];
    record.manifest.experiment.use_cases = vec![use_case_by_speed()];
    record
}

//! What the engine counts, and the Prometheus text in which `/metrics` shows it: vLLM's names,
//! labels and buckets.

use std::fmt::Write;
use std::time::Duration;

use crate::stand_in::command::settings::Settings;
use crate::stand_in::engine::cache::PrefixCaching;
use crate::stand_in::engine::memory::KvRoom;
use crate::stand_in::engine::scheduler::{Counts, Gauges};

const SECONDS_TO_FIRST: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const SECONDS_BETWEEN: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
const SECONDS_IN_ALL: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];
const TOKENS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0,
];

/// Values sorted into buckets.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than `bounds`: the last is for what lies above all of them.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    fn observe(&mut self, value: f64) {
        let place = self
            .bounds
            .iter()
            .take_while(|bound| value > **bound)
            .count();
        self.counts[place] += 1;
        self.sum += value;
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its answer.
    Stop,
    /// `max_tokens` cut it.
    Length,
    /// The client went away.
    Abort,
}

impl Finish {
    /// vLLM's word for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Abort => "abort",
        }
    }
}

/// Counters of finished work.
#[derive(Debug, Clone)]
pub struct Tally {
    prompt_tokens: u64,
    cached_tokens: u64,
    generation_tokens: u64,
    stopped: u64,
    cut: u64,
    aborted: u64,
    to_first: Histogram,
    between: Histogram,
    in_all: Histogram,
    prompts: Histogram,
    generations: Histogram,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            prompt_tokens: 0,
            cached_tokens: 0,
            generation_tokens: 0,
            stopped: 0,
            cut: 0,
            aborted: 0,
            to_first: Histogram::new(SECONDS_TO_FIRST),
            between: Histogram::new(SECONDS_BETWEEN),
            in_all: Histogram::new(SECONDS_IN_ALL),
            prompts: Histogram::new(TOKENS),
            generations: Histogram::new(TOKENS),
        }
    }

    /// A prompt is computed and the first token is out, so long after the request came.
    pub fn first_token(&mut self, prompt: usize, cached: usize, after: Duration) {
        self.prompt_tokens += prompt as u64;
        self.cached_tokens += cached as u64;
        self.generation_tokens += 1;
        self.to_first.observe(after.as_secs_f64());
    }

    /// A further token is out, so long after the one before.
    pub fn next_token(&mut self, after: Duration) {
        self.generation_tokens += 1;
        self.between.observe(after.as_secs_f64());
    }

    /// A request is over, so long after it came.
    pub fn finished(&mut self, how: Finish, prompt: usize, said: usize, after: Duration) {
        match how {
            Finish::Stop => self.stopped += 1,
            Finish::Length => self.cut += 1,
            Finish::Abort => {
                self.aborted += 1;
                return;
            }
        }
        self.in_all.observe(after.as_secs_f64());
        self.prompts.observe(prompt as f64);
        self.generations.observe(said as f64);
    }

    /// Prompt tokens and answer tokens so far.
    pub fn tokens(&self) -> (u64, u64) {
        (self.prompt_tokens, self.generation_tokens)
    }
}

/// What the engine shows of itself at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub gauges: Gauges,
    pub counts: Counts,
    pub tally: Tally,
}

/// What does not change while an engine lives.
#[derive(Debug, Clone)]
pub struct Identity {
    model_name: String,
    cache_labels: String,
    /// Start of the engine, in seconds since 1970.
    created: f64,
}

impl Identity {
    pub fn new(settings: &Settings, room: &KvRoom, created: f64) -> Self {
        Self {
            model_name: escape(&settings.served_names[0]),
            cache_labels: cache_labels(settings, room),
            created,
        }
    }
}

fn escape(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn cache_labels(settings: &Settings, room: &KvRoom) -> String {
    let block_size = room.block_size.to_string();
    let caching = if settings.caching == PrefixCaching::On {
        "True"
    } else {
        "False"
    };
    let labels = [
        ("block_size", block_size.clone()),
        ("cache_dtype", settings.kv_cache_dtype.clone()),
        ("effective_attention_block_size", block_size),
        ("enable_prefix_caching", caching.to_owned()),
        ("engine", "0".to_owned()),
        (
            "gpu_memory_utilization",
            format!("{:?}", settings.gpu_memory_utilization),
        ),
        (
            "kv_cache_max_concurrency",
            format!("{:?}", room.max_concurrency()),
        ),
        (
            "kv_cache_memory_bytes",
            settings
                .kv_cache_memory_bytes
                .map_or_else(|| "None".to_owned(), |bytes| bytes.to_string()),
        ),
        ("kv_cache_size_tokens", room.n_tokens().to_string()),
        ("num_cpu_blocks", "None".to_owned()),
        ("num_gpu_blocks", room.n_blocks.to_string()),
        ("num_gpu_blocks_override", "None".to_owned()),
        ("prefix_caching_hash_algo", "sha256".to_owned()),
        ("sliding_window", "None".to_owned()),
    ];
    labels
        .map(|(name, value)| format!("{name}=\"{}\"", escape(&value)))
        .join(",")
}

/// The whole of `/metrics`.
pub fn render(identity: &Identity, now: &Snapshot) -> String {
    let Snapshot {
        gauges,
        counts,
        tally,
    } = now;
    let mut page = Page {
        identity,
        text: String::new(),
    };
    page.gauge(
        "num_requests_running",
        "Number of requests in model execution batches.",
        gauges.running as f64,
    );
    page.gauge(
        "num_requests_waiting",
        "Number of requests waiting to be processed.",
        gauges.waiting as f64,
    );
    page.gauge(
        "kv_cache_usage_perc",
        "KV-cache usage. 1 means 100 percent usage.",
        gauges.kv_usage,
    );
    page.counter(
        "prefix_cache_queries",
        "Prefix cache queries, in terms of number of queried tokens.",
        &[("", counts.prefix_queries)],
    );
    page.counter(
        "prefix_cache_hits",
        "Prefix cache hits, in terms of number of cached tokens.",
        &[("", counts.prefix_hits)],
    );
    page.counter(
        "num_preemptions",
        "Cumulative number of preemption from the engine.",
        &[("", counts.preemptions)],
    );
    page.counter(
        "prompt_tokens",
        "Number of prefill tokens processed.",
        &[("", tally.prompt_tokens)],
    );
    page.counter(
        "prompt_tokens_cached",
        "Number of cached prompt tokens (local + external).",
        &[("", tally.cached_tokens)],
    );
    page.counter(
        "generation_tokens",
        "Number of generation tokens processed.",
        &[("", tally.generation_tokens)],
    );
    page.counter(
        "request_success",
        "Count of successfully processed requests.",
        &[
            ("finished_reason=\"stop\"", tally.stopped),
            ("finished_reason=\"length\"", tally.cut),
            ("finished_reason=\"abort\"", tally.aborted),
            ("finished_reason=\"error\"", 0),
        ],
    );
    page.histogram(
        "request_prompt_tokens",
        "Number of prefill tokens processed.",
        &tally.prompts,
    );
    page.histogram(
        "request_generation_tokens",
        "Number of generation tokens processed.",
        &tally.generations,
    );
    page.histogram(
        "time_to_first_token_seconds",
        "Histogram of time to first token in seconds.",
        &tally.to_first,
    );
    page.histogram(
        "inter_token_latency_seconds",
        "Histogram of inter-token latency in seconds.",
        &tally.between,
    );
    page.histogram(
        "e2e_request_latency_seconds",
        "Histogram of e2e request latency in seconds.",
        &tally.in_all,
    );
    page.head(
        "cache_config_info",
        "Information of the LLMEngine CacheConfig",
        "gauge",
    );
    page.line(format_args!(
        "vllm:cache_config_info{{{}}} 1.0",
        identity.cache_labels
    ));
    page.text
}

struct Page<'a> {
    identity: &'a Identity,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("writing to a string cannot fail");
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP vllm:{name} {help}"));
        self.line(format_args!("# TYPE vllm:{name} {kind}"));
    }

    fn sample(&mut self, name: &str, label: &str, value: f64) {
        let comma = if label.is_empty() { "" } else { "," };
        let model = &self.identity.model_name;
        let line =
            format!("vllm:{name}{{engine=\"0\"{comma}{label},model_name=\"{model}\"}} {value:?}");
        self.line(format_args!("{line}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, help, "gauge");
        self.sample(name, "", value);
    }

    /// A counter under `NAME_total`, with the time of its creation beside it.
    fn counter(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        let (total, created) = (format!("{name}_total"), format!("{name}_created"));
        self.head(&total, help, "counter");
        for (label, value) in values {
            self.sample(&total, label, *value as f64);
        }
        self.head(&created, help, "gauge");
        for (label, _) in values {
            self.sample(&created, label, self.identity.created);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, values: &Histogram) {
        self.head(name, help, "histogram");
        let (bucket, mut below) = (format!("{name}_bucket"), 0);
        for (place, count) in values.counts.iter().enumerate() {
            below += count;
            let bound = values
                .bounds
                .get(place)
                .map_or("+Inf".to_owned(), |bound| format!("{bound:?}"));
            self.sample(&bucket, &format!("le=\"{bound}\""), below as f64);
        }
        self.sample(&format!("{name}_count"), "", below as f64);
        self.sample(&format!("{name}_sum"), "", values.sum);
        let created = format!("{name}_created");
        self.head(&created, help, "gauge");
        self.sample(&created, "", self.identity.created);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::command::arguments::Arguments;
    use crate::stand_in::engine::memory::fit;

    #[test]
    fn the_page_has_the_names_labels_and_forms_of_vllm() {
        let words = [
            "some/model",
            "--served-model-name",
            "a\"b",
            "--no-enable-prefix-caching",
        ];
        let arguments = Arguments::parse(&words.map(str::to_owned)).unwrap();
        let settings = Settings::resolve(&arguments, None).unwrap();
        let identity = Identity::new(&settings, &fit(&settings).unwrap(), 1_795_487_820.5);
        let mut tally = Tally::new();
        tally.first_token(100, 48, Duration::from_millis(250));
        tally.next_token(Duration::from_millis(20));
        tally.finished(Finish::Length, 100, 2, Duration::from_millis(270));
        let now = Snapshot {
            gauges: Gauges {
                running: 1,
                waiting: 2,
                kv_usage: 0.25,
            },
            counts: Counts {
                prefix_queries: 100,
                prefix_hits: 48,
                preemptions: 3,
            },
            tally,
        };
        let page = render(&identity, &now);
        for line in [
            "# TYPE vllm:prefix_cache_queries_total counter",
            r#"vllm:prefix_cache_queries_total{engine="0",model_name="a\"b"} 100.0"#,
            r#"vllm:prefix_cache_queries_created{engine="0",model_name="a\"b"} 1795487820.5"#,
            r#"vllm:prefix_cache_hits_total{engine="0",model_name="a\"b"} 48.0"#,
            r#"vllm:num_requests_waiting{engine="0",model_name="a\"b"} 2.0"#,
            r#"vllm:kv_cache_usage_perc{engine="0",model_name="a\"b"} 0.25"#,
            r#"vllm:num_preemptions_total{engine="0",model_name="a\"b"} 3.0"#,
            r#"vllm:request_success_total{engine="0",finished_reason="length",model_name="a\"b"} 1.0"#,
            r#"vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="a\"b"} 0.0"#,
            r#"vllm:time_to_first_token_seconds_bucket{engine="0",le="0.25",model_name="a\"b"} 1.0"#,
            r#"vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="a\"b"} 1.0"#,
            r#"vllm:time_to_first_token_seconds_sum{engine="0",model_name="a\"b"} 0.25"#,
            r#"vllm:generation_tokens_total{engine="0",model_name="a\"b"} 2.0"#,
        ] {
            assert!(
                page.lines().any(|shown| shown == line),
                "{line}\nis not in\n{page}"
            );
        }
        let info = page
            .lines()
            .find(|line| line.starts_with("vllm:cache_config_info{"))
            .unwrap();
        for label in [
            r#"enable_prefix_caching="False""#,
            r#"gpu_memory_utilization="0.92""#,
            r#"block_size="16""#,
            r#"cache_dtype="auto""#,
        ] {
            assert!(info.contains(label), "{label} is not in {info}");
        }
    }
}

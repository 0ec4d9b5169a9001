//! The text of an engine's `/metrics`: samples by name, counters, and what vLLM says of its
//! cache there.
//!
//! Pure; reading it over HTTP is `control`'s business.

use crate::measure::sample::EngineGauges;

/// One line: a name, its labels, and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// All samples of one reading, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricsPage {
    samples: Vec<MetricSample>,
    prefix_unit: PrefixUnit,
}

/// What the prefix cache counters of the first V1 engines count, under `vllm:gpu_prefix_cache_*`;
/// only their help text says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum PrefixUnit {
    #[default]
    Tokens,
    Blocks,
}

/// What `vllm:cache_config_info` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheInfo {
    /// Tokens of one block.
    pub block_size: Option<u64>,
    /// Tokens that fit into the KV cache: said outright by newer versions, else blocks times
    /// block size.
    pub kv_cache_tokens: Option<u64>,
}

/// The engine's counters around which a request's cache use is read. Each counts tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PrefixCounters {
    pub queries: Option<f64>,
    pub hits: Option<f64>,
    /// Prompt tokens processed, cached or not.
    pub prompt_tokens: Option<f64>,
}

impl MetricsPage {
    /// Reads the Prometheus text format. Lines that are none of it are passed over: the page
    /// holds what could be read.
    pub fn parse(text: &str) -> Self {
        let counts_blocks = text.lines().any(|line| {
            line.starts_with("# HELP vllm:gpu_prefix_cache_queries") && line.contains("blocks")
        });
        Self {
            samples: text.lines().filter_map(parse_line).collect(),
            prefix_unit: if counts_blocks {
                PrefixUnit::Blocks
            } else {
                PrefixUnit::Tokens
            },
        }
    }

    /// The samples of one name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a MetricSample> {
        self.samples
            .iter()
            .filter(move |sample| sample.name == name)
    }

    /// A counter, summed over its label sets; `name` goes without `_total`, which only newer
    /// exporters append. `None` when the page does not have it.
    pub fn counter(&self, name: &str) -> Option<f64> {
        let total = format!("{name}_total");
        [total.as_str(), name].into_iter().find_map(|name| {
            let mut samples = self.named(name).peekable();
            samples.peek()?;
            Some(samples.map(|sample| sample.value).sum())
        })
    }

    /// What the first engine of the server says of its cache.
    pub fn cache_info(&self) -> CacheInfo {
        let Some(sample) = self.named("vllm:cache_config_info").next() else {
            return CacheInfo::default();
        };
        let number = |label: &str| sample.label(label)?.parse::<u64>().ok();
        let block_size = number("block_size");
        let by_blocks = || number("num_gpu_blocks")?.checked_mul(block_size?);
        CacheInfo {
            block_size,
            kv_cache_tokens: number("kv_cache_size_tokens").or_else(by_blocks),
        }
    }

    /// What the engine does now, over all engines of the server. The share of the KV cache in use
    /// had another name in older versions, and is that of the fullest engine.
    pub fn gauges(&self) -> EngineGauges {
        let fullest = |name| {
            let values = self.named(name).map(|sample| sample.value);
            values.filter(|value| value.is_finite()).reduce(f64::max)
        };
        EngineGauges {
            running: self.counter("vllm:num_requests_running"),
            waiting: self.counter("vllm:num_requests_waiting"),
            kv_cache_pct: fullest("vllm:kv_cache_usage_perc")
                .or_else(|| fullest("vllm:gpu_cache_usage_perc"))
                .map(|share| 100.0 * share),
            preemptions: self.counter("vllm:num_preemptions"),
        }
    }

    pub fn prefix_counters(&self) -> PrefixCounters {
        PrefixCounters {
            queries: self.prefix_counter("queries"),
            hits: self.prefix_counter("hits"),
            prompt_tokens: self.counter("vllm:prompt_tokens"),
        }
    }
}

/// By how much a counter grew; `None` when it is unknown or was reset.
pub fn difference(before: Option<f64>, after: Option<f64>) -> Option<u64> {
    let grown = (after? - before?).round();
    // The cast saturates, which no counter of tokens can reach.
    (grown.is_finite() && grown >= 0.0).then_some(grown as u64)
}

impl MetricsPage {
    /// One of the two, in tokens, by its name or by the one that it had before 0.9.
    fn prefix_counter(&self, what: &str) -> Option<f64> {
        self.counter(&format!("vllm:prefix_cache_{what}"))
            .or_else(|| {
                let count = self.counter(&format!("vllm:gpu_prefix_cache_{what}"))?;
                match self.prefix_unit {
                    PrefixUnit::Tokens => Some(count),
                    PrefixUnit::Blocks => Some(count * self.cache_info().block_size? as f64),
                }
            })
    }
}

impl MetricSample {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(label, _)| label == name)
            .map(|(_, value)| value.as_str())
    }
}

/// `name{label="value",..} number [timestamp]`.
fn parse_line(line: &str) -> Option<MetricSample> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => parse_labels(inside)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then(|| MetricSample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The labels after `{`, and what follows the closing brace.
fn parse_labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = parse_quoted(after.trim_start())?;
        labels.push((name.trim().to_owned(), value));
        rest = after;
    }
}

/// A quoted value, and what follows its closing quote.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: &str = include_str!("../../tests/data/vllm/metrics_after.txt");
    const OFF: &str = include_str!("../../tests/data/vllm/metrics_after_no_prefix_caching.txt");

    #[test]
    fn real_pages_give_their_counters_and_the_cache() {
        let page = MetricsPage::parse(ON);
        let counters = page.prefix_counters();
        assert_eq!(
            (counters.queries, counters.hits),
            (Some(13757.0), Some(5632.0))
        );
        let cache = CacheInfo {
            block_size: Some(128),
            kv_cache_tokens: Some(46592),
        };
        assert_eq!(page.cache_info(), cache);

        let off = PrefixCounters {
            queries: Some(0.0),
            hits: Some(0.0),
            prompt_tokens: Some(13877.0),
        };
        assert_eq!(MetricsPage::parse(OFF).prefix_counters(), off);
    }

    #[test]
    fn the_first_v1_engines_counted_blocks_under_another_name() {
        let page = |help: &str, cache: &str| {
            let text = format!(
                "# HELP vllm:gpu_prefix_cache_queries_total {help}\n\
                 vllm:gpu_prefix_cache_queries_total{{engine=\"0\"}} 6.0\n\
                 vllm:gpu_prefix_cache_hits_total{{engine=\"0\"}} 3.0\n{cache}"
            );
            let counters = MetricsPage::parse(&text).prefix_counters();
            (counters.queries, counters.hits)
        };
        let cache = "vllm:cache_config_info{block_size=\"16\"} 1.0\n";
        let blocks = "GPU prefix cache queries, in terms of number of queried blocks.";
        assert_eq!(page(blocks, cache), (Some(96.0), Some(48.0)));
        assert_eq!(page(blocks, ""), (None, None));
        let tokens = "GPU prefix cache queries, in terms of number of queried tokens.";
        assert_eq!(page(tokens, ""), (Some(6.0), Some(3.0)));
    }

    #[test]
    fn gauges_are_those_of_all_engines_under_the_name_of_any_version() {
        let nothing_to_do = EngineGauges {
            running: Some(0.0),
            waiting: Some(0.0),
            kv_cache_pct: Some(0.0),
            preemptions: Some(0.0),
        };
        assert_eq!(MetricsPage::parse(ON).gauges(), nothing_to_do);
        let two = "vllm:num_requests_running{engine=\"0\"} 3\nvllm:num_requests_running{engine=\"1\"} 4\n\
                   vllm:num_requests_waiting{engine=\"0\"} 1\n\
                   vllm:gpu_cache_usage_perc{engine=\"0\"} 0.25\nvllm:gpu_cache_usage_perc{engine=\"1\"} 0.5\n";
        let gauges = EngineGauges {
            running: Some(7.0),
            waiting: Some(1.0),
            kv_cache_pct: Some(50.0),
            preemptions: None,
        };
        assert_eq!(MetricsPage::parse(two).gauges(), gauges);
    }

    #[test]
    fn both_spellings_of_a_counter_are_one_and_label_sets_are_summed() {
        assert_eq!(MetricsPage::parse("c 3\n").counter("c"), Some(3.0));
        assert_eq!(
            MetricsPage::parse("c_total 3\nc_created 9\n").counter("c"),
            Some(3.0)
        );
        let two = "c_total{engine=\"0\"} 1\nc_total{engine=\"1\"} 2.5e1 1700000000\n";
        assert_eq!(MetricsPage::parse(two).counter("c"), Some(26.0));
        assert_eq!(MetricsPage::parse("other 3\n").counter("c"), None);
    }

    #[test]
    fn kv_tokens_follow_from_the_blocks_where_they_are_not_said() {
        let info = |labels: &str| {
            MetricsPage::parse(&format!("vllm:cache_config_info{{{labels}}} 1.0")).cache_info()
        };
        let blocks = info(r#"block_size="16",num_gpu_blocks="100""#);
        assert_eq!(
            blocks,
            CacheInfo {
                block_size: Some(16),
                kv_cache_tokens: Some(1600)
            }
        );
        assert_eq!(
            info(r#"block_size="None",num_gpu_blocks="100""#),
            CacheInfo::default()
        );
        assert_eq!(MetricsPage::parse("").cache_info(), CacheInfo::default());
    }

    #[test]
    fn quoted_labels_may_hold_anything() {
        let page = MetricsPage::parse("m{a=\"x,}\\\"\\\\\\n\", b=\"é\",} NaN");
        let sample = page.named("m").next().unwrap();
        assert_eq!(sample.label("a"), Some("x,}\"\\\n"));
        assert_eq!(sample.label("b"), Some("é"));
        assert!(sample.value.is_nan());
    }

    #[test]
    fn lines_that_are_no_samples_are_passed_over() {
        let page = MetricsPage::parse("<html>\nm{a=\"x 1\nm\nm{a} 1\n# HELP m\n\nm x\ngood 1\n");
        assert_eq!(page.samples.len(), 1);
    }
}

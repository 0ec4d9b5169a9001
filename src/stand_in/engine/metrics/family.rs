//! How the families of one engine are written: its labels on every line, its longest sequence as
//! the last bucket of tokens.

use crate::stand_in::engine::metrics::exposition::{Histogram, Page, Sample};
use crate::stand_in::engine::metrics::identity::Identity;
use crate::stand_in::engine::metrics::tally::Snapshot;
use crate::stand_in::version::VllmVersion::{self, V0_8_5};

/// V0's last bucket of seconds.
pub const V0_LONGEST: f64 = 60.0;

/// Writes families of one engine.
pub struct Families<'a> {
    pub page: &'a mut Page,
    pub identity: &'a Identity,
}

impl Families<'_> {
    pub fn version(&self) -> VllmVersion {
        self.identity.version
    }

    /// Is the version one of those from `first` to `last`?
    pub fn between(&self, first: VllmVersion, last: VllmVersion) -> bool {
        (first..=last).contains(&self.version())
    }

    /// With the labels that all samples of an engine have.
    pub fn sample(&self, value: f64) -> Sample {
        let mut labels = vec![("model_name", self.identity.model_name.clone())];
        if self.version() >= V0_8_5 {
            labels.push(("engine", "0".to_owned()));
        }
        Sample {
            labels,
            value,
            created: self.identity.created,
        }
    }

    pub fn labelled(&self, label: &'static str, value: &str, number: f64) -> Sample {
        let mut sample = self.sample(number);
        sample.labels.push((label, value.to_owned()));
        sample
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        let sample = self.sample(value);
        self.page.gauge(&vllm(name), help, &[sample]);
    }

    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        let sample = self.sample(value as f64);
        self.page.counter(&vllm(name), help, &[sample]);
    }

    /// A counter for each value of a label.
    pub fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(&str, u64)],
    ) {
        let samples: Vec<Sample> = values
            .iter()
            .map(|(text, count)| self.labelled(label, text, *count as f64))
            .collect();
        self.page.counter(&vllm(name), help, &samples);
    }

    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        values: &Histogram,
        shows: impl Fn(f64) -> bool,
    ) {
        let sample = self.sample(0.0);
        self.page
            .histogram(&vllm(name), help, shows, &[(values, sample)]);
    }

    /// A distribution of seconds, with all bounds there are.
    pub fn seconds(&mut self, name: &str, help: &str, values: &Histogram) {
        self.histogram(name, help, values, |_| true);
    }

    /// A distribution of tokens, up to the longest sequence.
    pub fn tokens(&mut self, name: &str, help: &str, values: &Histogram) {
        let longest = self.identity.max_model_len as f64;
        self.histogram(name, help, values, |bound| bound <= longest);
    }

    pub fn cache_config(&mut self) {
        let sample = Sample {
            labels: self.identity.cache.clone(),
            value: 1.0,
            created: self.identity.created,
        };
        self.page.gauge(
            "vllm:cache_config_info",
            "Information of the LLMEngine CacheConfig",
            &[sample],
        );
    }
}

fn vllm(name: &str) -> String {
    format!("vllm:{name}")
}

/// The phases of a request, in seconds.
pub fn phases(families: &mut Families, now: &Snapshot) {
    let tally = &now.tally;
    for (name, phase, values) in [
        ("queue", "WAITING", &tally.queued),
        ("inference", "RUNNING", &tally.inference),
        ("prefill", "PREFILL", &tally.prefill),
        ("decode", "DECODE", &tally.decode),
    ] {
        let longest = match families.version() {
            VllmVersion::V0_6_4 => V0_LONGEST,
            _ => f64::INFINITY,
        };
        families.histogram(
            &format!("request_{name}_time_seconds"),
            &format!("Histogram of time spent in {phase} phase for request."),
            values,
            |bound| bound <= longest,
        );
    }
}

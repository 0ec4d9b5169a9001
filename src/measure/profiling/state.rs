//! The sums behind one engine state of one node.

use std::collections::BTreeMap;

use crate::measure::profiling::moments::{Moments, Running};
use crate::measure::profiling::summary::{Energy, EnergySource, GpuSummary, StateProfiling};
use crate::measure::sample::{GpuCard, GpuReading, Sample, Throttle};
use crate::time_scale::TimeScale;

/// Grows with the number of cards and not with that of samples.
#[derive(Debug, Clone, Default)]
pub(super) struct StateSums {
    pub n_samples: u64,
    /// Of the intervals that ended in one of its samples.
    pub time_ns: u64,
    gpus: Vec<GpuSums>,
    host: Series,
    engine: Series,
    /// By how much counters of the engine grew.
    growth: BTreeMap<&'static str, f64>,
}

#[derive(Debug, Clone, Default)]
struct GpuSums {
    series: Series,
    energy: Option<(f64, u64, EnergySource)>,
    n_throttle_known: u64,
    n_slowed_down: u64,
    n_power_capped: u64,
    slowdowns: Throttle,
}

/// Values by name.
#[derive(Debug, Clone, Default)]
struct Series(BTreeMap<&'static str, Running>);

impl Series {
    fn push(&mut self, values: impl IntoIterator<Item = (&'static str, Option<f64>)>) {
        for (name, value) in values {
            if let Some(value) = value {
                self.0.entry(name).or_default().push(value);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        for (name, running) in &other.0 {
            self.0.entry(name).or_default().merge(running);
        }
    }

    fn moments(&self) -> BTreeMap<String, Moments> {
        self.0
            .iter()
            .filter_map(|(name, running)| Some(((*name).to_owned(), running.moments()?)))
            .collect()
    }
}

/// How often, and for what, a card protected itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slowdown {
    pub reasons: Throttle,
    /// Of the samples in which the card told.
    pub share: f64,
}

impl StateSums {
    /// Takes a sample, and what happened since the one before it, if that was of the same node.
    pub fn push(&mut self, sample: &Sample, before: Option<&Sample>, gap_at_most_ns: u64) {
        self.n_samples += 1;
        let span = before.map_or(0, |before| sample.at_ns.saturating_sub(before.at_ns));
        self.time_ns += span;
        let n_cards = sample.gpus.as_ref().map_or(0, Vec::len);
        if self.gpus.len() < n_cards {
            self.gpus.resize_with(n_cards, GpuSums::default);
        }
        for (position, sums) in self.gpus.iter_mut().enumerate() {
            if let Some(reading) = sample.gpu(position) {
                let before = before.and_then(|before| before.gpu(position));
                sums.push(reading, before, span, gap_at_most_ns);
            }
        }
        let host = sample.host.unwrap_or_default();
        self.host.push([
            ("cpu_pct", sample.host_cpu_pct),
            ("memory_used_bytes", bytes(host.memory_used_bytes)),
        ]);
        let container = sample.container.unwrap_or_default();
        let gauges = sample.gauges.unwrap_or_default();
        self.engine.push([
            ("cpu_pct", sample.engine_cpu_pct),
            ("memory_bytes", bytes(container.memory_bytes)),
            ("requests_running", gauges.running),
            ("requests_waiting", gauges.waiting),
            ("kv_cache_pct", gauges.kv_cache_pct),
        ]);
        let Some(before) = before else { return };
        let earlier = before.container.unwrap_or_default();
        let counters = [
            (
                "read_bytes",
                bytes(earlier.read_bytes),
                bytes(container.read_bytes),
            ),
            (
                "written_bytes",
                bytes(earlier.written_bytes),
                bytes(container.written_bytes),
            ),
            (
                "received_bytes",
                bytes(earlier.received_bytes),
                bytes(container.received_bytes),
            ),
            (
                "sent_bytes",
                bytes(earlier.sent_bytes),
                bytes(container.sent_bytes),
            ),
            (
                "preemptions",
                before.gauges.unwrap_or_default().preemptions,
                gauges.preemptions,
            ),
        ];
        for (name, earlier, now) in counters {
            if let (Some(earlier), Some(now)) = (earlier, now) {
                *self.growth.entry(name).or_default() += (now - earlier).max(0.0);
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.n_samples += other.n_samples;
        self.time_ns += other.time_ns;
        if self.gpus.len() < other.gpus.len() {
            self.gpus.resize_with(other.gpus.len(), GpuSums::default);
        }
        for (sums, others) in self.gpus.iter_mut().zip(&other.gpus) {
            sums.merge(others);
        }
        self.host.merge(&other.host);
        self.engine.merge(&other.engine);
        for (name, grown) in &other.growth {
            *self.growth.entry(name).or_default() += grown;
        }
    }

    /// One series of the card at a position.
    pub fn gpu(&self, position: usize, name: &str) -> Option<Moments> {
        self.gpus.get(position)?.series.0.get(name)?.moments()
    }

    pub fn host(&self, name: &str) -> Option<Moments> {
        self.host.0.get(name)?.moments()
    }

    pub fn engine(&self, name: &str) -> Option<Moments> {
        self.engine.0.get(name)?.moments()
    }

    pub fn preemptions(&self) -> Option<f64> {
        self.growth.get("preemptions").copied()
    }

    pub fn energy(&self, position: usize) -> Option<Energy> {
        self.gpus.get(position)?.energy()
    }

    /// `None` where the card did not protect itself, or did not tell.
    pub fn slowdown(&self, position: usize) -> Option<Slowdown> {
        let sums = self.gpus.get(position)?;
        (sums.n_slowed_down > 0).then(|| Slowdown {
            reasons: sums.slowdowns,
            share: sums.n_slowed_down as f64 / sums.n_throttle_known as f64,
        })
    }

    /// In which share of the samples the card ran into its power limit.
    pub fn power_capped(&self, position: usize) -> Option<f64> {
        let sums = self.gpus.get(position)?;
        (sums.n_power_capped > 0).then(|| sums.n_power_capped as f64 / sums.n_throttle_known as f64)
    }

    pub fn summary(&self, position: usize, card: &GpuCard) -> GpuSummary {
        let nothing = GpuSums::default();
        let sums = self.gpus.get(position).unwrap_or(&nothing);
        let share = |n: u64| {
            (sums.n_throttle_known > 0).then(|| 100.0 * n as f64 / sums.n_throttle_known as f64)
        };
        GpuSummary {
            index: card.index,
            summary: sums.series.moments(),
            energy: sums.energy(),
            slowed_down_pct: share(sums.n_slowed_down),
            slowed_down_by: sums.slowdowns.names(),
            power_capped_pct: share(sums.n_power_capped),
        }
    }

    /// `whole_ns` is the time of the node.
    pub fn profile(&self, cards: &[GpuCard], whole_ns: u64, scale: TimeScale) -> StateProfiling {
        StateProfiling {
            n_samples: self.n_samples,
            time_ms: scale.nanos_told_ms(self.time_ns),
            share: (whole_ns > 0).then(|| self.time_ns as f64 / whole_ns as f64),
            gpus: cards
                .iter()
                .enumerate()
                .map(|(position, card)| self.summary(position, card))
                .collect(),
            host: self.host.moments(),
            engine: self.engine.moments(),
            growth: self
                .growth
                .iter()
                .map(|(name, grown)| ((*name).to_owned(), *grown))
                .collect(),
        }
    }
}

impl GpuSums {
    fn push(&mut self, now: &GpuReading, before: Option<&GpuReading>, span: u64, gap: u64) {
        self.series.push([
            ("utilisation_pct", now.utilisation_pct),
            ("memory_utilisation_pct", now.memory_utilisation_pct),
            ("memory_used_bytes", bytes(now.memory_used_bytes)),
            ("temperature_c", now.temperature_c),
            ("power_w", now.power_w),
            ("sm_clock_mhz", now.sm_clock_mhz),
            ("memory_clock_mhz", now.memory_clock_mhz),
        ]);
        if let Some(throttle) = now.throttle {
            self.n_throttle_known += 1;
            self.n_slowed_down += u64::from(throttle.is_slowed_down());
            self.n_power_capped += u64::from(throttle.is_power_capped());
            self.slowdowns = self.slowdowns.and(throttle.slowdowns());
        }
        if let Some((joules, source)) = before.and_then(|before| used(before, now, span, gap)) {
            let (sum, over, by) = self.energy.unwrap_or((0.0, 0, source));
            self.energy = Some((sum + joules, over + span, by.and(source)));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.series.merge(&other.series);
        self.n_throttle_known += other.n_throttle_known;
        self.n_slowed_down += other.n_slowed_down;
        self.n_power_capped += other.n_power_capped;
        self.slowdowns = self.slowdowns.and(other.slowdowns);
        if let Some((joules, over, by)) = other.energy {
            let (sum, before, source) = self.energy.unwrap_or((0.0, 0, by));
            self.energy = Some((sum + joules, before + over, source.and(by)));
        }
    }

    fn energy(&self) -> Option<Energy> {
        self.energy.map(|(joules, over, by)| Energy {
            joules,
            over_ms: over as f64 / 1e6,
            by,
        })
    }
}

/// What a card used between two readings: by its own counter, else by the trapezoid under its
/// power, unless so many readings are missing in between that this would be a guess.
fn used(
    before: &GpuReading,
    now: &GpuReading,
    span_ns: u64,
    gap_at_most_ns: u64,
) -> Option<(f64, EnergySource)> {
    if let (Some(earlier), Some(now)) = (before.energy_j, now.energy_j)
        && now >= earlier
    {
        return Some((now - earlier, EnergySource::Counter));
    }
    if span_ns > gap_at_most_ns {
        return None;
    }
    let mean = (before.power_w? + now.power_w?) / 2.0;
    Some((mean * span_ns as f64 / 1e9, EnergySource::Power))
}

fn bytes(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64)
}

//! The night by the clock: every start with what it was spent on, and what was watched beside its
//! nodes.

use crate::manifest::Manifest;
use std::ops::Add;

use crate::measure::profiling::{AlertKind, GpuBrief, Level, Watched};
use crate::outcome::{Outcome, Settled};
use crate::report::course::Reading;
use crate::report::view::StartName;

/// All starts, in the order in which they settled. Times are seconds by the clock.
#[derive(Debug, Clone)]
pub struct NightView {
    pub starts: Vec<NightStart>,
}

#[derive(Debug, Clone)]
pub struct NightStart {
    pub start: StartName,
    pub fate: Fate,
    /// Since the run began.
    pub from_s: f64,
    pub took_s: f64,
    /// From its order to ready; `None` where it never was.
    pub ready_s: Option<f64>,
    pub nodes: Vec<NightNode>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Measured,
    Died,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone)]
pub struct NightNode {
    pub node: String,
    /// Since the run began: nodes follow one another from the instant of ready on.
    pub from_s: f64,
    pub took_s: f64,
    pub watched: Option<Watched>,
    /// Bounds that a card passed under it.
    pub alerts: Vec<NightAlert>,
}

#[derive(Debug, Clone)]
pub struct NightAlert {
    pub kind: AlertKind,
    pub bound: f64,
    pub text: String,
}

/// Of what this run made itself; `None` where that is nothing.
pub fn view(manifest: &Manifest, settled: &[Settled]) -> Option<NightView> {
    let speed = manifest.speed.factor();
    let seconds = |ms: f64| ms / 1000.0 / speed;
    let own = settled.iter().filter(|attempt| attempt.origin.is_none());
    let starts = own.map(|attempt| {
        let since = attempt.started_at.duration_since(manifest.started_at);
        let from_s = since.as_secs_f64().max(0.0);
        let (fate, ready_s, reports) = match &attempt.outcome {
            Outcome::Measured(measured) => (
                Fate::Measured,
                Some(seconds(measured.ready_after_ms)),
                measured.nodes.as_slice(),
            ),
            Outcome::Infeasible(_) => (Fate::Died, None, [].as_slice()),
            Outcome::Failed(_) => (Fate::Failed, None, [].as_slice()),
            Outcome::Cancelled => (Fate::Cancelled, None, [].as_slice()),
        };
        let brief = attempt.profiling.as_deref();
        let mut at = from_s + ready_s.unwrap_or(0.0);
        let nodes = reports.iter().filter_map(|report| {
            let took_s = seconds(report.took_ms?);
            let from_s = at;
            at += took_s;
            let watched = brief.and_then(|brief| {
                let node = brief.nodes.iter().find(|node| node.node == report.node)?;
                Some(node.watched.clone())
            });
            let alerts = brief.iter().flat_map(|brief| &brief.alerts);
            Some(NightNode {
                node: report.node.clone(),
                from_s,
                took_s,
                watched,
                alerts: alerts
                    .filter(|alert| alert.node == report.node)
                    .map(|alert| NightAlert {
                        kind: alert.kind,
                        bound: alert.bound,
                        text: alert.text(),
                    })
                    .collect(),
            })
        });
        NightStart {
            start: StartName {
                cell: attempt.cell_name.clone(),
                start: attempt.attempt.number.0,
            },
            fate,
            from_s,
            took_s: seconds(attempt.took_ms),
            ready_s,
            nodes: nodes.collect(),
        }
    });
    let starts: Vec<NightStart> = starts.collect();
    (!starts.is_empty()).then_some(NightView { starts })
}

/// What the night was spent on, in seconds, the first use first.
#[derive(Debug, Clone, PartialEq)]
pub struct Spent {
    pub on: String,
    pub seconds: f64,
}

impl NightView {
    /// From the run's begin to the end of its last start.
    pub fn lasted_s(&self) -> f64 {
        let ends = self.starts.iter().map(|start| start.from_s + start.took_s);
        ends.fold(0.0, f64::max)
    }

    /// Starting engines, each node, deaths, failures, and the rest: stopping, waiting for memory,
    /// pauses between processes.
    pub fn spent(&self) -> Vec<Spent> {
        let mut spent: Vec<Spent> = Vec::new();
        let mut add = |on: &str, seconds: f64| {
            match spent.iter_mut().find(|it| it.on == on) {
                Some(known) => known.seconds += seconds,
                None => spent.push(Spent {
                    on: on.to_owned(),
                    seconds,
                }),
            };
        };
        for start in &self.starts {
            match start.fate {
                Fate::Measured => {
                    add("starting engines", start.ready_s.unwrap_or(0.0));
                    for node in &start.nodes {
                        add(&node.node, node.took_s);
                    }
                }
                Fate::Died => add("starts that died", start.took_s),
                Fate::Failed | Fate::Cancelled => add("starts that failed", start.took_s),
            }
        }
        let told: f64 = spent.iter().map(|it| it.seconds).sum();
        let rest = (self.lasted_s() - told).max(0.0);
        spent.push(Spent {
            on: "stopping, waiting, pauses".to_owned(),
            seconds: rest,
        });
        spent
    }
}

/// A quantity that is drawn over the night.
pub struct Quantity {
    pub name: &'static str,
    /// Of a node its mean and its highest.
    pub of: fn(&Watched) -> Option<Level>,
    /// Of the readings of one instant, one for each card.
    pub sampled: fn(&[Reading]) -> Option<f64>,
    /// The alerts that are about it, and whether their bounds are of what is drawn: that of one
    /// card's power is not a bound of all cards together.
    pub alerts: &'static [AlertKind],
    pub has_bound: bool,
}

/// Of several cards: memory and temperature of the fullest and hottest, power of all together,
/// the mean of their utilisation.
pub const QUANTITIES: &[Quantity] = &[
    Quantity {
        name: "GPU memory, GiB (fullest card)",
        of: |it| Some(gib(highest(it, |gpu| gpu.memory_used_bytes)?)),
        sampled: |cards| largest(cards, |it| Some(it.gpu_memory_bytes? / GIB)),
        alerts: &[AlertKind::MemoryAbove],
        has_bound: false,
    },
    Quantity {
        name: "GPU power, W (all cards)",
        of: |it| over(it, |gpu| gpu.power_w, |n, sum| (n > 0).then_some(sum)),
        sampled: |cards| {
            cards
                .iter()
                .filter_map(|it| it.gpu_power_w)
                .reduce(f64::add)
        },
        alerts: &[AlertKind::PowerAbove],
        has_bound: false,
    },
    Quantity {
        name: "GPU utilisation, %",
        of: |it| {
            over(
                it,
                |gpu| gpu.utilisation_pct,
                |n, sum| (n > 0).then(|| sum / n as f64),
            )
        },
        sampled: |cards| {
            let known = cards.iter().filter_map(|it| it.gpu_utilisation_pct);
            let sum = known.clone().reduce(f64::add)?;
            Some(sum / known.count() as f64)
        },
        alerts: &[AlertKind::UtilisationBelow, AlertKind::UtilisationAbove],
        has_bound: true,
    },
    Quantity {
        name: "GPU temperature, °C (hottest card)",
        of: |it| highest(it, |gpu| gpu.temperature_c),
        sampled: |cards| largest(cards, |it| it.gpu_temperature_c),
        alerts: &[AlertKind::TemperatureAbove],
        has_bound: true,
    },
    Quantity {
        name: "memory of the engine, GiB",
        of: |it| it.engine_memory_bytes.map(gib),
        sampled: |cards| Some(cards.first()?.engine_memory_bytes? / GIB),
        alerts: &[],
        has_bound: false,
    },
    Quantity {
        name: "KV cache in use, %",
        of: |it| it.kv_cache_pct,
        sampled: |cards| cards.first()?.kv_cache_pct,
        alerts: &[],
        has_bound: false,
    },
    Quantity {
        name: "processors of the host, %",
        of: |it| it.host_cpu_pct,
        sampled: |cards| cards.first()?.host_cpu_pct,
        alerts: &[],
        has_bound: false,
    },
];

const GIB: f64 = (1_u64 << 30) as f64;

fn largest(cards: &[Reading], of: fn(&Reading) -> Option<f64>) -> Option<f64> {
    cards.iter().filter_map(of).reduce(f64::max)
}

fn gib(level: Level) -> Level {
    Level {
        mean: level.mean / GIB,
        max: level.max / GIB,
    }
}

fn highest(watched: &Watched, of: fn(&GpuBrief) -> Option<Level>) -> Option<Level> {
    let levels = watched.gpus.iter().filter_map(of);
    levels.reduce(|one, other| if other.max > one.max { other } else { one })
}

fn over(
    watched: &Watched,
    of: fn(&GpuBrief) -> Option<Level>,
    together: fn(usize, f64) -> Option<f64>,
) -> Option<Level> {
    let levels: Vec<Level> = watched.gpus.iter().filter_map(of).collect();
    let sum = |part: fn(&Level) -> f64| levels.iter().map(part).sum();
    Some(Level {
        mean: together(levels.len(), sum(|level| level.mean))?,
        max: together(levels.len(), sum(|level| level.max))?,
    })
}

#[cfg(test)]
mod tests {
    use crate::decide::fixture;
    use crate::report::view_of;
    use crate::time_scale::TimeScale;

    #[test]
    fn the_night_is_told_by_the_clock_and_adds_up() {
        let night = view_of(&fixture::full()).night.unwrap();
        assert_eq!(night.starts.len(), 12);
        assert_eq!(night.lasted_s(), 1295.0);
        let spent = night.spent();
        let names: Vec<&str> = spent.iter().map(|it| it.on.as_str()).collect();
        assert_eq!(
            names,
            [
                "starting engines",
                "kv-cache",
                "starts that died",
                "starts that failed",
                "stopping, waiting, pauses"
            ]
        );
        assert_eq!(spent[1].seconds, 8.0 * 21.0);
    }

    #[test]
    fn a_rehearsal_is_told_in_the_time_of_the_clock_too() {
        let mut record = fixture::full();
        record.manifest.speed = TimeScale::new(20.0).unwrap();
        let night = view_of(&record).night.unwrap();
        assert_eq!(night.starts[0].took_s, 95.0 / 20.0);
    }
}

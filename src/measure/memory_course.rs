//! Memory beside a node that runs for hours: how it grew, and when it would be full.
//!
//! The points come from the samples of the machine; a node itself sees none of them.

use crate::measure::forecast::Limit;
use crate::measure::kind::stability::{Drift, Watched};
use crate::measure::sample::{GpuCard, Sample};

const BYTES_PER_MIB: f64 = 1_048_576.0;

/// What one sample says of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MemoryPoint {
    /// Hours since the engine was ordered, on this machine's clock.
    pub at_h: f64,
    /// Of all watched cards together, in MiB; `None` unless every one was read.
    pub gpu_mib: Option<f64>,
    /// Of the engine's container or processes, in MiB, and its limit.
    pub engine_mib: Option<f64>,
    pub engine_limit_mib: Option<f64>,
}

impl MemoryPoint {
    pub fn of(sample: &Sample) -> Self {
        let mib = |bytes: u64| bytes as f64 / BYTES_PER_MIB;
        let gpus = sample.gpus.as_ref().filter(|gpus| !gpus.is_empty());
        let used = gpus.and_then(|gpus| {
            let each = gpus.iter().map(|gpu| gpu.as_ref()?.memory_used_bytes);
            each.sum::<Option<u64>>()
        });
        let container = sample.container;
        Self {
            at_h: sample.at_ns as f64 / 3.6e12,
            gpu_mib: used.map(mib),
            engine_mib: container.and_then(|it| it.memory_bytes).map(mib),
            engine_limit_mib: container.and_then(|it| it.memory_limit_bytes).map(mib),
        }
    }
}

/// The slopes of what was read, in the engine's time, which runs `factor` times as fast as this
/// machine's.
pub fn drifts(points: &[MemoryPoint], cards: &[GpuCard], factor: f64) -> Vec<Drift> {
    let series = |value: fn(&MemoryPoint) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = points.iter();
        points
            .filter_map(|point| Some((point.at_h * factor, value(point)?)))
            .collect()
    };
    let cards_mib = match cards.is_empty() {
        true => None,
        false => cards
            .iter()
            .map(|card| card.memory_total_bytes)
            .sum::<Option<u64>>()
            .map(|bytes| bytes as f64 / BYTES_PER_MIB),
    };
    let limit = points.iter().rev().find_map(|point| point.engine_limit_mib);
    let of = [
        (Watched::GpuMemory, series(|point| point.gpu_mib), cards_mib),
        (
            Watched::EngineMemory,
            series(|point| point.engine_mib),
            limit,
        ),
    ];
    of.into_iter()
        .filter_map(|(of, points, limit)| {
            Drift::of(of, &points, limit.map_or(Limit::Unknown, Limit::At))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sample::{ContainerReading, GpuReading};

    const MIB: u64 = 1 << 20;

    /// A sample of every minute: the engine grows by 60 MiB an hour from 1000, the cards stay.
    fn samples() -> Vec<Sample> {
        (0..60_u64)
            .map(|minute| Sample {
                at_ns: minute * 60_000_000_000,
                gpus: Some(vec![
                    Some(GpuReading {
                        memory_used_bytes: Some((20_000 + minute % 2) * MIB),
                        ..GpuReading::default()
                    });
                    2
                ]),
                container: Some(ContainerReading {
                    memory_bytes: Some((1000 + minute) * MIB),
                    memory_limit_bytes: Some(2919 * MIB),
                    ..ContainerReading::default()
                }),
                ..Sample::default()
            })
            .collect()
    }

    fn found(samples: &[Sample], factor: f64) -> Vec<Drift> {
        let card = GpuCard {
            memory_total_bytes: Some(24_000 * MIB),
            ..GpuCard::default()
        };
        let points: Vec<MemoryPoint> = samples.iter().map(MemoryPoint::of).collect();
        drifts(&points, &[card.clone(), card], factor)
    }

    #[test]
    fn growth_is_told_with_when_it_is_full() {
        let found = found(&samples(), 1.0);
        let texts: Vec<String> = found
            .iter()
            .map(|drift| format!("{}: {}", drift.of.name(), drift.forecast.unwrap()))
            .collect();
        // 1860 MiB are left, at 60 an hour.
        assert_eq!(
            texts,
            [
                "GPU memory: no growth that can be told from noise",
                "memory of the engine: full in 31 h"
            ]
        );
        assert!((found[1].per_hour - 60.0).abs() < 1e-6);
    }

    #[test]
    fn an_hour_of_a_fast_engine_is_shorter() {
        let found = found(&samples(), 20.0);
        assert!((found[1].per_hour - 3.0).abs() < 1e-6);
    }

    #[test]
    fn what_was_not_read_has_no_slope() {
        let mut samples = samples();
        for sample in &mut samples {
            sample.container = None;
            if let Some(gpus) = &mut sample.gpus {
                gpus[1] = None;
            }
        }
        assert_eq!(found(&samples, 1.0), []);
    }
}

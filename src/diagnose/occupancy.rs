//! What the last readings of an engine's memory add to what its death is explained by. They
//! name no class: the kernel knows whom it killed, and a reading can miss a sudden demand.

use bytesize::ByteSize;

use crate::diagnose::class::{FailureClass, Phase};
use crate::measure::memory::MemorySample;
use crate::measure::sample::CardMemory;

/// Fewer readings show no trend.
const TREND_SAMPLES: usize = 8;

/// A rise of less than this share of what was in use is the coming and going of buffers.
const RISE: f64 = 0.1;

/// A sentence or two; `None` where memory says nothing about such a death.
pub fn remark(class: FailureClass, phase: Phase, samples: &[MemorySample]) -> Option<String> {
    match class {
        FailureClass::HostOom
        | FailureClass::EngineDied
        | FailureClass::Unresponsive
        | FailureClass::NotReady
        | FailureClass::Unknown => {}
        FailureClass::GpuOomStartup
        | FailureClass::GpuOomServing
        | FailureClass::KvCacheTooSmall
        | FailureClass::GpuMemoryTaken
        | FailureClass::BadArgument
        | FailureClass::ModelNotFound
        | FailureClass::PortInUse
        | FailureClass::GpuUnavailable
        | FailureClass::NcclFailure
        | FailureClass::NotAsConfigured
        | FailureClass::Runtime
        | FailureClass::RuntimeLost
        | FailureClass::Stopped
        | FailureClass::Healthy => return None,
    }
    let last = samples.last()?;
    let used = ByteSize(last.bytes);
    let mut said = match last.limit {
        Some(limit) => format!(
            "When its memory was last looked at it used {used} of the {} that it may.",
            ByteSize(limit)
        ),
        None => format!("When its memory was last looked at it used {used}."),
    };
    if phase == Phase::Serving
        && let Some((from, to)) = rise(samples)
    {
        said += &format!(
            " It had grown over the second half of its life, from {} to {}, and never shrunk: a leak looks so.",
            ByteSize(from),
            ByteSize(to)
        );
    }
    Some(said)
}

/// What the cards held when they were last looked at, for deaths that this can explain.
pub fn cards(class: FailureClass, cards: &[CardMemory]) -> Option<String> {
    match class {
        FailureClass::GpuOomStartup
        | FailureClass::GpuOomServing
        | FailureClass::KvCacheTooSmall
        | FailureClass::GpuMemoryTaken
        | FailureClass::EngineDied
        | FailureClass::NcclFailure
        | FailureClass::Unknown => {}
        FailureClass::HostOom
        | FailureClass::Unresponsive
        | FailureClass::NotReady
        | FailureClass::BadArgument
        | FailureClass::ModelNotFound
        | FailureClass::PortInUse
        | FailureClass::GpuUnavailable
        | FailureClass::NotAsConfigured
        | FailureClass::Runtime
        | FailureClass::RuntimeLost
        | FailureClass::Stopped
        | FailureClass::Healthy => return None,
    }
    let held: Vec<String> = cards
        .iter()
        .map(|card| {
            let used = ByteSize(card.used);
            match card.total {
                Some(total) => format!("{used} of {} on GPU {}", ByteSize(total), card.index),
                None => format!("{used} on GPU {}", card.index),
            }
        })
        .collect();
    (!held.is_empty()).then(|| {
        format!(
            "When the memory of its GPUs was last looked at, in use were {}.",
            held.join(", ")
        )
    })
}

/// First and last reading of the second half, if it went up all the way.
fn rise(samples: &[MemorySample]) -> Option<(u64, u64)> {
    let half = &samples[samples.len() / 2..];
    let (first, last) = (half.first()?.bytes, half.last()?.bytes);
    let steady = half.windows(2).all(|pair| pair[0].bytes <= pair[1].bytes);
    let grown = last as f64 >= first as f64 * (1.0 + RISE);
    (half.len() >= TREND_SAMPLES && steady && grown).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn samples(bytes: impl Iterator<Item = u64>) -> Vec<MemorySample> {
        bytes
            .zip(0_u32..)
            .map(|(bytes, second)| MemorySample {
                at_ms: f64::from(second) * 1000.0,
                bytes,
                limit: Some(4 * GIB),
            })
            .collect()
    }

    #[test]
    fn the_last_reading_is_told_for_deaths_that_memory_can_explain() {
        let readings = samples([GIB, 2 * GIB].into_iter());
        let said = remark(FailureClass::HostOom, Phase::Starting, &readings);
        assert_eq!(
            said.as_deref(),
            Some("When its memory was last looked at it used 2.0 GiB of the 4.0 GiB that it may.")
        );
        assert_eq!(
            remark(FailureClass::BadArgument, Phase::Starting, &readings),
            None
        );
        assert_eq!(remark(FailureClass::HostOom, Phase::Starting, &[]), None);
    }

    #[test]
    fn what_the_cards_held_is_told_for_deaths_that_it_can_explain() {
        let card = |index, used, total| CardMemory { index, used, total };
        let both = [card(0, 23 * GIB, Some(24 * GIB)), card(1, 5 * GIB, None)];
        assert_eq!(
            cards(FailureClass::GpuOomServing, &both).as_deref(),
            Some(
                "When the memory of its GPUs was last looked at, in use were 23.0 GiB of 24.0 GiB on GPU 0, \
                 5.0 GiB on GPU 1."
            )
        );
        assert_eq!(cards(FailureClass::BadArgument, &both), None);
        assert_eq!(cards(FailureClass::GpuOomServing, &[]), None);
    }

    #[test]
    fn only_a_steady_rise_while_serving_looks_like_a_leak() {
        let leak = samples((0..20).map(|n| 2 * GIB + n * (GIB / 10)));
        let told = |phase, readings: &[MemorySample]| {
            remark(FailureClass::EngineDied, phase, readings)
                .unwrap()
                .contains("leak")
        };
        assert!(told(Phase::Serving, &leak));
        assert!(!told(Phase::Starting, &leak));
        let flat = samples((0..20).map(|_| 2 * GIB));
        let breathing = samples((0..20).map(|n| 2 * GIB + n % 2 * GIB));
        let short = samples((0..10).map(|n| 2 * GIB + n * GIB));
        for readings in [flat, breathing, short] {
            assert!(!told(Phase::Serving, &readings));
        }
    }
}

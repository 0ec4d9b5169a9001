//! What an engine's memory was, over its life: readings as data, and a history of them that
//! stays small however long the engine lives.

use serde::{Deserialize, Serialize};

/// One look at the memory of an engine: its container, or its process with all children.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemorySample {
    /// Milliseconds since the engine was started.
    pub at_ms: f64,
    /// Bytes in use, page cache that can be given back not counted.
    pub bytes: u64,
    /// The most that it may use; `None` where nothing limits it but the host.
    pub limit: Option<u64>,
}

/// Most readings that are kept besides the last.
const MOST: usize = 64;

/// The readings of a whole life. When there are too many, every second one is forgotten and
/// from then on only every second one is kept: they stay evenly spread from first to last.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryHistory {
    kept: Vec<MemorySample>,
    last: Option<MemorySample>,
    seen: u64,
    /// One of so many is kept.
    stride: u64,
}

impl Default for MemoryHistory {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            last: None,
            seen: 0,
            stride: 1,
        }
    }
}

impl MemoryHistory {
    pub fn push(&mut self, sample: MemorySample) {
        if self.seen.is_multiple_of(self.stride) {
            self.kept.push(sample);
        }
        self.seen += 1;
        self.last = Some(sample);
        if self.kept.len() > MOST {
            let mut even = false;
            self.kept.retain(|_| {
                even = !even;
                even
            });
            self.stride *= 2;
        }
    }

    /// The readings in order; the last one is always among them.
    pub fn samples(&self) -> Vec<MemorySample> {
        let last = self.last.filter(|last| self.kept.last() != Some(last));
        self.kept.iter().copied().chain(last).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(n: u32) -> MemorySample {
        MemorySample {
            at_ms: f64::from(n),
            bytes: u64::from(n),
            limit: None,
        }
    }

    #[test]
    fn a_long_history_stays_small_even_and_whole() {
        for length in [0, 1, 64, 65, 66, 1_000, 12_345] {
            let mut history = MemoryHistory::default();
            for n in 0..length {
                history.push(sample(n));
            }
            let samples = history.samples();
            assert!(samples.len() <= MOST + 1, "{length}");
            assert_eq!(
                samples.first(),
                (length > 0).then(|| sample(0)).as_ref(),
                "{length}"
            );
            assert_eq!(
                samples.last(),
                length.checked_sub(1).map(sample).as_ref(),
                "{length}"
            );
            let gaps: Vec<u64> = samples
                .windows(2)
                .map(|pair| pair[1].bytes - pair[0].bytes)
                .collect();
            if let Some((last, others)) = gaps.split_last() {
                assert!(others.iter().all(|gap| gap == &others[0]), "{length}");
                assert!(others.first().is_none_or(|gap| last <= gap), "{length}");
            }
        }
    }
}

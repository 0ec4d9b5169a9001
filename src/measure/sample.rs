//! One reading of everything beside a node: the cards, the host, the engine's container and the
//! engine's own gauges, all of one instant.
//!
//! Data only. Who reads, and how often, is the runner's business; what follows from many readings
//! is `profile`'s.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measure::activity::EngineState;

/// A card that is watched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuCard {
    /// As the driver counts.
    pub index: u32,
    pub name: Option<String>,
    pub uuid: Option<String>,
    pub memory_total_bytes: Option<u64>,
    /// What the driver lets it draw.
    pub power_limit_w: Option<f64>,
}

/// The memory of one card at one instant, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardMemory {
    pub index: u32,
    pub used: u64,
    pub total: Option<u64>,
}

/// One reading of one card. What the card or its driver does not tell is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GpuReading {
    /// Share of the driver's last sampling period in which a kernel ran.
    pub utilisation_pct: Option<f64>,
    /// The same for reads and writes of its memory.
    pub memory_utilisation_pct: Option<f64>,
    pub memory_used_bytes: Option<u64>,
    pub temperature_c: Option<f64>,
    pub power_w: Option<f64>,
    /// A counter since the driver was loaded; older cards have none.
    pub energy_j: Option<f64>,
    pub sm_clock_mhz: Option<f64>,
    pub memory_clock_mhz: Option<f64>,
    pub throttle: Option<Throttle>,
    pub processes: Option<Vec<GpuProcess>>,
}

/// A process that holds a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuProcess {
    pub pid: u32,
    /// As the kernel calls it.
    pub name: Option<String>,
    /// Of this card, in bytes.
    pub memory_bytes: Option<u64>,
    pub context: GpuContext,
    pub owner: Owner,
}

/// What a process holds a card for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuContext {
    Compute,
    Graphics,
}

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// It belongs to the engine under test.
    Engine,
    /// It does not.
    Stranger,
    /// Nobody could tell.
    Unknown,
}

/// Memory of a graphics process up to which it is a desktop and no stranger: a display server
/// with its compositor holds 50 to 300 MiB, and draws when its user moves a window. What holds
/// more is a game, a renderer or a browser that computes. A compute process has no such grace:
/// its context can run kernels at any time, whatever memory it holds.
pub const DESKTOP_AT_MOST: u64 = 512 << 20;

impl fmt::Display for GpuProcess {
    /// `python3 (process 4711, 2048 MiB)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("unknown");
        match self.memory_bytes {
            Some(bytes) => write!(f, "{name} (process {}, {} MiB)", self.pid, bytes >> 20),
            None => write!(f, "{name} (process {})", self.pid),
        }
    }
}

impl GpuProcess {
    /// Whether it may have disturbed what was measured.
    pub fn disturbs(&self) -> bool {
        let small = self
            .memory_bytes
            .is_none_or(|bytes| bytes <= DESKTOP_AT_MOST);
        self.owner == Owner::Stranger && !(self.context == GpuContext::Graphics && small)
    }
}

/// Why a card's clocks are lower than they could be: the bits of `nvmlClocksThrottleReasons` (in
/// newer headers `nvmlClocksEventReasons`) of NVIDIA's `nvml.h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttle(pub u64);

impl Throttle {
    const NAMES: [(u64, &'static str); 9] = [
        (0x1, "gpu-idle"),
        (0x2, "applications-clocks-setting"),
        (0x4, "sw-power-cap"),
        (0x8, "hw-slowdown"),
        (0x10, "sync-boost"),
        (0x20, "sw-thermal-slowdown"),
        (0x40, "hw-thermal-slowdown"),
        (0x80, "hw-power-brake-slowdown"),
        (0x100, "display-clock-setting"),
    ];
    /// The card protects itself: from heat, from its power supply. How fast it then is depends on
    /// the hour and not on the configuration.
    const PROTECTS: u64 = 0x8 | 0x20 | 0x40 | 0x80;
    /// It runs into the power that it is allowed, as most cards do under load: what the same card
    /// does in production, so a remark and no flaw.
    const POWER_CAP: u64 = 0x4;

    /// The names of its reasons, in the order of their bits; a bit that has no name here is
    /// written as its number.
    pub fn names(self) -> Vec<String> {
        let known = Self::NAMES.iter().fold(0, |all, (bit, _)| all | bit);
        let named = Self::NAMES
            .iter()
            .filter(|(bit, _)| self.0 & bit != 0)
            .map(|(_, name)| (*name).to_owned());
        let others = (0..u64::BITS)
            .map(|place| 1_u64 << place)
            .filter(|bit| self.0 & !known & bit != 0)
            .map(|bit| format!("{bit:#x}"));
        named.chain(others).collect()
    }

    /// Those of its reasons by which the card protects itself.
    pub fn slowdowns(self) -> Self {
        Self(self.0 & Self::PROTECTS)
    }

    pub fn is_slowed_down(self) -> bool {
        self.0 & Self::PROTECTS != 0
    }

    pub fn is_power_capped(self) -> bool {
        self.0 & Self::POWER_CAP != 0
    }

    /// The reasons of both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One reading of the host. The times count since it was booted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HostReading {
    pub cpu: Option<CpuTime>,
    /// What is not available to a new process.
    pub memory_used_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
}

/// Time of all processors together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuTime {
    pub busy_s: f64,
    /// Busy or not.
    pub total_s: f64,
}

/// One reading of the engine's container, or of its processes. The counts begin with it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ContainerReading {
    /// Processor time that it has used.
    pub cpu_s: Option<f64>,
    /// Pages of files that can be given back at once are not counted.
    pub memory_bytes: Option<u64>,
    pub memory_limit_bytes: Option<u64>,
    /// From and to disks.
    pub read_bytes: Option<u64>,
    pub written_bytes: Option<u64>,
    /// Over networks of its own; a container in the host's network has none.
    pub received_bytes: Option<u64>,
    pub sent_bytes: Option<u64>,
}

/// What the engine says of itself on `/metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EngineGauges {
    pub running: Option<f64>,
    pub waiting: Option<f64>,
    /// From 0 to 100.
    pub kv_cache_pct: Option<f64>,
    /// A counter since the engine's start.
    pub preemptions: Option<f64>,
}

/// A reading with the instant at which it was there: rates are taken over these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timed<T> {
    pub at_ns: u64,
    pub reading: T,
}

/// Requests in flight, by how far they have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// They wait for their first token.
    pub waiting: u32,
    /// They have it.
    pub streaming: u32,
}

impl InFlight {
    pub fn state(self) -> EngineState {
        EngineState::of(self.waiting, self.streaming)
    }
}

/// Everything of one instant. What could not be read within the beat is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Nanoseconds of the monotonic clock since the engine was ordered.
    pub at_ns: u64,
    /// The node that ran; `None` before, between and after the nodes.
    pub node: Option<String>,
    /// Requests in flight; `None` before the engine was ready.
    pub in_flight: Option<InFlight>,
    /// In the order of the watched cards; a card that gave no answer is `None`.
    pub gpus: Option<Vec<Option<GpuReading>>>,
    pub host: Option<HostReading>,
    /// Since the reading before: 100 is all processors.
    pub host_cpu_pct: Option<f64>,
    pub container: Option<ContainerReading>,
    /// Since the reading before: 100 is one processor, as `docker stats` and `top` count.
    pub engine_cpu_pct: Option<f64>,
    pub gauges: Option<EngineGauges>,
}

impl Sample {
    /// What the engine did; `None` before it was ready.
    pub fn state(&self) -> Option<EngineState> {
        self.in_flight.map(InFlight::state)
    }

    pub fn gpu(&self, position: usize) -> Option<&GpuReading> {
        self.gpus.as_ref()?.get(position)?.as_ref()
    }
}

/// Some of an attempt's samples, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SamplePart {
    /// From 0.
    pub number: u32,
    pub samples: Vec<Sample>,
    /// The watched cards; a sample's readings are in their order.
    pub cards: Vec<GpuCard>,
    /// When the engine was proved ready, on the clock of the samples: 0 on that of the requests.
    pub ready_ns: Option<u64>,
}

/// How busy the host was between two readings, in percent of all its processors.
pub fn host_cpu_pct(before: CpuTime, now: CpuTime) -> Option<f64> {
    let total = now.total_s - before.total_s;
    let busy = now.busy_s - before.busy_s;
    // Counters of a guest can be set back; a difference below zero is no measurement.
    (total > 0.0 && busy >= 0.0).then(|| (100.0 * busy / total).min(100.0))
}

/// How busy the engine was between two readings, in percent of one processor.
pub fn engine_cpu_pct(
    before: Timed<ContainerReading>,
    now: Timed<ContainerReading>,
) -> Option<f64> {
    let used = now.reading.cpu_s? - before.reading.cpu_s?;
    let took = now
        .at_ns
        .checked_sub(before.at_ns)
        .filter(|took| *took > 0)?;
    (used >= 0.0).then(|| 100.0 * used / (took as f64 / 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_apart_by_whether_the_card_protects_itself() {
        for (bits, names, slowed, capped) in [
            (0, "", false, false),
            (0x1, "gpu-idle", false, false),
            (0x4, "sw-power-cap", false, true),
            (0x8, "hw-slowdown", true, false),
            (0x24, "sw-power-cap,sw-thermal-slowdown", true, true),
            (0x40, "hw-thermal-slowdown", true, false),
            (0x80, "hw-power-brake-slowdown", true, false),
            (
                0x113,
                "gpu-idle,applications-clocks-setting,sync-boost,display-clock-setting",
                false,
                false,
            ),
            (0x1001, "gpu-idle,0x1000", false, false),
        ] {
            let throttle = Throttle(bits);
            assert_eq!(throttle.names().join(","), names);
            assert_eq!(
                (throttle.is_slowed_down(), throttle.is_power_capped()),
                (slowed, capped),
                "{bits:#x}"
            );
        }
        assert_eq!(Throttle(0x25).slowdowns(), Throttle(0x20));
    }

    #[test]
    fn a_desktop_disturbs_nobody_and_a_compute_context_always_may() {
        let process = |context, memory_bytes, owner| GpuProcess {
            pid: 7,
            name: None,
            memory_bytes,
            context,
            owner,
        };
        use GpuContext::{Compute, Graphics};
        for (context, memory, owner, disturbs) in [
            (Compute, Some(1), Owner::Stranger, true),
            (Compute, None, Owner::Stranger, true),
            (Compute, Some(20 << 30), Owner::Engine, false),
            (Compute, Some(20 << 30), Owner::Unknown, false),
            (Graphics, Some(DESKTOP_AT_MOST), Owner::Stranger, false),
            (Graphics, None, Owner::Stranger, false),
            (Graphics, Some(DESKTOP_AT_MOST + 1), Owner::Stranger, true),
        ] {
            let process = process(context, memory, owner);
            assert_eq!(process.disturbs(), disturbs, "{process:?}");
        }
    }

    #[test]
    fn rates_are_taken_between_two_readings_and_never_below_zero() {
        let cpu = |busy_s, total_s| CpuTime { busy_s, total_s };
        assert_eq!(host_cpu_pct(cpu(1.0, 8.0), cpu(3.0, 16.0)), Some(25.0));
        assert_eq!(host_cpu_pct(cpu(1.0, 8.0), cpu(1.0, 8.0)), None);
        assert_eq!(host_cpu_pct(cpu(3.0, 8.0), cpu(1.0, 16.0)), None);

        let engine = |at_ns, cpu_s| Timed {
            at_ns,
            reading: ContainerReading {
                cpu_s,
                ..ContainerReading::default()
            },
        };
        let one = engine(1_000_000_000, Some(4.0));
        assert_eq!(
            engine_cpu_pct(one, engine(1_500_000_000, Some(5.0))),
            Some(200.0)
        );
        assert_eq!(engine_cpu_pct(one, engine(1_500_000_000, Some(3.0))), None);
        assert_eq!(engine_cpu_pct(one, engine(1_500_000_000, None)), None);
        assert_eq!(engine_cpu_pct(one, one), None);
    }
}

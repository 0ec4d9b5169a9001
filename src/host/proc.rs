//! Processors and memory of the machine, by the kernel's account in `/proc`.

use std::path::{Path, PathBuf};

use crate::measure::sample::{CpuTime, HostReading};
use crate::runner::meter::Host;

/// Clock ticks a second in `/proc/stat`: `USER_HZ`, 100 on every architecture that Linux has
/// had GPUs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The machine on which gridrun runs.
#[derive(Debug, Clone)]
pub struct ProcHost {
    root: PathBuf,
}

impl ProcHost {
    pub fn new() -> Self {
        Self::at(Path::new("/proc"))
    }

    fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(name)).ok()
    }
}

impl Default for ProcHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for ProcHost {
    fn read(&self) -> HostReading {
        let memory = self.text("meminfo").unwrap_or_default();
        let size = |name| kib(&memory, name).map(|kib| kib * 1024);
        let total = size("MemTotal:");
        HostReading {
            cpu: self.text("stat").and_then(|text| cpu(&text)),
            memory_used_bytes: total
                .zip(size("MemAvailable:"))
                .and_then(|(total, available)| total.checked_sub(available)),
            memory_total_bytes: total,
        }
    }
}

/// The first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq steal guest
/// guest_nice`. The last two are in `user` and `nice` already.
fn cpu(text: &str) -> Option<CpuTime> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = line
        .split_whitespace()
        .take(8)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let idle = ticks.get(3)? + ticks.get(4).unwrap_or(&0.0);
    let total: f64 = ticks.iter().sum();
    Some(CpuTime {
        busy_s: (total - idle) / TICKS_PER_SECOND,
        total_s: total / TICKS_PER_SECOND,
    })
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stat: Option<&str>, meminfo: Option<&str>) -> HostReading {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("stat", stat), ("meminfo", meminfo)] {
            if let Some(text) = text {
                std::fs::write(folder.path().join(name), text).unwrap();
            }
        }
        ProcHost::at(folder.path()).read()
    }

    #[test]
    fn waiting_for_disks_is_not_busy_and_guests_are_not_counted_twice() {
        let stat = "cpu  100 200 300 4000 500 60 70 80 900 1000\ncpu0 1 2 3 4\n";
        let cpu = read(Some(stat), None).cpu.unwrap();
        assert_eq!((cpu.busy_s, cpu.total_s), (8.1, 53.1));
        for broken in ["", "cpu  1 2", "cpu0 1 2 3 4 5", "cpu  1 x 3 4"] {
            assert_eq!(read(Some(broken), None).cpu, None, "{broken}");
        }
    }

    #[test]
    fn used_memory_is_what_is_not_available() {
        let text = "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    400 kB\n";
        let memory = read(None, Some(text));
        let kib = Some(1024);
        assert_eq!(memory.memory_used_bytes, kib.map(|kib| 600 * kib));
        assert_eq!(memory.memory_total_bytes, kib.map(|kib| 1000 * kib));
        assert_eq!(
            read(None, Some("MemTotal: 1000 kB\n")).memory_used_bytes,
            None
        );
        assert_eq!(read(None, None), HostReading::default());
    }

    #[test]
    fn this_machine_has_processors_and_memory() {
        let reading = ProcHost::new().read();
        let cpu = reading.cpu.unwrap();
        assert!(cpu.busy_s > 0.0 && cpu.busy_s < cpu.total_s);
        assert!(reading.memory_used_bytes < reading.memory_total_bytes);
    }
}

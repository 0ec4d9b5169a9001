//! Reads what the kernel tells of the machine.

use std::path::Path;

use jiff::Timestamp;

use crate::cli::doctor::path;
use crate::cli::host::facts;
use crate::doctor::gpu::Vendor;
use crate::doctor::host::{HostState, Memory};
use crate::store::layout::runs;

pub(super) fn look(results: &Path) -> HostState {
    HostState {
        machine: facts(Vec::new()),
        memory: read("/proc/meminfo").and_then(|text| memory(&text)),
        shm: path::space(Path::new("/dev/shm")),
        load: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
        governors: governors(Path::new("/sys/devices/system/cpu")),
        overcommit: read("/proc/sys/vm/overcommit_memory")
            .and_then(|text| text.trim().parse().ok()),
        now: Timestamp::now(),
        newest_run: newest_run(results),
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn memory(meminfo: &str) -> Option<Memory> {
    let bytes = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Memory {
        total: bytes("MemTotal:")?,
        available: bytes("MemAvailable:")?,
        swap: bytes("SwapTotal:").unwrap_or(0),
    })
}

/// How the clocks of the CPUs are chosen, each way once.
fn governors(cpus: &Path) -> Vec<String> {
    let mut governors: Vec<String> = std::fs::read_dir(cpus)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|cpu| {
            let path = cpu.path().join("cpufreq/scaling_governor");
            Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
        })
        .collect();
    governors.sort();
    governors.dedup();
    governors
}

/// When the latest run began, which its name tells.
fn newest_run(results: &Path) -> Option<Timestamp> {
    let run = runs(results).pop()?;
    let name = run.root().file_name()?.to_str()?.to_owned();
    name.split('-').next()?.parse().ok()
}

/// The graphics and computing cards on the bus, by their makers.
pub(super) fn cards() -> Vec<Vendor> {
    cards_on(Path::new("/sys/bus/pci/devices"))
}

fn cards_on(bus: &Path) -> Vec<Vendor> {
    let number = |device: &Path, file: &str| {
        let text = std::fs::read_to_string(device.join(file)).ok()?;
        u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    std::fs::read_dir(bus)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let device = entry.path();
            // The bus's class of display controllers, which computing cards are in too, and
            // that of processing accelerators.
            if !matches!(number(&device, "class")? >> 16, 0x03 | 0x12) {
                return None;
            }
            match number(&device, "vendor")? {
                0x10de => Some(Vendor::Nvidia),
                0x1002 => Some(Vendor::Amd),
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       24683656 kB\nMemFree:  1 kB\nMemAvailable:   20000000 kB\nSwapTotal: 1 kB\n";
        assert_eq!(
            memory(text),
            Some(Memory {
                total: 24_683_656 * 1024,
                available: 20_000_000 * 1024,
                swap: 1024,
            })
        );
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn cards_and_governors_are_read_from_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("pci/0000:01:00.0/class", "0x030200\n");
        write("pci/0000:01:00.0/vendor", "0x10de\n");
        write("pci/0000:01:00.1/class", "0x040300\n");
        write("pci/0000:01:00.1/vendor", "0x10de\n");
        write("pci/0000:02:00.0/class", "0x030000\n");
        write("pci/0000:02:00.0/vendor", "0x8086\n");
        assert_eq!(cards_on(&folder.path().join("pci")), [Vendor::Nvidia]);
        assert_eq!(cards_on(&folder.path().join("none")), []);
        for (cpu, governor) in [
            ("cpu0", "schedutil"),
            ("cpu1", "performance"),
            ("cpu2", "schedutil"),
        ] {
            write(&format!("cpu/{cpu}/cpufreq/scaling_governor"), governor);
        }
        assert_eq!(
            governors(&folder.path().join("cpu")),
            ["performance", "schedutil"]
        );
    }

    #[test]
    fn the_newest_run_tells_its_time_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest_run(folder.path()), None);
        for run in ["a/20261124T070014Z-f06e", "b/20251124T070014Z-f06e"] {
            std::fs::create_dir_all(folder.path().join(run)).unwrap();
            std::fs::write(folder.path().join(run).join("run.json"), "").unwrap();
        }
        let expected = "2026-11-24T07:00:14Z".parse::<Timestamp>().unwrap();
        assert_eq!(newest_run(folder.path()), Some(expected));
    }
}

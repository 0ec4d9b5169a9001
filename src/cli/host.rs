//! What this machine is, for the record of how a run was measured.

use crate::manifest::HostFacts;

/// Reads the machine's facts, beside those of its cards; what cannot be read stays absent.
pub(super) fn facts(gpus: Vec<String>) -> HostFacts {
    let uname = rustix::system::uname();
    HostFacts {
        hostname: uname.nodename().to_string_lossy().into_owned(),
        os: os_name().unwrap_or_else(|| uname.sysname().to_string_lossy().into_owned()),
        kernel: uname.release().to_string_lossy().into_owned(),
        cpu: value_of("/proc/cpuinfo", "model name"),
        n_cpus: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: value_of("/proc/meminfo", "MemTotal")
            .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
            .map(|kib| kib * 1024),
        gpus,
    }
}

fn os_name() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches('"').to_owned())
}

/// The first `key : value` of a file in /proc.
fn value_of(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
}

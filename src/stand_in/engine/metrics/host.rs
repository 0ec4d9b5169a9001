//! What the Python client says of its own process. The numbers are the stand-in's, as the kernel
//! counts them; what only Python has is zero.

use crate::stand_in::engine::metrics::exposition::{Labels, Page, Sample};

/// Ticks of the kernel's clock in a second, as it counts for programs on every Linux.
const TICKS: f64 = 100.0;

/// Families of the interpreter and the process, which come first on a page.
pub fn write(page: &mut Page) {
    let generations = |page: &mut Page, name: &str, help: &str| {
        let samples = ["0", "1", "2"].map(|generation| {
            let labels = vec![("generation", generation.to_owned())];
            plain(labels, 0.0)
        });
        page.counter_of_others(name, help, &samples);
    };
    generations(
        page,
        "python_gc_objects_collected",
        "Objects collected during gc",
    );
    generations(
        page,
        "python_gc_objects_uncollectable",
        "Uncollectable objects found during GC",
    );
    generations(
        page,
        "python_gc_collections",
        "Number of times this generation was collected",
    );
    let python = [
        ("implementation", "CPython"),
        ("major", "3"),
        ("minor", "12"),
        ("patchlevel", "0"),
        ("version", "3.12.0"),
    ]
    .map(|(label, value)| (label, value.to_owned()));
    page.gauge(
        "python_info",
        "Python platform information",
        &[plain(python.to_vec(), 1.0)],
    );
    let Process {
        virtual_bytes,
        resident_bytes,
        started,
        cpu_seconds,
        open_files,
        most_files,
    } = Process::read().unwrap_or_default();
    let gauge = |page: &mut Page, name: &str, help: &str, value: f64| {
        page.gauge(name, help, &[plain(Vec::new(), value)]);
    };
    gauge(
        page,
        "process_virtual_memory_bytes",
        "Virtual memory size in bytes.",
        virtual_bytes,
    );
    gauge(
        page,
        "process_resident_memory_bytes",
        "Resident memory size in bytes.",
        resident_bytes,
    );
    gauge(
        page,
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        started,
    );
    page.counter_of_others(
        "process_cpu_seconds",
        "Total user and system CPU time spent in seconds.",
        &[plain(Vec::new(), cpu_seconds)],
    );
    gauge(
        page,
        "process_open_fds",
        "Number of open file descriptors.",
        open_files,
    );
    gauge(
        page,
        "process_max_fds",
        "Maximum number of open file descriptors.",
        most_files,
    );
}

fn plain(labels: Labels, value: f64) -> Sample {
    Sample {
        labels,
        value,
        created: 0.0,
    }
}

#[derive(Debug, Default, PartialEq)]
struct Process {
    virtual_bytes: f64,
    resident_bytes: f64,
    /// In seconds since 1970.
    started: f64,
    cpu_seconds: f64,
    open_files: f64,
    most_files: f64,
}

impl Process {
    /// `None` where there is no `/proc`.
    fn read() -> Option<Self> {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let stat = read("/proc/self/stat")?;
        // The name of the program, in brackets, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
        let status = read("/proc/self/status")?;
        let kib = |name: &str| number_after(&status, name).map(|kib| kib * 1024.0);
        let booted = number_after(&read("/proc/stat")?, "btime ")?;
        let limits = read("/proc/self/limits")?;
        Some(Self {
            virtual_bytes: kib("VmSize:")?,
            resident_bytes: kib("VmRSS:")?,
            started: booted + ticks(19)? / TICKS,
            cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS,
            open_files: std::fs::read_dir("/proc/self/fd").ok()?.count() as f64,
            most_files: number_after(&limits, "Max open files").unwrap_or(f64::INFINITY),
        })
    }
}

/// The number behind a name at the beginning of a line.
fn number_after(text: &str, name: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_this_one() {
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 1e6 && process.virtual_bytes > process.resident_bytes);
        assert!(process.open_files >= 3.0 && process.most_files >= process.open_files);
        let now = jiff::Timestamp::now().as_second() as f64;
        assert!(
            process.started > now - 86_400.0 && process.started <= now + 1.0,
            "{process:?}"
        );
    }
}

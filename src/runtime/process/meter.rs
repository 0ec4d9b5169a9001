//! What a process and its children use, by the kernel's account, and which processes are its own.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustix::process::Pid;

use crate::measure::sample::ContainerReading;
use crate::runner::meter::EngineMeter;
use crate::runtime::process::memory;

/// Clock ticks a second in `/proc/PID/stat`: `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

/// Watches one process group.
#[derive(Debug, Clone, Copy)]
pub struct GroupMeter {
    group: Pid,
}

impl GroupMeter {
    pub fn new(group: Pid) -> Self {
        Self { group }
    }

    fn look(self) -> Option<ContainerReading> {
        let used = memory::look(self.group)?;
        let members: Vec<String> = memory::members(self.group.as_raw_nonzero().get()).collect();
        let text = |file: &str| -> Vec<String> {
            let paths = members
                .iter()
                .map(|member| format!("/proc/{member}/{file}"));
            paths
                .filter_map(|path| std::fs::read_to_string(path).ok())
                .collect()
        };
        let (stats, io) = (text("stat"), text("io"));
        Some(ContainerReading {
            cpu_s: sum(stats.iter().map(|stat| ticks(stat)))
                .map(|ticks| ticks as f64 / TICKS_PER_SECOND),
            memory_bytes: Some(used.used),
            memory_limit_bytes: None,
            read_bytes: sum(io.iter().map(|io| counter(io, "read_bytes:"))),
            written_bytes: sum(io.iter().map(|io| counter(io, "write_bytes:"))),
            received_bytes: None,
            sent_bytes: None,
        })
    }
}

impl EngineMeter for GroupMeter {
    fn read(&self) -> BoxFuture<'_, Option<ContainerReading>> {
        std::future::ready(self.look()).boxed()
    }

    fn owns(&self, pid: u32) -> BoxFuture<'_, Option<bool>> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        let group = stat.and_then(|stat| memory::group_of(&stat));
        let own = group.map(|group| group == self.group.as_raw_nonzero().get());
        std::future::ready(own).boxed()
    }
}

/// `None` when there is nothing to add up.
fn sum(values: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    values
        .flatten()
        .reduce(|sum, value| sum.saturating_add(value))
}

/// Processor time of a process and of the children that it has waited for: `utime`, `stime`,
/// `cutime` and `cstime` of `/proc/PID/stat`, behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = behind.split_whitespace().skip(11).take(4).collect();
    let [utime, stime, cutime, cstime] = fields.as_slice() else {
        return None;
    };
    [utime, stime, cutime, cstime]
        .iter()
        .map(|field| field.parse::<u64>().ok())
        .sum()
}

fn counter(io: &str, name: &str) -> Option<u64> {
    let value = io.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use rustix::process::getpgrp;

    use super::*;

    #[test]
    fn processor_time_stands_behind_any_name() {
        let stat = "7 (a) b) S 1 42 42 0 -1 4194304 1 2 3 4 500 60 7 8 20 0 1";
        assert_eq!(ticks(stat), Some(575));
        assert_eq!(ticks("7 (a) S 1 42"), None);
        let io = "rchar: 1\nread_bytes: 4096\nwrite_bytes: 5\ncancelled_write_bytes: 9\n";
        assert_eq!(
            (counter(io, "read_bytes:"), counter(io, "write_bytes:")),
            (Some(4096), Some(5))
        );
    }

    #[tokio::test]
    async fn this_test_uses_something_and_owns_itself() {
        let meter = GroupMeter::new(getpgrp());
        let reading = meter.read().await.unwrap();
        assert!(reading.memory_bytes.unwrap() > 1 << 20);
        assert!(reading.cpu_s.is_some());
        assert_eq!(meter.owns(std::process::id()).await, Some(true));
        // The first process is nobody's child.
        let first = Pid::from_raw(1).unwrap();
        if getpgrp() != first && rustix::process::getpid() != first {
            assert_eq!(meter.owns(1).await, Some(false));
        }
        assert_eq!(meter.owns(u32::MAX).await, None);
    }
}

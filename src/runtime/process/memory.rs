//! How much memory a process and its children have in RAM, by the kernel's account.

use rustix::process::Pid;

use crate::runtime::memory::Memory;

/// What all processes of a group have in RAM; `None` when nobody is left. Pages that they share
/// are counted once for each.
pub fn look(group: Pid) -> Option<Memory> {
    let used: u64 = members(group.as_raw_nonzero().get())
        .filter_map(|process| field(&process, "VmRSS:"))
        .sum();
    (used > 0).then_some(Memory { used, limit: None })
}

/// The most memory that a live process had in RAM so far, in bytes; without its children.
pub fn kept_peak(process: Pid) -> Option<u64> {
    field(&process.as_raw_nonzero().to_string(), "VmHWM:")
}

/// The processes of a group.
pub fn members(group: i32) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(move |name| {
        // A process may have ended since it was listed.
        name.bytes().all(|byte| byte.is_ascii_digit())
            && std::fs::read_to_string(format!("/proc/{name}/stat"))
                .is_ok_and(|stat| group_of(&stat) == Some(group))
    })
}

/// `PID (NAME) STATE PARENT GROUP ..`; the name may hold anything.
pub fn group_of(stat: &str) -> Option<i32> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(2)?.parse().ok()
}

/// A size of `/proc/PID/status`, in bytes.
fn field(process: &str, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = kib.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use rustix::process::getpgrp;

    use super::*;

    #[test]
    fn the_group_stands_behind_any_name() {
        assert_eq!(group_of("7 (a) b) S 1 42 42 0"), Some(42));
        assert_eq!(group_of("7 S 1"), None);
    }

    #[test]
    fn this_test_has_memory() {
        let memory = look(getpgrp()).unwrap();
        assert!(memory.used > 1 << 20);
        assert_eq!(memory.limit, None);
    }
}

//! The machine itself: memory, what else works on it, its clock and its kernel.

use bytesize::ByteSize;
use jiff::{SignedDuration, Timestamp};

use crate::doctor::errand::{Demand, Errand};
use crate::doctor::finding::{Check, Finding, Topic};
use crate::doctor::folder::Space;
use crate::manifest::HostFacts;

/// What was read of the machine; what could not be read is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct HostState {
    pub machine: HostFacts,
    pub memory: Option<Memory>,
    /// Of /dev/shm.
    pub shm: Option<Space>,
    /// Mean number of processes that worked or waited for a disk in the last minute.
    pub load: Option<f64>,
    /// How the kernel chooses the clock of the CPUs, each once; empty where it does not say.
    pub governors: Vec<String>,
    /// `vm.overcommit_memory`.
    pub overcommit: Option<u32>,
    pub now: Timestamp,
    /// When the latest run of the results folder began, by the clock of its time.
    pub newest_run: Option<Timestamp>,
}

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub available: u64,
    pub swap: u64,
}

/// Less is left of the memory than this share when an engine's start is at risk.
const LITTLE: f64 = 0.1;

/// Above this share of the CPUs, what else works is seen in latencies; one busy CPU is, on the
/// smallest machine.
const BUSY_SHARE: f64 = 0.25;

/// vLLM's processes hand each other batches through /dev/shm; its own documentation asks for
/// the host's or for gigabytes.
const SHM_OF_PARALLEL: u64 = 1 << 30;

/// gridrun is younger than this.
const BIRTH: i64 = 1_735_689_600; // 2025-01-01

const fn check(name: &'static str) -> Check {
    Check {
        topic: Topic::Machine,
        name,
    }
}

pub fn examine(host: &HostState, errand: Errand<'_>) -> Vec<Finding> {
    vec![
        machine(&host.machine),
        memory(host.memory, errand),
        shm(host.shm, errand),
        load(host),
        governor(&host.governors),
        overcommit(host.overcommit, errand),
        clock(host.now, host.newest_run),
    ]
}

fn machine(machine: &HostFacts) -> Finding {
    let cpu = machine.cpu.as_deref().unwrap_or("CPU unknown");
    let found = format!(
        "{}: {}, kernel {}, {} x {cpu}",
        machine.hostname, machine.os, machine.kernel, machine.n_cpus
    );
    if machine.kernel.to_lowercase().contains("microsoft") {
        check("machine").warn(
            format!("{found}, under WSL"),
            "close what else uses the GPU: other users of it cannot be seen from WSL",
        )
    } else {
        check("machine").ok(found)
    }
}

fn memory(memory: Option<Memory>, errand: Errand<'_>) -> Finding {
    let check = check("memory");
    let Some(memory) = memory else {
        return check.skipped("how much memory there is cannot be read");
    };
    let found = format!(
        "{} of {} memory available",
        ByteSize(memory.available),
        ByteSize(memory.total)
    );
    match errand.memory_limit() {
        Some(limit) if limit > memory.total && errand.docker() == Demand::Needed => {
            return check.warn(
                format!(
                    "{found}; the memory limit of {} is more than that",
                    ByteSize(limit)
                ),
                "lower `memory` in [engine]: a limit above what there is protects nothing",
            );
        }
        _ => {}
    }
    if (memory.available as f64) < memory.total as f64 * LITTLE {
        check
            .warn(
                found,
                "end what takes the memory: the kernel kills engines when none is left",
            )
            .command("ps -eo rss,pid,args --sort=-rss | head")
    } else {
        check.ok(found)
    }
}

fn shm(space: Option<Space>, errand: Errand<'_>) -> Finding {
    let check = check("shm");
    let engine = errand
        .engine()
        .filter(|_| errand.docker() == Demand::Needed);
    let is_parallel = errand.tensor_parallel_size() > 1;
    if let (Some(engine), true) = (engine, is_parallel)
        && !engine.ipc_host
        && engine.shm.is_none_or(|shm| shm < SHM_OF_PARALLEL)
    {
        let given = engine.shm.map_or_else(
            || "Docker's own 64 MiB".to_owned(),
            |shm| ByteSize(shm).to_string(),
        );
        return check.warn(
            format!("containers get {given} of /dev/shm for a model on several GPUs"),
            "set `ipc = \"host\"` or `shm = \"8GiB\"` in [engine]",
        );
    }
    let Some(space) = space else {
        return check.skipped("there is no /dev/shm");
    };
    let found = format!(
        "{} of {} free in /dev/shm",
        ByteSize(space.free),
        ByteSize(space.total)
    );
    if engine.is_some_and(|engine| engine.ipc_host) && space.free < SHM_OF_PARALLEL {
        check
            .warn(found, "enlarge it: `ipc = \"host\"` in [engine] uses it")
            .command("sudo mount -o remount,size=50% /dev/shm")
    } else {
        check.ok(found)
    }
}

fn load(host: &HostState) -> Finding {
    let check = check("load");
    let Some(load) = host.load else {
        return check.skipped("the load of the machine cannot be read");
    };
    let n_cpus = host.machine.n_cpus;
    let found = format!("load {load:.1} on {n_cpus} CPUs");
    if load > (n_cpus as f64 * BUSY_SHARE).max(1.0) {
        check
            .warn(
                found,
                "wait for what works here, or end it: it would be measured along",
            )
            .command("ps -eo pcpu,pid,args --sort=-pcpu | head")
    } else {
        check.ok(found)
    }
}

fn governor(governors: &[String]) -> Finding {
    let check = check("cpu-clock");
    match governors {
        [] => check.skipped("the kernel does not say how it chooses the clock of the CPUs"),
        [one] if one == "performance" => check.ok("CPU clock: governor `performance`"),
        several => check
            .warn(
                format!("CPU clock: governor `{}`", several.join("`, `")),
                "keep the clock up: short requests find it down, and latencies differ by it",
            )
            .command("sudo cpupower frequency-set -g performance"),
    }
}

fn overcommit(overcommit: Option<u32>, errand: Errand<'_>) -> Finding {
    let check = check("overcommit");
    match overcommit {
        None => check.skipped("vm.overcommit_memory cannot be read"),
        Some(2) if errand.docker() != Demand::Unneeded => check
            .warn(
                "vm.overcommit_memory is 2: the kernel counts the address space that CUDA reserves",
                "let it be reserved: engines die where it is refused",
            )
            .command("sudo sysctl vm.overcommit_memory=0"),
        Some(mode) => check.ok(format!("vm.overcommit_memory is {mode}")),
    }
}

fn clock(now: Timestamp, newest_run: Option<Timestamp>) -> Finding {
    let check = check("clock");
    let shown = now.strftime("%Y-%m-%d %H:%M:%S UTC");
    let advice = "set the clock: runs are named and ordered by it";
    let command = "sudo timedatectl set-ntp true";
    if now.as_second() < BIRTH {
        return check
            .warn(format!("the clock says {shown}"), advice)
            .command(command);
    }
    match newest_run {
        Some(run) if run.duration_since(now) > SignedDuration::from_mins(1) => check
            .warn(
                format!(
                    "the clock says {shown}, and the latest run began at {}",
                    run.strftime("%Y-%m-%d %H:%M:%S UTC")
                ),
                advice,
            )
            .command(command),
        _ => check.ok(format!("the clock says {shown}")),
    }
}

#[cfg(test)]
pub(in crate::doctor) mod tests {
    use super::*;
    use crate::doctor::finding::Mark;
    use crate::doctor::fixture::checked;

    const GIB: u64 = 1 << 30;

    pub fn host() -> HostState {
        HostState {
            machine: HostFacts {
                hostname: "bench".to_owned(),
                os: "Debian 12".to_owned(),
                kernel: "6.1.0".to_owned(),
                cpu: None,
                n_cpus: 16,
                memory_bytes: Some(64 * GIB),
                gpus: Vec::new(),
            },
            memory: Some(Memory {
                total: 64 * GIB,
                available: 60 * GIB,
                swap: 0,
            }),
            shm: Some(Space {
                total: 32 * GIB,
                free: 32 * GIB,
            }),
            load: Some(0.3),
            governors: vec!["performance".to_owned()],
            overcommit: Some(0),
            now: Timestamp::from_second(1_795_000_000).unwrap(),
            newest_run: None,
        }
    }

    /// The one check that is not ok, with its mark.
    #[track_caller]
    fn only(host: &HostState, profile: &str) -> (&'static str, Mark) {
        let checked = checked(profile);
        let found: Vec<Finding> = examine(host, Errand::Run(&checked))
            .into_iter()
            .filter(|finding| finding.mark != Mark::Ok)
            .collect();
        let [one] = found.as_slice() else {
            panic!("one finding expected: {found:#?}")
        };
        (one.check, one.mark)
    }

    /// Puts one thing out of order.
    type Harm = fn(&mut HostState);

    #[test]
    fn a_quiet_machine_with_enough_of_everything_is_fit() {
        for finding in examine(&host(), Errand::None) {
            assert_eq!(finding.mark, Mark::Ok, "{finding:?}");
        }
    }

    #[test]
    fn each_fault_of_the_machine_is_found_alone() {
        let full = "memory = \"65GiB\"";
        let parallel = "[engine.flags]\ntensor-parallel-size = 2";
        let parallel_host = "ipc = \"host\"\n[engine.flags]\ntensor-parallel-size = 2";
        let cases: [(&str, &str, Harm, Mark); 12] = [
            (
                "machine",
                "",
                |host| host.machine.kernel += "-microsoft-standard",
                Mark::Warn,
            ),
            ("memory", full, |_| {}, Mark::Warn),
            (
                "memory",
                "",
                |host| host.memory.as_mut().unwrap().available = 6 * GIB,
                Mark::Warn,
            ),
            ("memory", "", |host| host.memory = None, Mark::Skipped),
            ("shm", parallel, |_| {}, Mark::Warn),
            (
                "shm",
                parallel_host,
                |host| host.shm.as_mut().unwrap().free = GIB / 2,
                Mark::Warn,
            ),
            ("load", "", |host| host.load = Some(4.1), Mark::Warn),
            (
                "cpu-clock",
                "",
                |host| host.governors = vec!["schedutil".to_owned()],
                Mark::Warn,
            ),
            (
                "cpu-clock",
                "",
                |host| host.governors.clear(),
                Mark::Skipped,
            ),
            (
                "overcommit",
                "",
                |host| host.overcommit = Some(2),
                Mark::Warn,
            ),
            (
                "clock",
                "",
                |host| host.now = Timestamp::UNIX_EPOCH,
                Mark::Warn,
            ),
            (
                "clock",
                "",
                |host| host.newest_run = Some(host.now + SignedDuration::from_hours(1)),
                Mark::Warn,
            ),
        ];
        for (name, profile, change, mark) in cases {
            let mut host = host();
            change(&mut host);
            assert_eq!(only(&host, profile), (name, mark));
        }
    }

    #[test]
    fn a_limit_without_docker_and_a_small_shm_without_a_split_model_are_no_matter() {
        let mut host = host();
        host.shm = Some(Space { total: 1, free: 1 });
        host.overcommit = Some(2);
        let checked = checked("runtime = \"stand-in\"\nmemory = \"65GiB\"");
        for finding in examine(&host, Errand::Run(&checked)) {
            assert_eq!(finding.mark, Mark::Ok, "{finding:?}");
        }
    }
}

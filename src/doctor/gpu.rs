//! The GPUs: the driver, the cards, who uses them, and whether Docker can hand them out.

use bytesize::ByteSize;

use crate::doctor::docker::DockerState;
use crate::doctor::errand::{Demand, Errand};
use crate::doctor::finding::{Check, Fault, Finding, Topic};
use crate::spec::profile::Gpus;

/// What was seen of GPUs.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuState {
    pub nvml: Nvml,
    /// Cards on the bus, whether or not a driver knows them.
    pub cards: Vec<Vendor>,
    /// NVIDIA's programs for containers, where they were found.
    pub toolkit: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    Nvidia,
    Amd,
}

/// What NVIDIA's management library says.
#[derive(Debug, Clone, PartialEq)]
pub enum Nvml {
    /// It is not installed: there is no NVIDIA driver.
    NoLibrary,
    /// It is, and the kernel's part of the driver is not loaded.
    NoDriver,
    /// It and the kernel's part are of two versions, as after an update without a reboot.
    TwoVersions,
    /// It failed in another way, in its own words.
    Failed(String),
    There {
        driver: Option<String>,
        /// The newest version of CUDA that the driver can serve.
        cuda: Option<String>,
        gpus: Vec<Gpu>,
    },
}

/// One card; what it does not tell is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpu {
    pub index: u32,
    pub name: Option<String>,
    pub uuid: Option<String>,
    pub memory: Option<GpuMemory>,
    pub users: Vec<GpuUser>,
}

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuMemory {
    pub total: u64,
    pub used: u64,
}

/// A process that computes on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuUser {
    pub process: u32,
    pub name: Option<String>,
    pub memory: Option<u64>,
}

/// What the driver keeps on an idle card is below this.
const IDLE: u64 = 1 << 30;

const fn check(name: &'static str) -> Check {
    Check {
        topic: Topic::Gpus,
        name,
    }
}

pub fn examine(state: &GpuState, docker: &DockerState, errand: Errand<'_>) -> Vec<Finding> {
    let mut found = vec![driver(state, errand)];
    if let Nvml::There { gpus, .. } = &state.nvml {
        found.push(wanted(gpus, errand));
        found.extend(gpus.iter().map(|gpu| use_of(gpu, errand)));
    }
    // Where there is no card, that is what to tell.
    let sees_gpus = matches!(&state.nvml, Nvml::There { gpus, .. } if !gpus.is_empty());
    let has_cards = sees_gpus || state.cards.contains(&Vendor::Nvidia);
    if let DockerState::There(docker) = docker
        && has_cards
        && errand.gpus() != Demand::Unneeded
    {
        found.push(handed_out(state, &docker.runtimes, &docker.devices, errand));
    }
    found
}

fn driver(state: &GpuState, errand: Errand<'_>) -> Finding {
    let check = check("driver");
    let unmet = |found: &str, advice: &str| {
        let demand = errand.gpus();
        demand.unmet(check, Fault::Missing, found, advice)
    };
    match &state.nvml {
        Nvml::There { driver, cuda, .. } => check.ok(format!(
            "NVIDIA driver {}, CUDA up to {}",
            driver.as_deref().unwrap_or("of unknown version"),
            cuda.as_deref().unwrap_or("unknown")
        )),
        Nvml::NoDriver => unmet(
            "the NVIDIA driver is installed and not loaded",
            "load it, or look why it does not load: dmesg tells",
        )
        .command("sudo modprobe nvidia"),
        Nvml::TwoVersions => unmet(
            "the NVIDIA driver in the kernel and its library are of two versions",
            "reboot: the driver was updated while it was in use",
        )
        .command("sudo reboot"),
        Nvml::Failed(words) => unmet(
            &format!("NVIDIA's management library fails: {words}"),
            "see whether `nvidia-smi` works, and mend the driver",
        ),
        // Somebody without such a card has nothing to install.
        Nvml::NoLibrary
            if errand.gpus() != Demand::Needed && !state.cards.contains(&Vendor::Nvidia) =>
        {
            check.skipped("no NVIDIA GPU: engines can run on the CPU, or be stand-ins")
        }
        Nvml::NoLibrary if state.cards.contains(&Vendor::Nvidia) => unmet(
            "there is an NVIDIA card, and no driver for it",
            "install NVIDIA's driver (libnvidia-ml.so.1 is not to be found)",
        ),
        Nvml::NoLibrary if state.cards.contains(&Vendor::Amd) => unmet(
            "there is an AMD card and none of NVIDIA's, and gridrun hands out no others",
            "set `gpus = \"none\"` in [engine], or run on another machine",
        ),
        Nvml::NoLibrary => unmet(
            "no GPU: neither a card nor NVIDIA's library is to be found",
            "run on a machine with GPUs, set `gpus = \"none\"` for an engine on the CPU, or try \
             the experiment by `gridrun rehearse`",
        ),
    }
}

/// Whether the cards that the profile asks for are there.
fn wanted(gpus: &[Gpu], errand: Errand<'_>) -> Finding {
    let check = check("cards");
    let listed: Vec<String> = gpus
        .iter()
        .map(|gpu| {
            let name = gpu.name.as_deref().unwrap_or("unknown");
            let size = gpu.memory.map(|memory| ByteSize(memory.total));
            match size {
                Some(size) => format!("{} {name} ({size})", gpu.index),
                None => format!("{} {name}", gpu.index),
            }
        })
        .collect();
    let found = match listed.as_slice() {
        [] => "the driver sees no GPU".to_owned(),
        listed => format!("GPU {}", listed.join(", ")),
    };
    let asked = errand
        .engine()
        .filter(|_| errand.gpus() == Demand::Needed)
        .map(|engine| &engine.gpus);
    let lacks = match asked {
        None | Some(Gpus::None) => None,
        Some(Gpus::All) => gpus.is_empty().then(|| "all of them".to_owned()),
        Some(Gpus::Count(count)) => (gpus.len() < *count as usize).then(|| count.to_string()),
        Some(Gpus::Ids(ids)) => {
            let missing: Vec<&str> = ids
                .iter()
                .filter(|id| !gpus.iter().any(|gpu| is_called(gpu, id)))
                .map(String::as_str)
                .collect();
            (!missing.is_empty()).then(|| missing.join(", "))
        }
    };
    match lacks {
        Some(asked) => check
            .fail(
                Fault::Missing,
                format!("{found}; the profile asks for {asked}"),
                "correct `gpus` in [engine]",
            )
            .command("nvidia-smi -L"),
        None => check.ok(found),
    }
}

fn is_called(gpu: &Gpu, id: &str) -> bool {
    id.parse() == Ok(gpu.index)
        || gpu
            .uuid
            .as_deref()
            .is_some_and(|uuid| uuid == id || (id.starts_with("GPU-") && uuid.starts_with(id)))
}

fn use_of(gpu: &Gpu, errand: Errand<'_>) -> Finding {
    let check = check("use");
    let index = gpu.index;
    if gpu.name.is_none() && gpu.memory.is_none() {
        let found = format!("GPU {index} does not answer");
        return if is_asked_for(gpu, errand) {
            errand
                .gpus()
                .unmet(
                    check,
                    Fault::Missing,
                    found,
                    "reboot, or leave it out by `gpus` in [engine]: it may have fallen off the bus",
                )
                .command("sudo dmesg | grep -i xid")
        } else {
            check.skipped(found)
        };
    }
    let users: Vec<String> = gpu
        .users
        .iter()
        .map(|user| {
            let name = user.name.as_deref().unwrap_or("name unknown");
            match user.memory {
                Some(bytes) => {
                    format!("process {} ({name}) with {}", user.process, ByteSize(bytes))
                }
                None => format!("process {} ({name})", user.process),
            }
        })
        .collect();
    let used = match gpu.memory {
        Some(memory) => format!(
            "{} of {} in use",
            ByteSize(memory.used),
            ByteSize(memory.total)
        ),
        None => "memory in use unknown".to_owned(),
    };
    let found = match users.as_slice() {
        [] => format!("GPU {index}: {used}"),
        users => format!("GPU {index}: {used}, by {}", users.join(", ")),
    };
    let is_taken = !users.is_empty() || gpu.memory.is_some_and(|memory| memory.used > IDLE);
    if is_taken && is_asked_for(gpu, errand) {
        check
            .warn(
                found,
                "stop what uses it: engines would find its memory taken, and be measured along \
                 with it",
            )
            .command("nvidia-smi")
    } else {
        check.ok(found)
    }
}

fn is_asked_for(gpu: &Gpu, errand: Errand<'_>) -> bool {
    match errand.gpus() {
        Demand::Unneeded => false,
        Demand::Unclear => true,
        Demand::Needed => match errand.engine().map(|engine| &engine.gpus) {
            Some(Gpus::Ids(ids)) => ids.iter().any(|id| is_called(gpu, id)),
            _ => true,
        },
    }
}

fn handed_out(
    state: &GpuState,
    runtimes: &[String],
    devices: &[String],
    errand: Errand<'_>,
) -> Finding {
    let check = check("container-toolkit");
    if devices.iter().any(|id| id.starts_with("nvidia.com/gpu")) {
        return check.ok("Docker has found the GPUs by the container device interface");
    }
    if runtimes.iter().any(|name| name == "nvidia") {
        return check.ok("Docker has the runtime `nvidia`");
    }
    if let Some(path) = &state.toolkit {
        return check.ok(format!("NVIDIA's container toolkit is installed ({path})"));
    }
    errand
        .gpus()
        .unmet(
            check,
            Fault::Missing,
            "Docker cannot hand out GPUs: NVIDIA's container toolkit is not to be found",
            "install the package nvidia-container-toolkit, then tell Docker of it",
        )
        .command(
            "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
        )
}

#[cfg(test)]
pub(in crate::doctor) mod tests {
    use super::*;
    use crate::doctor::docker::{Absence, Why};
    use crate::doctor::finding::Mark;
    use crate::doctor::fixture::checked;

    fn card(index: u32) -> Gpu {
        Gpu {
            index,
            name: Some("NVIDIA GeForce RTX 4090".to_owned()),
            uuid: Some(format!("GPU-8a56{index}")),
            memory: Some(GpuMemory {
                total: 24 << 30,
                used: 300 << 20,
            }),
            users: Vec::new(),
        }
    }

    pub fn two() -> GpuState {
        GpuState {
            nvml: Nvml::There {
                driver: Some("580.65".to_owned()),
                cuda: Some("13.0".to_owned()),
                gpus: vec![card(0), card(1)],
            },
            cards: vec![Vendor::Nvidia, Vendor::Nvidia],
            toolkit: Some("/usr/bin/nvidia-ctk".to_owned()),
        }
    }

    /// Toolkits are asked for where Docker answers; here it does not.
    fn no_docker() -> DockerState {
        DockerState::Absent(Absence {
            address: "unix:///x".to_owned(),
            why: Why::NoDaemon,
        })
    }

    fn faults(state: &GpuState, profile: &str) -> Vec<(&'static str, Mark)> {
        let checked = checked(profile);
        examine(state, &no_docker(), Errand::Run(&checked))
            .into_iter()
            .filter(|finding| finding.mark != Mark::Ok)
            .map(|finding| (finding.check, finding.mark))
            .collect()
    }

    #[test]
    fn the_cards_that_the_profile_asks_for_must_be_there() {
        let missing = vec![("cards", Mark::Fail(Fault::Missing))];
        for (gpus, expected) in [
            ("\"all\"", vec![]),
            ("2", vec![]),
            ("3", missing.clone()),
            ("[\"0\", \"1\"]", vec![]),
            ("[\"2\"]", missing.clone()),
            ("[\"GPU-8a561\"]", vec![]),
            ("[\"GPU-8a562\"]", missing),
            ("\"none\"", vec![]),
        ] {
            assert_eq!(
                faults(&two(), &format!("gpus = {gpus}")),
                expected,
                "{gpus}"
            );
        }
    }

    #[test]
    fn a_used_card_is_warned_of_where_it_is_asked_for() {
        let mut state = two();
        let Nvml::There { gpus, .. } = &mut state.nvml else {
            unreachable!()
        };
        gpus[1].memory = Some(GpuMemory {
            total: 24 << 30,
            used: 20 << 30,
        });
        gpus[1].users = vec![GpuUser {
            process: 4711,
            name: Some("python3".to_owned()),
            memory: Some(19 << 30),
        }];
        assert_eq!(faults(&state, "gpus = [\"0\"]"), []);
        assert_eq!(faults(&state, "gpus = [\"1\"]"), [("use", Mark::Warn)]);
        assert_eq!(faults(&state, "gpus = \"none\""), []);
        let found = examine(&state, &no_docker(), Errand::None);
        assert_eq!(
            found.last().unwrap().found,
            "GPU 1: 20.0 GiB of 24.0 GiB in use, by process 4711 (python3) with 19.0 GiB"
        );
    }

    #[test]
    fn a_card_that_does_not_answer_fails_whoever_asks_for_it() {
        let mut state = two();
        let Nvml::There { gpus, .. } = &mut state.nvml else {
            unreachable!()
        };
        gpus[1] = Gpu {
            index: 1,
            name: None,
            uuid: None,
            memory: None,
            users: Vec::new(),
        };
        let missing = Mark::Fail(Fault::Missing);
        assert_eq!(faults(&state, "gpus = \"all\""), [("use", missing)]);
        assert_eq!(faults(&state, "gpus = [\"0\"]"), [("use", Mark::Skipped)]);
        let unasked = examine(&state, &no_docker(), Errand::None);
        assert_eq!(unasked.last().unwrap().mark, Mark::Warn);
    }

    #[test]
    fn without_a_driver_it_depends_on_who_asks() {
        let nothing = |nvml, cards: &[Vendor]| GpuState {
            nvml,
            cards: cards.to_vec(),
            toolkit: None,
        };
        let missing = Mark::Fail(Fault::Missing);
        for state in [
            nothing(Nvml::NoLibrary, &[]),
            nothing(Nvml::NoLibrary, &[Vendor::Nvidia]),
            nothing(Nvml::NoLibrary, &[Vendor::Amd]),
            nothing(Nvml::NoDriver, &[Vendor::Nvidia]),
            nothing(Nvml::TwoVersions, &[Vendor::Nvidia]),
            nothing(Nvml::Failed("no memory".to_owned()), &[Vendor::Nvidia]),
        ] {
            assert_eq!(faults(&state, "gpus = 1"), [("driver", missing)]);
            assert_eq!(faults(&state, ""), [("driver", Mark::Skipped)]);
            let unasked = examine(&state, &no_docker(), Errand::None);
            let expected = match state.cards.as_slice() {
                [Vendor::Nvidia] => Mark::Warn,
                _ => Mark::Skipped,
            };
            assert_eq!(unasked[0].mark, expected, "{unasked:?}");
        }
    }

    #[test]
    fn any_of_three_ways_hands_out_gpus() {
        let checked = checked("gpus = 1");
        let mark = |toolkit: Option<&str>, runtimes: &[&str], devices: &[&str]| {
            let state = GpuState {
                toolkit: toolkit.map(str::to_owned),
                ..two()
            };
            let owned = |names: &[&str]| -> Vec<String> {
                names.iter().map(|name| (*name).to_owned()).collect()
            };
            handed_out(
                &state,
                &owned(runtimes),
                &owned(devices),
                Errand::Run(&checked),
            )
            .mark
        };
        assert_eq!(mark(Some("/usr/bin/nvidia-ctk"), &["runc"], &[]), Mark::Ok);
        assert_eq!(mark(None, &["runc", "nvidia"], &[]), Mark::Ok);
        assert_eq!(mark(None, &["runc"], &["nvidia.com/gpu=0"]), Mark::Ok);
        assert_eq!(
            mark(None, &["runc"], &["vendor.com/net=0"]),
            Mark::Fail(Fault::Missing)
        );
    }
}

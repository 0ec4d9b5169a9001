//! The Docker daemon: whether it answers this user, and what it can do.

use bytesize::ByteSize;
use jiff::SignedDuration;

use crate::doctor::errand::{Demand, Errand};
use crate::doctor::finding::{Check, Fault, Finding, Topic};
use crate::doctor::folder::Space;
use crate::spec::profile::Network;

/// What came of asking the daemon.
#[derive(Debug, Clone, PartialEq)]
pub enum DockerState {
    Absent(Absence),
    There(Box<DockerFacts>),
}

/// Why nobody answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Where the daemon was looked for, as `DOCKER_HOST` writes it.
    pub address: String,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing is there.
    NoDaemon,
    /// This user may not use the socket.
    Forbidden,
    /// It took the connection and says nothing.
    Silent,
    /// Anything else, in somebody's words.
    Other(String),
}

/// A daemon by its own account.
#[derive(Debug, Clone, PartialEq)]
pub struct DockerFacts {
    pub address: String,
    /// Whether it shares this host's loopback and files.
    pub is_here: bool,
    pub version: Option<String>,
    pub api: Option<String>,
    pub operating_system: String,
    /// In a virtual machine of its own, as Docker Desktop is.
    pub is_virtual: bool,
    pub rootless: bool,
    pub storage_driver: Option<String>,
    /// Where it keeps images and containers.
    pub root: Option<String>,
    pub cgroup_version: Option<String>,
    pub limits_memory: Option<bool>,
    pub limits_swap: Option<bool>,
    /// Runtimes that it has registered (`runc`, `nvidia`).
    pub runtimes: Vec<String>,
    /// Devices of the container device interface that it found (`nvidia.com/gpu=0`).
    pub devices: Vec<String>,
    /// How far its clock is ahead of this one.
    pub ahead: Option<SignedDuration>,
    /// The image of the profile, if one was asked for.
    pub image: Option<ImageState>,
    /// The container of `[production]`, likewise.
    pub production: Option<ContainerState>,
    /// Containers of dead runs, each in words.
    pub leftovers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageState {
    pub name: String,
    /// `None`: the daemon does not have it.
    pub found: Option<FoundImage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundImage {
    /// `sha256:..`
    pub id: String,
    /// `repository@sha256:..`; the id where it never was in a registry.
    pub digest: String,
    pub bytes: Option<u64>,
    /// Labels that speak of vLLM's version.
    pub labels: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerState {
    pub name: String,
    /// `None`: there is no such container.
    pub running: Option<bool>,
}

/// Images of vLLM for GPUs are between ten and twenty gigabytes, and as much again while they
/// are unpacked.
const ROOM_FOR_IMAGE: u64 = 40 << 30;
/// Containers write little, and a start that finds no room at all fails.
const LITTLE: u64 = 2 << 30;

/// Drivers that keep an image in layers which the kernel reads as they lie there.
const GOOD_DRIVERS: [&str; 5] = ["overlay2", "overlayfs", "btrfs", "zfs", "windowsfilter"];

/// Attempts are timed by this host's clock alone, logs bear the engine's.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

const fn check(name: &'static str) -> Check {
    Check {
        topic: Topic::Docker,
        name,
    }
}

/// `space` is that of the daemon's root folder, if it can be seen from here; `swap` is the
/// host's, in bytes.
pub fn examine(
    docker: &DockerState,
    space: Option<Space>,
    swap: u64,
    errand: Errand<'_>,
) -> Vec<Finding> {
    let facts = match docker {
        DockerState::Absent(absence) => return vec![absent(absence, errand)],
        DockerState::There(facts) => facts,
    };
    let mut found = vec![
        daemon(facts),
        place(facts, errand),
        storage(facts, space, errand),
    ];
    found.push(limits(facts, swap, errand));
    found.push(clock(facts));
    found.extend(facts.image.as_ref().map(image));
    found.extend(facts.production.as_ref().map(|it| production(it, errand)));
    found
}

fn absent(absence: &Absence, errand: Errand<'_>) -> Finding {
    let address = &absence.address;
    let unmet = |found: String, advice: &str| {
        let demand = errand.docker();
        demand.unmet(check("daemon"), Fault::NoDocker, found, advice)
    };
    match &absence.why {
        Why::NoDaemon => unmet(
            format!("no Docker daemon answers at {address}"),
            "start it, or name another one in DOCKER_HOST; stand-in engines need none: \
             `gridrun rehearse --runtime process`",
        )
        .command("sudo systemctl start docker"),
        Why::Forbidden => unmet(
            format!("this user may not use the Docker daemon at {address}"),
            "join the group `docker` (whoever is in it is root on this host) and log in again, \
             or install rootless Docker",
        )
        .command("sudo usermod -aG docker \"$USER\""),
        Why::Silent => unmet(
            format!("the Docker daemon at {address} takes connections and does not answer"),
            "look into its log, and start it anew",
        )
        .command("sudo systemctl restart docker"),
        Why::Other(words) => unmet(
            format!("the Docker daemon at {address} cannot be used: {words}"),
            "set DOCKER_HOST to unix:///PATH or tcp://127.0.0.1:PORT, or unset it",
        ),
    }
}

fn daemon(facts: &DockerFacts) -> Finding {
    let rootless = if facts.rootless { ", rootless" } else { "" };
    check("daemon").ok(format!(
        "Docker {} (API {}){rootless} answers at {}",
        facts.version.as_deref().unwrap_or("of unknown version"),
        facts.api.as_deref().unwrap_or("unknown"),
        facts.address
    ))
}

fn place(facts: &DockerFacts, errand: Errand<'_>) -> Finding {
    let check = check("place");
    let network = errand.engine().map(|engine| engine.network);
    if !facts.is_here {
        errand.docker().unmet(
            check,
            Fault::Missing,
            "the daemon is not on this host",
            "run gridrun there: it talks to engines over 127.0.0.1",
        )
    } else if facts.is_virtual && network != Some(Network::Bridge) {
        errand.docker().unmet(
            check,
            Fault::Missing,
            format!(
                "{} does not share this host's network",
                facts.operating_system
            ),
            "set `network = \"bridge\"` in [engine]",
        )
    } else {
        check.ok(format!("it is on this host ({})", facts.operating_system))
    }
}

fn storage(facts: &DockerFacts, space: Option<Space>, errand: Errand<'_>) -> Finding {
    let check = check("storage");
    let driver = facts.storage_driver.as_deref().unwrap_or("unknown");
    let root = facts.root.as_deref().unwrap_or("its root folder");
    let free = match space {
        Some(space) => format!("{} free", ByteSize(space.free)),
        None => "free space not to be seen from here".to_owned(),
    };
    let found = format!("storage driver {driver}, {free} in {root}");
    let must_pull = facts
        .image
        .as_ref()
        .is_some_and(|image| image.found.is_none());
    match space {
        Some(space) if must_pull && space.free < ROOM_FOR_IMAGE => {
            return check
                .warn(
                    found,
                    "make room before the image is pulled: those of vLLM for GPUs need some \
                     40 GiB while they are unpacked",
                )
                .command("docker system df");
        }
        Some(space) if space.free < LITTLE && errand.docker() != Demand::Unneeded => {
            return check
                .warn(found, "make room: containers cannot start on a full disk")
                .command("docker system df");
        }
        _ => {}
    }
    if GOOD_DRIVERS.contains(&driver) || errand.docker() == Demand::Unneeded {
        check.ok(found)
    } else {
        check.warn(
            found,
            "use `overlay2` where the host can: others read images more slowly, and starts take \
             longer",
        )
    }
}

fn limits(facts: &DockerFacts, swap: u64, errand: Errand<'_>) -> Finding {
    let check = check("memory-limits");
    let version = facts.cgroup_version.as_deref().unwrap_or("unknown");
    let limit = errand.memory_limit().map(ByteSize);
    match (facts.limits_memory, facts.limits_swap) {
        (Some(false), _) => check.warn(
            match limit {
                Some(limit) => {
                    format!("control groups {version}: the limit of {limit} is not kept")
                }
                None => format!("control groups {version}: memory cannot be limited"),
            },
            "boot with cgroup_enable=memory: Docker drops limits that the kernel cannot keep",
        ),
        (_, Some(false)) if swap > 0 => check
            .warn(
                format!(
                    "control groups {version}: swap is not limited, and this host has {}",
                    ByteSize(swap)
                ),
                "switch swap off, or boot with swapaccount=1: an engine beyond its limit would \
                 swap instead of dying, and the disk would be measured",
            )
            .command("sudo swapoff -a"),
        _ => check.ok(match limit {
            Some(limit) => format!("control groups {version} hold the limit of {limit}"),
            None => format!("control groups {version} limit memory"),
        }),
    }
}

fn clock(facts: &DockerFacts) -> Finding {
    let check = check("clock");
    match facts.ahead {
        None => check.skipped("the daemon does not tell its time"),
        Some(ahead) if ahead.abs() > SKEW => {
            let which = if ahead.is_positive() {
                "ahead of"
            } else {
                "behind"
            };
            check.warn(
                format!("its clock is {} s {which} this one", ahead.abs().as_secs()),
                "set both by the network, or start Docker anew: times in engine logs are its own",
            )
        }
        Some(_) => check.ok("its clock agrees with this one"),
    }
}

fn image(image: &ImageState) -> Finding {
    let check = check("image");
    let name = &image.name;
    let Some(found) = &image.found else {
        return check
            .warn(
                format!("image {name} is not here: the first start pulls it"),
                "pull it now, so that a registry that refuses is known before the run",
            )
            .command(format!("docker pull {name}"));
    };
    let id = found.id.trim_start_matches("sha256:");
    let mut said = format!("image {name} is here: id {}", id.get(..12).unwrap_or(id));
    if let Some(bytes) = found.bytes {
        said += &format!(", {}", ByteSize(bytes));
    }
    if found.digest != found.id {
        said += &format!(", {}", found.digest);
    }
    for (label, value) in &found.labels {
        said += &format!(", {label}={value}");
    }
    check.ok(said)
}

fn production(container: &ContainerState, errand: Errand<'_>) -> Finding {
    let check = check("production");
    let name = &container.name;
    match container.running {
        None => check.warn(
            format!("there is no container {name}, which [production] names"),
            "correct `container` in [production]",
        ),
        Some(true) if errand.gpus() == Demand::Needed => check
            .warn(
                format!("the production container {name} runs, and may hold the GPUs"),
                "stop it before the run, and start it again afterwards: gridrun does not",
            )
            .command(format!("docker stop {name}")),
        Some(true) => check.ok(format!("the production container {name} runs")),
        Some(false) => check.ok(format!("the production container {name} is stopped")),
    }
}

#[cfg(test)]
pub(in crate::doctor) mod tests {
    use super::*;
    use crate::doctor::finding::Mark;
    use crate::doctor::fixture::checked;

    pub fn facts() -> DockerFacts {
        DockerFacts {
            address: "unix:///var/run/docker.sock".to_owned(),
            is_here: true,
            version: Some("29.1.0".to_owned()),
            api: Some("1.52".to_owned()),
            operating_system: "Debian 12".to_owned(),
            is_virtual: false,
            rootless: false,
            storage_driver: Some("overlay2".to_owned()),
            root: Some("/var/lib/docker".to_owned()),
            cgroup_version: Some("2".to_owned()),
            limits_memory: Some(true),
            limits_swap: Some(true),
            runtimes: vec!["runc".to_owned()],
            devices: Vec::new(),
            ahead: Some(SignedDuration::from_millis(-300)),
            image: Some(ImageState {
                name: "vllm/vllm-openai:v0.11.0".to_owned(),
                found: Some(FoundImage {
                    id: "sha256:0123456789abcdef".to_owned(),
                    digest: "vllm/vllm-openai@sha256:77".to_owned(),
                    bytes: Some(9 << 30),
                    labels: vec![("vllm.version".to_owned(), "0.11.0".to_owned())],
                }),
            }),
            production: None,
            leftovers: Vec::new(),
        }
    }

    const ROOMY: Option<Space> = Some(Space {
        total: 500 << 30,
        free: 100 << 30,
    });

    #[test]
    fn a_good_daemon_has_no_faults_and_the_image_is_named_to_its_digest() {
        let checked = checked("memory = \"1GiB\"");
        let found = examine(
            &DockerState::There(Box::new(facts())),
            ROOMY,
            1 << 30,
            Errand::Run(&checked),
        );
        for finding in &found {
            assert_eq!(finding.mark, Mark::Ok, "{finding:?}");
        }
        let image = found.iter().find(|finding| finding.check == "image");
        assert_eq!(
            image.unwrap().found,
            "image vllm/vllm-openai:v0.11.0 is here: id 0123456789ab, 9.0 GiB, \
             vllm/vllm-openai@sha256:77, vllm.version=0.11.0"
        );
    }

    #[test]
    fn each_fault_of_the_daemon_is_found_alone() {
        let missing = Mark::Fail(Fault::Missing);
        let limited = "memory = \"1GiB\"";
        let bridge = "network = \"bridge\"";
        let stand_in = "runtime = \"stand-in\"";
        let gone = |facts: &mut DockerFacts| facts.image.as_mut().unwrap().found = None;
        let runs = |facts: &mut DockerFacts| {
            facts.production = Some(ContainerState {
                name: "prod".to_owned(),
                running: Some(true),
            });
        };
        type Case<'a> = (&'a str, fn(&mut DockerFacts), u64, Option<(&'a str, Mark)>);
        let cases: [Case<'_>; 15] = [
            (
                "",
                |facts| facts.is_here = false,
                100,
                Some(("place", missing)),
            ),
            (
                stand_in,
                |facts| facts.is_here = false,
                100,
                Some(("place", Mark::Skipped)),
            ),
            (
                "",
                |facts| facts.is_virtual = true,
                100,
                Some(("place", missing)),
            ),
            (bridge, |facts| facts.is_virtual = true, 100, None),
            (
                "",
                |facts| facts.storage_driver = Some("vfs".to_owned()),
                100,
                Some(("storage", Mark::Warn)),
            ),
            ("", |_| {}, 1, Some(("storage", Mark::Warn))),
            (stand_in, |_| {}, 1, None),
            (
                limited,
                |facts| facts.limits_memory = Some(false),
                100,
                Some(("memory-limits", Mark::Warn)),
            ),
            (
                "",
                |facts| facts.limits_memory = Some(false),
                100,
                Some(("memory-limits", Mark::Warn)),
            ),
            (
                "",
                |facts| facts.limits_swap = Some(false),
                100,
                Some(("memory-limits", Mark::Warn)),
            ),
            (
                "",
                |facts| facts.ahead = Some(SignedDuration::from_mins(-2)),
                100,
                Some(("clock", Mark::Warn)),
            ),
            ("", gone, 100, Some(("image", Mark::Warn))),
            ("gpus = 1", runs, 100, Some(("production", Mark::Warn))),
            ("", runs, 100, None),
            (
                "",
                |facts| {
                    facts.production = Some(ContainerState {
                        name: "prod".to_owned(),
                        running: None,
                    });
                },
                100,
                Some(("production", Mark::Warn)),
            ),
        ];
        for (at, (profile, change, free_gib, expected)) in cases.into_iter().enumerate() {
            let mut facts = facts();
            change(&mut facts);
            let space = Some(Space {
                total: 500 << 30,
                free: free_gib << 30,
            });
            let checked = checked(profile);
            let docker = DockerState::There(Box::new(facts));
            let found: Vec<_> = examine(&docker, space, 1 << 30, Errand::Run(&checked))
                .into_iter()
                .filter(|finding| finding.mark != Mark::Ok)
                .map(|finding| (finding.check, finding.mark))
                .collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "case {at}");
        }
    }

    #[test]
    fn who_does_not_answer_is_a_failure_only_where_containers_are_wanted() {
        let container = checked("");
        let process = checked("runtime = \"stand-in\"");
        for why in [
            Why::NoDaemon,
            Why::Forbidden,
            Why::Silent,
            Why::Other("it is a teapot".to_owned()),
        ] {
            let docker = DockerState::Absent(Absence {
                address: "unix:///run/docker.sock".to_owned(),
                why,
            });
            for (errand, mark) in [
                (Errand::Run(&container), Mark::Fail(Fault::NoDocker)),
                (Errand::Run(&process), Mark::Skipped),
                (Errand::None, Mark::Warn),
            ] {
                let found = examine(&docker, None, 0, errand);
                let [one] = found.as_slice() else {
                    panic!("{found:?}")
                };
                assert_eq!(one.mark, mark, "{one:?}");
                assert_eq!(one.advice.is_some(), mark != Mark::Skipped, "{one:?}");
                assert!(one.found.contains("unix:///run/docker.sock"), "{one:?}");
            }
        }
    }
}

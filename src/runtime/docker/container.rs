//! The container of one engine: its name, its labels and what the daemon is asked for.
//!
//! Pure: nothing is asked for here.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HostConfig, HostConfigLogConfig, Mount, MountType,
    PortBinding, ResourcesUlimits,
};

use crate::runner::ports::Launch;
use crate::runtime::docker::image::Image;
use crate::runtime::engine_spec::EngineSpec;
use crate::spec::profile::{Gpus, Network};

/// Labels by which a sweep knows what is ours, whose it is, and whether that one still lives.
pub const LABEL_OURS: &str = "gridrun";
pub const LABEL_RUN: &str = "gridrun.run";
pub const LABEL_CELL: &str = "gridrun.cell";
pub const LABEL_ATTEMPT: &str = "gridrun.attempt";
pub const LABEL_HOST: &str = "gridrun.host";
pub const LABEL_LOCK: &str = "gridrun.lock";

/// Where an engine listens inside a bridge network.
const BRIDGE_PORT: u16 = 8000;

/// The daemon's own copy of the log is turned over at this size, whatever it does for others:
/// a reader that follows a small log can lose lines when it is turned over.
const LOG_SIZE: &str = "1g";

/// The kernel's name of this host.
pub fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The container's name. An attempt's number is never given twice within a run, so the name
/// is free unless a dead start of this very attempt is still there.
pub fn name(launch: &Launch) -> String {
    format!("gridrun-{}-{}", launch.run, launch.attempt)
}

/// All labels of the container of an attempt.
pub fn labels(spec: &EngineSpec, launch: &Launch) -> HashMap<String, String> {
    let mut labels = owner_labels(spec);
    labels.extend([
        (LABEL_RUN.to_owned(), launch.run.to_string()),
        (LABEL_CELL.to_owned(), launch.attempt.cell.to_string()),
        (LABEL_ATTEMPT.to_owned(), launch.attempt.to_string()),
    ]);
    labels
}

/// The labels of every container that gridrun makes.
pub fn owner_labels(spec: &EngineSpec) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_OURS.to_owned(), "1".to_owned()),
        (LABEL_HOST.to_owned(), hostname()),
        (
            LABEL_LOCK.to_owned(),
            spec.lock_path.to_string_lossy().into_owned(),
        ),
    ])
}

/// Where a program inside the engine's container finds the engine, if that is another place
/// than gridrun's.
pub fn inner_url(spec: &EngineSpec) -> Option<String> {
    match spec.network {
        Network::Host => None,
        Network::Bridge => Some(format!("http://127.0.0.1:{BRIDGE_PORT}")),
    }
}

/// What the daemon is asked for to run `launch` so that it answers on `port` of 127.0.0.1.
pub fn body(spec: &EngineSpec, launch: &Launch, image: &Image, port: u16) -> ContainerCreateBody {
    let (host, inner_port) = match spec.network {
        Network::Host => ("127.0.0.1", port),
        Network::Bridge => ("0.0.0.0", BRIDGE_PORT),
    };
    let variables = spec
        .environment(launch)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let published = format!("{inner_port}/tcp");
    let mut host_config = host_config(spec, launch.memory.or(spec.memory));
    let mut exposed = None;
    if spec.network == Network::Bridge {
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(port.to_string()),
        };
        host_config.port_bindings = Some(HashMap::from([(published.clone(), Some(vec![binding]))]));
        exposed = Some(vec![published]);
    }
    ContainerCreateBody {
        image: Some(image.id.clone()),
        entrypoint: image.entrypoint_override.clone(),
        cmd: Some(spec.arguments(launch, host, inner_port)),
        env: Some(variables),
        labels: Some(labels(spec, launch)),
        exposed_ports: exposed,
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    }
}

/// Everything but the port. There is no auto-remove, because the end of an engine is read off
/// its container, and no restart policy, because a death is a finding.
pub fn host_config(spec: &EngineSpec, memory: Option<u64>) -> HostConfig {
    let memory = memory.map(as_i64);
    HostConfig {
        memory,
        // Equal to the memory: a limit that swaps instead of killing would measure the disk.
        memory_swap: memory,
        shm_size: if spec.ipc_host {
            None
        } else {
            spec.shm.map(as_i64)
        },
        ipc_mode: spec.ipc_host.then(|| "host".to_owned()),
        device_requests: device_request(&spec.gpus).map(|request| vec![request]),
        ulimits: Some(
            spec.ulimits
                .iter()
                .map(|limit| ResourcesUlimits {
                    name: Some(limit.name.clone()),
                    soft: Some(limit.soft),
                    hard: Some(limit.hard),
                })
                .collect(),
        ),
        // Mounts, not binds: a bind makes a missing folder, which hides the mistake.
        mounts: Some(
            spec.volumes
                .iter()
                .map(|volume| Mount {
                    typ: Some(MountType::BIND),
                    source: Some(volume.from.to_string_lossy().into_owned()),
                    target: Some(volume.to.to_string_lossy().into_owned()),
                    read_only: Some(volume.read_only),
                    ..Mount::default()
                })
                .collect(),
        ),
        network_mode: Some(
            match spec.network {
                Network::Host => "host",
                Network::Bridge => "bridge",
            }
            .to_owned(),
        ),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), LOG_SIZE.to_owned()),
                ("max-file".to_owned(), "2".to_owned()),
            ])),
        }),
        auto_remove: Some(false),
        ..HostConfig::default()
    }
}

fn device_request(gpus: &Gpus) -> Option<DeviceRequest> {
    let (count, device_ids) = match gpus {
        Gpus::None => return None,
        // Docker's way to say all.
        Gpus::All => (Some(-1), None),
        Gpus::Count(count) => (Some(i64::from(*count)), None),
        Gpus::Ids(ids) => (None, Some(ids.clone())),
    };
    Some(DeviceRequest {
        count,
        device_ids,
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    })
}

/// Sizes that Docker takes as signed numbers; none that a machine has is beyond them.
fn as_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::engine_spec::ImageChoice;
    use crate::runtime::engine_spec::tests::{launch, profile};
    use crate::spec::profile::{Ulimit, Volume};
    use std::path::Path;

    fn spec() -> EngineSpec {
        let lookup = |_: &str| Some("hf_secret".to_owned());
        EngineSpec::from_profile(&profile(), lookup, "/run/lock/it".into()).unwrap()
    }

    fn image() -> Image {
        Image {
            id: "sha256:1234".to_owned(),
            digest: "repository@sha256:1234".to_owned(),
            entrypoint_override: None,
            is_stand_in: false,
        }
    }

    #[test]
    fn labels_say_whose_the_container_is_and_no_secret() {
        let spec = spec();
        let launch = launch(Path::new("/log"));
        let labels = labels(&spec, &launch);
        assert_eq!(labels[LABEL_OURS], "1");
        assert_eq!(labels[LABEL_RUN], launch.run.as_str());
        assert_eq!(labels[LABEL_CELL], launch.attempt.cell.as_str());
        assert_eq!(labels[LABEL_ATTEMPT], launch.attempt.to_string());
        assert_eq!(labels[LABEL_HOST], hostname());
        assert_eq!(labels[LABEL_LOCK], "/run/lock/it");
        assert_eq!(labels.len(), 6);
        assert!(name(&launch).starts_with("gridrun-2026"));
        assert!(name(&launch).ends_with("-2"));
    }

    #[test]
    fn on_the_host_network_nothing_is_published_and_only_the_loopback_is_bound() {
        let body = body(&spec(), &launch(Path::new("/log")), &image(), 4711);
        let host = body.host_config.unwrap();
        assert_eq!(host.network_mode.as_deref(), Some("host"));
        assert_eq!(host.port_bindings, None);
        let command = body.cmd.unwrap();
        assert_eq!(
            command[command.len() - 4..],
            ["--host", "127.0.0.1", "--port", "4711"]
        );
        assert_eq!(command[0], "Qwen/Qwen3-32B-AWQ");
        assert_eq!(body.image.as_deref(), Some("sha256:1234"));
        assert!(
            body.env
                .unwrap()
                .contains(&"VLLM_API_KEY=throw-away".to_owned())
        );
        assert!(!command.contains(&"throw-away".to_owned()));
    }

    #[test]
    fn in_a_bridge_the_port_is_published_on_the_loopback() {
        let spec = EngineSpec {
            network: Network::Bridge,
            ..spec()
        };
        let body = body(&spec, &launch(Path::new("/log")), &image(), 4711);
        let bindings = body.host_config.unwrap().port_bindings.unwrap();
        let binding = bindings["8000/tcp"].as_ref().unwrap()[0].clone();
        assert_eq!(binding.host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(binding.host_port.as_deref(), Some("4711"));
        let command = body.cmd.unwrap();
        assert_eq!(
            command[command.len() - 4..],
            ["--host", "0.0.0.0", "--port", "8000"]
        );
    }

    #[test]
    fn limits_mounts_and_devices_are_as_the_profile_says() {
        let spec = EngineSpec {
            image: ImageChoice::Named("image".to_owned()),
            gpus: Gpus::Ids(vec!["0".to_owned(), "1".to_owned()]),
            ulimits: vec![Ulimit {
                name: "memlock".to_owned(),
                soft: -1,
                hard: -1,
            }],
            volumes: vec![Volume {
                from: "/a".into(),
                to: "/b".into(),
                read_only: true,
            }],
            ..spec()
        };
        let host = host_config(&spec, Some(1 << 30));
        assert_eq!(
            (host.memory, host.memory_swap),
            (Some(1 << 30), Some(1 << 30))
        );
        assert_eq!(
            (host.shm_size, host.ipc_mode.as_deref()),
            (Some(8 << 30), None)
        );
        let device = host.device_requests.unwrap().remove(0);
        assert_eq!(device.device_ids.unwrap(), ["0", "1"]);
        assert_eq!(device.count, None);
        let mount = host.mounts.unwrap().remove(0);
        assert_eq!(mount.typ, Some(MountType::BIND));
        assert_eq!(
            (mount.source.as_deref(), mount.target.as_deref()),
            (Some("/a"), Some("/b"))
        );
        assert_eq!(mount.read_only, Some(true));
        assert_eq!(host.ulimits.unwrap()[0].soft, Some(-1));
        let log = host.log_config.unwrap();
        assert_eq!(log.typ.as_deref(), Some("json-file"));
        assert_eq!(log.config.unwrap()["max-size"], "1g");
        assert_eq!((host.auto_remove, host.restart_policy), (Some(false), None));
        assert_eq!(host.binds, None);

        let host = host_config(
            &EngineSpec {
                ipc_host: true,
                gpus: Gpus::All,
                ..spec
            },
            None,
        );
        assert_eq!(
            (host.shm_size, host.ipc_mode.as_deref()),
            (None, Some("host"))
        );
        assert_eq!((host.memory, host.memory_swap), (None, None));
        assert_eq!(host.device_requests.unwrap()[0].count, Some(-1));
    }
}

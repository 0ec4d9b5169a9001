use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use crate::doctor::docker::{self, ContainerState, DockerState};
use crate::doctor::errand::Errand;
use crate::doctor::examination::{Facts, examine};
use crate::doctor::finding::{Mark, as_json};
use crate::doctor::fixture::checked;
use crate::doctor::folder::{self, FileSystem, Space};
use crate::doctor::gpu::{self, GpuMemory, GpuUser, Nvml};
use crate::doctor::host;
use crate::doctor::lock::{Held, Holding};
use crate::doctor::profile::{PathState, ProfileFacts, VariableState};
use crate::doctor::text::render;

const PROFILE: &str = "\
gpus = \"all\"
memory = \"60GiB\"
volumes = [{ from = \"/home/u/.cache/huggingface\", to = \"/root/.cache/huggingface\" }]
env = { HF_TOKEN = { from-env = \"HF_TOKEN\" } }
flags = { tensor-parallel-size = 2 }
[production]
container = \"prod\"
";

/// A machine with two cards on which everything is as a run would have it.
fn good() -> Facts {
    let mut profile = ProfileFacts::default();
    let folder = PathState::Folder {
        writable: true,
        free: 200 << 30,
    };
    for path in [
        "/home/u/.cache/huggingface",
        "/home/u/.cache/huggingface/hub",
        "/home/u/.cache/huggingface/hub/models--org--model/snapshots",
    ] {
        profile.paths.set(PathBuf::from(path), folder);
    }
    profile
        .variables
        .insert("HF_TOKEN".to_owned(), VariableState::Set);
    let mut docker = docker::tests::facts();
    docker.production = Some(ContainerState {
        name: "prod".to_owned(),
        running: Some(false),
    });
    Facts {
        host: host::tests::host(),
        docker: DockerState::There(Box::new(docker)),
        docker_space: Some(Space {
            total: 500 << 30,
            free: 300 << 30,
        }),
        gpu: gpu::tests::two(),
        profile,
        results: "results".into(),
        folder: Some(folder::tests::folder()),
        held: Vec::new(),
        processes: Vec::new(),
    }
}

#[test]
fn a_machine_that_is_fit() {
    let checked = checked(&PROFILE.replace("[prod", "shm = \"8GiB\"\n[prod"));
    let errand = Errand::Run(&checked);
    let findings = examine(&good(), errand);
    insta::assert_snapshot!(render(&errand.title(), &findings, 100, false), @r#"
    e with profile p: engines in Docker, on all GPUs

    Machine
      ok    bench: Debian 12, kernel 6.1.0, 16 x CPU unknown
      ok    60.0 GiB of 64.0 GiB memory available
      ok    32.0 GiB of 32.0 GiB free in /dev/shm
      ok    load 0.3 on 16 CPUs
      ok    CPU clock: governor `performance`
      ok    vm.overcommit_memory is 0
      ok    the clock says 2026-11-18 11:06:40 UTC

    Docker
      ok    Docker 29.1.0 (API 1.52) answers at unix:///var/run/docker.sock
      ok    it is on this host (Debian 12)
      ok    storage driver overlay2, 300.0 GiB free in /var/lib/docker
      ok    control groups 2 hold the limit of 60.0 GiB
      ok    its clock agrees with this one
      ok    image vllm/vllm-openai:v0.11.0 is here: id 0123456789ab, 9.0 GiB,
            vllm/vllm-openai@sha256:77, vllm.version=0.11.0
      ok    the production container prod is stopped

    GPUs
      ok    NVIDIA driver 580.65, CUDA up to 13.0
      ok    GPU 0 NVIDIA GeForce RTX 4090 (24.0 GiB), 1 NVIDIA GeForce RTX 4090 (24.0 GiB)
      ok    GPU 0: 300.0 MiB of 24.0 GiB in use
      ok    GPU 1: 300.0 MiB of 24.0 GiB in use
      ok    NVIDIA's container toolkit is installed (/usr/bin/nvidia-ctk)

    Profile
      ok    volume /home/u/.cache/huggingface exists
      ok    model org/model is in the hub's cache /home/u/.cache/huggingface/hub
      ok    variable HF_TOKEN is set

    Results
      ok    results go into results
      ok    results lie on a disk of this machine: locks hold
      ok    50.0 GiB free for results
      ok    no other run is going on
      ok    nothing of a dead run was left

    Nothing fails, no warning.
    "#);
}

#[test]
fn a_machine_on_which_much_is_wrong() {
    let checked = checked(PROFILE);
    let errand = Errand::Run(&checked);
    let mut facts = good();
    facts.host.load = Some(9.3);
    facts.host.governors = vec!["powersave".to_owned()];
    if let DockerState::There(docker) = &mut facts.docker {
        docker.limits_memory = Some(false);
        docker.ahead = Some(SignedDuration::from_secs(90));
        docker.image.as_mut().unwrap().found = None;
        docker.production.as_mut().unwrap().running = Some(true);
        docker.leftovers = vec!["container 0123456789ab of attempt a-1 of run r".to_owned()];
    }
    facts.docker_space.as_mut().unwrap().free = 12 << 30;
    facts.gpu.toolkit = None;
    if let Nvml::There { gpus, .. } = &mut facts.gpu.nvml {
        gpus[0].memory = Some(GpuMemory {
            total: 24 << 30,
            used: 20 << 30,
        });
        gpus[0].users = vec![GpuUser {
            process: 4711,
            name: Some("python3".to_owned()),
            memory: Some(19 << 30),
        }];
    }
    facts
        .profile
        .variables
        .insert("HF_TOKEN".to_owned(), VariableState::Unset);
    let folder = facts.folder.as_mut().unwrap();
    folder.file_system = FileSystem::Network("NFS");
    facts.held = vec![Held {
        what: Holding::EveryGpu,
        process: Some(812),
        since: Some(facts.host.now - SignedDuration::from_mins(12)),
    }];
    let findings = examine(&facts, errand);
    insta::assert_snapshot!(render(&errand.title(), &findings, 100, false), @r#"
    e with profile p: engines in Docker, on all GPUs

    Machine
      ok    bench: Debian 12, kernel 6.1.0, 16 x CPU unknown
      ok    60.0 GiB of 64.0 GiB memory available
      warn  containers get Docker's own 64 MiB of /dev/shm for a model on several GPUs
            -> set `ipc = "host"` or `shm = "8GiB"` in [engine]
      warn  load 9.3 on 16 CPUs
            -> wait for what works here, or end it: it would be measured along
               ps -eo pcpu,pid,args --sort=-pcpu | head
      warn  CPU clock: governor `powersave`
            -> keep the clock up: short requests find it down, and latencies differ by it
               sudo cpupower frequency-set -g performance
      ok    vm.overcommit_memory is 0
      ok    the clock says 2026-11-18 11:06:40 UTC

    Docker
      ok    Docker 29.1.0 (API 1.52) answers at unix:///var/run/docker.sock
      ok    it is on this host (Debian 12)
      warn  storage driver overlay2, 12.0 GiB free in /var/lib/docker
            -> make room before the image is pulled: those of vLLM for GPUs need some 40 GiB while they
               are unpacked
               docker system df
      warn  control groups 2: the limit of 60.0 GiB is not kept
            -> boot with cgroup_enable=memory: Docker drops limits that the kernel cannot keep
      warn  its clock is 90 s ahead of this one
            -> set both by the network, or start Docker anew: times in engine logs are its own
      warn  image vllm/vllm-openai:v0.11.0 is not here: the first start pulls it
            -> pull it now, so that a registry that refuses is known before the run
               docker pull vllm/vllm-openai:v0.11.0
      warn  the production container prod runs, and may hold the GPUs
            -> stop it before the run, and start it again afterwards: gridrun does not
               docker stop prod

    GPUs
      ok    NVIDIA driver 580.65, CUDA up to 13.0
      ok    GPU 0 NVIDIA GeForce RTX 4090 (24.0 GiB), 1 NVIDIA GeForce RTX 4090 (24.0 GiB)
      warn  GPU 0: 20.0 GiB of 24.0 GiB in use, by process 4711 (python3) with 19.0 GiB
            -> stop what uses it: engines would find its memory taken, and be measured along with it
               nvidia-smi
      ok    GPU 1: 300.0 MiB of 24.0 GiB in use
      fail  Docker cannot hand out GPUs: NVIDIA's container toolkit is not to be found
            -> install the package nvidia-container-toolkit, then tell Docker of it
               sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker

    Profile
      ok    volume /home/u/.cache/huggingface exists
      ok    model org/model is in the hub's cache /home/u/.cache/huggingface/hub
      fail  variable HF_TOKEN is not set, and the profile hands it to the engine
            -> set it, or take it out of [engine.env]
               export HF_TOKEN=...

    Results
      ok    results go into results
      warn  results lie on NFS: locks do not keep a run of another machine out
            -> name a folder on a disk of this machine with --results DIR
      ok    50.0 GiB free for results
      fail  another run (process 812, for 12 min) holds the GPUs
            -> wait for it or stop it: two runs on one GPU would measure each other
      warn  dead runs left container 0123456789ab of attempt a-1 of run r
            -> remove it: the next run does so too, and until then it may take memory
               gridrun clean

    3 checks fail, 11 warnings. A run would come to nothing: something that every start needs is
    missing.
    "#);
}

#[test]
fn a_machine_without_docker_and_gpu_is_fit_for_stand_ins() {
    let mut facts = good();
    facts.docker = DockerState::Absent(docker::Absence {
        address: "unix:///var/run/docker.sock".to_owned(),
        why: docker::Why::NoDaemon,
    });
    facts.docker_space = None;
    facts.gpu = gpu::GpuState {
        nvml: Nvml::NoLibrary,
        cards: Vec::new(),
        toolkit: None,
    };
    let checked = checked("runtime = \"stand-in\"");
    let findings = examine(&facts, Errand::Run(&checked));
    let unlike_ok: Vec<_> = findings
        .iter()
        .filter(|finding| finding.mark != Mark::Ok)
        .map(|finding| (finding.check, finding.mark))
        .collect();
    assert_eq!(
        unlike_ok,
        [("daemon", Mark::Skipped), ("driver", Mark::Skipped)]
    );
}

#[test]
fn every_trouble_says_what_to_do_and_nothing_else_does() {
    let mut facts = good();
    facts.host.now = Timestamp::UNIX_EPOCH;
    facts.folder = None;
    for errand in [Errand::None, Errand::Run(&checked(PROFILE))] {
        for finding in examine(&facts, errand) {
            let is_trouble = matches!(finding.mark, Mark::Warn | Mark::Fail(_));
            assert_eq!(finding.advice.is_some(), is_trouble, "{finding:?}");
            assert!(!finding.found.ends_with('.'), "{finding:?}");
            let json = as_json(std::slice::from_ref(&finding));
            assert_eq!(json[0]["mark"], finding.mark.name());
            assert_eq!(json[0]["advice"].is_string(), is_trouble);
        }
    }
}

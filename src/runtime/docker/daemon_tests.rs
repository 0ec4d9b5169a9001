//! Containers for real. The image is made of the host's own shell, without a registry. Where
//! no daemon answers, every test says so and passes.

use std::fs::File;
use std::io;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder,
};
use tempfile::TempDir;

use crate::id::RunId;
use crate::runner::ports::{Engine, Launch, Runtime, RuntimeError, StopMode};
use crate::runtime::docker::client::Client;
use crate::runtime::docker::container::LABEL_RUN;
use crate::runtime::docker::rootfs::Placed;
use crate::runtime::docker::runtime::DockerRuntime;
use crate::runtime::docker::stand_in_image::{REPOSITORY, import};
use crate::runtime::docker::sweep::sweep;
use crate::runtime::docker::{DockerEngine, refusal};
use crate::runtime::engine_spec::tests::{launch, profile};
use crate::runtime::engine_spec::{EngineSpec, ImageChoice};
use crate::runtime::lock::Sweeper;
use crate::runtime::port;
use crate::spec::profile::{Gpus, Network, Volume};

/// Everything that one test makes, and how it goes away again, also when the test fails.
struct Bench {
    folder: TempDir,
    /// Held, so that no sweep takes the containers for leftovers.
    lock: Option<File>,
    lock_path: PathBuf,
    run: RunId,
    image: String,
    client: Client,
}

impl Bench {
    /// `None` where no daemon answers.
    async fn set_up() -> Option<Self> {
        static N_BENCHES: AtomicU32 = AtomicU32::new(0);
        let client = match Client::connect().await {
            Ok(client) => client,
            Err(error) => {
                // Past the test harness, which keeps to itself what a passing test prints.
                let _ = writeln!(
                    std::io::stderr(),
                    "skipped: no Docker reachable, because {error}"
                );
                return None;
            }
        };
        let number = N_BENCHES.fetch_add(1, Ordering::Relaxed);
        let name = format!("gridrun-test-{}-{number}", std::process::id());
        let folder = tempfile::tempdir().unwrap();
        let lock_path = folder.path().join("lock");
        let lock = File::create(&lock_path).unwrap();
        lock.lock().unwrap();
        let bench = Self {
            folder,
            lock: Some(lock),
            lock_path,
            run: name.parse().unwrap(),
            image: format!("{name}:latest"),
            client,
        };
        let programs = ["/bin/sh", "/bin/sleep"].map(|path| Placed {
            on_host: path.into(),
            inside: path.into(),
        });
        import(
            &bench.client,
            &programs,
            &["/bin/sh", "-c"],
            &name,
            "latest",
        )
        .await
        .unwrap();
        Some(bench)
    }

    /// An engine whose program is `script`: the image takes its first argument for one.
    fn spec(&self, script: &str) -> EngineSpec {
        EngineSpec {
            image: ImageChoice::Named(self.image.clone()),
            model: script.to_owned(),
            shm: Some(64 << 20),
            memory: Some(256 << 20),
            ..EngineSpec::rehearsal(&profile(), vec![], self.lock_path.clone())
        }
    }

    async fn runtime(&self, spec: EngineSpec) -> DockerRuntime {
        DockerRuntime::connect_to(self.client.address(), spec)
            .await
            .unwrap()
    }

    fn launch(&self) -> Launch {
        Launch {
            run: self.run.clone(),
            ..launch(&self.folder.path().join("engine.log"))
        }
    }

    async fn start(&self, script: &str) -> DockerEngine {
        self.runtime(self.spec(script))
            .await
            .start(&self.launch())
            .await
            .unwrap()
    }

    async fn is_there(&self, container: &str) -> bool {
        let options = None::<InspectContainerOptions>;
        match self
            .client
            .docker()
            .inspect_container(container, options)
            .await
        {
            Ok(_) => true,
            Err(error) => {
                assert!(refusal::is_not_found(&error), "{error}");
                false
            }
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let (address, run) = (self.client.address().to_owned(), self.run.to_string());
        let image = self.image.clone();
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let client = Client::connect_to(&address).await.unwrap();
                let docker = client.docker();
                let filter = [("label", vec![format!("{LABEL_RUN}={run}")])].into();
                let options = ListContainersOptionsBuilder::new()
                    .all(true)
                    .filters(&filter)
                    .build();
                for container in docker.list_containers(Some(options)).await.unwrap() {
                    let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
                    let id = container.id.unwrap();
                    let _ = docker.remove_container(&id, Some(options.build())).await;
                }
                let options = RemoveImageOptionsBuilder::new().force(true).build();
                let _ = docker.remove_image(&image, Some(options), None).await;
            });
        });
        let _ = cleaner.join();
    }
}

async fn until_it_says(engine: &DockerEngine, words: &str) {
    while !engine.log().contains(words) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_engine_that_dies_leaves_its_exit_code_its_whole_log_and_nothing_else() {
    let Some(bench) = Bench::set_up().await else {
        return;
    };
    let script = "echo first; echo key $VLLM_API_KEY >&2; echo $0 $@; exit 3";
    let runtime = bench.runtime(bench.spec(script)).await;
    let facts = runtime.prepare().await.unwrap();
    assert!(facts.runtime.starts_with("docker "), "{}", facts.runtime);
    assert!(facts.image_digest.unwrap().starts_with("sha256:"));
    assert!(!facts.stand_in);
    assert_eq!(facts.notes, Vec::<String>::new());

    let mut engine = runtime.start(&bench.launch()).await.unwrap();
    let container = engine.reference().to_owned();
    engine.exited().await.unwrap();
    engine.exited().await.unwrap();
    let end = engine.stop(StopMode::Kill).await.unwrap().end;
    assert!(end.by_itself);
    assert_eq!((end.exit_code, end.oom_killed), (Some(3), Some(false)));
    let log = std::fs::read_to_string(bench.launch().log_path).unwrap();
    assert!(log.contains("first\n"), "{log}");
    assert!(log.contains("key [hidden]\n"), "{log}");
    assert!(
        log.contains("--max-num-seqs 32 --host 127.0.0.1 --port "),
        "{log}"
    );
    assert!(!bench.is_there(&container).await);
}

#[tokio::test]
async fn a_memory_limit_too_small_kills() {
    let Some(bench) = Bench::set_up().await else {
        return;
    };
    let script = "x=0123456789; while :; do x=$x$x; done";
    let spec = EngineSpec {
        memory: Some(16 << 20),
        ..bench.spec(script)
    };
    let mut engine = bench
        .runtime(spec)
        .await
        .start(&bench.launch())
        .await
        .unwrap();
    engine.exited().await.unwrap();
    let end = engine.stop(StopMode::Kill).await.unwrap().end;
    assert!(end.by_itself);
    assert_eq!((end.exit_code, end.oom_killed), (Some(137), Some(true)));
}

#[tokio::test]
async fn a_graceful_stop_lets_the_engine_say_its_last_words() {
    let Some(bench) = Bench::set_up().await else {
        return;
    };
    let script = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done";
    let engine = bench.start(script).await;
    let container = engine.reference().to_owned();
    until_it_says(&engine, "up").await;
    let end = engine
        .stop(StopMode::Gracefully(Duration::from_secs(30)))
        .await
        .unwrap()
        .end;
    assert!(!end.by_itself);
    assert_eq!((end.exit_code, end.oom_killed), (Some(7), Some(false)));
    assert_eq!(
        std::fs::read_to_string(bench.launch().log_path).unwrap(),
        "up\nbye\n"
    );
    assert!(!bench.is_there(&container).await);
}

#[tokio::test]
async fn an_engine_that_ignores_sigterm_is_killed_and_that_is_no_memory_death() {
    let Some(bench) = Bench::set_up().await else {
        return;
    };
    let mut engine = bench
        .start("trap '' TERM; echo up; while :; do sleep 1; done")
        .await;
    until_it_says(&engine, "up").await;
    tokio::select! {
        ended = engine.exited() => panic!("it runs: {ended:?}"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    let end = engine
        .stop(StopMode::Gracefully(Duration::from_millis(1)))
        .await
        .unwrap()
        .end;
    assert!(!end.by_itself);
    assert_eq!((end.exit_code, end.oom_killed), (Some(137), Some(false)));
}

/// Ports that [`taken_first`] gives before free ones.
static TAKEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());

fn taken_first() -> io::Result<u16> {
    let taken = TAKEN.lock().unwrap().pop();
    taken.map_or_else(port::pick, Ok)
}

#[tokio::test]
async fn in_a_bridge_a_taken_port_is_retried_with_another_and_answers_on_the_loopback() {
    let Some(bench) = Bench::set_up().await else {
        return;
    };
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().port();
    TAKEN.lock().unwrap().push(taken);
    let spec = EngineSpec {
        network: Network::Bridge,
        ..bench.spec("echo $@; sleep 600")
    };
    let runtime = bench.runtime(spec).await.with_port_picker(taken_first);
    let facts = runtime.prepare().await.unwrap();
    assert_eq!(
        facts.notes,
        ["bridge network: a port proxy is in the measured path"]
    );
    let engine = runtime.start(&bench.launch()).await.unwrap();
    until_it_says(&engine, "--host 0.0.0.0 --port 8000").await;
    assert_ne!(engine.base_url(), format!("http://127.0.0.1:{taken}"));
    let address = engine
        .base_url()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let connected = TcpStream::connect(address);
    engine.stop(StopMode::Kill).await.unwrap();
    connected.unwrap();
}

#[tokio::test]
async fn what_cannot_work_is_told_before_the_first_start() {
    let Some(bench) = Bench::set_up().await else {
        return;
    };
    let missing = Volume {
        from: "/nowhere/models".into(),
        to: "/models".into(),
        read_only: true,
    };
    let specs = [
        (
            EngineSpec {
                volumes: vec![missing],
                ..bench.spec("")
            },
            "/nowhere/models does not exist; make it, or correct `volumes` in [engine]",
        ),
        (
            EngineSpec {
                image: ImageChoice::Named("localhost:1/gridrun/none".to_owned()),
                ..bench.spec("")
            },
            "the image localhost:1/gridrun/none:latest is not on this host and cannot be pulled",
        ),
        (
            EngineSpec {
                gpus: Gpus::Ids(vec!["no-such-gpu".to_owned()]),
                ..bench.spec("")
            },
            "no engine can be started with this profile: ",
        ),
    ];
    for (spec, front) in specs {
        let error = bench.runtime(spec).await.prepare().await.unwrap_err();
        assert!(matches!(error, RuntimeError::NotPrepared { .. }), "{error}");
        assert!(error.to_string().starts_with(front), "{error}");
    }
}

#[tokio::test]
async fn the_daemons_refusal_is_in_its_own_words_and_leaves_no_container() {
    let Some(bench) = Bench::set_up().await else {
        return;
    };
    let spec = EngineSpec {
        gpus: Gpus::Ids(vec!["no-such-gpu".to_owned()]),
        ..bench.spec("")
    };
    let runtime = bench.runtime(spec).await;
    for _ in 0..2 {
        // The second start would find the name taken if the first had left its container.
        let error = runtime.start(&bench.launch()).await.unwrap_err();
        let RuntimeError::Refused { words } = error else {
            panic!("{error}")
        };
        assert!(
            !words.is_empty() && !words.contains("already in use"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_sweep_removes_what_dead_runs_left_and_spares_the_living() {
    let Some(mut bench) = Bench::set_up().await else {
        return;
    };
    let Some(living) = Bench::set_up().await else {
        return;
    };
    let left = bench.start("sleep 600").await;
    let spared = living.start("sleep 600").await;
    let container = left.reference().to_owned();
    drop(left);
    let log = std::fs::read_to_string(bench.launch().log_path).unwrap();
    assert!(
        log.contains("was not stopped; the next sweep removes it"),
        "{log}"
    );
    bench.lock = None;

    let said = sweep(&bench.client, Sweeper::User).await.unwrap();
    let line = format!(
        "removed container {} of attempt {} of run {}",
        &container[..12],
        bench.launch().attempt,
        bench.run
    );
    assert!(said.contains(&line), "{line} in {said:?}");
    assert!(!bench.is_there(&container).await);

    assert!(living.is_there(spared.reference()).await);
    let said = living.runtime(living.spec("")).await.sweep().await.unwrap();
    assert!(
        said.iter().any(|line| line.contains(living.run.as_str())),
        "{said:?}"
    );
    assert!(!living.is_there(spared.reference()).await);
    let end = spared.stop(StopMode::Kill).await.unwrap().end;
    assert_eq!(
        end.error.as_deref(),
        Some("the container was removed by somebody else")
    );
}

#[tokio::test]
async fn the_stand_in_image_is_made_once_and_its_program_runs() {
    let Some(mut bench) = Bench::set_up().await else {
        return;
    };
    let spec = EngineSpec {
        image: ImageChoice::StandIn,
        ..bench.spec("model")
    };
    let mut ids = Vec::new();
    let mut runtime = None;
    for _ in 0..2 {
        let made = bench
            .runtime(spec.clone())
            .await
            .with_stand_in("/bin/sh".into());
        ids.push(made.image().await.unwrap().id.clone());
        assert!(made.prepare().await.unwrap().stand_in);
        runtime = Some(made);
    }
    let inspected = bench.client.docker().inspect_image(&ids[0]).await.unwrap();
    let tags = inspected.repo_tags.unwrap();
    let own = bench.image.clone();
    bench.image = tags[0].clone();
    assert!(bench.image.starts_with(REPOSITORY), "{tags:?}");
    assert_eq!(ids[0], ids[1]);

    // The shell takes the verb for a script that it does not find: its loader and its
    // libraries were there.
    let mut engine = runtime.unwrap().start(&bench.launch()).await.unwrap();
    engine.exited().await.unwrap();
    let end = engine.stop(StopMode::Kill).await.unwrap().end;
    assert_eq!(end.exit_code, Some(2));
    let log = std::fs::read_to_string(bench.launch().log_path).unwrap();
    assert!(log.contains("stand-in"), "{log}");

    let options = RemoveImageOptionsBuilder::new().force(true).build();
    bench
        .client
        .docker()
        .remove_image(&own, Some(options), None)
        .await
        .unwrap();
}

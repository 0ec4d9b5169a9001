//! A daemon that goes away in the middle, at every moment that matters: a fake one that
//! speaks just enough of its protocol over a socket of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

use crate::runner::ports::{Engine, Runtime, RuntimeError, StopMode};
use crate::runtime::docker::engine::DockerEngine;
use crate::runtime::docker::runtime::DockerRuntime;
use crate::runtime::engine_spec::tests::{launch, profile};
use crate::runtime::engine_spec::{EngineSpec, ImageChoice};

/// What the daemon does when it is asked to wait for the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It answers and lives on.
    Stays,
    /// It breaks the connection.
    Dies,
    /// It takes its socket away first, stops the engine, answers, and serves the connections
    /// that it has.
    ShutsDown,
    /// It is another process by now, which answers at once.
    WasReplaced,
}

#[derive(Debug)]
struct Daemon {
    socket: PathBuf,
    fate: Fate,
    exit_code: i64,
    accepting: Mutex<Option<AbortHandle>>,
    event_streams: Mutex<Vec<AbortHandle>>,
}

impl Daemon {
    fn listen(self: &Arc<Self>) {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let daemon = Arc::clone(self);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (daemon, (sender, receiver)) =
                    (Arc::clone(&daemon), tokio::sync::oneshot::channel());
                let serving = tokio::spawn(async move {
                    if let Ok(own) = receiver.await {
                        daemon.serve(stream, own).await;
                    }
                });
                let _ = sender.send(serving.abort_handle());
            }
        });
        *self.accepting.lock().unwrap() = Some(accepting.abort_handle());
    }

    fn close(&self) {
        std::fs::remove_file(&self.socket).unwrap();
        self.accepting.lock().unwrap().take().unwrap().abort();
    }

    async fn serve(self: Arc<Self>, stream: UnixStream, own: AbortHandle) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read_request(&mut stream).await {
            let answer = match request.as_str() {
                "GET /version" => json(r#"{"Version":"1.0","ApiVersion":"1.41"}"#),
                "GET /_ping" => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK".to_owned(),
                "GET /images/image:1/json" => {
                    json(r#"{"Id":"sha256:aa","Config":{"Entrypoint":["vllm","serve"]}}"#)
                }
                "POST /containers/create" => json(r#"{"Id":"c1","Warnings":[]}"#),
                "POST /containers/c1/start" | "DELETE /containers/c1" => {
                    "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
                }
                "GET /containers/c1/logs" => {
                    "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()
                }
                "GET /containers/c1/json" => json(&format!(
                    r#"{{"State":{{"Running":false,"OOMKilled":false,"ExitCode":{},"Error":""}}}}"#,
                    self.exit_code
                )),
                "GET /events" => {
                    self.event_streams.lock().unwrap().push(own.clone());
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned()
                }
                "POST /containers/c1/wait" => {
                    match self.fate {
                        Fate::Stays => {}
                        Fate::Dies => return,
                        Fate::ShutsDown => self.close(),
                        Fate::WasReplaced => {
                            for stream in self.event_streams.lock().unwrap().drain(..) {
                                stream.abort();
                            }
                        }
                    }
                    json(&format!(r#"{{"StatusCode":{}}}"#, self.exit_code))
                }
                other => panic!("unknown request {other}"),
            };
            if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// Method and path of the next request, whose body is skipped; `None` when there is none.
async fn read_request(stream: &mut BufReader<UnixStream>) -> Option<String> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    Some(format!("{method} {}", target.split('?').next()?))
}

fn json(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

struct Stage {
    folder: TempDir,
    daemon: Arc<Daemon>,
    runtime: DockerRuntime,
}

impl Stage {
    async fn set(fate: Fate, exit_code: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let daemon = Arc::new(Daemon {
            socket: socket.clone(),
            fate,
            exit_code,
            accepting: Mutex::new(None),
            event_streams: Mutex::new(Vec::new()),
        });
        daemon.listen();
        let spec = EngineSpec {
            image: ImageChoice::Named("image:1".to_owned()),
            ..EngineSpec::rehearsal(&profile(), vec![], folder.path().join("lock"))
        };
        let address = format!("unix://{}", socket.display());
        let runtime = DockerRuntime::connect_to(&address, spec).await.unwrap();
        Self {
            folder,
            daemon,
            runtime,
        }
    }

    async fn start(&self) -> DockerEngine {
        let engine = self.runtime.start(&launch(&self.log_path())).await.unwrap();
        // The stream of events is opened on the side; its opening is not waited for.
        while self.daemon.event_streams.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        engine
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("engine.log")
    }
}

fn remark(path: &Path) -> bool {
    std::fs::read_to_string(path)
        .unwrap()
        .contains("container c1 was not stopped")
}

#[tokio::test]
async fn an_engines_own_end_is_believed() {
    for exit_code in [0, 1, 137, 143] {
        let stage = Stage::set(Fate::Stays, exit_code).await;
        let mut engine = stage.start().await;
        engine.exited().await.unwrap();
        let end = engine.stop(StopMode::Kill).await.unwrap().end;
        assert!(end.by_itself);
        assert_eq!(end.exit_code, Some(exit_code));
        assert!(!remark(&stage.log_path()));
    }
}

#[tokio::test]
async fn a_daemon_that_goes_away_is_never_the_engines_end() {
    let cases = [
        (Fate::Dies, 1),
        (Fate::ShutsDown, 0),
        (Fate::ShutsDown, 1),
        (Fate::ShutsDown, 143),
        (Fate::WasReplaced, 137),
        (Fate::WasReplaced, 143),
    ];
    for (fate, exit_code) in cases {
        let stage = Stage::set(fate, exit_code).await;
        let mut engine = stage.start().await;
        let error = engine.exited().await.unwrap_err();
        assert!(
            matches!(error, RuntimeError::Unreachable { .. }),
            "{fate:?}: {error}"
        );
        assert_eq!(
            stage.runtime.reachable().await,
            fate != Fate::ShutsDown,
            "{fate:?}"
        );
        drop(engine);
        assert!(remark(&stage.log_path()), "{fate:?}");
    }
}

#[tokio::test]
async fn stopping_doubts_the_daemon_as_well() {
    let stage = Stage::set(Fate::Stays, 143).await;
    let engine = stage.start().await;
    for stream in stage.daemon.event_streams.lock().unwrap().drain(..) {
        stream.abort();
    }
    let error = engine.stop(StopMode::Kill).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Unreachable { .. }), "{error}");
    // The daemon still answers, so nothing was left behind.
    assert!(!remark(&stage.log_path()));
}

#[tokio::test]
async fn a_start_without_a_daemon_is_no_refusal() {
    let stage = Stage::set(Fate::Stays, 0).await;
    stage.runtime.image().await.unwrap();
    stage.daemon.close();
    drop(stage.daemon);
    // A connection of before may still be served; a new attempt needs more than one.
    let address = format!(
        "unix://{}",
        stage.folder.path().join("docker.sock").display()
    );
    let spec = EngineSpec::rehearsal(&profile(), vec![], stage.folder.path().join("lock"));
    let error = DockerRuntime::connect_to(&address, spec).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Unreachable { .. }), "{error}");
    assert!(!stage.runtime.reachable().await);
}

//! The whole engine in this process, asked over loopback.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::stand_in::http::server::DevMode;
use crate::stand_in::log::writer::Log;
use crate::stand_in::log::writer::tests::Captured;
use crate::stand_in::serve::{Environment, live};

mod answers;
mod metrics;
mod recorded;
mod surface;
mod tools;

const KEY: &str = "sk-stand-in";
/// Fast enough that no test waits for the imagined GPU.
const FAST: &str = "--host 127.0.0.1 --port 0 --stand-in-start-up 0s \
                    --stand-in-prefill-tokens-per-second 1e7 --stand-in-decode-tokens-per-second 1e5";

pub(in crate::stand_in) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// An engine that serves, and the means to ask it and to stop it.
pub(super) struct Running {
    pub(super) url: String,
    pub(super) log: Captured,
    stop: oneshot::Sender<()>,
    engine: JoinHandle<i32>,
    client: Client,
}

impl Running {
    pub(super) async fn start(flags: &str) -> Self {
        Self::start_in(DevMode::Off, flags).await
    }

    async fn start_in(dev_mode: DevMode, flags: &str) -> Self {
        let log = Captured::default();
        let (stop, stopped) = oneshot::channel();
        let args = words(&format!("some/model --served-model-name m {FAST} {flags}"));
        let sink = Log::to(log.clone());
        let environment = Environment {
            key: Some(KEY.to_owned()),
            dev_mode,
            ..Environment::default()
        };
        let engine = tokio::spawn(async move {
            live(&args, environment, &sink, async {
                let _ = stopped.await;
            })
            .await
        });
        let url = loop {
            let text = log.text();
            if text.contains("Application startup complete.")
                && let Some((_, behind)) = text.split_once(" on http://")
                && let Some((address, _)) = behind.split_once(['\n', ' '])
            {
                break format!("http://{address}");
            }
            assert!(!engine.is_finished(), "the engine died:\n{text}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            url,
            log,
            stop,
            engine,
            client: Client::new(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.url))
            .bearer_auth(KEY)
            .send()
            .await
            .unwrap()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .bearer_auth(KEY);
        request.json(body).send().await.unwrap()
    }

    pub(super) async fn chat(&self, body: &Value) -> Value {
        let response = self.post("/v1/chat/completions", body).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// The lines of `/metrics` that begin with `start`.
    pub(super) async fn metric_lines(&self, start: &str) -> Vec<String> {
        let page = self.get("/metrics").await.text().await.unwrap();
        page.lines()
            .filter(|line| line.starts_with(start))
            .map(str::to_owned)
            .collect()
    }

    /// The value of one of the engine's metrics.
    async fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics").await.text().await.unwrap();
        let start = format!("vllm:{name}{{");
        let line = page.lines().find(|line| line.starts_with(&start)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until it ends without being told to.
    pub(super) async fn dies(self) -> (i32, String) {
        (self.engine.await.unwrap(), self.log.text())
    }

    pub(super) async fn end(self) -> (i32, String) {
        self.stop.send(()).unwrap();
        (self.engine.await.unwrap(), self.log.text())
    }
}

pub(super) fn question(text: &str, extra: &Value) -> Value {
    let mut body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
    });
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The events of a stream: JSON, then whether `[DONE]` was the last.
fn events(text: &str) -> (Vec<Value>, bool) {
    let mut data: Vec<&str> = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| &event["data: ".len()..])
        .collect();
    let done = data.pop_if(|last| *last == "[DONE]").is_some();
    (
        data.into_iter()
            .map(|event| serde_json::from_str(event).unwrap())
            .collect(),
        done,
    )
}

/// How an engine that cannot serve ends: exit code and log.
pub(super) async fn end_of(line: &str) -> (i32, String) {
    let log = Captured::default();
    let code = live(
        &words(line),
        Environment::default(),
        &Log::to(log.clone()),
        std::future::pending(),
    )
    .await;
    (code, log.text())
}

#[tokio::test]
async fn what_is_open_is_open_and_what_is_guarded_wants_the_key() {
    let engine = Running::start("").await;
    let bare = Client::new();
    for (path, status) in [
        ("/health", 200),
        ("/version", 200),
        ("/metrics", 200),
        ("/v1/models", 401),
        ("/v1/nothing", 401),
        ("/nothing", 404),
    ] {
        let response = bare
            .get(format!("{}{path}", engine.url))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{path}");
        if status == 401 {
            assert_eq!(
                response.text().await.unwrap(),
                r#"{"error":"Unauthorized"}"#
            );
        }
    }
    assert_eq!(engine.get("/health").await.text().await.unwrap(), "");
    assert_eq!(
        engine.get("/version").await.text().await.unwrap(),
        r#"{"version":"0.32.0"}"#
    );
    let models: Value = engine.get("/v1/models").await.json().await.unwrap();
    let entry = &models["data"][0];
    assert_eq!(
        (&entry["id"], &entry["root"], &entry["max_model_len"]),
        (&json!("m"), &json!("some/model"), &json!(8192))
    );
    let wrong = bare
        .get(format!("{}/v1/models", engine.url))
        .bearer_auth("other")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 401);
}

#[tokio::test]
async fn a_stream_is_role_then_tokens_then_usage_then_done() {
    let engine = Running::start("").await;
    let extra = json!({"stream": true, "stream_options": {"include_usage": true}, "max_tokens": 7, "ignore_eos": true});
    let response = engine
        .post("/v1/chat/completions", &question("hello", &extra))
        .await;
    assert_eq!(
        response.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let (events, done) = events(&response.text().await.unwrap());
    assert!(done);
    assert_eq!(events.len(), 1 + 7 + 1);
    assert_eq!(
        events[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": ""})
    );
    let reasons: Vec<&Value> = events[1..8]
        .iter()
        .map(|event| &event["choices"][0]["finish_reason"])
        .collect();
    assert!(reasons[..6].iter().all(|reason| reason.is_null()));
    assert_eq!(reasons[6], "length");
    assert_eq!(events[8]["choices"], json!([]));
    assert_eq!(events[8]["usage"]["completion_tokens"], 7);
    let streamed: String = events[..8]
        .iter()
        .map(|event| event["choices"][0]["delta"]["content"].as_str().unwrap())
        .collect();
    let whole = engine
        .chat(&question(
            "hello",
            &json!({"max_tokens": 7, "ignore_eos": true}),
        ))
        .await;
    assert_eq!(whole["choices"][0]["message"]["content"], streamed);
    assert_eq!(
        whole["usage"]["prompt_tokens"],
        events[8]["usage"]["prompt_tokens"]
    );
}

#[tokio::test]
async fn a_model_that_may_stop_stops() {
    let engine = Running::start("").await;
    let answer = engine.chat(&question("hello", &json!({}))).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert!((24..=151).contains(&answer["usage"]["completion_tokens"].as_u64().unwrap()));
    assert_eq!(answer, {
        let mut again = engine.chat(&question("hello", &json!({}))).await;
        again["id"] = answer["id"].clone();
        again["created"] = answer["created"].clone();
        again
    });
}

#[tokio::test]
async fn tokens_are_counted_alike_everywhere() {
    let engine = Running::start("").await;
    let text = "An unusual sentence, with 3 numbers: 1, 22, 4096.";
    let ask = question(text, &json!({"max_tokens": 1}));
    let counted: Value = engine.post("/tokenize", &ask).await.json().await.unwrap();
    assert_eq!(
        engine.chat(&ask).await["usage"]["prompt_tokens"],
        counted["count"]
    );
    assert_eq!(counted["max_model_len"], 8192);
    assert_eq!(
        engine
            .post("/tokenize", &ask)
            .await
            .json::<Value>()
            .await
            .unwrap(),
        counted
    );

    let plain = json!({"model": "m", "prompt": text});
    let counted: Value = engine.post("/tokenize", &plain).await.json().await.unwrap();
    let answer: Value = engine
        .post("/v1/completions", &plain)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(answer["usage"]["prompt_tokens"], counted["count"]);
    assert_eq!(answer["usage"]["completion_tokens"], 16);
    let back: Value = engine
        .post("/detokenize", &json!({"tokens": counted["tokens"]}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(back["prompt"], text);
}

#[tokio::test]
async fn a_repeated_prompt_is_cached_and_counted() {
    let engine = Running::start("--enable-prompt-tokens-details --block-size 32").await;
    let ask = question(&"a word ".repeat(200), &json!({"max_tokens": 1}));
    let first = engine.chat(&ask).await;
    let n = first["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(first["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let again = engine.chat(&ask).await;
    let eligible = (n - 1) / 32 * 32;
    assert!(eligible > 300);
    assert_eq!(
        again["usage"]["prompt_tokens_details"]["cached_tokens"],
        eligible
    );
    let shown = (
        engine.metric("prefix_cache_queries_total").await,
        engine.metric("prefix_cache_hits_total").await,
    );
    assert_eq!(shown, ((2 * n) as f64, eligible as f64));
    assert_eq!(engine.metric("prompt_tokens_total").await, (2 * n) as f64);
}

#[tokio::test]
async fn without_prefix_caching_nothing_is_cached_nor_counted() {
    let engine = Running::start("--enable-prompt-tokens-details --no-enable-prefix-caching").await;
    let ask = question(&"a word ".repeat(200), &json!({"max_tokens": 1}));
    for _ in 0..2 {
        assert_eq!(
            engine.chat(&ask).await["usage"]["prompt_tokens_details"]["cached_tokens"],
            0
        );
    }
    assert_eq!(engine.metric("prefix_cache_queries_total").await, 0.0);
    assert_eq!(engine.metric("prefix_cache_hits_total").await, 0.0);
}

#[tokio::test]
async fn more_clients_than_may_run_are_all_answered() {
    let engine = Running::start("--max-num-seqs 2").await;
    let asks: Vec<Value> = (0..6)
        .map(|n| {
            question(
                &format!("number {n}"),
                &json!({"max_tokens": 20, "ignore_eos": true}),
            )
        })
        .collect();
    let answers = futures_util::future::join_all(asks.iter().map(|ask| engine.chat(ask))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer["usage"]["completion_tokens"] == 20)
    );
    let texts: std::collections::HashSet<String> = answers
        .iter()
        .map(|answer| answer["choices"][0]["message"]["content"].to_string())
        .collect();
    assert_eq!(texts.len(), 6);
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let engine = Running::start("--stand-in-decode-tokens-per-second 50").await;
    let extra = json!({"stream": true, "ignore_eos": true});
    let mut response = engine
        .post("/v1/chat/completions", &question("hello", &extra))
        .await;
    response.chunk().await.unwrap().unwrap();
    assert_eq!(engine.metric("num_requests_running").await, 1.0);
    drop(response);
    while engine.metric("num_requests_running").await > 0.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let page = engine.get("/metrics").await.text().await.unwrap();
    assert!(page.contains(
        "vllm:request_success_total{engine=\"0\",finished_reason=\"abort\",model_name=\"m\"} 1.0"
    ));
}

#[tokio::test]
async fn a_stopped_engine_exits_with_zero_and_has_logged_its_life() {
    let engine =
        Running::start("--max-num-seqs 8 --no-enable-prefix-caching --max-num-batched-tokens 4096")
            .await;
    engine.get("/health").await;
    engine
        .post(
            "/v1/chat/completions",
            &json!({"model": "nope", "messages": []}),
        )
        .await;
    let (code, log) = engine.end().await;
    assert_eq!(code, 0);
    for part in [
        "This is gridrun's stand-in engine",
        "version 0.32.0",
        "non-default args: {'model_tag': 'some/model', 'host': '127.0.0.1', 'port': 0, ",
        "'max_num_seqs': 8, 'enable_prefix_caching': False",
        "Chunked prefill is enabled with max_num_batched_tokens=4096.",
        "Initializing a V1 LLM engine (v0.32.0) with config: model='some/model'",
        "max_seq_len=8192,",
        "enable_prefix_caching=False, enable_chunked_prefill=True",
        "GPU KV cache size: 230,",
        "tokens, Maximum concurrency for 8,192 tokens per request: 28.",
        "INFO:     Application startup complete.",
        "\"GET /health HTTP/1.1\" 200 OK",
        "\"POST /v1/chat/completions HTTP/1.1\" 404 Not Found",
        "INFO:     Application shutdown complete.",
    ] {
        assert!(log.contains(part), "{part}\nis not in\n{log}");
    }
    assert!(log.lines().next().unwrap().contains("stand-in"));
    assert!(!log.contains(KEY));
}

#[tokio::test]
async fn engines_that_cannot_serve_end_as_vllm_would() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (line, code, last) in [
        (
            "m --no-such-flag 3".to_owned(),
            2,
            "vllm: error: unrecognized arguments: --no-such-flag 3",
        ),
        (
            "m --max-num-seqs abc".to_owned(),
            2,
            "vllm serve: error: argument --max-num-seqs: invalid int value: 'abc'",
        ),
        (
            "m --gpu-memory-utilization 1.5".to_owned(),
            1,
            "    For further information visit https://errors.pydantic.dev/2.14/v/less_than_equal",
        ),
        (
            format!("m {FAST} --gpu-memory-utilization 0.2"),
            1,
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}",
        ),
        (
            format!("m --host 127.0.0.1 --port {port}"),
            1,
            "OSError: [Errno 98] Address already in use",
        ),
    ] {
        let (ended, log) = end_of(&line).await;
        assert_eq!(
            (ended, log.lines().last()),
            (code, Some(last)),
            "{line}\n{log}"
        );
        assert!(log.lines().next().unwrap().contains("stand-in"));
    }
}

#[tokio::test]
async fn host_memory_is_really_taken() {
    let engine = Running::start("--stand-in-host-memory 64MiB").await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib > 64 * 1024, "only {kib} KiB are resident");
    assert_eq!(engine.end().await.0, 0);
}

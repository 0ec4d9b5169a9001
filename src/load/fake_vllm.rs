//! A fake vLLM for this edge's tests: raw HTTP/1.1 on a port that the system picks, with a
//! prefix cache that knows whole prompts, and every way of failing that a test asks for.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::runner::ports::Target;

pub const KEY: &str = "key-of-this-attempt";
pub const MODEL: &str = "fake";
pub const BLOCK: u64 = 16;
/// How long a proper answer waits between its role chunk and its first token.
pub const PREFILL: Duration = Duration::from_millis(40);

/// How one streamed completion is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Proper,
    /// Every byte is an HTTP chunk of its own.
    ByteByByte,
    /// So many tokens, then nothing more while the connection stays open.
    Stall(usize),
    /// So many tokens, then the connection breaks.
    Cut(usize),
    /// So many tokens, then an orderly end without a finish reason.
    EndEarly(usize),
    /// A token now and then, without end.
    Endless,
    Status(u16, String),
    /// An error event inside the 200, then `[DONE]`.
    ErrorEvent,
    Garbled,
    NotAStream,
    NoUsage,
    NoDone,
    OutputTokens(u64),
    FinishReason(&'static str),
    /// Says this, as a model that stops by itself.
    Say {
        reasoning: &'static str,
        content: String,
        reason: &'static str,
    },
    /// The connection ends before the response begins.
    Reset,
    /// These deltas in place of the usual ones.
    Deltas(Vec<Value>),
    /// A proper one, after which the connection is closed without a word.
    ProperThenClosed,
}

/// What the server is; tests change it at any time.
#[derive(Debug)]
pub struct Engine {
    pub health: u16,
    pub models: Vec<&'static str>,
    /// Answer to a completion that is not streamed; 200 gives a proper one.
    pub completion: u16,
    pub prefix_caching: bool,
    /// Usage tells cached tokens.
    pub prompt_details: bool,
    /// Tokens that the counters move beside those of the requests.
    pub foreign_tokens: u64,
    /// `/metrics` is there.
    pub has_metrics: bool,
    /// Answers to the next streams; then they are proper.
    pub replies: VecDeque<Reply>,
    /// Bodies of the streamed requests so far.
    pub streamed: Vec<Value>,
    /// Connections so far.
    pub n_connections: usize,
    seen: HashSet<String>,
    queries: u64,
    hits: u64,
    prompt_tokens: u64,
}

/// A running server; it ends with the test's runtime.
pub struct FakeVllm {
    pub target: Target,
    engine: Arc<Mutex<Engine>>,
}

impl FakeVllm {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = target_at(listener.local_addr().unwrap().port());
        let engine = Arc::new(Mutex::new(Engine {
            health: 200,
            models: vec!["other", MODEL],
            completion: 200,
            prefix_caching: true,
            prompt_details: false,
            foreign_tokens: 0,
            has_metrics: true,
            replies: VecDeque::new(),
            streamed: Vec::new(),
            n_connections: 0,
            seen: HashSet::new(),
            queries: 0,
            hits: 0,
            prompt_tokens: 0,
        }));
        let shared = Arc::clone(&engine);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.lock().unwrap().n_connections += 1;
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { target, engine }
    }

    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap()
    }

    pub fn reply_with(&self, replies: impl IntoIterator<Item = Reply>) {
        self.engine().replies.extend(replies);
    }
}

pub fn target_at(port: u16) -> Target {
    let base_url = format!("http://127.0.0.1:{port}");
    Target {
        base_url,
        model: MODEL.to_owned(),
        api_key: KEY.to_owned(),
    }
}

/// The rendered chat: a template of 9 tokens and one for each word.
pub fn count_tokens(content: &str) -> u64 {
    9 + content.split_whitespace().count() as u64
}

struct HttpRequest {
    line: String,
    authorized: bool,
    body: Value,
}

async fn serve(mut stream: TcpStream, engine: Arc<Mutex<Engine>>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        if answer(&mut stream, &engine, request).await.is_none() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<HttpRequest> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let field = |name: &str| {
                head.lines().find_map(|line| {
                    let (field, value) = line.split_once(':')?;
                    field
                        .eq_ignore_ascii_case(name)
                        .then(|| value.trim().to_owned())
                })
            };
            let length: usize = field("content-length").map_or(0, |value| value.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = serde_json::from_slice(&buffer[end + 4..end + 4 + length]);
                buffer.drain(..end + 4 + length);
                return Some(HttpRequest {
                    line: head.lines().next().unwrap().to_owned(),
                    authorized: field("authorization") == Some(format!("Bearer {KEY}")),
                    body: body.unwrap_or(Value::Null),
                });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// `None` when the connection must end.
async fn answer(
    stream: &mut TcpStream,
    engine: &Arc<Mutex<Engine>>,
    request: HttpRequest,
) -> Option<()> {
    let path = request.line.split(' ').nth(1)?.to_owned();
    if path.starts_with("/v1") && !request.authorized {
        return respond(stream, 401, r#"{"error":"Unauthorized"}"#).await;
    }
    match path.as_str() {
        "/health" => {
            let status = engine.lock().unwrap().health;
            respond(stream, status, "").await
        }
        "/version" => respond(stream, 200, r#"{"version":"0.11.0"}"#).await,
        "/v1/models" => {
            let models = engine.lock().unwrap().models.clone();
            let data: Vec<Value> = models
                .iter()
                .map(|id| json!({ "id": id, "max_model_len": 4096 }))
                .collect();
            respond(
                stream,
                200,
                &json!({ "object": "list", "data": data }).to_string(),
            )
            .await
        }
        "/tokenize" => {
            assert_eq!(request.body["add_generation_prompt"], true);
            let content = request.body["messages"][0]["content"].as_str().unwrap();
            respond(
                stream,
                200,
                &json!({ "count": count_tokens(content) }).to_string(),
            )
            .await
        }
        "/metrics" => {
            let text = metrics(&engine.lock().unwrap());
            match text {
                Some(text) => respond(stream, 200, &text).await,
                None => respond(stream, 404, "").await,
            }
        }
        "/v1/chat/completions" if request.body["stream"] == true => {
            let (reply, usage) = admit(&mut engine.lock().unwrap(), request.body);
            stream_reply(stream, reply, usage).await
        }
        "/v1/chat/completions" => {
            let status = engine.lock().unwrap().completion;
            let body = match status {
                200 => r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"length"}]}"#,
                _ => r#"{"error":{"message":"EngineCore encountered an issue."}}"#,
            };
            respond(stream, status, body).await
        }
        _ => respond(stream, 404, "").await,
    }
}

async fn respond(stream: &mut TcpStream, status: u16, body: &str) -> Option<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n\r\n");
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .ok()
}

fn metrics(engine: &Engine) -> Option<String> {
    let Engine {
        queries,
        hits,
        prompt_tokens,
        prefix_caching,
        ..
    } = engine;
    let caching = if *prefix_caching { "True" } else { "False" };
    engine.has_metrics.then(|| {
        format!(
            "vllm:prefix_cache_queries_total{{engine=\"0\"}} {queries}.0\n\
             vllm:prefix_cache_hits_total{{engine=\"0\"}} {hits}.0\n\
             vllm:prompt_tokens_total{{engine=\"0\"}} {prompt_tokens}.0\n\
             vllm:cache_config_info{{block_size=\"{BLOCK}\",num_gpu_blocks=\"100\",\
             enable_prefix_caching=\"{caching}\"}} 1.0\n"
        )
    })
}

/// Takes a request into the cache; gives the reply and the usage that it will report.
fn admit(engine: &mut Engine, body: Value) -> (Reply, Value) {
    let reply = engine.replies.pop_front().unwrap_or(Reply::Proper);
    let content = body["messages"][0]["content"].as_str().unwrap().to_owned();
    let output = body["max_tokens"].as_u64().unwrap();
    let prompt = count_tokens(&content);
    engine.streamed.push(body);
    let refused = matches!(reply, Reply::Status(..) | Reply::Reset | Reply::ErrorEvent);
    let mut cached = 0;
    if !refused {
        engine.prompt_tokens += prompt;
        if engine.prefix_caching {
            if !engine.seen.insert(content) {
                cached = (prompt - 1) / BLOCK * BLOCK;
            }
            engine.queries += prompt + engine.foreign_tokens;
            engine.hits += cached;
        }
    }
    let output = if let Reply::OutputTokens(n) = reply {
        n
    } else {
        output
    };
    let mut usage = json!({ "prompt_tokens": prompt, "completion_tokens": output });
    if engine.prompt_details {
        usage["prompt_tokens_details"] = json!({ "cached_tokens": cached });
    }
    (reply, usage)
}

async fn stream_reply(stream: &mut TcpStream, reply: Reply, usage: Value) -> Option<()> {
    match &reply {
        Reply::Status(status, body) => return respond(stream, *status, body).await,
        Reply::Reset => return None,
        Reply::NotAStream => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n";
            return stream
                .write_all(format!("{head}<p/>").as_bytes())
                .await
                .ok();
        }
        _ => {}
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut writer = EventWriter {
        stream,
        by_byte: reply == Reply::ByteByByte,
    };
    writer
        .choice(json!({ "role": "assistant", "content": "" }), Value::Null)
        .await?;
    sleep(PREFILL).await;
    if let Reply::Say {
        reasoning,
        content,
        reason,
    } = &reply
    {
        if !reasoning.is_empty() {
            writer
                .choice(json!({ "reasoning": reasoning }), Value::Null)
                .await?;
            sleep(Duration::from_millis(5)).await;
        }
        for piece in content.split_inclusive(' ') {
            writer
                .choice(json!({ "content": piece }), Value::Null)
                .await?;
            sleep(Duration::from_millis(2)).await;
        }
        writer
            .choice(json!({ "content": "" }), json!(reason))
            .await?;
        writer
            .event(&json!({ "choices": [], "usage": usage }).to_string())
            .await?;
        writer.event("[DONE]").await?;
        return writer.end().await;
    }
    let n_tokens = usage["completion_tokens"].as_u64().unwrap() as usize;
    let n_sent = match &reply {
        Reply::Stall(n) | Reply::Cut(n) | Reply::EndEarly(n) => *n,
        Reply::Endless => usize::MAX,
        Reply::Deltas(_) => 0,
        _ => n_tokens,
    };
    if let Reply::Deltas(deltas) = &reply {
        for delta in deltas {
            writer.choice(delta.clone(), Value::Null).await?;
        }
    }
    for number in 0..n_sent {
        writer
            .choice(json!({ "content": format!(" w{number}") }), Value::Null)
            .await?;
        // Tokens that arrive together have no time between them.
        sleep(Duration::from_millis(2)).await;
    }
    match &reply {
        Reply::Stall(_) => {
            std::future::pending::<()>().await;
        }
        Reply::Cut(_) => return None,
        Reply::EndEarly(_) => return writer.end().await,
        Reply::ErrorEvent => {
            let error = json!({ "error": { "message": "EngineCore encountered an issue." } });
            writer.event(&error.to_string()).await?;
            writer.event("[DONE]").await?;
            return writer.end().await;
        }
        Reply::Garbled => {
            writer.event(r#"{"choices":[{"delta"#).await?;
            return writer.end().await;
        }
        _ => {}
    }
    let reason = if let Reply::FinishReason(reason) = reply {
        reason
    } else {
        "length"
    };
    writer
        .choice(json!({ "content": "" }), json!(reason))
        .await?;
    if reply != Reply::NoUsage {
        writer
            .event(&json!({ "choices": [], "usage": usage }).to_string())
            .await?;
    }
    if reply != Reply::NoDone {
        writer.event("[DONE]").await?;
    }
    writer.end().await?;
    (reply != Reply::ProperThenClosed).then_some(())
}

struct EventWriter<'a> {
    stream: &'a mut TcpStream,
    by_byte: bool,
}

impl EventWriter<'_> {
    async fn choice(&mut self, delta: Value, reason: Value) -> Option<()> {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        self.event(&json!({ "choices": [choice] }).to_string())
            .await
    }

    async fn event(&mut self, data: &str) -> Option<()> {
        let text = format!("data: {data}\n\n");
        let step = if self.by_byte { 1 } else { text.len() };
        for piece in text.as_bytes().chunks(step) {
            let size = format!("{:x}\r\n", piece.len());
            let chunk = [size.as_bytes(), piece, b"\r\n"].concat();
            self.stream.write_all(&chunk).await.ok()?;
        }
        Some(())
    }

    async fn end(&mut self) -> Option<()> {
        self.stream.write_all(b"0\r\n\r\n").await.ok()
    }
}

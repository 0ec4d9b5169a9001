//! One streamed chat completion: the bytes on the wire become instants, token counts and, when
//! it is no measurement, the reason.
//!
//! Knows nothing of workloads: whether the answer is the one that a workload needs is theirs
//! to say.

use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::load::chat::{ChatEvent, read_event};
use crate::load::sse::{SseDecoder, SseEvent};
use crate::measure::request::{Instants, RequestFailure, Usage};
use crate::runner::ports::Target;
use crate::time_scale::TimeScale;

/// How long to wait for a connection. The engines are on this host, so a longer wait finds
/// nothing new.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Uvicorn, which serves vLLM, closes a connection that was idle for five seconds. One that is
/// given up earlier than that cannot break under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a server may take to end its response after `[DONE]`, or to say why it refuses.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Most of a foreign text that is kept, in bytes.
const KEPT_TEXT_BYTES: usize = 2000;

/// The HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client")]
pub struct ClientError(#[source] reqwest::Error);

/// A client that speaks plain HTTP/1.1 to engines on this host, with keep-alive, past any proxy
/// that the environment names, and follows no redirects.
///
/// # Errors
/// When reqwest cannot be set up.
pub fn new_client() -> Result<reqwest::Client, ClientError> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // It fails only where a provider was installed before, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        // No certificate is ever needed; without this the client cannot be made on machines
        // that have no root certificates.
        .tls_certs_only([])
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build()
        .map_err(ClientError)
}

/// How long one request may take, in the time of the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestLimits {
    /// From the request to its last byte; also the longest wait for the first byte.
    pub total: Duration,
    /// Between two arrivals once the first byte is there.
    pub stall: Duration,
    /// How fast the engine's time runs.
    pub scale: TimeScale,
}

impl RequestLimits {
    /// The usual stall limit under a total one. Two minutes without a token is far beyond any
    /// preemption, and well below the default total.
    pub fn within(total: Duration) -> Self {
        Self {
            total,
            stall: total.min(Duration::from_secs(120)),
            scale: TimeScale::ONE,
        }
    }

    /// Both limits as a clock of this machine shows them.
    fn real(self) -> (Duration, Duration) {
        (
            self.scale.patience(self.total),
            self.scale.patience(self.stall),
        )
    }

    /// Nothing came for so long by this machine's clock.
    fn stalled(self, after: Duration) -> RequestFailure {
        let told = self.scale.told(after).as_millis();
        RequestFailure::Stalled {
            after_ms: u64::try_from(told).unwrap_or(u64::MAX),
        }
    }

    /// The same for an engine of this speed.
    #[must_use]
    pub fn at(self, scale: TimeScale) -> Self {
        Self { scale, ..self }
    }
}

/// A speed request: a fixed number of output tokens at temperature 0, streamed, with usage.
#[derive(Debug, Clone, Copy)]
pub struct SpeedRequest<'a> {
    /// The one user message.
    pub content: &'a str,
    pub max_tokens: u32,
    pub seed: u64,
}

impl SpeedRequest<'_> {
    /// The JSON body.
    pub fn body(&self, model: &str) -> Bytes {
        // vLLM takes seeds as signed 64-bit integers.
        let seed = self.seed & i64::MAX as u64;
        let body = json!({
            "model": model,
            "messages": [{ "role": "user", "content": self.content }],
            "max_tokens": self.max_tokens,
            "temperature": 0,
            "seed": seed,
            "ignore_eos": true,
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        Bytes::from(body.to_string())
    }
}

/// What one streamed request left.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    pub instants: Instants,
    pub usage: Option<Usage>,
    pub finish_reason: Option<String>,
    pub failure: Option<RequestFailure>,
}

/// Sends one chat completion and reads its stream to the end. Instants count from `origin` and
/// are taken when bytes arrive, before they are parsed; `due` is the instant of the call.
pub async fn stream_chat(
    client: &reqwest::Client,
    target: &Target,
    body: Bytes,
    limits: RequestLimits,
    origin: Instant,
) -> Exchange {
    let due = nanos_since(origin);
    let mut reader = StreamReader::new(origin, due);
    let failure = exchange(client, target, body, limits, &mut reader)
        .await
        .err();
    let mut instants = reader.instants;
    if instants.end == due {
        instants.end = nanos_since(origin);
    }
    Exchange {
        instants,
        usage: reader.usage,
        finish_reason: reader.finish_reason,
        failure: failure.map(|failure| without_key(failure, &target.api_key)),
    }
}

async fn exchange(
    client: &reqwest::Client,
    target: &Target,
    body: Bytes,
    limits: RequestLimits,
    reader: &mut StreamReader,
) -> Result<(), RequestFailure> {
    let key = bearer(&target.api_key).map_err(|error| RequestFailure::Connect {
        detail: error.to_string(),
    })?;
    let request = client
        .post(format!("{}/v1/chat/completions", target.base_url))
        .header(AUTHORIZATION, key)
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    let (total, stall) = limits.real();
    let deadline = Instant::now() + total;
    reader.instants.sent = nanos_since(reader.origin);
    let mut response = match tokio::time::timeout_at(deadline, request.send()).await {
        Ok(sent) => sent.map_err(|error| RequestFailure::Connect {
            detail: chain(error),
        })?,
        Err(_) => return Err(limits.stalled(total)),
    };
    let status = response.status();
    if !status.is_success() {
        let body = read_some(&mut response).await;
        return Err(RequestFailure::Status {
            status: status.as_u16(),
            body,
        });
    }
    if let Some(kind) = response.headers().get(CONTENT_TYPE)
        && !kind.as_bytes().starts_with(b"text/event-stream")
    {
        let kind = String::from_utf8_lossy(kind.as_bytes()).into_owned();
        let body = read_some(&mut response).await;
        let detail = format!("content type `{kind}` instead of an event stream: {body}");
        return Err(RequestFailure::Garbled { detail });
    }

    let mut wait = total;
    loop {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let arrived = timeout(wait.min(remaining), response.chunk()).await;
        let at = nanos_since(reader.origin);
        match arrived {
            Err(_) if wait < remaining => return Err(limits.stalled(wait)),
            Err(_) if reader.saw_bytes => {
                let told = limits.scale.told(total).as_millis();
                let detail = format!("given up after {told} ms, unfinished");
                return Err(RequestFailure::Cut { detail });
            }
            Err(_) => return Err(limits.stalled(total)),
            Ok(Err(error)) => {
                return Err(RequestFailure::Cut {
                    detail: chain(error),
                });
            }
            Ok(Ok(None)) => return reader.end(),
            Ok(Ok(Some(bytes))) => {
                reader.take(&bytes, at)?;
                wait = stall;
            }
        }
        if reader.is_done {
            // Reading to the end lets the connection be used again; how it ends is of no
            // interest any more.
            let _ = timeout(DRAIN_TIMEOUT, async {
                while let Ok(Some(_)) = response.chunk().await {}
            })
            .await;
            return reader.end();
        }
    }
}

/// What has arrived of one stream.
struct StreamReader {
    origin: Instant,
    decoder: SseDecoder,
    events: Vec<SseEvent>,
    instants: Instants,
    usage: Option<Usage>,
    finish_reason: Option<String>,
    saw_bytes: bool,
    is_done: bool,
}

impl StreamReader {
    fn new(origin: Instant, due: u64) -> Self {
        Self {
            origin,
            decoder: SseDecoder::default(),
            events: Vec::new(),
            instants: Instants {
                due,
                sent: due,
                first_token: None,
                last_token: None,
                end: due,
                tokens: Vec::new(),
            },
            usage: None,
            finish_reason: None,
            saw_bytes: false,
            is_done: false,
        }
    }

    /// Takes bytes that arrived `at`.
    fn take(&mut self, bytes: &[u8], at: u64) -> Result<(), RequestFailure> {
        self.saw_bytes = true;
        self.instants.end = at;
        let decoded = self.decoder.push(bytes, &mut self.events);
        for event in std::mem::take(&mut self.events) {
            if self.is_done {
                break;
            }
            match read_event(&event.data) {
                Err(error) => {
                    let detail = format!("{error}: {}", shortened(&event.data));
                    return Err(RequestFailure::Garbled { detail });
                }
                Ok(ChatEvent::Error { message }) => {
                    return Err(RequestFailure::ErrorEvent {
                        message: shortened(&message),
                    });
                }
                Ok(ChatEvent::Done) => self.is_done = true,
                Ok(ChatEvent::Chunk(chunk)) => {
                    if chunk.carries_token {
                        self.instants.first_token.get_or_insert(at);
                        self.instants.last_token = Some(at);
                        self.instants.tokens.push(at);
                    }
                    self.usage = chunk.usage.or(self.usage);
                    self.finish_reason = chunk.finish_reason.or(self.finish_reason.take());
                }
            }
        }
        decoded.map_err(|error| RequestFailure::Garbled {
            detail: error.to_string(),
        })
    }

    /// Nothing more comes.
    fn end(&self) -> Result<(), RequestFailure> {
        if self.finish_reason.is_some() && (self.is_done || !self.decoder.is_inside_event()) {
            return Ok(());
        }
        let detail = match (&self.finish_reason, self.saw_bytes) {
            (Some(_), _) => "the stream ended inside an event",
            (None, true) => "the stream ended without a finish_reason",
            (None, false) => "the response had no body",
        };
        Err(RequestFailure::Cut {
            detail: detail.to_owned(),
        })
    }
}

/// The API key has characters that no header can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the API key cannot be sent in a header")]
pub struct UnfitKey;

/// The header that carries the key.
///
/// # Errors
/// When the key has characters that no header can carry.
pub fn bearer(api_key: &str) -> Result<HeaderValue, UnfitKey> {
    let mut value = HeaderValue::from_str(&format!("Bearer {api_key}")).map_err(|_| UnfitKey)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A foreign text without the key: a server may echo what it was sent.
pub fn hide_key(text: &str, api_key: &str) -> String {
    if api_key.is_empty() {
        text.to_owned()
    } else {
        text.replace(api_key, "[key]")
    }
}

/// An error with its causes, without the address it was for.
pub fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// The beginning of a foreign text.
pub fn shortened(text: &str) -> String {
    match text
        .char_indices()
        .map(|(at, _)| at)
        .find(|&at| at >= KEPT_TEXT_BYTES)
    {
        Some(at) => format!("{}..", &text[..at]),
        None => text.to_owned(),
    }
}

/// The beginning of a body, as far as it comes without delay.
async fn read_some(response: &mut reqwest::Response) -> String {
    let deadline = Instant::now() + DRAIN_TIMEOUT;
    let mut body = Vec::new();
    while body.len() <= KEPT_TEXT_BYTES
        && let Ok(Ok(Some(bytes))) = tokio::time::timeout_at(deadline, response.chunk()).await
    {
        body.extend_from_slice(&bytes);
    }
    shortened(&String::from_utf8_lossy(&body))
}

fn without_key(failure: RequestFailure, api_key: &str) -> RequestFailure {
    let hide = |text: String| hide_key(&text, api_key);
    match failure {
        RequestFailure::Connect { detail } => RequestFailure::Connect {
            detail: hide(detail),
        },
        RequestFailure::Status { status, body } => RequestFailure::Status {
            status,
            body: hide(body),
        },
        RequestFailure::ErrorEvent { message } => RequestFailure::ErrorEvent {
            message: hide(message),
        },
        RequestFailure::Cut { detail } => RequestFailure::Cut {
            detail: hide(detail),
        },
        RequestFailure::Stalled { after_ms } => RequestFailure::Stalled { after_ms },
        RequestFailure::Garbled { detail } => RequestFailure::Garbled {
            detail: hide(detail),
        },
        RequestFailure::Unexpected { detail } => RequestFailure::Unexpected {
            detail: hide(detail),
        },
    }
}

fn nanos_since(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_nanos()).expect("an attempt is shorter than 584 years")
}

//! The HTTP face: routes, the key, the access log. What requests mean and how answers look is
//! in `request` and `response`.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, SERVER};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde_json::{Value, json};

use crate::stand_in::command::settings::Settings;
use crate::stand_in::engine::clock::{Engine, Reply};
use crate::stand_in::engine::memory::KvRoom;
use crate::stand_in::engine::metrics::{Identity, render};
use crate::stand_in::http::error::ApiError;
use crate::stand_in::http::request::{Delivery, Question, Reader};
use crate::stand_in::http::response::{Accounting, DONE, Shape, Writer, models};
use crate::stand_in::log::writer::Log;
use crate::stand_in::model::tokens::decode;

/// What every handler needs.
pub struct Server {
    settings: Settings,
    reader: Reader,
    accounting: Accounting,
    identity: Identity,
    engine: Engine,
    log: Log,
    /// Makes the ids of answers.
    ids: RandomState,
    answers: AtomicU64,
}

type Shared = State<Arc<Server>>;

impl Server {
    pub fn new(settings: Settings, room: &KvRoom, engine: Engine, log: Log) -> Arc<Self> {
        let now = jiff::Timestamp::now();
        Arc::new(Self {
            reader: Reader::new(&settings, room.max_model_len),
            accounting: Accounting::new(&settings),
            identity: Identity::new(&settings, room, now.as_millisecond() as f64 / 1000.0),
            settings,
            engine,
            log,
            ids: RandomState::new(),
            answers: AtomicU64::new(0),
        })
    }

    /// All routes. Must be served with the client's address as connect info.
    pub fn routes(self: Arc<Self>) -> Router {
        Router::new()
            .route("/health", get(async || StatusCode::OK))
            .route(
                "/version",
                get(async |State(server): Shared| {
                    let version = server.settings.numbers.vllm_version;
                    json_response(200, &json!({"version": version.name()}))
                }),
            )
            .route("/metrics", get(metrics))
            .route("/tokenize", post(tokenize))
            .route("/detokenize", post(detokenize))
            .route("/v1/models", get(list_models))
            .route("/v1/chat/completions", post(chat))
            .route("/v1/completions", post(completion))
            .fallback(async || json_response(404, &json!({"detail": "Not Found"})))
            .method_not_allowed_fallback(async || {
                json_response(405, &json!({"detail": "Method Not Allowed"}))
            })
            // vLLM takes bodies of any length.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(Arc::clone(&self), guard))
            .layer(from_fn_with_state(Arc::clone(&self), log_access))
            .with_state(self)
    }

    fn writer(&self, shape: Shape, prompt_tokens: usize) -> Writer {
        let number = self
            .ids
            .hash_one(self.answers.fetch_add(1, Ordering::Relaxed));
        let created = jiff::Timestamp::now().as_second();
        let model = self.settings.served_names[0].clone();
        Writer::new(
            shape,
            self.accounting,
            number,
            created,
            model,
            prompt_tokens,
        )
    }

    fn is_open_to(&self, path: &str, headers: &HeaderMap) -> bool {
        let guarded = ["/v1", "/v2", "/inference"]
            .iter()
            .any(|prefix| path.starts_with(prefix));
        if !guarded || self.settings.api_keys.is_empty() {
            return true;
        }
        let shown = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        shown.is_some_and(|shown| self.settings.api_keys.iter().any(|key| key == shown))
    }

    async fn answer(&self, shape: Shape, question: Result<Question, ApiError>) -> Response {
        let question = match question {
            Ok(question) => question,
            Err(error) => return error_response(&error),
        };
        let writer = self.writer(shape, question.prompt.len());
        let mut reply = self.engine.ask(question.prompt, question.answer);
        match question.delivery {
            Delivery::Streamed { usage } => event_stream(writer, reply, usage),
            Delivery::Whole => {
                let mut pieces = Vec::new();
                while let Some(said) = reply.next().await {
                    pieces.push(said);
                }
                json_response(200, &writer.whole(&pieces))
            }
        }
    }
}

/// Lets only those who show a key to what is behind it. The error is a text, not an object, as
/// vLLM's is.
async fn guard(State(server): Shared, request: Request, next: Next) -> Response {
    if server.is_open_to(request.uri().path(), request.headers()) {
        next.run(request).await
    } else {
        json_response(401, &json!({"error": "Unauthorized"}))
    }
}

async fn log_access(
    State(server): Shared,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let line = format!(
        "{} {} {:?}",
        request.method(),
        request.uri(),
        request.version()
    );
    let mut response = next.run(request).await;
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    server.log.uvicorn(format_args!(
        "{client} - \"{line}\" {} {reason}",
        status.as_u16()
    ));
    response
        .headers_mut()
        .insert(SERVER, HeaderValue::from_static("uvicorn"));
    response
}

async fn metrics(State(server): Shared) -> Response {
    let text = render(&server.identity, &server.engine.snapshot());
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

async fn list_models(State(server): Shared) -> Response {
    let created = jiff::Timestamp::now().as_second();
    json_response(
        200,
        &models(&server.settings, server.reader.max_model_len(), created),
    )
}

async fn tokenize(State(server): Shared, JsonBody(body): JsonBody) -> Response {
    match server.reader.tokenize(&body) {
        Ok((ids, with_texts)) => {
            let pieces = with_texts.then(|| ids.iter().copied().map(decode).collect::<Vec<_>>());
            let answer = json!({
                "count": ids.len(),
                "max_model_len": server.reader.max_model_len(),
                "tokens": ids,
                "token_strs": pieces,
            });
            json_response(200, &answer)
        }
        Err(error) => error_response(&error),
    }
}

async fn detokenize(State(server): Shared, JsonBody(body): JsonBody) -> Response {
    match server.reader.detokenize(&body) {
        Ok(ids) => {
            let text: String = ids.into_iter().map(decode).collect();
            json_response(200, &json!({"prompt": text}))
        }
        Err(error) => error_response(&error),
    }
}

async fn chat(State(server): Shared, JsonBody(body): JsonBody) -> Response {
    let question = server.reader.chat(&body);
    server.answer(Shape::Chat, question).await
}

async fn completion(State(server): Shared, JsonBody(body): JsonBody) -> Response {
    let question = server.reader.completion(&body);
    server.answer(Shape::Completion, question).await
}

/// A body that is declared as JSON. What it holds is read elsewhere.
struct JsonBody(Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let declared = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
        if !declared {
            return Err(error_response(&ApiError::media_type()));
        }
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(IntoResponse::into_response)
    }
}

fn event_stream(writer: Writer, reply: Reply, usage: bool) -> Response {
    let events = stream::unfold(Some((writer, reply)), move |open| async move {
        let (mut writer, mut reply) = open?;
        let said = reply.next().await?;
        let mut events = writer.piece(said);
        if said.finish.is_none() {
            return Some((Ok::<_, Infallible>(events), Some((writer, reply))));
        }
        if usage {
            events.push_str(&writer.usage_event());
        }
        events.push_str(DONE);
        Some((Ok(events), None))
    });
    let kind = "text/event-stream; charset=utf-8";
    ([(CONTENT_TYPE, kind)], Body::from_stream(events)).into_response()
}

fn json_response(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("the statuses of this server are valid");
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

fn error_response(error: &ApiError) -> Response {
    json_response(error.status, &error.body())
}

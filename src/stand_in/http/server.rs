//! What is behind each path, and the access log. What requests mean and how answers look is in
//! `request` and `response`.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, RawQuery, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue, SERVER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::{self, select_all};
use serde_json::json;

use crate::stand_in::command::settings::{LoadTracking, Settings};
use crate::stand_in::engine::clock::{Engine, Reply, Siblings};
use crate::stand_in::engine::memory::KvRoom;
use crate::stand_in::engine::metrics::{Identity, Parsing, Traffic, render};
use crate::stand_in::engine::time::Moment;
use crate::stand_in::http::error::ApiError;
use crate::stand_in::http::fields::Fields;
use crate::stand_in::http::gate::{guard, origins};
use crate::stand_in::http::meter::{meter, unix_seconds};
use crate::stand_in::http::reply::{JsonBody, error_response, json_response};
use crate::stand_in::http::request::{Delivery, Question, Reader};
use crate::stand_in::http::response::{Accounting, DONE, Shape, Writer, models};
use crate::stand_in::http::routes::Routes;
use crate::stand_in::log::writer::{Level, Log, Process};
use crate::stand_in::model::tokens::decode;
use crate::stand_in::scenario::layer::befall;
use crate::stand_in::scenario::serving::Serving;

/// Whether routes are open that change the engine's state, which vLLM opens to developers only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DevMode {
    On,
    #[default]
    Off,
}

/// What every handler needs.
pub struct Server {
    settings: Settings,
    reader: Reader,
    accounting: Accounting,
    identity: Identity,
    traffic: Arc<Traffic>,
    parsing: Option<Arc<Parsing>>,
    engine: Engine,
    log: Log,
    dev_mode: DevMode,
    /// Makes the ids of answers.
    ids: RandomState,
    answers: AtomicU64,
}

type Shared = State<Arc<Server>>;

/// When a request came. It must stand before the body among what a handler takes: reading that
/// is no work of the engine.
struct Came(Moment);

impl FromRequestParts<Arc<Server>> for Came {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, server: &Arc<Server>) -> Result<Self, Infallible> {
        Ok(Self(server.engine.now()))
    }
}

impl Server {
    pub fn new(
        settings: Settings,
        room: &KvRoom,
        engine: Engine,
        log: Log,
        dev_mode: DevMode,
    ) -> Arc<Self> {
        let now = unix_seconds();
        Arc::new(Self {
            reader: Reader::new(&settings, room.max_model_len),
            accounting: Accounting::new(&settings),
            identity: Identity::new(&settings, room, now),
            traffic: Arc::new(Traffic::new(now)),
            parsing: (settings.tool_parser.is_some()
                && settings.numbers.vllm_version.counts_tool_calls())
            .then(|| Arc::new(Parsing::new(now))),
            settings,
            engine,
            log,
            dev_mode,
            ids: RandomState::new(),
            answers: AtomicU64::new(0),
        })
    }

    /// All routes, with the faults that befall them. Must be served with the client's address
    /// as connect info.
    pub fn routes(self: Arc<Self>, faults: Arc<Serving>) -> Router {
        let mut routes = Routes::new()
            .get("/health", async || StatusCode::OK)
            .get_and_post("/ping", async || StatusCode::OK)
            .get("/version", version)
            .get("/load", load)
            .get("/metrics", metrics)
            .post("/tokenize", tokenize)
            .post("/detokenize", detokenize)
            .get("/v1/models", list_models)
            .post("/v1/chat/completions", chat)
            .post("/v1/completions", completion);
        if self.dev_mode == DevMode::On {
            routes = routes.post("/reset_prefix_cache", reset_prefix_cache);
        }
        let router = routes
            .into_router()
            // vLLM takes bodies of any length.
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn_with_state(faults, befall))
            // What does not pass the key or the origins is not counted.
            .layer(from_fn_with_state(Arc::clone(&self), count))
            .with_state(Arc::clone(&self));
        // A router of its own around it, so that what never comes to a route is not answered
        // with that route's methods.
        Router::new()
            .fallback_service(router)
            .layer(from_fn(origins))
            .layer(from_fn_with_state(Arc::clone(&self), guarded))
            .layer(from_fn_with_state(self, log_access))
    }

    fn writer(&self, shape: Shape, question: &Question) -> Writer {
        let number = self
            .ids
            .hash_one(self.answers.fetch_add(1, Ordering::Relaxed));
        let created = jiff::Timestamp::now().as_second();
        let model = self.settings.served_names[0].clone();
        let writer = Writer::new(shape, self.accounting, number, created, model, question);
        match &self.parsing {
            Some(parsing) => writer.counted(parsing),
            None => writer,
        }
    }

    async fn answer(
        &self,
        shape: Shape,
        headers: &HeaderMap,
        came: Moment,
        question: Result<Question, ApiError>,
    ) -> Response {
        let question = match question {
            Ok(question) => question,
            Err(error) => return error_response(&error),
        };
        let mut writer = self.writer(shape, &question);
        if let Some(id) = headers.get("x-request-id").and_then(|id| id.to_str().ok()) {
            writer = writer.named(id);
        }
        let Question {
            prompts,
            asks,
            delivery,
            ..
        } = question;
        let siblings: Vec<Siblings> = (0..prompts.len())
            .map(|prompt| Siblings::new(asks.iter().filter(|ask| ask.prompt == prompt).count()))
            .collect();
        let replies: Vec<Reply> = asks
            .into_iter()
            .map(|ask| {
                let (siblings, prompt) = (&siblings[ask.prompt], prompts[ask.prompt].clone());
                self.engine
                    .ask_one_of(siblings, came, prompt, ask.answer, ask.max_tokens)
            })
            .collect();
        match delivery {
            Delivery::Streamed { .. } => event_stream(writer, replies),
            Delivery::Whole => {
                let mut all = Vec::with_capacity(replies.len());
                for mut reply in replies {
                    let mut pieces = Vec::new();
                    while let Some(said) = reply.next().await {
                        pieces.push(said);
                    }
                    all.push(pieces);
                }
                json_response(200, &writer.whole(&all))
            }
        }
    }
}

async fn count(State(server): Shared, request: Request, next: Next) -> Response {
    meter(&server.traffic, server.engine.time(), request, next).await
}

async fn guarded(State(server): Shared, request: Request, next: Next) -> Response {
    guard(&server.settings.api_keys, request, next).await
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

async fn version(State(server): Shared) -> Response {
    let version = server.settings.numbers.vllm_version;
    json_response(200, &json!({"version": version.name()}))
}

/// The requests that are at work, where they are counted at all.
async fn load(State(server): Shared) -> Response {
    let gauges = server.engine.snapshot().gauges;
    let load = match server.settings.load_tracking {
        LoadTracking::On => gauges.running + gauges.waiting,
        LoadTracking::Off => 0,
    };
    json_response(200, &json!({"server_load": load}))
}

async fn reset_prefix_cache(State(server): Shared, RawQuery(query): RawQuery) -> Response {
    let preempt = match query_flag(query.as_deref(), "reset_running_requests") {
        Ok(preempt) => preempt.unwrap_or(false),
        Err(error) => return error_response(&error),
    };
    server.log.line(
        Process::ApiServer,
        Level::Info,
        "api_router.py:40",
        "Resetting prefix cache...",
    );
    let success = server.engine.reset_prefix_cache(preempt);
    json_response(200, &json!({"success": success}))
}

/// A flag in a query, read as one in a body; `None` where it is not there.
fn query_flag(query: Option<&str>, name: &str) -> Result<Option<bool>, ApiError> {
    let given = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let query = json!({name: given});
    let mut fields = Fields::of_query(&query);
    let flag = fields.flag(name);
    fields.finish().map(|()| flag)
}

async fn metrics(State(server): Shared) -> Response {
    let text = render(
        &server.identity,
        &server.engine.snapshot(),
        &server.traffic,
        server.parsing.as_deref(),
    );
    let format = server.settings.numbers.vllm_version.metrics_format();
    let kind = format!("text/plain; version={format}; charset=utf-8");
    ([(CONTENT_TYPE, kind)], text).into_response()
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

async fn chat(
    State(server): Shared,
    Came(came): Came,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response {
    let question = server.reader.chat(&body);
    server.answer(Shape::Chat, &headers, came, question).await
}

async fn completion(
    State(server): Shared,
    Came(came): Came,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Response {
    let question = server.reader.completion(&body);
    server
        .answer(Shape::Completion, &headers, came, question)
        .await
}

/// The events of all answers, in the order in which their tokens come.
fn event_stream(mut writer: Writer, replies: Vec<Reply>) -> Response {
    let mut open = replies.len();
    let pieces = select_all(replies.into_iter().enumerate().map(|(index, reply)| {
        let pieces = stream::unfold(reply, |mut reply| async move {
            let said = reply.next().await?;
            Some((said, reply))
        });
        Box::pin(pieces.map(move |said| (index, said)))
    }));
    let events = pieces.map(move |(index, said)| {
        let mut events = writer.piece(index, said);
        open -= usize::from(said.finish.is_some());
        if open == 0 {
            if writer.shows_usage() {
                events.push_str(&writer.usage_event());
            }
            events.push_str(DONE);
        }
        events
    });
    let events = events
        .filter(|events| std::future::ready(!events.is_empty()))
        .map(Ok::<_, Infallible>);
    let kind = "text/event-stream; charset=utf-8";
    ([(CONTENT_TYPE, kind)], Body::from_stream(events)).into_response()
}

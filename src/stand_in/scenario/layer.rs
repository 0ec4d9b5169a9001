//! Where faults meet HTTP: every request passes here before it comes to the engine, and every
//! answer on its way back.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;

use crate::spec::scenario::MissingMetrics;
use crate::stand_in::http::reply::json_response;
use crate::stand_in::scenario::serving::{Serving, Verdict};
use crate::stand_in::scenario::stream::twisted;

/// What asks the engine for an answer.
const QUESTIONS: &[&str] = &["/v1/chat/completions", "/v1/completions"];

/// What the front end says when it has no engine any more.
const DEAD: &str = "EngineCore encountered an issue. See stack trace (above) for the root cause.";

/// A layer for `axum::middleware::from_fn_with_state`; the innermost, so that keys are asked for
/// and accesses are logged as ever.
pub async fn befall(State(serving): State<Arc<Serving>>, request: Request, next: Next) -> Response {
    if serving.is_harmless() {
        return next.run(request).await;
    }
    let path = request.uri().path();
    if path == "/metrics" {
        let response = next.run(request).await;
        return match serving.missing_metrics() {
            Some(missing) => without(response, missing).await,
            None => response,
        };
    }
    if request.method() != Method::POST || !QUESTIONS.contains(&path) {
        return next.run(request).await;
    }
    tokio::select! {
        biased;
        _ = serving.life.ended() => dead(),
        response = answer(&serving, request, next) => response,
    }
}

async fn answer(serving: &Arc<Serving>, request: Request, next: Next) -> Response {
    let number = serving.count().await;
    match serving.verdict(number) {
        Verdict::Answered => {}
        Verdict::Hangs => return std::future::pending().await,
        Verdict::Unanswered => return dead(),
        Verdict::Refused(status) => {
            let code = StatusCode::from_u16(status).ok();
            let words = code
                .and_then(|code| code.canonical_reason())
                .unwrap_or("Error");
            return error(status, words, words);
        }
    }
    let response = next.run(request).await;
    if is_stream(&response) {
        let twists = serving.twists(number);
        return twisted(response, twists, serving.time, Arc::clone(&serving.life));
    }
    match serving.end_within(number) {
        Some(end) => {
            serving.life.end(end);
            // The answer was not on its way yet.
            std::future::pending().await
        }
        None => response,
    }
}

fn is_stream(response: &Response) -> bool {
    response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

fn error(status: u16, message: &str, kind: &str) -> Response {
    let body = json!({"error": {
        "message": message,
        "type": kind,
        "param": null,
        "code": status,
    }});
    json_response(status, &body)
}

/// HTTP 500 of a front end that has no engine any more.
fn dead() -> Response {
    error(500, DEAD, "InternalServerError")
}

/// The page of `/metrics` without what is missing.
async fn without(response: Response, missing: MissingMetrics) -> Response {
    let prefix = match missing {
        MissingMetrics::Page => {
            return json_response(404, &json!({"detail": "Not Found"}));
        }
        MissingMetrics::Names => "vllm:",
        MissingMetrics::PrefixCounters => "vllm:prefix_cache_",
    };
    let (mut head, body) = response.into_parts();
    let page = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let page = String::from_utf8_lossy(&page);
    let kept: String = page
        .split_inclusive('\n')
        .filter(|line| !line.contains(prefix))
        .collect();
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(kept))
}

//! Measures requests for the counters of HTTP: what was asked, how it was answered, how long the
//! whole of the answer took. What is counted, and under which names, is not known here.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;

use crate::stand_in::engine::metrics::{Exchange, Traffic};
use crate::stand_in::engine::time::{Moment, Time};

/// The wall clock, in seconds since 1970.
pub fn unix_seconds() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 / 1e6
}

/// Counts a request when its answer is complete, or when its client has gone away.
pub async fn meter(traffic: &Arc<Traffic>, time: Time, request: Request, next: Next) -> Response {
    let began = time.now();
    let route = request.extensions().get::<MatchedPath>();
    let path = route.map_or_else(|| request.uri().path(), MatchedPath::as_str);
    let mut exchange = Exchange {
        path: path.to_owned(),
        routed: route.is_some(),
        method: request.method().to_string(),
        status: 0,
        request_bytes: request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok())
            .unwrap_or(0),
        response_bytes: 0,
        took: std::time::Duration::ZERO,
    };
    let response = next.run(request).await;
    exchange.status = response.status().as_u16();
    match response.status() {
        // To vLLM a path with another method is no route, and one with a slash too many is.
        StatusCode::METHOD_NOT_ALLOWED => exchange.routed = false,
        StatusCode::TEMPORARY_REDIRECT => exchange.routed = true,
        _ => {}
    }
    let length = response.body().size_hint().exact();
    // A stream declares no length.
    exchange.response_bytes = length.unwrap_or(0);
    let open = Open {
        traffic: Arc::clone(traffic),
        time,
        began,
        exchange,
    };
    if length.is_some() {
        return response;
    }
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |piece| {
            // Moved into the stream, and dropped with it.
            let _open = &open;
            piece
        }))
    })
}

/// An exchange that is counted when it is dropped.
struct Open {
    traffic: Arc<Traffic>,
    time: Time,
    began: Moment,
    exchange: Exchange,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.exchange.took = self.time.since(self.began);
        self.traffic.count(&self.exchange, unix_seconds());
    }
}

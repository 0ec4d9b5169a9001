//! What a request passes before it comes to its route, and an answer after it: the key, what a
//! browser must know of other origins. Routes and answers are not known here.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE,
    HeaderName, HeaderValue, ORIGIN, VARY,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::stand_in::http::reply::json_response;

/// What the paths begin with that are closed without a key.
const GUARDED: [&str; 4] = ["/v1", "/v2", "/inference", "/cohere"];
/// All methods that a server of this kind may know.
const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY";

/// Lets only those who show one of the keys to what is behind it; without any key all may pass.
/// The error is a text, not an object, as vLLM's is.
pub async fn guard(keys: &[String], request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = keys.is_empty()
        || request.method() == Method::OPTIONS
        || !GUARDED.iter().any(|prefix| path.starts_with(prefix));
    if open || shown_key(request.headers()).is_some_and(|shown| keys.iter().any(|key| key == shown))
    {
        next.run(request).await
    } else {
        json_response(401, &json!({"error": "Unauthorized"}))
    }
}

fn shown_key(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = shown.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

/// Tells browsers that pages from elsewhere are not served, which is vLLM's default.
pub async fn origins(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let asks_first = request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if asks_first {
        return refuse_origin(headers.get(ACCESS_CONTROL_REQUEST_HEADERS));
    }
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Origin"));
    response
}

fn refuse_origin(asked: Option<&HeaderValue>) -> Response {
    let fixed: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (
            VARY,
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, \
             Access-Control-Request-Private-Network",
        ),
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    let refused = (StatusCode::BAD_REQUEST, fixed, "Disallowed CORS origin");
    let mut response = refused.into_response();
    if let Some(asked) = asked {
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

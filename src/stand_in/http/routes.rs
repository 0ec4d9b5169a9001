//! Which paths there are and which methods they take, and what the router itself answers: to
//! paths that there are not, to other methods, to a slash too many or too few. What is behind a
//! path is not known here.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::http::header::{ALLOW, HOST, LOCATION};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::json;

use crate::stand_in::http::reply::json_response;

/// Paths with what answers behind them.
#[derive(Default)]
pub struct Routes<S> {
    routes: Vec<(&'static str, MethodRouter<S>)>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub fn new() -> Self {
        Self { routes: Vec::new() }
    }

    /// A path that takes GET only: to HEAD vLLM says that it is not allowed.
    pub fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.with(path, "GET", get(handler).head(async || not_allowed("GET")))
    }

    /// A path that takes POST only.
    pub fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.with(path, "POST", post(handler))
    }

    /// A path that takes both.
    pub fn get_and_post<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        let both = get(handler.clone()).post(handler);
        // vLLM has two routes, and names the methods of the one that it found first.
        self.with(path, "GET", both.head(async || not_allowed("GET")))
    }

    fn with(mut self, path: &'static str, allowed: &'static str, route: MethodRouter<S>) -> Self {
        let route = route.fallback(async move || not_allowed(allowed));
        self.routes.push((path, route));
        self
    }

    /// The router, with its answers to everything else.
    pub fn into_router(self) -> Router<S> {
        let paths: Arc<[&str]> = self.routes.iter().map(|(path, _)| *path).collect();
        let mut router = Router::new();
        for (path, route) in self.routes {
            router = router.route(path, route);
        }
        router
            .fallback(async move |request: Request| Ok::<_, Infallible>(no_route(&paths, &request)))
    }
}

fn not_allowed(allowed: &'static str) -> Response {
    let mut response = json_response(405, &json!({"detail": "Method Not Allowed"}));
    let allowed = allowed.parse().expect("methods are valid in a header");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// A path that is right but for its last slash is shown the way.
fn no_route(paths: &[&str], request: &Request) -> Response {
    let path = request.uri().path();
    let other = match path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{path}/"),
    };
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|_| paths.contains(&other.as_str())) else {
        return json_response(404, &json!({"detail": "Not Found"}));
    };
    let query = request.uri().query().map(|query| format!("?{query}"));
    let place = format!("http://{host}{other}{}", query.unwrap_or_default());
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, place)]).into_response()
}

//! The face of the engine towards any client of HTTP: paths, methods, headers, and what is open
//! to developers only.

use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use super::{KEY, Running, question};
use crate::stand_in::http::server::DevMode;

/// A client that does as it is told.
async fn send(engine: &Running, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let mut request = client.request(method, format!("{}{path}", engine.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    match response.headers().get(name) {
        Some(value) => value.to_str().unwrap(),
        None => "",
    }
}

#[tokio::test]
async fn paths_take_their_methods_only() {
    let engine = Running::start("").await;
    for (method, path, status, allow) in [
        (Method::GET, "/ping", 200, ""),
        (Method::POST, "/ping", 200, ""),
        (Method::HEAD, "/health", 405, "GET"),
        (Method::POST, "/health", 405, "GET"),
        (Method::GET, "/tokenize", 405, "POST"),
        (Method::OPTIONS, "/v1/chat/completions", 405, "POST"),
        (Method::POST, "/reset_prefix_cache", 404, ""),
        (Method::GET, "/openapi.json", 404, ""),
    ] {
        let response = send(&engine, method.clone(), path, &[]).await;
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(header(&response, "allow"), allow, "{method} {path}");
        assert_eq!(header(&response, "vary"), "Origin", "{method} {path}");
        assert_eq!(header(&response, "server"), "uvicorn");
        let text = response.text().await.unwrap();
        let expected = match (status, method) {
            (200, _) | (_, Method::HEAD) => "",
            (404, _) => r#"{"detail":"Not Found"}"#,
            _ => r#"{"detail":"Method Not Allowed"}"#,
        };
        assert_eq!(text, expected, "{path}");
    }
}

#[tokio::test]
async fn a_slash_too_many_is_shown_the_way() {
    let engine = Running::start("").await;
    let key = format!("bearer {KEY}");
    let headers = [("authorization", key.as_str())];
    let response = send(&engine, Method::GET, "/v1/models/?a=1", &headers).await;
    assert_eq!(response.status(), 307);
    let place = format!("{}/v1/models?a=1", engine.url);
    assert_eq!(header(&response, "location"), place);
    let response = send(&engine, Method::GET, "/v1/models/?a=1", &[]).await;
    assert_eq!(response.status(), 401);
    assert_eq!(header(&response, "vary"), "");
}

#[tokio::test]
async fn pages_from_elsewhere_are_not_served() {
    let engine = Running::start("").await;
    let headers = [
        ("origin", "http://example.org"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let path = "/v1/chat/completions";
    let response = send(&engine, Method::OPTIONS, path, &headers).await;
    assert_eq!(response.status(), 400);
    assert_eq!(
        header(&response, "access-control-allow-headers"),
        "authorization"
    );
    assert_eq!(header(&response, "access-control-allow-origin"), "");
    assert_eq!(header(&response, "allow"), "");
    assert_eq!(response.text().await.unwrap(), "Disallowed CORS origin");
}

#[tokio::test]
async fn bodies_must_be_declared_as_json_and_may_be_long() {
    let engine = Running::start("").await;
    let path = format!("{}/tokenize", engine.url);
    let text = "word ".repeat(500_000);
    let body = json!({"prompt": text}).to_string();
    for (kind, status) in [
        (None, 400),
        (Some("text/plain"), 400),
        (Some("application/JSON; charset=utf-8"), 200),
    ] {
        let mut request = engine.client.post(&path).body(body.clone());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{kind:?}");
    }
}

#[tokio::test]
async fn a_request_has_the_id_that_its_client_gave_it() {
    let engine = Running::start("").await;
    for (path, id) in [
        ("chat/completions", "chatcmpl-mine"),
        ("completions", "cmpl-mine"),
    ] {
        let body =
            json!({"messages": [{"role": "user", "content": "x"}], "prompt": "x", "max_tokens": 1});
        let request = engine.client.post(format!("{}/v1/{path}", engine.url));
        let request = request.bearer_auth(KEY).header("X-Request-Id", "mine");
        let answer: Value = request
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(answer["id"], id);
    }
}

async fn load(engine: &Running) -> Value {
    engine.get("/load").await.json().await.unwrap()
}

#[tokio::test]
async fn load_is_counted_where_it_is_asked_for() {
    let flags = "--stand-in-decode-tokens-per-second 20";
    for (flags, count) in [
        (flags.to_owned(), 0),
        (format!("{flags} --enable-server-load-tracking"), 1),
    ] {
        let engine = Running::start(&flags).await;
        assert_eq!(load(&engine).await, json!({"server_load": 0}));
        let extra = json!({"stream": true, "max_tokens": 500, "ignore_eos": true});
        let mut stream = engine
            .post("/v1/chat/completions", &question("hello", &extra))
            .await;
        stream.chunk().await.unwrap();
        assert_eq!(load(&engine).await, json!({"server_load": count}));
    }
}

#[tokio::test]
async fn developers_may_reset_the_prefix_cache_when_nobody_needs_it() {
    let flags = "--enable-prompt-tokens-details --stand-in-decode-tokens-per-second 20";
    let engine = Running::start_in(DevMode::On, flags).await;
    let words = question(&"word ".repeat(200), &json!({"max_tokens": 1}));
    let cached = async || {
        let answer = engine.chat(&words).await;
        answer["usage"]["prompt_tokens_details"]["cached_tokens"]
            .as_u64()
            .unwrap()
    };
    let reset = async |query: &str| {
        let path = format!("/reset_prefix_cache{query}");
        send(&engine, Method::POST, &path, &[]).await
    };
    assert_eq!(cached().await, 0);
    assert!(cached().await > 150);
    assert_eq!(reset("").await.text().await.unwrap(), r#"{"success":true}"#);
    assert_eq!(cached().await, 0);

    let extra = json!({"stream": true, "max_tokens": 500, "ignore_eos": true});
    let mut running = engine
        .post("/v1/chat/completions", &question("hello", &extra))
        .await;
    running.chunk().await.unwrap();
    assert_eq!(
        reset("").await.text().await.unwrap(),
        r#"{"success":false}"#
    );
    assert!(cached().await > 150);
    let query = "?reset_running_requests=true";
    assert_eq!(
        reset(query).await.text().await.unwrap(),
        r#"{"success":true}"#
    );
    assert_eq!(cached().await, 0);
    assert_eq!(reset("?reset_running_requests=perhaps").await.status(), 400);
    assert!(engine.log.text().contains("Resetting prefix cache..."));
    let response = send(&engine, Method::GET, "/reset_prefix_cache", &[]).await;
    assert_eq!(response.status(), 405);
}

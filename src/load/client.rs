//! The client of everything that is no measurement, and what both clients share: the key in its
//! header, foreign texts cut short and without the key.
//!
//! Measured requests go through `stream`.

use std::sync::Once;
use std::time::Duration;

use reqwest::header::HeaderValue;

/// How long to wait for a connection. The engines are on this host, so a longer wait finds
/// nothing new.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Uvicorn, which serves vLLM, closes a connection that was idle for five seconds. One that is
/// given up earlier than that cannot break under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a server may take to end its response after `[DONE]`, or to say why it refuses.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Most of a foreign text that is kept, in bytes.
pub(super) const KEPT_TEXT_BYTES: usize = 2000;

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
    provide_cryptography();
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

/// A client for servers that are no engines, which may be anywhere: through proxies, with
/// certificates that this machine trusts.
///
/// # Errors
/// When reqwest cannot be set up.
pub fn outside_client(patience: Duration) -> Result<reqwest::Client, ClientError> {
    provide_cryptography();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(patience)
        .build()
        .map_err(ClientError)
}

fn provide_cryptography() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // It fails only where a provider was installed before, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
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

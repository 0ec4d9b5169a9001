//! A message to a webhook, with a bounded number of tries.

use std::sync::Once;
use std::time::Duration;

use serde_json::json;

/// How often it is tried, and how long one try may take.
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause before the second try; twice as long before the third.
const PAUSE: Duration = Duration::from_secs(2);

/// How the message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{ "title", "text", "urgent", "night" }`.
    Json,
    /// `{ "text" }`, as Slack and those that follow it take it.
    Slack,
    /// The text as the body, title and priority as headers.
    Ntfy,
}

/// What is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub title: String,
    pub text: String,
    /// Somebody should get up.
    pub urgent: bool,
    /// All of it, for machines.
    pub detail: serde_json::Value,
}

/// Nobody was told. The address, which may be a secret, is not in it.
#[derive(Debug, thiserror::Error)]
#[error("nobody could be told, after {tries} tries: {because}")]
pub struct Undelivered {
    pub tries: u32,
    pub because: String,
}

/// Sends a message to `url`.
///
/// # Errors
/// When no try was answered with success; a refusal of the message itself (4xx) is not tried
/// again.
pub async fn send(url: &str, form: Form, message: &Message) -> Result<(), Undelivered> {
    send_after(PAUSE, url, form, message).await
}

/// The same with another pause before the second try.
async fn send_after(
    mut pause: Duration,
    url: &str,
    form: Form,
    message: &Message,
) -> Result<(), Undelivered> {
    let failed = |tries, because| Undelivered { tries, because };
    let client = client().map_err(|error| failed(0, chain(error)))?;
    let mut tries = 1;
    loop {
        let because = match request(&client, url, form, message).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => {
                let status = answer.status();
                let because = format!("HTTP {status}");
                if status.is_client_error() && status.as_u16() != 429 {
                    return Err(failed(tries, because));
                }
                because
            }
            Err(error) if error.is_builder() => {
                return Err(failed(tries, "the address is no URL".to_owned()));
            }
            Err(error) => chain(error),
        };
        if tries >= TRIES {
            return Err(failed(tries, because));
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
        tries += 1;
    }
}

fn request(
    client: &reqwest::Client,
    url: &str,
    form: Form,
    message: &Message,
) -> reqwest::RequestBuilder {
    let post = client.post(url);
    match form {
        Form::Json => post.json(&json!({
            "title": message.title,
            "text": message.text,
            "urgent": message.urgent,
            "night": message.detail,
        })),
        Form::Slack => {
            post.json(&json!({ "text": format!("*{}*\n{}", message.title, message.text) }))
        }
        Form::Ntfy => post
            // A header holds no line ends and, to be safe, no more than ASCII.
            .header(
                "Title",
                message
                    .title
                    .replace(|c: char| !(' '..='~').contains(&c), " "),
            )
            .header(
                "Priority",
                if message.urgent { "urgent" } else { "default" },
            )
            .body(message.text.clone()),
    }
}

/// Through proxies, with the certificates that this machine trusts.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // It fails only where a provider was installed before, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// An error with its causes, without the address.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SOON: Duration = Duration::from_millis(5);

    fn message() -> Message {
        Message {
            title: "medium: regressed".to_owned(),
            text: "5 % worse".to_owned(),
            urgent: true,
            detail: json!({ "verdict": "regressed" }),
        }
    }

    /// Answers one request after the other with these statuses; what it was asked.
    async fn listener(statuses: &'static [u16]) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        let heard = tokio::spawn(async move {
            let mut heard = Vec::new();
            for status in statuses {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let mut buffer = [0; 4096];
                loop {
                    let n = stream.read(&mut buffer).await.unwrap();
                    bytes.extend_from_slice(&buffer[..n]);
                    let text = String::from_utf8_lossy(&bytes);
                    let length = text
                        .to_lowercase()
                        .split("content-length: ")
                        .nth(1)
                        .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
                    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
                    if n == 0 || body.is_some_and(|body| Some(body) >= length) {
                        break;
                    }
                }
                heard.push(String::from_utf8_lossy(&bytes).into_owned());
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            heard
        });
        (url, heard)
    }

    #[tokio::test]
    async fn each_form_is_what_its_reader_takes() {
        for (form, expected) in [
            (
                Form::Json,
                r#""urgent":true,"night":{"verdict":"regressed"}"#,
            ),
            (Form::Slack, r#"{"text":"*medium: regressed*\n5 % worse"}"#),
            (Form::Ntfy, "\r\n\r\n5 % worse"),
        ] {
            let (url, heard) = listener(&[200]).await;
            send_after(SOON, &url, form, &message()).await.unwrap();
            let heard = heard.await.unwrap().remove(0);
            assert!(heard.contains(expected), "{heard}");
        }
    }

    #[tokio::test]
    async fn a_server_that_fails_is_tried_again_and_one_that_refuses_is_not() {
        let (url, heard) = listener(&[503, 200]).await;
        send_after(SOON, &url, Form::Json, &message())
            .await
            .unwrap();
        assert_eq!(heard.await.unwrap().len(), 2);
        let (url, _heard) = listener(&[404]).await;
        let error = send_after(SOON, &url, Form::Json, &message())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "nobody could be told, after 1 tries: HTTP 404 Not Found"
        );
    }

    #[tokio::test]
    async fn the_address_is_in_no_error() {
        // Nobody listens on a port that was just given back.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let url = format!("http://127.0.0.1:{port}/secret-path");
        let error = send_after(SOON, &url, Form::Slack, &message())
            .await
            .unwrap_err();
        assert_eq!(error.tries, TRIES);
        assert!(!error.to_string().contains("secret-path"), "{error}");
        let error = send_after(SOON, "not a url", Form::Slack, &message())
            .await
            .unwrap_err();
        assert!(!error.to_string().contains("not a url"), "{error}");
    }

    #[tokio::test]
    async fn https_needs_nothing_else() {
        // The client is made with the certificates of this machine; a server that speaks no TLS is
        // an error, and no panic.
        let (url, _heard) = listener(&[200, 200, 200]).await;
        let url = url.replace("http://", "https://");
        assert!(
            send_after(SOON, &url, Form::Json, &message())
                .await
                .is_err()
        );
    }
}

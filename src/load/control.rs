//! The short exchanges with an engine that are no measurement: does it serve, what is it, how
//! many tokens is a text, what do its counters say.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::load::chat::error_message;
use crate::load::client::{bearer, chain, hide_key, shortened};
use crate::runner::ports::{Probe, Target};

/// How long one short exchange may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the one-token completion may take: the first request of an engine may compile.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(60);

/// How long counting a text may take; long texts on a busy machine take a while.
const TOKENIZE_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest body that is read.
const MAX_BODY_BYTES: usize = 16 << 20;

/// A short exchange failed. `step` is the path that was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{step}: {detail}")]
    Unreachable { step: &'static str, detail: String },
    #[error("{step}: no answer within {} s", after.as_secs())]
    TimedOut { step: &'static str, after: Duration },
    #[error("{step}: HTTP {status}: {body}")]
    Status {
        step: &'static str,
        status: u16,
        body: String,
    },
    #[error("{step}: {detail}")]
    Garbled { step: &'static str, detail: String },
}

/// An entry of `/v1/models`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedModel {
    pub id: String,
    pub max_model_len: Option<u64>,
}

/// The short exchanges with one engine.
#[derive(Debug, Clone, Copy)]
pub struct Control<'a> {
    client: &'a reqwest::Client,
    target: &'a Target,
    completion_timeout: Duration,
}

impl<'a> Control<'a> {
    pub fn new(client: &'a reqwest::Client, target: &'a Target) -> Self {
        Self {
            client,
            target,
            completion_timeout: COMPLETION_TIMEOUT,
        }
    }

    /// The same with a patience that no measured request gets more of.
    pub fn within(self, request_timeout: Duration) -> Self {
        Self {
            completion_timeout: self.completion_timeout.min(request_timeout),
            ..self
        }
    }

    /// One look whether the engine serves. A connection alone proves nothing, and neither does
    /// a green `/health`: both outlive the engine.
    pub async fn probe(&self) -> Probe {
        if let Err(error) = self.health().await {
            return Probe::NotYet {
                because: error.to_string(),
            };
        }
        let proved = async {
            self.served_model().await?;
            self.complete_one_token().await
        };
        match proved.await {
            Ok(()) => Probe::Ready,
            Err(error) => Probe::HealthyOnly {
                because: error.to_string(),
            },
        }
    }

    /// Whether `/health` is green.
    ///
    /// # Errors
    /// When it is not.
    pub async fn health(&self) -> Result<(), ControlError> {
        self.ask(Method::GET, "/health", None, STEP_TIMEOUT)
            .await
            .map(drop)
    }

    /// The entry of the target's model.
    ///
    /// # Errors
    /// When `/v1/models` cannot be read or does not list it.
    pub async fn served_model(&self) -> Result<ServedModel, ControlError> {
        let step = "/v1/models";
        let body = self.ask_json(Method::GET, step, None, STEP_TIMEOUT).await?;
        let entries = body
            .get("data")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let id = |entry: &Value| entry.get("id").and_then(Value::as_str).map(str::to_owned);
        let wanted = entries
            .iter()
            .find(|entry| id(entry).as_deref() == Some(&self.target.model));
        let entry = wanted.ok_or_else(|| {
            let listed: Vec<String> = entries.iter().filter_map(id).collect();
            let detail = format!(
                "`{}` is not listed; listed are: {}",
                self.target.model,
                shortened(&listed.join(", "))
            );
            ControlError::Garbled { step, detail }
        })?;
        Ok(ServedModel {
            id: self.target.model.clone(),
            max_model_len: entry.get("max_model_len").and_then(Value::as_u64),
        })
    }

    /// The first model that the server lists.
    ///
    /// # Errors
    /// When `/v1/models` cannot be read or lists none.
    pub async fn first_model(&self) -> Result<String, ControlError> {
        let step = "/v1/models";
        let body = self.ask_json(Method::GET, step, None, STEP_TIMEOUT).await?;
        let first = body.pointer("/data/0/id").and_then(Value::as_str);
        first.map(str::to_owned).ok_or_else(|| {
            let detail = "no model is listed".to_owned();
            ControlError::Garbled { step, detail }
        })
    }

    async fn complete_one_token(&self) -> Result<(), ControlError> {
        let step = "/v1/chat/completions";
        let request = json!({
            "model": self.target.model,
            "messages": [{ "role": "user", "content": "Hello" }],
            "max_tokens": 1,
            "temperature": 0,
            "stream": false,
        });
        let body = self
            .ask_json(Method::POST, step, Some(request), self.completion_timeout)
            .await?;
        let ended = body
            .pointer("/choices/0/finish_reason")
            .is_some_and(Value::is_string);
        let answered = body
            .pointer("/choices/0/message")
            .is_some_and(Value::is_object);
        if ended && answered {
            return Ok(());
        }
        let detail = format!("no completion in: {}", shortened(&body.to_string()));
        Err(ControlError::Garbled { step, detail })
    }

    /// The engine's version; `None` when it does not say.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn version(&self) -> Result<Option<String>, ControlError> {
        match self
            .ask_json(Method::GET, "/version", None, STEP_TIMEOUT)
            .await
        {
            Ok(body) => Ok(body
                .get("version")
                .and_then(Value::as_str)
                .map(str::to_owned)),
            Err(ControlError::Status { .. } | ControlError::Garbled { .. }) => Ok(None),
            Err(error @ (ControlError::Unreachable { .. } | ControlError::TimedOut { .. })) => {
                Err(error)
            }
        }
    }

    /// `/metrics`, whole.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn metrics_text(&self) -> Result<String, ControlError> {
        self.ask(Method::GET, "/metrics", None, STEP_TIMEOUT).await
    }

    /// Tokens of the rendered chat with this one user message, the generation prompt included.
    ///
    /// # Errors
    /// When `/tokenize` does not give a count.
    pub async fn count_tokens(&self, content: &str) -> Result<u64, ControlError> {
        let step = "/tokenize";
        let request = json!({
            "model": self.target.model,
            "messages": [{ "role": "user", "content": content }],
            "add_generation_prompt": true,
        });
        let body = self
            .ask_json(Method::POST, step, Some(request), TOKENIZE_TIMEOUT)
            .await?;
        body.get("count").and_then(Value::as_u64).ok_or_else(|| {
            let detail = format!("no count in: {}", shortened(&body.to_string()));
            ControlError::Garbled { step, detail }
        })
    }

    /// Tokens of a rendered chat. `chat` has its messages, and what else the template is told.
    ///
    /// # Errors
    /// When `/tokenize` does not give them.
    pub async fn tokens_of(&self, mut chat: Value) -> Result<Vec<u64>, ControlError> {
        let step = "/tokenize";
        chat["model"] = json!(self.target.model);
        chat["add_generation_prompt"] = json!(true);
        let body = self
            .ask_json(Method::POST, step, Some(chat), TOKENIZE_TIMEOUT)
            .await?;
        let tokens = body.get("tokens").and_then(Value::as_array);
        let tokens = tokens.and_then(|ids| ids.iter().map(Value::as_u64).collect());
        tokens.ok_or_else(|| {
            let detail = format!("no tokens in: {}", shortened(&body.to_string()));
            ControlError::Garbled { step, detail }
        })
    }

    /// What the model writes behind a prompt, marks included, as no parser has seen it.
    ///
    /// # Errors
    /// When there is no completion.
    pub async fn written_behind(
        &self,
        prompt: &[u64],
        max_tokens: u32,
    ) -> Result<String, ControlError> {
        let step = "/v1/completions";
        let request = json!({
            "model": self.target.model,
            "prompt": prompt,
            "max_tokens": max_tokens,
            "temperature": 0,
            "skip_special_tokens": false,
        });
        let body = self
            .ask_json(Method::POST, step, Some(request), self.completion_timeout)
            .await?;
        let text = body.pointer("/choices/0/text").and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| {
            let detail = format!("no completion in: {}", shortened(&body.to_string()));
            ControlError::Garbled { step, detail }
        })
    }

    async fn ask_json(
        &self,
        method: Method,
        step: &'static str,
        body: Option<Value>,
        limit: Duration,
    ) -> Result<Value, ControlError> {
        let text = self.ask(method, step, body, limit).await?;
        serde_json::from_str(&text).map_err(|error| {
            let detail = format!("{error} in: {}", shortened(&text));
            ControlError::Garbled { step, detail }
        })
    }

    /// The body of a 2xx answer.
    async fn ask(
        &self,
        method: Method,
        step: &'static str,
        body: Option<Value>,
        limit: Duration,
    ) -> Result<String, ControlError> {
        let unreachable = |error: reqwest::Error| ControlError::Unreachable {
            step,
            detail: self.hide_key(&chain(error)),
        };
        let key = bearer(&self.target.api_key).map_err(|error| ControlError::Garbled {
            step,
            detail: error.to_string(),
        })?;
        let mut request = self
            .client
            .request(method, format!("{}{step}", self.target.base_url))
            .header(AUTHORIZATION, key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let exchange = async {
            let mut response = request.send().await.map_err(unreachable)?;
            let status = response.status();
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
                if bytes.len() + chunk.len() > MAX_BODY_BYTES {
                    let detail = format!("more than {MAX_BODY_BYTES} bytes");
                    return Err(ControlError::Garbled { step, detail });
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
        };
        let answer = timeout(limit, exchange).await;
        let (status, text) =
            answer.map_err(|_| ControlError::TimedOut { step, after: limit })??;
        if status.is_success() {
            return Ok(text);
        }
        let message = serde_json::from_str(&text)
            .ok()
            .as_ref()
            .and_then(error_message);
        let body = self.hide_key(&shortened(&message.unwrap_or(text)));
        Err(ControlError::Status {
            step,
            status: status.as_u16(),
            body,
        })
    }

    fn hide_key(&self, text: &str) -> String {
        hide_key(text, &self.target.api_key)
    }
}

//! What clients get: answers in exactly the shapes of vLLM's, whole and streamed.

use serde_json::{Value, json};

use crate::stand_in::command::settings::{PromptTokenDetails, Settings};
use crate::stand_in::engine::cache::PrefixCaching;
use crate::stand_in::engine::clock::Said;
use crate::stand_in::engine::metrics::Finish;
use crate::stand_in::model::tokens::decode;
use crate::stand_in::version::VllmVersion;

/// Which endpoint answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Chat,
    Completion,
}

/// How usage is accounted for.
#[derive(Debug, Clone, Copy)]
pub struct Accounting {
    version: VllmVersion,
    details: PromptTokenDetails,
    caching: PrefixCaching,
    block_size: usize,
}

impl Accounting {
    pub fn new(settings: &Settings) -> Self {
        Self {
            version: settings.numbers.vllm_version,
            details: settings.details,
            caching: settings.caching,
            block_size: settings.block_size,
        }
    }

    /// Says in every answer that no model gave it.
    fn fingerprint(&self) -> String {
        format!("vllm-{}-stand-in", self.version.name())
    }

    /// Prompt tokens that were computed and left in the cache for others.
    fn created(&self, prompt: usize, cached: usize) -> usize {
        match self.caching {
            PrefixCaching::On => {
                (prompt / self.block_size * self.block_size).saturating_sub(cached)
            }
            PrefixCaching::Off => 0,
        }
    }
}

/// One answer on its way to a client.
#[derive(Debug, Clone)]
pub struct Writer {
    shape: Shape,
    accounting: Accounting,
    id: String,
    created: i64,
    model: String,
    prompt_tokens: usize,
    cached_tokens: usize,
    said: usize,
}

impl Writer {
    /// `number` makes the answer's id; `created` is in seconds since 1970.
    pub fn new(
        shape: Shape,
        accounting: Accounting,
        number: u64,
        created: i64,
        model: String,
        prompt_tokens: usize,
    ) -> Self {
        let writer = Self {
            shape,
            accounting,
            id: String::new(),
            created,
            model,
            prompt_tokens,
            cached_tokens: 0,
            said: 0,
        };
        writer.named(&format!("{number:016x}"))
    }

    /// Makes the answer's id of a name that the client chose.
    pub fn named(mut self, name: &str) -> Self {
        let prefix = match self.shape {
            Shape::Chat => "chatcmpl",
            Shape::Completion => "cmpl",
        };
        self.id = format!("{prefix}-{name}");
        self
    }

    /// The events of one piece: with the first of a chat comes the role in front.
    pub fn piece(&mut self, said: Said) -> String {
        let mut events = String::new();
        if self.said == 0 && self.shape == Shape::Chat {
            events.push_str(&event(&self.opening()));
        }
        self.count(said);
        events.push_str(&event(&self.chunk(said)));
        events
    }

    /// The event with the usage, after the last piece.
    pub fn usage_event(&self) -> String {
        let mut chunk = self.head("chat.completion.chunk");
        chunk["choices"] = json!([]);
        let mut usage = self.counts();
        if self.accounting.details == PromptTokenDetails::Shown {
            usage["prompt_tokens_details"] = json!({
                "cached_tokens": self.cached_tokens,
                "created_cache_tokens": self.accounting.created(self.prompt_tokens, self.cached_tokens),
            });
        }
        chunk["usage"] = usage;
        chunk["system_fingerprint"] = json!(self.accounting.fingerprint());
        event(&chunk)
    }

    /// The whole answer from all of its pieces.
    pub fn whole(mut self, pieces: &[Said]) -> Value {
        for said in pieces {
            self.count(*said);
        }
        let text: String = pieces.iter().map(|said| decode(said.token)).collect();
        let reason = pieces
            .last()
            .and_then(|said| said.finish)
            .map(Finish::reason);
        let mut body = self.head("chat.completion");
        body["choices"] = match self.shape {
            Shape::Chat => json!([{
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": text,
                    "refusal": null,
                    "annotations": null,
                    "audio": null,
                    "function_call": null,
                    "reasoning": null,
                },
                "logprobs": null,
                "finish_reason": reason,
                "stop_reason": null,
                "token_ids": null,
                "routed_experts": null,
            }]),
            Shape::Completion => json!([{
                "index": 0,
                "text": text,
                "logprobs": null,
                "finish_reason": reason,
                "stop_reason": null,
                "token_ids": null,
                "prompt_logprobs": null,
                "prompt_token_ids": null,
                "routed_experts": null,
            }]),
        };
        body["service_tier"] = Value::Null;
        body["system_fingerprint"] = json!(self.accounting.fingerprint());
        let mut usage = self.counts();
        usage["prompt_tokens_details"] = match self.accounting.details {
            PromptTokenDetails::Shown => json!({
                "cached_tokens": self.cached_tokens,
                "created_cache_tokens": self.accounting.created(self.prompt_tokens, self.cached_tokens),
                "multimodal_tokens": null,
            }),
            PromptTokenDetails::Hidden => Value::Null,
        };
        usage["completion_tokens_details"] = Value::Null;
        body["usage"] = usage;
        if self.shape == Shape::Chat {
            for name in ["prompt_logprobs", "prompt_token_ids", "prompt_text"] {
                body[name] = Value::Null;
            }
        }
        for name in ["kv_transfer_params", "ec_transfer_params", "metrics"] {
            body[name] = Value::Null;
        }
        body
    }

    fn count(&mut self, said: Said) {
        self.said += 1;
        self.cached_tokens = said.cached_tokens;
    }

    fn counts(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + self.said,
            "completion_tokens": self.said,
        })
    }

    fn head(&self, chat_object: &str) -> Value {
        let object = match self.shape {
            Shape::Chat => chat_object,
            Shape::Completion => "text_completion",
        };
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model})
    }

    /// vLLM's first chunk: the role, and no content yet.
    fn opening(&self) -> Value {
        let mut chunk = self.head("chat.completion.chunk");
        chunk["choices"] = json!([{
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "logprobs": null,
            "finish_reason": null,
        }]);
        chunk["prompt_token_ids"] = Value::Null;
        chunk["prompt_text"] = Value::Null;
        chunk
    }

    fn chunk(&self, said: Said) -> Value {
        let text = decode(said.token);
        let reason = said.finish.map(Finish::reason);
        let mut chunk = self.head("chat.completion.chunk");
        match self.shape {
            Shape::Chat => {
                let mut choice = json!({
                    "index": 0,
                    "delta": {"content": text},
                    "logprobs": null,
                    "finish_reason": reason,
                });
                if reason.is_some() {
                    choice["stop_reason"] = Value::Null;
                }
                choice["token_ids"] = Value::Null;
                chunk["choices"] = json!([choice]);
            }
            Shape::Completion => {
                chunk["choices"] = json!([{
                    "index": 0,
                    "text": text,
                    "logprobs": null,
                    "finish_reason": reason,
                    "stop_reason": null,
                    "prompt_token_ids": null,
                    "token_ids": null,
                }]);
                chunk["usage"] = Value::Null;
            }
        }
        chunk
    }
}

/// The last event of every stream.
pub const DONE: &str = "data: [DONE]\n\n";

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

/// The body of `/v1/models`: one entry for each served name.
pub fn models(settings: &Settings, max_model_len: usize, created: i64) -> Value {
    let entries: Vec<Value> = settings
        .served_names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            json!({
                "id": name,
                "object": "model",
                "created": created,
                "owned_by": "vllm",
                "root": settings.model,
                "parent": null,
                "max_model_len": max_model_len,
                "permission": [{
                    "id": format!("modelperm-{place:016x}"),
                    "object": "model_permission",
                    "created": created,
                    "allow_create_engine": false,
                    "allow_sampling": true,
                    "allow_logprobs": true,
                    "allow_search_indices": false,
                    "allow_view": true,
                    "allow_fine_tuning": false,
                    "organization": "*",
                    "group": null,
                    "is_blocking": false,
                }],
            })
        })
        .collect();
    json!({"object": "list", "data": entries})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::model::tokens::{MESSAGE_END, encode};

    fn writer(shape: Shape, details: PromptTokenDetails) -> Writer {
        let accounting = Accounting {
            version: VllmVersion::default(),
            details,
            caching: PrefixCaching::On,
            block_size: 16,
        };
        Writer::new(
            shape,
            accounting,
            0xa876_5100_0906_0a34,
            1_795_487_822,
            "smollm2".to_owned(),
            37,
        )
    }

    fn said(text: &str, finish: Option<Finish>) -> Said {
        Said {
            token: encode(text)[0],
            cached_tokens: 16,
            finish,
        }
    }

    fn ended() -> Said {
        Said {
            token: MESSAGE_END,
            cached_tokens: 16,
            finish: Some(Finish::Stop),
        }
    }

    #[test]
    fn a_streamed_chat_has_the_events_of_vllm() {
        let mut writer = writer(Shape::Chat, PromptTokenDetails::Hidden);
        let text = [
            writer.piece(said("The", None)),
            writer.piece(ended()),
            writer.usage_event(),
        ]
        .concat();
        let head = r#"data: {"id":"chatcmpl-a876510009060a34","object":"chat.completion.chunk","created":1795487822,"model":"smollm2","choices":"#;
        let bodies = [
            r#"[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}"#,
            r#"[{"index":0,"delta":{"content":"The"},"logprobs":null,"finish_reason":null,"token_ids":null}]}"#,
            r#"[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}]}"#,
            r#"[],"usage":{"prompt_tokens":37,"total_tokens":39,"completion_tokens":2},"system_fingerprint":"vllm-0.32.0-stand-in"}"#,
        ];
        let expected: String = bodies
            .iter()
            .map(|body| format!("{head}{body}\n\n"))
            .collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_whole_chat_has_the_body_of_vllm() {
        let writer = writer(Shape::Chat, PromptTokenDetails::Hidden);
        let body = writer.whole(&[said("Paris", None), ended()]).to_string();
        let expected = r#"{"id":"chatcmpl-a876510009060a34","object":"chat.completion","created":1795487822,"model":"smollm2","choices":[{"index":0,"message":{"role":"assistant","content":"Pari","refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null,"routed_experts":null}],"service_tier":null,"system_fingerprint":"vllm-0.32.0-stand-in","usage":{"prompt_tokens":37,"total_tokens":39,"completion_tokens":2,"prompt_tokens_details":null,"completion_tokens_details":null},"prompt_logprobs":null,"prompt_token_ids":null,"prompt_text":null,"kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn cached_tokens_are_told_where_they_were_asked_for() {
        let mut streamed = writer(Shape::Chat, PromptTokenDetails::Shown);
        streamed.piece(said("x", Some(Finish::Length)));
        let details = r#""prompt_tokens_details":{"cached_tokens":16,"created_cache_tokens":16}"#;
        assert!(streamed.usage_event().contains(details));
        let whole = writer(Shape::Completion, PromptTokenDetails::Shown)
            .whole(&[said("x", Some(Finish::Length))]);
        assert_eq!(whole["usage"]["prompt_tokens_details"]["cached_tokens"], 16);
        assert_eq!(
            (&whole["object"], &whole["choices"][0]["text"]),
            (&json!("text_completion"), &json!("x"))
        );
    }
}

//! One answer on its way to a client: its tokens become text, its text a message, whole or in
//! pieces, in exactly vLLM's shapes.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::stand_in::engine::clock::Said;
use crate::stand_in::engine::metrics::{Finish, Parsing, Read};
use crate::stand_in::http::calling::{Calling, Parallel, ToolChoice};
use crate::stand_in::http::logprobs;
use crate::stand_in::http::request::{Question, Shown};
use crate::stand_in::http::response::Shape;
use crate::stand_in::http::stop::{Ending, Text};
use crate::stand_in::model::tokens::{TokenId, decode};
use crate::stand_in::parser::delta::{CallDelta, Delta};
use crate::stand_in::parser::message::MessageReader;
use crate::stand_in::parser::registry::Unsaid;

/// One answer.
pub struct Choice {
    index: usize,
    shape: Shape,
    ending: Ending,
    text: Text,
    reader: Option<MessageReader>,
    calling: Option<Calling>,
    shown: Shown,
    prompt: Vec<TokenId>,
    /// Where a message holds its reasoning; `None` where it cannot.
    reasoning_field: Option<&'static str>,
    /// Where it is counted what a parser of tool calls is given.
    parsing: Option<Arc<Parsing>>,
    said: usize,
    called: bool,
    /// Characters of the tokens so far.
    offset: usize,
}

impl Choice {
    /// The answer to `question.asks[index]`.
    pub fn new(
        question: &Question,
        index: usize,
        shape: Shape,
        reasoning_field: Option<&'static str>,
    ) -> Self {
        let ask = &question.asks[index];
        let keeps_prompt = question.shown.echo || question.shown.token_ids;
        Self {
            index,
            shape,
            ending: ask.ending.clone(),
            text: Text::new(ask.ending.clone()),
            reader: question.calling.as_ref().and_then(Calling::reader),
            calling: question.calling.clone(),
            shown: question.shown,
            prompt: if keeps_prompt {
                question.prompts[ask.prompt].clone()
            } else {
                Vec::new()
            },
            reasoning_field,
            parsing: None,
            said: 0,
            called: false,
            offset: 0,
        }
    }

    /// Counts from now on what a parser of tool calls is given.
    pub fn count_in(&mut self, parsing: Arc<Parsing>) {
        self.parsing = Some(parsing);
    }

    fn count(&self, read: Read, called: bool) {
        if let (Some(parsing), Some(calling)) = (&self.parsing, &self.calling)
            && calling.parses_calls()
        {
            parsing.count(read, called);
        }
    }

    /// Tokens so far.
    pub fn said(&self) -> usize {
        self.said
    }

    /// Tokens of thinking so far.
    pub fn reasoning_tokens(&self) -> usize {
        self.reader
            .as_ref()
            .map_or(0, MessageReader::reasoning_tokens)
    }

    /// vLLM's first piece of a chat: the role, and no content yet.
    pub fn opening(&self) -> Value {
        json!({
            "index": self.index,
            "delta": {"role": "assistant", "content": ""},
            "logprobs": null,
            "finish_reason": null,
        })
    }

    /// The choice of the chunk for the next token; `None` if it says nothing yet.
    pub fn piece(&mut self, said: Said) -> Option<Value> {
        let text = self.text.push(said.token, said.finish.is_some());
        let place = self.said;
        self.said += 1;
        match self.shape {
            Shape::Chat => self.chat_piece(said, &text, place),
            Shape::Completion => Some(self.completion_piece(said, &text, place)),
        }
    }

    fn chat_piece(&mut self, said: Said, text: &str, place: usize) -> Option<Value> {
        let delta = match &mut self.reader {
            Some(reader) => {
                let mut delta = reader.read(text);
                if said.finish.is_some() {
                    reader.end(&mut delta);
                }
                delta
            }
            None => Delta {
                content: Some(text.to_owned()),
                ..Delta::default()
            },
        };
        self.called |= !delta.calls.is_empty();
        // Thoughts do not come to it.
        if delta.reasoning.is_none() {
            self.count(Read::Piece, !delta.calls.is_empty());
        }
        let (delta, is_silent) = self.delta(delta);
        // What a hidden thought's tokens would tell is hidden as well.
        let hides = self.reader.is_some()
            && self
                .calling
                .as_ref()
                .is_some_and(|calling| !calling.shows_reasoning);
        let logprobs = self.shown.logprobs.filter(|_| !hides);
        let shows_ids = self.shown.token_ids && !hides;
        if is_silent && said.finish.is_none() && logprobs.is_none() && !shows_ids {
            return None;
        }
        let mut choice = json!({
            "index": self.index,
            "delta": delta,
            "logprobs": logprobs.map(|top| logprobs::chat(&[said.token], place, top)),
            "finish_reason": said.finish.map(|finish| self.streamed_reason(finish)),
        });
        if said.finish.is_some() {
            choice["stop_reason"] = self.text.stop_reason().clone();
        }
        choice["token_ids"] = shows_ids.then_some([said.token]).into();
        Some(choice)
    }

    /// The delta as JSON, and whether it says nothing.
    fn delta(&self, delta: Delta) -> (Value, bool) {
        let shows_reasoning = self
            .calling
            .as_ref()
            .is_none_or(|calling| calling.shows_reasoning);
        let silent = delta.is_silent();
        let mut fields = Map::new();
        let look = self.calling.as_ref().map(Calling::look);
        match (delta.content, look) {
            (Some(content), _) => {
                fields.insert("content".to_owned(), json!(content));
            }
            (None, Some(look)) if !delta.calls.is_empty() && look.content == Unsaid::Null => {
                fields.insert("content".to_owned(), Value::Null);
            }
            (None, _) => {}
        }
        if let (Some(reasoning), Some(field)) = (delta.reasoning, self.reasoning_field) {
            if !shows_reasoning {
                if delta.calls.is_empty() && fields.is_empty() {
                    return (json!({}), true);
                }
                fields.insert(field.to_owned(), Value::Null);
            } else {
                fields.insert(field.to_owned(), json!(reasoning));
            }
        }
        let single = self
            .calling
            .as_ref()
            .is_some_and(|calling| calling.parallel == Parallel::Single);
        let calls: Vec<Value> = delta
            .calls
            .into_iter()
            .filter(|call| !single || call.index == 0)
            .map(|call| self.call(call))
            .collect();
        if !calls.is_empty() {
            fields.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        (Value::Object(fields), silent)
    }

    fn call(&self, call: CallDelta) -> Value {
        let mut fields = Map::new();
        let mut function = Map::new();
        let look = self.calling.as_ref().map(Calling::look);
        match (call.name, look) {
            (Some(name), Some(look)) => {
                fields.insert("id".to_owned(), json!(look.ids.make(call.index)));
                fields.insert("type".to_owned(), json!("function"));
                function.insert("name".to_owned(), json!(name));
            }
            (None, Some(look)) => {
                if look.id == Unsaid::Null {
                    fields.insert("id".to_owned(), Value::Null);
                }
                if look.function_name == Unsaid::Null {
                    function.insert("name".to_owned(), Value::Null);
                }
            }
            (_, None) => {}
        }
        fields.insert("index".to_owned(), json!(call.index));
        if let Some(arguments) = call.arguments {
            function.insert("arguments".to_owned(), json!(arguments));
        }
        fields.insert("function".to_owned(), Value::Object(function));
        Value::Object(fields)
    }

    /// A named function ends its message as words do, in streams and whole.
    fn streamed_reason(&self, finish: Finish) -> &'static str {
        let named = self
            .calling
            .as_ref()
            .is_some_and(|calling| matches!(calling.choice, ToolChoice::Named(_)));
        match finish {
            Finish::Stop if self.called && !named => "tool_calls",
            other => other.reason(),
        }
    }

    fn completion_piece(&mut self, said: Said, text: &str, place: usize) -> Value {
        let echoed = if self.shown.echo && place == 0 {
            self.prompt.as_slice()
        } else {
            &[]
        };
        let mut shown = String::new();
        if !self.shown.token_ids {
            shown.extend(echoed.iter().copied().map(decode));
        }
        shown.push_str(text);
        let tokens: Vec<TokenId> = echoed.iter().copied().chain([said.token]).collect();
        let logprobs = self.shown.logprobs.map(|top| {
            let bare = usize::from(!echoed.is_empty());
            logprobs::completion(&tokens, place, top, self.offset, bare)
        });
        self.offset += tokens
            .iter()
            .map(|token| decode(*token).chars().count())
            .sum::<usize>();
        let first_prompt = place == 0 && (self.shown.echo || self.shown.token_ids);
        json!({
            "index": self.index,
            "text": shown,
            "logprobs": logprobs,
            "finish_reason": said.finish.map(Finish::reason),
            "stop_reason": if said.finish.is_some() { self.text.stop_reason() } else { &Value::Null },
            "prompt_token_ids": first_prompt.then_some(&self.prompt),
            "token_ids": self.shown.token_ids.then_some([said.token]),
        })
    }

    /// The whole choice from all of its tokens.
    pub fn whole(&mut self, pieces: &[Said]) -> Value {
        self.said = pieces.len();
        let finish = pieces.last().and_then(|said| said.finish);
        let tokens: Vec<TokenId> = pieces.iter().map(|said| said.token).collect();
        let last = tokens.len().saturating_sub(1);
        let mut text = Text::new(self.ending.clone());
        let texts: Vec<String> = tokens
            .iter()
            .enumerate()
            .map(|(place, token)| text.push(*token, place == last))
            .collect();
        match self.shape {
            Shape::Chat => self.whole_chat(&texts, &tokens, finish),
            Shape::Completion => self.whole_completion(&texts.concat(), &tokens, finish),
        }
    }

    fn whole_chat(
        &mut self,
        texts: &[String],
        tokens: &[TokenId],
        finish: Option<Finish>,
    ) -> Value {
        let mut message = json!({"role": "assistant", "content": null});
        for name in ["refusal", "annotations", "audio", "function_call"] {
            message[name] = Value::Null;
        }
        let mut reason = finish.map(Finish::reason);
        let mut reasoning = None;
        match (&mut self.reader, &self.calling) {
            (Some(reader), Some(calling)) => {
                let (thoughts, read) = reader.whole(texts.iter().map(String::as_str));
                reasoning = thoughts.filter(|_| calling.shows_reasoning);
                let forced = matches!(calling.choice, ToolChoice::Required | ToolChoice::Named(_));
                message["content"] = match read.content {
                    None if forced => json!(""),
                    content => json!(content),
                };
                let most = match calling.parallel {
                    Parallel::Single => 1,
                    Parallel::Allowed => usize::MAX,
                };
                let ids = calling.look().ids;
                let calls: Vec<Value> = read
                    .calls
                    .iter()
                    .enumerate()
                    .take(most)
                    .map(|(place, (name, arguments))| {
                        json!({
                            "id": ids.make(place),
                            "type": "function",
                            "function": {"name": name, "arguments": arguments},
                        })
                    })
                    .collect();
                // `required` counts as called, whatever became of it.
                let called = match calling.choice {
                    ToolChoice::Auto => !calls.is_empty(),
                    ToolChoice::Required => finish == Some(Finish::Stop),
                    ToolChoice::None | ToolChoice::Named(_) => false,
                };
                if called {
                    reason = Some("tool_calls");
                }
                if !calls.is_empty() {
                    message["tool_calls"] = Value::Array(calls);
                }
            }
            _ => message["content"] = json!(texts.concat()),
        }
        if let Some(field) = self.reasoning_field {
            message[field] = json!(reasoning);
        }
        self.count(Read::Whole, message["tool_calls"].is_array());
        json!({
            "index": self.index,
            "message": message,
            "logprobs": self.shown.logprobs.map(|top| logprobs::chat(tokens, 0, top)),
            "finish_reason": reason,
            "stop_reason": self.ending.reason,
            "token_ids": self.shown.token_ids.then_some(tokens),
            "routed_experts": null,
        })
    }

    fn whole_completion(&self, text: &str, tokens: &[TokenId], finish: Option<Finish>) -> Value {
        let echoed = if self.shown.echo {
            self.prompt.as_slice()
        } else {
            &[]
        };
        let mut shown = String::new();
        if !self.shown.token_ids {
            shown.extend(echoed.iter().copied().map(decode));
        }
        shown.push_str(text);
        let all: Vec<TokenId> = echoed.iter().chain(tokens).copied().collect();
        let bare = usize::from(!echoed.is_empty());
        json!({
            "index": self.index,
            "text": shown,
            "logprobs": self.shown.logprobs.map(|top| logprobs::completion(&all, 0, top, 0, bare)),
            "finish_reason": finish.map(Finish::reason),
            "stop_reason": self.ending.reason,
            "token_ids": self.shown.token_ids.then_some(tokens),
            "prompt_logprobs": null,
            "prompt_token_ids": self.shown.token_ids.then_some(&self.prompt),
            "routed_experts": null,
        })
    }

    /// The prompt's tokens, if they are shown.
    pub fn shown_prompt(&self) -> Option<&[TokenId]> {
        self.shown.token_ids.then_some(self.prompt.as_slice())
    }
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;

//! What clients ask for: request bodies read into questions for the engine, or refused as vLLM
//! refuses them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::spec::imagined::Thinking;
use crate::stand_in::command::settings::{Settings, TemplateTools};
use crate::stand_in::http::answer_form::{answer_form, verify_response_format};
use crate::stand_in::http::calling::{Calling, ToolChoice, template_kwargs, thinks};
use crate::stand_in::http::conversation::{
    messages, tools, verify_tool_choice, verify_top_logprobs,
};
use crate::stand_in::http::error::ApiError;
use crate::stand_in::http::fields::Fields;
use crate::stand_in::http::json::parse;
use crate::stand_in::http::prompt::{prompts, token, verify_prompt};
use crate::stand_in::http::sampling::{Sampling, verify_logprobs, verify_stream_options};
use crate::stand_in::http::stop::{Ending, Stops, least};
use crate::stand_in::model::answer::{Answer, Length, Speech, compose};
use crate::stand_in::model::choose::{Demand, Intent, decide};
use crate::stand_in::model::tokens::{Template, TokenId, encode, read_chat, render_chat};
use crate::stand_in::model::tool_call::Form;

/// How the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Whole,
    /// Piece by piece, then perhaps the usage, which may be with every piece as well.
    Streamed {
        usage: bool,
        continuous: bool,
    },
}

/// A question that the engine can answer.
#[derive(Debug, Clone)]
pub struct Question {
    /// One, or several for completions.
    pub prompts: Vec<Vec<TokenId>>,
    /// One for each answer that is wanted, in their order.
    pub asks: Vec<Ask>,
    pub delivery: Delivery,
    pub shown: Shown,
    /// What a chat wants of tools; `None` for completions.
    pub calling: Option<Calling>,
}

/// What a request wants besides sampling.
#[derive(Debug, Clone, Copy, Default)]
struct Wish<'a> {
    /// How many tokens the answer may have, and the field that says so.
    limit: Option<(&'a str, i64)>,
    /// How many alternatives are wanted for each token.
    logprobs: Option<i64>,
    token_ids: bool,
    echo: bool,
}

/// One answer to one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The place of its prompt.
    pub prompt: usize,
    pub answer: Answer,
    /// How many tokens the answer might have had.
    pub max_tokens: usize,
    pub ending: Ending,
}

/// What is shown besides the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// The alternatives for each token, if log probabilities are shown.
    pub logprobs: Option<usize>,
    pub token_ids: bool,
    /// The prompt in front of a completion.
    pub echo: bool,
}

/// Reads questions as one engine takes them.
#[derive(Debug)]
pub struct Reader {
    settings: Settings,
    max_model_len: usize,
    /// Tells answers apart that are sampled without a seed.
    unseeded: AtomicU64,
}

impl Reader {
    pub fn new(settings: &Settings, max_model_len: usize) -> Self {
        Self {
            settings: settings.clone(),
            max_model_len,
            unseeded: AtomicU64::new(0),
        }
    }

    /// Longest sequence that is taken, in tokens.
    pub fn max_model_len(&self) -> usize {
        self.max_model_len
    }

    /// Reads the body of `/v1/chat/completions`.
    pub fn chat(&self, bytes: &[u8]) -> Result<Question, ApiError> {
        let body = parse(bytes)?;
        verify_tool_choice(&body)?;
        verify_top_logprobs(&body)?;
        verify_response_format(&body)?;
        verify_stream_options(&body)?;
        let mut fields = Fields::of(&body);
        let messages = messages(&mut fields);
        let model = fields.text("model");
        let logprobs = fields.flag("logprobs").unwrap_or(false);
        let top_logprobs = fields.integer("top_logprobs").unwrap_or(0);
        let max_tokens = fields.integer("max_tokens");
        let max_completion_tokens = fields.integer("max_completion_tokens");
        let sampling = Sampling::read(&mut fields);
        let form = answer_form(&mut fields);
        let delivery = delivery(&mut fields);
        let tools = tools(&mut fields);
        fields.text("user");
        let token_ids = fields.flag("return_token_ids").unwrap_or(false);
        fields.finish()?;
        self.check_model(model)?;
        let calling = Calling::read(&body, &self.settings)?;
        if messages.is_empty() {
            let message = "Cannot apply chat template to an empty conversation. Provide at least \
                           one message.";
            return Err(ApiError::bad(message, None));
        }
        let (thoughts, opening) = thoughts(self.settings.numbers.reasoning, calling.thinks());
        let prompt = render_chat(messages, self.shown(tools), self.template(Some(opening)));
        let limit = match max_completion_tokens {
            Some(limit) => Some(("max_completion_tokens", limit)),
            None => max_tokens.map(|limit| ("max_tokens", limit)),
        };
        let speech = Speech {
            thoughts,
            text: form.text(messages).or_else(|| {
                let known = Form::of(self.settings.numbers.tool_calls);
                self.knows_of_tools(&calling)
                    .then(|| calling.speech(messages, known))
                    .flatten()
            }),
        };
        let wish = Wish {
            limit,
            logprobs: logprobs.then_some(top_logprobs),
            token_ids,
            ..Wish::default()
        };
        let ended = thoughts.is_none() && !opening.is_empty();
        let mut question = self.question(vec![prompt], &wish, &sampling, &speech, delivery)?;
        question.calling = Some(if ended {
            calling.with_ended_thoughts()
        } else {
            calling
        });
        Ok(question)
    }

    /// Reads the body of `/v1/completions`.
    pub fn completion(&self, bytes: &[u8]) -> Result<Question, ApiError> {
        let body = parse(bytes)?;
        verify_prompt(&body)?;
        verify_stream_options(&body)?;
        let mut fields = Fields::of(&body);
        let model = fields.text("model");
        let prompts = prompts(&mut fields);
        let echo = fields.flag("echo").unwrap_or(false);
        let logprobs = fields.integer("logprobs");
        // vLLM's default for completions.
        let limit = fields.integer("max_tokens").unwrap_or(16);
        let sampling = Sampling::read(&mut fields);
        let delivery = delivery(&mut fields);
        let suffix = fields.text("suffix");
        fields.text("user");
        let token_ids = fields.flag("return_token_ids").unwrap_or(false);
        fields.finish()?;
        self.check_model(model)?;
        if suffix.is_some() {
            let message = "suffix is only supported for models with FIM completion rendering";
            return Err(ApiError::bad(message, Some("suffix")));
        }
        let wish = Wish {
            limit: Some(("max_tokens", limit)),
            logprobs,
            token_ids,
            echo,
        };
        let speech = self.behind(&prompts);
        self.question(prompts, &wish, &sampling, &speech, delivery)
    }

    /// What the model wants to say behind a prompt in its own chat template: the calls that it
    /// would make in a chat, which nobody parses here.
    fn behind(&self, prompts: &[Vec<TokenId>]) -> Speech {
        let [prompt] = prompts else {
            return Speech::default();
        };
        let text = read_chat(prompt).and_then(|(messages, tools)| {
            let form = Form::of(self.settings.numbers.tool_calls)?;
            match decide(&messages, &tools, Demand::Free) {
                Intent::Calls(calls) if !calls.is_empty() => Some(form.write(&calls)),
                Intent::Reply(text) => Some(text),
                Intent::Calls(_) | Intent::Words => None,
            }
        });
        Speech {
            text,
            ..Speech::default()
        }
    }

    /// The tools as the template shows them.
    fn shown<'t>(&self, tools: Option<&'t Value>) -> Option<&'t Value> {
        tools.filter(|_| self.settings.template_tools == TemplateTools::Shown)
    }

    /// A model that was shown no tools calls none, unless a grammar makes it.
    fn knows_of_tools(&self, calling: &Calling) -> bool {
        let forced = matches!(calling.choice, ToolChoice::Required | ToolChoice::Named(_));
        forced || self.settings.template_tools == TemplateTools::Shown
    }

    fn template(&self, opening: Option<&'static str>) -> Template {
        Template {
            calls: self.settings.numbers.tool_calls,
            opening,
        }
    }

    /// Reads the body of `/tokenize`: a prompt or a conversation. With the tokens comes whether
    /// their texts are wanted too.
    pub fn tokenize(&self, bytes: &[u8]) -> Result<(Vec<TokenId>, bool), ApiError> {
        let body = parse(bytes)?;
        let mut fields = Fields::of(&body);
        let model = fields.text("model");
        let with_texts = fields.flag("return_token_strs").unwrap_or(false);
        let opened = fields.flag("add_generation_prompt").unwrap_or(true);
        let ids = if let Some(prompt) = body.get("prompt").and_then(Value::as_str) {
            encode(prompt)
        } else {
            if body
                .get("messages")
                .is_none_or(|messages| !messages.is_array())
            {
                fields.require("prompt");
                fields.text("prompt");
            }
            let messages = messages(&mut fields);
            let tools = tools(&mut fields);
            let thinks = thinks(&template_kwargs(&body));
            let (_, opening) = thoughts(self.settings.numbers.reasoning, thinks);
            let template = self.template(opened.then_some(opening));
            render_chat(messages, self.shown(tools), template)
        };
        fields.finish()?;
        self.check_model(model)?;
        Ok((ids, with_texts))
    }

    /// Reads the body of `/detokenize`.
    pub fn detokenize(&self, bytes: &[u8]) -> Result<Vec<TokenId>, ApiError> {
        let body = parse(bytes)?;
        let mut fields = Fields::of(&body);
        let model = fields.text("model");
        fields.require("tokens");
        let ids = fields.naturals("tokens").unwrap_or_default();
        fields.finish()?;
        self.check_model(model)?;
        Ok(ids.into_iter().map(token).collect())
    }

    fn check_model(&self, model: Option<&str>) -> Result<(), ApiError> {
        let names = &self.settings.served_names;
        match model {
            Some(name) if !name.is_empty() && !names.iter().any(|known| known == name) => {
                Err(ApiError::no_such_model(name, names))
            }
            _ => Ok(()),
        }
    }

    fn question(
        &self,
        prompts: Vec<Vec<TokenId>>,
        wish: &Wish<'_>,
        sampling: &Sampling,
        speech: &Speech,
        delivery: Delivery,
    ) -> Result<Question, ApiError> {
        let n = usize::try_from(sampling.n.unwrap_or(1)).unwrap_or(1);
        let stops = Stops::of(sampling);
        let mut asks = Vec::new();
        for (place, prompt) in prompts.iter().enumerate() {
            let granted = self.granted(prompt, wish.limit)?;
            sampling.verify(granted)?;
            verify_logprobs(wish.logprobs)?;
            let length = Length {
                most: usize::try_from(granted).expect("what is verified is at least 1"),
                least: least(sampling),
                ignore_eos: sampling.ignore_eos,
            };
            let mut salt = self.salt(sampling);
            for _ in 0..n {
                let answer = compose(prompt, salt, speech, length);
                let (answer, ending) = stops.cut(answer);
                asks.push(Ask {
                    prompt: place,
                    answer,
                    max_tokens: length.most,
                    ending,
                });
                // The first of several answers is the one that would be given alone.
                salt = salt.wrapping_add(0x9e37_79b9_7f4a_7c15);
            }
        }
        Ok(Question {
            prompts,
            asks,
            delivery,
            shown: Shown {
                logprobs: wish.logprobs.map(|top| usize::try_from(top).unwrap_or(0)),
                token_ids: wish.token_ids,
                echo: wish.echo,
            },
            calling: None,
        })
    }

    /// How many tokens may be said behind a prompt.
    fn granted(&self, prompt: &[TokenId], limit: Option<(&str, i64)>) -> Result<i64, ApiError> {
        let longest = self.max_model_len;
        if let Some((name, limit)) = limit
            && usize::try_from(limit).is_ok_and(|limit| limit > longest)
        {
            let message = format!(
                "{name}={limit} cannot be greater than max_model_len={longest}. Please request \
                 fewer output tokens."
            );
            return Err(ApiError::of_value(name, limit, &message));
        }
        if prompt.len() > longest {
            // The tokenizer stops at the first token too many.
            let seen = longest + 1;
            let message = format!(
                "This model's maximum context length is {longest} tokens. However, your prompt \
                 contains at least {seen} input tokens, which exceeds this limit even without any \
                 output tokens. Please reduce the length of the input prompt."
            );
            return Err(ApiError::of_value("input_tokens", seen, &message));
        }
        if prompt.is_empty() {
            return Err(ApiError::bad("The decoder prompt cannot be empty", None));
        }
        let room = i64::try_from(longest - prompt.len()).unwrap_or(i64::MAX);
        Ok(limit.map_or(room, |(_, limit)| limit.min(room)))
    }

    /// Equal salts give equal answers to equal prompts: at temperature 0 always, above it with
    /// equal seeds.
    fn salt(&self, sampling: &Sampling) -> u64 {
        if sampling.temperature == Some(0.0) {
            return 0;
        }
        match sampling.seed {
            Some(seed) => seed.cast_unsigned().wrapping_add(1),
            None => {
                let count = self.unseeded.fetch_add(1, Ordering::Relaxed);
                let seed = self.settings.seed.cast_unsigned();
                seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(count)
            }
        }
    }
}

fn delivery(fields: &mut Fields) -> Delivery {
    let streamed = fields.flag("stream").unwrap_or(false);
    let (usage, continuous) = fields
        .object("stream_options", |options| {
            let usage = options.flag("include_usage").unwrap_or(false);
            let continuous = options.flag("continuous_usage_stats").unwrap_or(false);
            // Without the usage at the end there is none in between.
            (usage, usage && continuous)
        })
        .unwrap_or_default();
    if streamed {
        Delivery::Streamed { usage, continuous }
    } else {
        Delivery::Whole
    }
}

/// What stands around a model's thoughts, if it thinks, and how its template opens an answer.
fn thoughts(model: Thinking, wanted: bool) -> (Option<(&'static str, &'static str)>, &'static str) {
    const END: &str = "\n</think>\n\n";
    match (model, wanted) {
        (Thinking::None, _) => (None, ""),
        (Thinking::Qwen3, true) => (Some(("<think>\n", END)), ""),
        (Thinking::Qwen3, false) => (None, "<think>\n\n</think>\n\n"),
        // It cannot be turned off.
        (Thinking::DeepseekR1, _) => (Some(("", END)), "<think>\n"),
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;

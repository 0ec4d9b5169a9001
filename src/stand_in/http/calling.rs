//! What a chat request wants of tools and of thinking, and who reads the answer.

use serde_json::{Map, Value};

use crate::stand_in::command::settings::{AutoToolChoice, Settings};
use crate::stand_in::http::error::ApiError;
use crate::stand_in::model::choose::{Demand, Intent, decide};
use crate::stand_in::model::tool_call::Form;
use crate::stand_in::parser::guided::{GuidedCalls, NamedCall};
use crate::stand_in::parser::message::{MessageReader, Nothing};
use crate::stand_in::parser::parameters::Thoughts;
use crate::stand_in::parser::reasoning::{Prompted, Reasoner, is_engine};
use crate::stand_in::parser::registry::{
    Forces, GUIDED_LOOK, Look, NAMED_LOOK, ToolParser, tool_parser,
};

/// Which calls a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    None,
    Auto,
    Required,
    Named(String),
}

/// Whether one answer may hold several calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parallel {
    Allowed,
    Single,
}

/// What a chat request wants of tools, and how its answer is read.
#[derive(Debug, Clone)]
pub struct Calling {
    pub choice: ToolChoice,
    pub parallel: Parallel,
    /// As the request has them.
    tools: Vec<Value>,
    parser: Option<&'static ToolParser>,
    reasoning_parser: Option<&'static str>,
    /// The request's `chat_template_kwargs`.
    kwargs: Value,
    prompted: Prompted,
    /// Whether thoughts are shown.
    pub shows_reasoning: bool,
}

impl Calling {
    /// Reads what a conversation of the right form wants, and refuses what this engine cannot
    /// do.
    pub fn read(body: &Value, settings: &Settings) -> Result<Self, ApiError> {
        let choice = tool_choice(body);
        if choice != ToolChoice::None && settings.tools == AutoToolChoice::Disabled {
            let message = match &choice {
                ToolChoice::Named(name) => {
                    format!("tool_choice=function \"{name}\" requires --tool-call-parser to be set")
                }
                ToolChoice::Required => {
                    "tool_choice=\"required\" requires --tool-call-parser to be set".to_owned()
                }
                ToolChoice::Auto | ToolChoice::None => {
                    "\"auto\" tool choice requires --enable-auto-tool-choice and \
                     --tool-call-parser to be set"
                        .to_owned()
                }
            };
            return Err(ApiError::bad(message, None));
        }
        let parallel = match body["parallel_tool_calls"].as_bool() {
            Some(false) => Parallel::Single,
            Some(true) | None => Parallel::Allowed,
        };
        let tools = body["tools"].as_array();
        Ok(Self {
            choice,
            parallel,
            tools: tools.cloned().unwrap_or_default(),
            parser: settings.tool_parser.and_then(tool_parser),
            reasoning_parser: settings.reasoning_parser,
            kwargs: template_kwargs(body),
            prompted: Prompted::Open,
            shows_reasoning: body["include_reasoning"].as_bool().unwrap_or(true),
        })
    }

    /// Whether the request lets the model think.
    pub fn thinks(&self) -> bool {
        thinks(&self.kwargs)
    }

    /// The prompt holds an empty thought.
    pub fn with_ended_thoughts(mut self) -> Self {
        self.prompted = Prompted::Ended;
        self
    }

    /// What the model writes instead of words, if anything: its calls in the form that it knows
    /// or that the parser's grammar forces, or what the tools have told it.
    pub fn speech(&self, messages: &[Value], known: Option<Form>) -> Option<String> {
        let demand = match &self.choice {
            ToolChoice::None => return None,
            ToolChoice::Auto => Demand::Free,
            ToolChoice::Required => Demand::Some,
            ToolChoice::Named(name) => Demand::Named(name),
        };
        let form = match (demand, self.forces()) {
            (Demand::Free, _) | (_, Forces::Nothing) => known,
            (_, Forces::Grammar(form)) => Some(form),
            (Demand::Some, Forces::List) => Some(Form::Guided),
            (Demand::Named(_), Forces::List) => Some(Form::Arguments),
        };
        match decide(messages, &self.tools, demand) {
            Intent::Calls(mut calls) => {
                // A grammar ends after one call, and a named function is one. A model that
                // writes as it likes writes them all, and only the first is shown.
                let single = match (demand, self.parallel) {
                    (Demand::Named(_), _) | (Demand::Some, Parallel::Single) => true,
                    (Demand::Free, Parallel::Single) => {
                        matches!(self.forces(), Forces::Grammar(_))
                    }
                    (Demand::Free | Demand::Some, Parallel::Allowed) => false,
                };
                if single {
                    calls.truncate(1);
                }
                form.filter(|_| !calls.is_empty())
                    .map(|form| form.write(&calls))
            }
            Intent::Reply(text) => Some(text),
            Intent::Words => None,
        }
    }

    fn forces(&self) -> Forces {
        self.parser.map_or(Forces::Nothing, |parser| parser.forces)
    }

    /// Whether calls are forced and read without the parser.
    fn is_guided(&self) -> bool {
        self.forces() == Forces::List
            && matches!(self.choice, ToolChoice::Required | ToolChoice::Named(_))
    }

    /// Whether the parser of tool calls reads the answer.
    pub fn parses_calls(&self) -> bool {
        self.parser.is_some() && self.choice != ToolChoice::None && !self.is_guided()
    }

    /// A reader for one answer; `None` where neither parser is set, and the text is the answer.
    pub fn reader(&self) -> Option<MessageReader> {
        let reasoner = self
            .reasoning_parser
            .and_then(|name| Reasoner::new(name, &self.kwargs, self.prompted));
        let thoughts = match self.reasoning_parser {
            Some(name) if is_engine(name) => Thoughts::Parsed,
            Some(_) => Thoughts::ParsedElsewhere,
            None => Thoughts::Text,
        };
        let tools = match (self.parser, &self.choice) {
            (None, _) | (_, ToolChoice::None) => None,
            (Some(_), ToolChoice::Required) if self.is_guided() => {
                Some(Box::new(GuidedCalls::new()) as _)
            }
            (Some(_), ToolChoice::Named(name)) if self.is_guided() => {
                Some(Box::new(NamedCall::new(name)) as _)
            }
            (Some(parser), _) => Some(parser.reader(&self.tools, thoughts)),
        };
        let parses = self.parser.is_some() || self.reasoning_parser.is_some();
        // A parser of calls alone tells nothing of nothing, even where it has no calls to read.
        let nothing = match self.reasoning_parser {
            Some(_) => Nothing::Told,
            None => Nothing::Untold,
        };
        parses.then(|| MessageReader::new(reasoner, tools, nothing))
    }

    /// How deltas with calls look.
    pub fn look(&self) -> Look {
        match (&self.choice, self.parser) {
            (ToolChoice::Required, _) if self.is_guided() => GUIDED_LOOK,
            (ToolChoice::Named(_), _) if self.is_guided() => NAMED_LOOK,
            (_, Some(parser)) => parser.look,
            (_, None) => NAMED_LOOK,
        }
    }

    /// Usage tells how many tokens were thoughts.
    pub fn counts_reasoning(&self) -> bool {
        self.reasoning_parser.is_some()
    }
}

/// Which calls a request wants, whose fields are known to be in order.
fn tool_choice(body: &Value) -> ToolChoice {
    match body.get("tool_choice") {
        None if body["tools"].is_array() => ToolChoice::Auto,
        Some(Value::String(word)) if word == "auto" => ToolChoice::Auto,
        Some(Value::String(word)) if word == "required" => ToolChoice::Required,
        Some(Value::Object(named)) => {
            let name = named
                .get("function")
                .and_then(|function| function["name"].as_str());
            ToolChoice::Named(name.unwrap_or_default().to_owned())
        }
        None | Some(_) => ToolChoice::None,
    }
}

/// What a request tells the chat template. An effort turns thinking on or off, unless the
/// template is told otherwise.
pub fn template_kwargs(body: &Value) -> Value {
    let mut kwargs = body["chat_template_kwargs"].clone();
    if let Some(effort) = body["reasoning_effort"].as_str()
        && kwargs.get("enable_thinking").is_none()
    {
        if !kwargs.is_object() {
            kwargs = Value::Object(Map::new());
        }
        kwargs["enable_thinking"] = Value::Bool(effort != "none");
    }
    kwargs
}

/// Whether a template that is told this lets the model think.
pub fn thinks(kwargs: &Value) -> bool {
    kwargs["enable_thinking"].as_bool().unwrap_or(true)
}

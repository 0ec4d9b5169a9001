//! What a response says, put together from its bytes. Pure: bytes and their instants in, counts
//! and reasons out.

use crate::load::chat::{ChatEvent, read_event};
use crate::load::client::shortened;
use crate::load::sse::SseDecoder;
use crate::load::stream::answer::{Answer, AnswerBuilder};
use crate::load::stream::request::Keep;
use crate::measure::request::{Instants, RequestFailure, Usage};

/// What a response said.
#[derive(Debug, Default)]
pub struct Said {
    pub usage: Option<Usage>,
    pub finish_reason: Option<String>,
    pub answer: Option<Answer>,
}

/// Reads the body of one response.
pub trait BodyReader {
    /// How the content type of such a body begins, and what it is called.
    fn media_type(&self) -> (&'static str, &'static str);

    /// Takes bytes that arrived `at`, in nanoseconds since the origin.
    ///
    /// # Errors
    /// When they make the response no measurement; nothing further is to be read then.
    fn take(&mut self, bytes: &[u8], at: u64) -> Result<(), RequestFailure>;

    /// The first token is there.
    fn has_token(&self) -> bool;

    /// Nothing that counts can follow.
    fn is_done(&self) -> bool;

    /// Nothing more comes.
    ///
    /// # Errors
    /// When something is missing.
    fn end(&mut self) -> Result<(), RequestFailure>;
}

/// Reads a stream of chat completion chunks.
#[derive(Debug)]
pub struct StreamReader {
    decoder: SseDecoder,
    events: Events,
}

/// What has come of one stream.
#[derive(Debug)]
struct Events {
    instants: Instants,
    said: Said,
    answer: Option<AnswerBuilder>,
    saw_bytes: bool,
    is_done: bool,
    failure: Option<RequestFailure>,
}

impl StreamReader {
    /// Its instants are those of a request that was due then.
    pub fn new(due: u64, keep: Keep) -> Self {
        Self {
            decoder: SseDecoder::default(),
            events: Events {
                instants: Instants::due_at(due),
                said: Said::default(),
                answer: (keep == Keep::Answer).then(AnswerBuilder::default),
                saw_bytes: false,
                is_done: false,
                failure: None,
            },
        }
    }

    pub fn finish(self) -> (Instants, Said) {
        let Events {
            instants,
            mut said,
            answer,
            ..
        } = self.events;
        said.answer = answer.map(AnswerBuilder::finish);
        (instants, said)
    }
}

impl BodyReader for StreamReader {
    fn media_type(&self) -> (&'static str, &'static str) {
        ("text/event-stream", "an event stream")
    }

    fn take(&mut self, bytes: &[u8], at: u64) -> Result<(), RequestFailure> {
        let events = &mut self.events;
        events.saw_bytes = true;
        events.instants.end = at;
        let decoded = self
            .decoder
            .push(bytes, |event| events.take(event.data, at));
        if let Some(failure) = events.failure.take() {
            return Err(failure);
        }
        decoded.map_err(|error| RequestFailure::Garbled {
            detail: error.to_string(),
        })
    }

    fn has_token(&self) -> bool {
        self.events.instants.first_token.is_some()
    }

    fn is_done(&self) -> bool {
        self.events.is_done
    }

    fn end(&mut self) -> Result<(), RequestFailure> {
        let events = &self.events;
        let has_reason = events.said.finish_reason.is_some();
        if has_reason && (events.is_done || !self.decoder.is_inside_event()) {
            return Ok(());
        }
        let detail = match (has_reason, events.saw_bytes) {
            (true, _) => "the stream ended inside an event",
            (false, true) => "the stream ended without a finish_reason",
            (false, false) => "the response had no body",
        };
        Err(RequestFailure::Cut {
            detail: detail.to_owned(),
        })
    }
}

impl Events {
    fn take(&mut self, data: &str, at: u64) {
        if self.is_done || self.failure.is_some() {
            return;
        }
        match read_event(data) {
            Err(error) => {
                let detail = format!("{error}: {}", shortened(data));
                self.failure = Some(RequestFailure::Garbled { detail });
            }
            Ok(ChatEvent::Error { message }) => {
                let message = shortened(&message);
                self.failure = Some(RequestFailure::ErrorEvent { message });
            }
            Ok(ChatEvent::Done) => self.is_done = true,
            Ok(ChatEvent::Chunk(chunk)) => {
                if chunk.carries_token {
                    self.instants.first_token.get_or_insert(at);
                    self.instants.last_token = Some(at);
                    self.instants.tokens.push(at);
                }
                if chunk.carries_answer {
                    self.instants.first_answer.get_or_insert(at);
                }
                let said = &mut self.said;
                said.usage = chunk.usage.or(said.usage);
                said.finish_reason = chunk.finish_reason.or(said.finish_reason.take());
                if let Some(answer) = &mut self.answer
                    && let Err(error) = answer.take(data)
                {
                    let detail = error.to_string();
                    self.failure = Some(RequestFailure::Garbled { detail });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(delta: &str, rest: &str) -> String {
        format!("data: {{\"choices\":[{{\"delta\":{delta},{rest}}}]}}\n\n")
    }

    #[test]
    fn instants_are_those_of_the_bytes_and_the_answer_begins_after_the_reasoning() {
        let mut reader = StreamReader::new(5, Keep::Nothing);
        let none = r#""finish_reason":null"#;
        let role = chunk(r#"{"role":"assistant","content":""}"#, none);
        let reasoning = chunk(r#"{"reasoning":"hm"}"#, none);
        let content = chunk(r#"{"content":"so"}"#, none);
        reader.take(role.as_bytes(), 10).unwrap();
        assert!(!reader.has_token());
        // An event is of the instant at which its last byte came.
        let (front, back) = reasoning.split_at(20);
        reader.take(front.as_bytes(), 20).unwrap();
        reader.take(back.as_bytes(), 30).unwrap();
        assert!(reader.has_token());
        let together = format!("{content}{content}");
        reader.take(together.as_bytes(), 40).unwrap();
        let end = chunk("{}", r#""finish_reason":"stop""#);
        reader.take(end.as_bytes(), 50).unwrap();
        assert!(!reader.is_done());
        reader.take(b"data: [DONE]\n\n", 60).unwrap();
        assert!(reader.is_done());
        assert_eq!(reader.end(), Ok(()));
        let (instants, said) = reader.finish();
        let expected = Instants {
            due: 5,
            sent: 5,
            first_token: Some(30),
            first_answer: Some(40),
            last_token: Some(40),
            end: 60,
            tokens: vec![30, 40, 40].into(),
        };
        assert_eq!(instants, expected);
        assert_eq!(said.finish_reason.as_deref(), Some("stop"));
        assert_eq!((said.usage, said.answer), (None, None));
    }
}

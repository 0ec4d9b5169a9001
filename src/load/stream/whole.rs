//! An answer that comes in one piece of JSON: for what must be asked without streaming.

use serde::Deserialize;

use crate::load::chat::{ChatChunk, ChatEvent, read_event};
use crate::load::client::shortened;
use crate::load::stream::answer::AnswerBuilder;
use crate::load::stream::reader::{BodyReader, Said};
use crate::load::stream::request::Keep;
use crate::measure::request::{Instants, RequestFailure};

/// Largest body that is read.
const MAX_BODY_BYTES: usize = 16 << 20;

/// Reads a whole chat completion. Its instants know no tokens: a body that comes at once says
/// nothing of when they were made.
#[derive(Debug)]
pub struct WholeReader {
    body: Vec<u8>,
    keep: Keep,
    instants: Instants,
    said: Said,
}

impl WholeReader {
    pub fn new(due: u64, keep: Keep) -> Self {
        Self {
            body: Vec::new(),
            keep,
            instants: Instants::due_at(due),
            said: Said::default(),
        }
    }

    pub fn finish(self) -> (Instants, Said) {
        (self.instants, self.said)
    }
}

impl BodyReader for WholeReader {
    fn media_type(&self) -> (&'static str, &'static str) {
        ("application/json", "JSON")
    }

    fn take(&mut self, bytes: &[u8], at: u64) -> Result<(), RequestFailure> {
        self.instants.end = at;
        if self.body.len() + bytes.len() > MAX_BODY_BYTES {
            let detail = format!("more than {MAX_BODY_BYTES} bytes");
            return Err(RequestFailure::Garbled { detail });
        }
        self.body.extend_from_slice(bytes);
        Ok(())
    }

    fn has_token(&self) -> bool {
        false
    }

    fn is_done(&self) -> bool {
        false
    }

    fn end(&mut self) -> Result<(), RequestFailure> {
        let garbled = |why: String, body: &str| RequestFailure::Garbled {
            detail: format!("{why}: {}", shortened(body)),
        };
        let body = String::from_utf8_lossy(&self.body);
        // A completion has the parts of a chunk, with messages in place of deltas.
        match read_event(&body) {
            Ok(ChatEvent::Chunk(ChatChunk {
                finish_reason,
                usage,
                ..
            })) => {
                self.said.finish_reason = finish_reason;
                self.said.usage = usage;
            }
            Ok(ChatEvent::Error { message }) => {
                let message = shortened(&message);
                return Err(RequestFailure::ErrorEvent { message });
            }
            Ok(ChatEvent::Done) => return Err(garbled("not a completion".to_owned(), &body)),
            Err(error) => return Err(garbled(error.to_string(), &body)),
        }
        if serde_json::from_str::<Shape>(&body).is_err() || self.said.finish_reason.is_none() {
            return Err(garbled("not a whole completion".to_owned(), &body));
        }
        if self.keep == Keep::Answer {
            let mut answer = AnswerBuilder::default();
            answer
                .take(&body)
                .map_err(|error| garbled(error.to_string(), ""))?;
            self.said.answer = Some(answer.finish());
        }
        Ok(())
    }
}

/// What tells a completion from a chunk.
#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "choices")]
    _choices: Vec<ShapeChoice>,
}

#[derive(Deserialize)]
struct ShapeChoice {
    #[serde(rename = "message")]
    _message: serde::de::IgnoredAny,
}

//! Where answers stop besides their own end, and how their text comes out until then: what
//! could still become a stop string is held back.

use serde_json::Value;

use crate::stand_in::http::sampling::Sampling;
use crate::stand_in::model::answer::Answer;
use crate::stand_in::model::tokens::{TokenId, decode};

/// What stops an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stops {
    strings: Vec<String>,
    tokens: Vec<TokenId>,
    /// Whether what stopped it is part of its text.
    include: bool,
    /// Tokens that nothing stops.
    least: usize,
}

/// Tokens that an answer has at least.
pub fn least(sampling: &Sampling) -> usize {
    let least = sampling.min_tokens.unwrap_or(0);
    usize::try_from(least).unwrap_or(0)
}

/// How an answer ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// What stopped it: a text or a number, null for everything else.
    pub reason: Value,
    /// Bytes of its text that are shown; `None` is all.
    shown: Option<usize>,
    /// Characters that are held back while it is not over.
    held: usize,
}

impl Stops {
    /// What a request says of ends.
    pub fn of(sampling: &Sampling) -> Self {
        let ids = sampling.stop_token_ids.iter();
        Self {
            strings: sampling.stop.clone(),
            tokens: ids.filter_map(|id| TokenId::try_from(*id).ok()).collect(),
            include: sampling.includes_stop,
            least: least(sampling),
        }
    }

    /// Ends an answer where something stops it.
    pub fn cut(&self, mut answer: Answer) -> (Answer, Ending) {
        let longest = self.strings.iter().map(|text| text.chars().count()).max();
        let mut ending = Ending {
            held: if self.include {
                0
            } else {
                longest.map_or(0, |longest| longest - 1)
            },
            ..Ending::default()
        };
        if self.strings.is_empty() && self.tokens.is_empty() {
            return (answer, ending);
        }
        let mut text = String::new();
        for (place, token) in answer.tokens.iter().enumerate() {
            let before = text.len();
            let stops = self.tokens.contains(token) && place >= self.least;
            if !stops || self.include {
                text.push_str(&decode(*token));
            }
            let found = if place >= self.least {
                self.found(&text, before)
            } else {
                None
            };
            if let Some((stop, at)) = found {
                ending.reason = Value::from(stop);
                ending.shown = Some(if self.include { at + stop.len() } else { at });
            } else if stops {
                ending.reason = Value::from(*token);
                ending.shown = Some(text.len());
            } else {
                continue;
            }
            answer.tokens.truncate(place + 1);
            answer.stops = true;
            break;
        }
        (answer, ending)
    }

    /// The stop string that ends first behind `before`, and where it begins.
    fn found<'s>(&'s self, text: &str, before: usize) -> Option<(&'s str, usize)> {
        self.strings
            .iter()
            .filter_map(|stop| {
                // It may have begun in earlier tokens.
                let mut start = (before + 1).saturating_sub(stop.len());
                while !text.is_char_boundary(start) {
                    start -= 1;
                }
                let at = start + text[start..].find(stop.as_str())?;
                Some((stop.as_str(), at))
            })
            .min_by_key(|(stop, at)| at + stop.len())
    }
}

/// The text of an answer as it comes out.
#[derive(Debug, Clone)]
pub struct Text {
    ending: Ending,
    text: String,
    sent: usize,
}

impl Text {
    pub fn new(ending: Ending) -> Self {
        Self {
            ending,
            text: String::new(),
            sent: 0,
        }
    }

    /// What stopped the answer, for when it is over.
    pub fn stop_reason(&self) -> &Value {
        &self.ending.reason
    }

    /// Takes the next token, and gives what text is certain now.
    pub fn push(&mut self, token: TokenId, is_last: bool) -> String {
        self.text.push_str(&decode(token));
        let shown = self.ending.shown.unwrap_or(usize::MAX).min(self.text.len());
        let end = if is_last {
            shown
        } else {
            let held = self.ending.held;
            let whole = self.text.char_indices().rev().map(|(at, _)| at);
            let at = if held == 0 {
                Some(self.text.len())
            } else {
                whole.skip(held - 1).take(1).next()
            };
            at.unwrap_or(0).min(shown)
        };
        let from = self.sent;
        self.sent = from.max(end);
        self.text.get(from..end).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stand_in::http::fields::Fields;
    use crate::stand_in::model::tokens::{MESSAGE_END, encode};

    fn answer(text: &str) -> Answer {
        let mut tokens = encode(text);
        tokens.push(MESSAGE_END);
        Answer {
            tokens,
            stops: true,
        }
    }

    /// The pieces of an answer's text, and why it stopped.
    fn said(text: &str, body: &Value) -> (Vec<String>, Value) {
        let stops = Stops::of(&Sampling::read(&mut Fields::of(body)));
        let (answer, ending) = stops.cut(answer(text));
        let mut text = Text::new(ending);
        let last = answer.tokens.len() - 1;
        let pieces = answer
            .tokens
            .iter()
            .enumerate()
            .map(|(place, token)| text.push(*token, place == last))
            .collect();
        (pieces, text.stop_reason().clone())
    }

    #[test]
    fn what_could_become_a_stop_string_is_held_back() {
        let (pieces, reason) = said("one two six ten", &json!({"stop": ["x t", "zzzz"]}));
        assert_eq!(pieces, ["", "one ", "two ", "si"]);
        assert_eq!(reason, json!("x t"));
        let (pieces, reason) = said("one two", &json!({"stop": "three"}));
        assert_eq!((pieces.concat().as_str(), reason), ("one two", json!(null)));
    }

    #[test]
    fn stops_are_part_of_the_text_only_where_that_is_asked_for() {
        let include = json!({"stop": ["two"], "include_stop_str_in_output": true});
        assert_eq!(
            said("one two six", &include),
            (vec!["one".to_owned(), " two".to_owned()], json!("two"))
        );
        let token = encode(" two")[0];
        let by_id = json!({"stop_token_ids": [token]});
        assert_eq!(
            said("one two six", &by_id),
            (vec!["one".to_owned(), String::new()], json!(token))
        );
        let by_id = json!({"stop_token_ids": [token], "include_stop_str_in_output": true});
        assert_eq!(said("one two six", &by_id).0, ["one", " two"]);
    }

    #[test]
    fn nothing_stops_an_answer_before_its_least_length() {
        let stop = |least: u64| {
            let body = json!({"stop": ["two"], "min_tokens": least});
            let (pieces, reason) = said("one two six two", &body);
            (pieces.concat(), reason)
        };
        assert_eq!(stop(1), ("one ".to_owned(), json!("two")));
        assert_eq!(stop(2), ("one two six ".to_owned(), json!("two")));
        assert_eq!(stop(4), ("one two six two".to_owned(), json!(null)));
    }
}

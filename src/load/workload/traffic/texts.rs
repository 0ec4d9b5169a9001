//! A prompt of its own for each request, from a few that were cut to their length: a prompt that
//! the engine has seen would be answered from its cache, and a load of such says nothing.

use std::sync::Arc;

use bytes::Bytes;

use crate::load::stream::SpeedRequest;
use crate::load::words::serial_opening;
use crate::measure::prompt::Prompt;

/// Requests of one length.
#[derive(Debug, Clone)]
pub struct Task {
    /// Cut to the length.
    prompts: Vec<Arc<str>>,
    pub max_tokens: u32,
}

impl Task {
    /// `prompts` is not empty.
    pub fn new(prompts: &[Prompt], max_tokens: u32) -> Self {
        Self {
            prompts: prompts
                .iter()
                .map(|prompt| Arc::from(prompt.text.as_str()))
                .collect(),
            max_tokens,
        }
    }
}

/// What the requests of a node say.
#[derive(Debug, Clone)]
pub struct Texts {
    pub seed: u64,
    pub model: String,
}

impl Texts {
    /// The body of the `serial`-th request of a node: its prompt begins with words that no other
    /// of the node begins with, in place of as many of the prompt that was cut, so that it is as
    /// long within a few tokens.
    pub fn body(&self, task: &Task, serial: u32) -> Bytes {
        let cut = &task.prompts[serial as usize % task.prompts.len()];
        let request = SpeedRequest {
            content: &own(cut, self.seed, serial),
            max_tokens: task.max_tokens,
            seed: self.seed,
        };
        request.body(&self.model)
    }

    /// The body of a probe: as short as a request can be.
    pub fn probe(&self) -> Bytes {
        let request = SpeedRequest {
            content: "Hello",
            max_tokens: 1,
            seed: self.seed,
        };
        request.body(&self.model)
    }
}

fn own(cut: &str, seed: u64, serial: u32) -> String {
    let opening = serial_opening(seed, serial);
    let words = opening
        .into_iter()
        .chain(cut.split(' ').skip(opening.len()));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_request_has_a_prompt_of_its_own_of_the_same_length() {
        let prompt = |text: &str| Prompt {
            text: text.to_owned(),
            tokens: 0,
        };
        let task = Task::new(&[prompt("a b c d e f g"), prompt("p q r s t u v")], 16);
        let texts = Texts {
            seed: 7,
            model: "m".to_owned(),
        };
        let content = |serial| {
            let body: serde_json::Value =
                serde_json::from_slice(&texts.body(&task, serial)).unwrap();
            assert_eq!(body["max_tokens"], 16);
            body["messages"][0]["content"].as_str().unwrap().to_owned()
        };
        assert!(content(0).ends_with(" e f g") && content(1).ends_with(" t u v"));
        assert_eq!(content(5), content(5));
        let serials = (0..1000).chain([65_536, 65_537, 1 << 24]);
        let all: Vec<String> = serials.map(content).collect();
        assert!(all.iter().all(|text| text.split(' ').count() == 7));
        // The cut prompts alternate, so that what differs is compared for one of them.
        let openings: HashSet<&str> = all
            .iter()
            .map(|text| text.rsplit_once(' ').unwrap().0)
            .collect();
        assert_eq!(openings.len(), all.len());
    }
}

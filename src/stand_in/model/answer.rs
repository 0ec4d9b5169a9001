//! What the imagined model says: words without meaning, or what it wants to say, with thoughts
//! in front if it thinks. Depends on the prompt and a salt alone.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::stand_in::model::tokens::{MESSAGE_END, TokenId, encode, spell};

/// Words of answers; each is one token, with or without a space in front.
pub const WORDS: [&str; 32] = [
    "the", "of", "and", "to", "in", "is", "for", "on", "as", "at", "by", "it", "or", "an", "be",
    "we", "all", "one", "new", "now", "two", "way", "may", "day", "use", "set", "run", "see",
    "own", "few", "low", "top",
];

/// What the model says, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub tokens: Vec<TokenId>,
    /// It ends by itself (with [`MESSAGE_END`]), and is not cut by `max_tokens`.
    pub stops: bool,
}

/// How long an answer may and must be, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    pub most: usize,
    /// It may not end by itself before.
    pub least: usize,
    /// It may not end by itself at all.
    pub ignore_eos: bool,
}

/// What an answer has in it besides words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speech {
    /// What stands around the thoughts: their opening, which is empty where the prompt has it,
    /// and their end.
    pub thoughts: Option<(&'static str, &'static str)>,
    /// What is said instead of words.
    pub text: Option<String>,
}

/// Composes the answer to a prompt. A model that may stop says between 24 and 151 tokens of
/// words, the end mark included; one that may not goes on to the greatest length.
pub fn compose(prompt: &[TokenId], salt: u64, speech: &Speech, length: Length) -> Answer {
    let mut words = Words::new(&(prompt, salt));
    let natural = 24 + words.below(128);
    let mut tokens = Vec::new();
    if let Some((open, close)) = speech.thoughts {
        let mut thoughts = Words::new(&(prompt, salt, "thoughts"));
        let n = 12 + thoughts.below(32);
        tokens.extend(encode(open));
        for place in 0..n {
            tokens.push(thoughts.next(place == 0));
        }
        tokens.extend(encode(close));
    }
    match &speech.text {
        Some(text) => tokens.extend(encode(text)),
        None => {
            for place in 0..natural - 1 {
                tokens.push(words.next(place == 0));
            }
        }
    }
    let shortest = if length.ignore_eos {
        length.most
    } else {
        length.least
    };
    while tokens.len() < shortest {
        tokens.push(words.next(false));
    }
    let stops = !length.ignore_eos && tokens.len() < length.most;
    tokens.truncate(length.most);
    if stops {
        tokens.push(MESSAGE_END);
    }
    Answer { tokens, stops }
}

/// A row of words that looks like chance and is none.
struct Words {
    state: u64,
}

impl Words {
    fn new(seed: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        Self {
            state: hasher.finish(),
        }
    }

    /// A number that does not move the row on.
    fn below(&self, bound: u64) -> usize {
        usize::try_from(self.state % bound).expect("the bounds are small")
    }

    fn next(&mut self, is_first: bool) -> TokenId {
        // The multiplier and increment are those of Knuth's MMIX generator.
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let word = WORDS[usize::try_from(self.state >> 59).expect("five bits are a usize")];
        if is_first {
            spell(word.as_bytes())
        } else {
            spell(format!(" {word}").as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::model::tokens::decode;

    fn words(prompt: &str, salt: u64, most: usize, ignore_eos: bool) -> Answer {
        let length = Length {
            most,
            least: 0,
            ignore_eos,
        };
        compose(&encode(prompt), salt, &Speech::default(), length)
    }

    fn text(answer: &Answer) -> String {
        answer.tokens.iter().copied().map(decode).collect()
    }

    #[test]
    fn answers_depend_on_prompt_and_salt_and_obey_the_limits() {
        let ask = |prompt, salt| words(prompt, salt, 500, false);
        assert_eq!(ask("a question", 0), ask("a question", 0));
        assert_ne!(ask("a question", 0), ask("a question", 1));
        assert_ne!(ask("a question", 0), ask("another", 0));
        assert!(ask("a question", 0).stops);
        let cut = words("a question", 0, 5, false);
        assert_eq!((cut.tokens.len(), cut.stops), (5, false));
        let endless = words("a question", 0, 400, true);
        assert_eq!((endless.tokens.len(), endless.stops), (400, false));
        assert_eq!(encode(&text(&endless)), endless.tokens);
        assert_eq!(endless.tokens[..5], cut.tokens);
    }

    #[test]
    fn what_is_to_be_said_is_said_behind_the_thoughts() {
        let speech = Speech {
            thoughts: Some(("<think>\n", "\n</think>\n\n")),
            text: Some("all is well".to_owned()),
        };
        let length = |most, least| Length {
            most,
            least,
            ignore_eos: false,
        };
        let whole = compose(&encode("x"), 0, &speech, length(500, 0));
        let said = text(&whole);
        assert!(said.starts_with("<think>\n"), "{said}");
        assert!(said.ends_with("\n</think>\n\nall is well"), "{said}");
        assert!(whole.stops);
        let longer = compose(&encode("x"), 0, &speech, length(500, 100));
        assert_eq!(longer.tokens.len(), 101);
        let n = whole.tokens.len();
        assert!(!compose(&encode("x"), 0, &speech, length(n - 1, 0)).stops);
        assert!(compose(&encode("x"), 0, &speech, length(n, 0)).stops);
    }
}

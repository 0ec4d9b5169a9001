//! Cuts a prompt to an exact token length.
//!
//! The search is pure: it names the text to count next and is told the count. Who counts, and
//! how, is the caller's business.

use crate::load::words::{WordStream, opening};
use crate::measure::prompt::Prompt;

/// Counts that one search may ask for. Bisection needs about log2 of the token count; the rest
/// is for fillers.
const MAX_COUNTS: u32 = 60;

/// A length that cannot be met exactly may be missed by this share of it.
const TOLERANCE: f64 = 0.005;

/// What is appended, one at a time, to close a gap that is smaller than the next word. Most
/// tokenizers make one token of each; which one they do not is found out by counting.
const FILLERS: [&str; 12] = [
    "a", "the", "of", "and", "to", "in", ".", ",", "1", "x", "!", "I",
];

/// The length cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    #[error(
        "a prompt of {target} tokens cannot be made: the chat template with two words already \
         takes {least}"
    )]
    TooShort { target: u64, least: u64 },
    #[error("a prompt of {target} tokens cannot be made: the nearest has {nearest}")]
    Missed { target: u64, nearest: u64 },
}

/// What the search wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchStep {
    /// Count the tokens of this text, then call [`PromptSearch::learn`].
    Count(String),
    Found(Prompt),
    Failed(PromptError),
}

/// The search for one prompt.
#[derive(Debug)]
pub struct PromptSearch {
    target: u64,
    opening: [&'static str; 2],
    /// What may follow the opening.
    words: Vec<&'static str>,
    stage: Stage,
    /// The nearest text so far.
    best: Option<Prompt>,
    n_counts: u32,
}

#[derive(Debug)]
enum Stage {
    /// The opening alone.
    Opening,
    /// How many words fit: `base` has `low` words and is too short; `high` words are too many.
    Bisect {
        base: Prompt,
        low: usize,
        high: usize,
    },
    /// A text that is too short, and which filler is tried after it.
    Fill {
        base: Prompt,
        filler: usize,
    },
    Settled(SearchStep),
}

impl PromptSearch {
    /// Starts the search for the `ordinal`-th text of a seed, which begins unlike any other of
    /// that seed.
    pub fn new(seed: u64, ordinal: u32, target: u32) -> Self {
        // A word is a token or more in nearly every tokenizer; twice as many words leave room
        // for the others.
        let n_words = target as usize * 2;
        Self {
            target: u64::from(target),
            opening: opening(seed, ordinal),
            words: WordStream::new(seed, ordinal).take(n_words).collect(),
            stage: Stage::Opening,
            best: None,
            n_counts: 0,
        }
    }

    /// What to do next.
    pub fn step(&self) -> SearchStep {
        match &self.stage {
            Stage::Opening => SearchStep::Count(self.text(0)),
            Stage::Bisect { low, high, .. } => SearchStep::Count(self.text(middle(*low, *high))),
            Stage::Fill { base, filler } => {
                SearchStep::Count(format!("{} {}", base.text, FILLERS[*filler]))
            }
            Stage::Settled(step) => step.clone(),
        }
    }

    /// The text that [`PromptSearch::step`] named has so many tokens.
    pub fn learn(&mut self, tokens: u64) {
        let SearchStep::Count(text) = self.step() else {
            return;
        };
        let counted = Prompt { text, tokens };
        if tokens == self.target {
            self.stage = Stage::Settled(SearchStep::Found(counted));
            return;
        }
        let distance = |prompt: &Prompt| prompt.tokens.abs_diff(self.target);
        if self
            .best
            .as_ref()
            .is_none_or(|best| distance(&counted) < distance(best))
        {
            self.best = Some(counted.clone());
        }
        self.n_counts += 1;
        self.stage = if self.n_counts < MAX_COUNTS {
            self.next_stage(counted)
        } else {
            self.give_up()
        };
    }

    /// Where the search goes after a text that has not the wanted length.
    fn next_stage(&mut self, counted: Prompt) -> Stage {
        let is_short = counted.tokens < self.target;
        match std::mem::replace(&mut self.stage, Stage::Opening) {
            Stage::Opening if is_short => bisect(counted, 0, self.words.len() + 1),
            Stage::Opening => Stage::Settled(SearchStep::Failed(PromptError::TooShort {
                target: self.target,
                least: counted.tokens,
            })),
            Stage::Bisect { low, high, .. } if is_short => bisect(counted, middle(low, high), high),
            Stage::Bisect { base, low, high } => bisect(base, low, middle(low, high)),
            Stage::Fill { base, .. } if is_short && counted.tokens > base.tokens => Stage::Fill {
                base: counted,
                filler: 0,
            },
            Stage::Fill { base, filler } if filler + 1 < FILLERS.len() => Stage::Fill {
                base,
                filler: filler + 1,
            },
            Stage::Fill { .. } | Stage::Settled(_) => self.give_up(),
        }
    }

    /// Takes the nearest text if it is near enough.
    fn give_up(&self) -> Stage {
        let best = self
            .best
            .as_ref()
            .expect("a text was counted before the search ends");
        let share = best.tokens.abs_diff(self.target) as f64 / self.target as f64;
        Stage::Settled(if share <= TOLERANCE {
            SearchStep::Found(best.clone())
        } else {
            let (target, nearest) = (self.target, best.tokens);
            SearchStep::Failed(PromptError::Missed { target, nearest })
        })
    }

    fn text(&self, n_words: usize) -> String {
        let words = self.opening.iter().chain(&self.words[..n_words]);
        words.copied().collect::<Vec<_>>().join(" ")
    }
}

/// The next halving, or the fillers once no further word fits.
fn bisect(base: Prompt, low: usize, high: usize) -> Stage {
    if high - low > 1 {
        Stage::Bisect { base, low, high }
    } else {
        Stage::Fill { base, filler: 0 }
    }
}

fn middle(low: usize, high: usize) -> usize {
    low + (high - low) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a search against a tokenizer; also says how many counts it took.
    fn search(target: u32, ordinal: u32, count: impl Fn(&str) -> u64) -> (SearchStep, u32) {
        let mut search = PromptSearch::new(7, ordinal, target);
        for n_counts in 0.. {
            match search.step() {
                SearchStep::Count(text) => search.learn(count(&text)),
                settled => return (settled, n_counts),
            }
        }
        unreachable!("the loop has no end")
    }

    fn found(step: SearchStep) -> Prompt {
        match step {
            SearchStep::Found(prompt) => prompt,
            other => panic!("{other:?}"),
        }
    }

    /// One token per word, as most common words are, and a template of 30.
    fn by_words(text: &str) -> u64 {
        30 + text.split(' ').count() as u64
    }

    /// Long words are several tokens.
    fn by_syllables(text: &str) -> u64 {
        30 + text
            .split(' ')
            .map(|word| word.len().div_ceil(4) as u64)
            .sum::<u64>()
    }

    /// Several words are one token.
    fn by_pairs(text: &str) -> u64 {
        (30 + text.split(' ').count() as u64) / 2 + 1
    }

    #[test]
    fn the_length_is_met_exactly_in_a_few_dozen_counts() {
        for target in [40, 100, 1200, 30_001] {
            for count in [by_words, by_syllables, by_pairs] {
                for ordinal in 0..4 {
                    let (step, n_counts) = search(target, ordinal, count);
                    let prompt = found(step);
                    assert_eq!(prompt.tokens, u64::from(target));
                    assert_eq!(count(&prompt.text), prompt.tokens);
                    assert!(n_counts <= 36, "{n_counts} counts for {target}");
                }
            }
        }
    }

    #[test]
    fn the_same_seed_and_ordinal_give_the_same_prompt_and_another_one_another_beginning() {
        let text = |ordinal| found(search(200, ordinal, by_words).0).text;
        assert_eq!(text(3), text(3));
        assert_ne!(text(3).split(' ').next(), text(4).split(' ').next());
    }

    #[test]
    fn a_length_that_is_missed_by_little_is_taken_with_its_true_count() {
        // No text has an odd number of tokens.
        let even = |text: &str| by_words(text) * 2;
        let prompt = found(search(1201, 0, even).0);
        assert_eq!((prompt.tokens, even(&prompt.text)), (1200, 1200));
    }

    #[test]
    fn a_length_that_cannot_be_reached_is_an_error() {
        let too_short = PromptError::TooShort {
            target: 20,
            least: 32,
        };
        assert_eq!(search(20, 0, by_words).0, SearchStep::Failed(too_short));
        let coarse = |text: &str| by_words(text) / 10 * 10;
        let missed = PromptError::Missed {
            target: 104,
            nearest: 100,
        };
        assert_eq!(search(104, 0, coarse).0, SearchStep::Failed(missed));
        let deaf = |_: &str| 5;
        let missed = PromptError::Missed {
            target: 1000,
            nearest: 5,
        };
        assert_eq!(search(1000, 0, deaf).0, SearchStep::Failed(missed));
    }
}

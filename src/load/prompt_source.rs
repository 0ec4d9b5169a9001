//! The prompts of a load: as many as it needs, each of its own, made when they are needed.

use std::borrow::Cow;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::load::control::{Control, ControlError};
use crate::load::prompt::{PromptError, PromptSearch, SearchStep};
use crate::load::words::{WordStream, opening};
use crate::measure::prompt::Prompt;

/// So many prompts are cut exactly; each takes a dozen counts. Further ones have as many words
/// as an exact one, which is as many tokens to within a few.
const MOST_EXACT: u32 = 256;

/// Prompts that are cut at once.
const CUTS_AT_ONCE: usize = 8;

/// The prompts cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PromptSourceError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

/// Makes prompts.
#[derive(Debug)]
pub struct PromptSource {
    seed: u64,
    n_words: usize,
    exact: Vec<Prompt>,
}

impl PromptSource {
    /// Prompts of `length` tokens by the server's tokenizer, the first ones exactly.
    ///
    /// # Errors
    /// When the server cannot count, or the length cannot be reached.
    pub async fn exact(
        control: Control<'_>,
        seed: u64,
        length: u32,
        n: u32,
    ) -> Result<Self, PromptSourceError> {
        let cuts = (0..n.clamp(1, MOST_EXACT)).map(|ordinal| cut(control, seed, ordinal, length));
        let exact: Vec<Prompt> = stream::iter(cuts)
            .buffered(CUTS_AT_ONCE)
            .try_collect()
            .await?;
        let n_words = exact[0].text.split(' ').count();
        Ok(Self {
            seed,
            n_words,
            exact,
        })
    }

    /// Prompts of so many words, for a server that cannot count: about as many tokens.
    pub fn approximate(seed: u64, length: u32) -> Self {
        Self {
            seed,
            n_words: length as usize,
            exact: Vec::new(),
        }
    }

    /// The text of one prompt; no two of nearby ordinals begin alike.
    pub fn text(&self, ordinal: u32) -> Cow<'_, str> {
        match self.exact.get(ordinal as usize) {
            Some(prompt) => Cow::Borrowed(&prompt.text),
            None => {
                let words = opening(self.seed, ordinal)
                    .into_iter()
                    .chain(WordStream::new(self.seed, ordinal))
                    .take(self.n_words.max(1));
                let mut text = String::with_capacity(self.n_words * 8);
                for word in words {
                    if !text.is_empty() {
                        text.push(' ');
                    }
                    text.push_str(word);
                }
                Cow::Owned(text)
            }
        }
    }
}

async fn cut(
    control: Control<'_>,
    seed: u64,
    ordinal: u32,
    length: u32,
) -> Result<Prompt, PromptSourceError> {
    let mut search = PromptSearch::new(seed, ordinal, length);
    loop {
        match search.step() {
            SearchStep::Count(text) => search.learn(control.count_tokens(&text).await?),
            SearchStep::Found(prompt) => return Ok(prompt),
            SearchStep::Failed(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn prompts_without_a_tokenizer_have_as_many_words_and_differ() {
        let source = PromptSource::approximate(7, 64);
        let texts: HashSet<String> = (0..1000).map(|n| source.text(n).into_owned()).collect();
        assert_eq!(texts.len(), 1000);
        assert!(texts.iter().all(|text| text.split(' ').count() == 64));
        assert_eq!(source.text(3), PromptSource::approximate(7, 64).text(3));
        assert_eq!(
            PromptSource::approximate(7, 1).text(0).split(' ').count(),
            1
        );
    }
}

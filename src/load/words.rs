//! Text for prompts: common English words in an order that a seed decides.
//!
//! A seed gives the same prompts in every version. Knows nothing of tokens.

use crate::random::SplitMix64;

/// The words. None is the beginning of another, so that two texts with different first words
/// differ from their first token on for all but very odd tokenizers.
#[rustfmt::skip]
const WORDS: [&str; 256] = [
    "about", "across", "afternoon", "agree", "almost", "already", "although", "always", "ancient",
    "arrive", "autumn", "balance", "beautiful", "because", "before", "begin", "behind", "believe",
    "between", "bicycle", "bitter", "blanket", "branch", "bridge", "bright", "brother", "brown",
    "butter", "calendar", "carry", "castle", "center", "century", "certain", "chair", "change",
    "cheese", "chicken", "circle", "citizen", "clean", "clear", "clock", "cloud", "collect",
    "color", "common", "company", "compare", "complete", "copper", "cotton", "country", "courage",
    "create", "cross", "current", "curtain", "dance", "danger", "daughter", "deep", "deliver",
    "depend", "desert", "detail", "different", "dinner", "direct", "discover", "distance",
    "doctor", "dream", "early", "either", "electric", "empty", "engine", "enjoy", "enough",
    "example", "expect", "explain", "family", "famous", "farmer", "father", "fence", "field",
    "finger", "finish", "forest", "forget", "forward", "fresh", "friend", "front", "future",
    "garden", "general", "gentle", "golden", "grammar", "green", "ground", "group", "guess",
    "guitar", "half", "hammer", "handle", "harbor", "harvest", "heavy", "helpful", "history",
    "honest", "horse", "hospital", "hotel", "hundred", "hungry", "important", "include",
    "increase", "indeed", "industry", "instead", "island", "jacket", "journey", "jungle",
    "kitchen", "knife", "language", "large", "laugh", "leader", "letter", "library", "listen",
    "little", "local", "longer", "lucky", "machine", "manage", "matter", "measure", "medicine",
    "member", "memory", "metal", "middle", "minute", "moment", "monkey", "morning", "mother",
    "mountain", "museum", "narrow", "needle", "never", "night", "normal", "northern", "notice",
    "number", "ocean", "often", "opinion", "orange", "order", "paper", "parent", "partner",
    "pencil", "people", "perfect", "picture", "plant", "possible", "potato", "pretty", "price",
    "princess", "problem", "promise", "public", "purple", "quarter", "quiet", "rabbit", "reason",
    "receive", "record", "remember", "repair", "repeat", "return", "river", "sailor", "school",
    "science", "secret", "serious", "shadow", "shoulder", "silver", "simple", "sister", "smooth",
    "soldier", "southern", "special", "spring", "square", "stone", "story", "strange", "student",
    "sugar", "supper", "surface", "sweater", "table", "teacher", "temple", "thank", "theater",
    "thunder", "together", "travel", "turkey", "twenty", "umbrella", "uncle", "usual", "valley",
    "various", "vegetable", "village", "violin", "voice", "water", "weather", "welcome",
    "western", "whisper", "window", "winter", "without", "worker", "yellow", "yesterday",
];

/// An endless sequence of words, the same for the same seed and ordinal.
#[derive(Debug, Clone)]
pub struct WordStream {
    numbers: SplitMix64,
}

impl WordStream {
    /// The words of the `ordinal`-th text of a seed.
    pub fn new(seed: u64, ordinal: u32) -> Self {
        let mixed = SplitMix64::new(seed).next_u64();
        Self {
            numbers: SplitMix64::new(mixed.wrapping_add(u64::from(ordinal))),
        }
    }
}

impl Iterator for WordStream {
    type Item = &'static str;

    fn next(&mut self) -> Option<&'static str> {
        // The list has 256 words, so that the top byte picks each with equal chance.
        Some(WORDS[usize::from(self.numbers.next_u64().to_be_bytes()[0])])
    }
}

/// The first two words of the `ordinal`-th text of a seed: no two ordinals below 65,536 have
/// both in common, and no two that are less than 256 apart have the first one in common.
pub fn opening(seed: u64, ordinal: u32) -> [&'static str; 2] {
    let offset = SplitMix64::new(seed).next_u64().to_be_bytes()[0];
    let [.., high, low] = ordinal.to_be_bytes();
    // An odd factor permutes the residues of 256.
    let first = low.wrapping_mul(157).wrapping_add(offset);
    let second = high
        .wrapping_mul(157)
        .wrapping_add(offset)
        .wrapping_add(first);
    [WORDS[usize::from(first)], WORDS[usize::from(second)]]
}

/// The first words of the `serial`-th text of a long row of them: no two serials have all in
/// common, and no two that are less than 65,536 apart the first two.
pub fn serial_opening(seed: u64, serial: u32) -> [&'static str; 4] {
    let [highest, higher, ..] = serial.to_be_bytes();
    let [first, second] = opening(seed, serial);
    let word = |byte: u8| WORDS[usize::from(byte)];
    [first, second, word(higher), word(highest)]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_word_begins_another() {
        for word in WORDS {
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
            let n_extensions = WORDS.iter().filter(|other| other.starts_with(word)).count();
            assert_eq!(n_extensions, 1, "{word}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_words_and_another_one_others() {
        let words = |seed, ordinal| WordStream::new(seed, ordinal).take(50).collect::<Vec<_>>();
        assert_eq!(words(1, 0), words(1, 0));
        assert_ne!(words(1, 0), words(1, 1));
        assert_ne!(words(1, 0), words(2, 0));
    }

    #[test]
    fn openings_differ_in_their_first_word_and_then_in_both() {
        for seed in [0, 1, u64::MAX] {
            let firsts: HashSet<_> = (0..256).map(|ordinal| opening(seed, ordinal)[0]).collect();
            assert_eq!(firsts.len(), 256);
            let pairs: HashSet<_> = (0..65_536).map(|ordinal| opening(seed, ordinal)).collect();
            assert_eq!(pairs.len(), 65_536);
        }
    }
}

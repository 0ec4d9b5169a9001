//! What the imagined model sees in a text: significant words, names, numbers, quotations. Pure
//! text; knows nothing of tools.

/// Words that say nothing of what somebody wants.
const EMPTY_WORDS: &[&str] = &[
    "a",
    "about",
    "all",
    "also",
    "an",
    "and",
    "any",
    "are",
    "as",
    "at",
    "be",
    "by",
    "call",
    "can",
    "could",
    "current",
    "currently",
    "do",
    "does",
    "first",
    "for",
    "from",
    "function",
    "get",
    "give",
    "given",
    "has",
    "have",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "let",
    "like",
    "me",
    "much",
    "my",
    "need",
    "now",
    "of",
    "on",
    "one",
    "or",
    "our",
    "out",
    "please",
    "returns",
    "return",
    "s",
    "show",
    "so",
    "some",
    "tell",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "this",
    "those",
    "to",
    "tool",
    "up",
    "us",
    "use",
    "using",
    "value",
    "want",
    "was",
    "we",
    "what",
    "when",
    "where",
    "which",
    "who",
    "will",
    "with",
    "would",
    "you",
    "your",
];

/// Small numbers that people write as words.
const NUMBER_WORDS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
];

/// The significant words of a text in lower case, cut to their stems; `get_userName` is three
/// words, the first of them empty.
pub fn significant(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for letter in text.chars().chain(std::iter::once(' ')) {
        let splits = !letter.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase());
        if splits && !word.is_empty() {
            let whole = std::mem::take(&mut word);
            if !EMPTY_WORDS.contains(&whole.as_str()) {
                words.push(stem(&whole).to_owned());
            }
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

/// Enough of a stemmer that `bookings`, `booked` and `book` meet.
fn stem(word: &str) -> &str {
    let word = word
        .strip_suffix("ly")
        .filter(|rest| rest.len() > 3)
        .unwrap_or(word);
    let singular = word
        .strip_suffix('s')
        .filter(|rest| rest.len() > 2 && !rest.ends_with(['s', 'u', 'i']))
        .unwrap_or(word);
    [("ing", 3), ("ed", 3), ("ie", 3), ("e", 3), ("y", 3)]
        .into_iter()
        .find_map(|(ending, least)| {
            singular
                .strip_suffix(ending)
                .filter(|rest| rest.len() >= least)
        })
        .unwrap_or(singular)
}

/// What kind of thing stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One or more capitalised words, or a word with digits or signs in it.
    Name,
    Number,
    /// What stood in quotation marks.
    Quotation,
}

/// A thing that stands in a text and could be an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    pub text: String,
    /// The word in front of it in lower case, articles left out.
    pub before: String,
    /// How it is joined to the thing in front of it, if it is.
    pub joined: Option<Join>,
}

/// What joins two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// `and` or `or`.
    Word,
    Comma,
}

/// One word, with what stands around it.
struct Word<'a> {
    text: &'a str,
    /// It begins a sentence.
    opens: bool,
    /// Something other than a space comes between it and the word before.
    parted: bool,
    /// It is the inside of quotation marks.
    quoted: bool,
}

/// All things of a text that could be arguments, in their order.
pub fn things(text: &str) -> Vec<Found> {
    let words = words_of(text);
    let mut found: Vec<Found> = Vec::new();
    let mut before = String::new();
    let (mut joining, mut followed) = (false, false);
    for word in &words {
        let lower = word.text.to_lowercase();
        let Some(kind) = kind_of(word) else {
            // "in Paris and in Rome" joins as well as "in Paris and Rome" does.
            if !(joining && lower == before) {
                joining = followed && ["and", "or", "&"].contains(&lower.as_str());
                followed = joining;
            }
            if !["the", "a", "an", "and", "or", "&"].contains(&lower.as_str()) {
                before = lower;
            }
            continue;
        };
        let goes_on = kind == Kind::Name
            && !word.parted
            && !joining
            && followed
            && found.last().is_some_and(|last| last.kind == Kind::Name);
        // "San Francisco, CA" is one place.
        let state = followed && !joining && word.parted && is_state(word.text);
        match found.last_mut() {
            Some(last) if state && last.kind == Kind::Name => {
                last.text.push_str(", ");
                last.text.push_str(word.text);
            }
            Some(last) if goes_on => {
                last.text.push(' ');
                last.text.push_str(word.text);
            }
            _ => found.push(Found {
                kind,
                text: number_of_word(&lower)
                    .map_or_else(|| word.text.to_owned(), |number| number.to_string()),
                before: before.clone(),
                joined: match (followed, joining, word.parted) {
                    (true, true, _) => Some(Join::Word),
                    (true, false, true) => Some(Join::Comma),
                    (true, false, false) | (false, _, _) => None,
                },
            }),
        }
        (joining, followed) = (false, true);
    }
    found
}

fn is_state(text: &str) -> bool {
    text.len() == 2 && text.chars().all(|letter| letter.is_ascii_uppercase())
}

fn kind_of(word: &Word<'_>) -> Option<Kind> {
    if word.quoted {
        return Some(Kind::Quotation);
    }
    let text = word.text;
    if as_number(text).is_some() || number_of_word(&text.to_lowercase()).is_some() {
        return Some(Kind::Number);
    }
    let has_digit = text.contains(|letter: char| letter.is_ascii_digit());
    let has_sign = text.contains(['@', '_', '/']) && text.len() > 2;
    let capital = text.starts_with(char::is_uppercase);
    let shouted = text.len() > 1 && text.chars().all(|letter| !letter.is_lowercase());
    let is_name = has_digit || has_sign || shouted || (capital && !word.opens && text != "I");
    is_name.then_some(Kind::Name)
}

/// `one` to `twelve`; `one` alone is too often a pronoun.
fn number_of_word(lower: &str) -> Option<usize> {
    NUMBER_WORDS
        .iter()
        .position(|word| *word == lower)
        .filter(|number| *number != 1)
}

/// Reads `12`, `-3.5`, `1,000`, `$20` and `20%`.
pub fn as_number(text: &str) -> Option<f64> {
    let bare = text
        .trim_start_matches(['$', '€', '£'])
        .trim_end_matches(['%', '€', '°'])
        .replace(',', "");
    let starts = bare.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-');
    starts
        .then(|| bare.parse::<f64>().ok())
        .flatten()
        .filter(|number| number.is_finite())
}

fn words_of(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut opens, mut parted) = (true, false);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((inside, behind)) =
            quotation(rest, words.is_empty() || parted_by_space(text, rest))
        {
            words.push(Word {
                text: inside,
                opens,
                parted,
                quoted: true,
            });
            (opens, parted) = (false, false);
            rest = behind;
        } else if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (raw, behind) = rest.split_at(end);
            let bare = raw.trim_matches(|letter: char| {
                matches!(
                    letter,
                    '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '[' | ']' | '"' | '\'' | '*'
                )
            });
            let bare = bare.strip_suffix("'s").unwrap_or(bare);
            if !bare.is_empty() {
                words.push(Word {
                    text: bare,
                    opens,
                    parted: parted || raw.starts_with(['(', '[']),
                    quoted: false,
                });
            }
            parted = raw.ends_with([',', ';', ':', ')', ']', '.', '!', '?']);
            opens = raw.ends_with(['.', '!', '?']);
            rest = behind;
        }
    }
    words
}

fn parted_by_space(text: &str, rest: &str) -> bool {
    text[..text.len() - rest.len()].ends_with(|letter: char| !letter.is_alphanumeric())
}

/// The inside of quotation marks at the front, and what follows.
fn quotation(text: &str, may_open: bool) -> Option<(&str, &str)> {
    if !may_open {
        return None;
    }
    [('"', '"'), ('\'', '\''), ('“', '”'), ('«', '»'), ('`', '`')]
        .into_iter()
        .find_map(|(open, close)| {
            let inside = text.strip_prefix(open)?;
            let end = inside.find(close).filter(|end| *end > 0)?;
            Some((&inside[..end], &inside[end + close.len_utf8()..]))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        things(text)
            .into_iter()
            .map(|found| {
                let joined = match found.joined {
                    Some(Join::Word) => "+",
                    Some(Join::Comma) => ",",
                    None => "",
                };
                format!(
                    "{joined}{:?} {} after {:?}",
                    found.kind, found.text, found.before
                )
            })
            .collect()
    }

    #[test]
    fn words_meet_in_their_stems_and_empty_ones_go() {
        assert_eq!(
            significant("get_current_weather"),
            significant("What is the Weather?")
        );
        assert_eq!(significant("bookFlight"), ["book", "flight"]);
        assert_eq!(significant("booked bookings"), ["book", "book"]);
        assert_eq!(significant("cities, city"), significant("city cities"));
        assert_eq!(significant("bus class"), ["bus", "class"]);
        assert_eq!(significant("recursively"), significant("recursive"));
    }

    #[test]
    fn names_numbers_and_quotations_are_found_with_their_surroundings() {
        assert_eq!(
            shown("What is the weather in New York and in Paris, Texas?"),
            [
                "Name New York after \"in\"",
                "+Name Paris after \"in\"",
                ",Name Texas after \"in\""
            ]
        );
        assert_eq!(
            shown("Send 'all is well' to bob@x.org. Then wait three days, or 4.5!"),
            [
                "Quotation all is well after \"send\"",
                "Name bob@x.org after \"to\"",
                "Number 3 after \"wait\"",
                "Number 4.5 after \"days\"",
            ]
        );
        assert_eq!(
            shown("The user's id is user_42 and I paid $1,000"),
            ["Name user_42 after \"is\"", "Number $1,000 after \"paid\""]
        );
        assert_eq!(as_number("$1,000"), Some(1000.0));
        assert_eq!(as_number("-"), None);
    }
}

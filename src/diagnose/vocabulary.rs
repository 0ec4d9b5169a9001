//! All words that rules and stories look for, found in one pass over a line: most lines of a log
//! hold none of them, and only the others are looked at closely.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::diagnose::line::Line;
use crate::diagnose::rule::Rule;
use crate::diagnose::rules::{argument, fault, machine, memory, progress, secondary};

/// The tables of root-cause messages.
const TABLES: [&[Rule]; 4] = [memory::RULES, machine::RULES, argument::RULES, fault::RULES];

/// Room for this many different words.
const CAPACITY: usize = 512;

/// A set of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Words([u64; CAPACITY / 64]);

/// Words that are looked for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Dead,
    Child,
    Stopping,
    StoppingAlone,
    Mark,
    Started,
    Loaded,
    Service,
    Starting,
    Serving,
    AcrossNodes,
    Full,
    Killed,
    Usage,
}

/// Words of a child process that ended; what stands behind them tells how.
pub const CHILD: &[&str] = &["exit code: -", "exitcode: -", "Failed core proc(s): {"];

const GROUPS: [(Group, &[&str]); 14] = [
    (Group::Dead, secondary::DEAD),
    (Group::Child, CHILD),
    (Group::Stopping, secondary::STOPPING),
    (Group::StoppingAlone, secondary::STOPPING_ALONE),
    (Group::Mark, progress::MARKS),
    (Group::Started, progress::STARTED),
    (Group::Loaded, progress::LOADED),
    (Group::Service, progress::SERVICE),
    (Group::Starting, progress::STARTING),
    (Group::Serving, progress::SERVING),
    (Group::AcrossNodes, progress::ACROSS_NODES),
    (Group::Full, secondary::FULL),
    (Group::Killed, &["Killed"]),
    (Group::Usage, &["usage: "]),
];

/// A line that holds words of the vocabulary.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Index of the line.
    pub at: usize,
    words: Words,
}

impl Hit {
    /// Does the line hold a word of this group?
    pub fn holds(&self, group: Group) -> bool {
        VOCABULARY.groups[group as usize].meets(&self.words)
    }

    /// The rules of which the line holds every fragment; in which order is for the rule to say.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        VOCABULARY
            .rules
            .iter()
            .filter(|(_, words)| self.words.hold(words))
            .map(|(rule, _)| *rule)
    }
}

/// The lines that hold any word, in their order.
pub fn hits(lines: &[Line]) -> Vec<Hit> {
    let vocabulary = &*VOCABULARY;
    lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| {
            let words = vocabulary.words_of(&line.text);
            (words != Words::NONE).then_some(Hit { at, words })
        })
        .collect()
}

struct Vocabulary {
    automaton: AhoCorasick,
    rules: Vec<(&'static Rule, Words)>,
    groups: Vec<Words>,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::new);

impl Vocabulary {
    fn new() -> Self {
        let mut known: Vec<&'static str> = Vec::new();
        let mut words_of = |fragments: &[&'static str]| {
            let mut words = Words::NONE;
            for fragment in fragments {
                let word = fragment.trim_start_matches('^');
                let number = known.iter().position(|old| *old == word);
                words.insert(number.unwrap_or_else(|| {
                    known.push(word);
                    known.len() - 1
                }));
            }
            words
        };
        let rules = TABLES
            .into_iter()
            .flatten()
            .map(|rule| (rule, words_of(rule.fragments)))
            .collect();
        let groups = GROUPS.iter().map(|(_, words)| words_of(words)).collect();
        Self {
            automaton: AhoCorasick::new(&known).expect("the words are few and short"),
            rules,
            groups,
        }
    }

    fn words_of(&self, text: &str) -> Words {
        let mut words = Words::NONE;
        for found in self.automaton.find_overlapping_iter(text) {
            words.insert(found.pattern().as_usize());
        }
        words
    }
}

impl Words {
    const NONE: Self = Self([0; CAPACITY / 64]);

    fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    fn hold(&self, other: &Self) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .all(|(mine, theirs)| mine & theirs == theirs)
    }

    fn meets(&self, other: &Self) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .any(|(mine, theirs)| mine & theirs != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::line::read;

    #[test]
    fn only_lines_with_known_words_are_noted_with_all_rules_that_can_match() {
        let log = "nothing\nValueError: No available memory for the cache blocks. x\n\
                   usage: y\nWorker died, exit code: -9";
        let lines = read(log);
        let hits = hits(&lines);
        let places: Vec<usize> = hits.iter().map(|hit| hit.at).collect();
        assert_eq!(places, [1, 2, 3]);
        let matching: Vec<&Rule> = TABLES
            .into_iter()
            .flatten()
            .filter(|rule| rule.matches(&lines[1].text))
            .collect();
        assert!(!matching.is_empty());
        for rule in matching {
            assert!(
                hits[0]
                    .rules()
                    .any(|candidate| candidate.fragments == rule.fragments)
            );
        }
        assert!(hits[1].holds(Group::Usage) && !hits[1].holds(Group::Child));
        assert!(hits[2].holds(Group::Child));
    }

    #[test]
    fn groups_stand_where_their_number_says() {
        for (number, (group, _)) in GROUPS.iter().enumerate() {
            assert_eq!(*group as usize, number);
        }
    }
}

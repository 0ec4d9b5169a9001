//! Logs written by hand from vLLM's templates, many to a file: `tests/data/vllm/logs/cases/*.txt`.
//!
//! A case begins with `=== name | class phase | evidence`, where the evidence is any of
//! `exit 137`, `oom yes`, `oom no`; a fourth part `wrap x` names a collector's decoration for
//! every line. In a body `@piece` stands for a piece of `pieces.txt` that many logs share,
//! `%X=head` names the head of a line, `%X|text` is a line with that head, and `%X@piece` a
//! piece with that head on every line. Everything else stands as an engine would write it.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::diagnose::tests::decoration::decoration;
use crate::diagnose::{Evidence, Failure, FailureClass, Phase, diagnose};

/// One log and what it must be called.
#[derive(Debug, Clone)]
pub struct Case {
    /// `file/name`.
    pub name: String,
    pub log: String,
    pub exit_code: Option<i64>,
    pub oom_killed: Option<bool>,
    pub class: FailureClass,
    pub phase: Phase,
}

impl Case {
    pub fn run(&self, log: &str) -> Failure {
        diagnose(&Evidence {
            exit_code: self.exit_code,
            oom_killed: self.oom_killed,
            ..Evidence::of(log)
        })
    }

    /// What is wrong with the answer for `log`, which is this case's log in some dress.
    pub fn complaint(&self, log: &str) -> Option<String> {
        let found = self.run(log);
        (found.class != self.class || found.phase != self.phase).then(|| {
            format!(
                "{}: {} {}, wanted {} {}; cause {:?}",
                self.name, found.class, found.phase, self.class, self.phase, found.cause
            )
        })
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vllm/logs/cases")
}

/// `=== head` and the lines below it, for every section of a file.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("=== ") {
            sections.push((head, Vec::new()));
        } else {
            let (_, body) = sections.last_mut().expect("a file begins with a head");
            body.push(line);
        }
    }
    sections
}

fn body(lines: &[&str], pieces: &HashMap<&str, Vec<&str>>, wrap: &str) -> String {
    let mut heads: HashMap<char, &str> = HashMap::new();
    let mut log = String::new();
    for line in lines {
        let (head, rest) = match line.strip_prefix('%') {
            None => ("", *line),
            Some(rest) => {
                let name = rest.chars().next().expect("a head has a name");
                let rest = &rest[name.len_utf8()..];
                if let Some(head) = rest.strip_prefix('=') {
                    heads.insert(name, head);
                    continue;
                }
                let head = heads.get(&name).expect("a head is named before its use");
                (*head, rest.strip_prefix('|').unwrap_or(rest))
            }
        };
        let text = match rest.strip_prefix('@') {
            Some(piece) => pieces.get(piece).unwrap_or_else(|| panic!("no {piece}")),
            None => &vec![rest],
        };
        for line in text {
            log.push_str(&decoration(wrap, &format!("{head}{line}")));
            log.push('\n');
        }
    }
    log
}

fn case(file: &str, head: &str, lines: &[&str], pieces: &HashMap<&str, Vec<&str>>) -> Case {
    let parts: Vec<&str> = head.split('|').map(str::trim).collect();
    let words = |part: usize| -> Vec<&str> {
        let part = parts.get(part).copied().unwrap_or_default();
        part.split_whitespace().collect()
    };
    let value_of = |part: usize, key: &str| -> Option<&str> {
        let pairs = words(part);
        let at = pairs.iter().position(|word| *word == key)?;
        pairs.get(at + 1).copied()
    };
    let named = |word: &str| serde_json::Value::String(word.to_owned());
    Case {
        name: format!("{file}/{}", parts[0]),
        log: body(lines, pieces, value_of(3, "wrap").unwrap_or_default()),
        exit_code: value_of(2, "exit").map(|code| code.parse().unwrap()),
        oom_killed: value_of(2, "oom").map(|word| word == "yes"),
        class: serde_json::from_value(named(words(1)[0])).unwrap(),
        phase: serde_json::from_value(named(words(1)[1])).unwrap(),
    }
}

/// Every case of every file.
pub fn cases() -> Vec<Case> {
    let shared = std::fs::read_to_string(folder().join("pieces.txt")).unwrap();
    let pieces: HashMap<&str, Vec<&str>> = sections(&shared).into_iter().collect();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("pieces.txt"))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let file = path.file_stem().unwrap().to_string_lossy().into_owned();
            sections(&text)
                .into_iter()
                .map(|(head, lines)| case(&file, head, &lines, &pieces))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_written_log_is_called_by_its_name() {
    let cases = cases();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| case.complaint(&case.log))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn names_are_told_apart() {
    let mut names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    let n_cases = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), n_cases);
    assert!(n_cases >= 300, "{n_cases}");
}

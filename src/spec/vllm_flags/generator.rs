//! Makes `table.rs` from the help text of `vllm serve`, and proves that the committed one is
//! what it makes.
//!
//! To renew the table: replace `docs/vllm-flags/vllm-serve-help.txt` by the output of `vllm
//! serve --help=all`, then run `GRIDRUN_WRITE=1 cargo test --lib the_committed_table`.

use std::fmt::Write as _;

use crate::spec::vllm_flags::{FlagKind, SHORT_NAMES, overlay, table};

const HELP: &str = include_str!("../../../docs/vllm-flags/vllm-serve-help.txt");
const COMMITTED: &str = include_str!("table.rs");
/// Longest help that the table keeps, in characters.
const HELP_CHARS: usize = 110;

/// One option as the help text shows it.
struct Shown {
    /// Its line with all spellings: `--quantization QUANTIZATION, -q QUANTIZATION`.
    head: String,
    /// All that is said of it, on one line.
    body: String,
}

/// One line of the table.
struct Row {
    name: String,
    aliases: Vec<String>,
    kind: String,
    help: String,
}

fn options() -> Vec<Shown> {
    let mut options: Vec<Shown> = Vec::new();
    let mut open = false;
    for line in HELP.lines() {
        let indent = line.len() - line.trim_start().len();
        if indent == 2 && line.trim_start().starts_with('-') {
            let (head, body) = match line.trim_start().split_once("  ") {
                Some((head, body)) => (head, body.trim()),
                None => (line.trim(), ""),
            };
            options.push(Shown {
                head: head.to_owned(),
                body: body.to_owned(),
            });
            open = true;
        } else if indent >= 10 && open {
            let option = options.last_mut().expect("an open option is in the list");
            // The help breaks words at their hyphens.
            if !option.body.is_empty() && !option.body.ends_with('-') {
                option.body.push(' ');
            }
            option.body.push_str(line.trim());
        } else if !line.trim().is_empty() {
            open = false;
        }
    }
    options
}

/// Splits `--a A, -b A` at the commas that are outside of brackets.
fn spellings(head: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    head.split(|c: char| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn row(option: &Shown) -> Option<Row> {
    let mut name = None;
    let mut negatable = false;
    let mut aliases = Vec::new();
    let mut takes = "";
    for spelling in spellings(&option.head) {
        let (flag, metavar) = spelling.split_once(' ').unwrap_or((spelling, ""));
        match flag.strip_prefix("--") {
            Some(long) if name.is_none() => {
                name = Some(long.to_owned());
                takes = metavar.trim();
            }
            Some(long) if name.as_deref() == long.strip_prefix("no-") => negatable = true,
            Some(long) => aliases.push(long.to_owned()),
            None => aliases.push(flag.trim_start_matches('-').to_owned()),
        }
    }
    let name = name.filter(|name| name != "help")?;
    aliases.extend(
        SHORT_NAMES
            .iter()
            .filter(|(_, long)| *long == name)
            .map(|(short, _)| (*short).to_owned()),
    );
    let kind = overlay::KINDS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or_else(
            || shown_kind(&name, takes, negatable, &option.body),
            |(_, kind)| written(*kind),
        );
    Some(Row {
        help: first_sentence(&option.body),
        name,
        aliases,
        kind,
    })
}

/// The kind that the help text shows by the flag's metavariable and by its words.
fn shown_kind(name: &str, takes: &str, negatable: bool, body: &str) -> String {
    let choices = takes
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    if takes.is_empty() {
        written(FlagKind::Switch { negatable })
    } else if let Some(choices) = choices.filter(|words| !words.contains('}')) {
        let quoted: Vec<String> = choices.split(',').map(|word| format!("{word:?}")).collect();
        format!("Choice(&[{}])", quoted.join(", "))
    } else if takes.contains("...]") {
        written(FlagKind::List)
    } else if body.contains("'1k' -> 1,000") {
        written(FlagKind::Size {
            min: if name.ends_with("-queued-tokens") {
                0
            } else {
                1
            },
            auto: body.contains("'auto' -> -1"),
        })
    } else {
        written(FlagKind::Text)
    }
}

fn written(kind: FlagKind) -> String {
    match kind {
        FlagKind::Choice(_) => unreachable!("choices come from the help text"),
        other => format!("{other:?}"),
    }
}

fn first_sentence(body: &str) -> String {
    let body = body
        .rsplit_once("(default:")
        .map_or(body, |(before, _)| before)
        .trim();
    let body = body.split_once(": - ").map_or(body, |(before, _)| before);
    let mut end = body.len();
    for (at, _) in body.match_indices(". ") {
        let next = body[at + 2..].trim_start().chars().next();
        if next.is_some_and(|c| !c.is_lowercase()) && !body[..at].ends_with("e.g") {
            end = at + 1;
            break;
        }
    }
    let sentence = body[..end].trim_end_matches(" .");
    if sentence.chars().count() <= HELP_CHARS {
        return sentence.to_owned();
    }
    let cut: String = sentence.chars().take(HELP_CHARS).collect();
    let words = cut
        .rsplit_once(' ')
        .map_or(cut.as_str(), |(words, _)| words);
    format!("{words} ...")
}

fn version() -> &'static str {
    let (_, rest) = HELP
        .split_once("docs.vllm.ai/en/v")
        .expect("the help names its version");
    rest.split('/').next().expect("a split has a first part")
}

fn generated() -> String {
    let mut rows: Vec<Row> = options().iter().filter_map(row).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = format!(
        "//! The flags of `vllm serve` {version}. Generated by `generator.rs`; not edited by hand.\n\n\
         use crate::spec::vllm_flags::FlagKind::{{Choice, Float, Int, List, Size, Switch, Text}};\n\
         use crate::spec::vllm_flags::{{KnownFlag, flag}};\n\n\
         /// The version of vLLM whose help text the table was made from.\n\
         pub const HELP_VERSION: &str = \"{version}\";\n\n\
         /// Sorted by name.\n\
         #[rustfmt::skip]\npub(in crate::spec::vllm_flags) const TABLE: &[KnownFlag] = &[\n",
        version = version(),
    );
    for Row {
        name,
        aliases,
        kind,
        help,
    } in rows
    {
        writeln!(text, "    flag({name:?}, &{aliases:?}, {kind}, {help:?}),")
            .expect("writing to a string succeeds");
    }
    text.push_str("];\n");
    text
}

#[test]
fn the_committed_table_is_what_the_help_text_gives() {
    let generated = generated();
    if std::env::var_os("GRIDRUN_WRITE").is_some() {
        let path = std::path::Path::new(file!()).with_file_name("table.rs");
        std::fs::write(path, &generated).unwrap();
        return;
    }
    assert!(
        generated == COMMITTED,
        "table.rs is not what generator.rs makes; run GRIDRUN_WRITE=1 cargo test --lib the_committed_table"
    );
}

#[test]
fn every_line_of_the_overlay_names_a_flag_of_the_help() {
    assert!(overlay::KINDS.is_sorted_by(|a, b| a.0 < b.0));
    for (name, _) in overlay::KINDS.iter().chain(
        SHORT_NAMES
            .iter()
            .map(|(_, long)| (*long, FlagKind::Text))
            .collect::<Vec<_>>()
            .iter(),
    ) {
        assert!(
            table::TABLE.iter().any(|flag| flag.name == *name),
            "{name} is not in the table"
        );
    }
}

//! `docs/EXPERIMENTS.md` and the example files cannot go stale: every TOML block of the page is
//! checked as `gridrun check` would, what stands between two HTML marks is made again and
//! compared, and all files of `experiments/` and `profiles/` are checked.
//!
//! A TOML block says in its fence what it is:
//!
//! - `file=experiments/NAME.toml`, `file=profiles/NAME.toml`: a whole file;
//! - `fragment=experiment`, `fragment=profile`: sections that stand in place of those with the
//!   same header in the first whole file of that kind on the page;
//! - then `warns` or `fails` where it is to have findings; without either it must have none.

mod architecture;
mod diagnosis;
mod results;
mod scenarios;
mod schema;
mod tables;
mod tools;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridrun::measure::metric::WorkloadKind;
use gridrun::plan::check::{Checked, check};
use gridrun::spec;
use gridrun::spec::diagnostic::{self, Colour, Diagnostic, Source, Sources};
use gridrun::spec::keys;

const PAGE: &str = "docs/EXPERIMENTS.md";
const RENEW: &str = "UPDATE_DOCS";

#[test]
fn the_generated_parts_of_the_pages_are_those_of_the_tables() {
    for page in pages() {
        is_as_made(&page.path, &page.text, &page.renewed());
    }
}

#[test]
fn every_table_has_its_place() {
    let marks = [
        "keys:experiment",
        "keys:profile",
        "flags:short",
        "flags:reserved",
    ];
    let page = read(PAGE);
    for mark in marks {
        let mark = opening(mark);
        assert!(page.contains(&mark), "{PAGE} has no {mark}");
    }
    for kind in WorkloadKind::ALL {
        let (path, mark) = (page_of(kind), opening(&format!("metrics:{}", kind.name())));
        assert!(read(&path).contains(&mark), "{path} has no {mark}");
    }
}

#[test]
fn every_toml_block_is_right_or_wrong_as_it_says() {
    for page in pages() {
        let own: Vec<&Block> = page.own().collect();
        assert_eq!(
            own.len(),
            page.text.matches("\n```toml").count(),
            "a block of {} was not read",
            page.path
        );
        for block in own {
            let (findings, sources) = outcome(&page.blocks, block);
            let found = match (findings.is_empty(), diagnostic::has_errors(&findings)) {
                (true, _) => Expected::Nothing,
                (false, false) => Expected::Warnings,
                (false, true) => Expected::Errors,
            };
            assert_eq!(
                block.expected,
                found,
                "{}, line {}:\n{}",
                block.page,
                block.line,
                diagnostic::render(&findings, &sources, Colour::Plain)
            );
        }
    }
}

#[test]
fn the_files_of_the_repository_have_no_mistakes() {
    let mut n_files = 0;
    for path in toml_files("experiments") {
        let loaded = spec::load(source(&path), &mut |name| {
            Ok(source(&format!("profiles/{name}.toml")))
        });
        check(loaded).unwrap_or_else(|rejected| {
            panic!(
                "{}",
                diagnostic::render(&rejected.diagnostics, &rejected.sources, Colour::Plain)
            )
        });
        n_files += 1;
    }
    for path in toml_files("profiles") {
        let (findings, sources) = check_profile(source(&path));
        assert!(
            findings.is_empty(),
            "{}",
            diagnostic::render(&findings, &sources, Colour::Plain)
        );
        n_files += 1;
    }
    assert!(n_files >= 6, "only {n_files} files were found");
}

// The blocks of the page.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Nothing,
    Warnings,
    Errors,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Experiment,
    Profile,
}

/// A page about the files that people write.
struct Page {
    path: String,
    text: String,
    /// Those of [`PAGE`], which a fragment may stand for a part of, then its own.
    blocks: Vec<Block>,
}

impl Page {
    fn own(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.page == self.path)
    }
}

/// The page of all files, and one of each kind of workload.
fn pages() -> Vec<Page> {
    let kinds = WorkloadKind::ALL.map(page_of);
    std::iter::once(PAGE.to_owned())
        .chain(kinds)
        .map(|path| {
            let text = read(&path);
            let mut all = blocks(PAGE, &read(PAGE));
            if path != PAGE {
                all.extend(blocks(&path, &text));
            }
            Page {
                path,
                text,
                blocks: all,
            }
        })
        .collect()
}

fn page_of(kind: WorkloadKind) -> String {
    format!("docs/workloads/{}.md", kind.name())
}

/// A TOML block of a page.
struct Block {
    page: String,
    /// Of its fence, from 1.
    line: usize,
    kind: Kind,
    /// `None` for a fragment.
    path: Option<String>,
    expected: Expected,
    text: String,
}

fn blocks(path: &str, page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .collect();
        let mut words = info.split_whitespace();
        if words.next() == Some("toml") {
            blocks.push(block(path, at + 1, words, body.join("\n") + "\n"));
        }
    }
    blocks
}

fn block<'a>(page: &str, line: usize, words: impl Iterator<Item = &'a str>, text: String) -> Block {
    let mut kind = None;
    let mut path = None;
    let mut expected = Expected::Nothing;
    for word in words {
        match (word, word.split_once('=')) {
            ("warns", _) => expected = Expected::Warnings,
            ("fails", _) => expected = Expected::Errors,
            (_, Some(("fragment", "experiment"))) => kind = Some(Kind::Experiment),
            (_, Some(("fragment", "profile"))) => kind = Some(Kind::Profile),
            (_, Some(("file", file))) => {
                kind = Some(if file.starts_with("profiles/") {
                    Kind::Profile
                } else {
                    Kind::Experiment
                });
                path = Some(file.to_owned());
            }
            _ => panic!("{page}, line {line}: `{word}` means nothing in a fence"),
        }
    }
    let kind = kind
        .unwrap_or_else(|| panic!("{page}, line {line}: the fence does not say what the block is"));
    Block {
        page: page.to_owned(),
        line,
        kind,
        path,
        expected,
        text,
    }
}

/// The file that a block is or makes.
fn file_of(blocks: &[Block], block: &Block) -> Source {
    if let Some(path) = &block.path {
        return Source {
            path: path.clone(),
            text: Arc::from(block.text.as_str()),
        };
    }
    let first = blocks
        .iter()
        .find(|first| first.kind == block.kind && first.path.is_some())
        .expect("the page has a whole file of each kind");
    let own: Vec<&str> = sections(&block.text)
        .into_iter()
        .map(|(header, _)| header)
        .collect();
    let kept = sections(&first.text)
        .into_iter()
        .filter(|(header, _)| !own.contains(header));
    let text: String = kept
        .map(|(_, text)| text)
        .chain([block.text.as_str()])
        .collect();
    let path = first.path.clone().expect("it was chosen for its path");
    Source {
        path,
        text: Arc::from(text),
    }
}

/// A file cut at its headers; what stands before the first has none.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let mut cuts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            cuts.push(at);
        }
        at += line.len();
    }
    cuts.push(text.len());
    let header = |piece: &str| {
        let first = piece.lines().next().unwrap_or_default();
        if first.starts_with('[') {
            first.len()
        } else {
            0
        }
    };
    cuts.windows(2)
        .map(|cut| &text[cut[0]..cut[1]])
        .filter(|piece| !piece.is_empty())
        .map(|piece| (&piece[..header(piece)], piece))
        .collect()
}

/// Checks a block; the experiment with its cells where nothing is wrong with it.
fn checked(blocks: &[Block], block: &Block) -> Result<Checked, (Vec<Diagnostic>, Sources)> {
    let file = file_of(blocks, block);
    assert_eq!(block.kind, Kind::Experiment, "a profile alone has no cells");
    let loaded = spec::load(file, &mut |name| {
        let path = format!("profiles/{name}.toml");
        let on_page = blocks
            .iter()
            .find(|block| block.path.as_ref() == Some(&path));
        Ok(on_page.map_or_else(|| source(&path), |block| file_of(blocks, block)))
    });
    check(loaded).map_err(|rejected| (rejected.diagnostics, rejected.sources))
}

fn outcome(blocks: &[Block], block: &Block) -> (Vec<Diagnostic>, Sources) {
    match block.kind {
        Kind::Profile => check_profile(file_of(blocks, block)),
        Kind::Experiment => match checked(blocks, block) {
            Ok(checked) => (checked.warnings, checked.sources),
            Err(rejected) => rejected,
        },
    }
}

/// Checks a profile through an experiment that asks nothing of it.
fn check_profile(profile: Source) -> (Vec<Diagnostic>, Sources) {
    const EXPERIMENT: &str = "profile = \"any\"\n\
        [matrix]\nprefix = [true, false]\n\
        [[workload]]\nname = \"w\"\nkind = \"kv-cache\"\n\
        [[objective]]\nmetric = \"w.ttft_repeat_ms\"\ngoal = \"min\"\n";
    let experiment = Source {
        path: "any.toml".to_owned(),
        text: Arc::from(EXPERIMENT),
    };
    match check(spec::load(experiment, &mut |_| Ok(profile.clone()))) {
        Ok(checked) => (checked.warnings, checked.sources),
        Err(rejected) => (rejected.diagnostics, rejected.sources),
    }
}

// The generated parts.

fn opening(mark: &str) -> String {
    format!("<!-- {mark} -->")
}

/// Writes what was made when that was asked for, else compares it with what is there.
fn is_as_made(path: &str, page: &str, renewed: &str) {
    if std::env::var_os(RENEW).is_some() {
        fs::write(root().join(path), renewed).expect("the page can be written");
        return;
    }
    let differs = page
        .lines()
        .zip(renewed.lines())
        .position(|(old, new)| old != new);
    if let Some(at) = differs {
        panic!(
            "{path}, line {}: is\n  {}\nshould be\n  {}\nrun `{RENEW}=1 cargo test --test docs` and commit the page",
            at + 1,
            page.lines().nth(at).unwrap_or_default(),
            renewed.lines().nth(at).unwrap_or_default(),
        );
    }
    assert_eq!(
        page, renewed,
        "run `{RENEW}=1 cargo test --test docs` and commit the page"
    );
}

/// A page with everything between two marks made again. `make` is given the mark and the line,
/// from 0, on which it stands.
fn made_again(path: &str, page: &str, make: impl Fn(&str, usize) -> String) -> String {
    let mut renewed = String::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        writeln!(renewed, "{line}").expect("writing to a string succeeds");
        let mark = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let Some(mark) = mark else { continue };
        let closing = format!("<!-- /{mark} -->");
        assert!(
            lines.by_ref().any(|(_, line)| line == closing),
            "{path}, line {}: {line} is not followed by {closing}",
            at + 1
        );
        let made = make(mark, at);
        writeln!(renewed, "\n{}\n\n{closing}", made.trim_end())
            .expect("writing to a string succeeds");
    }
    renewed
}

impl Page {
    /// The page made again. `cells` and `findings` speak of the TOML block before them.
    fn renewed(&self) -> String {
        let path = &self.path;
        made_again(path, &self.text, |mark, at| {
            let before = || {
                let block = self.own().filter(|block| block.line <= at).last();
                block.unwrap_or_else(|| {
                    panic!(
                        "{path}, line {}: no TOML block stands before `{mark}`",
                        at + 1
                    )
                })
            };
            match mark {
                "keys:experiment" => tables::keys(keys::EXPERIMENT),
                "keys:profile" => tables::keys(keys::PROFILE),
                "flags:short" => tables::short_flags(),
                "flags:reserved" => tables::reserved_flags(),
                "cells" => cells(&self.blocks, before()),
                "findings" => findings(&self.blocks, before()),
                _ => WorkloadKind::ALL
                    .into_iter()
                    .find(|kind| mark.strip_prefix("metrics:") == Some(kind.name()))
                    .map(tables::metrics)
                    .unwrap_or_else(|| panic!("{path}, line {}: what is `{mark}`?", at + 1)),
            }
        })
    }
}

fn cells(blocks: &[Block], block: &Block) -> String {
    let checked = checked(blocks, block)
        .unwrap_or_else(|_| panic!("{}, line {}: it has errors", block.page, block.line));
    tables::cells(&checked.cells)
}

fn findings(blocks: &[Block], block: &Block) -> String {
    let (findings, sources) = outcome(blocks, block);
    format!(
        "```text\n{}```\n",
        diagnostic::render(&findings, &sources, Colour::Plain)
    )
}

// Files.

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn source(path: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: Arc::from(read(path)),
    }
}

/// The TOML files of a folder of the repository, as it names them.
fn toml_files(folder: &str) -> Vec<String> {
    let entries =
        fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    let name = |path: PathBuf| {
        path.file_name()
            .map(|name| format!("{folder}/{}", name.to_string_lossy()))
    };
    files.into_iter().filter_map(name).collect()
}

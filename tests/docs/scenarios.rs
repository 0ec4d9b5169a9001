//! `docs/SCENARIOS.md` and the library of scenarios cannot go stale: the table of keys is made
//! again and compared, every TOML block and every file is read, and every kind is on the page
//! and in the library.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use gridrun::spec::diagnostic::{Colour, Source, render};
use gridrun::spec::keys;
use gridrun::spec::load_scenario;
use gridrun::spec::scenario::{FaultKind, Scenario};

use crate::{RENEW, read, root, source, tables, toml_files};

const PAGE: &str = "docs/SCENARIOS.md";
const OPENING: &str = "<!-- keys:scenario -->\n";
const CLOSING: &str = "<!-- /keys:scenario -->";

#[track_caller]
fn good(source: &Source) -> Scenario {
    let loaded = load_scenario(source);
    let found = render(&loaded.diagnostics, source, Colour::Plain);
    assert!(found.is_empty(), "{found}");
    loaded.scenario.expect("nothing was found wrong with it")
}

#[test]
fn the_keys_on_the_page_are_those_of_the_table() {
    let page = read(PAGE);
    let (before, rest) = page.split_once(OPENING).expect("the page has the table");
    let (_, after) = rest.split_once(CLOSING).expect("the table has an end");
    let table = tables::keys(keys::scenario::SCENARIO);
    let renewed = format!(
        "{before}{OPENING}\n{}\n\n{CLOSING}{after}",
        table.trim_end()
    );
    if std::env::var_os(RENEW).is_some() {
        fs::write(root().join(PAGE), renewed).expect("the page can be written");
        return;
    }
    assert_eq!(
        page, renewed,
        "run `{RENEW}=1 cargo test --test docs` and commit the page"
    );
}

#[test]
fn every_toml_block_of_the_page_is_a_scenario() {
    let page = read(PAGE);
    let blocks: Vec<&str> = page
        .split("\n```toml\n")
        .skip(1)
        .map(|rest| {
            rest.split("\n```")
                .next()
                .expect("a split has a first part")
        })
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        good(&Source {
            path: PAGE.to_owned(),
            text: Arc::from(block),
        });
    }
}

#[test]
fn every_kind_is_on_the_page_and_in_the_library() {
    let page = read(PAGE);
    let library: BTreeSet<FaultKind> = toml_files("experiments/scenarios")
        .iter()
        .flat_map(|path| good(&source(path)).faults)
        .map(|fault| fault.spec.kind())
        .collect();
    for kind in FaultKind::ALL {
        let row = format!("\n| `{}` |", kind.name());
        assert!(page.contains(&row), "{PAGE} has no row for {}", kind.name());
        assert!(
            library.contains(&kind),
            "experiments/scenarios has none of kind {}",
            kind.name()
        );
    }
}

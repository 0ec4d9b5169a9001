//! `docs/DIAGNOSIS.md` says what the tables of the diagnosis say, and its examples are what the
//! program prints.

use std::process::Command;

use gridrun::diagnose::{Blame, Consequence, FailureClass, Prune, Side, Stage};

use crate::tables::table;
use crate::{is_as_made, made_again, opening, read, root};

const PAGE: &str = "docs/DIAGNOSIS.md";

#[test]
fn the_generated_parts_are_those_of_the_program() {
    let page = read(PAGE);
    for mark in ["classes", "stages", "pruning"] {
        assert!(page.contains(&opening(mark)), "{PAGE} has no {mark}");
    }
    let renewed = made_again(PAGE, &page, |mark, at| match mark {
        "classes" => classes(),
        "stages" => stages(),
        "pruning" => pruning(),
        _ => match mark.strip_prefix("gridrun ") {
            Some(arguments) => printed(arguments),
            None => panic!("{PAGE}, line {}: what is `{mark}`?", at + 1),
        },
    });
    is_as_made(PAGE, &page, &renewed);
}

/// What the program prints, as a reader would see it.
fn printed(arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gridrun"))
        .args(arguments.split(' '))
        .current_dir(root())
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{arguments}");
    let text = String::from_utf8(output.stdout).expect("the program prints text");
    format!("```console\n$ gridrun {arguments}\n{text}```")
}

fn classes() -> String {
    let rows = FailureClass::ALL.into_iter().map(|class| {
        let row = class.row();
        vec![
            format!("`{class}`"),
            row.meaning.to_owned(),
            follows(class),
            match row.prune {
                Prune::None => String::new(),
                prune => format!("`{}`", prune.name()),
            },
        ]
    });
    table(&["class", "why", "what follows", "pruning"], rows.collect())
}

fn stages() -> String {
    let rows = Stage::ALL
        .into_iter()
        .map(|stage| vec![format!("`{stage}`"), stage.meaning().to_owned()]);
    table(&["stage", "how far it had come"], rows.collect())
}

fn follows(class: FailureClass) -> String {
    let word = |consequence| match consequence {
        Consequence::Infeasible => "infeasible, never retried",
        Consequence::Machine if class == FailureClass::RuntimeLost => {
            "failed (the machine), not counted as a try, three times at most"
        }
        Consequence::Machine => "failed (machine or profile), retried once",
        Consequence::Retry if !class.is_failure() => {
            "no failure; where a run meets it, failed and retried once"
        }
        Consequence::Retry => "failed (nobody knows), retried once",
    };
    let of_the_cell = word(class.consequence(Blame::Cell));
    let of_the_profile = word(class.consequence(Blame::Profile));
    if of_the_cell == of_the_profile {
        return of_the_cell.to_owned();
    }
    format!("the cell's own making: {of_the_cell}; else {of_the_profile}")
}

fn pruning() -> String {
    let rows = Prune::ALL.into_iter().filter(|prune| *prune != Prune::None);
    let rows = rows.map(|prune| {
        let flags: Vec<String> = prune
            .monotone()
            .iter()
            .map(|(flag, side)| match side {
                Side::AtLeast => format!("`{flag}` at least as large"),
                Side::AtMost => format!("`{flag}` at most as large"),
            })
            .collect();
        vec![format!("`{}`", prune.name()), flags.join(", ")]
    });
    table(
        &["pruning", "where a cell may differ from the dead one"],
        rows.collect(),
    )
}

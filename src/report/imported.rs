//! What was brought from elsewhere: shown apart, with where it comes from, and never ranked.

use std::collections::BTreeMap;

use crate::decide::number;
use crate::manifest::imported::Imported;
use crate::report::table::{Kind, MISSING, Table};

/// Numbers that the table has room for; `report.json` and the frame have all.
const NUMBERS: usize = 6;

/// Those that most readers look for.
const FIRST: [&str; 6] = [
    "ttft_ms.p50",
    "itl_ms.p50",
    "e2e_ms.p50",
    "output_tokens_per_second",
    "completed",
    "failed",
];

/// What they are, above their table.
pub const MEANING: &str = "gridrun did not measure these: nothing proves what their engines ran. They stand here with where they come from; no rank, no interval and no verdict takes them into account. What a number means is the tool's to say.";

/// The rows, with the numbers that most readers look for, then those that most rows have.
pub fn table(rows: &[Imported]) -> Table {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in rows.iter().flat_map(|row| row.numbers.keys()) {
        *counts.entry(name).or_default() += 1;
    }
    let mut names: Vec<&str> = counts.keys().copied().collect();
    let place = |name: &str| FIRST.iter().position(|first| *first == name);
    names.sort_by_key(|name| {
        let place = place(name).unwrap_or(FIRST.len());
        (place, std::cmp::Reverse(counts[name]), *name)
    });
    names.truncate(NUMBERS);
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    table.column("proof", Kind::Words);
    for name in &names {
        table.column(*name, Kind::Number);
    }
    table.column("load", Kind::Words);
    table.column("from", Kind::Words);
    for row in rows {
        let missing = || MISSING.to_owned();
        let mut cells = vec![row.cell.clone().unwrap_or_else(missing)];
        cells.push(match row.outcome.as_str() {
            "measured" | "estimated" => row.proof.name().to_owned(),
            died => format!("{}, died: {died}", row.proof.name()),
        });
        cells.extend(names.iter().map(|name| {
            let number = row.numbers.get(*name);
            number.map_or_else(missing, |number| shown(*number))
        }));
        cells.push(row.from.load.clone().unwrap_or_else(missing));
        let notes: String = row
            .from
            .notes
            .iter()
            .map(|note| format!("; {note}"))
            .collect();
        cells.push(format!("{}{notes}", row.from.told()));
        table.rows.push(cells);
    }
    table
}

/// Counts are whole.
fn shown(value: f64) -> String {
    match value.fract() == 0.0 && value.abs() < 1e9 {
        true => format!("{value:.0}"),
        false => number::significant(value),
    }
}

/// The files with their hashes, each once.
pub fn files(rows: &[Imported]) -> Vec<(&str, &str)> {
    let mut files: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        let file = (row.from.file.as_str(), row.from.sha256.as_str());
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// For a terminal, in a sentence; `place` is where a reader finds them.
pub fn told(rows: &[Imported], place: &str) -> String {
    let n = match rows.len() {
        1 => "1 row was".to_owned(),
        n => format!("{n} rows were"),
    };
    let mut tools: Vec<&str> = rows.iter().map(|row| row.from.tool.as_str()).collect();
    tools.sort_unstable();
    tools.dedup();
    format!(
        "{n} brought from elsewhere ({}): not ranked, because nothing proves what their engines ran; they stand {place}.",
        tools.join(", ")
    )
}

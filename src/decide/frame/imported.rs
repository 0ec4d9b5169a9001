//! Where rows come from, and those that were brought from elsewhere, below the cells: they have no rank and no number in any
//! column of a cell's, but columns of their own.

use std::collections::BTreeSet;

use polars::prelude::{Column, DataFrame};

use crate::decide::decision::CellResult;
use crate::decide::frame::{Columns, Frame, frame};
use crate::manifest::imported::Imported;
use crate::manifest::{Manifest, RunRecord};

impl Frame {
    /// The frame with what was brought from elsewhere; the same one where nothing was.
    pub fn with_imported(self, record: &RunRecord) -> Self {
        let rows = record.imported.as_slice();
        if rows.is_empty() {
            return self;
        }
        let names: BTreeSet<&str> = rows
            .iter()
            .flat_map(|row| row.numbers.keys().map(String::as_str))
            .collect();
        let number = |name: &str| format!("imported.{name}");
        let mut cells = self.0;
        for name in &names {
            let empty = vec![None::<f64>; cells.height()];
            let column = Column::new(number(name).as_str().into(), empty);
            cells.with_column(column).expect("it has as many rows");
        }
        let known = said(record, rows, &names);
        let below = cells.columns().iter().map(|column| {
            let same = known
                .columns()
                .iter()
                .find(|own| own.name() == column.name());
            same.cloned().unwrap_or_else(|| {
                Column::full_null(column.name().clone(), rows.len(), column.dtype())
            })
        });
        let below = frame(below.collect());
        Self(cells.vstack(&below).expect("both have the same columns"))
    }
}

/// The runs that made its starts, in the order in which they settled.
pub(super) fn sources(cell: &CellResult<'_>, manifest: &Manifest) -> String {
    let mut runs: Vec<&str> = Vec::new();
    for one in &cell.settled {
        let run = one.origin.as_ref().map_or(&manifest.run, |from| &from.run);
        if !runs.contains(&run.as_str()) {
            runs.push(run.as_str());
        }
    }
    runs.join("; ")
}

/// What is known of the rows, in the names and types of the frame.
fn said(record: &RunRecord, rows: &[Imported], names: &BTreeSet<&str>) -> DataFrame {
    let mut columns = Columns::default();
    let each = |of: &dyn Fn(&Imported) -> Option<String>| -> Vec<Option<String>> {
        rows.iter().map(of).collect()
    };
    columns.add("run", each(&|_| Some(record.manifest.run.to_string())));
    columns.add("cell", each(&|row| row.cell.clone()));
    columns.add("standing", each(&|row| Some(row.proof.name().to_owned())));
    columns.add("because", each(&|row| Some(row.outcome.clone())));
    columns.add("proof", each(&|row| Some(row.proof.name().to_owned())));
    columns.add("source", each(&|row| Some(row.from.told())));
    for name in names {
        let values: Vec<Option<f64>> = rows
            .iter()
            .map(|row| row.numbers.get(*name).copied())
            .collect();
        columns.add(&format!("imported.{name}"), values);
    }
    frame(columns.columns)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decide::decision::Decision;
    use crate::decide::fixture;
    use crate::manifest::imported::{Proof, Provenance};

    #[test]
    fn imported_rows_stand_below_the_cells_without_rank_or_champion() {
        let mut record = fixture::full();
        record.imported.push(Imported {
            cell: Some("=theirs".to_owned()),
            proof: Proof::Estimated,
            outcome: "estimated".to_owned(),
            from: Provenance {
                file: "a.csv".to_owned(),
                sha256: String::new(),
                place: "row 1".to_owned(),
                tool: "table".to_owned(),
                version: None,
                model: None,
                at: None,
                load: None,
                notes: Vec::new(),
            },
            numbers: BTreeMap::from([("ttft_ms.p50".to_owned(), 1.0)]),
        });
        let decision = Decision::of(&record);
        let cells = Frame::of(&record.manifest, &decision);
        let n = cells.0.height();
        let all = cells.clone().with_imported(&record);
        assert_eq!(
            (all.0.height(), all.0.width()),
            (n + 1, cells.0.width() + 1)
        );
        for name in ["rank", "score", "champion", "stand_in", "n_measured"] {
            assert_eq!(
                all.0.column(name).unwrap().null_count(),
                cells.0.column(name).unwrap().null_count() + 1,
                "{name}"
            );
        }
        let csv = String::from_utf8(all.csv()).unwrap();
        let last = csv.lines().last().unwrap();
        assert!(
            last.contains("'=theirs,") && last.contains(",estimated,") && last.ends_with(",1.0"),
            "{last}"
        );
        assert!(last.contains("\"table, a.csv row 1\""), "{last}");
        record.imported.clear();
        assert!(
            cells
                .0
                .equals_missing(&cells.clone().with_imported(&record).0)
        );
    }
}

//! A report in every format, from one model.

use crate::decide::Decision;
use crate::decide::frame::Frame;
use crate::decide::number;
use crate::manifest::RunRecord;
use crate::report::course::Course;
use crate::report::history::Past;
use crate::report::view::{View, Whole};
use crate::report::{assemble, html, json, markdown, terminal};

/// A report, ready to be written.
#[derive(Debug, Clone)]
pub struct Report {
    view: View,
    frame: Frame,
}

/// What is stored beside a run's journal.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// The nights of its experiment.
    pub past: Past,
    /// `None` where no samples are stored.
    pub course: Option<Course>,
}

/// Makes the report of a run, whole or not.
pub fn build(record: &RunRecord) -> Report {
    build_with(record, &Beside::default())
}

/// The same, with what is stored beside it.
pub fn build_with(record: &RunRecord, beside: &Beside) -> Report {
    let decision = Decision::of(record);
    Report {
        view: assemble::view(record, &decision, beside),
        frame: Frame::of(&record.manifest, &decision).with_imported(record),
    }
}

impl Report {
    /// The same report, of which nothing will be written.
    pub fn printed_only(mut self) -> Self {
        self.view.whole = Whole::Printed;
        self
    }

    /// `report.md`.
    pub fn markdown(&self) -> String {
        markdown::render(&self.view)
    }

    /// `report.html`.
    pub fn html(&self) -> String {
        html::render(&self.view)
    }

    /// Every figure as a file of its own: its name and its SVG.
    pub fn figures(&self) -> Vec<(String, String)> {
        let figures = html::figures(&self.view).into_iter();
        figures
            .map(|figure| (format!("{}.svg", figure.id), figure.wide.standalone()))
            .collect()
    }

    /// `report.json`.
    pub fn json(&self) -> String {
        json::render(&self.view)
    }

    /// `frame.csv`.
    pub fn csv(&self) -> Vec<u8> {
        self.frame.csv()
    }

    /// `frame.parquet`.
    pub fn parquet(&self) -> Vec<u8> {
        self.frame.parquet()
    }

    /// Verdict and table for a terminal of `width` columns; colour only where it is wanted.
    pub fn terminal(&self, width: usize, colour: bool) -> String {
        terminal::render(&self.view, width, colour)
    }

    /// True when at least one attempt was measured.
    pub fn measured_anything(&self) -> bool {
        self.view.cells.iter().any(|row| row.tally.n_measured > 0)
    }

    /// The first-placed cell so far and its objectives in one line; `None` while no cell is
    /// ranked.
    pub fn best(&self) -> Option<(String, String)> {
        let first = self.view.cells.iter().find(|row| row.rank == Some(1))?;
        let numbers: Vec<String> = self
            .view
            .objectives
            .iter()
            .zip(&first.objectives)
            .filter_map(|(objective, value)| {
                let mean = number::with_unit(value.as_ref()?.mean, objective.definition.as_ref());
                Some(format!("{} {mean}", objective.metric))
            })
            .collect();
        Some((first.cell.clone(), numbers.join(", ")))
    }
}

/// The model alone.
#[cfg(test)]
pub(crate) fn view_of(record: &RunRecord) -> View {
    assemble::view(record, &Decision::of(record), &Beside::default())
}

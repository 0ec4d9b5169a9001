//! The gates: where each held, and where the next start may say otherwise.

use crate::decide::number;
use crate::report::markdown::{Page, quoted};
use crate::report::text::code;
use crate::report::view::View;

impl Page {
    pub(super) fn gates(&mut self, view: &View) {
        if view.gates.is_empty() {
            return;
        }
        self.heading(2, "Gates");
        let items: Vec<String> = view
            .gates
            .iter()
            .enumerate()
            .map(|(index, gate)| {
                let results = view.cells.iter().filter_map(|row| {
                    let result = row.gate_results.get(index)?;
                    Some((row, result))
                });
                let (held, missed): (Vec<_>, Vec<_>) = results.partition(|(_, r)| r.held);
                let missed: Vec<String> = missed
                    .into_iter()
                    .map(|(row, result)| {
                        format!("{}: {}", code(&row.cell), quoted(&result.finding))
                    })
                    .collect();
                let missed = match missed.is_empty() {
                    true => "missed by none".to_owned(),
                    false => format!("missed by {}", missed.join("; ")),
                };
                format!(
                    "{}: held in {} configurations, {missed}.{}",
                    code(gate),
                    held.len(),
                    borderline(view, index)
                )
            })
            .collect();
        self.bullets(&items);
    }
}

/// Cells whose mean is too close to the bound to be sure of.
fn borderline(view: &View, gate: usize) -> String {
    let metric = view.gate_metrics.get(gate).and_then(Option::as_ref);
    let close: Vec<String> = view
        .cells
        .iter()
        .filter_map(|row| {
            let result = row
                .gate_results
                .get(gate)
                .filter(|result| result.borderline)?;
            let (low, high) = result.interval?;
            let low = number::of_metric(low, metric);
            let high = number::with_unit(high, metric);
            Some(format!(
                "{} (95 % interval {low} to {high})",
                code(&row.cell)
            ))
        })
        .collect();
    match close.is_empty() {
        true => String::new(),
        false => format!(
            " Borderline, the bound is inside the interval of the mean: {}.",
            close.join(", ")
        ),
    }
}

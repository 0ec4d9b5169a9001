//! What a run that is not complete leaves open: what is decided all the same, and what the rest
//! would take.

use crate::decide::decision::{Decision, Ranking};
use crate::decide::forecast::{self, Ahead};
use crate::decide::verdict::Verdict;
use crate::manifest::RunRecord;
use crate::outcome::Ripeness;
use crate::plan::ageing;
use crate::plan::estimate::rounded;
use crate::report::text::Prose;

/// Nothing before something was measured.
pub fn sentences(record: &RunRecord, decision: &Decision<'_>) -> Vec<Prose> {
    let experiment = &record.manifest.experiment;
    let Some(ahead) = forecast::ahead(record, &ageing::left(record)) else {
        return Vec::new();
    };
    let mut sentences = Vec::new();
    if ahead.n_left() > 0 {
        let starts = match ahead.n_left() {
            1 => "One start is".to_owned(),
            n => format!("{n} starts are"),
        };
        sentences.push(Prose::new(format!(
            "{starts} left; by what attempts took so far, that is about {}.",
            rounded(ahead.all())
        )));
    }
    sentences.extend(decision.rankings().filter_map(|ranking| {
        let ripeness = forecast::ripeness_of(ranking, experiment, decision);
        match ripeness {
            Ripeness::Decided => {
                let Verdict::Leader(lead) = decision.verdict_of(ranking, experiment) else {
                    return None;
                };
                let cell = decision.cells[lead.cell].cell;
                let words = format!("Decided, {}: ", of(ranking));
                Some(Prose::new(words).name(&cell.name).words("."))
            }
            open => {
                let words = forecast::ripeness_told(open, &when(&ahead, open))?;
                Some(Prose::new(format!(
                    "Not decided, {}: {words}.",
                    of(ranking)
                )))
            }
        }
    }));
    sentences
}

fn of(ranking: &Ranking<'_>) -> String {
    match ranking.name {
        Some(name) => format!("for use case {name}"),
        None => "by the objectives".to_owned(),
    }
}

/// `, about 14 min from here`: until the block that is named has ended.
fn when(ahead: &Ahead, ripeness: Ripeness) -> String {
    let until = match ripeness {
        Ripeness::Block { block } | Ripeness::StatedFrom { block } => ahead.until(block),
        _ => None,
    };
    until.map_or_else(String::new, |until| {
        format!(", about {} from here", rounded(until))
    })
}

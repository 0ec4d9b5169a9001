//! The table of all cells in its shortest form, for terminals: what holds for every row is said
//! once, causes of death stand below the table, and columns give way in a stated order.

use crate::decide::number;
use crate::decide::score::Spread;
use crate::measure::metric::MetricDef;
use crate::outcome::Standing;
use crate::report::grid::{self, Grid, Room};
use crate::report::table::{Kind, MISSING, behind, death, objective_header, proved, rank};
use crate::report::view::{Place, Row, View};
use crate::spec::experiment::Goal;

/// What a folded name keeps at least.
const NAME: usize = 12;

/// What the outcome keeps at least: the longest class of failure on one line.
const OUTCOME: usize = 18;

/// The turns in which columns give way; axes go after these, the last of the file first. Place,
/// name, objectives and outcome never go.
const BASELINE_GOES: usize = 0;
const MEASURED_GOES: usize = 1;
const DISTANCE_GOES: usize = 2;
const AXES_GO: usize = 3;

/// The table with what surrounds it.
#[derive(Debug, Clone)]
pub struct Compact {
    /// What holds for every row.
    pub notes: Vec<String>,
    pub grid: Grid,
    /// Why cells are not ranked.
    pub reasons: Vec<Reason>,
}

/// Why cells are not ranked; cells with the same reason share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub cells: Vec<String>,
    pub text: String,
    pub words: Words,
    pub colour: &'static str,
}

/// Whose words a reason is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    Ours,
    /// An engine's can be long, and the report has them whole.
    Engines,
}

/// Makes the table; `colour` is how a row is shown.
pub fn cells(view: &View, colour: impl Fn(&Row) -> &'static str) -> Compact {
    let column = |header: Vec<String>, kind, room| grid::Column {
        header,
        kind,
        room,
        legend: None,
    };
    let headed = |header: &str, kind, room| column(vec![header.to_owned()], kind, room);
    let mut columns = vec![
        headed("#", Kind::Number, Room::Keeps),
        headed("configuration", Kind::Name, Room::Folds(NAME)),
    ];
    let varied: Vec<usize> = (0..view.axes.len())
        .filter(|&axis| view.axes[axis].everywhere.is_none())
        .collect();
    columns.extend(varied.iter().enumerate().map(|(position, &axis)| {
        let turn = AXES_GO + varied.len() - position;
        headed(
            &view.axes[axis].short_name,
            Kind::Number,
            Room::GivesWay(turn),
        )
    }));
    columns.extend(view.objectives.iter().map(|objective| {
        let header = objective_header(objective, |goal| match goal {
            Goal::Min => "lower",
            Goal::Max => "higher",
        });
        column(header, Kind::Number, Room::Keeps)
    }));
    columns.push(headed(
        "behind #1",
        Kind::Number,
        Room::GivesWay(DISTANCE_GOES),
    ));
    if let Some(baseline) = &view.baseline {
        columns.push(grid::Column {
            legend: Some(format!(
                "vs baseline: how many times as good as {baseline}; above 1 is better."
            )),
            ..headed("vs baseline", Kind::Number, Room::GivesWay(BASELINE_GOES))
        });
    }
    columns.push(headed(
        "measured",
        Kind::Number,
        Room::GivesWay(MEASURED_GOES),
    ));
    columns.push(headed("outcome", Kind::Words, Room::Folds(OUTCOME)));
    let mut grid = Grid {
        columns,
        rows: Vec::new(),
    };

    let starts = Starts::of(view);
    let objectives: Vec<Vec<String>> = view
        .objectives
        .iter()
        .enumerate()
        .map(|(index, objective)| {
            let values = view.cells.iter().map(|row| row.objectives[index].as_ref());
            spreads(values.collect(), objective.definition.as_ref(), starts)
        })
        .collect();
    for (position, row) in view.cells.iter().enumerate() {
        let mut cells = vec![rank(row.rank), row.cell.clone()];
        cells.extend(varied.iter().map(|&axis| {
            let value = row.axes.get(axis).and_then(Option::as_ref);
            value.map_or_else(|| MISSING.to_owned(), ToString::to_string)
        }));
        cells.extend(objectives.iter().map(|values| values[position].clone()));
        cells.push(behind(row.behind_first));
        if view.baseline.is_some() {
            let ratio = row.against_baseline.map(|ratio| format!("x{ratio:.2}"));
            cells.push(ratio.unwrap_or_else(|| MISSING.to_owned()));
        }
        cells.push(format!(
            "{} of {}",
            row.tally.n_measured, row.tally.n_attempts
        ));
        cells.push(outcome(row));
        grid.rows.push(grid::Row {
            cells,
            colour: colour(row),
        });
    }
    Compact {
        notes: notes(view, starts),
        grid,
        reasons: reasons(view, colour),
    }
}

/// Of how many starts the numbers of a table are means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starts {
    None,
    Same(u32),
    Differ,
}

impl Starts {
    fn of(view: &View) -> Self {
        let values = view.cells.iter().flat_map(|row| &row.objectives);
        let mut counts = values.flatten().map(|spread| spread.n);
        match counts.next() {
            None => Self::None,
            Some(first) if counts.all(|n| n == first) => Self::Same(first),
            Some(_) => Self::Differ,
        }
    }
}

fn notes(view: &View, starts: Starts) -> Vec<String> {
    let mut notes = Vec::new();
    let everywhere: Vec<String> = view
        .axes
        .iter()
        .filter_map(|axis| {
            let value = axis.everywhere.as_ref()?;
            Some(format!("{} = {value}", axis.short_name))
        })
        .collect();
    if !everywhere.is_empty() {
        notes.push(format!(
            "The same in all of them: {}.",
            everywhere.join(", ")
        ));
    }
    match starts {
        Starts::None => {}
        Starts::Same(1) => {
            notes.push("Numbers of 1 start each: their spread is not known.".to_owned())
        }
        Starts::Same(n) => notes.push(format!(
            "Means over n = {n} starts, ± the standard deviation between starts."
        )),
        Starts::Differ => notes.push(
            "Means over starts, ± the standard deviation between starts (in brackets n, their \
             number)."
                .to_owned(),
        ),
    }
    if view.cells.iter().any(|row| row.same_as_first) {
        notes.push(format!(
            "Same to you: within the margin of {}.",
            number::chosen_percent(view.equivalence)
        ));
    }
    notes
}

/// The numbers of one column, aligned at their spread.
fn spreads(
    values: Vec<Option<&Spread>>,
    metric: Option<&MetricDef>,
    starts: Starts,
) -> Vec<String> {
    let texts: Vec<(String, String)> = values
        .into_iter()
        .map(|value| {
            let Some(value) = value else {
                return (MISSING.to_owned(), String::new());
            };
            let mean = number::of_metric(value.mean, metric);
            let sd = value.sd.map(|sd| format!(" ±{}", deviation(sd, &mean)));
            let n = match starts {
                Starts::Differ => format!(" ({})", value.n),
                Starts::None | Starts::Same(_) => String::new(),
            };
            (mean, sd.unwrap_or_default() + &n)
        })
        .collect();
    let width = |text: &String| text.chars().count();
    let widest = texts.iter().map(|(_, rest)| width(rest)).max().unwrap_or(0);
    texts
        .iter()
        .map(|(mean, rest)| format!("{mean}{rest:<widest$}"))
        .collect()
}

/// A standard deviation with as many decimals as its mean has; with as many more as it needs
/// for one digit, since a small spread is not none.
fn deviation(sd: f64, mean: &str) -> String {
    /// More decimals than this beyond the mean's say nothing more.
    const MORE: usize = 2;
    let decimals = mean.split_once('.').map_or(0, |(_, digits)| digits.len());
    if sd == 0.0 {
        return "0".to_owned();
    }
    (decimals..=decimals + MORE)
        .map(|decimals| format!("{sd:.decimals$}"))
        .find(|text| text.contains(|digit: char| ('1'..='9').contains(&digit)))
        .unwrap_or_else(|| {
            let decimals = decimals + MORE;
            format!("<{:.decimals$}", 0.1_f64.powi(decimals as i32))
        })
}

/// How a cell stands; why, where that is long, is among the reasons.
fn outcome(row: &Row) -> String {
    match &row.standing {
        Standing::Ranked => match (row.place, row.dropped_after_block) {
            (Some(Place::Champion), _) => "champion".to_owned(),
            (Some(Place::Leader), _) => "leader".to_owned(),
            (Some(Place::BestMean), _) => "best mean".to_owned(),
            (Some(Place::SameAsFirst), _) => "same to you as #1".to_owned(),
            (Some(Place::Ranked) | None, Some(block)) => format!("dropped after {block}"),
            (Some(Place::Ranked) | None, None) => "ranked".to_owned(),
        },
        Standing::Rejected { .. } => "rejected".to_owned(),
        Standing::Infeasible { died, of } => death(row, *died, *of),
        Standing::Skipped { .. } => "skipped".to_owned(),
        Standing::Undecided { .. } => "undecided".to_owned(),
    }
}

fn reasons(view: &View, colour: impl Fn(&Row) -> &'static str) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    for row in &view.cells {
        let (text, words) = match &row.standing {
            Standing::Ranked => continue,
            Standing::Rejected { gates } => (gates.join("; "), Words::Ours),
            Standing::Infeasible { .. } => match &row.death {
                Some(death) => match &death.cause {
                    Some(cause) => (cause.clone(), Words::Engines),
                    None => (death.explanation.clone(), Words::Ours),
                },
                None => (MISSING.to_owned(), Words::Ours),
            },
            Standing::Skipped { witness } => (proved(witness), Words::Ours),
            Standing::Undecided { because } => {
                let cause = row.death.as_ref().and_then(|death| death.cause.as_ref());
                match cause {
                    Some(cause) => (format!("{because}: {cause}"), Words::Engines),
                    None => (because.clone(), Words::Ours),
                }
            }
        };
        let known = reasons
            .iter_mut()
            .find(|reason| reason.text == text && reason.words == words);
        match known {
            Some(reason) => reason.cells.push(row.cell.clone()),
            None => reasons.push(Reason {
                cells: vec![row.cell.clone()],
                text,
                words,
                colour: colour(row),
            }),
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_has_the_decimals_of_its_mean_and_never_vanishes() {
        let cases = [
            (0.202, "12.7", "0.2"),
            (0.429, "153", "0.4"),
            (0.0256, "100", "0.03"),
            (14.3, "190", "14"),
            (0.0, "100", "0"),
            (0.000_01, "100", "<0.01"),
            (0.000_01, "12.7", "<0.001"),
        ];
        for (sd, mean, expected) in cases {
            assert_eq!(deviation(sd, mean), expected);
        }
    }

    #[test]
    fn numbers_of_a_column_align_at_their_spread() {
        let value = |mean, sd, n| Spread { n, mean, sd };
        let (a, b, c) = (
            value(12.7, Some(0.2), 3),
            value(153.0, Some(0.03), 3),
            value(9.5, None, 1),
        );
        let column = || vec![Some(&a), Some(&b), Some(&c), None];
        assert_eq!(
            spreads(column(), None, Starts::Same(3)),
            ["12.7 ±0.2 ", "153 ±0.03", "9.50      ", "-      "]
        );
        assert_eq!(
            spreads(column(), None, Starts::Differ),
            [
                "12.7 ±0.2 (3) ",
                "153 ±0.03 (3)",
                "9.50 (1)      ",
                "-          "
            ]
        );
    }
}

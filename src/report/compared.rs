//! Runs held against a reference, for a terminal: what differs in how they were measured first,
//! what is most to be known last. Opens no file, decides nothing.

use crate::decide::compare::{
    Call, Comparison, FORMAT, Fate, Measure, Moved, Row as Measured, Side,
};
use crate::decide::number;
use crate::decide::plain::plain;
use crate::decide::wanted::Role;
use crate::measure::metric::Scale;
use crate::report::fold::wrap;
use crate::report::grid::{BOLD, Column, DIM, GREEN, Grid, NONE, Paint, RED, Room, Row, YELLOW};
use crate::report::table::{Kind, MISSING};
use crate::spec::experiment::Goal;

/// Below this lines are cut whatever the terminal says.
const NARROWEST: usize = 40;

/// Columns of the strip that shows a change with its interval: odd, so that zero is one of them.
const STRIP: usize = 25;
const STRIP_HEADER: &str = "less        │        more";

/// Configurations that share a fate are named up to this many.
const NAMES: usize = 3;

/// Renders one comparison; ends in a line feed.
pub fn text(comparison: &Comparison, width: usize, colour: bool) -> String {
    let mut page = Page {
        lines: Vec::new(),
        width: width.max(NARROWEST),
        paint: Paint { colour },
    };
    page.head(comparison);
    for measure in &comparison.measures {
        page.measure(measure);
    }
    page.end(comparison);
    page.lines.join("\n") + "\n"
}

/// `comparisons` as JSON.
pub fn json(comparisons: &[Comparison]) -> String {
    let value = serde_json::json!({
        "format": FORMAT,
        "comparisons": comparisons,
    });
    serde_json::to_string_pretty(&value).expect("comparisons are plain data") + "\n"
}

struct Page {
    lines: Vec<String>,
    width: usize,
    paint: Paint,
}

impl Page {
    fn say(&mut self, colour: &str, text: &str) {
        let text = plain(text);
        for line in wrap(&text, self.width, 2) {
            self.lines.push(self.paint.with(colour, line.trim_end()));
        }
    }

    fn head(&mut self, comparison: &Comparison) {
        let Comparison { before, now, .. } = comparison;
        let experiment = |other: &str, own: &str| match other == own {
            true => String::new(),
            false => format!(" of {own}"),
        };
        if comparison.stand_in {
            self.say(
                YELLOW,
                "STAND-IN RESULTS: no number here says anything about a model or a GPU.",
            );
        }
        let title = format!(
            "{}{} against {}{}",
            now.run,
            experiment(&before.experiment, &now.experiment),
            before.run,
            experiment(&now.experiment, &before.experiment),
        );
        self.say(BOLD, &title);
        match comparison.changes.as_slice() {
            [] => self.say(NONE, "Measured under the same conditions."),
            changes => {
                self.say(YELLOW, "Not measured under the same conditions:");
                for change in changes {
                    self.say(YELLOW, &format!("- {change}"));
                }
            }
        }
        for (run, names) in [
            (&before.run, &comparison.only_before),
            (&now.run, &comparison.only_now),
        ] {
            if !names.is_empty() {
                self.say(NONE, &format!("Only in {run}: {}.", names.join(", ")));
            }
        }
        if !comparison.unlike_workloads.is_empty() {
            let names = comparison.unlike_workloads.join(", ");
            self.say(
                NONE,
                &format!("Not the same in both, so not compared: {names}."),
            );
        }
        self.lines.push(String::new());
    }

    fn measure(&mut self, measure: &Measure) {
        let n_one_sided = measure.cells.iter().filter(|row| is_one_sided(row)).count();
        self.say(BOLD, &title(measure));
        let scale = Strip::over(measure);
        let has_sides = measure.metric.is_some();
        let mut grid = Grid {
            columns: columns(has_sides),
            rows: Vec::new(),
        };
        let mut add = |name: &str, sides: [String; 2], moved: Moved| {
            let mut cells = vec![name.to_owned()];
            if has_sides {
                cells.extend(sides);
            }
            cells.push(amount(moved.change, measure));
            cells.push(interval(moved, measure));
            cells.push(scale.draw(moved));
            cells.push(word(moved.call).to_owned());
            grid.rows.push(Row {
                cells,
                colour: colour(moved.call),
            });
        };
        if let Some(together) = measure.together {
            let n = measure.cells.iter().filter(|row| row.moved.is_some());
            let name = format!("all {} together", n.count());
            add(&name, [String::new(), String::new()], together);
        }
        let side = |side: Option<Side>| {
            side.map_or(MISSING.to_owned(), |side| {
                let mean = number::of_metric(side.mean, measure.definition.as_ref());
                format!("{mean} ({})", side.n)
            })
        };
        for row in &measure.cells {
            if let Some(moved) = row.moved {
                add(&row.cell, [side(row.before), side(row.now)], moved);
            }
        }
        if !grid.rows.is_empty() {
            let laid = grid.lay_out(self.width, self.paint, DIM);
            self.lines.extend(laid.lines);
        }
        match (grid.rows.is_empty(), n_one_sided) {
            (true, 0) => self.say(DIM, "measured in neither"),
            (_, 0) => {}
            (_, 1) => self.say(DIM, "measured in one of the runs only: 1 configuration"),
            (_, n) => self.say(
                DIM,
                &format!("measured in one of the runs only: {n} configurations"),
            ),
        }
        self.lines.push(String::new());
    }

    fn end(&mut self, comparison: &Comparison) {
        for (is_death, names, became) in grouped(&comparison.fates) {
            let colour = if is_death { RED } else { YELLOW };
            self.say(colour, &format!("{names}: {became}."));
        }
        let margin = number::chosen_percent(comparison.margin);
        let n = |call: Call| comparison.n_called(call);
        let counts = format!(
            "Single configurations: {} better, {} worse, {} the same within {margin}, {} cannot be told. \
             Of 95 % intervals one in twenty misses.",
            n(Call::Better),
            n(Call::Worse),
            n(Call::Same),
            n(Call::CannotTell),
        );
        self.say(NONE, &counts);
        let (colour, last) = last_line(comparison);
        self.say(colour, &last);
    }
}

/// Configurations of one fate together, deaths last.
fn grouped(fates: &[Fate]) -> Vec<(bool, String, String)> {
    let mut groups: Vec<(bool, Vec<&str>, String)> = Vec::new();
    for fate in fates {
        let became = format!("{} before, {} now", fate.before, fate.now);
        match groups.iter_mut().find(|(.., other)| *other == became) {
            Some((_, names, _)) => names.push(&fate.cell),
            None => groups.push((fate.is_death, vec![&fate.cell], became)),
        }
    }
    groups.sort_by_key(|(is_death, ..)| *is_death);
    let told = groups.into_iter().map(|(is_death, names, became)| {
        let more = match names.len().saturating_sub(NAMES) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let names = names[..names.len().min(NAMES)].join(", ");
        (is_death, names + &more, became)
    });
    told.collect()
}

/// One run measured it, and the other did not.
fn is_one_sided(row: &Measured) -> bool {
    row.moved.is_none() && (row.before.is_some() || row.now.is_some())
}

fn columns(has_sides: bool) -> Vec<Column> {
    let column = |header: &str, kind, room| Column {
        header: vec![header.to_owned()],
        kind,
        room,
        legend: None,
    };
    let mut columns = vec![column("configuration", Kind::Name, Room::Folds(12))];
    if has_sides {
        columns.push(column("before (n)", Kind::Number, Room::GivesWay(1)));
        columns.push(column("now (n)", Kind::Number, Room::GivesWay(2)));
    }
    columns.push(column("change", Kind::Number, Room::Keeps));
    columns.push(column("95 % interval", Kind::Number, Room::Keeps));
    columns.push(column(STRIP_HEADER, Kind::Words, Room::GivesWay(0)));
    columns.push(column("call", Kind::Words, Room::Folds(12)));
    columns
}

fn title(measure: &Measure) -> String {
    let Some(metric) = &measure.metric else {
        return "All objectives together, above 0 is worse".to_owned();
    };
    let mut words: Vec<&str> = Vec::new();
    if !measure.unit.is_empty() {
        words.push(measure.unit);
    }
    match measure.better {
        Some(Goal::Min) => words.push("lower is better"),
        Some(Goal::Max) => words.push("higher is better"),
        None => {}
    }
    match measure.role {
        Role::Gate => words.push("gate"),
        Role::UseCase => words.push("use case"),
        Role::Objective | Role::Other => {}
    }
    match words.is_empty() {
        true => metric.clone(),
        false => format!("{metric} ({})", words.join(", ")),
    }
}

fn is_ratio(measure: &Measure) -> bool {
    let definition = measure.definition.as_ref();
    definition.is_none_or(|definition| definition.scale == Scale::Ratio)
}

/// A change with its sign: a percentage of a ratio, else a plain difference.
fn amount(change: f64, measure: &Measure) -> String {
    let sign = if change > 0.0 { "+" } else { "" };
    match is_ratio(measure) {
        true => format!("{sign}{}", number::percent(change)),
        false => format!(
            "{sign}{}",
            number::of_metric(change, measure.definition.as_ref())
        ),
    }
}

fn interval(moved: Moved, measure: &Measure) -> String {
    match moved.interval {
        Some((low, high)) => format!("{} to {}", amount(low, measure), amount(high, measure)),
        None => MISSING.to_owned(),
    }
}

fn word(call: Call) -> &'static str {
    match call {
        Call::Better => "better",
        Call::Worse => "worse",
        Call::Higher => "higher",
        Call::Lower => "lower",
        Call::Same => "same to you",
        Call::CannotTell => "cannot be told",
    }
}

fn colour(call: Call) -> &'static str {
    match call {
        Call::Better => GREEN,
        Call::Worse => RED,
        Call::Higher | Call::Lower => YELLOW,
        Call::Same => NONE,
        Call::CannotTell => DIM,
    }
}

fn last_line(comparison: &Comparison) -> (&'static str, String) {
    let Some((measure, moved, n)) = comparison.in_all() else {
        return (
            BOLD,
            "Nothing was measured in both runs: there is no difference to tell.".to_owned(),
        );
    };
    let what = match &measure.metric {
        None => "all objectives together".to_owned(),
        Some(metric) => metric.clone(),
    };
    let over = match n {
        1 => "over 1 configuration".to_owned(),
        n => format!("over {n} configurations"),
    };
    let how = match measure.metric {
        // The score: more is worse.
        None if moved.change > 0.0 => format!("{} worse", number::percent(moved.change)),
        None => format!("{} better", number::percent(-moved.change)),
        Some(_) => amount(moved.change, measure),
    };
    let sure = match moved.interval {
        Some(_) => format!("95 % interval {}", interval(moved, measure)),
        None => "no interval: a run of single starts, or a share".to_owned(),
    };
    let call = match moved.call {
        Call::Better => "BETTER",
        Call::Worse => "WORSE",
        Call::Higher => "HIGHER",
        Call::Lower => "LOWER",
        Call::Same => "the same to you",
        Call::CannotTell => "cannot be told",
    };
    let colour = match moved.call {
        Call::CannotTell | Call::Same => BOLD,
        other => colour(other),
    };
    (colour, format!("{call}: {what} {over} {how} ({sure})."))
}

/// A scale around zero, shared by the rows of a table.
struct Strip {
    /// What the outermost column stands for.
    end: f64,
}

impl Strip {
    /// Wide enough for all changes, and for intervals up to four times as wide: one that is
    /// hardly known must not press all others together.
    fn over(measure: &Measure) -> Self {
        let moved = || {
            let cells = measure.cells.iter().filter_map(|row| row.moved);
            cells.chain(measure.together)
        };
        let changes = moved().map(|moved| moved.change.abs());
        let change = changes.fold(0.0, f64::max);
        let ends = moved().filter_map(|moved| moved.interval);
        let end = ends.fold(0.0, |end: f64, (low, high)| {
            end.max(low.abs()).max(high.abs())
        });
        let bound = match change > 0.0 {
            true => end.min(4.0 * change).max(change),
            false => end,
        };
        Self { end: bound }
    }

    fn place(&self, value: f64) -> isize {
        let half = (STRIP / 2) as f64;
        match self.end > 0.0 {
            true => (half + value / self.end * half).round() as isize,
            false => half as isize,
        }
    }

    /// The interval as a line, the change as a dot on it, zero as an upright mark.
    fn draw(&self, moved: Moved) -> String {
        let mut marks = [' '; STRIP];
        marks[STRIP / 2] = '│';
        let last = STRIP as isize - 1;
        if let Some((low, high)) = moved.interval {
            let (from, to) = (self.place(low), self.place(high));
            for at in from.max(0)..=to.min(last) {
                let mark = &mut marks[at as usize];
                *mark = if *mark == '│' { '┼' } else { '─' };
            }
            if from < 0 {
                marks[0] = '‹';
            }
            if to > last {
                marks[STRIP - 1] = '›';
            }
        }
        let at = self.place(moved.change).clamp(0, last);
        marks[at as usize] = '●';
        marks.iter().collect::<String>().trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::compare::compare;
    use crate::decide::fixture::{self, Numbers};
    use crate::diagnose::FailureClass;
    use crate::manifest::RunRecord;

    fn run(a: f64, b: f64) -> RunRecord {
        let mut starts = Vec::new();
        for block in 1..=3_u32 {
            for (cell, ms, lean) in [("a", a, 1.0), ("b", b, -1.0)] {
                let ms = ms * (1.0 + 0.004 * lean * (f64::from(block) - 2.0));
                let mut start = fixture::measured(cell, block, Numbers::new(900.0, ms));
                start.block = block;
                starts.push(start);
            }
        }
        fixture::record(starts)
    }

    fn pair() -> Comparison {
        let before = run(100.0, 100.0);
        let mut now = run(110.0, 100.0);
        now.settled
            .push(fixture::died("c", 1, FailureClass::GpuOomServing));
        now.manifest.gridrun = "9.9.9".to_owned();
        compare(&before, &now, Some(0.02), false).unwrap()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_the_sum_of_it_is_last() {
        for width in [40, 60, 80, 120] {
            let text = text(&pair(), width, false);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(!text.contains('\u{1b}'));
        }
        let text = text(&pair(), 160, true);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].contains("Not measured under the same conditions"),
            "{text}"
        );
        assert!(
            lines[2].contains("gridrun: ") && lines[2].contains("9.9.9 now"),
            "{text}"
        );
        let row = lines
            .iter()
            .find(|line| line.contains("a ") && line.contains("worse"))
            .unwrap();
        assert!(
            row.contains("100 (3)") && row.contains("110 (3)") && row.contains("+10.0 %"),
            "{row}"
        );
        assert!(row.starts_with("\u{1b}[31m"), "{row}");
        let last = lines.last().unwrap();
        assert!(last.contains("over 2 configurations"), "{last}");
    }

    #[test]
    fn a_strip_shows_where_zero_is_and_what_is_cut() {
        let moved = |change: f64, interval| Moved {
            change,
            interval,
            call: Call::CannotTell,
        };
        let strip = Strip { end: 0.1 };
        let drawn = strip.draw(moved(0.05, Some((-0.05, 0.15))));
        let marks: Vec<char> = drawn.chars().collect();
        assert_eq!(marks.len(), STRIP);
        assert_eq!(
            (marks[6], marks[12], marks[18], marks[24]),
            ('─', '┼', '●', '›')
        );
        let alone = strip.draw(moved(-0.1, None));
        assert!(alone.starts_with('●') && alone.ends_with('│'), "{alone}");
        assert_eq!(STRIP_HEADER.chars().count(), STRIP);
        assert_eq!(STRIP_HEADER.chars().position(|c| c == '│'), Some(STRIP / 2));
    }
}

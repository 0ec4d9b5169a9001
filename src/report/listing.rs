//! The runs of experiments under each other, the newest first: what each came to, which is to
//! be resumed, and whose champion reigns. Opens no file.

use serde::Serialize;

use crate::decide::Decision;
use crate::decide::night::Call;
use crate::decide::plain::plain;
use crate::decide::verdict::Verdict;
use crate::manifest::{RunEnding, RunRecord};
use crate::outcome::Standing;
use crate::plan::ageing;
use crate::report::fold::wrap;
use crate::report::grid::{BOLD, Column, DIM, GREEN, Grid, NONE, Paint, RED, Room, Row, YELLOW};
use crate::report::stamp::Stamp;
use crate::report::table::Kind;
use crate::report::view::VerdictKind;
use crate::time_scale::TimeScale;

/// Version of the listing's JSON.
pub const FORMAT: u32 = 1;

/// Below this lines are cut whatever the terminal says.
const NARROWEST: usize = 40;

/// Everything under a results folder.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    pub format: u32,
    /// By name.
    pub experiments: Vec<ExperimentRuns>,
    pub passed_over: Vec<PassedOver>,
}

/// The runs of one experiment.
#[derive(Debug, Clone, Serialize)]
pub struct ExperimentRuns {
    pub experiment: String,
    pub folder: String,
    pub reigning: Option<Reigning>,
    /// The newest first.
    pub runs: Vec<RunRow>,
}

/// The champion in force.
#[derive(Debug, Clone, Serialize)]
pub struct Reigning {
    pub cell: String,
    pub cell_id: String,
    /// The run that it was selected in.
    pub run: String,
    pub since: Option<jiff::Timestamp>,
    pub stand_in: bool,
}

/// A directory that looks like a run and cannot be read as one.
#[derive(Debug, Clone, Serialize)]
pub struct PassedOver {
    pub folder: String,
    pub because: String,
}

/// What is not in a run's own files.
#[derive(Debug, Clone)]
pub struct Around {
    pub folder: String,
    /// A process works on it now.
    pub is_running: bool,
    /// What it said as a night.
    pub night: Option<Call>,
    /// The champion in force was selected in it.
    pub reigns: bool,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct RunRow {
    pub run: String,
    pub folder: String,
    pub started_at: jiff::Timestamp,
    pub stand_in: bool,
    /// How many times faster than the clock stand-ins lived; `None` for real engines.
    pub speed: Option<TimeScale>,
    #[serde(skip)]
    stamp: Option<Stamp>,
    pub n_cells: u32,
    /// Cells that died of their own making, or were proved to.
    pub n_dead: u32,
    /// Starts that settled.
    pub n_settled: u32,
    /// Starts that are still to be made.
    pub n_left: u32,
    pub verdict: VerdictKind,
    /// The champion, or who leads.
    pub cell: Option<String>,
    /// `None` for a run that was no night.
    pub night: Option<Call>,
    pub reigns: bool,
    pub state: State,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Complete,
    Running,
    ToBeResumed,
}

impl RunRow {
    pub fn of(record: &RunRecord, around: Around) -> Self {
        let manifest = &record.manifest;
        let experiment = &manifest.experiment;
        let decision = Decision::of(record);
        let state = match (&record.ending, around.is_running) {
            (_, true) => State::Running,
            (RunEnding::Complete { .. }, false) => State::Complete,
            (RunEnding::Stopped { .. } | RunEnding::Open, false) => State::ToBeResumed,
        };
        let is_dead = |standing: &Standing| match standing {
            Standing::Infeasible { .. } | Standing::Skipped { .. } => true,
            Standing::Ranked | Standing::Rejected { .. } | Standing::Undecided { .. } => false,
        };
        let dead = decision.cells.iter().filter(|one| is_dead(&one.standing));
        let (verdict, cell) = match decision.verdict(experiment) {
            Verdict::Leader(lead) => {
                let name = decision.cells[lead.cell].cell.name.clone();
                (VerdictKind::from(lead.basis), Some(name))
            }
            Verdict::NothingRanked { .. } => (VerdictKind::NothingRanked, None),
        };
        Self {
            run: manifest.run.to_string(),
            folder: around.folder,
            started_at: manifest.started_at,
            stand_in: manifest.is_stand_in(),
            speed: manifest.stand_in_speed(),
            stamp: Stamp::of(manifest),
            n_cells: decision.cells.len() as u32,
            n_dead: dead.count() as u32,
            n_settled: record.settled.len() as u32,
            n_left: match state {
                State::Complete => 0,
                State::Running | State::ToBeResumed => ageing::left(record).len() as u32,
            },
            verdict,
            cell,
            night: around.night,
            reigns: around.reigns,
            state,
        }
    }

    fn says(&self) -> String {
        let cell = self.cell.as_deref().unwrap_or_default();
        let says = match self.verdict {
            VerdictKind::Champion => format!("champion {cell}"),
            VerdictKind::NoClearChampion => format!("{cell} leads, not clearly"),
            VerdictKind::LeaderByMean => format!("{cell} leads by its mean"),
            VerdictKind::LeaderOfSingleStarts => format!("{cell} leads, single starts"),
            VerdictKind::NothingRanked => "nothing ranked".to_owned(),
        };
        match self.night {
            Some(call) => format!("night {}; {says}", call.name()),
            None => says,
        }
    }

    fn is(&self) -> String {
        let state = match self.state {
            State::Complete => "complete",
            State::Running => "RUNNING",
            State::ToBeResumed => "TO BE RESUMED",
        };
        match self.stamp {
            Some(stamp) => format!("{state}, {}", stamp.word()),
            None => state.to_owned(),
        }
    }

    fn colour(&self) -> &'static str {
        match (self.state, self.verdict) {
            (State::Running | State::ToBeResumed, _) => YELLOW,
            (State::Complete, VerdictKind::Champion) => GREEN,
            (State::Complete, VerdictKind::NothingRanked) => RED,
            (
                State::Complete,
                VerdictKind::NoClearChampion
                | VerdictKind::LeaderByMean
                | VerdictKind::LeaderOfSingleStarts,
            ) => NONE,
        }
    }
}

impl Listing {
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a listing is plain data") + "\n"
    }

    /// For a terminal of `width` columns; what is most to be known stands last.
    pub fn text(&self, width: usize, colour: bool) -> String {
        let width = width.max(NARROWEST);
        let paint = Paint { colour };
        let mut lines: Vec<String> = Vec::new();
        let said = |colour: &str, text: &str| -> Vec<String> {
            let folded = wrap(&plain(text), width, 2);
            let folded = folded
                .iter()
                .map(|line| paint.with(colour, line.trim_end()));
            folded.collect()
        };
        for experiment in &self.experiments {
            let Some(newest) = experiment.runs.first() else {
                continue;
            };
            let head = format!("{} in {}", experiment.experiment, experiment.folder);
            lines.extend(said(BOLD, &head));
            if let Some(reigning) = &experiment.reigning {
                lines.extend(said(NONE, &reigning.sentence()));
            }
            let laid = grid(&experiment.runs).lay_out(width, paint, BOLD);
            lines.extend(laid.lines);
            if experiment.runs.iter().any(|run| run.reigns) {
                lines.extend(said(DIM, "*: the champion in force was selected in it."));
            }
            if newest.state == State::ToBeResumed {
                let command = shell_words::join(["gridrun", "resume", &newest.folder]);
                lines.extend(said(YELLOW, &format!("to go on: {command}")));
            }
            lines.push(String::new());
        }
        for one in &self.passed_over {
            let text = format!("passed over: {}: {}", one.folder, one.because);
            lines.extend(said(YELLOW, &text));
        }
        lines.extend(said(BOLD, &self.last_line()));
        lines.join("\n") + "\n"
    }

    fn last_line(&self) -> String {
        let all = self.experiments.iter();
        let all = all.flat_map(|one| one.runs.iter().map(move |run| (&one.experiment, run)));
        let newest = all.min_by_key(|(_, run)| std::cmp::Reverse(run.started_at));
        match newest {
            None => "No run.".to_owned(),
            Some((experiment, run)) => {
                format!("Latest: {experiment}, {}: {}.", run.is(), run.says())
            }
        }
    }
}

impl Reigning {
    fn sentence(&self) -> String {
        let since = self.since.map_or_else(String::new, |since| {
            format!(" since {}", since.strftime("%Y-%m-%d %H:%M UTC"))
        });
        let stamp = match self.stand_in {
            true => "STAND-IN: ",
            false => "",
        };
        format!("{stamp}{} reigns{since}, of run {}.", self.cell, self.run)
    }
}

fn grid(runs: &[RunRow]) -> Grid {
    let column = |header: &str, kind, room| Column {
        header: vec![header.to_owned()],
        kind,
        room,
        legend: None,
    };
    let row = |run: &RunRow| {
        let mark = match run.reigns {
            true => " *",
            false => "",
        };
        Row {
            cells: vec![
                format!("{}{mark}", run.run),
                run.started_at.strftime("%Y-%m-%d %H:%M").to_string(),
                run.n_cells.to_string(),
                run.n_dead.to_string(),
                format!("{} of {}", run.n_settled, run.n_settled + run.n_left),
                run.says(),
                run.is(),
            ],
            colour: run.colour(),
        }
    };
    Grid {
        columns: vec![
            column("run", Kind::Name, Room::Folds(22)),
            column("began (UTC)", Kind::Words, Room::GivesWay(0)),
            column("cells", Kind::Number, Room::GivesWay(2)),
            column("dead", Kind::Number, Room::GivesWay(1)),
            column("starts", Kind::Number, Room::GivesWay(3)),
            column("verdict", Kind::Words, Room::Folds(24)),
            column("state", Kind::Words, Room::Folds(14)),
        ],
        rows: runs.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;

    fn row(around: impl FnOnce(&mut Around), ending: RunEnding) -> RunRow {
        let mut record = fixture::full();
        record.ending = ending;
        let mut about = Around {
            folder: "results/quickstart/one".to_owned(),
            is_running: false,
            night: None,
            reigns: false,
        };
        around(&mut about);
        RunRow::of(&record, about)
    }

    fn listing(runs: Vec<RunRow>) -> Listing {
        Listing {
            format: FORMAT,
            experiments: vec![ExperimentRuns {
                experiment: "quickstart".to_owned(),
                folder: "results/quickstart".to_owned(),
                reigning: None,
                runs,
            }],
            passed_over: vec![PassedOver {
                folder: "results/quickstart/two".to_owned(),
                because: "it has no run.json".to_owned(),
            }],
        }
    }

    #[test]
    fn what_is_left_is_counted_only_where_a_run_is_not_complete() {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let complete = row(|_| {}, RunEnding::Complete { at });
        assert_eq!((complete.n_left, complete.state), (0, State::Complete));
        let open = row(|_| {}, RunEnding::Open);
        assert!(open.n_left > 0 && open.state == State::ToBeResumed);
        let running = row(|around| around.is_running = true, RunEnding::Open);
        assert_eq!(running.state, State::Running);
        assert_eq!((complete.n_cells, complete.n_dead), (6, 1));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_the_latest_is_said_last() {
        let runs = vec![
            row(|around| around.reigns = true, RunEnding::Open),
            row(
                |around| around.night = Some(Call::Regressed),
                RunEnding::Complete {
                    at: jiff::Timestamp::UNIX_EPOCH,
                },
            ),
        ];
        for width in [40, 60, 80, 160] {
            let text = listing(runs.clone()).text(width, false);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(text.contains("gridrun resume"), "{text}");
            assert!(!text.contains('\u{1b}'));
        }
        let wide = listing(runs).text(160, true);
        assert!(wide.contains("night regressed; b leads"), "{wide}");
        assert!(wide.contains("\u{1b}[33m"), "{wide}");
        let last = wide.lines().last().unwrap();
        assert!(last.contains("Latest: quickstart, TO BE RESUMED"), "{last}");
    }

    #[test]
    fn nothing_at_all_is_a_sentence() {
        let empty = Listing {
            format: FORMAT,
            experiments: Vec::new(),
            passed_over: Vec::new(),
        };
        assert_eq!(empty.text(80, false), "No run.\n");
        assert!(empty.json().contains("\"experiments\": []"));
    }
}

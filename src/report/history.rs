//! The nights of an experiment up to a run: who reigned, who challenged, what each night said,
//! what changed in between, and which nights are missing.
//!
//! What came after the run is left out, so that its report is the same whenever it is made again.

use jiff::Timestamp;
use serde::Serialize;

use crate::champion::history::{PastAge, PastNight};
use crate::champion::reign::{self, Act, By, Reign};
use crate::decide::conditions::Conditions;
use crate::decide::night::{Call, CellNight};
use crate::decide::number;
use crate::manifest::Manifest;
use crate::report::table::{Kind, MISSING, Table};
use crate::report::text::Prose;

/// Nights that a report keeps; older ones are counted.
const NIGHTS: usize = 60;

/// Nights follow each other daily where half of them do within these hours: a clock change and a
/// long run before it move a start by less.
const DAILY_HOURS: (f64, f64) = (20.0, 28.0);

/// What is stored of an experiment beside its runs.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// Oldest first.
    pub nights: Vec<PastNight>,
    /// Oldest first.
    pub reigns: Vec<Reign>,
    /// Why some of it could not be read.
    pub unread: Option<String>,
}

/// The nights and reigns up to a run.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryView {
    /// Oldest first.
    pub nights: Vec<NightLine>,
    /// Further ones before these.
    pub n_older: usize,
    pub reigns: Vec<ReignLine>,
    pub gaps: Vec<Gap>,
    /// Why some of it could not be read.
    pub unread: Option<String>,
}

/// One night.
#[derive(Debug, Clone, Serialize)]
pub struct NightLine {
    pub run: String,
    pub at: Timestamp,
    /// It is the run that is reported.
    pub is_this: bool,
    pub champion: String,
    pub verdict: Call,
    /// The champion's score as a ratio to that of the first night under the same conditions;
    /// above 1 is worse. `None` where it was not measured.
    pub ratio: Option<f64>,
    pub challengers: Vec<ChallengerLine>,
    /// What is another one than in the night before; numbers across it are not compared.
    pub changed: Vec<String>,
    /// Cells that served for hours and age, with what says so.
    pub aged: Vec<AgedLine>,
}

#[derive(Debug, Clone, Serialize)]
pub struct AgedLine {
    pub cell: String,
    pub finding: String,
}

/// Who wanted the place.
#[derive(Debug, Clone, Serialize)]
pub struct ChallengerLine {
    pub cell: String,
    /// By which fraction its mean of that night is worse than the champion's; `None` where one
    /// of them was not measured.
    pub difference: Option<f64>,
    pub n_died: u32,
    /// A gate that it missed.
    pub rejected: Option<String>,
}

impl ChallengerLine {
    /// `4.0 % worse`.
    pub fn told(&self) -> String {
        if self.n_died > 0 {
            return "died".to_owned();
        }
        let difference = match self.difference {
            None => "not measured".to_owned(),
            Some(better) if better < 0.0 => format!("{} better", number::percent(-better)),
            Some(worse) => format!("{} worse", number::percent(worse)),
        };
        match &self.rejected {
            None => difference,
            Some(gate) => format!("{difference}, missed a gate: {gate}"),
        }
    }
}

/// A change on the throne.
#[derive(Debug, Clone, Serialize)]
pub struct ReignLine {
    pub at: Timestamp,
    pub cell: String,
    /// Who reigned until then.
    pub followed: Option<String>,
    pub how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    Hand,
    Night,
    RolledBack,
}

impl How {
    pub fn words(self) -> &'static str {
        match self {
            Self::Hand => "by hand",
            Self::Night => "by a night",
            Self::RolledBack => "brought back",
        }
    }
}

/// Nights that are missing between two daily ones.
#[derive(Debug, Clone, Serialize)]
pub struct Gap {
    pub after: Timestamp,
    pub before: Timestamp,
    pub n_missed: u32,
}

/// `None` where the experiment has neither a night nor a reign.
pub fn view(manifest: &Manifest, past: &Past) -> Option<HistoryView> {
    let until = manifest.started_at;
    let nights = past.nights.iter().filter(|night| night.at <= until);
    let nights = lines(nights, manifest);
    let reigns = reign::until(&past.reigns, until).iter();
    let reigns: Vec<ReignLine> = reigns.map(line_of).collect();
    let n_older = nights.len().saturating_sub(NIGHTS);
    let nights: Vec<NightLine> = nights.into_iter().skip(n_older).collect();
    let is_there = !nights.is_empty() || !reigns.is_empty() || past.unread.is_some();
    is_there.then(|| HistoryView {
        gaps: gaps(&nights),
        nights,
        n_older,
        reigns,
        unread: past.unread.clone(),
    })
}

fn lines<'p>(nights: impl Iterator<Item = &'p PastNight>, manifest: &Manifest) -> Vec<NightLine> {
    let mut before: Option<&Conditions> = None;
    // Of the first night under the same conditions that has one.
    let mut reference: Option<f64> = None;
    let lines = nights.map(|night| {
        let changed = match (&night.conditions, before) {
            (Some(now), Some(before)) => now.breaks_since(before),
            _ => Vec::new(),
        };
        before = night.conditions.as_ref().or(before);
        if !changed.is_empty() {
            reference = None;
        }
        let of_champion = night.cells.iter().find(|cell| cell.cell == night.champion);
        let score = of_champion.and_then(CellNight::score);
        reference = reference.or(score);
        NightLine {
            run: night.run.clone(),
            at: night.at,
            is_this: night.run == manifest.run.as_str(),
            champion: of_champion
                .map_or_else(|| night.champion.to_string(), |cell| cell.name.clone()),
            verdict: night.verdict,
            ratio: score
                .zip(reference)
                .map(|(score, first)| (score - first).exp()),
            challengers: night
                .cells
                .iter()
                .filter(|cell| cell.cell != night.champion)
                .map(|cell| ChallengerLine {
                    cell: cell.name.clone(),
                    difference: cell
                        .score()
                        .zip(score)
                        .map(|(its, champions)| (its - champions).exp_m1()),
                    n_died: cell.n_died,
                    rejected: cell.rejected.clone(),
                })
                .collect(),
            changed,
            aged: night
                .aged
                .iter()
                .filter_map(|age| aged(night, age))
                .collect(),
        }
    });
    lines.collect()
}

/// `None` where nothing says that it ages.
fn aged(night: &PastNight, age: &PastAge) -> Option<AgedLine> {
    let named = night.cells.iter().find(|cell| cell.cell == age.cell);
    Some(AgedLine {
        cell: named.map_or_else(|| age.cell.to_string(), |cell| cell.name.clone()),
        finding: age.finding.clone()?,
    })
}

fn line_of(reign: &Reign) -> ReignLine {
    let (cell, followed, how) = match &reign.act {
        Act::Promoted {
            champion,
            followed,
            by,
        } => {
            let how = match by {
                By::Hand => How::Hand,
                By::Night => How::Night,
            };
            (champion.cell.clone(), followed.clone(), how)
        }
        Act::RolledBack { from, to } => (to.clone(), Some(from.clone()), How::RolledBack),
    };
    ReignLine {
        at: reign.at,
        cell,
        followed,
        how,
    }
}

fn gaps(nights: &[NightLine]) -> Vec<Gap> {
    let hours = |pair: &[NightLine]| pair[1].at.duration_since(pair[0].at).as_secs_f64() / 3600.0;
    let mut apart: Vec<f64> = nights.windows(2).map(hours).collect();
    apart.sort_by(f64::total_cmp);
    let is_daily = apart
        .get(apart.len() / 2)
        .is_some_and(|middle| (DAILY_HOURS.0..=DAILY_HOURS.1).contains(middle));
    if !is_daily {
        return Vec::new();
    }
    let gaps = nights.windows(2).filter_map(|pair| {
        let n_missed = (hours(pair) / 24.0).round() as u32;
        (n_missed > 1).then(|| Gap {
            after: pair[0].at,
            before: pair[1].at,
            n_missed: n_missed - 1,
        })
    });
    gaps.collect()
}

impl HistoryView {
    pub fn count(&self, verdict: Call) -> usize {
        let nights = self.nights.iter();
        nights.filter(|night| night.verdict == verdict).count()
    }

    pub fn n_missed(&self) -> u32 {
        self.gaps.iter().map(|gap| gap.n_missed).sum()
    }

    /// What the nights come to; empty where there was none.
    pub fn title(&self) -> String {
        let mut told: Vec<String> = Vec::new();
        for (verdict, words) in [
            (Call::Holds, "held in"),
            (Call::Regressed, "regressed in"),
            (Call::Dethroned, "was dethroned in"),
        ] {
            let n = self.count(verdict);
            if n > 0 {
                told.push(format!("{words} {n}"));
            }
        }
        let undecided = self.count(Call::Inconclusive);
        let mut title = match self.nights.len() {
            0 => return String::new(),
            1 => "One night".to_owned(),
            n => format!("{n} nights"),
        };
        if !told.is_empty() {
            title += &format!(": the champion {}", told.join(", "));
        }
        if undecided > 0 {
            let verb = if undecided == 1 { "says" } else { "say" };
            title += &format!("; {undecided} {verb} nothing for sure");
        }
        match self.n_missed() {
            0 => title,
            1 => title + "; 1 night is missing",
            n => title + &format!("; {n} nights are missing"),
        }
    }

    /// Who reigns, what went wrong, what changed, what is missing.
    pub fn sentences(&self) -> Vec<Prose> {
        let mut told: Vec<Prose> = Vec::new();
        if let Some(last) = self.reigns.last() {
            let sentence = Prose::name_first(&last.cell).words(format!(
                " reigns since {}, {}",
                day(last.at),
                last.how.words()
            ));
            told.push(match &last.followed {
                Some(before) => sentence.words("; it followed ").name(before).words("."),
                None => sentence.words("; it is the first."),
            });
        }
        for (verdict, words) in [
            (Call::Regressed, "Regressed in the night of "),
            (Call::Dethroned, "Dethroned in the night of "),
        ] {
            let of = self.nights.iter().filter(|night| night.verdict == verdict);
            let days: Vec<String> = of
                .map(|night| format!("{} ({})", day(night.at), night.champion))
                .collect();
            if !days.is_empty() {
                told.push(Prose::new(format!("{words}{}.", days.join(", "))));
            }
        }
        for night in self.nights.iter().filter(|night| !night.changed.is_empty()) {
            told.push(Prose::new(format!(
                "Before the night of {} something changed, and the numbers begin anew: {}.",
                day(night.at),
                night.changed.join("; ")
            )));
        }
        for gap in &self.gaps {
            let (verb, nights) = match gap.n_missed {
                1 => ("is", "night"),
                _ => ("are", "nights"),
            };
            told.push(Prose::new(format!(
                "Between {} and {} {} {nights} {verb} missing.",
                day(gap.after),
                day(gap.before),
                gap.n_missed
            )));
        }
        if let Some(because) = &self.unread {
            told.push(Prose::new(format!(
                "Not all of it could be read: {because}."
            )));
        }
        told
    }
}

/// Night by night, the latest first, at most `limit` of them.
pub fn table(history: &HistoryView, limit: usize) -> Table {
    let mut table = Table::default();
    table.column("night", Kind::Words);
    table.column("reigned", Kind::Name);
    table.column("% of its first night", Kind::Number);
    table.column("challenged, by the means of that night", Kind::Words);
    table.column("it said", Kind::Words);
    for night in history.nights.iter().rev().take(limit) {
        let challengers: Vec<String> = night
            .challengers
            .iter()
            .map(|challenger| format!("`{}` {}", challenger.cell, challenger.told()))
            .collect();
        let this = if night.is_this { " (this run)" } else { "" };
        table.rows.push(vec![
            format!("{}{this}", day(night.at)),
            night.champion.clone(),
            night
                .ratio
                .map_or_else(|| MISSING.to_owned(), number::percent),
            match challengers.as_slice() {
                [] => "nobody".to_owned(),
                challengers => challengers.join("; "),
            },
            std::iter::once(night.verdict.name().to_owned())
                .chain(
                    night
                        .aged
                        .iter()
                        .map(|age| format!("`{}` ages: {}", age.cell, age.finding)),
                )
                .collect::<Vec<_>>()
                .join("; "),
        ]);
    }
    table
}

/// Who followed whom, the latest first.
pub fn reigns_table(history: &HistoryView) -> Table {
    let mut table = Table::default();
    table.column("since", Kind::Words);
    table.column("reigned", Kind::Name);
    table.column("put in force", Kind::Words);
    table.column("after", Kind::Words);
    for reign in history.reigns.iter().rev() {
        let followed = reign.followed.as_ref();
        table.rows.push(vec![
            day(reign.at),
            reign.cell.clone(),
            reign.how.words().to_owned(),
            followed.map_or_else(|| "nobody".to_owned(), |cell| format!("`{cell}`")),
        ]);
    }
    table
}

/// `3 November 2026`, by UTC.
pub fn day(at: Timestamp) -> String {
    at.strftime("%-d %B %Y").to_string()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::decide::fixture;
    use crate::id::CellId;

    /// A night of January 2026: its day, who reigned, the champion's score, the challenger's.
    fn night(day: i8, champion: &str, score: Option<f64>, other: f64, verdict: Call) -> PastNight {
        let record = fixture::record(Vec::new());
        let cell = |name: &str, score: Option<f64>| CellNight {
            cell: CellId::of(name),
            name: name.to_owned(),
            scores: score.map(|score| (1, score)).into_iter().collect(),
            n_died: u32::from(score.is_none()),
            rejected: None,
        };
        PastNight {
            run: format!("night-{day}"),
            at: format!("2026-01-{day:02}T02:00:00Z").parse().unwrap(),
            champion: CellId::of(champion),
            conditions: Some(Conditions::of(&record.manifest)),
            verdict,
            state: String::new(),
            cells: vec![cell(champion, score), cell("wild", Some(other))],
            aged: Vec::new(),
        }
    }

    /// Six nights: one regression, two missed, a change of the driver, a new champion.
    pub fn past() -> Past {
        let ms = |value: f64| value.ln();
        let mut nights = vec![
            night(1, "safe", Some(ms(100.0)), ms(104.0), Call::Holds),
            night(2, "safe", Some(ms(101.0)), ms(99.0), Call::Holds),
            night(3, "safe", Some(ms(120.0)), ms(98.0), Call::Regressed),
            night(6, "safe", Some(ms(100.0)), ms(80.0), Call::Dethroned),
            night(7, "wild-2", Some(ms(80.0)), ms(81.0), Call::Holds),
            night(8, "wild-2", None, ms(81.0), Call::Inconclusive),
        ];
        for (at, night) in nights.iter_mut().enumerate() {
            let driver = if at < 4 { 1 } else { 2 };
            let conditions = night.conditions.as_mut().unwrap();
            conditions.gpus = vec![format!("card, driver {driver}")];
        }
        Past {
            nights,
            reigns: Vec::new(),
            unread: None,
        }
    }

    pub fn view_of_past() -> HistoryView {
        let record = fixture::record(Vec::new());
        view(&record.manifest, &past()).unwrap()
    }

    #[test]
    fn what_the_nights_come_to() {
        let view = view_of_past();
        assert_eq!(
            view.title(),
            "6 nights: the champion held in 3, regressed in 1, was dethroned in 1; 1 says nothing \
             for sure; 2 nights are missing"
        );
        let told: Vec<String> = view.sentences().iter().map(Prose::plain).collect();
        assert_eq!(
            told,
            [
                "Regressed in the night of 3 January 2026 (safe).",
                "Dethroned in the night of 6 January 2026 (safe).",
                "Before the night of 7 January 2026 something changed, and the numbers begin anew: \
                 GPUs or driver: card, driver 1 before, card, driver 2 now.",
                "Between 3 January 2026 and 6 January 2026 2 nights are missing.",
            ]
        );
    }

    #[test]
    fn numbers_are_never_compared_across_a_change() {
        let view = view_of_past();
        let ratios: Vec<Option<f64>> = view.nights.iter().map(|night| night.ratio).collect();
        assert!((ratios[2].unwrap() - 1.2).abs() < 1e-9);
        assert_eq!(ratios[4], Some(1.0), "a new beginning");
        assert_eq!(ratios[5], None, "it was not measured");
        let wild = view.nights[1].challengers[0].difference.unwrap();
        assert!((wild - (99.0 / 101.0 - 1.0)).abs() < 1e-9);
        assert_eq!(view.nights[5].challengers[0].difference, None);
    }

    #[test]
    fn what_came_after_the_run_is_left_out() {
        let mut record = fixture::record(Vec::new());
        record.manifest.started_at = "2026-01-03T02:00:00Z".parse().unwrap();
        let view = view(&record.manifest, &past()).unwrap();
        assert_eq!(view.nights.len(), 3);
        record.manifest.started_at = "2025-01-03T02:00:00Z".parse().unwrap();
        assert!(super::view(&record.manifest, &past()).is_none());
    }

    #[test]
    fn nights_at_odd_hours_miss_none() {
        let mut past = past();
        for (at, night) in past.nights.iter_mut().enumerate() {
            night.at = format!("2026-01-0{}T0{at}:00:00Z", 1 + 2 * (at % 4))
                .parse()
                .unwrap();
        }
        let record = fixture::record(Vec::new());
        assert!(view(&record.manifest, &past).unwrap().gaps.is_empty());
    }

    #[test]
    fn old_nights_are_counted() {
        let mut past = past();
        let first = past.nights[0].clone();
        past.nights = (0..70)
            .map(|at| PastNight {
                run: at.to_string(),
                ..first.clone()
            })
            .collect();
        let record = fixture::record(Vec::new());
        let view = view(&record.manifest, &past).unwrap();
        assert_eq!((view.nights.len(), view.n_older), (60, 10));
    }
}

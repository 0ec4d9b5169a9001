//! What a night says: does the champion hold, has it become worse than it used to be, is a
//! challenger better. The formulas and what they cost are in docs/NIGHTLY.md.
//!
//! Scores are logarithms, lower is better. Which nights may be compared (same image, driver,
//! model, workloads) is the caller's to know: all that are given here may.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::id::CellId;

/// From so many nights on the champion's own history says what is usual.
pub const ENOUGH_NIGHTS: usize = 8;

/// Older nights are forgotten: a machine ages.
pub const MOST_NIGHTS: usize = 30;

/// What a change must exceed whatever the history says: smaller ones matter to nobody.
pub const SMALLEST_CHANGE: f64 = 0.02;

/// One-sided error of a single night's call.
const ERROR: f64 = 0.005;

/// Without enough history: how much worse the reference case lets its champion be before it
/// warns, and before it calls it a regression.
const WARN: f64 = 0.10;
const ALERT: f64 = 0.15;

/// One cell in one night.
#[derive(Debug, Clone, PartialEq)]
pub struct CellNight {
    pub cell: CellId,
    pub name: String,
    /// Block and score of every start that was measured.
    pub scores: Vec<(u32, f64)>,
    /// Starts that died of the cell's own making.
    pub n_died: u32,
    /// Why it may not reign, whatever its score: a gate that it missed.
    pub rejected: Option<String>,
}

impl CellNight {
    /// The night's score: the mean over its starts.
    pub fn score(&self) -> Option<f64> {
        mean(&self.scores.iter().map(|(_, y)| *y).collect::<Vec<_>>())
    }
}

/// One night.
#[derive(Debug, Clone, PartialEq)]
pub struct Night {
    pub champion: CellNight,
    pub challengers: Vec<CellNight>,
    /// It was called a regression: such a night is not what is usual.
    pub was_regression: bool,
}

/// The verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    Holds,
    Regressed,
    Dethroned,
    Inconclusive,
}

impl Call {
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Regressed => "regressed",
            Self::Dethroned => "dethroned",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A night's verdict with its numbers. Differences are fractions: 0.03 is 3 % worse.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    pub call: Call,
    pub champion: ChampionSays,
    /// In the order in which they were drawn.
    pub challengers: Vec<ChallengerSays>,
}

/// What is said of the champion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChampionSays {
    pub cell: CellId,
    pub name: String,
    pub score: Option<f64>,
    pub n_starts: usize,
    pub n_died: u32,
    pub rejected: Option<String>,
    pub against: Against,
}

/// What tonight's score of the champion was held against.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "against", rename_all = "kebab-case")]
pub enum Against {
    /// Its own last nights.
    History {
        n_nights: usize,
        /// Tonight against their mean.
        change: f64,
        /// What is still usual.
        allowed: f64,
    },
    /// Too few nights: the bounds of the reference case.
    Reference {
        n_nights: usize,
        change: f64,
        warn: f64,
        alert: f64,
    },
    /// The first night under these conditions.
    Nothing,
    /// It was not measured tonight.
    NotMeasured,
}

/// What is said of a challenger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChallengerSays {
    pub cell: CellId,
    pub name: String,
    pub score: Option<f64>,
    pub n_died: u32,
    pub rejected: Option<String>,
    /// Over all nights in which both ran; `None` where no block has both.
    pub paired: Option<Paired>,
    pub dethrones: bool,
}

/// Differences to the champion, block by block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Paired {
    pub n_blocks: usize,
    pub n_nights: usize,
    /// Below 0 it is better than the champion.
    pub difference: f64,
    /// The upper bound of the difference with the certainty that dethroning asks for; `None`
    /// from one block.
    pub at_most: Option<f64>,
}

/// Judges a night. `before` are comparable nights of the same champion, oldest first; `evidence`
/// is the score that it was put in force with, where that is comparable; `margin` is the
/// fraction below which a difference is the same to the user.
pub fn judge(tonight: &Night, before: &[Night], evidence: Option<f64>, margin: f64) -> Judgement {
    let against = against(&tonight.champion, before, evidence);
    let k = tonight.challengers.len().max(1);
    let challengers: Vec<ChallengerSays> = tonight
        .challengers
        .iter()
        .map(|challenger| {
            let paired = paired(challenger, tonight, before, k);
            let enough = paired
                .and_then(|paired| paired.at_most)
                .is_some_and(|at_most| at_most.ln_1p() < -margin.ln_1p());
            ChallengerSays {
                cell: challenger.cell.clone(),
                name: challenger.name.clone(),
                score: challenger.score(),
                n_died: challenger.n_died,
                rejected: challenger.rejected.clone(),
                paired,
                dethrones: enough && challenger.n_died == 0 && challenger.rejected.is_none(),
            }
        })
        .collect();
    let champion = &tonight.champion;
    let worse = match against {
        Against::History {
            change, allowed, ..
        } => change > allowed,
        Against::Reference { change, alert, .. } => change > alert,
        Against::Nothing | Against::NotMeasured => false,
    };
    let call = if champion.n_died > 0 || champion.rejected.is_some() || worse {
        Call::Regressed
    } else if challengers.iter().any(|challenger| challenger.dethrones) {
        Call::Dethroned
    } else {
        match against {
            Against::History { .. } | Against::Reference { .. } => Call::Holds,
            Against::Nothing | Against::NotMeasured => Call::Inconclusive,
        }
    };
    Judgement {
        call,
        champion: ChampionSays {
            cell: champion.cell.clone(),
            name: champion.name.clone(),
            score: champion.score(),
            n_starts: champion.scores.len(),
            n_died: champion.n_died,
            rejected: champion.rejected.clone(),
            against,
        },
        challengers,
    }
}

impl Judgement {
    /// The best of those that dethrone.
    pub fn successor(&self) -> Option<&ChallengerSays> {
        let difference =
            |says: &&ChallengerSays| says.paired.map_or(0.0, |paired| paired.difference);
        self.challengers
            .iter()
            .filter(|says| says.dethrones)
            .min_by(|a, b| difference(a).total_cmp(&difference(b)))
    }

    /// It is called usual, and yet worse than the reference case lets pass without a word.
    pub fn warns(&self) -> bool {
        matches!(self.champion.against, Against::Reference { change, warn, .. } if change > warn)
    }
}

fn against(champion: &CellNight, before: &[Night], evidence: Option<f64>) -> Against {
    let Some(tonight) = champion.score() else {
        return Against::NotMeasured;
    };
    let usual: Vec<f64> = before
        .iter()
        .filter(|night| !night.was_regression)
        .filter_map(|night| night.champion.score())
        .collect();
    let usual = &usual[usual.len().saturating_sub(MOST_NIGHTS)..];
    let n_nights = usual.len();
    if n_nights >= ENOUGH_NIGHTS {
        let (center, sd) = (mean(usual).unwrap_or(0.0), sd(usual).unwrap_or(0.0));
        let n = n_nights as f64;
        let noise = quantile(1.0 - ERROR, n - 1.0) * sd * (1.0 + 1.0 / n).sqrt();
        return Against::History {
            n_nights,
            change: (tonight - center).exp_m1(),
            allowed: noise.max(SMALLEST_CHANGE.ln_1p()).exp_m1(),
        };
    }
    match mean(usual).or(evidence) {
        Some(reference) => Against::Reference {
            n_nights,
            change: (tonight - reference).exp_m1(),
            warn: WARN,
            alert: ALERT,
        },
        None => Against::Nothing,
    }
}

fn paired(challenger: &CellNight, tonight: &Night, before: &[Night], k: usize) -> Option<Paired> {
    let mut differences = Vec::new();
    let mut n_nights = 0;
    for night in before.iter().chain([tonight]) {
        let Some(found) = night
            .challengers
            .iter()
            .find(|one| one.cell == challenger.cell)
        else {
            continue;
        };
        let n = differences.len();
        differences.extend(found.scores.iter().filter_map(|(block, y)| {
            let champion = night
                .champion
                .scores
                .iter()
                .find(|(other, _)| other == block)?;
            Some(y - champion.1)
        }));
        n_nights += usize::from(differences.len() > n);
    }
    let center = mean(&differences)?;
    let n = differences.len() as f64;
    let at_most = sd(&differences)
        .map(|sd| center + quantile(1.0 - ERROR / k as f64, n - 1.0) * sd / n.sqrt());
    Some(Paired {
        n_blocks: differences.len(),
        n_nights,
        difference: center.exp_m1(),
        at_most: at_most.map(f64::exp_m1),
    })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation.
fn sd(values: &[f64]) -> Option<f64> {
    let center = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Of Student's t.
fn quantile(p: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(f64::INFINITY, |t| t.inverse_cdf(p))
}

/// What is known of a cell that may challenge.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub cell: CellId,
    /// Nights since it ran last; `None` where it never did.
    pub last_ran: Option<usize>,
    pub standing: Candidacy,
}

/// How near a candidate is to the throne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidacy {
    /// Better than the champion by more than the margin, and not surely: it runs again until
    /// that is settled.
    Leading,
    /// Not surely worse.
    Contender,
    /// Surely worse, or it died when it last ran.
    Far,
}

/// How often a contender runs for every time that a far one does.
const CONTENDERS_RUN: usize = 3;

impl Candidacy {
    /// From all nights in which it ran beside this champion; `k` as in [`judge`].
    pub fn of(cell: &CellId, nights: &[Night], margin: f64) -> Self {
        let last = nights.iter().rev().find_map(|night| {
            night
                .challengers
                .iter()
                .find(|one| one.cell == *cell)
                .map(|one| (night, one))
        });
        let Some((night, one)) = last else {
            return Self::Contender;
        };
        if one.n_died > 0 || one.rejected.is_some() {
            return Self::Far;
        }
        let empty = Night {
            champion: night.champion.clone(),
            challengers: Vec::new(),
            was_regression: false,
        };
        let Some(found) = paired(one, &empty, nights, 1) else {
            return Self::Contender;
        };
        let width = found.at_most.map_or(f64::INFINITY, |at_most| {
            at_most.ln_1p() - found.difference.ln_1p()
        });
        if found.difference.ln_1p() < -margin.ln_1p() {
            Self::Leading
        } else if found.difference.ln_1p() - width > margin.ln_1p() {
            Self::Far
        } else {
            Self::Contender
        }
    }
}

/// The `k` challengers of the next night: those that lead first, then those that never ran, then
/// the least recently validated, contenders three times as often as the rest. Equal ones in the
/// order that is given.
pub fn draw(candidates: &[Candidate], k: usize) -> Vec<CellId> {
    let urgency = |candidate: &Candidate| match (candidate.standing, candidate.last_ran) {
        (Candidacy::Leading, _) => usize::MAX,
        (Candidacy::Contender | Candidacy::Far, None) => usize::MAX - 1,
        (Candidacy::Contender, Some(nights)) => nights.saturating_mul(CONTENDERS_RUN),
        (Candidacy::Far, Some(nights)) => nights,
    };
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by_key(|candidate| std::cmp::Reverse(urgency(candidate)));
    order
        .into_iter()
        .take(k)
        .map(|candidate| candidate.cell.clone())
        .collect()
}

/// Who ages tonight: the champion, unless it did so the last time; then the challenger that did so
/// longest ago, one that never did first. `aged` are those that did in earlier nights, the latest
/// first.
pub fn whose_age<'a>(
    champion: &'a CellId,
    challengers: &'a [CellId],
    aged: &[CellId],
) -> &'a CellId {
    let ago = |cell: &CellId| aged.iter().position(|one| one == cell);
    if ago(champion) != Some(0) {
        return champion;
    }
    let never = usize::MAX;
    challengers
        .iter()
        .min_by_key(|cell| std::cmp::Reverse(ago(cell).unwrap_or(never)))
        .unwrap_or(champion)
}

#[cfg(test)]
mod tests;

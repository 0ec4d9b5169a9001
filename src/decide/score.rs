//! The score of a cell: one number over all objectives, per attempt first, then the mean over
//! attempts. Spread is reported, confidence is not claimed.
//!
//! y of an attempt = sum over objectives of w s ln x, with weights scaled to sum to 1, s = +1
//! where less is better and -1 where more is; lower wins. The difference of two scores is the
//! logarithm of a weighted geometric mean of ratios, which is how it is shown to people.

use serde::Serialize;

use crate::decide::reading::{self, Start};
use crate::id::AttemptNo;
use crate::measure::metric::MetricRef;
use crate::measure::summary::Summary;
use crate::spec::experiment::{Goal, Objective};

/// A mean over attempts with its count and its spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Attempts.
    pub n: u32,
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` for a single attempt.
    pub sd: Option<f64>,
}

impl Spread {
    /// `None` for no values; values must be finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        Summary::of(values).map(|Summary { n, mean, sd, .. }| Self { n, mean, sd })
    }

    /// Over those attempts that measured the metric.
    pub fn over(metric: &MetricRef, starts: &[Start<'_>]) -> Option<Self> {
        let values: Vec<f64> = starts
            .iter()
            .filter_map(|start| start.value(metric).ok())
            .collect();
        Self::of(&values)
    }
}

/// The score of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    pub starts: Vec<StartScore>,
    /// Of the attempts' scores.
    pub spread: Spread,
}

/// The score of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct StartScore {
    pub attempt: AttemptNo,
    pub block: u32,
    pub y: f64,
    /// s ln x of each objective, in their order: what the score is the weighted mean of.
    pub parts: Vec<f64>,
}

/// Why a cell has no score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unscored {
    pub because: String,
}

/// Scores a cell; an objective that is missing in any attempt leaves it unscored, because the
/// attempts that did yield it are not a fair sample. Attempts that were disturbed are left out:
/// that has nothing to do with the cell.
pub fn score(objectives: &[Objective], starts: &[Start<'_>]) -> Result<Score, Unscored> {
    let unscored = |because: &str| Unscored {
        because: because.to_owned(),
    };
    if objectives.is_empty() {
        return Err(unscored("the experiment names no objective"));
    }
    let nodes: Vec<&str> = objectives.iter().map(|o| o.metric.node.as_str()).collect();
    let scores: Vec<StartScore> = reading::undisturbed(starts, &nodes)
        .into_iter()
        .map(|start| score_start(objectives, start))
        .collect::<Result<_, _>>()?;
    let values: Vec<f64> = scores.iter().map(|score| score.y).collect();
    let spread = Spread::of(&values).ok_or_else(|| unscored("nothing was measured"))?;
    Ok(Score {
        starts: scores,
        spread,
    })
}

fn score_start(objectives: &[Objective], start: &Start<'_>) -> Result<StartScore, Unscored> {
    let total: f64 = objectives.iter().map(|objective| objective.weight).sum();
    let mut y = 0.0;
    let mut parts = Vec::with_capacity(objectives.len());
    for objective in objectives {
        let metric = &objective.metric;
        let because = |why: &str| Unscored {
            because: format!(
                "{metric} was not measured in start {}: {why}",
                start.number()
            ),
        };
        let value = start.value(metric).map_err(|why| because(&why))?;
        if value <= 0.0 {
            return Err(because(&format!("{value} cannot be compared by ratios")));
        }
        let sign = match objective.goal {
            Goal::Min => 1.0,
            Goal::Max => -1.0,
        };
        let part = sign * value.ln();
        y += objective.weight / total * part;
        parts.push(part);
    }
    Ok(StartScore {
        attempt: start.settled.attempt.number,
        block: start.settled.block_key(),
        y,
        parts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};

    /// Two objectives, weights 3 and 1: ttft min and tokens/s max.
    fn objectives() -> Vec<Objective> {
        vec![
            fixture::objective("kv-cache.ttft_repeat_ms.p50", Goal::Min, 3.0),
            fixture::objective("kv-cache.tokens_per_second.p50", Goal::Max, 1.0),
        ]
    }

    #[test]
    fn the_score_is_the_mean_of_weighted_logarithms_by_hand() {
        let settled = [
            fixture::measured("a", 1, Numbers::new(1000.0, 100.0).speed(40.0)),
            fixture::measured("a", 2, Numbers::new(1000.0, 200.0).speed(50.0)),
        ];
        let starts: Vec<Start<'_>> = settled.iter().filter_map(Start::of).collect();
        let score = score(&objectives(), &starts).unwrap();
        // Start 1: 0.75 ln 100 - 0.25 ln 40 = 3.453878 - 0.922220 = 2.531658.
        // Start 2: 0.75 ln 200 - 0.25 ln 50 = 3.973738 - 0.978006 = 2.995732.
        assert!((score.starts[0].y - 2.531_657_8).abs() < 1e-6);
        assert!((score.starts[1].y - 2.995_732_3).abs() < 1e-6);
        assert!((score.spread.mean - 2.763_695_0).abs() < 1e-6);
        // sd of two values is their distance over the square root of 2.
        assert!((score.spread.sd.unwrap() - 0.464_074_5 / 2.0_f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn a_cell_twice_as_slow_is_twice_behind_whatever_the_weights_unit() {
        let settled = [
            fixture::measured("a", 1, Numbers::new(1000.0, 100.0)),
            fixture::measured("b", 1, Numbers::new(1000.0, 200.0)),
        ];
        let objective = [fixture::objective(
            "kv-cache.ttft_repeat_ms.p50",
            Goal::Min,
            7.5,
        )];
        let of = |index: usize| score(&objective, &[Start::of(&settled[index]).unwrap()]).unwrap();
        assert!(((of(1).spread.mean - of(0).spread.mean).exp() - 2.0).abs() < 1e-12);
        assert!(((of(0).spread.mean - of(1).spread.mean).exp() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn one_attempt_without_the_metric_leaves_the_cell_unscored() {
        let settled = [
            fixture::measured("a", 1, Numbers::new(1000.0, 100.0)),
            fixture::measured("a", 2, Numbers::new(1000.0, 100.0).failed("stream cut")),
        ];
        let starts: Vec<Start<'_>> = settled.iter().filter_map(Start::of).collect();
        assert_eq!(
            score(&objectives(), &starts).unwrap_err().because,
            "kv-cache.ttft_repeat_ms.p50 was not measured in start 2: kv-cache failed: stream cut"
        );
        assert!(score(&[], &starts).is_err());
        assert!(score(&objectives(), &[]).is_err());
    }
}

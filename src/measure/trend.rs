//! Does something grow over time, over turns, over tokens? Slopes and changes with their
//! intervals, by estimators that a few wild values do not move.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// More points than this are first condensed into so many groups: the slopes of all pairs of
/// 512 points are 130,816 numbers.
const MOST_POINTS: usize = 512;

/// The Theil-Sen slope: the median of the slopes of all pairs of points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// Change of y per unit of x.
    pub slope: f64,
    /// 95 % interval, free of any distribution; `None` where there are too few points for one.
    pub interval: Option<(f64, f64)>,
    /// Points that it is of.
    pub n: u32,
    /// The line's height at x = 0: the median of y - slope x.
    pub intercept: f64,
}

/// How many times as much the last third is as the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Above 0; 1 is no change.
    pub ratio: f64,
    /// 95 % interval of it over the series; `None` for a single series.
    pub interval: Option<(f64, f64)>,
    /// Series (conversations, say) that it is of.
    pub n: u32,
}

impl Slope {
    /// Over points (x, y); `None` where fewer than two have different x.
    ///
    /// Slope: Theil 1950, Sen 1968. Interval: the ordered slopes at ranks (N - C) / 2 and
    /// (N + C) / 2 + 1 with C = z sqrt(Var S), where S is Kendall's statistic, its variance
    /// corrected for ties (Sen 1968; Gilbert 1987, Statistical Methods for Environmental
    /// Pollution Monitoring, section 16.5; Kendall 1970 for ties). More than 512 points are
    /// condensed into 512 groups of neighbours in x, each with its medians.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let n = u32::try_from(points.len()).ok()?;
        let mut points = points.to_vec();
        points.retain(|(x, y)| x.is_finite() && y.is_finite());
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if points.len() > MOST_POINTS {
            points = condensed(&points);
        }
        let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
        for (at, (x, y)) in points.iter().enumerate() {
            for (later_x, later_y) in &points[at + 1..] {
                if later_x > x {
                    slopes.push((later_y - y) / (later_x - x));
                }
            }
        }
        slopes.sort_by(f64::total_cmp);
        let slope = median(&slopes)?;
        let mut heights: Vec<f64> = points.iter().map(|(x, y)| y - slope * x).collect();
        heights.sort_by(f64::total_cmp);
        Some(Self {
            slope,
            interval: interval(&points, &slopes),
            n,
            intercept: median(&heights)?,
        })
    }

    /// True when the interval says that it is not flat.
    pub fn is_clear(&self) -> bool {
        self.interval
            .is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }

    /// The line's height at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

impl Change {
    /// Last third over first third, both means, of each series of at least three values above
    /// zero; the thirds have `len / 3` values, rounded down. The ratio is the geometric mean
    /// over the series, its interval Student's t on their logarithms. `None` where no series
    /// is long enough.
    pub fn of(series: &[Vec<f64>]) -> Option<Self> {
        let logarithms: Vec<f64> = series.iter().filter_map(|one| thirds(one)).collect();
        let n = u32::try_from(logarithms.len()).ok()?;
        let count = f64::from(n);
        let mean = logarithms.iter().sum::<f64>() / count;
        let interval = (n >= 2).then(|| {
            let squares: f64 = logarithms.iter().map(|value| (value - mean).powi(2)).sum();
            let error = (squares / (count - 1.0) / count).sqrt();
            let reach = t_quantile(count - 1.0) * error;
            ((mean - reach).exp(), (mean + reach).exp())
        });
        (n > 0).then(|| Self {
            ratio: mean.exp(),
            interval,
            n,
        })
    }

    /// As a difference in percent: 20 is a fifth more.
    pub fn percent(&self) -> f64 {
        (self.ratio - 1.0) * 100.0
    }
}

/// Logarithm of the mean of the last third over that of the first.
fn thirds(series: &[f64]) -> Option<f64> {
    let third = series.len() / 3;
    if third == 0 || !series.iter().all(|value| value.is_finite() && *value > 0.0) {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (first, last) = (&series[..third], &series[series.len() - third..]);
    Some((mean(last) / mean(first)).ln())
}

/// Two-sided 95 % of Student's t.
fn t_quantile(freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom)
        .expect("there is at least one degree of freedom")
        .inverse_cdf(0.975)
}

/// Groups of neighbours, each with the medians of its x and its y.
fn condensed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    (0..MOST_POINTS)
        .map(|group| {
            let at = |edge: usize| edge * points.len() / MOST_POINTS;
            let members = &points[at(group)..at(group + 1)];
            let middle = |of: fn(&(f64, f64)) -> f64| {
                let mut values: Vec<f64> = members.iter().map(of).collect();
                values.sort_by(f64::total_cmp);
                median(&values).expect("there are more points than groups")
            };
            (middle(|point| point.0), middle(|point| point.1))
        })
        .collect()
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n.is_multiple_of(2) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

/// The ordered slopes between which the true one lies; `None` where the ranks lie outside.
fn interval(points: &[(f64, f64)], slopes: &[f64]) -> Option<(f64, f64)> {
    let reach = Z * variance(points).sqrt();
    let n_slopes = slopes.len() as f64;
    let low = ((n_slopes - reach) / 2.0).floor();
    let high = ((n_slopes + reach) / 2.0).ceil();
    if low < 1.0 || high >= n_slopes {
        return None;
    }
    // Ranks count from 1; both are inside by the check above.
    Some((slopes[low as usize - 1], slopes[high as usize]))
}

/// Variance of Kendall's S under no trend, with ties in either coordinate (Kendall 1970).
fn variance(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let xs = ties(points.iter().map(|point| point.0));
    let ys = ties(points.iter().map(|point| point.1));
    let sum = |ties: &[f64], of: fn(f64) -> f64| ties.iter().map(|&count| of(count)).sum::<f64>();
    let whole = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let pairs = |t: f64| t * (t - 1.0);
    let triples = |t: f64| t * (t - 1.0) * (t - 2.0);
    let mut variance = (whole(n) - sum(&xs, whole) - sum(&ys, whole)) / 18.0;
    if n > 2.0 {
        variance += sum(&xs, triples) * sum(&ys, triples) / (9.0 * triples(n));
    }
    if n > 1.0 {
        variance += sum(&xs, pairs) * sum(&ys, pairs) / (2.0 * pairs(n));
    }
    variance.max(0.0)
}

/// How many values are equal to each other, for each value that there is more than once.
fn ties(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
        .chunk_by(|a, b| a == b)
        .map(|equal| equal.len() as f64)
        .filter(|count| *count > 1.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop, prop_assert, proptest};

    fn over(ys: &[f64]) -> Vec<(f64, f64)> {
        (1..).map(f64::from).zip(ys.iter().copied()).collect()
    }

    /// Hollander and Wolfe, Nonparametric Statistical Methods, example 9.1: the ten slopes of
    /// the cloud seeding data have the median -0.05625.
    #[test]
    fn a_textbook_example_has_its_slope() {
        let slope = Slope::of(&over(&[1.26, 1.27, 1.12, 1.16, 1.03])).unwrap();
        assert!((slope.slope + 0.05625).abs() < 1e-12, "{slope:?}");
        assert_eq!(slope.n, 5);
        assert!((slope.at(3.0) - (slope.intercept - 0.16875)).abs() < 1e-12);
    }

    /// Ten points without ties: Var S = 10 x 9 x 25 / 18 = 125, C = 1.96 x 11.18 = 21.9, so of
    /// 45 slopes those at ranks 11 and 35 bound the interval.
    #[test]
    fn the_interval_has_the_ranks_of_sen() {
        let points = over(&[1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 11.0, 6.0, 9.0, 12.0]);
        let mut slopes: Vec<f64> = (0..10)
            .flat_map(|i| (i + 1..10).map(move |j| (i, j)))
            .map(|(i, j)| (points[j].1 - points[i].1) / (points[j].0 - points[i].0))
            .collect();
        slopes.sort_by(f64::total_cmp);
        let found = Slope::of(&points).unwrap();
        assert_eq!(found.slope, slopes[22]);
        assert_eq!(found.interval, Some((slopes[10], slopes[34])));
        assert!(found.is_clear());
    }

    #[test]
    fn too_few_points_have_no_interval_and_one_has_no_slope() {
        assert_eq!(Slope::of(&[]), None);
        assert_eq!(Slope::of(&[(1.0, 2.0)]), None);
        assert_eq!(Slope::of(&[(1.0, 2.0), (1.0, 3.0)]), None);
        let two = Slope::of(&[(1.0, 2.0), (3.0, 3.0)]).unwrap();
        assert_eq!((two.slope, two.interval), (0.5, None));
        assert!(!two.is_clear());
    }

    #[test]
    fn wild_values_move_it_little() {
        let mut ys: Vec<f64> = (0..40).map(f64::from).collect();
        ys[7] = 1e6;
        ys[30] = -1e6;
        let slope = Slope::of(&over(&ys)).unwrap();
        assert!((slope.slope - 1.0).abs() < 0.05, "{slope:?}");
    }

    #[test]
    fn many_points_are_condensed_and_keep_their_slope() {
        let points: Vec<(f64, f64)> = (0..100_000)
            .map(|n| {
                (
                    f64::from(n),
                    3.0 + 0.25 * f64::from(n) + f64::from(n * 7919 % 101),
                )
            })
            .collect();
        let slope = Slope::of(&points).unwrap();
        assert!((slope.slope - 0.25).abs() < 1e-3, "{slope:?}");
        assert!(slope.is_clear());
        assert_eq!(slope.n, 100_000);
    }

    #[test]
    fn the_last_third_is_compared_with_the_first() {
        // 15 turns: five and five. Means 1 and 1.2.
        let mut series = vec![1.0; 15];
        series[10..].fill(1.2);
        let one = Change::of(&[series.clone()]).unwrap();
        assert!((one.percent() - 20.0).abs() < 1e-9);
        assert_eq!((one.interval, one.n), (None, 1));

        // Logarithms of 1.2 and 1.1 with t(1) = 12.706.
        let mut second = vec![1.0; 15];
        second[10..].fill(1.1);
        let two = Change::of(&[series, second]).unwrap();
        assert!((two.ratio - (1.2_f64 * 1.1).sqrt()).abs() < 1e-12);
        let (low, high) = two.interval.unwrap();
        let reach = 12.706_204_736 * (1.2_f64.ln() - 1.1_f64.ln()) / 2.0;
        assert!((high.ln() - two.ratio.ln() - reach).abs() < 1e-6);
        assert!((two.ratio.ln() - low.ln() - reach).abs() < 1e-6);
        assert_eq!(Change::of(&[vec![1.0, 2.0]]), None);
        assert_eq!(Change::of(&[]), None);
    }

    proptest! {
        #[test]
        fn it_follows_the_scales_of_both_axes(
            ys in prop::collection::vec(-1e3..1e3_f64, 3..60),
            stretch in 0.1..10.0_f64,
            lift in -1e3..1e3_f64,
        ) {
            let points = over(&ys);
            let moved: Vec<(f64, f64)> = points
                .iter()
                .map(|(x, y)| (x * stretch, y * 3.0 + lift))
                .collect();
            let (slope, moved) = (Slope::of(&points).unwrap(), Slope::of(&moved).unwrap());
            let expected = slope.slope * 3.0 / stretch;
            prop_assert!((moved.slope - expected).abs() <= 1e-6 * (1.0 + expected.abs()));
            prop_assert!(slope.interval.is_some() == moved.interval.is_some());
        }

        #[test]
        fn the_slope_lies_in_its_interval(
            points in prop::collection::vec((0.0..50.0_f64, -5.0..5.0_f64), 0..80)
                .prop_map(|points| {
                    points
                        .into_iter()
                        .map(|(x, y)| (x.round(), y.round()))
                        .collect::<Vec<_>>()
                }),
        ) {
            if let Some(slope) = Slope::of(&points)
                && let Some((low, high)) = slope.interval
            {
                prop_assert!(low <= slope.slope && slope.slope <= high, "{slope:?}");
            }
        }
    }
}

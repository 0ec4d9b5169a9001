//! One metric over all cells: each cell's mean with the interval that the noise of all of them
//! leaves it. Knows nothing of objectives.

use crate::decide::decision::CellResult;
use crate::decide::fit::{Fit, Noise, Observation};
use crate::decide::reading;
use crate::measure::metric::{MetricRef, Scale};

/// A cell's mean over its starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellMean {
    pub mean: f64,
    pub n: u32,
    /// 95 %, by the noise pooled over all cells; `None` where nothing tells the noise, and for
    /// proportions, whose noise is not alike from cell to cell.
    pub interval: Option<(f64, f64)>,
}

/// Of each cell that lived and measured the metric in at least one undisturbed start.
///
/// The noise is taken as alike between cells on the scale of logarithms for ratios, and on the
/// plain scale for signed metrics (docs/RANKING.md).
pub fn cell_means(
    metric: &MetricRef,
    scale: Scale,
    cells: &[CellResult<'_>],
) -> Vec<Option<CellMean>> {
    with_noise(metric, scale, cells).0
}

/// The same with the noise that the intervals are made of; `None` where there is none.
pub fn with_noise(
    metric: &MetricRef,
    scale: Scale,
    cells: &[CellResult<'_>],
) -> (Vec<Option<CellMean>>, Option<Noise>) {
    let mut members = Vec::new();
    let mut observations = Vec::new();
    let mut means = vec![None; cells.len()];
    for (index, cell) in cells.iter().enumerate() {
        let starts = reading::undisturbed(&cell.starts, &[metric.node.as_str()]);
        let values: Vec<(u32, f64)> = starts
            .into_iter()
            .filter_map(|start| Some((start.settled.block_key(), start.value(metric).ok()?)))
            .collect();
        if !cell.tally.lived() || values.is_empty() {
            continue;
        }
        let at = members.len();
        members.push(index);
        observations.extend(values.iter().map(|&(block, x)| {
            let y = match scale {
                Scale::Ratio => x.ln(),
                Scale::Signed | Scale::Proportion => x,
            };
            Observation { cell: at, block, y }
        }));
        means[index] = Some(CellMean {
            mean: values.iter().map(|(_, x)| x).sum::<f64>() / values.len() as f64,
            n: values.len() as u32,
            interval: None,
        });
    }
    if scale == Scale::Proportion || observations.iter().any(|o| !o.y.is_finite()) {
        return (means, None);
    }
    let fit = Fit::of(members.len(), observations);
    let Some(noise) = fit.noise() else {
        return (means, None);
    };
    for (at, &index) in members.iter().enumerate() {
        let half = fit.contrast(&[(at, 1.0)], noise).half;
        if let Some(cell) = &mut means[index] {
            cell.interval = Some(match scale {
                Scale::Ratio => (cell.mean * (-half).exp(), cell.mean * half.exp()),
                Scale::Signed | Scale::Proportion => (cell.mean - half, cell.mean + half),
            });
        }
    }
    (means, Some(noise))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::decision::Decision;
    use crate::decide::fixture::{self, Numbers};
    use crate::spec::experiment::Goal;

    #[test]
    fn intervals_rest_on_the_noise_of_all_cells() {
        let starts = [
            ("a", 1, 100.0),
            ("a", 2, 104.0),
            ("b", 1, 50.0),
            ("b", 2, 51.0),
        ];
        let starts = starts.map(|(cell, block, ms)| {
            let mut start = fixture::measured(cell, block, Numbers::new(900.0, ms));
            start.block = block;
            start
        });
        let record = fixture::record(starts.to_vec());
        let decision = Decision::of(&record);
        let metric = fixture::objective("kv-cache.ttft_repeat_ms.p50", Goal::Min, 1.0).metric;
        let means = cell_means(&metric, Scale::Ratio, &decision.cells);
        let (a, b) = (means[0].unwrap(), means[1].unwrap());
        assert!((a.mean - 102.0).abs() < 1e-9 && a.n == 2);
        // Equally wide as factors, whatever the number.
        let width = |one: CellMean| one.interval.map(|(low, high)| high / low).unwrap();
        assert!((width(a) - width(b)).abs() < 1e-9);
        assert!(a.interval.unwrap().0 < 102.0 && a.interval.unwrap().1 > 102.0);
        assert_eq!(means[2], None, "`c` was never measured");
        let shares = cell_means(&metric, Scale::Proportion, &decision.cells);
        assert_eq!(shares[0].unwrap().interval, None);
    }
}

//! The bar of one cell in the row of a table: its interval on an axis that all rows share, with
//! the line of the first-placed cell, the bands around it, and the limit of a gate. It stretches
//! with its column.

use std::fmt::Write;

use crate::report::chart::coordinate::px;
use crate::report::chart::scale::Scale;
use crate::report::measures::{Estimated, MeasureView};
use crate::report::text::escape;

/// The axis of a column, and what all of its rows show.
#[derive(Debug, Clone)]
pub struct Axis {
    scale: Scale,
    /// The first-placed cell's number.
    reference: Option<f64>,
    /// Around the reference: what is the same to the user.
    margin: Option<(f64, f64)>,
    /// Around the reference: what starts of one cell differ by.
    noise: Option<(f64, f64)>,
    limit: Option<f64>,
}

/// Whose bar it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    First,
    Tie,
    Plain,
    /// It misses a gate.
    Rejected,
}

impl Axis {
    /// Of a metric; `None` where no cell has a number. `equivalence` is drawn where the metric
    /// alone decides.
    pub fn of(measure: &MeasureView, equivalence: Option<f64>) -> Option<Self> {
        let estimates = || measure.estimates.iter().flatten();
        let drawn = estimates().flat_map(|estimated| {
            let (low, high) = estimated
                .interval
                .unwrap_or((estimated.mean, estimated.mean));
            [low, estimated.mean, high]
        });
        let drawn: Vec<f64> = drawn.collect();
        let inner = Scale::fitting(drawn.iter().copied(), (0.0, 100.0))?;
        let reference = measure.estimates.first().copied().flatten();
        let reference = reference.map(|estimated| estimated.mean);
        // A limit far away would press all bars into a corner.
        let (low, high) = inner.ends();
        let near = |bound: &f64| {
            let span = high - low;
            (low - span / 2.0..=high + span / 2.0).contains(bound)
        };
        let limit = measure.limits.first().map(|limit| limit.bound).filter(near);
        let around = |fraction: f64| {
            reference.map(|mean| (mean / (1.0 + fraction), mean * (1.0 + fraction)))
        };
        Some(Self {
            scale: Scale::fitting(drawn.into_iter().chain(limit), (0.0, 100.0))?,
            reference,
            margin: equivalence.and_then(around),
            noise: measure.noise.and_then(around),
            limit,
        })
    }

    /// Of how much worse each is than the first, as ratios from 1 up.
    pub fn of_ratios(ratios: impl IntoIterator<Item = f64>, equivalence: f64) -> Option<Self> {
        let values = ratios.into_iter().chain([1.0, 1.0 + equivalence]);
        Some(Self {
            scale: Scale::fitting(values, (0.0, 100.0))?,
            reference: Some(1.0),
            margin: Some((1.0, 1.0 + equivalence)),
            noise: None,
            limit: None,
        })
    }

    pub fn scale(&self) -> &Scale {
        &self.scale
    }

    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// What lies behind every bar; `id` is what the rows refer to.
    pub fn ground(&self, id: &str) -> String {
        let at = |value: f64| px(self.scale.at(value));
        let mut out = format!(r#"<symbol id="{id}">"#);
        for (band, colour) in [(self.noise, "band"), (self.margin, "tint")] {
            if let Some((low, high)) = band {
                let wide = self.scale.at(high) - self.scale.at(low);
                let _ = write!(
                    out,
                    r#"<rect x="{}%" width="{}%" height="26" fill="var(--{colour})"/>"#,
                    at(low),
                    px(wide.max(0.3))
                );
            }
        }
        if let Some(reference) = self.reference {
            let x = at(reference);
            let _ = write!(
                out,
                r#"<line x1="{x}%" x2="{x}%" y2="26" stroke="var(--mut)" stroke-dasharray="3 2"/>"#
            );
        }
        if let Some(limit) = self.limit {
            let x = at(limit);
            let _ = write!(
                out,
                r#"<line x1="{x}%" x2="{x}%" y2="26" stroke="var(--warm)" stroke-dasharray="5 3" stroke-width="1.5"/>"#
            );
        }
        out + "</symbol>"
    }

    /// One row's bar.
    pub fn bar(&self, ground: &str, estimated: &Estimated, tone: Tone, tip: &str) -> String {
        let colour = match tone {
            Tone::First => "blue",
            Tone::Tie => "c5",
            Tone::Plain => "grey",
            Tone::Rejected => "warm",
        };
        let mut out = format!(
            r##"<svg class="iv" aria-hidden="true" data-t="{}"><use href="#{ground}"/>"##,
            escape(tip)
        );
        if let Some((low, high)) = estimated.interval {
            let wide = self.scale.at(high) - self.scale.at(low);
            let _ = write!(
                out,
                r#"<rect x="{}%" y="9.5" width="{}%" height="7" rx="3.5" fill="var(--{colour})" fill-opacity=".4"/>"#,
                px(self.scale.at(low)),
                px(wide.max(0.4))
            );
        }
        let _ = write!(
            out,
            r#"<circle cx="{}%" cy="13" r="4.5" fill="var(--{colour})"/></svg>"#,
            px(self.scale.at(estimated.mean))
        );
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::wanted::Role;
    use crate::report::measures::LimitView;
    use crate::spec::experiment::{Comparison, Goal};

    fn measure(means: &[f64], bound: Option<f64>) -> MeasureView {
        MeasureView {
            metric: "a.b".to_owned(),
            unit: "ms",
            role: Role::Objective,
            better: Some(Goal::Min),
            limits: bound
                .map(|bound| LimitView {
                    gate: "a.b < 1 ms".to_owned(),
                    comparison: Comparison::Less,
                    bound,
                })
                .into_iter()
                .collect(),
            noise: Some(0.05),
            estimates: means
                .iter()
                .map(|&mean| {
                    Some(Estimated {
                        n: 3,
                        mean,
                        interval: Some((mean * 0.9, mean * 1.1)),
                    })
                })
                .chain([None])
                .collect(),
            definition: None,
        }
    }

    #[test]
    fn the_ground_has_the_bands_the_first_and_a_limit_that_is_near() {
        let axis = Axis::of(&measure(&[100.0, 120.0], Some(150.0)), Some(0.02)).unwrap();
        insta::assert_snapshot!(axis.ground("g0"), @r#"<symbol id="g0"><rect x="11.8%" width="15.1%" height="26" fill="var(--band)"/><rect x="16.1%" width="6.1%" height="26" fill="var(--tint)"/><line x1="19.1%" x2="19.1%" y2="26" stroke="var(--mut)" stroke-dasharray="3 2"/><line x1="96.3%" x2="96.3%" y2="26" stroke="var(--warm)" stroke-dasharray="5 3" stroke-width="1.5"/></symbol>"#);
        let far = Axis::of(&measure(&[100.0, 120.0], Some(9000.0)), None).unwrap();
        assert_eq!(far.limit(), None);
        assert!(!far.ground("g0").contains("tint"));
    }

    #[test]
    fn a_bar_is_its_interval_with_the_mean_as_a_dot() {
        let axis = Axis::of(&measure(&[100.0, 120.0], None), None).unwrap();
        let estimated = Estimated {
            n: 3,
            mean: 100.0,
            interval: Some((90.0, 110.0)),
        };
        insta::assert_snapshot!(axis.bar("g0", &estimated, Tone::First, "b: <100> ms"), @r##"<svg class="iv" aria-hidden="true" data-t="b: &lt;100&gt; ms"><use href="#g0"/><rect x="3.7%" y="9.5" width="44.1%" height="7" rx="3.5" fill="var(--blue)" fill-opacity=".4"/><circle cx="25.7%" cy="13" r="4.5" fill="var(--blue)"/></svg>"##);
        let single = Estimated {
            interval: None,
            ..estimated
        };
        let bar = axis.bar("g0", &single, Tone::Plain, "");
        assert!(!bar.contains("<rect"), "no interval is no bar: {bar}");
    }

    #[test]
    fn without_a_number_there_is_no_axis() {
        assert!(Axis::of(&measure(&[], None), None).is_none());
    }
}

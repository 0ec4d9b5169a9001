//! From values to pixels: linear or logarithmic, with ends and ticks at round numbers.

use crate::decide::number;

/// Above this ratio of largest to smallest a logarithmic axis shows more.
const LOGARITHMIC_FROM: f64 = 8.0;

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    is_logarithmic: bool,
    /// Where its ends are drawn; the first may be the larger one.
    from_px: f64,
    to_px: f64,
}

impl Scale {
    /// From 0, or from the least of the values, to the largest; `None` for no finite value.
    pub fn linear(
        values: impl IntoIterator<Item = f64>,
        from_zero: bool,
        px: (f64, f64),
    ) -> Option<Self> {
        let (low, high) = ends(values)?;
        let low = if from_zero { low.min(0.0) } else { low };
        let room = match high > low {
            true => (high - low) * 0.04,
            // All values are one: it stands in the middle.
            false => (high.abs() * 0.05).max(f64::MIN_POSITIVE.sqrt()),
        };
        let floor = if from_zero && low == 0.0 {
            0.0
        } else {
            low - room
        };
        Some(Self {
            low: floor,
            high: high + room,
            is_logarithmic: false,
            from_px: px.0,
            to_px: px.1,
        })
    }

    /// Logarithmic where the values are above zero and far apart, else linear.
    pub fn fitting(values: impl IntoIterator<Item = f64>, px: (f64, f64)) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let (low, high) = ends(values.iter().copied())?;
        if low <= 0.0 || high / low < LOGARITHMIC_FROM {
            return Self::linear(values, false, px);
        }
        let room = (high / low).powf(0.04);
        Some(Self {
            low: low / room,
            high: high * room,
            is_logarithmic: true,
            from_px: px.0,
            to_px: px.1,
        })
    }

    pub fn is_logarithmic(&self) -> bool {
        self.is_logarithmic
    }

    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Where a value is drawn; one beyond the ends, at the end.
    pub fn at(&self, value: f64) -> f64 {
        let share = match self.is_logarithmic {
            true => {
                let value = value.max(f64::MIN_POSITIVE);
                (value / self.low).ln() / (self.high / self.low).ln()
            }
            false => (value - self.low) / (self.high - self.low),
        };
        self.from_px + share.clamp(0.0, 1.0) * (self.to_px - self.from_px)
    }

    /// Round values inside, about so many, each with its text.
    pub fn ticks(&self, about: usize) -> Vec<(f64, String)> {
        match self.is_logarithmic {
            true => self.logarithmic_ticks(about),
            false => self.linear_ticks(about),
        }
    }

    fn linear_ticks(&self, about: usize) -> Vec<(f64, String)> {
        let step = round_step((self.high - self.low) / about.max(1) as f64);
        let decimals = decimals(step);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last)
            .map(|n| {
                let value = n as f64 * step;
                (value, format!("{value:.decimals$}"))
            })
            .collect()
    }

    fn logarithmic_ticks(&self, about: usize) -> Vec<(f64, String)> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let with = |digits: &[f64]| -> Vec<(f64, String)> {
            decades
                .clone()
                .flat_map(|decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade)))
                .filter(|value| self.contains(*value))
                .map(|value| (value, short(value)))
                .collect()
        };
        let mut best = with(&[1.0]);
        for digits in [[1.0, 3.0].as_slice(), &[1.0, 2.0, 5.0]] {
            let finer = with(digits);
            if finer.len() <= about + 1 || best.len() < 2 {
                best = finer;
            }
        }
        best
    }
}

fn ends(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let values = values.into_iter().filter(|value| value.is_finite());
    values.fold(None, |ends, value| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// The nearest of 1, 2, 5 times a power of ten, by ratio.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let off = |digit: f64| (digit * power / step).ln().abs();
    let nearest = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .min_by(|one, other| off(*one).total_cmp(&off(*other)));
    nearest.unwrap_or(1.0) * power
}

fn decimals(step: f64) -> usize {
    usize::try_from(-(step.log10() + 1e-9).floor() as i64).unwrap_or(0)
}

/// `5`, `0.2`, `2000`.
fn short(value: f64) -> String {
    match value {
        value if value >= 1.0 => format!("{value:.0}"),
        value => number::significant(value).trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale, about: usize) -> Vec<String> {
        let ticks = scale.ticks(about).into_iter();
        ticks.map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::linear([131.0, 146.0], false, (0.0, 100.0)).unwrap();
        assert_eq!(texts(&scale, 4), ["135", "140", "145"]);
        let scale = Scale::linear([0.31, 0.37], false, (0.0, 100.0)).unwrap();
        assert_eq!(texts(&scale, 3), ["0.32", "0.34", "0.36"]);
        let scale = Scale::linear([0.0, 23.4], true, (0.0, 100.0)).unwrap();
        assert_eq!(texts(&scale, 4), ["0", "5", "10", "15", "20"]);
        assert_eq!(scale.at(0.0), 0.0);
    }

    #[test]
    fn far_apart_values_are_shown_by_their_ratios() {
        let scale = Scale::fitting([7.3, 77.9], (0.0, 100.0)).unwrap();
        assert!(scale.is_logarithmic());
        assert_eq!(texts(&scale, 4), ["10", "20", "50"]);
        let scale = Scale::fitting([1.0, 50_000.0], (0.0, 100.0)).unwrap();
        assert_eq!(texts(&scale, 5), ["1", "10", "100", "1000", "10000"]);
        assert!(
            !Scale::fitting([7.3, 8.0], (0.0, 1.0))
                .unwrap()
                .is_logarithmic()
        );
        assert!(
            !Scale::fitting([0.0, 8.0], (0.0, 1.0))
                .unwrap()
                .is_logarithmic()
        );
        let small = Scale::fitting([0.012, 0.4], (0.0, 1.0)).unwrap();
        assert_eq!(texts(&small, 4), ["0.02", "0.05", "0.1", "0.2"]);
    }

    #[test]
    fn one_value_stands_in_the_middle_and_none_has_no_axis() {
        let scale = Scale::linear([40.0, 40.0], false, (0.0, 100.0)).unwrap();
        assert_eq!(scale.at(40.0), 50.0);
        assert!(
            Scale::linear([0.0], false, (0.0, 100.0))
                .unwrap()
                .at(0.0)
                .is_finite()
        );
        assert_eq!(Scale::fitting([f64::NAN], (0.0, 1.0)), None);
    }

    #[test]
    fn what_lies_beyond_is_drawn_at_the_end() {
        let scale = Scale::linear([0.0, 10.0], true, (100.0, 0.0)).unwrap();
        assert_eq!(scale.at(99.0), 0.0);
        assert_eq!(scale.at(-99.0), 100.0);
    }
}

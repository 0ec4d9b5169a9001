//! Numbers as people read them: three significant digits, the unit once, missing never zero.

use crate::measure::metric::{MetricDef, Scale, Unit};

/// Three significant digits, digits before the point always whole: `0.0457`, `3.20`, `45.7`,
/// `912`, `15904`.
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    // The exponent is read after rounding, so that 99.96 is `100` and not `100.0`.
    let rounded = format!("{value:.2e}");
    let exponent: i32 = rounded
        .rsplit_once('e')
        .and_then(|(_, digits)| digits.parse().ok())
        .expect("a number in scientific form has an exponent");
    let decimals = usize::try_from(2 - exponent).unwrap_or(0);
    format!("{value:.decimals$}")
}

/// A metric's number without its unit.
pub fn of_metric(value: f64, metric: Option<&MetricDef>) -> String {
    match metric.map(|metric| (metric.scale, metric.unit)) {
        Some((Scale::Proportion, Unit::One)) => share(value),
        _ => significant(value),
    }
}

/// A metric's number with its unit, for running text.
pub fn with_unit(value: f64, metric: Option<&MetricDef>) -> String {
    let number = of_metric(value, metric);
    match metric.map_or("", |metric| metric.unit.symbol()) {
        "" => number,
        unit => format!("{number} {unit}"),
    }
}

/// A fraction as a percentage: `8.02 %`, `23.1 %`.
pub fn percent(fraction: f64) -> String {
    let value = fraction * 100.0;
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} %")
}

/// A probability that draws gave: they never prove certainty.
pub fn probability(p: f64) -> String {
    match p {
        p if p > 0.9995 => "over 99.9 %".to_owned(),
        p if p < 0.0005 => "under 0.1 %".to_owned(),
        p => format!("{:.1} %", p * 100.0),
    }
}

/// A fraction that a person chose, as they would write it: `2 %`, `7.5 %`.
pub fn chosen_percent(fraction: f64) -> String {
    let text = format!("{:.4}", fraction * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// A share of 1. What is not all or nothing never prints as all: 0.9996 is `0.9996`.
fn share(value: f64) -> String {
    if value == 0.0 || value == 1.0 {
        return format!("{value:.0}");
    }
    (3..=6)
        .map(|decimals| format!("{value:.decimals$}"))
        .find(|text| !text.starts_with('1') || value > 1.0)
        .unwrap_or_else(|| "0.999999".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::metric::WorkloadKind;

    #[test]
    fn three_digits_count_and_whole_ones_are_kept() {
        let cases = [
            (0.0, "0"),
            (0.045_678, "0.0457"),
            (3.2, "3.20"),
            (45.678, "45.7"),
            (99.96, "100"),
            (911.6, "912"),
            (15_904.4, "15904"),
            (-4.214, "-4.21"),
            (f64::NAN, "-"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn a_share_below_one_never_prints_as_one() {
        let rate = WorkloadKind::KvCache
            .metrics()
            .iter()
            .find(|m| m.name == "success_rate");
        for (value, text) in [
            (1.0, "1"),
            (0.0, "0"),
            (0.5, "0.500"),
            (0.9996, "0.9996"),
            (0.999_999_9, "0.999999"),
        ] {
            assert_eq!(of_metric(value, rate), text);
        }
    }

    #[test]
    fn units_follow_the_number_in_running_text() {
        let ttft = WorkloadKind::KvCache.metrics().first();
        assert_eq!(with_unit(912.3, ttft), "912 ms");
        assert_eq!(percent(0.0802), "8.02 %");
        assert_eq!(percent(0.2314), "23.1 %");
        assert_eq!(percent(3.222), "322 %");
        assert_eq!(probability(1.0), "over 99.9 %");
        assert_eq!(probability(0.9512), "95.1 %");
        assert_eq!(probability(0.0), "under 0.1 %");
        assert_eq!(chosen_percent(0.07), "7 %");
        assert_eq!(chosen_percent(0.0), "0 %");
        assert_eq!(chosen_percent(0.125), "12.5 %");
    }
}

//! What a replay is asked to optimise and to demand: `METRIC:min[:WEIGHT]` and
//! `METRIC OP NUMBER`, before anybody knows which metrics there are.

use std::str::FromStr;

use crate::spec::experiment::{Comparison, Goal};

/// `METRIC:min[:WEIGHT]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectiveAsk {
    pub metric: String,
    pub goal: Goal,
    pub weight: f64,
}

impl FromStr for ObjectiveAsk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not METRIC:min or METRIC:max, with :WEIGHT or without");
        let goal = |word: &str| match word {
            "min" => Some(Goal::Min),
            "max" => Some(Goal::Max),
            _ => None,
        };
        let (head, last) = text.rsplit_once(':').ok_or_else(wrong)?;
        let (metric, goal, weight) = match goal(last) {
            Some(goal) => (head, goal, 1.0),
            None => {
                let (metric, word) = head.rsplit_once(':').ok_or_else(wrong)?;
                let goal = goal(word).ok_or_else(wrong)?;
                let weight: f64 = last.parse().map_err(|_| wrong())?;
                if !(weight.is_finite() && weight > 0.0) {
                    return Err(format!("the weight of `{text}` is not above 0"));
                }
                (metric, goal, weight)
            }
        };
        match metric.trim() {
            "" => Err(wrong()),
            metric => Ok(Self {
                metric: metric.to_owned(),
                goal,
                weight,
            }),
        }
    }
}

/// `METRIC OP NUMBER [UNIT]`.
#[derive(Debug, Clone, PartialEq)]
pub struct GateAsk {
    pub text: String,
    pub metric: String,
    pub comparison: Comparison,
    pub bound: f64,
}

impl FromStr for GateAsk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not METRIC OP NUMBER with one of < <= > >=");
        let at = text.find(['<', '>']).ok_or_else(wrong)?;
        let (metric, rest) = (text[..at].trim(), &text[at..]);
        let (comparison, rest) = [
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ]
        .into_iter()
        .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)))
        .ok_or_else(wrong)?;
        let rest = rest.trim();
        let units = ["ms", "tok/s", "req/s", "%", "s"];
        let unit = units
            .into_iter()
            .find(|unit| rest.ends_with(unit))
            .unwrap_or("");
        if unit == "s" {
            return Err(format!(
                "the bound of `{text}` must be in the metric's own unit"
            ));
        }
        let number = rest.strip_suffix(unit).unwrap_or(rest).trim();
        let bound: f64 = number.parse().map_err(|_| wrong())?;
        if metric.is_empty() || !bound.is_finite() {
            return Err(wrong());
        }
        Ok(Self {
            text: text.to_owned(),
            metric: metric.to_owned(),
            comparison,
            bound,
        })
    }
}

/// All that a replay is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    pub objectives: Vec<ObjectiveAsk>,
    pub gates: Vec<GateAsk>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_and_mistakes_named() {
        let read = |text: &str| text.parse::<ObjectiveAsk>();
        let one = read("kv-cache.ttft_ms.p50:min").unwrap();
        assert_eq!(
            (one.metric.as_str(), one.goal, one.weight),
            ("kv-cache.ttft_ms.p50", Goal::Min, 1.0)
        );
        let two = read("speed:max:2.5").unwrap();
        assert_eq!((two.goal, two.weight), (Goal::Max, 2.5));
        for wrong in ["x", "x:least", ":min", "x:min:heavy", "x:min:0", "x:min:-1"] {
            assert!(read(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn gates_are_read_and_mistakes_named() {
        let read = |text: &str| text.parse::<GateAsk>();
        let gate = read("success_rate >= 0.95").unwrap();
        assert_eq!(
            (gate.metric.as_str(), gate.comparison, gate.bound),
            ("success_rate", Comparison::GreaterOrEqual, 0.95)
        );
        assert_eq!(read("degradation_pct<20 %").unwrap().bound, 20.0);
        assert_eq!(read("ttft < 900 ms").unwrap().bound, 900.0);
        for wrong in ["x", "x = 3", "< 3", "x < much", "x < 3 s"] {
            assert!(read(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}

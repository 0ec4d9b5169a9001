//! `NODE.METRIC[.STAT]` and `NODE.METRIC[.STAT] OP NUMBER UNIT`, resolved against the workloads
//! of the file and the metrics that their kinds yield.

use std::ops::Range;

use crate::measure::metric::{
    Availability, MetricDef, MetricRef, Scale, Shape, Stat, Unit, WorkloadKind,
};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::experiment::Comparison;
use crate::spec::near::suggestion;
use crate::spec::read::walk::{Node, Reader, with_help};

/// A node that the file declares; without a kind when that is wrong, which is reported where
/// it stands.
pub(super) struct NodeName {
    pub name: String,
    pub kind: Option<WorkloadKind>,
    /// What it yields.
    pub metrics: Vec<MetricDef>,
}

/// A reference with what it refers to.
pub(super) struct Resolved {
    pub metric: MetricRef,
    pub def: MetricDef,
    /// What its node yields.
    pub others: Vec<MetricDef>,
}

/// A gate's condition.
pub(super) struct Condition {
    pub metric: MetricRef,
    pub comparison: Comparison,
    /// In the metric's unit.
    pub bound: f64,
}

/// A stretch of the text of one value, with its place in that text.
#[derive(Clone)]
pub(super) struct Part<'a> {
    pub text: &'a str,
    pub range: Range<usize>,
}

/// `OP NUMBER UNIT`.
pub(super) struct RightSide<'a> {
    /// `None` when it is wrong, which is reported.
    pub comparison: Option<Comparison>,
    pub number: f64,
    /// As it is written; empty for none.
    pub unit: &'a str,
    /// The place of number and unit.
    pub at: Span,
}

/// Where the comparison of a condition begins.
pub(super) fn operator(text: &str) -> Option<usize> {
    text.find(['<', '>', '=', '!'])
}

impl<'a> Part<'a> {
    pub fn of(whole: &'a str, range: Range<usize>) -> Self {
        let text = &whole[range.clone()];
        let start = range.start + text.len() - text.trim_start().len();
        let text = text.trim();
        Self {
            text,
            range: start..start + text.len(),
        }
    }
}

impl Reader<'_> {
    /// Resolves a reference that is a whole text value.
    pub fn metric(&mut self, node: &Node<'_>, nodes: &[NodeName]) -> Option<Resolved> {
        let text = node.get_ref().as_str()?;
        self.metric_part(node, text, Part::of(text, 0..text.len()), nodes)
    }

    fn metric_part(
        &mut self,
        node: &Node<'_>,
        text: &str,
        whole: Part<'_>,
        nodes: &[NodeName],
    ) -> Option<Resolved> {
        let mut parts = Vec::new();
        let mut start = whole.range.start;
        for piece in whole.text.split('.') {
            parts.push(Part::of(text, start..start + piece.len()));
            start += piece.len() + 1;
        }
        let (name, metric, stat) = match parts.as_slice() {
            [name, metric] => (name, metric, None),
            [name, metric, stat] => (name, metric, Some(stat)),
            _ => {
                let at = self.inside(node, text, whole.range);
                self.report(
                    Diagnostic::error(
                        at,
                        format!("`{}` is not a metric of a workload", whole.text),
                    )
                    .label("expected NODE.METRIC or NODE.METRIC.STAT"),
                );
                return None;
            }
        };
        let Some(found) = nodes.iter().find(|node| node.name == name.text) else {
            let at = self.inside(node, text, name.range.clone());
            let help = suggestion(
                name.text,
                nodes.iter().map(|node| node.name.as_str()),
                "workloads",
            );
            self.report_absence(with_help(
                Diagnostic::error(at, format!("no workload has the name `{}`", name.text)),
                help,
            ));
            return None;
        };
        let kind = found.kind?;
        let Some(def) = found.metrics.iter().find(|def| def.name == metric.text) else {
            let at = self.inside(node, text, metric.range.clone());
            let names = found.metrics.iter().map(|def| def.name.as_ref());
            let help = suggestion(metric.text, names, "its metrics");
            self.report(with_help(
                Diagnostic::error(
                    at,
                    format!(
                        "a {} workload yields no metric `{}`",
                        kind.name(),
                        metric.text
                    ),
                ),
                help,
            ));
            return None;
        };
        let stat = match (stat, def.shape) {
            (None, Shape::Distribution) => Some(Stat::P50),
            (None, Shape::Scalar) => None,
            (Some(stat), Shape::Scalar) => {
                let at = self.inside(node, text, stat.range.clone());
                self.report(
                    Diagnostic::error(
                        at,
                        format!(
                            "`{}` is one number for the node and has no `{}`",
                            def.name, stat.text
                        ),
                    )
                    .help(format!("write `{}.{}`", name.text, def.name)),
                );
                return None;
            }
            (Some(stat), Shape::Distribution) => match stat.text.parse::<Stat>() {
                Ok(stat) => Some(stat),
                Err(()) => {
                    let at = self.inside(node, text, stat.range.clone());
                    let help = suggestion(stat.text, Stat::ALL.map(Stat::name), "statistics");
                    self.report(with_help(
                        Diagnostic::error(at, format!("`{}` is not a statistic", stat.text)),
                        help,
                    ));
                    return None;
                }
            },
        };
        let metric = MetricRef {
            node: name.text.to_owned(),
            metric: def.name.to_string(),
            stat,
        };
        Some(Resolved {
            metric,
            def: def.clone(),
            others: found.metrics.clone(),
        })
    }

    /// Refuses a metric that cannot be optimised; true when it can.
    pub fn is_objective(&mut self, node: &Node<'_>, resolved: &Resolved) -> bool {
        let def = &resolved.def;
        let because = if def.scale != Scale::Ratio {
            "it may be 0, and a ranking works with ratios"
        } else if def.availability == Availability::ProvedOnly {
            "cells without a proved cache hit or miss, such as those with prefix caching off, can never have it"
        } else if resolved.metric.stat == Some(Stat::Sd) {
            "a spread may be 0, and one request has none"
        } else {
            return true;
        };
        let fit: Vec<String> = resolved
            .others
            .iter()
            .filter(|def| def.scale == Scale::Ratio && def.availability == Availability::EveryCell)
            .map(|def| format!("`{}`", def.name))
            .collect();
        self.report(
            Diagnostic::error(
                self.span(node.span()),
                format!("`{}` cannot be an objective: {because}", resolved.metric),
            )
            .help(format!(
                "use it in a gate, or optimise one of {}",
                fit.join(", ")
            )),
        );
        false
    }

    /// Reads a gate's condition.
    pub fn condition(&mut self, node: &Node<'_>, nodes: &[NodeName]) -> Option<Condition> {
        let text = node.get_ref().as_str()?;
        let Some(op_start) = operator(text) else {
            self.report(
                Diagnostic::error(self.span(node.span()), "this gate compares nothing")
                    .label("expected NODE.METRIC[.STAT] OP NUMBER UNIT, with OP one of < <= > >="),
            );
            return None;
        };
        let resolved = self.metric_part(node, text, Part::of(text, 0..op_start), nodes);
        let right = self.right_side(node, text, op_start)?;
        let resolved = resolved?;
        let bound = self.in_unit(right.at, &resolved.def, right.number, right.unit)?;
        Some(Condition {
            metric: resolved.metric,
            comparison: right.comparison?,
            bound,
        })
    }

    /// What stands from the comparison on.
    pub fn right_side<'a>(
        &mut self,
        node: &Node<'_>,
        text: &'a str,
        op_start: usize,
    ) -> Option<RightSide<'a>> {
        let rest = text[op_start..].trim_start_matches(['<', '>', '=', '!']);
        let op = Part::of(text, op_start..text.len() - rest.len());
        let comparison = match op.text {
            "<" => Some(Comparison::Less),
            "<=" => Some(Comparison::LessOrEqual),
            ">" => Some(Comparison::Greater),
            ">=" => Some(Comparison::GreaterOrEqual),
            other => {
                let at = self.inside(node, text, op.range.clone());
                self.report(
                    Diagnostic::error(at, format!("`{other}` is not a comparison"))
                        .label("expected one of < <= > >="),
                );
                None
            }
        };
        let bound = Part::of(text, text.len() - rest.len()..text.len());
        let digits = bound
            .text
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')));
        // An exponent belongs to the number, the e of a word does not.
        let digits = match digits {
            Some(at) if bound.text[at..].starts_with(['e', 'E']) => bound.text[at + 1..]
                .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+')))
                .map(|more| at + 1 + more)
                .unwrap_or(bound.text.len()),
            Some(at) => at,
            None => bound.text.len(),
        };
        let number = bound.text[..digits]
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite());
        let Some(number) = number else {
            let at = self.inside(node, text, bound.range.clone());
            self.report(
                Diagnostic::error(
                    at,
                    format!("`{}` is not a number with its unit", bound.text),
                )
                .label("expected a number"),
            );
            return None;
        };
        let unit = Part::of(text, bound.range.start + digits..bound.range.end).text;
        Some(RightSide {
            comparison,
            number,
            unit,
            at: self.inside(node, text, bound.range),
        })
    }

    /// The bound in the metric's own unit.
    pub fn in_unit(&mut self, at: Span, def: &MetricDef, number: f64, unit: &str) -> Option<f64> {
        let bound = match (def.unit, unit) {
            (Unit::Milliseconds, "ms") => number,
            (Unit::Milliseconds, "s") => number * 1000.0,
            (Unit::TokensPerSecond, "tok/s") | (Unit::Tokens, "tok") => number,
            (Unit::Percent, "%") => number,
            (Unit::PercentPerHour, "%/h") => number,
            (Unit::RequestsPerSecond, "req/s") => number,
            (Unit::One, "") => number,
            (Unit::One, "%") if def.scale == Scale::Proportion => number / 100.0,
            (expected, _) => {
                let message = if unit.is_empty() {
                    format!("the bound of `{}` needs its unit", def.name)
                } else {
                    format!("`{unit}` is not the unit of `{}`", def.name)
                };
                let symbol = expected.symbol();
                let (label, help) = match expected {
                    Unit::Milliseconds => (
                        "expected ms or s".to_owned(),
                        format!("write {number} ms or {number} s"),
                    ),
                    Unit::One if def.scale == Scale::Proportion => (
                        "expected a share of 1, or %".to_owned(),
                        format!("write {number} %"),
                    ),
                    Unit::One => ("expected no unit".to_owned(), format!("write {number}")),
                    Unit::TokensPerSecond
                    | Unit::Tokens
                    | Unit::Percent
                    | Unit::PercentPerHour
                    | Unit::RequestsPerSecond => (
                        format!("expected {symbol}"),
                        format!("write {number} {symbol}"),
                    ),
                };
                self.report(Diagnostic::error(at, message).label(label).help(help));
                return None;
            }
        };
        let top = if def.unit == Unit::Percent {
            100.0
        } else {
            1.0
        };
        let impossible = match def.scale {
            Scale::Proportion => !(0.0..=top).contains(&bound),
            Scale::Ratio => bound < 0.0,
            Scale::Signed => false,
        };
        if impossible {
            let (label, help) = match def.scale {
                Scale::Proportion => (
                    "expected a share from 0 % to 100 %".to_owned(),
                    (unit.is_empty() && (0.0..=100.0).contains(&number))
                        .then(|| format!("write {number} %")),
                ),
                Scale::Ratio | Scale::Signed => {
                    ("expected a number of at least 0".to_owned(), None)
                }
            };
            let found = Diagnostic::error(
                at,
                format!("`{}` can never be {number} {unit}", def.name).trim_end(),
            )
            .label(label);
            self.report(with_help(found, help));
            return None;
        }
        Some(bound)
    }
}

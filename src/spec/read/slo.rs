//! `METRIC[.STAT] OP NUMBER UNIT`: the bounds of a load, read as the conditions of gates are.

use crate::measure::metric::{Shape, Stat};
use crate::measure::slo::{Slo, SloMetric};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::near::suggestion;
use crate::spec::read::metric::{Part, operator};
use crate::spec::read::walk::{Field, Node, Reader, with_help};

impl Reader<'_> {
    /// The bounds that a key holds; `None` when one of them is wrong, which is reported.
    pub fn slos(&mut self, field: Field<'_>) -> Option<Vec<Slo>> {
        let before = self.diagnostics.len();
        let texts = self.texts(field);
        if texts.is_empty() && self.diagnostics.len() == before {
            let found = self.mismatch(field.key.name, field.node, "at least one bound");
            self.report(found.help(format!(
                "write {} = [\"ttft.p95 < 1500 ms\"]",
                field.key.name
            )));
        }
        let slos: Vec<Slo> = texts
            .into_iter()
            .filter_map(|(text, node)| self.slo(text, node))
            .collect();
        (self.diagnostics.len() == before).then_some(slos)
    }

    fn slo(&mut self, text: &str, node: &Node<'_>) -> Option<Slo> {
        let Some(op_start) = operator(text) else {
            self.report(
                Diagnostic::error(self.span(node.span()), "this bound compares nothing")
                    .label("expected METRIC[.STAT] OP NUMBER UNIT, with OP one of < <= > >="),
            );
            return None;
        };
        let bounded = self.bounded(text, node, Part::of(text, 0..op_start));
        let right = self.right_side(node, text, op_start)?;
        let (metric, stat) = bounded?;
        let bound = self.in_unit(right.at, &metric.definition(), right.number, right.unit)?;
        Some(Slo {
            metric,
            stat,
            comparison: right.comparison?,
            bound,
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    /// What stands before the comparison.
    fn bounded(
        &mut self,
        text: &str,
        node: &Node<'_>,
        whole: Part<'_>,
    ) -> Option<(SloMetric, Option<Stat>)> {
        let (name, stat) = match whole.text.split_once('.') {
            Some((name, stat)) => (name, Some(stat)),
            None => (whole.text, None),
        };
        let at = whole.range.start;
        let name_at = self.inside(node, text, at..at + name.len());
        let definitions = SloMetric::ALL.map(|metric| (metric, metric.definition()));
        let found = definitions.iter().find(|(_, def)| def.name == name);
        let Some((metric, definition)) = found else {
            let names = definitions.iter().map(|(_, def)| def.name.as_ref());
            let help = suggestion(name, names, "what a bound can be on");
            self.report(with_help(
                Diagnostic::error(name_at, format!("no bound can be on `{name}`")),
                help,
            ));
            return None;
        };
        let stat_at = stat.map(|stat| {
            let start = at + name.len() + 1;
            self.inside(node, text, start..start + stat.len())
        });
        let stat = match (definition.shape, stat, stat_at) {
            (Shape::Scalar, None, _) => None,
            (Shape::Scalar, Some(stat), at) => {
                let message = format!("`{name}` is one number and has no `{stat}`");
                self.report(Diagnostic::error(at, message).help(format!("write `{name}`")));
                return None;
            }
            (Shape::Distribution, None, _) => {
                // A gate takes the median; a bound that users feel is mostly not on it, so that
                // the file must say.
                self.report(
                    Diagnostic::error(name_at, format!("`{name}` needs a statistic"))
                        .help(format!("write `{name}.p95` or `{name}.p50`")),
                );
                return None;
            }
            (Shape::Distribution, Some(stat), at) => {
                let Ok(known) = stat.parse::<Stat>() else {
                    let help = suggestion(stat, Stat::ALL.map(Stat::name), "statistics");
                    let message = format!("`{stat}` is not a statistic");
                    self.report(with_help(Diagnostic::error(at, message), help));
                    return None;
                };
                Some(known)
            }
        };
        Some((*metric, stat))
    }
}

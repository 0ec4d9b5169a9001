//! What each living configuration is good and bad at, against the others that live.

use serde::Serialize;

use crate::decide::number;
use crate::decide::wanted::Role;
use crate::measure::metric::Scale;
use crate::outcome::Standing;
use crate::report::claims;
use crate::report::measures::{Estimated, MeasureView};
use crate::report::text::Prose;
use crate::report::view::{Row, View};
use crate::spec::experiment::Goal;

/// One living configuration.
#[derive(Debug, Clone, Serialize)]
pub struct Portrait {
    pub cell: String,
    pub strengths: Vec<Prose>,
    pub weaknesses: Vec<Prose>,
}

/// In the order of the table; empty where fewer than two configurations live.
pub fn portraits(view: &View) -> Vec<Portrait> {
    let living: Vec<usize> = (0..view.cells.len())
        .filter(|&at| lives(&view.cells[at]))
        .collect();
    if living.len() < 2 {
        return Vec::new();
    }
    let fields: Vec<Field> = view
        .measures
        .iter()
        .filter_map(|measure| metric_field(measure, &living))
        .chain(cache_field(view, &living))
        .collect();
    let portraits = living.iter().enumerate().map(|(position, &at)| {
        let row = &view.cells[at];
        let mut portrait = Portrait {
            cell: row.cell.clone(),
            strengths: Vec::new(),
            weaknesses: gates(row),
        };
        for field in &fields {
            match field.place(position, view.equivalence) {
                Some(Apart::Ahead(said)) => portrait.strengths.push(said),
                Some(Apart::Behind(said)) => portrait.weaknesses.push(said),
                None => {}
            }
        }
        portrait.weaknesses.extend(failed_requests(view, row));
        portrait.weaknesses.extend(alerts(view, row));
        portrait
    });
    portraits.collect()
}

/// It was measured and did not die; whether a gate holds is another matter.
fn lives(row: &Row) -> bool {
    match row.standing {
        Standing::Ranked | Standing::Rejected { .. } => row.tally.n_measured > 0,
        Standing::Infeasible { .. } | Standing::Skipped { .. } | Standing::Undecided { .. } => {
            false
        }
    }
}

/// One quantity over the living configurations.
struct Field {
    name: Prose,
    better: Goal,
    /// Lowest and highest that it may be, and how it is told; `None` where it is not known how
    /// sure it is.
    of: Vec<Option<Known>>,
}

struct Known {
    low: f64,
    high: f64,
    told: String,
}

enum Apart {
    Ahead(Prose),
    Behind(Prose),
}

impl Field {
    /// A configuration stands apart when it is clearly on one side of at least half of the
    /// others, and of more of them than it is on the other side of.
    fn place(&self, position: usize, margin: f64) -> Option<Apart> {
        let own = self.of[position].as_ref()?;
        let (mut n_better, mut n_worse, mut n) = (0, 0, 0);
        for (at, other) in self.of.iter().enumerate() {
            let Some(other) = other.as_ref().filter(|_| at != position) else {
                continue;
            };
            n += 1;
            let (below, above) = (
                clearly_below(own, other, margin),
                clearly_below(other, own, margin),
            );
            let (better, worse) = match self.better {
                Goal::Min => (below, above),
                Goal::Max => (above, below),
            };
            n_better += usize::from(better);
            n_worse += usize::from(worse);
        }
        let said = |word: &str, count: usize| {
            self.name.clone().words(format!(
                " {}: clearly {word} than {count} of {n} other{}",
                own.told,
                if n == 1 { "" } else { "s" }
            ))
        };
        match (n_better, n_worse) {
            (better, worse) if better > worse && 2 * better >= n => {
                Some(Apart::Ahead(said("better", better)))
            }
            (better, worse) if worse > better && 2 * worse >= n => {
                Some(Apart::Behind(said("worse", worse)))
            }
            _ => None,
        }
    }
}

/// Their intervals do not touch, and they differ by more than is the same to the user.
fn clearly_below(one: &Known, other: &Known, margin: f64) -> bool {
    let middle = |known: &Known| (known.low + known.high) / 2.0;
    one.high < other.low && middle(other) / middle(one) - 1.0 > margin
}

/// Of a metric that something asks for and that has intervals by ratios.
fn metric_field(measure: &MeasureView, living: &[usize]) -> Option<Field> {
    let definition = measure.definition.as_ref()?;
    if measure.role == Role::Other || definition.scale != Scale::Ratio {
        return None;
    }
    let known = |it: Estimated| {
        let (low, high) = it.interval?;
        let told = number::with_unit(it.mean, Some(definition));
        Some(Known { low, high, told })
    };
    Some(Field {
        name: Prose::name_first(&measure.metric),
        better: measure.better?,
        of: living
            .iter()
            .map(|&at| measure.estimates[at].and_then(known))
            .collect(),
    })
}

/// How many tokens fit into the KV cache, as the engines say themselves.
fn cache_field(view: &View, living: &[usize]) -> Option<Field> {
    let of: Vec<Option<Known>> = living
        .iter()
        .map(|&at| {
            let cell = &view.cells[at].cell;
            let engine = view.method.engines.iter().find(|it| it.cell == *cell)?;
            let (low, high) = (
                *engine.kv_cache_tokens.iter().min()?,
                *engine.kv_cache_tokens.iter().max()?,
            );
            let requests = match engine.max_model_len.as_slice() {
                [longest] if *longest > 0 => format!(
                    " ({} requests of full length)",
                    number::significant(low as f64 / *longest as f64)
                ),
                _ => String::new(),
            };
            Some(Known {
                low: low as f64,
                high: high as f64,
                told: format!("of {low} tokens{requests}"),
            })
        })
        .collect();
    of.iter().any(Option::is_some).then(|| Field {
        name: Prose::new("KV cache"),
        better: Goal::Max,
        of,
    })
}

fn gates(row: &Row) -> Vec<Prose> {
    let told = row.gate_results.iter().filter_map(|result| {
        let words = match (result.held, result.borderline) {
            (false, _) => "misses the gate ",
            (true, true) => "holds, and the next start may miss, the gate ",
            (true, false) => return None,
        };
        let sentence = Prose::new(words).name(&result.gate).words(": ");
        Some(sentence.extended(Some(Prose::quoted(&result.finding))))
    });
    told.collect()
}

fn failed_requests(view: &View, row: &Row) -> Option<Prose> {
    let (n, n_failed) = claims::requests(view, &row.cell);
    (n_failed > 0).then(|| Prose::new(format!("{n_failed} of {n} requests failed")))
}

/// Bounds of the cards that were passed: the first is told, further ones are counted.
fn alerts(view: &View, row: &Row) -> Option<Prose> {
    let machine = view.machine.as_ref()?;
    let mut alerts = machine.alerts.iter().filter(|it| it.cell == row.cell);
    let first = alerts.next()?;
    let more = match alerts.count() {
        0 => String::new(),
        1 => "; 1 more alert".to_owned(),
        n => format!("; {n} more alerts"),
    };
    Some(Prose::quoted(&first.text).words(more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{self, Numbers};
    use crate::report::view_of;

    fn told(cells: &[(&str, f64)], n: u32) -> Vec<Portrait> {
        let starts = cells.iter().flat_map(|&(cell, ms)| {
            (1..=n).map(move |number| {
                let wobble = 1.0 + 0.004 * f64::from(number % 3);
                fixture::measured(cell, number, Numbers::new(900.0, ms * wobble))
            })
        });
        view_of(&fixture::record(starts.collect())).advice.portraits
    }

    fn plain(said: &[Prose]) -> Vec<String> {
        said.iter().map(Prose::plain).collect()
    }

    /// Without the KV cache, which differs between the cells of the fixture.
    fn of_metrics(said: &[Prose]) -> Vec<String> {
        let said = plain(said).into_iter();
        said.filter(|it| !it.starts_with("KV cache")).collect()
    }

    fn sets_nothing_apart(told: &[Portrait]) -> bool {
        let mut told = told.iter();
        told.all(|it| of_metrics(&it.strengths).is_empty() && of_metrics(&it.weaknesses).is_empty())
    }

    #[test]
    fn a_strength_is_clear_against_at_least_half_of_the_others() {
        let told = told(&[("a", 80.0), ("b", 80.1), ("c", 120.0)], 3);
        let metric = "kv-cache.ttft_repeat_ms.p50";
        assert_eq!(
            of_metrics(&told[0].strengths),
            [format!(
                "{metric} 80.3 ms: clearly better than 1 of 2 others"
            )]
        );
        assert!(of_metrics(&told[1].weaknesses).is_empty());
        assert_eq!(
            of_metrics(&told[2].weaknesses),
            [format!("{metric} 120 ms: clearly worse than 2 of 2 others")]
        );
    }

    #[test]
    fn what_differs_by_less_than_the_margin_is_no_strength() {
        let told = told(&[("a", 80.0), ("b", 81.0)], 8);
        assert!(sets_nothing_apart(&told));
    }

    #[test]
    fn the_room_for_requests_is_what_the_engines_say() {
        let told = told(&[("a", 80.0), ("b", 81.0)], 1);
        assert_eq!(
            plain(&told[1].strengths),
            [
                "KV cache of 71872 tokens (1.75 requests of full length): clearly better than 1 of 1 other"
            ]
        );
    }

    #[test]
    fn single_starts_have_neither() {
        let told = told(&[("a", 80.0), ("b", 120.0)], 1);
        assert!(sets_nothing_apart(&told));
    }

    #[test]
    fn a_missed_gate_is_a_weakness_and_the_dead_have_no_portrait() {
        let told = view_of(&fixture::full()).advice.portraits;
        let names: Vec<&str> = told.iter().map(|it| it.cell.as_str()).collect();
        assert!(!names.contains(&"d") && names.contains(&"c"), "{names:?}");
        let rejected = told.iter().flat_map(|it| plain(&it.weaknesses));
        assert_eq!(
            rejected
                .filter(|it| it.starts_with("misses the gate"))
                .count(),
            1
        );
    }

    #[test]
    fn one_alone_is_compared_with_nobody() {
        assert!(told(&[("a", 80.0)], 3).is_empty());
    }
}

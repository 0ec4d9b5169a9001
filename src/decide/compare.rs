//! Two runs held against each other: of every configuration that both measured, what became of
//! it, and by how much each of its numbers moved. The unit is the start; differences of
//! conditions are named and forbid nothing but stand-ins beside real engines.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::decide::comparable::Yardstick;
use crate::decide::compare::between::{Sample, difference};
use crate::decide::conditions::{Change, Conditions};
use crate::decide::decision::{CellResult, Decision};
use crate::decide::fit::{Estimate, Observation};
use crate::decide::frame;
use crate::decide::reading::{self, Start};
use crate::decide::score::score;
use crate::decide::wanted::{self, Role, Wanted};
use crate::id::{CellId, RunId};
use crate::manifest::{Manifest, RunRecord};
use crate::measure::metric::{MetricDef, MetricRef, Scale, Unit};
use crate::outcome::Standing;
use crate::spec::experiment::{Experiment, Goal};

mod between;

/// Version of what `compare --format json` prints.
pub const FORMAT: u32 = 1;

/// One run against the reference.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    pub before: Named,
    pub now: Named,
    pub stand_in: bool,
    /// What is another one in the later named run.
    pub changes: Vec<Change>,
    /// Closer than this fraction is the same to the user.
    pub margin: f64,
    /// Configurations that both runs have.
    pub n_common: usize,
    /// Names of those that only one of them has.
    pub only_before: Vec<String>,
    pub only_now: Vec<String>,
    /// Configurations that stand otherwise now.
    pub fates: Vec<Fate>,
    /// Workloads that are not the same in both: none of their numbers is compared.
    pub unlike_workloads: Vec<String>,
    /// The objectives together first, where there are several.
    pub measures: Vec<Measure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    pub experiment: String,
    pub run: RunId,
}

/// A configuration that stands otherwise now, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fate {
    pub cell: String,
    pub before: String,
    pub now: String,
    /// It died in one of them and lived in the other.
    pub is_death: bool,
}

/// One number over all common configurations.
#[derive(Debug, Clone, Serialize)]
pub struct Measure {
    /// `None`: the score, all objectives together.
    pub metric: Option<String>,
    pub unit: &'static str,
    #[serde(skip)]
    pub definition: Option<MetricDef>,
    pub role: Role,
    /// `None` where nobody said which way is better.
    pub better: Option<Goal>,
    /// The change of the mean over all configurations that both measured; `None` for shares, and
    /// where there is only one.
    pub together: Option<Moved>,
    pub cells: Vec<Row>,
}

/// One configuration.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// As the later run calls it.
    pub cell: String,
    pub cell_id: CellId,
    /// `None` where it was not measured; of the score no number is shown.
    pub before: Option<Side>,
    pub now: Option<Side>,
    #[serde(flatten)]
    pub moved: Option<Moved>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Side {
    pub n: u32,
    pub mean: f64,
}

/// By how much, and what that is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moved {
    /// A fraction of the number before (0.03 is 3 % more); of shares and of what may be
    /// negative the plain difference. Of the score: 0.03 is 3 % worse.
    pub change: f64,
    /// 95 %.
    pub interval: Option<(f64, f64)>,
    pub call: Call,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    Better,
    Worse,
    /// Surely more, and nobody said whether that is good.
    Higher,
    Lower,
    /// The whole interval is within the margin.
    Same,
    CannotTell,
}

/// Why two runs are not compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "{stand_in} was measured with stand-in engines and {real} was not: no number of a stand-in says anything about a GPU"
    )]
    StandIn { stand_in: String, real: String },
    #[error(
        "{before} and {now} have no configuration in common: compare runs of one experiment, or of experiments whose cells have equal flags"
    )]
    NothingShared { before: String, now: String },
    #[error("{before} and {now} have no workload in common that asks the same: {unlike}")]
    NoWorkload {
        before: String,
        now: String,
        unlike: String,
    },
}

/// Holds `now` against `before`. What is to be better is as `now` says; `margin` stands in for
/// its own; `all` compares every metric of the workloads, not only what objectives, use cases
/// and gates name.
///
/// # Errors
/// When they share no configuration or no workload, or one of them alone is a rehearsal.
pub fn compare(
    before: &RunRecord,
    now: &RunRecord,
    margin: Option<f64>,
    all: bool,
) -> Result<Comparison, Refusal> {
    let (then, late) = (&before.manifest, &now.manifest);
    let named = |record: &RunRecord| Named {
        experiment: record.manifest.experiment.name.clone(),
        run: record.manifest.run.clone(),
    };
    let shown = |record: &RunRecord| record.manifest.run.to_string();
    if then.is_stand_in() != late.is_stand_in() {
        let (stand_in, real) = match then.is_stand_in() {
            true => (before, now),
            false => (now, before),
        };
        return Err(Refusal::StandIn {
            stand_in: shown(stand_in),
            real: shown(real),
        });
    }
    let (conditions, earlier) = (Conditions::of(late), Conditions::of(then));
    let unlike: Vec<String> = conditions.unlike(&earlier);
    let (decided_before, decided_now) = (Decision::of(before), Decision::of(now));
    let pairs: Vec<Pair<'_>> = decided_now
        .cells
        .iter()
        .filter_map(|now| {
            let mut cells = decided_before.cells.iter();
            let before = cells.find(|before| before.cell.id == now.cell.id)?;
            Some(Pair { before, now })
        })
        .collect();
    let only = |some: &Decision<'_>, others: &Decision<'_>| -> Vec<String> {
        let has = |id: &CellId| others.cells.iter().any(|other| other.cell.id == *id);
        let cells = some.cells.iter().filter(|cell| !has(&cell.cell.id));
        cells.map(|cell| cell.cell.name.clone()).collect()
    };
    if pairs.is_empty() {
        return Err(Refusal::NothingShared {
            before: shown(before),
            now: shown(now),
        });
    }
    let experiment = &late.experiment;
    let is_alike = |metric: &MetricRef| !unlike.contains(&metric.node);
    let mut workloads = experiment.workloads.iter();
    if workloads.all(|workload| unlike.contains(&workload.name)) {
        return Err(Refusal::NoWorkload {
            before: shown(before),
            now: shown(now),
            unlike: unlike.join(", "),
        });
    }
    let margin = margin.unwrap_or(experiment.run.equivalence);
    let sides = Sides {
        before: starts_of(&decided_before, &decided_before, then.experiment.clone()),
        now: starts_of(&decided_now, &decided_before, then.experiment.clone()),
        pairs: &pairs,
        margin,
    };
    let objectives = &experiment.objectives;
    let mut measures = Vec::new();
    if objectives.len() > 1 && objectives.iter().all(|one| is_alike(&one.metric)) {
        measures.push(sides.score(experiment));
    }
    for one in asked(experiment, late, all) {
        if is_alike(&one.metric) {
            measures.push(sides.measure(experiment, &one));
        }
    }
    Ok(Comparison {
        before: named(before),
        now: named(now),
        stand_in: late.is_stand_in(),
        changes: conditions.changes_since(&earlier),
        margin,
        n_common: pairs.len(),
        only_before: only(&decided_before, &decided_now),
        only_now: only(&decided_now, &decided_before),
        fates: pairs.iter().filter_map(Pair::fate).collect(),
        unlike_workloads: unlike,
        measures,
    })
}

impl Comparison {
    /// What the comparison comes to: the first measure, over all configurations together, or
    /// the only one.
    pub fn in_all(&self) -> Option<(&Measure, Moved, usize)> {
        let first = self.measures.first()?;
        let moved: Vec<Moved> = first.cells.iter().filter_map(|row| row.moved).collect();
        match (first.together, moved.as_slice()) {
            (Some(together), _) => Some((first, together, moved.len())),
            (None, [only]) => Some((first, *only, 1)),
            (None, _) => None,
        }
    }

    /// Calls of single configurations, of what objectives, use cases and gates name.
    pub fn n_called(&self, call: Call) -> usize {
        let named = self.measures.iter().filter(|one| one.role != Role::Other);
        let rows = named.flat_map(|one| &one.cells);
        rows.filter(|row| row.moved.is_some_and(|moved| moved.call == call))
            .count()
    }
}

/// A configuration of both runs.
struct Pair<'a> {
    before: &'a CellResult<'a>,
    now: &'a CellResult<'a>,
}

impl Pair<'_> {
    fn fate(&self) -> Option<Fate> {
        let name = |cell: &CellResult<'_>| frame::standing_name(&cell.standing);
        if name(self.before) == name(self.now) {
            return None;
        }
        let died = |cell: &CellResult<'_>| matches!(cell.standing, Standing::Infeasible { .. });
        let lived = |cell: &CellResult<'_>| cell.tally.lived();
        let told = |cell: &CellResult<'_>| {
            let class = frame::failure(cell).filter(|_| died(cell));
            let because = class
                .map(|failure| failure.class.name().to_owned())
                .or_else(|| frame::because(&cell.standing));
            match because {
                Some(because) => format!("{}: {because}", name(cell)),
                None => name(cell).to_owned(),
            }
        };
        Some(Fate {
            cell: self.now.cell.name.clone(),
            before: told(self.before),
            now: told(self.now),
            is_death: (died(self.before) && lived(self.now))
                || (lived(self.before) && died(self.now)),
        })
    }
}

/// What is compared: what the experiment names, and everything where that is asked for.
fn asked(experiment: &Experiment, manifest: &Manifest, all: bool) -> Vec<Wanted> {
    let mut asked = wanted::named_by(experiment);
    if all {
        for (_, metric) in frame::metrics(manifest) {
            wanted::add(&mut asked, &metric, Role::Other, None);
        }
    }
    asked
}

/// The starts of each cell that lived, held against what the reference's baseline did.
fn starts_of<'a>(
    decision: &Decision<'a>,
    reference: &Decision<'a>,
    experiment: Experiment,
) -> BTreeMap<CellId, Vec<Start<'a>>> {
    let yardstick = match reference.baseline {
        Some(index) => Yardstick::of(&experiment, &reference.cells[index].settled),
        None => Yardstick::default(),
    };
    let lived = decision.cells.iter().filter(|cell| cell.tally.lived());
    lived
        .map(|cell| {
            let starts = cell.starts.iter().cloned();
            let starts = starts.map(|start| start.against(&yardstick)).collect();
            (cell.cell.id.clone(), starts)
        })
        .collect()
}

type Starts<'a> = BTreeMap<CellId, Vec<Start<'a>>>;

struct Sides<'a> {
    before: Starts<'a>,
    now: Starts<'a>,
    pairs: &'a [Pair<'a>],
    margin: f64,
}

/// The numbers of one run on one scale: values to show, and a sample to compare.
struct Numbers {
    /// Place in the sample, and what is shown.
    cells: BTreeMap<CellId, (usize, Side)>,
    sample: Option<Sample>,
}

impl Numbers {
    /// `values` gives block, number to compare and number to show of each start.
    fn of(starts: &Starts<'_>, values: impl Fn(&[Start<'_>]) -> Vec<(u32, f64, f64)>) -> Self {
        let mut cells = BTreeMap::new();
        let mut observations = Vec::new();
        for (id, starts) in starts {
            let values = values(starts);
            if values.is_empty() {
                continue;
            }
            let cell = cells.len();
            let n = values.len();
            observations.extend(
                values
                    .iter()
                    .map(|&(block, y, _)| Observation { cell, block, y }),
            );
            let mean = values.iter().map(|(.., shown)| shown).sum::<f64>() / n as f64;
            cells.insert(id.clone(), (cell, Side { n: n as u32, mean }));
        }
        let is_finite = observations
            .iter()
            .all(|one: &Observation| one.y.is_finite());
        let sample =
            (is_finite && !cells.is_empty()).then(|| Sample::of(cells.len(), observations));
        Self { cells, sample }
    }
}

impl Sides<'_> {
    /// The score: all objectives together, each start for itself.
    fn score(&self, experiment: &Experiment) -> Measure {
        let of = |starts: &[Start<'_>]| {
            let scored = score(&experiment.objectives, starts);
            let starts = scored.map_or_else(|_| Vec::new(), |score| score.starts);
            starts
                .iter()
                .map(|start| (start.block, start.y, start.y))
                .collect()
        };
        let mut measure = self.made(
            (Numbers::of(&self.before, of), Numbers::of(&self.now, of)),
            Scale::Ratio,
            Some(Goal::Min),
        );
        for row in &mut measure.cells {
            (row.before, row.now) = (None, None);
        }
        measure
    }

    fn measure(&self, experiment: &Experiment, wanted: &Wanted) -> Measure {
        let metric = &wanted.metric;
        let definition = reading::definition(experiment, metric).cloned();
        let scale = definition.as_ref().map_or(Scale::Ratio, |one| one.scale);
        let of = |starts: &[Start<'_>]| {
            let starts = reading::undisturbed(starts, &[metric.node.as_str()]).into_iter();
            starts
                .filter_map(|start| {
                    let x = start.gated_value(metric, scale).ok()?;
                    let y = match scale {
                        Scale::Ratio => x.ln(),
                        Scale::Signed | Scale::Proportion => x,
                    };
                    Some((start.settled.block_key(), y, x))
                })
                .collect()
        };
        let made = self.made(
            (Numbers::of(&self.before, of), Numbers::of(&self.now, of)),
            scale,
            wanted.better,
        );
        Measure {
            metric: Some(metric.to_string()),
            unit: definition
                .as_ref()
                .map_or(Unit::One, |one| one.unit)
                .symbol(),
            definition,
            role: wanted.role,
            ..made
        }
    }

    fn made(
        &self,
        (before, now): (Numbers, Numbers),
        scale: Scale,
        better: Option<Goal>,
    ) -> Measure {
        let samples = before.sample.as_ref().zip(now.sample.as_ref());
        let of_cells = |cells: (&[usize], &[usize])| {
            let (then, late) = samples?;
            let (value, estimate) = difference((then, cells.0), (late, cells.1));
            Some(moved(value, estimate, scale, better, self.margin))
        };
        let mut both = (Vec::new(), Vec::new());
        let rows = self.pairs.iter().map(|pair| {
            let id = &pair.now.cell.id;
            let (then, late) = (before.cells.get(id), now.cells.get(id));
            let moved = then.zip(late).and_then(|((a, _), (b, _))| {
                both.0.push(*a);
                both.1.push(*b);
                of_cells((&[*a], &[*b]))
            });
            Row {
                cell: pair.now.cell.name.clone(),
                cell_id: id.clone(),
                before: then.map(|(_, side)| *side),
                now: late.map(|(_, side)| *side),
                moved,
            }
        });
        let cells: Vec<Row> = rows.collect();
        let together = match (scale, both.0.len()) {
            (Scale::Proportion, _) | (_, 0 | 1) => None,
            (Scale::Ratio | Scale::Signed, _) => of_cells((&both.0, &both.1)),
        };
        Measure {
            metric: None,
            unit: "",
            definition: None,
            role: Role::Objective,
            better,
            together,
            cells,
        }
    }
}

fn moved(
    value: f64,
    estimate: Option<Estimate>,
    scale: Scale,
    better: Option<Goal>,
    margin: f64,
) -> Moved {
    let ends = |estimate: Estimate| {
        (
            estimate.value - estimate.half,
            estimate.value + estimate.half,
        )
    };
    match scale {
        Scale::Ratio => {
            let within = |(low, high): (f64, f64)| {
                let bound = (1.0 + margin).ln();
                -bound < low && high < bound
            };
            let interval = estimate.map(ends);
            Moved {
                change: value.exp() - 1.0,
                interval: interval.map(|(low, high)| (low.exp() - 1.0, high.exp() - 1.0)),
                call: call(interval, within, better),
            }
        }
        Scale::Signed => {
            let interval = estimate.map(ends);
            Moved {
                change: value,
                interval,
                call: call(interval, |_| false, better),
            }
        }
        // Shares are not alike noisy from cell to cell: no interval.
        Scale::Proportion => Moved {
            change: value,
            interval: None,
            call: match value == 0.0 {
                true => Call::Same,
                false => Call::CannotTell,
            },
        },
    }
}

fn call(
    interval: Option<(f64, f64)>,
    is_same: impl Fn((f64, f64)) -> bool,
    better: Option<Goal>,
) -> Call {
    let Some((low, high)) = interval else {
        return Call::CannotTell;
    };
    let more = low > 0.0;
    match (is_same((low, high)), more || high < 0.0, better) {
        (true, ..) => Call::Same,
        (false, false, _) => Call::CannotTell,
        (false, true, None) if more => Call::Higher,
        (false, true, None) => Call::Lower,
        (false, true, Some(goal)) => match (goal == Goal::Max) == more {
            true => Call::Better,
            false => Call::Worse,
        },
    }
}

#[cfg(test)]
mod tests;

//! What mattered: what each axis, and each two together, did to the objectives.

use serde::Serialize;

use crate::decide::decision::Decision;
use crate::decide::effects::{Landscape, Step};
use crate::decide::fit::{Estimate, Fit, Observation};
use crate::matrix::cell::Cell;
use crate::report::table::{Kind, Table};
use crate::spec::experiment::Objective;
use crate::spec::flag::Knob;
use crate::spec::vllm_flags::short_name;

/// The effects on one objective; empty lists where the design cannot carry them.
#[derive(Debug, Clone, Serialize)]
pub struct MatteredView {
    pub metric: String,
    pub effects: Vec<EffectView>,
    pub interactions: Vec<EffectView>,
}

/// How many times as much the objective's number is after one change, or after the second of two
/// changes compared with what it does without the first.
#[derive(Debug, Clone, Serialize)]
pub struct EffectView {
    pub steps: Vec<StepView>,
    pub ratio: f64,
    /// 95 %.
    pub interval: (f64, f64),
    /// The interval leaves out 1.
    pub is_clear: bool,
    /// Pairs of configurations, or squares of four, that it is the mean of.
    pub n: u32,
}

#[derive(Debug, Clone, Serialize)]
pub struct StepView {
    pub axis: String,
    pub from: String,
    pub to: String,
}

/// Per objective of the experiment.
pub fn views(objectives: &[Objective], decision: &Decision<'_>) -> Vec<MatteredView> {
    let views = objectives.iter().map(|objective| view(objective, decision));
    views.collect()
}

fn view(objective: &Objective, decision: &Decision<'_>) -> MatteredView {
    let metric = objective.metric.to_string();
    let mut cells: Vec<&Cell> = Vec::new();
    let mut observations = Vec::new();
    // In the order of the file, whose first values are what changes are told from.
    for (result, rank) in decision.cells.iter().zip(&decision.ranking.ranks) {
        if rank.is_none() {
            continue;
        }
        let at = cells.len();
        observations.extend(result.starts.iter().filter_map(|start| {
            let value = start.value(&objective.metric).ok()?;
            Some(Observation {
                cell: at,
                block: start.settled.block_key(),
                y: value.ln(),
            })
        }));
        cells.push(result.cell);
    }
    let fit = Fit::of(cells.len(), observations);
    let Some(noise) = fit.noise() else {
        return MatteredView {
            metric,
            effects: Vec::new(),
            interactions: Vec::new(),
        };
    };
    let landscape = Landscape::of(&cells);
    let effects = landscape.effects(&fit, noise);
    let interactions = landscape.interactions(&fit, noise);
    MatteredView {
        metric,
        effects: effects
            .into_iter()
            .map(|effect| effect_view(&[effect.step], effect.estimate, effect.n_pairs))
            .collect(),
        interactions: interactions
            .into_iter()
            .map(|found| {
                effect_view(
                    &[found.steps.0, found.steps.1],
                    found.estimate,
                    found.n_squares,
                )
            })
            .collect(),
    }
}

fn effect_view(steps: &[Step<'_>], estimate: Estimate, n: u32) -> EffectView {
    let (ratio, low, high) = estimate.ratio();
    let steps = steps.iter().map(|step| StepView {
        axis: match step.knob {
            Knob::Flag(flag) => short_name(flag).to_owned(),
            Knob::Env(_) => step.knob.to_string(),
        },
        from: step.from.to_string(),
        to: step.to.to_string(),
    });
    EffectView {
        steps: steps.collect(),
        ratio,
        interval: (low, high),
        is_clear: estimate.is_clear(),
        n,
    }
}

/// Effects, then interactions; `None` where there are none.
pub fn table(view: &MatteredView) -> Option<Table> {
    let mut table = Table::default();
    table.column("change", Kind::Name);
    table.column("times as much", Kind::Number);
    table.column("95 % interval", Kind::Number);
    table.column("pairs or squares", Kind::Number);
    table.column("clear", Kind::Words);
    for effect in view.effects.iter().chain(&view.interactions) {
        let steps: Vec<String> = effect
            .steps
            .iter()
            .map(|step| format!("{} {} -> {}", step.axis, step.from, step.to))
            .collect();
        let (low, high) = effect.interval;
        let clear = match effect.is_clear {
            true => "yes",
            false => "no",
        };
        table.rows.push(vec![
            steps.join(", with "),
            format!("x{:.3}", effect.ratio),
            format!("x{low:.3} to x{high:.3}"),
            effect.n.to_string(),
            clear.to_owned(),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

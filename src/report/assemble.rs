//! From a run's record and its decision to the model of the report.

use crate::decide::decision::{CellResult, Decision, Ranking};
use crate::decide::reading;
use crate::decide::score::Spread;
use crate::decide::verdict::Verdict;
use crate::diagnose::Failure;
use crate::manifest::{Manifest, RunRecord};
use crate::outcome::{Outcome, Settled, Standing};
use crate::report::advice::{checklist, portraits, recommendations};
use crate::report::docker_run;
use crate::report::document::Beside;
use crate::report::stamp::Stamp;
use crate::report::text::Prose;
use crate::report::view::{
    Advice, AxisView, BlockView, DeathBrief, DeathView, Deploy, EngineView, FORMAT, Method,
    ObjectiveView, Place, Progress, ReusedView, Row, UseCaseRow, UseCaseView, View, Whole,
};
use crate::report::wording::Wording;
use crate::report::{
    atlas, attested, history, ledger, machine, mattered, measures, misfit, night, race, sway,
    tradeoff, workload,
};
use crate::spec::experiment::{Axis, Experiment, Objective};
use crate::spec::flag::{FlagValue, Knob};
use crate::spec::profile::BaseFlag;
use crate::spec::secret::is_secret_flag;
use crate::spec::vllm_flags::short_name;

/// Gathers everything that a report says.
pub fn view(record: &RunRecord, decision: &Decision<'_>, beside: &Beside) -> View {
    let manifest = &record.manifest;
    let experiment = &manifest.experiment;
    let wording = Wording { record, decision };
    let champion = decision.champion(&decision.ranking, experiment);
    let measures = measures::views(manifest, decision);
    let mut view = View {
        format: FORMAT,
        gridrun: manifest.gridrun.clone(),
        experiment: experiment.name.clone(),
        run: manifest.run.clone(),
        started_at: manifest.started_at,
        stand_in: manifest.is_stand_in(),
        speed: manifest.stand_in_speed(),
        stamp: Stamp::of(manifest),
        production: record.production.clone(),
        progress: Progress {
            ending: record.ending.clone(),
            n_cells: decision.cells.len(),
            n_skipped: n_skipped(decision),
            n_planned: decision.cells.len() as u32 * experiment.run.repeats,
            n_settled: record.settled.len() as u32,
            n_reused: record.settled.iter().filter(|s| s.origin.is_some()).count() as u32,
            missing: wording.missing(),
        },
        verdict: wording.verdict(),
        objectives: objectives(experiment, &experiment.objectives),
        axes: experiment
            .axes
            .iter()
            .map(|axis| axis_view(axis, decision))
            .collect(),
        baseline: decision
            .baseline
            .map(|index| decision.cells[index].cell.name.clone()),
        equivalence: experiment.run.equivalence,
        cells: decision
            .order
            .iter()
            .map(|&index| row(index, record, decision, champion))
            .collect(),
        sway: sway::view(experiment, decision, &decision.ranking),
        use_cases: decision
            .use_cases
            .iter()
            .map(|ranking| use_case(ranking, experiment, decision, &wording))
            .collect(),
        trade_offs: tradeoff::trade_offs(&measures, decision),
        measures,
        race: race::view(record),
        mattered: mattered::views(&experiment.objectives, decision),
        gates: experiment
            .gates
            .iter()
            .map(|gate| gate.text.clone())
            .collect(),
        gate_metrics: experiment
            .gates
            .iter()
            .map(|gate| reading::definition(experiment, &gate.metric).cloned())
            .collect(),
        workloads: workload::views(manifest, decision),
        deaths: deaths(decision, Ending::OfItsOwnMaking),
        atlas: atlas::atlas(&experiment.axes, decision),
        failures: deaths(decision, Ending::OfAnothers),
        machine: machine::view(&manifest.node_order, decision),
        misfits: misfit::view(decision, &decision.ranking),
        night: night::view(manifest, &record.settled),
        course: beside.course.clone(),
        history: history::view(manifest, &beside.past),
        validity: ledger::ledger(record, decision),
        attestation: attested::flags(decision),
        warnings: attested::warnings(decision),
        method: method(record, decision),
        deploy: match decision.verdict(experiment) {
            Verdict::Leader(lead) => Some(deploy(manifest, &decision.cells[lead.cell])),
            Verdict::NothingRanked { .. } => None,
        },
        advice: Advice::default(),
        imported: record.imported.clone(),
        folder: format!("results/{}/{}", experiment.name, manifest.run),
        whole: Whole::default(),
    };
    // It follows from everything else.
    view.advice = Advice {
        recommendations: recommendations(&view),
        portraits: portraits(&view),
        checklist: checklist(&view),
    };
    view
}

/// Where a cell stands in one ranking, seen from its first cell.
struct Distance {
    behind: Option<f64>,
    interval: Option<(f64, f64)>,
    is_same: bool,
}

impl Distance {
    fn of(index: usize, ranking: &Ranking<'_>, equivalence: f64) -> Self {
        let first = ranking.order.first().copied();
        let behind = first.and_then(|first| ranking.behind(index, first));
        let other = first.filter(|&first| first != index);
        let estimate = other.and_then(|first| ranking.confidence.behind(index, first));
        Self {
            behind: behind.map(|ratio| ratio - 1.0),
            interval: estimate.map(|estimate| {
                let (_, low, high) = estimate.ratio();
                (low - 1.0, high - 1.0)
            }),
            is_same: other.is_some() && behind.is_some_and(|ratio| ratio - 1.0 < equivalence),
        }
    }
}

fn n_skipped(decision: &Decision<'_>) -> u32 {
    let skipped = |cell: &&CellResult<'_>| matches!(cell.standing, Standing::Skipped { .. });
    decision.cells.iter().filter(skipped).count() as u32
}

fn objectives(experiment: &Experiment, objectives: &[Objective]) -> Vec<ObjectiveView> {
    let total: f64 = objectives.iter().map(|objective| objective.weight).sum();
    objectives
        .iter()
        .map(|objective| {
            let definition = reading::definition(experiment, &objective.metric);
            ObjectiveView {
                metric: objective.metric.to_string(),
                unit: definition.map_or("", |definition| definition.unit.symbol()),
                goal: objective.goal,
                weight: objective.weight / total,
                definition: definition.cloned(),
            }
        })
        .collect()
}

fn axis_view(axis: &Axis, decision: &Decision<'_>) -> AxisView {
    let mut values = decision
        .cells
        .iter()
        .map(|cell| coordinate(cell, &axis.knob));
    let first = values.next().flatten();
    let everywhere = first.clone().filter(|_| values.all(|value| value == first));
    AxisView {
        name: axis.knob.to_string(),
        short_name: match &axis.knob {
            Knob::Flag(flag) => short_name(flag).to_owned(),
            Knob::Env(_) => axis.knob.to_string(),
        },
        everywhere,
    }
}

fn coordinate(cell: &CellResult<'_>, knob: &Knob) -> Option<FlagValue> {
    let found = cell.cell.coordinates.iter().find(|(name, _)| name == knob);
    found.map(|(_, value)| value.clone())
}

fn row(index: usize, record: &RunRecord, decision: &Decision<'_>, champion: Option<usize>) -> Row {
    let experiment = &record.manifest.experiment;
    let cell = &decision.cells[index];
    let ranking = &decision.ranking;
    let distance = Distance::of(index, ranking, experiment.run.equivalence);
    Row {
        rank: ranking.ranks[index],
        cell: cell.cell.name.clone(),
        cell_id: cell.cell.id.clone(),
        axes: experiment
            .axes
            .iter()
            .map(|axis| coordinate(cell, &axis.knob))
            .collect(),
        standing: cell.standing.clone(),
        tally: cell.tally,
        objectives: spreads(&experiment.objectives, cell),
        score: ranking.score(index).map(|score| score.spread),
        behind_first: distance.behind,
        behind_interval: distance.interval,
        chance: ranking.confidence.chance(index),
        against_baseline: decision
            .baseline
            .and_then(|base| ranking.behind(base, index)),
        same_as_first: distance.is_same,
        dropped_after_block: race::dropped_after(record, &cell.cell.id),
        is_champion: champion == Some(index),
        place: place(index, ranking, champion, &distance),
        gate_results: cell.gates.clone(),
        death: brief(cell),
    }
}

fn spreads(objectives: &[Objective], cell: &CellResult<'_>) -> Vec<Option<Spread>> {
    objectives
        .iter()
        .map(|objective| Spread::over(&objective.metric, &cell.starts))
        .collect()
}

fn place(
    index: usize,
    ranking: &Ranking<'_>,
    champion: Option<usize>,
    distance: &Distance,
) -> Option<Place> {
    let rank = ranking.ranks[index]?;
    Some(match champion {
        Some(champion) if champion == index => Place::Champion,
        Some(_) if rank == 1 => Place::BestMean,
        None if rank == 1 => Place::Leader,
        _ if distance.is_same => Place::SameAsFirst,
        _ => Place::Ranked,
    })
}

/// The death of an infeasible cell, or the failure of one that was never measured.
fn brief(cell: &CellResult<'_>) -> Option<DeathBrief> {
    let wanted = match (cell.tally.n_died, cell.tally.n_measured) {
        (0, 0) => Ending::OfAnothers,
        (0, _) => return None,
        _ => Ending::OfItsOwnMaking,
    };
    let failure = cell
        .settled
        .iter()
        .rev()
        .find_map(|settled| wanted.failure(settled))?;
    Some(DeathBrief {
        class: failure.class,
        phase: failure.phase,
        stage: failure.stage,
        cause: failure.cause.clone(),
        explanation: failure.explanation.clone(),
    })
}

fn use_case(
    ranking: &Ranking<'_>,
    experiment: &Experiment,
    decision: &Decision<'_>,
    wording: &Wording<'_>,
) -> UseCaseView {
    let champion = decision.champion(ranking, experiment);
    let unscored = decision
        .cells
        .iter()
        .zip(&ranking.scores)
        .filter_map(|(cell, score)| {
            let because = &score.as_ref()?.as_ref().err()?.because;
            Some(Prose::name_first(&cell.cell.name).words(format!(": {because}")))
        });
    UseCaseView {
        name: ranking.name.unwrap_or_default().to_owned(),
        objectives: objectives(experiment, ranking.objectives),
        verdict: wording.use_case(ranking),
        cells: ranking
            .order
            .iter()
            .map(|&index| {
                let distance = Distance::of(index, ranking, experiment.run.equivalence);
                UseCaseRow {
                    rank: ranking.ranks[index],
                    cell: decision.cells[index].cell.name.clone(),
                    objectives: spreads(ranking.objectives, &decision.cells[index]),
                    behind_first: distance.behind,
                    behind_interval: distance.interval,
                    chance: ranking.confidence.chance(index),
                    same_as_first: distance.is_same,
                    is_champion: champion == Some(index),
                    place: place(index, ranking, champion, &distance),
                }
            })
            .collect(),
        unranked: unscored.collect(),
        sway: sway::view(experiment, decision, ranking),
    }
}

/// Which ends of attempts are asked for.
#[derive(Clone, Copy)]
enum Ending {
    OfItsOwnMaking,
    OfAnothers,
}

impl Ending {
    fn failure(self, settled: &Settled) -> Option<&Failure> {
        match (self, &settled.outcome) {
            (Self::OfItsOwnMaking, Outcome::Infeasible(failure))
            | (Self::OfAnothers, Outcome::Failed(failure)) => Some(failure),
            (
                Self::OfItsOwnMaking | Self::OfAnothers,
                Outcome::Measured(_)
                | Outcome::Infeasible(_)
                | Outcome::Failed(_)
                | Outcome::Cancelled,
            ) => None,
        }
    }
}

/// Attempts of one cell that ended alike are shown once, with the last one's log.
fn deaths(decision: &Decision<'_>, ending: Ending) -> Vec<DeathView> {
    let mut deaths: Vec<DeathView> = Vec::new();
    for &index in &decision.order {
        let cell = &decision.cells[index];
        for settled in &cell.settled {
            let Some(failure) = ending.failure(settled) else {
                continue;
            };
            let mut view = death(cell, settled, failure);
            let alike = deaths.iter().position(|other| {
                other.cell_id == view.cell_id
                    && other.class == view.class
                    && other.phase == view.phase
                    && other.stage == view.stage
                    && other.node == view.node
            });
            match alike {
                Some(known) => {
                    let known = &mut deaths[known];
                    view.starts.splice(0..0, known.starts.drain(..));
                    view.attempts.splice(0..0, known.attempts.drain(..));
                    view.node_after_ms
                        .splice(0..0, known.node_after_ms.drain(..));
                    *known = view;
                }
                None => deaths.push(view),
            }
        }
    }
    deaths
}

fn death(cell: &CellResult<'_>, settled: &Settled, failure: &Failure) -> DeathView {
    DeathView {
        cell: cell.cell.name.clone(),
        cell_id: cell.cell.id.clone(),
        starts: vec![settled.attempt.number.0],
        attempts: vec![settled.attempt.to_string()],
        class: failure.class,
        phase: failure.phase,
        stage: failure.stage,
        node: failure.node.clone(),
        node_after_ms: failure.node_after_ms.into_iter().collect(),
        explanation: failure.explanation.clone(),
        suggestion: failure.suggestion.clone(),
        cause: failure.cause.clone(),
        exit_code: failure.exit_code,
        oom_killed: failure.oom_killed,
        log_tail: failure.log_tail.clone(),
    }
}

fn method(record: &RunRecord, decision: &Decision<'_>) -> Method {
    let manifest = &record.manifest;
    let experiment = &manifest.experiment;
    let engine = &experiment.profile.engine;
    let starts = || decision.cells.iter().flat_map(|cell| &cell.starts);
    Method {
        engine_versions: distinct(starts().filter_map(|s| s.measured.engine.version.clone())),
        model: engine.model.clone(),
        image: engine.image.clone(),
        runtime: manifest.runtime.clone(),
        host: manifest.host.clone(),
        seed: experiment.run.seed,
        repeats: experiment.run.repeats,
        strategy: experiment.run.strategy,
        profile: experiment.profile.name.clone(),
        base_flags: engine
            .flags
            .iter()
            .map(|flag| (flag.name.to_string(), shown(flag)))
            .collect(),
        blocks: blocks(&record.settled),
        reused: reused(&record.settled),
        engines: decision
            .order
            .iter()
            .map(|&index| &decision.cells[index])
            .filter(|cell| !cell.starts.is_empty())
            .map(engine_view)
            .collect(),
        sources: manifest.sources.clone(),
    }
}

/// A flag's value, unless it is a secret.
fn shown(flag: &BaseFlag) -> FlagValue {
    match is_secret_flag(flag.name.as_str()) {
        true => FlagValue::Text("(hidden)".to_owned()),
        false => flag.value.clone(),
    }
}

fn engine_view(cell: &CellResult<'_>) -> EngineView {
    let engines = || cell.starts.iter().map(|start| &start.measured.engine);
    let ready: Vec<f64> = cell
        .starts
        .iter()
        .map(|s| s.measured.ready_after_ms)
        .collect();
    EngineView {
        cell: cell.cell.name.clone(),
        ready_after_ms: Spread::of(&ready),
        kv_cache_tokens: distinct(engines().filter_map(|engine| engine.kv_cache_tokens)),
        max_model_len: distinct(engines().filter_map(|engine| engine.max_model_len)),
        block_size: distinct(engines().filter_map(|engine| engine.block_size)),
    }
}

fn reused(settled: &[Settled]) -> Vec<ReusedView> {
    let reused = settled.iter().filter_map(|one| {
        let origin = one.origin.as_ref()?;
        Some(ReusedView {
            cell: one.cell_name.clone(),
            start: one.attempt.number.0,
            run: origin.run.clone(),
            attempt: origin.attempt.to_string(),
        })
    });
    reused.collect()
}

/// What this run started itself.
fn blocks(settled: &[Settled]) -> Vec<BlockView> {
    let mut blocks: Vec<BlockView> = Vec::new();
    for attempt in settled.iter().filter(|attempt| attempt.origin.is_none()) {
        match blocks.iter_mut().find(|block| block.block == attempt.block) {
            Some(block) => block.cells.push(attempt.cell_name.clone()),
            None => blocks.push(BlockView {
                block: attempt.block,
                cells: vec![attempt.cell_name.clone()],
            }),
        }
    }
    blocks.sort_by_key(|block| block.block);
    blocks
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}

fn deploy(manifest: &Manifest, cell: &CellResult<'_>) -> Deploy {
    let mut deploy = docker_run::deploy(&manifest.experiment.profile, cell.cell);
    if manifest.is_stand_in() {
        deploy.notes.insert(
            0,
            Prose::new(
                "Stand-in engines were measured: this is the command that the profile would run \
                 for real, and nothing here says how it would fare.",
            ),
        );
    } else if let Some(digest) = &manifest.runtime.image_digest {
        let sentence = Prose::new("A tag can move; the image that was measured is ");
        deploy.notes.insert(0, sentence.name(digest).words("."));
    }
    deploy
}

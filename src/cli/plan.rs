//! `gridrun plan FILE`: what a run would do, without doing it.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::cli::args::{Format, PlanArgs};
use crate::cli::{check, host, source};
use crate::exit::Exit;
use crate::manifest::HostFacts;
use crate::matrix::cell::{Cell, SetBy, Setting};
use crate::measure::metric::WorkloadKind;
use crate::outcome::{Measured, Outcome};
use crate::plan::ageing;
use crate::plan::check::Checked;
use crate::plan::estimate::{Ageing, Basis, Estimate, Pace, estimate, rounded};
use crate::spec::experiment::{Pruning, Strategy};
use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::profile::{RuntimeChoice, StandInProfile};
use crate::spec::vllm_flags::{Rendered, render};
use crate::store::layout::runs;
use crate::store::record;

/// A start of vLLM with a model of a few gigabytes: weights, compilation, graphs.
const ASSUMED_START: Duration = Duration::from_secs(120);
/// One node of some dozen requests.
const ASSUMED_NODE: Duration = Duration::from_secs(30);
const ASSUMED_STAND_IN_NODE: Duration = Duration::from_secs(2);

pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<Exit> {
    let checked = match source::load(&args.file)? {
        Ok(checked) => checked,
        Err(rejected) => return Ok(check::reject(&rejected)),
    };
    check::print(&checked.warnings, &checked.sources);
    let estimate = time(&checked, &args.results);
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => writeln!(out, "{:#}", as_json(&checked, &estimate))?,
        Format::Text => write!(out, "{}", as_text(&checked, &estimate))?,
    }
    Ok(Exit::Success)
}

fn n_starts(checked: &Checked) -> u32 {
    u32::try_from(checked.cells.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(checked.experiment.run.repeats)
}

fn as_json(checked: &Checked, estimate: &Estimate) -> serde_json::Value {
    json!({
        "experiment": checked.experiment.name,
        "profile": checked.experiment.profile.name,
        "cells": checked.cells,
        "excluded": checked.excluded.iter()
            .map(|excluded| json!({ "cell": excluded.cell, "reason": excluded.reason }))
            .collect::<Vec<_>>(),
        "folded": checked.folded.iter()
            .map(|folded| json!({ "places": folded.places, "into": folded.into }))
            .collect::<Vec<_>>(),
        "node_order": checked.node_order,
        "repeats": checked.experiment.run.repeats,
        "n_starts": n_starts(checked),
        "strategy": checked.experiment.run.strategy,
        "prune": checked.experiment.run.pruning,
        "retries_invalid": checked.experiment.run.retries_invalid,
        "deadline": checked.experiment.run.deadline.map(|deadline| json!({
            "seconds": deadline.as_secs_f64(),
            "n_starts_within": estimate.n_within(deadline),
        })),
        "estimate": { "seconds": estimate.total.as_secs_f64(), "text": estimate.to_string() },
    })
}

fn as_text(checked: &Checked, estimate: &Estimate) -> String {
    let experiment = &checked.experiment;
    let mut text = format!(
        "{} with profile {}\n\n",
        experiment.name, experiment.profile.name
    );
    text += &base(checked);
    text += &format!("{}:\n", count(checked.cells.len(), "cell"));
    for cell in &checked.cells {
        text += &one_cell(cell);
    }
    if !checked.excluded.is_empty() {
        text += &format!("\nexcluded, {}:\n", count(checked.excluded.len(), "cell"));
        for excluded in &checked.excluded {
            let reason = excluded.reason.as_deref().unwrap_or("no reason given");
            text += &format!("  {}: {reason}\n", excluded.cell);
        }
    }
    for folded in &checked.folded {
        text += &format!(
            "\none configuration, run once as {}: {}\n",
            folded.into,
            folded.places.join(", ")
        );
    }
    text += "\nnodes, in order:\n";
    for name in &checked.node_order {
        let Some(workload) = experiment
            .workloads
            .iter()
            .find(|workload| workload.name == *name)
        else {
            continue;
        };
        let after: Vec<&str> = workload
            .after
            .iter()
            .map(|predecessor| predecessor.node.as_str())
            .collect();
        let after = if after.is_empty() {
            String::new()
        } else {
            format!(" after {}", after.join(", "))
        };
        let once = match workload.is_ageing() {
            true => ", once for each cell, in its start of the last block",
            false => "",
        };
        text += &format!("  {name} ({}){after}{once}\n", workload.kind().name());
    }
    let repeats = experiment.run.repeats;
    text += &format!(
        "\n{} x {}: {estimate}\n",
        count(checked.cells.len(), "cell"),
        count(repeats as usize, "repeat"),
    );
    if let Some(deadline) = experiment.run.deadline {
        let n_cells = u32::try_from(checked.cells.len()).unwrap_or(u32::MAX);
        text += &format!(
            "deadline {}: {}\n",
            rounded(deadline),
            room(estimate, deadline, n_cells)
        );
    }
    text += match experiment.run.strategy {
        Strategy::Exhaustive => "every cell that lives is started in every block\n",
        Strategy::Race => {
            "from the second block on, a cell that is surely worse than the margin is started no \
             more, and nothing once all is decided (strategy = \"race\"): the time is the most that \
             it can be\n"
        }
    };
    text += match experiment.run.pruning {
        Pruning::ByProof => {
            "a cell that the death of another proves dead is not started (prune = true)\n"
        }
        Pruning::Off => "every cell is started, whatever dies before it (prune = false)\n",
    };
    text
}

/// What a deadline has time for, if everything lives.
fn room(estimate: &Estimate, deadline: Duration, n_cells: u32) -> String {
    let n = estimate.n_within(deadline);
    if n >= estimate.n_starts {
        return "room for all of it".to_owned();
    }
    let blocks = n.checked_div(n_cells).unwrap_or(0);
    format!(
        "room for about {n} of {}, {}",
        count(estimate.n_starts as usize, "start"),
        match blocks {
            0 => "so not every cell is started once".to_owned(),
            blocks => format!(
                "so every cell is started {}",
                match blocks {
                    1 => "once".to_owned(),
                    blocks => format!("{blocks} times"),
                }
            ),
        }
    )
}

/// What every cell gets unless something sets it otherwise.
fn base(checked: &Checked) -> String {
    let flags = &checked.experiment.profile.engine.flags;
    if flags.is_empty() {
        return String::new();
    }
    let mut text = "base flags of every cell (from the profile):\n".to_owned();
    for flag in flags {
        text += &format!(
            "  {}\n",
            shown(
                &flag.name,
                &Setting {
                    value: flag.value.clone(),
                    by: SetBy::Base
                }
            )
        );
    }
    text + "\n"
}

fn one_cell(cell: &Cell) -> String {
    let mut text = format!("  {} [{}]\n", cell.name, cell.id);
    for (name, setting) in cell
        .flags
        .iter()
        .filter(|(_, setting)| setting.by != SetBy::Base)
    {
        text += &format!("    {}\n", shown(name, setting));
    }
    for (name, setting) in &cell.env {
        text += &match setting.value {
            FlagValue::Default => format!("    {name} is not set ({})\n", setting.by),
            _ => format!("    {name}={} ({})\n", setting.value, setting.by),
        };
    }
    if let Some(memory) = cell.memory {
        text += &format!("    memory limit {} (cell)\n", bytesize::ByteSize(memory));
    }
    text
}

/// The flag as the engine gets it, with who set it.
fn shown(name: &FlagName, setting: &Setting) -> String {
    match render(name, &setting.value) {
        Rendered::Args(args) => format!("{} ({})", shell_words::join(args), setting.by),
        Rendered::LeftOut { why } => format!(
            "{name} = {} ({}): not passed, {why}",
            setting.value, setting.by
        ),
    }
}

pub(super) fn count(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

/// How long it will take: by what earlier runs of this experiment measured, else by what their
/// absence leaves to assume.
fn time(checked: &Checked, results: &Path) -> Estimate {
    let n_cells = u32::try_from(checked.cells.len()).unwrap_or(u32::MAX);
    time_of(checked, results, n_starts(checked), n_cells)
}

/// The time of so many starts, of which so many carry the `age` nodes.
pub(super) fn time_of(checked: &Checked, results: &Path, n_starts: u32, n_ageing: u32) -> Estimate {
    let workloads = checked.experiment.workloads.iter();
    let usual = workloads.filter(|workload| !workload.is_ageing());
    let n_nodes = u32::try_from(usual.count()).unwrap_or(u32::MAX);
    let engine = &checked.experiment.profile.engine;
    let (start, node) = match (engine.runtime, &checked.experiment.profile.stand_in) {
        (RuntimeChoice::StandIn, Some(StandInProfile { start_up, .. })) => {
            (*start_up, ASSUMED_STAND_IN_NODE)
        }
        (RuntimeChoice::StandIn, None) | (RuntimeChoice::Docker, _) => {
            (ASSUMED_START, ASSUMED_NODE)
        }
    };
    let earlier = earlier_attempts(checked, results);
    let pace = |assumed: Duration, of: fn(&(Duration, Duration)) -> Duration| match u32::try_from(
        earlier.len(),
    ) {
        Ok(n) if n > 0 => Pace {
            each: earlier.iter().map(of).sum::<Duration>() / n,
            basis: Basis::Measured { from_n_attempts: n },
        },
        _ => Pace {
            each: assumed,
            basis: Basis::Assumed,
        },
    };
    estimate(
        n_starts,
        n_nodes,
        pace(start, |(start, _)| *start),
        pace(node * n_nodes, |(_, nodes)| *nodes),
        Ageing {
            n_starts: n_ageing,
            each: ageing::lasts(&checked.experiment),
        },
    )
}

/// Start and nodes of each measured attempt of the latest run of this experiment with the same
/// kind of engine. Results that cannot be read are as good as none here.
fn earlier_attempts(checked: &Checked, results: &Path) -> Vec<(Duration, Duration)> {
    let rehearsal = checked.experiment.profile.engine.runtime == RuntimeChoice::StandIn;
    let here = host::facts(Vec::new());
    runs(results)
        .iter()
        .rev()
        .filter_map(|dir| record::read(dir).ok())
        .filter(|run| run.manifest.experiment.name == checked.experiment.name)
        .filter(|run| run.manifest.runtime.stand_in == rehearsal)
        // What the machine itself needs, starting containers for one, is stretched in a faster run.
        .filter(|run| run.manifest.speed.is_one())
        // What another machine needed says nothing about this one.
        .filter(|run| {
            let machine = &run.manifest.host;
            // A plan asks no driver which cards there are.
            HostFacts {
                gpus: Vec::new(),
                ..machine.clone()
            } == here
        })
        .map(|run| {
            run.settled
                .iter()
                .filter_map(|settled| match &settled.outcome {
                    Outcome::Measured(measured) => Some(split(settled.took_ms, measured)),
                    Outcome::Infeasible(_) | Outcome::Failed(_) | Outcome::Cancelled => None,
                })
                .collect::<Vec<_>>()
        })
        .find(|attempts| !attempts.is_empty())
        .unwrap_or_default()
}

fn split(took_ms: f64, measured: &Measured) -> (Duration, Duration) {
    let seconds = |ms: f64| Duration::from_secs_f64((ms / 1e3).max(0.0));
    let of = |ages: bool| -> f64 {
        let nodes = measured.nodes.iter();
        let nodes = nodes.filter(|node| (node.kind == WorkloadKind::Age) == ages);
        nodes.filter_map(|node| node.took_ms).sum()
    };
    (seconds(took_ms - of(true) - of(false)), seconds(of(false)))
}

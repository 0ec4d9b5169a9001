//! The part of a report on the machine: what the cards, the host and the engine's container did
//! beside each node, per cell, and which bounds were passed.

use serde::Serialize;

use crate::decide::decision::{CellResult, Decision};
use crate::decide::number;
use crate::measure::profiling::{Alert, AlertKind, GpuBrief, Level, ProfilingBrief, Watched};
use crate::measure::sample::GpuCard;
use crate::report::table::{Kind, MISSING, Table};
use crate::report::view::{Remark, StartName};

/// What was watched.
#[derive(Debug, Clone, Serialize)]
pub struct MachineView {
    /// The watched cards; empty where there were none.
    pub gpus: Vec<GpuCard>,
    /// Why there were none.
    pub without_gpus: Option<String>,
    /// In the order in which nodes run.
    pub nodes: Vec<MachineNode>,
    /// The worst of each kind per node, cell and card.
    pub alerts: Vec<AlertView>,
    pub notes: Vec<Remark>,
}

#[derive(Debug, Clone, Serialize)]
pub struct MachineNode {
    pub node: String,
    /// In the order of the table of all cells.
    pub cells: Vec<MachineCell>,
}

/// One node of one cell: means are over its starts, maxima the highest of all.
#[derive(Debug, Clone, Serialize)]
pub struct MachineCell {
    pub cell: String,
    pub n_starts: u32,
    /// Means and preemptions are means over the starts.
    #[serde(flatten)]
    pub watched: Watched,
}

#[derive(Debug, Clone, Serialize)]
pub struct AlertView {
    pub node: String,
    pub cell: String,
    pub gpu: u32,
    pub kind: AlertKind,
    pub value: f64,
    pub bound: f64,
    pub starts: Vec<u32>,
    pub text: String,
}

/// `None` where nothing was sampled: in runs of older versions, and where no engine was started.
pub fn view(node_order: &[String], decision: &Decision<'_>) -> Option<MachineView> {
    let cells: Vec<(&CellResult<'_>, Vec<Sampled<'_>>)> = decision
        .order
        .iter()
        .map(|&index| &decision.cells[index])
        .map(|cell| (cell, sampled(cell)))
        .collect();
    let first = cells.iter().flat_map(|(_, starts)| starts).next()?;
    let nodes = node_order.iter().map(|node| MachineNode {
        node: node.clone(),
        cells: cells
            .iter()
            .filter_map(|(cell, starts)| machine_cell(node, cell, starts))
            .collect(),
    });
    Some(MachineView {
        gpus: first.brief.cards.clone(),
        without_gpus: first.brief.without_gpus.clone(),
        nodes: nodes.filter(|node| !node.cells.is_empty()).collect(),
        alerts: cells
            .iter()
            .flat_map(|(cell, starts)| alerts(cell, starts))
            .collect(),
        notes: notes(&cells),
    })
}

/// One start with what was sampled beside it.
struct Sampled<'a> {
    start: u32,
    brief: &'a ProfilingBrief,
}

fn sampled<'a>(cell: &CellResult<'a>) -> Vec<Sampled<'a>> {
    cell.settled
        .iter()
        .filter_map(|settled| {
            Some(Sampled {
                start: settled.attempt.number.0,
                brief: settled.profiling.as_deref()?,
            })
        })
        .collect()
}

fn machine_cell(node: &str, cell: &CellResult<'_>, starts: &[Sampled<'_>]) -> Option<MachineCell> {
    let briefs: Vec<&Watched> = starts
        .iter()
        .filter_map(|start| start.brief.nodes.iter().find(|brief| brief.node == node))
        .map(|brief| &brief.watched)
        .collect();
    let first = briefs.first()?;
    let level = |of: fn(&Watched) -> Option<Level>| over(briefs.iter().map(|brief| of(brief)));
    let names: Vec<&String> = briefs
        .iter()
        .flat_map(|brief| brief.states.keys())
        .collect();
    let watched = Watched {
        n_samples: briefs.iter().map(|brief| brief.n_samples).sum(),
        states: names
            .into_iter()
            .filter_map(|name| {
                // A start that was never in the state was so for none of its time.
                let shares = briefs.iter().filter(|brief| !brief.states.is_empty());
                let shares = shares.map(|brief| brief.states.get(name).copied().or(Some(0.0)));
                Some((name.clone(), mean(shares)?))
            })
            .collect(),
        gpus: first
            .gpus
            .iter()
            .map(|gpu| {
                let all: Vec<&GpuBrief> = briefs
                    .iter()
                    .flat_map(|brief| &brief.gpus)
                    .filter(|other| other.index == gpu.index)
                    .collect();
                gpu_over(gpu.index, &all)
            })
            .collect(),
        host_cpu_pct: level(|brief| brief.host_cpu_pct),
        host_memory_bytes: level(|brief| brief.host_memory_bytes),
        engine_cpu_pct: level(|brief| brief.engine_cpu_pct),
        engine_memory_bytes: level(|brief| brief.engine_memory_bytes),
        requests_running: level(|brief| brief.requests_running),
        requests_waiting: level(|brief| brief.requests_waiting),
        kv_cache_pct: level(|brief| brief.kv_cache_pct),
        preemptions: mean(briefs.iter().map(|brief| brief.preemptions)),
    };
    Some(MachineCell {
        cell: cell.cell.name.clone(),
        n_starts: briefs.len() as u32,
        watched,
    })
}

fn gpu_over(index: u32, all: &[&GpuBrief]) -> GpuBrief {
    let level = |of: fn(&GpuBrief) -> Option<Level>| over(all.iter().map(|gpu| of(gpu)));
    GpuBrief {
        index,
        utilisation_pct: level(|gpu| gpu.utilisation_pct),
        memory_used_bytes: level(|gpu| gpu.memory_used_bytes),
        temperature_c: level(|gpu| gpu.temperature_c),
        power_w: level(|gpu| gpu.power_w),
        sm_clock_mhz: level(|gpu| gpu.sm_clock_mhz),
        energy_j: mean(all.iter().map(|gpu| gpu.energy_j)),
    }
}

fn over(levels: impl Iterator<Item = Option<Level>>) -> Option<Level> {
    let levels: Vec<Level> = levels.flatten().collect();
    Some(Level {
        mean: mean(levels.iter().map(|level| Some(level.mean)))?,
        max: levels.iter().map(|level| level.max).reduce(f64::max)?,
    })
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn alerts(cell: &CellResult<'_>, starts: &[Sampled<'_>]) -> Vec<AlertView> {
    let mut views: Vec<(Alert, Vec<u32>)> = Vec::new();
    for start in starts {
        for alert in &start.brief.alerts {
            let alike = views.iter_mut().find(|(known, _)| {
                (&known.node, known.gpu, known.kind) == (&alert.node, alert.gpu, alert.kind)
            });
            match alike {
                Some((known, numbers)) => {
                    numbers.push(start.start);
                    if off(alert) > off(known) {
                        *known = alert.clone();
                    }
                }
                None => views.push((alert.clone(), vec![start.start])),
            }
        }
    }
    views
        .into_iter()
        .map(|(alert, starts)| AlertView {
            text: alert.text(),
            node: alert.node,
            cell: cell.cell.name.clone(),
            gpu: alert.gpu,
            kind: alert.kind,
            value: alert.value,
            bound: alert.bound,
            starts,
        })
        .collect()
}

/// How far beyond its bound.
fn off(alert: &Alert) -> f64 {
    (alert.value - alert.bound).abs()
}

fn notes(cells: &[(&CellResult<'_>, Vec<Sampled<'_>>)]) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = Vec::new();
    let mut add = |text: String, start: StartName| match remarks
        .iter_mut()
        .find(|remark| remark.text == text)
    {
        Some(remark) => remark.starts.push(start),
        None => remarks.push(Remark {
            text,
            starts: vec![start],
        }),
    };
    for (cell, starts) in cells {
        for Sampled { start, brief } in starts {
            let name = || StartName {
                cell: cell.cell.name.clone(),
                start: *start,
            };
            for note in &brief.notes {
                add(note.clone(), name());
            }
            // One or two are the machine's breath; more is a hole.
            if brief.n_missed > brief.n_samples / 20 {
                let text = format!(
                    "{} of {} beats passed without a sample: the machine was too busy, or suspended",
                    brief.n_missed,
                    brief.n_missed + brief.n_samples
                );
                add(text, name());
            }
        }
    }
    remarks
}

/// The cards beside one node; `None` where none was watched.
pub fn cards(node: &MachineNode) -> Option<Table> {
    let rows: Vec<(&MachineCell, &GpuBrief)> = node
        .cells
        .iter()
        .flat_map(|cell| cell.watched.gpus.iter().map(move |gpu| (cell, gpu)))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    for header in [
        "GPU",
        "utilisation, mean / max",
        "memory, max (GiB)",
        "max (°C)",
        "power, mean / max (W)",
        "SM clock, mean (MHz)",
        "energy (kJ)",
    ] {
        table.column(header, Kind::Number);
    }
    table.rows = rows
        .into_iter()
        .map(|(cell, gpu)| {
            vec![
                cell.cell.clone(),
                gpu.index.to_string(),
                both(gpu.utilisation_pct, whole, " %"),
                shown(gpu.memory_used_bytes.map(|level| gib(level.max))),
                shown(gpu.temperature_c.map(|level| whole(level.max))),
                both(gpu.power_w, whole, ""),
                shown(gpu.sm_clock_mhz.map(|level| whole(level.mean))),
                shown(gpu.energy_j.map(|joules| number::significant(joules / 1e3))),
            ]
        })
        .collect();
    Some(table)
}

/// Host and engine beside one node.
pub fn host(node: &MachineNode) -> Table {
    let mut table = Table::default();
    table.column("configuration", Kind::Name);
    for header in [
        "samples",
        "prefill / decode / mixed",
        "engine CPU, mean / max",
        "engine memory, max (GiB)",
        "KV cache, max",
        "running / waiting, max",
        "preemptions",
        "host CPU, mean / max",
        "host memory, max (GiB)",
    ] {
        table.column(header, Kind::Number);
    }
    table.rows = node
        .cells
        .iter()
        .map(|cell| {
            let watched = &cell.watched;
            let share = |state| {
                let share = watched.states.get(state).copied().unwrap_or(0.0);
                whole(100.0 * share)
            };
            let states = match watched.states.is_empty() {
                true => MISSING.to_owned(),
                false => format!(
                    "{} / {} / {} %",
                    share("prefill"),
                    share("decode"),
                    share("mixed")
                ),
            };
            let most = |level: Option<Level>| shown(level.map(|level| whole(level.max)));
            let requests = match (watched.requests_running, watched.requests_waiting) {
                (None, None) => MISSING.to_owned(),
                (running, waiting) => format!("{} / {}", most(running), most(waiting)),
            };
            vec![
                cell.cell.clone(),
                watched.n_samples.to_string(),
                states,
                both(watched.engine_cpu_pct, whole, " %"),
                shown(watched.engine_memory_bytes.map(|level| gib(level.max))),
                shown(
                    watched
                        .kv_cache_pct
                        .map(|level| format!("{} %", whole(level.max))),
                ),
                requests,
                shown(watched.preemptions.map(number::significant)),
                both(watched.host_cpu_pct, whole, " %"),
                shown(watched.host_memory_bytes.map(|level| gib(level.max))),
            ]
        })
        .collect();
    table
}

fn shown(text: Option<String>) -> String {
    text.unwrap_or_else(|| MISSING.to_owned())
}

fn both(level: Option<Level>, number: fn(f64) -> String, unit: &str) -> String {
    shown(level.map(|level| {
        let (mean, max) = (number(level.mean), number(level.max));
        format!("{mean}{unit} / {max}{unit}")
    }))
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn gib(bytes: f64) -> String {
    number::significant(bytes / f64::from(1 << 30))
}

#[cfg(test)]
mod tests;

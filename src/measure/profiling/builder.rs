//! Sums samples up as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::measure::activity::EngineState;
use crate::measure::profiling::alert::{AlertBounds, alerts};
use crate::measure::profiling::brief::{NodeBrief, ProfilingBrief};
use crate::measure::profiling::flaw::{Flaw, SLOWED_DOWN_AT_MOST};
use crate::measure::profiling::state::StateSums;
use crate::measure::profiling::summary::{Card, NodeProfiling, Profiling};
use crate::measure::sample::{CardMemory, GpuCard, GpuProcess, Owner, Sample};
use crate::time_scale::TimeScale;

/// So many beats without a reading are bridged when power is summed up to energy.
const BRIDGED: u32 = 3;

/// Remarks of one kind that are kept word for word.
const REMARKS: usize = 8;

/// The samples of one attempt, summed up.
#[derive(Debug, Clone)]
pub struct ProfilingBuilder {
    cards: Vec<GpuCard>,
    without_gpus: Option<String>,
    beat: Duration,
    bounds: AlertBounds,
    scale: TimeScale,
    stand_in: bool,
    n_missed: u64,
    ready_ns: Option<u64>,
    over_all: StateSums,
    /// In the order in which they ran.
    nodes: Vec<NodeSums>,
    last: Option<Sample>,
    /// By card: whether it answered when it was asked last.
    answers: Vec<bool>,
    /// By card: bytes in use when it was read last.
    memory: Vec<Option<u64>>,
    notes: Notes,
    /// Of the start: cards that held more memory than before the first start of the run.
    not_settled: Vec<Flaw>,
    /// By card: the first process that is not the engine's, whenever it was seen.
    strangers: BTreeMap<u32, GpuProcess>,
}

#[derive(Debug, Clone)]
struct NodeSums {
    node: String,
    states: BTreeMap<EngineState, StateSums>,
    /// By card and process, as first seen.
    strangers: BTreeMap<(u32, u32), GpuProcess>,
}

/// Remarks, each once and not without end.
#[derive(Debug, Clone, Default)]
struct Notes {
    kept: Vec<String>,
    seen: BTreeSet<(u32, u32)>,
    n_left_out: u64,
}

impl Notes {
    fn push(&mut self, text: String) {
        if self.kept.len() < REMARKS {
            self.kept.push(text);
        } else {
            self.n_left_out += 1;
        }
    }
}

impl ProfilingBuilder {
    /// `cards` are the watched ones; `without_gpus` says why there are none.
    pub fn new(
        cards: Vec<GpuCard>,
        without_gpus: Option<String>,
        beat: Duration,
        bounds: AlertBounds,
        scale: TimeScale,
        stand_in: bool,
    ) -> Self {
        Self {
            answers: vec![true; cards.len()],
            memory: vec![None; cards.len()],
            cards,
            without_gpus,
            beat,
            bounds,
            scale,
            stand_in,
            n_missed: 0,
            ready_ns: None,
            over_all: StateSums::default(),
            nodes: Vec::new(),
            last: None,
            notes: Notes::default(),
            not_settled: Vec::new(),
            strangers: BTreeMap::new(),
        }
    }

    /// The card held so much more memory before the start than before the first one of the run.
    pub fn not_settled(&mut self, gpu: u32, more_bytes: u64) {
        self.not_settled.push(Flaw::NotSettled { gpu, more_bytes });
    }

    /// The engine was proved ready, so long after it was ordered.
    pub fn ready(&mut self, at_ns: u64) {
        self.ready_ns = Some(at_ns);
    }

    pub fn ready_ns(&self) -> Option<u64> {
        self.ready_ns
    }

    /// The watched cards.
    pub fn cards(&self) -> &[GpuCard] {
        &self.cards
    }

    pub fn missed(&mut self, beats: u64) {
        self.n_missed += beats;
    }

    pub fn push(&mut self, sample: Sample) {
        self.watch(&sample);
        let gap = u64::try_from((self.beat * BRIDGED).as_nanos()).unwrap_or(u64::MAX);
        self.over_all.push(&sample, self.last.as_ref(), gap);
        if let (Some(node), Some(state)) = (&sample.node, sample.state()) {
            let before = self
                .last
                .as_ref()
                .filter(|last| last.node.as_ref() == Some(node));
            let position = match self.nodes.iter().position(|sums| sums.node == *node) {
                Some(position) => position,
                None => {
                    self.nodes.push(NodeSums::new(node));
                    self.nodes.len() - 1
                }
            };
            let sums = &mut self.nodes[position];
            sums.states
                .entry(state)
                .or_default()
                .push(&sample, before, gap);
            sums.meet(&sample, &self.cards);
        }
        self.last = Some(sample);
    }

    /// Notes what befalls the cards themselves.
    fn watch(&mut self, sample: &Sample) {
        let Some(gpus) = &sample.gpus else { return };
        for (memory, reading) in self.memory.iter_mut().zip(gpus) {
            let used = reading
                .as_ref()
                .and_then(|reading| reading.memory_used_bytes);
            *memory = used.or(*memory);
        }
        let at = seconds(sample.at_ns);
        for ((card, answers), reading) in self.cards.iter().zip(&mut self.answers).zip(gpus) {
            let gpu = card.index;
            match (*answers, reading.is_some()) {
                (true, false) => self.notes.push(format!(
                    "GPU {gpu} stopped answering {at} s after the engine was ordered"
                )),
                (false, true) => self
                    .notes
                    .push(format!("GPU {gpu} answered again after {at} s")),
                (true, true) | (false, false) => {}
            }
            *answers = reading.is_some();
            let processes = reading
                .iter()
                .flat_map(|reading| &reading.processes)
                .flatten();
            for process in processes {
                let what = match process.owner {
                    Owner::Engine => continue,
                    Owner::Stranger if process.disturbs() => {
                        self.strangers.entry(gpu).or_insert_with(|| process.clone());
                        continue;
                    }
                    Owner::Stranger => "shows a desktop there and is taken for harmless",
                    Owner::Unknown => "cannot be told to be the engine's or not",
                };
                if self.notes.seen.insert((gpu, process.pid)) {
                    self.notes.push(format!("GPU {gpu}: {process} {what}"));
                }
            }
        }
    }

    /// Why a node measured something else than its configuration; empty for a valid one.
    pub fn flaws(&self, node: &str) -> Vec<Flaw> {
        let mut flaws = self.not_settled.clone();
        if let Some(sums) = self.nodes.iter().find(|sums| sums.node == node) {
            flaws.extend(sums.flaws(&self.cards));
        }
        flaws
    }

    /// Why the cards' memory was not the engine's alone.
    fn not_alone(&self) -> Vec<String> {
        let strangers = self.strangers.iter().map(|(gpu, process)| Flaw::Stranger {
            gpu: *gpu,
            process: process.clone(),
        });
        let not_settled = self.not_settled.iter().cloned();
        not_settled
            .chain(strangers)
            .map(|flaw| flaw.text())
            .collect()
    }

    /// The memory of each card by the last sample that has it: what was in use when an engine
    /// died, or up to a beat before.
    pub fn card_memory(&self) -> Vec<CardMemory> {
        let cards = self.cards.iter().zip(&self.memory);
        cards
            .filter_map(|(card, used)| {
                Some(CardMemory {
                    index: card.index,
                    used: (*used)?,
                    total: card.memory_total_bytes,
                })
            })
            .collect()
    }

    pub fn profiling(&self) -> Profiling {
        let mut notes = self.notes.kept.clone();
        if self.notes.n_left_out > 0 {
            notes.push(format!("{} more such remarks", self.notes.n_left_out));
        }
        for sums in &self.nodes {
            notes.extend(sums.remarks(&self.cards));
        }
        Profiling {
            format: Profiling::FORMAT,
            stand_in: self.stand_in,
            beat_ms: self.beat.as_secs_f64() * 1e3,
            n_samples: self.over_all.n_samples,
            n_missed: self.n_missed,
            ready_after_ms: self.ready_ns.map(|ready| ready as f64 / 1e6),
            gpus: self
                .cards
                .iter()
                .enumerate()
                .map(|(position, card)| Card::of(card, self.over_all.summary(position, card)))
                .collect(),
            without_gpus: self.without_gpus.clone(),
            nodes: self
                .nodes
                .iter()
                .map(|sums| (sums.node.clone(), self.node(sums)))
                .collect(),
            alerts: self
                .nodes
                .iter()
                .flat_map(|sums| {
                    let (working, all) = (sums.working(), sums.all());
                    alerts(&sums.node, &self.cards, &working, &all, &self.bounds)
                })
                .collect(),
            bounds: self.bounds,
            notes,
        }
    }

    fn node(&self, sums: &NodeSums) -> NodeProfiling {
        let all = sums.all();
        let whole = all.time_ns;
        NodeProfiling {
            all: all.profile(&self.cards, whole, self.scale),
            states: sums
                .states
                .iter()
                .map(|(state, sums)| {
                    let profile = sums.profile(&self.cards, whole, self.scale);
                    (state.name().to_owned(), profile)
                })
                .collect(),
            flaws: self.flaws(&sums.node).iter().map(Flaw::text).collect(),
        }
    }

    /// What the journal keeps of it.
    pub fn brief(&self) -> ProfilingBrief {
        let profile = self.profiling();
        ProfilingBrief {
            cards: self.cards.clone(),
            without_gpus: profile.without_gpus,
            beat_ms: profile.beat_ms,
            n_samples: profile.n_samples,
            n_missed: profile.n_missed,
            nodes: self
                .nodes
                .iter()
                .map(|sums| {
                    let shares = self.node(sums).states;
                    let shares = shares
                        .into_iter()
                        .filter_map(|(state, profile)| Some((state, profile.share?)))
                        .collect();
                    NodeBrief::of(
                        &sums.node,
                        shares,
                        &self.cards,
                        &sums.working(),
                        &sums.all(),
                    )
                })
                .collect(),
            alerts: profile.alerts,
            notes: profile.notes,
            not_alone: self.not_alone(),
        }
    }
}

impl NodeSums {
    fn new(node: &str) -> Self {
        Self {
            node: node.to_owned(),
            states: BTreeMap::new(),
            strangers: BTreeMap::new(),
        }
    }

    /// Remembers whoever disturbs.
    fn meet(&mut self, sample: &Sample, cards: &[GpuCard]) {
        for (position, card) in cards.iter().enumerate() {
            let processes = sample
                .gpu(position)
                .and_then(|reading| reading.processes.as_ref());
            for process in processes.into_iter().flatten().filter(|one| one.disturbs()) {
                // Whoever starts processes without end is told by the first of them.
                if self.strangers.len() < REMARKS {
                    let key = (card.index, process.pid);
                    self.strangers.entry(key).or_insert_with(|| process.clone());
                }
            }
        }
    }

    fn all(&self) -> StateSums {
        self.sum(|_| true)
    }

    /// With requests in flight.
    fn working(&self) -> StateSums {
        self.sum(EngineState::is_working)
    }

    fn sum(&self, wanted: impl Fn(EngineState) -> bool) -> StateSums {
        let mut sum = StateSums::default();
        for (_, sums) in self.states.iter().filter(|(state, _)| wanted(**state)) {
            sum.merge(sums);
        }
        sum
    }

    fn flaws(&self, cards: &[GpuCard]) -> Vec<Flaw> {
        let strangers = self
            .strangers
            .iter()
            .map(|((gpu, _), process)| Flaw::Stranger {
                gpu: *gpu,
                process: process.clone(),
            });
        let all = self.all();
        let slowed = cards.iter().enumerate().filter_map(|(position, card)| {
            let slowdown = all.slowdown(position)?;
            (slowdown.share > SLOWED_DOWN_AT_MOST).then_some(Flaw::SlowedDown {
                gpu: card.index,
                reasons: slowdown.reasons,
                share: slowdown.share,
            })
        });
        strangers.chain(slowed).collect()
    }

    /// What does not make the node invalid and must be known.
    fn remarks(&self, cards: &[GpuCard]) -> Vec<String> {
        let all = self.all();
        let node = &self.node;
        let mut remarks = Vec::new();
        for (position, card) in cards.iter().enumerate() {
            let gpu = card.index;
            if let Some(slowdown) = all.slowdown(position)
                && slowdown.share <= SLOWED_DOWN_AT_MOST
            {
                remarks.push(format!(
                    "`{node}`: GPU {gpu} slowed down in {:.1} % of the samples ({}), too few to matter",
                    100.0 * slowdown.share,
                    slowdown.reasons.names().join(", ")
                ));
            }
            if let Some(share) = all.power_capped(position) {
                remarks.push(format!(
                    "`{node}`: GPU {gpu} ran into its power limit in {:.0} % of the samples",
                    (100.0 * share).max(1.0)
                ));
            }
        }
        remarks
    }
}

fn seconds(ns: u64) -> String {
    format!("{:.1}", ns as f64 / 1e9)
}

//! What a scenario does to the steps of an engine: some take longer than they should, and one
//! may be the last.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::spec::scenario::{AgeingUnit, FaultSpec, LoadTrigger};
use crate::stand_in::engine::clock::Pace;
use crate::stand_in::engine::scheduler::{SequenceId, Step};
use crate::stand_in::engine::time::{Moment, Time};
use crate::stand_in::scenario::draw::Draw;
use crate::stand_in::scenario::faults::Faults;
use crate::stand_in::scenario::life::{End, Life};

/// The pace of an engine with faults.
pub struct FaultyPace {
    life: Arc<Life>,
    /// Loads that fill the card, and the end that follows.
    limits: Vec<(LoadTrigger, End)>,
    noises: Vec<(f64, Draw)>,
    ageing: Vec<(f64, AgeingUnit)>,
    time: Time,
    since: Moment,
    n_requests: u64,
    /// The factors of the requests that run.
    factors: HashMap<SequenceId, f64>,
}

impl FaultyPace {
    /// Of an engine that serves from now on. `full` is the end of one whose card is full, by how
    /// long its server lingers.
    pub fn new(
        faults: &Faults,
        life: Arc<Life>,
        time: Time,
        full: impl Fn(Duration) -> End,
    ) -> Self {
        Self {
            life,
            limits: faults
                .each(|spec, _| match spec {
                    FaultSpec::GpuOomUnderLoad { trigger, lingers } => Some((*trigger, *lingers)),
                    _ => None,
                })
                .map(|(trigger, lingers)| (trigger, full(lingers)))
                .collect(),
            noises: faults
                .each(|spec, draw| match spec {
                    FaultSpec::RequestNoise { sd } => Some((*sd, draw.clone())),
                    _ => None,
                })
                .collect(),
            ageing: faults
                .each(|spec, _| match spec {
                    FaultSpec::Ageing { loss, per } => Some((*loss, *per)),
                    _ => None,
                })
                .collect(),
            time,
            since: time.now(),
            n_requests: 0,
            factors: HashMap::new(),
        }
    }

    /// By how much the age of the engine lengthens a step.
    fn age(&self) -> f64 {
        self.ageing
            .iter()
            .map(|(loss, per)| {
                let n = match per {
                    AgeingUnit::Minute => self.time.since(self.since).as_secs_f64() / 60.0,
                    AgeingUnit::ThousandRequests => self.n_requests as f64 / 1000.0,
                };
                (1.0 - loss).powf(-n)
            })
            .product()
    }

    /// By how much the requests of a step lengthen it: the mean of their factors.
    fn noise(&mut self, step: &Step) -> f64 {
        if self.noises.is_empty() || step.batch.is_empty() {
            return 1.0;
        }
        let noises = &self.noises;
        self.factors.retain(|id, _| step.batch.contains(id));
        let sum: f64 = step
            .batch
            .iter()
            .map(|id| {
                *self.factors.entry(*id).or_insert_with(|| {
                    noises
                        .iter()
                        .map(|(sd, draw)| draw.factor(*sd, "speed", *id))
                        .product()
                })
            })
            .sum();
        sum / step.batch.len() as f64
    }
}

impl Pace for FaultyPace {
    fn factor(&mut self, step: &Step) -> f64 {
        let over = |trigger: &LoadTrigger| match trigger {
            LoadTrigger::Running(n) => step.batch.len() >= *n as usize,
            LoadTrigger::BatchTokens(n) => step.tokens >= *n as usize,
            LoadTrigger::After(_) => false,
        };
        if let Some((_, end)) = self.limits.iter().find(|(trigger, _)| over(trigger)) {
            self.life.end(*end);
        }
        // Ids count from 0.
        let newest = step.batch.iter().max().map_or(0, |id| id + 1);
        self.n_requests = self.n_requests.max(newest);
        self.noise(step) * self.age()
    }
}

//! Carries a plan out, attempt after attempt. Sole owner of the run's state.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::decide::race;
use crate::diagnose::{Consequence, FailureClass};
use crate::event::EventKind;
use crate::id::{AttemptId, AttemptNo, CellId};
use crate::manifest::{Manifest, RunEnding};
use crate::matrix::cell::Cell;
use crate::measure::profiling::ProfilingBuilder;
use crate::outcome::{Outcome, Race, Settled, Skip};
use crate::plan::ageing;
use crate::plan::blocks::{PlannedAttempt, remaining};
use crate::plan::proof;
use crate::plan::redo::Redo;
use crate::runner::attempt::{Aftermath, Attempt, AttemptError, Ended};
use crate::runner::cancel::Cancel;
use crate::runner::card_memory::{self, Reading};
use crate::runner::deadline::Deadline;
use crate::runner::meter::{Gpu, Host};
use crate::runner::ports::{Journal, Launch, Load, Runtime, RuntimeError, StoreError};
use crate::runner::recorder::Recorder;
use crate::spec::flag::FlagValue;
use crate::spec::vllm_flags::{Rendered, render};

/// How long a vanished runtime is awaited. A Docker upgrade takes a minute or two.
const RUNTIME_RETURNS_WITHIN: Duration = Duration::from_secs(600);

/// Pause between two looks for a vanished runtime; longer with every loss in a row.
const LOOK_FOR_RUNTIME_EVERY: Duration = Duration::from_secs(2);

/// A runtime that answers and loses every engine is not worth a night of starts.
const LOSSES_IN_A_ROW: u32 = 4;

/// How long GPU memory may take to come back after a stop: an orphaned engine core can hold
/// the card without holding the port.
const MEMORY_RETURNS_WITHIN: Duration = Duration::from_secs(120);

/// Pause between two looks for it.
const LOOK_FOR_MEMORY_EVERY: Duration = Duration::from_secs(1);

/// What the dispatcher works with.
pub struct Dispatcher<'a, R, L, J> {
    pub runtime: &'a R,
    pub load: &'a L,
    pub gpu: Arc<dyn Gpu>,
    pub host: Arc<dyn Host>,
    pub recorder: Recorder<J>,
    pub cancel: &'a Cancel,
    pub manifest: &'a Manifest,
    /// All attempts of the run, in order.
    pub plan: &'a [PlannedAttempt],
    /// What earlier processes settled already.
    pub settled: Vec<Settled>,
    /// What earlier runs settled for this one, and its journal does not have yet.
    pub reused: Vec<Settled>,
    /// What earlier processes found need not be started.
    pub skipped: Vec<Skip>,
    /// What racing made of it so far.
    pub race: Race,
    /// Makes the throw-away key of each attempt.
    pub new_key: &'a (dyn Fn() -> String + Send + Sync),
    /// The cards before the first start of this process; `None` before that.
    pub level: Option<Reading>,
}

/// An attempt that was settled.
struct Over {
    aftermath: Aftermath,
    attempt: AttemptId,
    /// The cards before its start.
    before: Reading,
    cancelled: bool,
}

/// Why a run stopped although the user did not ask for it.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("{runtime} did not come back within {} s", RUNTIME_RETURNS_WITHIN.as_secs())]
    RuntimeLost { runtime: String },
    #[error("{runtime} lost {n} engines in a row; see its own log for the reason")]
    RuntimeFlaps { runtime: String, n: u32 },
    /// Two attempts in a row ended in the same class of the machine or the profile.
    #[error("two attempts in a row ended the same way, and no cell is to blame: {explanation}")]
    Fuse {
        class: FailureClass,
        explanation: String,
    },
    #[error(
        "GPU memory did not come back within {} s after {attempt} was stopped: {held}",
        MEMORY_RETURNS_WITHIN.as_secs()
    )]
    GpuMemoryHeld { attempt: AttemptId, held: String },
}

impl From<AttemptError> for RunError {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Store(error) => Self::Store(error),
            AttemptError::Runtime(error) => Self::Runtime(error),
        }
    }
}

/// A run as it stands when the dispatcher is done with it.
#[derive(Debug)]
pub struct Finished {
    pub settled: Vec<Settled>,
    pub skipped: Vec<Skip>,
    pub race: Race,
    pub ending: RunEnding,
    /// Why it stopped before its end, if neither the user nor a deadline wanted it.
    pub error: Option<RunError>,
}

impl<R: Runtime, L: Load, J: Journal> Dispatcher<'_, R, L, J> {
    /// Starts every attempt that is left, one after the other, and records how the run ended.
    pub async fn run(mut self) -> Finished {
        let result = self.carry_out().await;
        let at = self.recorder.now();
        let (ending, error) = match result {
            Ok(None) => (RunEnding::Complete { at }, None),
            Ok(Some(because)) => (RunEnding::Stopped { at, because }, None),
            Err(error) => (
                RunEnding::Stopped {
                    at,
                    because: sentence(&error),
                },
                Some(error),
            ),
        };
        let recorded = self.recorder.record(EventKind::RunEnded {
            ending: ending.clone(),
        });
        let error = error.or(recorded.err().map(RunError::Store));
        Finished {
            settled: self.settled,
            skipped: self.skipped,
            race: self.race,
            ending,
            error,
        }
    }

    /// `Ok(None)`: nothing is left. `Ok(Some(reason))`: somebody wanted it to stop here.
    async fn carry_out(&mut self) -> Result<Option<String>, RunError> {
        let mut deadline = Deadline::of(self.manifest);
        self.recorder.record(EventKind::RunStarted {
            run: self.manifest.run.clone(),
            experiment: self.manifest.experiment.name.clone(),
            n_cells: self.manifest.cells.len(),
            n_planned: self.plan.len(),
            n_settled: self.settled.len(),
            stand_in: self.manifest.runtime.stand_in,
            speed: self.manifest.speed,
        })?;
        let what = self.runtime.sweep().await?;
        self.tell_swept(what)?;
        for settled in std::mem::take(&mut self.reused) {
            self.recorder.record(EventKind::AttemptSettled {
                settled: Box::new(settled.clone()),
            })?;
            self.settled.push(settled);
        }
        let n_before = self.settled.len();
        let mut n_lost_in_a_row = 0;
        let mut judged = 0;
        loop {
            self.skip_the_proven()?;
            self.judge_race(n_before, &mut judged)?;
            self.forecast(n_before, &mut deadline)?;
            let Some(planned) = self.next(n_before) else {
                return Ok(None);
            };
            if self.cancel.is_asked() {
                let because = self.cancel.because();
                return Ok(Some(because.unwrap_or("the user stopped it").to_owned()));
            }
            if let Some(because) = deadline.too_late(self.manifest, &planned, &self.settled) {
                return Ok(Some(because));
            }
            let cancel = self.cancel;
            let over = tokio::select! {
                over = self.attempt(&planned) => over?,
                never = deadline.enforce(cancel) => match never {},
            };
            match over.aftermath {
                Aftermath::GoOn => n_lost_in_a_row = 0,
                Aftermath::AwaitRuntime { left } => {
                    n_lost_in_a_row += 1;
                    self.await_runtime(left, n_lost_in_a_row).await?;
                }
                Aftermath::Stop(error) => return Err(error.into()),
            }
            if !over.cancelled {
                self.await_memory(&over.attempt, &over.before).await?;
            }
            self.check_fuse(n_before)?;
        }
    }

    /// Records which cells need not be started any more. Together, before the next start: what
    /// is left of the run is then known at once.
    fn skip_the_proven(&mut self) -> Result<(), StoreError> {
        for skip in proof::skips(self.manifest, &self.settled) {
            if !self.skipped.iter().any(|known| known.cell == skip.cell) {
                self.recorder
                    .record(EventKind::CellSkipped { skip: skip.clone() })?;
                self.skipped.push(skip);
            }
        }
        Ok(())
    }

    /// Says what is ahead, where there is a deadline and something new to say.
    fn forecast(&mut self, n_before: usize, deadline: &mut Deadline) -> Result<(), StoreError> {
        let now = self.recorder.now();
        let left = self.left(n_before);
        let ahead = deadline.forecast(now, self.manifest, &self.settled, &self.race, &left);
        match ahead {
            Some(forecast) => self.recorder.record(EventKind::Forecast { forecast }),
            None => Ok(()),
        }
    }

    /// Racing, at the end of every block: records who is started no more, and whether all is
    /// decided. `judged` is the last block after which this process did. What an earlier one
    /// judged is judged again from the same attempts, and comes to the same.
    fn judge_race(&mut self, n_before: usize, judged: &mut u32) -> Result<(), StoreError> {
        let ended = self.next(n_before).map_or(0, |next| next.block - 1);
        if ended <= *judged {
            return Ok(());
        }
        *judged = ended;
        let call = race::judge(self.manifest, &self.settled, &self.race, ended);
        for dropped in call.dropped {
            self.recorder.record(EventKind::CellDropped {
                dropped: dropped.clone(),
            })?;
            self.race.dropped.push(dropped);
        }
        if let Some(decided) = call.decided {
            self.recorder.record(EventKind::RaceDecided {
                decided: decided.clone(),
            })?;
            self.race.decided = Some(decided);
        }
        Ok(())
    }

    fn next(&self, n_before: usize) -> Option<PlannedAttempt> {
        self.left(n_before).into_iter().next()
    }

    /// What is left to start, in order. Failures of earlier processes are forgiven: whoever
    /// resumes a run has put right what stopped it.
    fn left(&self, n_before: usize) -> Vec<PlannedAttempt> {
        let counted = self
            .settled
            .iter()
            .enumerate()
            .filter(|(at, settled)| {
                *at >= n_before || !matches!(settled.outcome, Outcome::Failed(_))
            })
            .map(|(_, settled)| settled);
        let redo = Redo::of(&self.manifest.experiment, self.plan.len());
        remaining(self.plan, counted, &self.skipped, &self.race, &redo)
    }

    async fn attempt(&mut self, planned: &PlannedAttempt) -> Result<Over, RunError> {
        // The borrow must be of the manifest, not of the dispatcher that changes meanwhile.
        let manifest = self.manifest;
        let cell = manifest
            .cells
            .iter()
            .find(|cell| cell.id == planned.cell)
            .expect("a plan is made of the cells of its manifest");
        let attempt = AttemptId {
            cell: cell.id.clone(),
            number: self.next_number(&cell.id),
        };
        let before = self.cards().await;
        let profiling = self.profiling(&before);
        let started_at = self.recorder.now();
        let started = Instant::now();
        self.recorder.record(EventKind::AttemptStarted {
            attempt: attempt.clone(),
            cell_name: cell.name.clone(),
            block: planned.block,
        })?;
        let launch = self.launch(cell, &attempt)?;
        let ended = Attempt {
            runtime: self.runtime,
            load: self.load,
            recorder: &mut self.recorder,
            cancel: self.cancel,
            experiment: &self.manifest.experiment,
            node_order: &ageing::nodes_of(self.manifest, planned),
            cell,
            scale: self.manifest.speed,
            launch,
            gpu: &self.gpu,
            host: &self.host,
            profiling,
            model: served_model(self.manifest, cell),
        }
        .run()
        .await?;
        let Ended {
            outcome,
            end,
            profiling,
            aftermath,
        } = ended;
        let cancelled = outcome == Outcome::Cancelled;
        let settled = Settled {
            attempt: attempt.clone(),
            cell_name: cell.name.clone(),
            block: planned.block,
            started_at,
            took_ms: self.manifest.speed.told_ms(started.elapsed()),
            outcome,
            end,
            profiling,
            origin: None,
        };
        self.recorder.record(EventKind::AttemptSettled {
            settled: Box::new(settled.clone()),
        })?;
        self.settled.push(settled);
        Ok(Over {
            aftermath,
            attempt,
            before,
            cancelled,
        })
    }

    /// One reading of the cards. It may take a while, and holds up nobody else.
    async fn cards(&self) -> Reading {
        let gpu = Arc::clone(&self.gpu);
        let reading = tokio::task::spawn_blocking(move || gpu.read());
        reading.await.unwrap_or_default()
    }

    /// Sums up the samples of the attempt that is to start now.
    fn profiling(&mut self, before: &Reading) -> ProfilingBuilder {
        let sampling = self.manifest.experiment.profile.sampling;
        let cards = self.gpu.cards();
        let mut profiling = ProfilingBuilder::new(
            cards.clone(),
            self.gpu.absence(),
            sampling.beat,
            sampling.alerts,
            self.manifest.speed,
            self.manifest.is_stand_in(),
        );
        let level = self.level.get_or_insert_with(|| before.clone());
        for (card, _, more) in card_memory::held(&cards, level, before) {
            profiling.not_settled(card.index, more);
        }
        profiling
    }

    fn launch(&mut self, cell: &Cell, attempt: &AttemptId) -> Result<Launch, StoreError> {
        Ok(Launch {
            run: self.manifest.run.clone(),
            attempt: attempt.clone(),
            cell_name: cell.name.clone(),
            args: arguments(cell),
            env: cell
                .env
                .iter()
                .map(|(name, setting)| (name.clone(), variable(&setting.value)))
                .collect(),
            memory: cell
                .memory
                .or(self.manifest.experiment.profile.engine.memory),
            api_key: (self.new_key)(),
            log_path: self.recorder.journal().log_path(attempt)?,
        })
    }

    fn next_number(&self, cell: &CellId) -> AttemptNo {
        let used = self
            .settled
            .iter()
            .filter(|settled| settled.attempt.cell == *cell);
        AttemptNo(
            used.map(|settled| settled.attempt.number.0)
                .max()
                .unwrap_or(0)
                + 1,
        )
    }

    fn tell_swept(&mut self, what: Vec<String>) -> Result<(), StoreError> {
        if what.is_empty() {
            return Ok(());
        }
        self.recorder.record(EventKind::Swept { what })
    }

    /// Waits until the runtime answers again and what its absence left behind is removed. Every
    /// further loss in a row is waited for longer before the next start.
    async fn await_runtime(
        &mut self,
        left: Option<String>,
        n_in_a_row: u32,
    ) -> Result<(), RunError> {
        let runtime = self.manifest.runtime.runtime.clone();
        let left = left.map_or_else(String::new, |left| {
            format!(" ({left} could not be removed yet)")
        });
        self.recorder.record(EventKind::Waiting {
            what: format!("{runtime} was lost; waiting for it{left}"),
        })?;
        if n_in_a_row >= LOSSES_IN_A_ROW {
            return Err(RunError::RuntimeFlaps {
                runtime,
                n: n_in_a_row,
            });
        }
        let deadline = Instant::now() + RUNTIME_RETURNS_WITHIN;
        loop {
            tokio::select! {
                () = self.cancel.asked() => return Ok(()),
                () = tokio::time::sleep(LOOK_FOR_RUNTIME_EVERY * n_in_a_row) => {}
            }
            if self.runtime.reachable().await
                && let Ok(what) = self.runtime.sweep().await
            {
                self.tell_swept(what)?;
                let text = format!("{runtime} answers again");
                return Ok(self.recorder.record(EventKind::Notice { text })?);
            }
            if Instant::now() >= deadline {
                return Err(RunError::RuntimeLost { runtime });
            }
        }
    }

    /// The next engine must not start into memory that the last one still holds. The time is the
    /// engine's: that of real ones, whose memory this is.
    async fn await_memory(
        &mut self,
        attempt: &AttemptId,
        before: &Reading,
    ) -> Result<(), RunError> {
        let cards = self.gpu.cards();
        let deadline = Instant::now() + self.manifest.speed.real(MEMORY_RETURNS_WITHIN);
        let mut is_told = false;
        while let Some(held) = card_memory::told(&cards, before, &self.cards().await) {
            if Instant::now() >= deadline {
                return Err(RunError::GpuMemoryHeld {
                    attempt: attempt.clone(),
                    held,
                });
            }
            if !is_told {
                is_told = true;
                self.recorder.record(EventKind::Waiting {
                    what: format!("waiting for the memory of the stopped engine: {held}"),
                })?;
            }
            tokio::select! {
                () = self.cancel.asked() => return Ok(()),
                () = tokio::time::sleep(LOOK_FOR_MEMORY_EVERY) => {}
            }
        }
        Ok(())
    }

    /// Stops a night of identical starts: two in a row, of different cells where there are any,
    /// that end in the same class of the machine or the profile.
    fn check_fuse(&self, n_before: usize) -> Result<(), RunError> {
        let [.., earlier, later] = &self.settled[n_before..] else {
            return Ok(());
        };
        if earlier.attempt.cell == later.attempt.cell && self.manifest.cells.len() > 1 {
            return Ok(());
        }
        match (&earlier.outcome, &later.outcome) {
            (Outcome::Failed(first), Outcome::Failed(second))
                if second.consequence == Consequence::Machine
                    && first.class == second.class
                    && second.class != FailureClass::RuntimeLost =>
            {
                Err(RunError::Fuse {
                    class: second.class,
                    explanation: second.explanation.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Every flag of a cell as `vllm serve` takes it, in the order of the names.
pub fn arguments(cell: &Cell) -> Vec<String> {
    cell.flags
        .iter()
        .filter_map(|(name, setting)| match render(name, &setting.value) {
            Rendered::Args(args) => Some(args),
            Rendered::LeftOut { .. } => None,
        })
        .flatten()
        .collect()
}

/// The value of a varied environment variable; `None` where it is not to be set.
fn variable(value: &FlagValue) -> Option<String> {
    match value {
        FlagValue::Default => None,
        FlagValue::Bool(_)
        | FlagValue::Int(_)
        | FlagValue::Float(_)
        | FlagValue::Text(_)
        | FlagValue::List(_) => Some(value.to_string()),
    }
}

/// The name under which the engine serves its model: the first of `--served-model-name`, else
/// the model itself.
fn served_model(manifest: &Manifest, cell: &Cell) -> String {
    cell.flags
        .iter()
        .find(|(name, _)| name.as_str() == "served-model-name")
        .map(|(_, setting)| setting.value.to_string())
        .and_then(|names| names.split_whitespace().next().map(str::to_owned))
        .unwrap_or_else(|| manifest.experiment.profile.engine.model.clone())
}

/// An error with its causes, as one sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

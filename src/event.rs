//! What happens in a run, as facts: the journal keeps these, and the user interface shows
//! them. Events carry no display settings.

use serde::{Deserialize, Serialize};

use crate::guard::stay::Stay;
use crate::id::{AttemptId, RunId};
use crate::manifest::RunEnding;
use crate::measure::node::NodeReport;
use crate::outcome::{Decided, Dropped, Forecast, Settled, Skip};
use crate::time_scale::TimeScale;

/// One fact, with its instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Wall clock, for people.
    pub at: jiff::Timestamp,
    /// Milliseconds since this process began the run, by this machine's monotonic clock.
    pub elapsed_ms: f64,
    #[serde(flatten)]
    pub kind: EventKind,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A process begins the run or goes on with it.
    RunStarted {
        run: RunId,
        experiment: String,
        n_cells: usize,
        /// Attempts that the plan asks for, the settled ones included.
        n_planned: usize,
        n_settled: usize,
        stand_in: bool,
        /// How fast the time of the engines runs.
        #[serde(default)]
        speed: TimeScale,
    },
    /// Leftovers of dead runs or attempts were removed.
    Swept {
        what: Vec<String>,
    },
    AttemptStarted {
        attempt: AttemptId,
        cell_name: String,
        block: u32,
    },
    AttemptPhase {
        attempt: AttemptId,
        phase: AttemptPhase,
    },
    NodeStarted {
        attempt: AttemptId,
        node: String,
    },
    NodeFinished {
        attempt: AttemptId,
        report: Box<NodeReport>,
    },
    /// The attempt has come to its end. What is not in the journal as this did not happen.
    AttemptSettled {
        #[serde(flatten)]
        settled: Box<Settled>,
    },
    /// A cell will not be started: the death of another proves that it would die too.
    CellSkipped {
        #[serde(flatten)]
        skip: Skip,
    },
    /// Racing: a cell that lives is started no more.
    CellDropped {
        #[serde(flatten)]
        dropped: Dropped,
    },
    /// Racing: every ranking has its champion, nothing more is started.
    RaceDecided {
        #[serde(flatten)]
        decided: Decided,
    },
    /// What is ahead, for a run that has a deadline: once something was measured, and at the end
    /// of every block.
    Forecast {
        #[serde(flatten)]
        forecast: Forecast,
    },
    /// Something outside is awaited.
    Waiting {
        what: String,
    },
    /// Something that a reader should know.
    Notice {
        text: String,
    },
    RunEnded {
        ending: RunEnding,
    },
    /// Production was given back, or could not be; recorded after that.
    ProductionReturned {
        #[serde(flatten)]
        stay: Stay,
    },
}

/// The way of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptPhase {
    /// From the engine's start until it is ready.
    Starting,
    /// Ready; its state is read and compared with what was asked.
    Attesting,
    /// The workload DAG runs.
    Measuring,
    /// The engine is stopped, its end collected, its traces removed.
    Stopping,
}

impl AttemptPhase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Attesting => "attesting",
            Self::Measuring => "measuring",
            Self::Stopping => "stopping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;
    use crate::id::{AttemptNo, CellId};
    use crate::outcome::DropCause;

    /// One event of each kind with everything in it that can be in it.
    fn kinds() -> Vec<EventKind> {
        let attempt = AttemptId {
            cell: CellId::of("a"),
            number: AttemptNo(2),
        };
        let record = fixture::full();
        let run = record.manifest.run.clone();
        let mut kinds = vec![
            EventKind::RunStarted {
                run,
                experiment: "e".to_owned(),
                n_cells: 1,
                n_planned: 2,
                n_settled: 0,
                stand_in: true,
                speed: TimeScale::new(20.0).unwrap(),
            },
            EventKind::Swept {
                what: vec!["a container".to_owned()],
            },
            EventKind::AttemptStarted {
                attempt: attempt.clone(),
                cell_name: "a".to_owned(),
                block: 1,
            },
            EventKind::AttemptPhase {
                attempt: attempt.clone(),
                phase: AttemptPhase::Measuring,
            },
            EventKind::NodeStarted {
                attempt,
                node: "kv-cache".to_owned(),
            },
            EventKind::CellSkipped {
                skip: fixture::skip("e", "d"),
            },
            EventKind::CellDropped {
                dropped: fixture::dropped("c", 2),
            },
            EventKind::CellDropped {
                dropped: Dropped {
                    cause: DropCause::Gate {
                        gate: "kv-cache.success_rate >= 0.95".to_owned(),
                        finding: "0.900".to_owned(),
                    },
                    ..fixture::dropped("c", 1)
                },
            },
            EventKind::RaceDecided {
                decided: fixture::decided("b", 2),
            },
            EventKind::Forecast {
                forecast: fixture::forecast(),
            },
            EventKind::Waiting {
                what: "docker".to_owned(),
            },
            EventKind::Notice {
                text: "back".to_owned(),
            },
        ];
        let at = jiff::Timestamp::UNIX_EPOCH;
        for ending in [
            RunEnding::Open,
            RunEnding::Complete { at },
            RunEnding::Stopped {
                at,
                because: "x".to_owned(),
            },
        ] {
            kinds.push(EventKind::RunEnded { ending });
        }
        for settled in record.settled {
            if let crate::outcome::Outcome::Measured(measured) = &settled.outcome {
                for report in measured.nodes.clone() {
                    let attempt = settled.attempt.clone();
                    kinds.push(EventKind::NodeFinished {
                        attempt,
                        report: Box::new(report),
                    });
                }
            }
            let settled = Box::new(settled);
            kinds.push(EventKind::AttemptSettled { settled });
        }
        kinds
    }

    #[test]
    fn every_event_is_read_back_as_it_was_written() {
        let kinds = kinds();
        assert!(kinds.len() > 15, "the fixture has too few attempts");
        for kind in kinds {
            let event = RunEvent {
                at: jiff::Timestamp::UNIX_EPOCH,
                elapsed_ms: 0.5,
                kind,
            };
            let line = serde_json::to_string(&event).unwrap();
            let read: RunEvent =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
            assert_eq!(read, event);
        }
    }
}

//! What to do about production, at every moment: pure functions of what is recorded and what is
//! seen.
//!
//! Three rules stand above the rest: nothing is stopped that could not be started and proved
//! again; whatever was stopped is started, unless it runs already; nothing is ever made anew or
//! removed.

use crate::guard::stay::Taken;

/// A container, seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub name: String,
    pub state: State,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Running,
    /// The daemon starts it again and again: it does not serve, and will not stay stopped.
    Restarting,
    Paused,
    /// Ended, or never started; with the daemon's words where there are any.
    Stopped {
        words: String,
    },
    /// Being removed, or in a state from which Docker starts nothing.
    Dead,
}

/// What to do before a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It holds the GPUs: drain and stop it.
    Take,
    /// It does not run: nothing is stopped, and nothing is started afterwards.
    LeaveStopped,
    /// The run must not begin.
    Refuse { because: String },
}

/// Before a run.
pub fn open(seen: Option<&Seen>, whom: &str) -> Opening {
    let refuse = |because: String| Opening::Refuse { because };
    let Some(seen) = seen else {
        return refuse(format!(
            "there is no container {whom}, which [production] names"
        ));
    };
    match &seen.state {
        State::Running => Opening::Take,
        State::Stopped { .. } => Opening::LeaveStopped,
        State::Restarting => refuse(format!(
            "production {whom} is being restarted again and again: put that right first"
        )),
        State::Paused => refuse(format!(
            "production {whom} is paused and holds its memory: unpause or stop it first"
        )),
        State::Dead => refuse(format!("production {whom} is being removed")),
    }
}

/// The next step towards a production that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Start {
        container: String,
    },
    /// It runs: prove it.
    Prove {
        by_other_hands: bool,
    },
    /// The daemon is about to start it.
    Wait,
    /// Nothing that the guard may do would help.
    GiveUp {
        because: String,
    },
}

/// After a run, or after one that was killed. `by_id` is the container that was stopped,
/// `by_name` whatever has its name now; `started` counts how often we have started it.
pub fn give_back(
    taken: &Taken,
    by_id: Option<&Seen>,
    by_name: Option<&Seen>,
    started: u32,
) -> Next {
    match (by_id, by_name) {
        (Some(seen), _) => of_ours(seen, started),
        (None, Some(other)) => match other.state {
            State::Running => Next::Prove {
                by_other_hands: true,
            },
            State::Restarting => Next::Wait,
            State::Paused | State::Stopped { .. } | State::Dead => Next::GiveUp {
                because: format!(
                    "somebody made {} anew in the meantime, and the new container does not run: whether it \
                     should is theirs to say",
                    taken.name
                ),
            },
        },
        (None, None) => Next::GiveUp {
            because: format!("somebody removed the container {}", taken.name),
        },
    }
}

/// A start that ends at once is tried again: memory of the last engine may not have come back.
const STARTS: u32 = 3;

fn of_ours(seen: &Seen, started: u32) -> Next {
    match &seen.state {
        State::Running => Next::Prove {
            by_other_hands: started == 0,
        },
        State::Restarting => Next::Wait,
        State::Stopped { words } if started >= STARTS => Next::GiveUp {
            because: match words.as_str() {
                "" => format!("it was started {started} times and ended each time"),
                words => format!("it was started {started} times and ended each time: {words}"),
            },
        },
        State::Stopped { .. } => Next::Start {
            container: seen.id.clone(),
        },
        State::Paused => Next::GiveUp {
            because: "somebody paused it".to_owned(),
        },
        State::Dead => Next::GiveUp {
            because: "Docker calls its container dead: it starts no more".to_owned(),
        },
    }
}

/// Whether production runs although a run has its GPUs: then the run yields.
pub fn is_back(by_id: Option<&Seen>, by_name: Option<&Seen>) -> bool {
    [by_id, by_name]
        .into_iter()
        .flatten()
        .any(|seen| match seen.state {
            State::Running | State::Restarting | State::Paused => true,
            State::Stopped { .. } | State::Dead => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn seen(id: &str, state: State) -> Seen {
        Seen {
            id: id.to_owned(),
            name: "prod".to_owned(),
            state,
        }
    }

    fn stopped() -> State {
        State::Stopped {
            words: "exit code 1".to_owned(),
        }
    }

    fn taken() -> Taken {
        Taken {
            format: Taken::FORMAT,
            at: jiff::Timestamp::UNIX_EPOCH,
            container: "c1".to_owned(),
            name: "prod".to_owned(),
            url: "http://127.0.0.1:1".to_owned(),
            api_key_env: None,
            model: "m".to_owned(),
            patience: Duration::from_secs(60),
            run: "r".to_owned(),
        }
    }

    #[test]
    fn only_what_runs_is_taken_and_what_could_not_be_given_back_is_refused() {
        let of = |state| open(Some(&seen("c1", state)), "prod");
        assert_eq!(of(State::Running), Opening::Take);
        assert_eq!(of(stopped()), Opening::LeaveStopped);
        for state in [State::Restarting, State::Paused, State::Dead] {
            assert!(
                matches!(of(state.clone()), Opening::Refuse { .. }),
                "{state:?}"
            );
        }
        assert!(matches!(open(None, "prod"), Opening::Refuse { .. }));
    }

    #[test]
    fn what_was_stopped_is_started_and_what_runs_is_proved() {
        let (taken, ours) = (taken(), |state| seen("c1", state));
        let next = |seen: &Seen, started| give_back(&taken, Some(seen), Some(seen), started);
        assert_eq!(
            next(&ours(stopped()), 0),
            Next::Start {
                container: "c1".to_owned()
            }
        );
        for (started, by_other_hands) in [(0, true), (1, false)] {
            assert_eq!(
                next(&ours(State::Running), started),
                Next::Prove { by_other_hands }
            );
        }
        assert_eq!(next(&ours(State::Restarting), 1), Next::Wait);
        let Next::GiveUp { because } = next(&ours(stopped()), STARTS) else {
            panic!()
        };
        assert_eq!(
            because,
            "it was started 3 times and ended each time: exit code 1"
        );
    }

    #[test]
    fn nothing_is_made_anew_and_what_others_made_is_only_proved() {
        let taken = taken();
        let other = |state| give_back(&taken, None, Some(&seen("c2", state)), 0);
        assert_eq!(
            other(State::Running),
            Next::Prove {
                by_other_hands: true
            }
        );
        assert!(matches!(other(stopped()), Next::GiveUp { .. }));
        assert!(matches!(
            give_back(&taken, None, None, 0),
            Next::GiveUp { .. }
        ));
    }

    #[test]
    fn production_is_back_under_its_id_or_under_its_name() {
        let (runs, ended) = (seen("c1", State::Running), seen("c1", stopped()));
        assert!(is_back(Some(&runs), None));
        assert!(is_back(None, Some(&seen("c2", State::Running))));
        assert!(!is_back(Some(&ended), Some(&ended)));
        assert!(!is_back(None, None));
    }
}

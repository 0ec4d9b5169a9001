//! Who else works here: locks that living runs hold, and what dead ones left.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use crate::doctor::errand::{Demand, Errand};
use crate::doctor::finding::{Check, Fault, Finding, Topic};
use crate::spec::profile::Gpus;

/// A lock that a living process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub what: Holding,
    /// `None` where the kernel shows a lock and not its holder.
    pub process: Option<u32>,
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// All cards of this machine.
    EveryGpu,
    /// Some cards, each with a lock of its own beside this one.
    SomeGpus,
    Gpu(u32),
    /// A run's folder.
    Run(PathBuf),
}

/// `leftovers` are things of dead runs, each in words.
pub fn examine(
    held: &[Held],
    leftovers: &[String],
    now: Timestamp,
    errand: Errand<'_>,
) -> Vec<Finding> {
    vec![others(held, now, errand), dead(leftovers)]
}

fn others(held: &[Held], now: Timestamp, errand: Errand<'_>) -> Finding {
    let check = Check {
        topic: Topic::Results,
        name: "other-runs",
    };
    let in_the_way = held.iter().find(|held| collides(&held.what, errand));
    if let Some(held) = in_the_way {
        return check.fail(
            Fault::Locked,
            format!(
                "another run {} holds {}",
                holder(held, now),
                named(&held.what)
            ),
            "wait for it or stop it: two runs on one GPU would measure each other",
        );
    }
    // The lock of a folder says which run it is; those of its GPUs say no more.
    let run = held
        .iter()
        .find(|held| matches!(held.what, Holding::Run(_)))
        .or_else(|| held.iter().find(|held| held.what != Holding::SomeGpus));
    match run {
        Some(held) => check.warn(
            format!(
                "another run {} holds {}",
                holder(held, now),
                named(&held.what)
            ),
            "wait for it: whatever works on this machine is measured along",
        ),
        None => check.ok("no other run is going on"),
    }
}

fn collides(what: &Holding, errand: Errand<'_>) -> bool {
    if errand.gpus() != Demand::Needed {
        return false;
    }
    let indices = match errand.engine().map(|engine| &engine.gpus) {
        Some(Gpus::Ids(ids)) => ids
            .iter()
            .map(|id| id.parse::<u32>().ok())
            .collect::<Option<Vec<u32>>>(),
        _ => None,
    };
    match (what, indices) {
        (Holding::Run(_), _) => false,
        (Holding::EveryGpu, _) | (_, None) => true,
        (Holding::SomeGpus, Some(_)) => false,
        (Holding::Gpu(index), Some(indices)) => indices.contains(index),
    }
}

fn holder(held: &Held, now: Timestamp) -> String {
    let who = match held.process {
        Some(process) => format!("(process {process}"),
        None => "(process unknown".to_owned(),
    };
    match held.since {
        Some(since) => format!("{who}, for {})", ago(now.duration_since(since))),
        None => format!("{who})"),
    }
}

fn ago(time: SignedDuration) -> String {
    match time.as_secs() {
        seconds if seconds < 120 => format!("{} s", seconds.max(0)),
        seconds if seconds < 7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

fn named(what: &Holding) -> String {
    match what {
        Holding::EveryGpu => "the GPUs".to_owned(),
        Holding::SomeGpus => "some of the GPUs".to_owned(),
        Holding::Gpu(index) => format!("GPU {index}"),
        Holding::Run(path) => path.display().to_string(),
    }
}

fn dead(leftovers: &[String]) -> Finding {
    let check = Check {
        topic: Topic::Results,
        name: "leftovers",
    };
    match leftovers {
        [] => check.ok("nothing of a dead run was left"),
        some => check
            .warn(
                format!("dead runs left {}", some.join(", ")),
                "remove it: the next run does so too, and until then it may take memory",
            )
            .command("gridrun clean"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Mark;
    use crate::doctor::fixture::checked;

    const NOW: i64 = 1_795_000_000;

    fn held(what: Holding) -> Held {
        Held {
            what,
            process: Some(4711),
            since: Some(Timestamp::from_second(NOW - 780).unwrap()),
        }
    }

    #[test]
    fn a_run_on_the_same_gpus_is_in_the_way_and_any_other_is_only_heard() {
        let run = || Holding::Run("results/e/r".into());
        let locked = Mark::Fail(Fault::Locked);
        for (gpus, holding, expected) in [
            ("\"all\"", vec![], Mark::Ok),
            ("\"all\"", vec![Holding::EveryGpu, run()], locked),
            ("\"all\"", vec![Holding::SomeGpus, Holding::Gpu(1)], locked),
            ("[\"0\"]", vec![Holding::EveryGpu], locked),
            ("[\"0\"]", vec![Holding::SomeGpus, Holding::Gpu(0)], locked),
            (
                "[\"0\"]",
                vec![Holding::SomeGpus, Holding::Gpu(1)],
                Mark::Warn,
            ),
            (
                "[\"GPU-8a\"]",
                vec![Holding::SomeGpus, Holding::Gpu(1)],
                locked,
            ),
            ("\"none\"", vec![Holding::EveryGpu], Mark::Warn),
            ("\"all\"", vec![run()], Mark::Warn),
        ] {
            let checked = checked(&format!("gpus = {gpus}"));
            let held: Vec<Held> = holding.into_iter().map(held).collect();
            let now = Timestamp::from_second(NOW).unwrap();
            let found = examine(&held, &[], now, Errand::Run(&checked));
            assert_eq!(found[0].mark, expected, "{gpus} {held:?}");
        }
    }

    #[test]
    fn it_is_said_who_holds_what_for_how_long() {
        let now = Timestamp::from_second(NOW).unwrap();
        let found = examine(&[held(Holding::Gpu(1))], &[], now, Errand::None);
        assert_eq!(
            found[0].found,
            "another run (process 4711, for 13 min) holds GPU 1"
        );
    }

    #[test]
    fn what_dead_runs_left_is_named() {
        let now = Timestamp::from_second(NOW).unwrap();
        let left = ["container 12".to_owned(), "process 7".to_owned()];
        let found = examine(&[], &left, now, Errand::None);
        assert_eq!(found[1].mark, Mark::Warn);
        assert_eq!(found[1].found, "dead runs left container 12, process 7");
        assert_eq!(found[1].command.as_deref(), Some("gridrun clean"));
    }
}

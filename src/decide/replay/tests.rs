//! Tables and runs that are played: what is refused, what is decided, and what it costs.

use super::*;
use crate::decide::fixture::{self, Numbers};
use crate::spec::experiment::Strategy;

fn settings(strategy: Strategy) -> Settings {
    Settings {
        strategy,
        repeats: None,
        seed: None,
    }
}

fn asked(objective: &str, gates: &[&str]) -> Asked {
    Asked {
        objectives: vec![objective.parse().unwrap()],
        gates: gates.iter().map(|gate| gate.parse().unwrap()).collect(),
    }
}

/// A table from lines of comma-separated values.
fn raw(lines: &[&str]) -> RawTable {
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split(',').collect()).collect();
    let columns = rows[0].iter().enumerate().map(|(at, name)| {
        let values = rows[1..].iter().map(|row| Some(row[at].to_owned()));
        let values = values.map(|value| value.filter(|text| !text.is_empty()));
        ((*name).to_owned(), values.collect())
    });
    RawTable {
        n_rows: rows.len() - 1,
        columns: columns.collect(),
    }
}

const HEAD: &str =
    "cell,attempt,startup_s,measure_s,outcome,axis.prefix,metric.ttft,metric.success_rate";

fn played(lines: &[&str], asked: &Asked, strategy: Strategy) -> Told {
    let mut all = vec![HEAD];
    all.extend(lines);
    let recording = of_table(&raw(&all), asked, settings(strategy)).unwrap();
    Told::of(&recording, None)
}

fn mistakes(lines: &[&str], objective: &str) -> Vec<String> {
    let mut all = vec![HEAD];
    all.extend(lines);
    of_table(
        &raw(&all),
        &asked(objective, &[]),
        settings(Strategy::Exhaustive),
    )
    .unwrap_err()
}

/// Six cells in four attempts each: two alike and four far behind, all 100 s long; and one that
/// dies after 10 s.
fn landscape() -> Vec<String> {
    let mut lines = vec!["dead,1,10,,gpu_oom_startup,,,".to_owned()];
    for (at, name) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        for attempt in 1..=4_usize {
            let wiggle = [0.4, -0.3, 0.1, -0.2][(at + attempt) % 4];
            let ttft = [100.0, 101.0, 140.0, 150.0, 160.0, 170.0][at] + wiggle * 4.0;
            lines.push(format!(
                "{name},{attempt},60,40,measured,{},{ttft},1",
                at % 2 == 0
            ));
        }
    }
    lines
}

#[test]
fn a_race_costs_less_than_exhaustive_and_dead_cells_are_counted_apart() {
    let lines = landscape();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let ask = asked("ttft:min", &[]);
    let whole = played(&lines, &ask, Strategy::Exhaustive);
    assert_eq!((whole.starts, whole.repeats), (25, 4));
    assert_eq!(whole.engine_seconds, Some(2410.0));
    assert_eq!(whole.engine_seconds_living, Some(2400.0));
    assert_eq!(whole.exhaustive_engine_seconds, None);
    let race = played(&lines, &ask, Strategy::Race);
    assert_eq!(race.exhaustive_engine_seconds, Some(2410.0));
    assert_eq!(race.exhaustive_engine_seconds_living, Some(2400.0));
    assert!(race.engine_seconds_living.unwrap() < 2000.0, "{race:?}");
    let is_out = |name: &str| race.dropped.iter().any(|one| one.cell_name == name);
    assert!(
        race.decided_after_block.is_some() || ["c", "d", "e", "f"].into_iter().all(is_out),
        "{race:?}"
    );
    assert_eq!(race.leader, whole.leader);
    assert!(race.p_equivalent.is_some() && race.p_best.is_some());
}

#[test]
fn a_deadline_starts_nothing_that_cannot_end_in_time() {
    let lines = landscape();
    let mut all = vec![HEAD];
    all.extend(lines.iter().map(String::as_str));
    let recording = of_table(
        &raw(&all),
        &asked("ttft:min", &[]),
        settings(Strategy::Exhaustive),
    )
    .unwrap();
    let told = Told::of(&recording, Some(799.0));
    assert!(told.stopped_by_deadline);
    assert!(told.engine_seconds.unwrap() <= 799.0, "{told:?}");
    assert!(told.engine_seconds.unwrap() > 650.0, "{told:?}");
    assert!(
        !told
            .warnings
            .iter()
            .any(|words| words.contains("fewer attempts")),
        "{told:?}"
    );
}

#[test]
fn single_starts_have_a_leader_and_no_champion() {
    let told = played(
        &[
            "a,1,60,40,measured,true,100,1",
            "b,1,60,40,measured,false,90,1",
        ],
        &asked("ttft:min", &[]),
        Strategy::Exhaustive,
    );
    assert_eq!((told.leader.as_deref(), told.champion), (Some("b"), None));
    assert_eq!(told.p_equivalent, None);
    assert!(
        told.warnings[0].starts_with("single starts"),
        "{:?}",
        told.warnings
    );
}

#[test]
fn estimates_are_refused_and_the_unnamed_dead_counted() {
    let told = played(
        &[
            "a,1,60,40,measured,true,100,1",
            "b,1,,,estimated,true,50,1",
            ",1,,,gpu_oom_startup,,,",
            ",2,,,gpu_oom_startup,,,",
        ],
        &asked("ttft:min", &[]),
        Strategy::Exhaustive,
    );
    assert_eq!(told.leader.as_deref(), Some("a"));
    assert_eq!((told.n_cells, told.n_unnamed_dead), (1, 2));
    assert!(
        told.warnings
            .iter()
            .any(|words| words.contains("refused: b (row 2)")),
        "{:?}",
        told.warnings
    );
}

#[test]
fn a_gate_on_a_known_proportion_holds_in_every_start() {
    let lines = [
        "a,1,60,40,measured,true,100,1",
        "a,2,60,40,measured,true,100,0.5",
        "b,1,60,40,measured,true,120,1",
        "b,2,60,40,measured,true,120,1",
    ];
    let told = played(
        &lines,
        &asked("ttft:min", &["success_rate >= 0.7"]),
        Strategy::Exhaustive,
    );
    assert_eq!(told.leader.as_deref(), Some("b"));
}

#[test]
fn every_mistake_of_a_table_has_its_row_its_column_and_its_value() {
    for (line, expected) in [
        (
            "a,1,60,40,measured,true,0,1",
            "row 1, column metric.ttft: `0` is not above 0, as an objective must be",
        ),
        (
            "a,1,60,40,measured,true,fast,1",
            "row 1, column metric.ttft: `fast` is not a number",
        ),
        (
            "a,1,soon,40,measured,true,1,1",
            "row 1, column startup_s: `soon` is not a number",
        ),
        (
            "a,1,-1,40,measured,true,1,1",
            "row 1, column startup_s: `-1` is not a number that is 0 or more",
        ),
        (
            "a,0,60,40,measured,true,1,1",
            "row 1, column attempt: `0` is not a whole number from 1 on",
        ),
        (
            "a,1,60,40,died,true,1,1",
            "row 1, column outcome: `died` is not measured, estimated or a failure class (docs/DIAGNOSIS.md lists them)",
        ),
        (
            ",1,60,40,measured,true,1,1",
            "row 1, column cell: it is empty; only a death may have no name",
        ),
    ] {
        assert_eq!(mistakes(&[line], "ttft:min"), [expected]);
    }
    let good = "a,1,60,40,measured,true,1,1";
    assert_eq!(
        mistakes(&[good, good], "ttft:min"),
        ["a has attempt 1 twice"]
    );
    let other = "a,2,60,40,measured,false,1,1";
    assert_eq!(
        mistakes(&[good, other], "ttft:min"),
        ["row 2, column cell: `a` has other values on its axes than in an earlier row"]
    );
    assert_eq!(
        mistakes(&[good], "speed:max"),
        [
            "there is no metric `speed`",
            "metrics of the table: ttft, success_rate"
        ]
    );
    let narrow = raw(&["cell,attempt", "a,1"]);
    let told = of_table(&narrow, &asked("x:min", &[]), settings(Strategy::Race)).unwrap_err();
    assert_eq!(told[0], "there is no column `startup_s`");
}

#[test]
fn a_run_is_played_with_its_own_attempts_and_objectives() {
    let starts = (1..=2).flat_map(|block| {
        [("a", 90.0), ("b", 120.0)]
            .map(|(cell, ms)| fixture::measured(cell, block, Numbers::new(900.0, ms)))
    });
    let record = fixture::record(starts.collect());
    let play = |asked: &Asked| of_run(record.clone(), asked, settings(Strategy::Race));
    let recording = play(&Asked::default()).unwrap();
    let told = Told::of(&recording, None);
    assert_eq!((told.leader.as_deref(), told.starts), (Some("a"), 4));
    let recording = play(&asked("kv-cache.ttft_repeat_ms.p95:max", &[])).unwrap();
    assert_eq!(Told::of(&recording, None).leader.as_deref(), Some("b"));
    let wrong = play(&asked("kv-cache.speed:max", &["x.y > 3"])).unwrap_err();
    assert_eq!(
        wrong,
        [
            "there is no metric `kv-cache.speed`",
            "there is no metric `x.y`"
        ]
    );
}

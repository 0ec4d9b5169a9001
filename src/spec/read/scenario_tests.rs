//! Good scenario files become what they say, bad ones are told with every mistake at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{ProptestConfig, any, proptest};

use crate::spec::diagnostic::{Colour, Source, render};
use crate::spec::experiment::{Condition, Term};
use crate::spec::flag::{FlagName, FlagValue, Knob};
use crate::spec::keys::{Presence, scenario as keys};
use crate::spec::read::{LoadedScenario, load_scenario};
use crate::spec::scenario::{
    Fault, FaultKind, FaultSpec, FrontEnd, Growth, RequestTrigger, Scenario, Starts, Which,
};

fn source(text: &str) -> Source {
    Source {
        path: "scenarios/bad.toml".to_owned(),
        text: Arc::from(text),
    }
}

fn read(text: &str) -> LoadedScenario {
    load_scenario(&source(text))
}

/// The scenario of a file without mistakes.
#[track_caller]
fn good(text: &str) -> Scenario {
    let loaded = read(text);
    let shown = render(&loaded.diagnostics, &source(text), Colour::Plain);
    loaded.scenario.unwrap_or_else(|| panic!("{shown}"))
}

#[test]
fn a_file_becomes_what_it_says() {
    let scenario = good(
        r#"
        seed = 7
        [[fault]]
        kind = "worker-dies"
        where = { gpu-mem = [0.9, 0.95], env = { OMP_NUM_THREADS = 2 } }
        starts = "first"
        probability = "30%"
        at_request = 4
        lingers = "200ms"
        [[fault]]
        kind = "cut-stream"
        starts = [2, 3]
        from-request = 5
        share = "10%"
        [[fault]]
        kind = "host-leak"
        per-second = "8MiB"
        [[fault]]
        kind = "wrong-config"
        set = { prefix = true }
        "#,
    );
    let term = |knob, values: Vec<FlagValue>| (knob, values);
    let flag = |name: &str| Knob::Flag(FlagName(name.to_owned()));
    let of_condition = |condition: &Condition| -> Vec<(Knob, Vec<FlagValue>)> {
        condition
            .terms
            .iter()
            .map(|Term { knob, any_of, .. }| (knob.clone(), any_of.clone()))
            .collect()
    };
    assert_eq!(scenario.seed, 7);
    let [dies, cut, leak, wrong] = scenario.faults.as_slice() else {
        panic!("{scenario:?}")
    };
    assert_eq!(
        dies.spec,
        FaultSpec::WorkerDies {
            trigger: RequestTrigger::AtRequest(4),
            lingers: Duration::from_millis(200),
            front_end: FrontEnd::Exits,
        }
    );
    assert_eq!(dies.starts, Starts::Only(vec![1]));
    assert_eq!(dies.probability, Some(0.3));
    assert_eq!(
        of_condition(dies.condition.as_ref().unwrap()),
        [
            term(
                flag("gpu-memory-utilization"),
                vec![FlagValue::Float(0.9), FlagValue::Float(0.95)]
            ),
            term(
                Knob::Env("OMP_NUM_THREADS".to_owned()),
                vec![FlagValue::Text("2".to_owned())]
            ),
        ]
    );
    let which = Which {
        from: 5,
        count: None,
        share: Some(0.1),
    };
    assert_eq!(
        cut,
        &Fault {
            spec: FaultSpec::CutStream {
                after_tokens: 1,
                which
            },
            condition: None,
            starts: Starts::Only(vec![2, 3]),
            probability: None,
        }
    );
    assert_eq!(
        leak.spec,
        FaultSpec::HostLeak {
            growth: Growth::PerSecond(8 << 20),
            up_to: 1 << 30
        }
    );
    let set = vec![(
        FlagName("enable-prefix-caching".to_owned()),
        FlagValue::Bool(true),
    )];
    assert_eq!(wrong.spec, FaultSpec::WrongConfig { set });
}

#[test]
fn what_was_read_survives_being_stored() {
    let mut text = String::from("seed = 3\n");
    for kind in FaultKind::ALL {
        text.push_str(&minimal(kind));
    }
    let scenario = good(&text);
    let kinds: Vec<FaultKind> = scenario
        .faults
        .iter()
        .map(|fault| fault.spec.kind())
        .collect();
    assert_eq!(kinds, FaultKind::ALL);
    let stored = serde_json::to_string(&scenario).unwrap();
    let again: Scenario = serde_json::from_str(&stored).unwrap();
    // Places in the file are not stored.
    assert_eq!(serde_json::to_string(&again).unwrap(), stored);
}

/// A fault with the keys that its kind cannot do without.
fn minimal(kind: FaultKind) -> String {
    let own = match kind {
        FaultKind::SlowStart => "by = \"1s\"",
        FaultKind::WrongConfig => "set = { prefix = true }",
        FaultKind::WrongModelName => "name = \"other\"",
        FaultKind::GpuOomUnderLoad => "running = 4",
        FaultKind::GpuLeak | FaultKind::HostLeak => "per-request = \"1MiB\"",
        FaultKind::WorkerDies => "at-request = 3",
        FaultKind::HttpErrors => "status = 503",
        FaultKind::StalledStream => "silent-for = \"2s\"",
        FaultKind::StartNoise | FaultKind::RequestNoise => "sd = \"5%\"",
        FaultKind::Ageing => "per-minute = \"1%\"",
        _ => "",
    };
    format!(
        "[[fault]]\nkind = \"{}\"\nwhere = {{ prefix = true }}\n{own}\n",
        kind.name()
    )
}

#[test]
fn every_mistake_is_shown_as_the_snapshots_have_it() {
    let folder = bad_files();
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 8, "only {} files", files.len());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let loaded = read(&text);
        assert_eq!(loaded.scenario, None, "{} has no mistake", file.display());
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        insta::with_settings!({
            snapshot_path => &folder,
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, render(&loaded.diagnostics, &source(&text), Colour::Plain));
        });
    }
}

/// `tests/bad/scenario` of the package: this file lies four levels below its root.
fn bad_files() -> PathBuf {
    let root = Path::new(file!())
        .ancestors()
        .nth(4)
        .expect("the path of this file has its folders");
    fs::canonicalize(root.join("tests/bad/scenario")).expect("tests run in the package's folder")
}

#[test]
fn the_key_tables_are_consistent() {
    for kind in FaultKind::ALL {
        let own = keys::of_kind(kind);
        for (at, key) in own.iter().enumerate() {
            let path = format!("{}.{}", kind.name(), key.name);
            assert!(!key.name.contains('_'), "{path}");
            assert!(key.help.ends_with('.'), "{path}: {}", key.help);
            let others = own[..at].iter().chain(keys::FAULT);
            assert!(others.clone().all(|other| other.name != key.name), "{path}");
        }
    }
    for key in keys::SCENARIO.iter().chain(keys::FAULT) {
        assert!(key.help.ends_with('.'), "{}", key.name);
        if let Presence::Default(value) = key.presence {
            assert!(!value.is_empty(), "{}", key.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_reading_panic(text in any::<String>()) {
        let loaded = read(&text);
        assert!(loaded.scenario.is_some() || !loaded.diagnostics.is_empty());
    }

    #[test]
    fn no_value_under_a_key_makes_reading_panic(
        kind in 0..FaultKind::ALL.len(),
        key in 0_usize..12,
        value in proptest::sample::select(vec![
            "1", "0", "-1", "1.5", "true", "\"\"", "\"1s\"", "\"5%\"", "\"1GiB\"", "[]", "[1]",
            "[0]", "{}", "{ a = 1 }", "99999999999999999999", "inf", "1979-05-27",
        ]),
    ) {
        let kind = FaultKind::ALL[kind];
        let all: Vec<_> = keys::FAULT.iter().chain(keys::of_kind(kind)).collect();
        let key = all[key % all.len()].name;
        let line = if key == "kind" { String::new() } else { format!("{key} = {value}\n") };
        let loaded = read(&format!("[[fault]]\nkind = \"{}\"\n{line}", kind.name()));
        assert!(loaded.scenario.is_some() || !loaded.diagnostics.is_empty());
    }
}

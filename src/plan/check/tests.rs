use crate::matrix::cell::Cell;
use crate::plan::check::{Checked, Rejected, check};
use crate::spec::diagnostic::{Source, Sources};
use crate::spec::flag::{FlagName, FlagValue};
use crate::spec::profile::StandInProfile;
use crate::spec::{Loaded, load};

const MEDIUM: &str = include_str!("../../../experiments/medium.toml");
const QUICKSTART: &str = include_str!("../../../experiments/quickstart.toml");
const MEDIUM_PROFILE: &str = include_str!("../../../profiles/medium.toml");
const STAND_IN_PROFILE: &str = include_str!("../../../profiles/stand-in.toml");

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.into(),
    }
}

fn loaded(experiment: &str) -> Loaded {
    load(source("e.toml", experiment), &mut |name| match name {
        "medium" => Ok(source("medium.toml", MEDIUM_PROFILE)),
        "stand-in" => Ok(source("stand-in.toml", STAND_IN_PROFILE)),
        other => Err(format!("there is no `{other}`")),
    })
}

fn checked(experiment: &str) -> Checked {
    check(loaded(experiment)).unwrap_or_else(|rejected| panic!("{:?}", rejected.diagnostics))
}

fn rejected(experiment: &str) -> Vec<String> {
    let Rejected { diagnostics, .. } = check(loaded(experiment)).unwrap_err();
    diagnostics
        .into_iter()
        .map(|diagnostic| diagnostic.message)
        .collect()
}

/// How a stand-in with these numbers ends, by the arithmetic that the profiles' comments state.
fn fate(numbers: &StandInProfile, cell: &Cell) -> &'static str {
    let flag = |name: &str| {
        cell.flags
            .get(&FlagName(name.to_owned()))
            .map(|setting| &setting.value)
    };
    let whole = |name: &str| match flag(name) {
        Some(FlagValue::Int(number)) => Some(*number as f64),
        _ => None,
    };
    let Some(FlagValue::Float(share)) = flag("gpu-memory-utilization") else {
        panic!("every cell has a utilisation");
    };
    let total = numbers.gpu_memory as f64;
    let batch = whole("max-num-batched-tokens").unwrap_or(2048.0);
    let cache =
        share * total - numbers.weights as f64 - numbers.activation_bytes_per_token as f64 * batch;
    let sequence = whole("max-model-len").unwrap() * numbers.kv_bytes_per_token as f64;
    let outside =
        numbers.overhead as f64 + numbers.overhead_per_seq as f64 * whole("max-num-seqs").unwrap();
    if cache < sequence {
        "KV cache too small"
    } else if (1.0 - share) * total < outside {
        "out of memory"
    } else {
        "lives"
    }
}

fn deaths(checked: &Checked) -> Vec<(&str, &'static str)> {
    let numbers = checked.experiment.profile.stand_in.as_ref().unwrap();
    checked
        .cells
        .iter()
        .map(|cell| (cell.name.as_str(), fate(numbers, cell)))
        .filter(|(_, fate)| *fate != "lives")
        .collect()
}

#[test]
fn the_reference_case_is_thirteen_cells_of_which_one_would_die() {
    let checked = checked(MEDIUM);
    assert_eq!(checked.warnings, []);
    assert_eq!(checked.cells.len(), 13);
    assert_eq!(
        checked.node_order,
        [
            "kv-cache",
            "conversations",
            "tools",
            "reasoning",
            "stability",
            "load"
        ]
    );
    assert_eq!(checked.excluded.len(), 1);
    assert_eq!(
        checked.excluded[0].reason.as_deref(),
        Some("replaced by aggressive_cache")
    );
    assert_eq!(checked.folded, []);
    for name in [
        "chunked_only_safe",
        "safe_conservative",
        "optimized_balanced",
    ] {
        assert!(checked.cells.iter().any(|cell| cell.name == name), "{name}");
    }
    assert_eq!(checked.cells[11].name, "aggressive_cache");
    assert_eq!(deaths(&checked), [("aggressive_cache", "out of memory")]);
}

#[test]
fn the_first_example_shows_both_walls() {
    let checked = checked(QUICKSTART);
    assert_eq!(checked.warnings, []);
    let names: Vec<&str> = checked
        .cells
        .iter()
        .map(|cell| cell.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "gpu-mem-0.8_prefix-on",
            "gpu-mem-0.8_prefix-off",
            "gpu-mem-0.9_prefix-on",
            "gpu-mem-0.9_prefix-off",
            "too_little_memory",
            "too_much_memory",
        ]
    );
    assert_eq!(
        deaths(&checked),
        [
            ("too_little_memory", "KV cache too small"),
            ("too_much_memory", "out of memory")
        ]
    );
}

#[test]
fn mistakes_of_the_file_the_matrix_and_the_dag_are_told_together() {
    let text = r#"
profile = "stand-in"

[matrix]
gpu-mem = [0.8, 0.9]

[[exclude]]
where = { gpu-mem = 0.7 }

[[workload]]
name = "a"
kind = "kv-cache"
after = ["b"]

[[workload]]
name = "b"
kind = "kv-cache"
after = ["a"]

[[objective]]
metric = "a.ttft_repeat_ms"
goal = "min"

[run]
repeats = 0
"#;
    let messages = rejected(text);
    for part in ["repeats", "this exclude matches no cell", "a -> b -> a"] {
        assert!(
            messages.iter().any(|message| message.contains(part)),
            "{part}: {messages:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_rejected_with_what_was_found() {
    let messages = rejected("profile = \"nowhere\"\n");
    let found = "the profile cannot be read: there is no `nowhere`";
    assert!(
        messages.iter().any(|message| message == found),
        "{messages:?}"
    );
    let empty = Loaded {
        experiment: None,
        sources: Sources {
            experiment: source("e.toml", ""),
            profile: None,
            data: Box::default(),
        },
        diagnostics: Vec::new(),
    };
    assert!(check(empty).is_err());
}

#[test]
fn requests_that_no_engine_could_take_are_found() {
    let long = QUICKSTART.replace("prompt-tokens = 600", "prompt-tokens = 8190");
    assert_eq!(
        rejected(&long),
        [
            "`kv-cache` needs 8206 tokens (prompt-tokens 8190 + max-tokens 16), and 6 cells take \
             fewer: `gpu-mem-0.8_prefix-on` has max-model-len 8192"
        ]
    );
    checked(&QUICKSTART.replace("prompt-tokens = 600", "prompt-tokens = 8176"));
}

#[test]
fn a_load_can_start_only_from_what_a_former_load_found() {
    let with = |after: &str, settings: &str| {
        format!(
            "profile = \"stand-in\"\n[matrix]\ngpu-mem = [0.9]\n\
             [[workload]]\nname = \"kv\"\nkind = \"kv-cache\"\n\
             [[workload]]\nname = \"first\"\nkind = \"load\"\nconcurrency = [1, 2]\n\
             [[workload]]\nname = \"second\"\nkind = \"load\"\nafter = [\"{after}\"]\n\
             start-from = \"{after}\"\nslo = [\"ttft.p95 < 1 s\"]\n{settings}\n\
             [[objective]]\nmetric = \"second.ttft_ms\"\ngoal = \"min\"\n"
        )
    };
    let users = "search = { from = 1, to = 8 }";
    checked(&with("first", users));
    assert_eq!(
        rejected(&with("kv", users)),
        ["`second` cannot start from `kv`: a kv-cache workload finds no level of load"]
    );
    assert_eq!(
        rejected(&with("first", "rates = [0.5, 1.0]")),
        ["`second` starts from requests per second, and `first` finds users at once"]
    );
}

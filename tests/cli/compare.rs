//! `gridrun compare`.

use serde_json::Value;

use crate::folder::Folder;

fn run(folder: &Folder, file: &str) -> String {
    let before = folder.runs();
    folder.gridrun(&[file]).ends_with_code(0);
    let mut new = folder
        .runs()
        .into_iter()
        .filter(|run| !before.contains(run));
    new.next().unwrap().display().to_string()
}

#[test]
fn two_runs_of_one_experiment_are_held_against_each_other() {
    let folder = Folder::new();
    let first = run(&folder, "experiments/small.toml");
    let second = run(&folder, "experiments/small.toml");
    let ran = folder
        .gridrun(&["compare", &first, &second, "--format", "json"])
        .ends_with_code(0);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    let one = &told["comparisons"][0];
    assert_eq!(one["changes"], serde_json::json!([]));
    assert_eq!(
        (&one["n_common"], &one["stand_in"]),
        (&3.into(), &true.into())
    );
    let measure = &one["measures"][0];
    let measured: Vec<&Value> = measure["cells"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|cell| !cell["change"].is_null())
        .collect();
    assert_eq!(measured.len(), 2, "{measure}");
    assert!(measured[0]["before"]["mean"].as_f64().unwrap() > 0.0);

    let ran = folder
        .gridrun(&["compare", &first, &second])
        .ends_with_code(0);
    assert!(ran.out.starts_with("STAND-IN RESULTS"), "{}", ran.out);
    assert!(
        ran.out.contains("Measured under the same conditions."),
        "{}",
        ran.out
    );
    let last = ran.out.lines().last().unwrap();
    assert!(last.contains("kv-cache.ttft_repeat_ms.p50"), "{last}");
    let all = folder
        .gridrun(&["compare", &first, &second, "--all"])
        .ends_with_code(0);
    assert!(all.out.contains("kv-cache.acceleration"), "{}", all.out);
}

#[test]
fn what_differs_is_said_first_and_what_shares_nothing_is_refused() {
    let folder = Folder::new();
    let first = run(&folder, "experiments/small.toml");
    let text = folder.read("experiments/small.toml");
    // Another seed: still comparable, and said.
    let other_seed = text.replace("seed = 7", "seed = 8");
    assert_ne!(other_seed, text);
    folder.write("experiments/other.toml", &other_seed);
    let other = run(&folder, "experiments/other.toml");
    let ran = folder
        .gridrun(&["compare", &first, &other])
        .ends_with_code(0);
    let said = ran
        .out
        .find("seed of the prompts: 7 before, 8 now")
        .unwrap();
    assert!(said < ran.out.find("configuration").unwrap(), "{}", ran.out);
    assert!(ran.out.contains("of other against"), "{}", ran.out);

    let ran = folder
        .gridrun(&["compare", &first, "results/small"])
        .ends_with_code(2);
    assert!(ran.err.contains("not a run directory"), "{}", ran.err);
    folder.gridrun(&["compare", &first]).ends_with_code(2);
}

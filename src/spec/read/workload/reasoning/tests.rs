//! Mistakes in tasks and rubrics, with their places; and the truth of the built-in tasks.

use crate::spec::diagnostic::{Diagnostic, FileRole, Place, Source};
use crate::spec::read::{Loaded, load_with};
use crate::spec::workload::WorkloadSpec;
use crate::spec::workload::reasoning::ReasoningSpec;

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.into(),
    }
}

fn loaded(settings: &str, tasks: &str) -> Loaded {
    let text = format!(
        "profile = \"p\"\n[matrix]\nprefix = [true]\n[[objective]]\nmetric = \"r.ttfa_ms\"\n\
         goal = \"min\"\n[[workload]]\nname = \"r\"\nkind = \"reasoning\"\n{settings}"
    );
    let profile = source("p.toml", "[engine]\nimage = \"i\"\nmodel = \"m\"\n");
    load_with(
        source("e.toml", &text),
        &mut |_| Ok(profile.clone()),
        &mut |path| Ok(source(path, tasks)),
    )
}

fn spec(settings: &str, tasks: &str) -> ReasoningSpec {
    let loaded = loaded(settings, tasks);
    let experiment = loaded
        .experiment
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    match experiment.workloads.into_iter().next().unwrap().spec {
        WorkloadSpec::Reasoning(spec) => spec,
        other => panic!("{other:?}"),
    }
}

fn names(spec: &ReasoningSpec) -> Vec<&str> {
    spec.tasks.iter().map(|task| task.name.as_str()).collect()
}

const OWN: &str = "[[workload.task]]\nname = \"own\"\nprompt = \"?\"\n\
                   check = [{ kind = \"number\", equals = 1 }]\n";

#[test]
fn tasks_come_from_the_program_the_experiment_and_a_file() {
    let by_default = spec("", "");
    for category in ["planning", "logic", "code"] {
        let n = by_default
            .tasks
            .iter()
            .filter(|task| task.category == category)
            .count();
        assert!(n >= 3, "{n} tasks of {category}");
    }
    let file = "[[task]]\nname = \"filed\"\ncategory = \"code\"\nprompt = \"?\"\n[[task.check]]\n\
                kind = \"contains-any\"\ntexts = [\"x\"]\n";
    let own = spec(&format!("built-in = []\ntasks = \"t.toml\"\n{OWN}"), file);
    assert_eq!(names(&own), ["own", "filed"]);
    let metrics: Vec<&str> = own
        .metrics
        .iter()
        .map(|metric| metric.name.as_ref())
        .collect();
    assert!(metrics.contains(&"quality_code") && metrics.contains(&"quality_own"));
    assert!(!metrics.contains(&"quality_logic"));
    let logic = spec("built-in = [\"logic\"]", "");
    assert!(logic.tasks.iter().all(|task| task.category == "logic"));
    // What is stored repeats it without the file.
    let stored = serde_json::to_string(&own).unwrap();
    assert_eq!(serde_json::from_str::<ReasoningSpec>(&stored).unwrap(), own);
    let stored = serde_json::to_string(&by_default).unwrap();
    assert_eq!(
        serde_json::from_str::<ReasoningSpec>(&stored).unwrap(),
        by_default
    );
}

fn messages(settings: &str) -> Vec<String> {
    loaded(settings, "")
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .map(|found| found.message.clone())
        .collect()
}

fn with_check(check: &str) -> String {
    format!("built-in = []\n[[workload.task]]\nname = \"own\"\nprompt = \"?\"\ncheck = [{check}]\n")
}

#[test]
fn every_mistake_is_named() {
    for (check, message) in [
        ("", "a task without a check cannot be graded"),
        ("{ kind = \"number\" }", "a number check has no `equals`"),
        (
            "{ kind = \"number\", equals = \"x\" }",
            "`equals` cannot be \"x\"",
        ),
        (
            "{ kind = \"number\", equals = 1, unit = \"apples\" }",
            "`apples` is no unit that can be converted",
        ),
        (
            "{ kind = \"number\", equals = 1, texts = [\"a\"] }",
            "`texts` means nothing for a number check",
        ),
        (
            "{ kind = \"number\", equals = 1, marker = \":\" }",
            "`marker` cannot be \":\"",
        ),
        (
            "{ kind = \"choice\", equals = \"E\", options = [\"A\", \"B\"] }",
            "`equals` cannot be \"E\"",
        ),
        (
            "{ kind = \"choice\", equals = \"A\", options = [\"A\"] }",
            "`options` cannot be a list",
        ),
        (
            "{ kind = \"contains-all\", texts = [] }",
            "`texts` cannot be an empty list",
        ),
        (
            "{ kind = \"regex\", pattern = \"(\" }",
            "`pattern` is no regular expression: unclosed group",
        ),
        (
            "{ kind = \"code\", defines = \"f(x)\", tests = [\"f\"] }",
            "`defines` cannot be \"f(x)\"",
        ),
        (
            "{ kind = \"judge\", ask = \"?\" }",
            "the task `own` asks a judge, and there is none",
        ),
        ("{ kind = \"guess\" }", "`kind` cannot be \"guess\""),
    ] {
        assert_eq!(messages(&with_check(check)), [message], "{check}");
    }
    let schema = messages(&with_check("{ kind = \"json-schema\", schema = \"{\" }"));
    assert!(
        schema[0].starts_with("`schema` is no JSON Schema: it is not JSON"),
        "{schema:?}"
    );
    let schema = messages(&with_check(
        "{ kind = \"json-schema\", schema = '{\"type\": 1}' }",
    ));
    assert!(
        schema[0].starts_with("`schema` is no JSON Schema"),
        "{schema:?}"
    );
}

#[test]
fn the_workload_must_have_tasks_of_different_names_and_known_categories() {
    assert_eq!(messages("built-in = []"), ["the workload has no task"]);
    assert_eq!(
        messages("built-in = [\"maths\"]"),
        ["there are no built-in tasks of `maths`"]
    );
    assert_eq!(
        messages(&format!("{OWN}{OWN}")),
        ["a task with the name `own` is there already"]
    );
    let judge = |url: &str| format!("{OWN}[workload.judge]\nurl = \"{url}\"\nmodel = \"m\"\n");
    assert_eq!(messages(&judge("http://127.0.0.1:1")), [""; 0]);
    assert_eq!(
        messages(&judge("localhost")),
        ["`url` cannot be \"localhost\""]
    );
    assert_eq!(
        messages(&judge("http://x/v1")),
        ["`url` cannot be \"http://x/v1\""]
    );
}

#[test]
fn mistakes_in_a_file_of_tasks_stand_at_their_place_there() {
    let found = loaded(
        "tasks = \"t.toml\"",
        "[[task]]\nname = \"a\"\nprompt = \"?\"\n",
    );
    let errors: Vec<&Diagnostic> = found.diagnostics.iter().filter(|d| d.is_error()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].message, "a task has no `check`");
    assert!(matches!(errors[0].place, Place::At(span) if span.file == FileRole::Data(0)));
    assert!(found.experiment.is_none());
}

/// The best of all choices, by trying every one.
#[test]
fn the_budget_task_has_one_best_choice() {
    let things = [(24, 57), (10, 27), (7, 18), (5, 12), (12, 31), (19, 50)];
    let mut best = Vec::new();
    for choice in 0_u32..1 << things.len() {
        let chosen = things
            .iter()
            .enumerate()
            .filter(|(at, _)| choice >> at & 1 == 1);
        let (coins, points) = chosen.fold((0, 0), |(c, p), (_, thing)| (c + thing.0, p + thing.1));
        if coins <= 50 {
            best.push((points, coins, choice));
        }
    }
    best.sort_unstable();
    let [.., second, first] = best.as_slice() else {
        panic!("{best:?}");
    };
    // Speakers, lights, snacks, photo booth.
    assert_eq!(*first, (126, 48, 0b11_0110));
    assert!(second.0 < first.0);
}

#[test]
fn the_puzzle_of_the_vase_has_one_culprit() {
    // Ana, Ben, Cleo, Dan.
    let fits: Vec<usize> = (0..4)
        .filter(|&who| {
            let sentences = [who == 1, who == 3, who != 2, who != 3];
            sentences.iter().filter(|said| **said).count() == 1
        })
        .collect();
    assert_eq!(fits, [2]);
}

#[test]
fn the_race_has_one_third() {
    // Uma, Vic, Will, Xia, Yan, each by the place of arrival.
    let mut thirds = Vec::new();
    for code in 0_u32..5_u32.pow(5) {
        let at = |runner: u32| code / 5_u32.pow(runner) % 5;
        let (uma, vic, will, xia, yan) = (at(0), at(1), at(2), at(3), at(4));
        let mut places = [uma, vic, will, xia, yan];
        places.sort_unstable();
        if places == [0, 1, 2, 3, 4] && uma < vic && will < uma && xia == vic + 1 && yan < will {
            thirds.push((0..5).find(|&runner| at(runner) == 2));
        }
    }
    assert_eq!(thirds, [Some(0)]);
}

//! Tests of the reading of tools and scenarios, from the experiment and from a file beside it.

use std::sync::Arc;

use serde_json::json;

use crate::spec::diagnostic::{Colour, Source, has_errors, render};
use crate::spec::experiment::WorkloadSpec;
use crate::spec::load_with;
use crate::spec::workload::tool_calling::expectation::{Letters, Presence, Rule};
use crate::spec::workload::tool_calling::{ScenarioClass, ToolCallingSpec};

const PROFILE: &str = "[engine]\nimage = \"i\"\nmodel = \"m\"\n";

/// What a workload with these lines says, and what is wrong with it as it is shown.
fn read(lines: &str, file: &str) -> (Option<ToolCallingSpec>, String) {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: Arc::from(text),
    };
    let text = format!(
        "profile = \"p\"\n[matrix]\nprefix = [true, false]\n[[objective]]\nmetric = \"t.ttft_ms\"\ngoal = \"min\"\n\
         [[workload]]\nname = \"t\"\nkind = \"tool-calling\"\n{lines}"
    );
    let loaded = load_with(
        source("e.toml", &text),
        &mut |_| Ok(source("p.toml", PROFILE)),
        &mut |path| match path {
            "tools.toml" => Ok(source("tools.toml", file)),
            other => Err(format!("cannot read {other}: no such file")),
        },
    );
    let shown = render(&loaded.diagnostics, &loaded.sources, Colour::Plain);
    let spec = loaded
        .experiment
        .filter(|_| !has_errors(&loaded.diagnostics));
    let spec = spec.map(|experiment| match &experiment.workloads[0].spec {
        WorkloadSpec::ToolCalling(spec) => spec.clone(),
        other => panic!("{other:?}"),
    });
    (spec, shown)
}

fn good(lines: &str, file: &str) -> ToolCallingSpec {
    let (spec, shown) = read(lines, file);
    assert_eq!(shown, "");
    spec.unwrap()
}

const TOOL: &str = r#"
[[tool]]
name = "pay"
description = "Pay somebody."
parameters = { type = "object", required = ["to", "sum"], properties = { to = { type = "string" }, sum = { type = "number" }, when = { type = "string" } } }
"#;

/// The tool as a table of the workload.
fn own_tool() -> String {
    TOOL.replace("[[tool]]", "[[workload.tool]]")
}

#[test]
fn without_scenarios_of_its_own_a_workload_has_those_that_gridrun_brings() {
    let spec = good("", "");
    let n = |class| {
        let of_class = spec
            .scenarios
            .iter()
            .filter(|scenario| scenario.class() == class);
        of_class.count()
    };
    assert_eq!(ScenarioClass::ALL.map(n), [4, 2, 2, 2]);
    assert_eq!(
        (spec.rounds, spec.concurrency, spec.max_tokens),
        (1, 4, 512)
    );
    let flight = spec
        .scenarios
        .iter()
        .find(|s| s.name == "book-a-flight")
        .unwrap();
    assert_eq!((flight.steps.len(), flight.n_requests()), (3, 4));
    assert_eq!(flight.tools.len(), spec.tools.len());
    // What is stored repeats it.
    let stored = serde_json::to_string(&spec).unwrap();
    assert_eq!(
        serde_json::from_str::<ToolCallingSpec>(&stored).unwrap(),
        spec
    );
    let some = good("only = [\"timer\", \"thanks\"]\nconcurrency = 1", "");
    let names: Vec<&str> = some.scenarios.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["timer", "thanks"]);
}

#[test]
fn own_tools_and_scenarios_say_what_is_right() {
    let spec = good(
        &format!(
            r#"
system = "Be brief."
example = [{{ user = "u", assistant = "a" }}]
[[workload.scenario]]
name = "pay"
ask = "Pay Ada 3.5."
call = [{{ tool = "pay", arguments = {{ to = {{ any-of = ["Ada", "ada"], letters = "any-case" }}, sum = {{ near = 3.5, within = 0.1 }}, when = {{ contains = "now", optional = true }} }} }}]
{}"#,
            own_tool()
        ),
        "",
    );
    assert_eq!((spec.tools.len(), spec.scenarios.len()), (1, 1));
    assert_eq!(spec.examples.len(), 1);
    let call = &spec.scenarios[0].steps[0][0];
    let (to, when) = (&call.arguments["to"], &call.arguments["when"]);
    assert_eq!(to.rule, Rule::AnyOf(vec![json!("Ada"), json!("ada")]));
    assert_eq!(
        (to.letters, to.presence),
        (Letters::AnyCase, Presence::Required)
    );
    assert_eq!(
        call.arguments["sum"].rule,
        Rule::Near {
            number: 3.5,
            within: 0.1
        }
    );
    assert_eq!(
        (&when.rule, when.presence),
        (&Rule::Contains("now".to_owned()), Presence::Optional)
    );
}

#[test]
fn a_file_beside_the_experiment_holds_them_as_well() {
    let scenario = r#"
[[scenario]]
name = "chain"
ask = "Pay twice."
[[scenario.step]]
call = [{ tool = "pay", arguments = { to = "a", sum = 1 }, result = "done" }]
[[scenario.step]]
call = [{ tool = "pay", arguments = { to = "b", sum = { anything = true } }, result = { ok = true } }]
"#;
    let file = format!("{TOOL}{scenario}");
    let spec = good("tools = \"tools.toml\"", &file);
    assert_eq!(spec.scenarios[0].class(), ScenarioClass::Chained);
    assert_eq!(
        spec.scenarios[0].steps[1][0].result,
        Some(json!({ "ok": true }))
    );
    let both = good("tools = \"tools.toml\"\nbuilt-in = \"beside\"", &file);
    assert_eq!(both.scenarios.len(), 11);
}

#[test]
fn every_mistake_is_shown_at_its_place() {
    let scenario = |lines: &str| {
        format!(
            "[[workload.scenario]]\nname = \"s\"\nask = \"?\"\n{lines}\n{}",
            own_tool()
        )
    };
    for (lines, says) in [
        (
            scenario("call = [{ tool = \"pey\" }]"),
            "no tool has the name `pey`",
        ),
        (scenario("call = [{ tool = \"pey\" }]"), "did you mean `pay`?"),
        (
            scenario("call = [{ tool = \"pay\", arguments = { to = \"a\" } }]"),
            "`pay` needs the argument `sum`",
        ),
        (
            scenario("call = [{ tool = \"pay\", arguments = { to = \"a\", sum = 1, whom = 2 } }]"),
            "`pay` has no argument `whom`",
        ),
        (
            scenario("call = [{ tool = \"pay\", arguments = { to = \"a\", sum = \"much\" } }]"),
            "\"much\" is against the schema of `sum`",
        ),
        (
            scenario("call = [{ tool = \"pay\", arguments = { to = { equals = \"a\", contains = \"b\" }, sum = 1 } }]"),
            "it is not clear what the argument must be",
        ),
        (
            scenario("call = [{ tool = \"pay\", arguments = { to = \"a\", sum = { near = 3 } } }]"),
            "`near` needs `within`",
        ),
        (
            scenario("call = [{ tool = \"pay\", arguments = { to = { any-of = \"a\" }, sum = 1 } }]"),
            "expected a list of values",
        ),
        (scenario(""), "the scenario says nothing of calls"),
        (
            scenario("step = [{ call = [{ tool = \"pay\", arguments = { to = \"a\", sum = 1 } }] }]"),
            "a call of a chain has no `result`",
        ),
        (
            scenario("step = [{ call = [] }]"),
            "the step has no call",
        ),
        (
            scenario("call = []\nstep = []"),
            "both `call` and `step`",
        ),
        (
            scenario("call = []\ntools = []"),
            "the scenario offers no tool",
        ),
        (
            scenario("call = [{ tool = \"pay\", arguments = { to = \"a\", sum = nan } }]"),
            "JSON has no such number",
        ),
        (
            format!("{}{}", own_tool(), own_tool()),
            "two tools have the name `pay`",
        ),
        (own_tool(), "the workload has no scenario"),
        ("built-in = \"none\"".to_owned(), "the workload has no scenario"),
        ("only = [\"tymer\"]".to_owned(), "did you mean `timer`?"),
        (
            "[[workload.tool]]\nname = \"a b\"\ndescription = \"d\"\nparameters = {}".to_owned(),
            "up to 64 of A-Z a-z 0-9 _ . -",
        ),
        (
            "[[workload.tool]]\nname = \"a\"\ndescription = \"d\"\nparameters = { type = \"objekt\" }"
                .to_owned(),
            "`parameters` is no JSON Schema",
        ),
        (
            "[[workload.tool]]\nname = \"a\"\ndescription = \"d\"\nparameters = 3".to_owned(),
            "a table: a JSON Schema",
        ),
        ("tools = \"other.toml\"".to_owned(), "cannot read other.toml: no such file"),
        ("rounds = 0".to_owned(), "`rounds` cannot be 0"),
    ] {
        let (spec, shown) = read(&lines, "");
        assert!(spec.is_none(), "{lines}");
        assert!(shown.contains(says), "{lines}\n{shown}");
        assert!(shown.contains("e.toml:"), "{shown}");
    }
}

#[test]
fn mistakes_of_the_file_are_shown_in_the_file() {
    for (file, says) in [
        ("[[tool]]\nname = \"a\"\n", "[[tool]] has no `description`"),
        ("[[tools]]\n", "the file has no key `tools`"),
        ("[[tool]\n", "not valid TOML"),
    ] {
        let (spec, shown) = read("tools = \"tools.toml\"", file);
        assert!(spec.is_none(), "{file}");
        assert!(
            shown.contains(says) && shown.contains("tools.toml:"),
            "{shown}"
        );
    }
}

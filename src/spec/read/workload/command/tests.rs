//! Commands as files write them, and mistakes in them.

use std::time::Duration;

use crate::measure::metric::{Scale, Unit};
use crate::spec::diagnostic::Source;
use crate::spec::read::{Loaded, load};
use crate::spec::workload::WorkloadSpec;
use crate::spec::workload::command::{CommandSpec, Output, Place};

fn loaded(settings: &str, metric: &str) -> Loaded {
    let text = format!(
        "profile = \"p\"\n[matrix]\nprefix = [true]\n[[objective]]\nmetric = \"c.{metric}\"\n\
         goal = \"min\"\n[[workload]]\nname = \"c\"\nkind = \"command\"\n{settings}"
    );
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.into(),
    };
    let profile = "[engine]\nimage = \"i\"\nmodel = \"m\"\n";
    load(source("e.toml", &text), &mut |_| {
        Ok(source("p.toml", profile))
    })
}

fn spec(settings: &str, metric: &str) -> CommandSpec {
    let loaded = loaded(settings, metric);
    let experiment = loaded
        .experiment
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    assert_eq!(experiment.objectives.len(), 1, "{:?}", loaded.diagnostics);
    match experiment.workloads.into_iter().next().unwrap().spec {
        WorkloadSpec::Command(spec) => spec,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_ready_mapping_and_declared_metrics_are_there() {
    let bench = spec(
        "run = [\"vllm\", \"bench\", \"serve\", \"--base-url\", \"{url}\", \"--x\", \"{out}\", \"{\\\"a\\\": 1}\"]\n\
         output = \"file\"\nmapping = \"vllm-bench-serve\"\n",
        "p99_ttft_ms",
    );
    assert_eq!((bench.place, bench.output), (Place::Engine, Output::File));
    assert_eq!(bench.timeout, Duration::from_secs(1800));
    assert!(
        bench
            .metrics
            .iter()
            .any(|metric| metric.name == "success_rate")
    );
    let own = spec(
        "run = [\"tool\"]\nwhere = \"host\"\ntimeout = \"5s\"\npass-env = [\"HF_TOKEN\"]\n\
         [[workload.metric]]\nname = \"mean_s\"\npath = \"results.0.mean\"\nunit = \"s\"\n\
         [[workload.metric]]\nname = \"drift\"\npath = \"/a~1b\"\nscale = \"signed\"\n\
         [[workload.metric]]\nname = \"rate\"\npath = \"rps\"\nunit = \"req/s\"\n",
        "mean_s",
    );
    assert_eq!(own.mapping[0].pointer, "/results/0/mean");
    assert_eq!(
        (own.mapping[0].factor, own.metrics[0].unit),
        (1000.0, Unit::Milliseconds)
    );
    assert_eq!(
        (own.mapping[1].pointer.as_str(), own.metrics[1].scale),
        ("/a~1b", Scale::Signed)
    );
    assert_eq!(own.metrics[2].unit, Unit::RequestsPerSecond);
    let stored = serde_json::to_string(&own).unwrap();
    assert_eq!(serde_json::from_str::<CommandSpec>(&stored).unwrap(), own);
}

#[test]
fn every_mistake_is_named() {
    let metric = "[[workload.metric]]\nname = \"x\"\npath = \"x\"\n";
    for (settings, message) in [
        (
            format!("run = []\n{metric}"),
            "`run` cannot be an empty list",
        ),
        (
            format!("run = [\"a\", \"{{prt}}\"]\n{metric}"),
            "`{prt}` stands for nothing",
        ),
        (
            format!("run = [\"a\"]\noutput = \"file\"\n{metric}"),
            "the command is not told to write the file `{out}`",
        ),
        ("run = [\"a\"]\n".to_owned(), "the command yields no metric"),
        (
            format!("run = [\"a\"]\npass-env = [\"hf_secret=1\"]\n{metric}"),
            "`pass-env` takes the names of variables",
        ),
        (
            format!("run = [\"a\"]\n{metric}{metric}"),
            "the metric `x` is there already",
        ),
        (
            "run = [\"a\"]\n[[workload.metric]]\nname = \"a-b\"\npath = \"x\"\n".to_owned(),
            "`name` cannot be \"a-b\"",
        ),
    ] {
        let found: Vec<String> = loaded(&settings, "x")
            .diagnostics
            .iter()
            .filter(|found| found.is_error() && !found.message.contains("yields no metric `x`"))
            .map(|found| found.message.clone())
            .collect();
        assert!(found.contains(&message.to_owned()), "{settings}: {found:?}");
    }
}

//! The lines of RUNS.md for people's own tools, run over the example run: where a Python with the
//! package is there. `GRIDRUN_PYTHON` names one that must have them all.

use std::process::Command;

use crate::{read, root};

const PAGE: &str = "docs/RUNS.md";

#[test]
fn the_lines_for_own_tools_run() {
    let lines = python_blocks(&read(PAGE));
    assert!(lines.len() >= 6, "{lines:?}");
    let named = std::env::var("GRIDRUN_PYTHON").ok();
    let python = named.as_deref().unwrap_or("python3");
    let run = example();
    for line in lines {
        let package = ["polars", "pandas", "duckdb"]
            .into_iter()
            .find(|package| line.contains(package))
            .unwrap_or_else(|| panic!("{PAGE}: whose line is `{line}`?"));
        if !imports(python, package) {
            assert!(named.is_none(), "{python} cannot import {package}");
            println!("skipped: {python} cannot import {package}: {line}");
            continue;
        }
        let ran = Command::new(python)
            .args(["-c", &line])
            .env("RUN", &run)
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        assert!(ran.status.success(), "{line}\n{err}");
        // A header alone is not an answer.
        assert!(out.lines().count() > 1, "{line}\n{out}");
        println!("{line}\n{out}");
    }
}

fn imports(python: &str, package: &str) -> bool {
    let asked = Command::new(python)
        .args(["-c", &format!("import {package}")])
        .output();
    asked.is_ok_and(|asked| asked.status.success())
}

fn python_blocks(page: &str) -> Vec<String> {
    let blocks = page.split("\n```python\n").skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned())
        .collect()
}

/// The run of the repository.
fn example() -> String {
    let experiment = root().join("results/quickstart");
    let mut runs: Vec<_> = std::fs::read_dir(&experiment)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("run.json").is_file())
        .collect();
    runs.sort();
    let run = runs.pop().expect("the repository has an example run");
    run.display().to_string()
}

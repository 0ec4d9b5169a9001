//! Experiments for tests, from the lines of their profile.

use std::sync::Arc;

use crate::plan::check::{Checked, check};
use crate::spec::diagnostic::{Colour, Source, render};
use crate::spec::load;

const EXPERIMENT: &str = "\
profile = \"p\"
[matrix]
prefix = [true, false]
[[workload]]
name = \"w\"
kind = \"kv-cache\"
[[objective]]
metric = \"w.ttft_repeat_ms\"
goal = \"min\"
";

/// An experiment whose profile has these lines in `[engine]` (and in what they begin).
pub fn checked(lines: &str) -> Checked {
    let profile = format!(
        "[stand-in]\ngpu-memory = \"8GiB\"\nweights = \"1GiB\"\nkv-bytes-per-token = \"1KiB\"\n\
         [engine]\nimage = \"vllm/vllm-openai:v0.11.0\"\n{}{lines}\n",
        if lines.contains("model =") {
            ""
        } else {
            "model = \"org/model\"\n"
        }
    );
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: Arc::from(text),
    };
    let loaded = load(source("e.toml", EXPERIMENT), &mut |_| {
        Ok(source("p.toml", &profile))
    });
    check(loaded).unwrap_or_else(|rejected| {
        let found = render(&rejected.diagnostics, &rejected.sources, Colour::Plain);
        panic!("{found}\n{profile}")
    })
}

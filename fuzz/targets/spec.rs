//! Any two texts are an experiment and its profile, or a list of mistakes that can be shown.

#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use gridrun::plan::check::check;
use gridrun::spec;
use gridrun::spec::diagnostic::{Colour, Diagnostic, Source, Sources, list, render};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Files<'a> {
    /// How long the experiment is; what is behind it is the profile.
    experiment: u16,
    text: &'a str,
}

fn show(diagnostics: &[Diagnostic], sources: &Sources) {
    for colour in [Colour::Plain, Colour::Ansi] {
        let _ = render(diagnostics, sources, colour);
    }
    let _ = list(diagnostics, sources);
}

fuzz_target!(|files: Files<'_>| {
    let mut at = usize::from(files.experiment).min(files.text.len());
    while !files.text.is_char_boundary(at) {
        at -= 1;
    }
    let (experiment, profile) = files.text.split_at(at);
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: Arc::from(text),
    };
    let loaded = spec::load(source("experiments/any.toml", experiment), &mut |_| {
        Ok(source("profiles/any.toml", profile))
    });
    match check(loaded) {
        Ok(checked) => {
            assert!(!checked.cells.is_empty(), "a checked experiment has cells");
            show(&checked.warnings, &checked.sources);
        }
        Err(rejected) => {
            assert!(
                rejected.diagnostics.iter().any(Diagnostic::is_error),
                "a rejection says why"
            );
            show(&rejected.diagnostics, &rejected.sources);
        }
    }
});

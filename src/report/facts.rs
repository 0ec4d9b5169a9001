//! With what a run was measured, as facts that every format lists.

use crate::decide::number;
use crate::report::text::Prose;
use crate::report::view::View;

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub label: &'static str,
    pub text: Prose,
}

/// In the order in which they are told; what is not known is left out.
pub fn facts(view: &View) -> Vec<Fact> {
    let method = &view.method;
    let mut facts = vec![
        Fact {
            label: "gridrun",
            text: Prose::new(view.gridrun.as_str()),
        },
        Fact {
            label: "Model",
            text: Prose::name_first(&method.model),
        },
    ];
    let mut fact = |label: &'static str, text: Option<Prose>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            facts.push(Fact { label, text });
        }
    };
    let versions = method.engine_versions.iter().map(String::as_str);
    fact("Engine version", Some(Prose::default().names(versions)));
    fact(
        "Image",
        method.image.as_deref().map(|image| {
            let image = Prose::name_first(image);
            match view.stand_in {
                true => image.words(" (not used: a stand-in answered)"),
                false => image,
            }
        }),
    );
    let digest = method.runtime.image_digest.as_deref();
    fact("Image digest", digest.map(Prose::name_first));
    fact("Runtime", Some(Prose::new(method.runtime.runtime.as_str())));
    for note in &method.runtime.notes {
        fact("Measured path", Some(Prose::quoted(note)));
    }
    let host = &method.host;
    let memory = host.memory_bytes.map_or_else(String::new, |bytes| {
        format!(
            ", {} GiB memory",
            number::significant(bytes as f64 / f64::from(1 << 30))
        )
    });
    fact(
        "Host",
        Some(Prose::new(format!(
            "{}, {}, kernel {}, {}, {} CPUs{memory}",
            host.hostname,
            host.os,
            host.kernel,
            host.cpu.as_deref().unwrap_or("CPU unknown"),
            host.n_cpus
        ))),
    );
    let gpus = match host.gpus.is_empty() {
        true => "none could be seen".to_owned(),
        false => host.gpus.join("; "),
    };
    fact("GPUs", Some(Prose::new(gpus)));
    let flags: Vec<String> = method
        .base_flags
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let flags = flags.iter().map(String::as_str);
    fact("Flags of the profile", Some(Prose::default().names(flags)));
    fact(
        "Plan",
        Some(Prose::new(format!(
            "repeats {}, seed {}, {}, equivalence margin {}",
            method.repeats,
            method.seed,
            method.strategy.name(),
            number::chosen_percent(view.equivalence)
        ))),
    );
    for source in &method.sources {
        let sha256 = source.sha256.get(..16).unwrap_or(&source.sha256);
        fact(
            "File",
            Some(Prose::name_first(&source.path).words(format!(" (SHA-256 {sha256}…)"))),
        );
    }
    facts
}

//! A Compose file to put over production's own: the champion's command and variables.

use crate::champion::text::Champion;
use crate::pack::alerts::{json, one_line};
use crate::spec::flag::FlagValue;
use crate::spec::secret::is_secret_flag;
use crate::spec::vllm_flags::{Rendered, render};

/// The override for a service. `model` and `image` are those that were measured.
pub fn compose_override(champion: &Champion, service: &str, image: Option<&str>) -> String {
    let model = &champion.evidence.conditions.model;
    let mut command = vec!["--model".to_owned(), model.clone()];
    let mut hidden = Vec::new();
    for (name, value) in &champion.flags {
        if is_secret_flag(name.as_str()) {
            hidden.push(name.to_string());
        } else if let Rendered::Args(args) = render(name, value) {
            command.extend(args);
        }
    }
    let stamp = match champion.evidence.conditions.stand_in {
        true => "# STAND-IN: no real model answered when this was selected.\n",
        false => "",
    };
    let mut out = format!(
        "# The champion {} of {}: docker compose -f compose.yml -f compose.override.yml up -d\n\
         # Host, port and key stay those of the service: add them to the command where it has them.\n{stamp}",
        one_line(&champion.cell),
        one_line(&champion.experiment),
    );
    for name in hidden {
        out += &format!("# --{name} is a secret and not written down: add it yourself.\n");
    }
    out += &format!("services:\n  {}:\n", json(service));
    if let Some(image) = image {
        out += &format!("    image: {}\n", json(image));
    }
    out += "    command:\n";
    for word in command {
        // A dollar sign is Compose's own.
        out += &format!("      - {}\n", json(&word.replace('$', "$$")));
    }
    let set = |value: &FlagValue| *value != FlagValue::Default;
    if champion.env.values().any(set) {
        out += "    environment:\n";
        for (name, value) in champion.env.iter().filter(|(_, value)| set(value)) {
            out += &format!(
                "      {}: {}\n",
                json(name),
                json(&value.to_string().replace('$', "$$"))
            );
        }
    }
    if let Some(bytes) = champion.memory {
        out += &format!("    mem_limit: {bytes}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::champion::select::{Claim, select};
    use crate::decide::fixture;
    use crate::spec::flag::FlagName;

    #[test]
    fn the_command_has_every_flag_and_no_secret() {
        let mut champion = select(&fixture::full(), Claim::AcceptLeader).unwrap();
        let flag = |name: &str| FlagName(name.to_owned());
        champion
            .flags
            .insert(flag("api-key"), FlagValue::Text("sk-1".to_owned()));
        champion
            .flags
            .insert(flag("max-num-seqs"), FlagValue::Int(48));
        champion
            .env
            .insert("A".to_owned(), FlagValue::Text("$x".to_owned()));
        let text = compose_override(&champion, "vllm", Some("image:1"));
        assert!(
            text.contains("      - \"--max-num-seqs\"\n      - \"48\"\n"),
            "{text}"
        );
        assert!(!text.contains("sk-1"), "{text}");
        assert!(text.contains("--api-key is a secret"), "{text}");
        assert!(text.contains("\"A\": \"$$x\""), "{text}");
    }
}

//! A model that was not there: a wrong path, a wrong name, a closed door, no way to the hub.

use crate::diagnose::advice::Subject;
use crate::diagnose::extract::between;

pub fn not_found(subject: &Subject) -> String {
    let cause = subject.cause;
    let holds = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    let name = named(cause).or_else(|| subject.facts.setting("model"));
    let of_model = name.map_or_else(String::new, |name| format!(" of `{name}`"));
    if holds(&["ated repo", "GatedRepo", "restricted", "awaiting a review"]) {
        return format!(
            "Ask for access at the hub page{of_model}, and hand your token over: \
             `HF_TOKEN = {{ from-env = \"HF_TOKEN\" }}` in `[engine.env]`."
        );
    }
    if holds(&["RevisionNotFound"]) {
        return format!(
            "The hub has no such revision{of_model}: correct `revision`, or leave it out."
        );
    }
    if holds(&["offline", "Offline", "LocalEntry", "disk cache"]) {
        return format!(
            "The hub may not be asked and the cache lacks the model{}: mount a cache that holds it \
             (`volumes`), or take `HF_HUB_OFFLINE` out of `[engine.env]`.",
            name.map_or_else(String::new, |name| format!(" `{name}`"))
        );
    }
    if holds(&[
        "couldn't connect",
        "Max retries",
        "name resolution",
        "Name or service not known",
        "Connection",
    ]) {
        return "The hub was not reached: give the container a way to the network, or mount a cache \
                that holds the model (`volumes`) and set `HF_HUB_OFFLINE = \"1\"` in `[engine.env]`."
            .to_owned();
    }
    if holds(&[
        "any model weights",
        "safetensors model weights",
        "Error no file named",
        ".safetensors",
    ]) {
        return match name.filter(|name| is_path(name)) {
            Some(path) => format!(
                "`{path}` holds no weights that vLLM loads: finish its download (`*.safetensors`), or \
                 name their form with `load-format`."
            ),
            None => "The model's folder holds no weights that vLLM loads: finish its download \
                     (`*.safetensors`), or name their form with `load-format`."
                .to_owned(),
        };
    }
    if holds(&[
        "No supported config format",
        "does not appear to have a file named",
        "config.json",
    ]) && let Some(path) = name.filter(|name| is_path(name))
    {
        return format!(
            "`{path}` holds no `config.json`: finish its download, or point `model` in `[engine]` at the \
             folder that does."
        );
    }
    match name {
        Some(path) if is_path(path) => format!(
            "The container has no model at `{path}`: correct `model` in `[engine]`, or mount its folder: \
             `volumes = [{{ from = \"FOLDER-ON-THIS-HOST\", to = \"{}\" }}]`.",
            parent(path)
        ),
        Some(name) if holds(&["RepositoryNotFound", "Repository Not Found", "401", "404", "not a valid model"]) => {
            format!(
                "The hub shows no model `{name}`: correct `model` in `[engine]`, or, if it is private, hand \
                 your token over: `HF_TOKEN = {{ from-env = \"HF_TOKEN\" }}` in `[engine.env]`."
            )
        }
        Some(name) => format!(
            "Correct `model` in `[engine]`: `{name}` is neither a folder in the container nor `owner/name` \
             of a model at the hub."
        ),
        None if holds(&["RepositoryNotFound", "Repository Not Found", "401", "403", "404"]) => {
            "The hub shows no such model: correct `model` in `[engine]`, or, if it is private, hand your \
             token over: `HF_TOKEN = { from-env = \"HF_TOKEN\" }` in `[engine.env]`."
                .to_owned()
        }
        None => "Check `model` in `[engine]`: a path is one inside the container and needs its \
                 `volumes`; a hub name has the form `owner/name`. A folder must hold `config.json` and \
                 the weights."
            .to_owned(),
    }
}

/// The model that the message names.
fn named(cause: &str) -> Option<&str> {
    const PLACES: [(&str, &str); 7] = [
        ("repo_name': '", "'"),
        ("max length is 96: '", "'"),
        ("local directory specified: '", "'"),
        ("model weights with `", "`"),
        ("Can't load tokenizer for '", "'"),
        ("Can't load the configuration of '", "'"),
        ("Access to model ", " is restricted"),
    ];
    let quoted = PLACES
        .iter()
        .find_map(|(open, close)| between(cause, open, close));
    let word = |rest: &'static str| {
        let (_, rest) = cause.split_once(rest)?;
        rest.split_whitespace().next()
    };
    let before = || {
        let (front, _) = cause.split_once(" does not appear to have a file named")?;
        front.split_whitespace().next_back()
    };
    let name = quoted
        .or_else(|| word("config format found in "))
        .or_else(before)
        .or_else(|| word("huggingface.co/"))?;
    // An address of the hub has more around the name.
    let name = name.trim_start_matches("api/models/");
    let name = name.split("/resolve/").next().unwrap_or(name);
    let name = name.trim_end_matches(['.', '/', ':', ',', '\'']);
    let is_name = !name.is_empty()
        && name.len() <= 200
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
    is_name.then_some(name)
}

fn is_path(name: &str) -> bool {
    name.starts_with(['/', '.'])
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((front, _)) if !front.is_empty() => front,
        _ => path,
    }
}

//! The command that runs one cell by hand: `docker run` from the profile and the cell, quoted
//! for a shell. Names secrets, never shows one.

use std::path::Path;

use crate::matrix::cell::Cell;
use crate::report::text::Prose;
use crate::report::view::Deploy;
use crate::spec::flag::FlagValue;
use crate::spec::profile::{EngineProfile, EnvSource, Gpus, Profile, Volume};
use crate::spec::secret::{is_secret_flag, is_secret_variable};
use crate::spec::vllm_flags::{Rendered, render};

/// Port inside the container and on the host.
const PORT: u16 = 8000;

/// Builds the command for a cell of a profile.
/// The command alone.
pub fn deploy_command(profile: &Profile, cell: &Cell) -> String {
    deploy(profile, cell).command
}

pub fn deploy(profile: &Profile, cell: &Cell) -> Deploy {
    let engine = &profile.engine;
    let (flags, mut notes) = flag_lines(cell);
    let command = match &engine.image {
        Some(image) => {
            let environment = Environment::of(engine, cell);
            notes.extend(environment.notes);
            let mut lines = vec![format!("{}docker run --rm", environment.prefix)];
            lines.extend(container_lines(engine, cell));
            lines.extend(environment.options);
            // Images differ in their entrypoint (`vllm serve` or a Python module): naming it
            // makes the command right for both.
            lines.push("--entrypoint vllm".to_owned());
            lines.push(format!("{} serve {}", quote(image), quote(&engine.model)));
            lines.push(format!("--port {PORT}"));
            lines.extend(flags);
            lines.join(" \\\n  ")
        }
        None => {
            notes.push(Prose::new(
                "The profile names no image, so this is the engine's own command, without a \
                 container around it.",
            ));
            let mut lines = vec![format!("vllm serve {}", quote(&engine.model))];
            lines.extend(flags);
            lines.join(" \\\n  ")
        }
    };
    Deploy {
        cell: cell.name.clone(),
        command,
        notes,
    }
}

/// One line per flag of the cell, and why flags are not among them.
fn flag_lines(cell: &Cell) -> (Vec<String>, Vec<Prose>) {
    let mut lines = Vec::new();
    let mut notes = Vec::new();
    for (name, setting) in &cell.flags {
        if is_secret_flag(name.as_str()) {
            notes.push(
                Prose::name_first(&format!("--{name}"))
                    .words(" is left out: its value is a secret."),
            );
            continue;
        }
        match render(name, &setting.value) {
            Rendered::Args(args) => lines.push(shell_words::join(&args)),
            Rendered::LeftOut { why } => notes.push(
                Prose::name_first(&format!("--{name}")).words(format!(" is left out: {why}.")),
            ),
        }
    }
    (lines, notes)
}

fn container_lines(engine: &EngineProfile, cell: &Cell) -> Vec<String> {
    let mut lines = Vec::new();
    match &engine.gpus {
        Gpus::None => {}
        Gpus::All => lines.push("--gpus all".to_owned()),
        Gpus::Count(count) => lines.push(format!("--gpus {count}")),
        // Docker reads the value as CSV: the quotes keep the commas of the list together.
        Gpus::Ids(ids) => {
            lines.push(format!(
                "--gpus {}",
                quote(&format!("\"device={}\"", ids.join(",")))
            ));
        }
    }
    if engine.ipc_host {
        lines.push("--ipc host".to_owned());
    } else if let Some(bytes) = engine.shm {
        lines.push(format!("--shm-size {}", size(bytes)));
    }
    if let Some(bytes) = cell.memory.or(engine.memory) {
        lines.push(format!("--memory {0} --memory-swap {0}", size(bytes)));
    }
    for limit in &engine.ulimits {
        let value = format!("{}={}:{}", limit.name, limit.soft, limit.hard);
        lines.push(format!("--ulimit {}", quote(&value)));
    }
    for volume in &engine.volumes {
        lines.push(format!("--mount {}", quote(&mount(volume))));
    }
    lines.push(format!("-p 127.0.0.1:{PORT}:{PORT}"));
    lines
}

/// `--mount` takes CSV: a path with a comma or a quote is quoted as such.
fn mount(volume: &Volume) -> String {
    let field = |key: &str, path: &Path| {
        let field = format!("{key}={}", path.display());
        match field.contains([',', '"']) {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field,
        }
    };
    let mut fields = vec![
        "type=bind".to_owned(),
        field("source", &volume.from),
        field("target", &volume.to),
    ];
    if volume.read_only {
        fields.push("readonly".to_owned());
    }
    fields.join(",")
}

/// What goes before `docker run` and among its options for the engine's environment.
struct Environment {
    /// Ends in a space unless it is empty.
    prefix: String,
    options: Vec<String>,
    notes: Vec<Prose>,
}

impl Environment {
    fn of(engine: &EngineProfile, cell: &Cell) -> Self {
        let mut prefix = String::new();
        let mut options = Vec::new();
        let mut needed = Vec::new();
        let mut notes = Vec::new();
        for (name, source) in &engine.env {
            // A varied variable overrides the profile's.
            if cell.env.contains_key(name) {
                continue;
            }
            match source {
                EnvSource::Literal(value) if !is_secret_variable(name) => {
                    options.push(format!("-e {}", quote(&format!("{name}={value}"))));
                }
                EnvSource::Literal(_) => {
                    options.push(format!("-e {}", quote(name)));
                    needed.push(name.clone());
                }
                // Handing a value over under another name by the shell's assignment keeps it
                // out of Docker's argument list, which every user of the host can read.
                EnvSource::FromEnv(variable) if variable == name => {
                    options.push(format!("-e {}", quote(name)));
                    needed.push(variable.clone());
                }
                EnvSource::FromEnv(variable) if is_variable(name) && is_variable(variable) => {
                    prefix += &format!("{name}=\"${{{variable}}}\" ");
                    options.push(format!("-e {name}"));
                    needed.push(variable.clone());
                }
                EnvSource::FromEnv(variable) => notes.push(
                    Prose::name_first(name)
                        .words(" is left out: a shell cannot fill it from ")
                        .name(variable)
                        .words("."),
                ),
            }
        }
        for (name, setting) in &cell.env {
            match &setting.value {
                FlagValue::Default => {}
                _ if is_secret_variable(name) => options.push(format!("-e {}", quote(name))),
                value => options.push(format!("-e {}", quote(&format!("{name}={value}")))),
            }
        }
        if !options
            .iter()
            .any(|option| option.starts_with("-e VLLM_API_KEY"))
        {
            options.push("-e VLLM_API_KEY".to_owned());
            notes.push(
                Prose::new("Set ")
                    .name("VLLM_API_KEY")
                    .words(" in the shell first: without it the server asks for no key."),
            );
        }
        if !needed.is_empty() {
            notes.push(
                Prose::new("These variables must be set in the shell: ")
                    .names(needed.iter().map(String::as_str))
                    .words("."),
            );
        }
        Self {
            prefix,
            options,
            notes,
        }
    }
}

/// Docker's sizes: whole binary units where they are exact.
fn size(bytes: u64) -> String {
    [(30, "g"), (20, "m"), (10, "k")]
        .into_iter()
        .find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift))
        .map_or_else(
            || format!("{bytes}b"),
            |(shift, unit)| format!("{}{unit}", bytes >> shift),
        )
}

/// A name that a shell takes after `$`.
fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn quote(word: &str) -> String {
    shell_words::quote(word).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;
    use crate::matrix::cell::{SetBy, Setting};
    use crate::spec::flag::FlagName;

    #[test]
    fn the_command_is_the_profile_and_the_cell() {
        let profile = fixture::experiment().profile;
        let deploy = deploy(&profile, &fixture::cells()[2]);
        insta::assert_snapshot!(deploy.command, @r#"
LICENCE="${MY_LICENCE}" docker run --rm \
  --gpus '"device=0,1"' \
  --shm-size 8g \
  --memory 64g --memory-swap 64g \
  --ulimit 'memlock=-1:-1' \
  --mount 'type=bind,source=/home/ana/.cache/hugging face,target=/root/.cache/huggingface,readonly' \
  -p 127.0.0.1:8000:8000 \
  -e 'HF_HUB_OFFLINE=1' \
  -e HF_TOKEN \
  -e LICENCE \
  -e VLLM_API_KEY \
  --entrypoint vllm \
  vllm/vllm-openai:v0.11.0 serve Qwen/Qwen3-32B-AWQ \
  --port 8000 \
  --no-enable-prefix-caching \
  --gpu-memory-utilization 0.85 \
  --max-model-len 40960 \
  --max-num-seqs 32
"#);
        let notes: Vec<String> = deploy.notes.iter().map(Prose::plain).collect();
        insta::assert_snapshot!(notes.join("\n"), @r#"
Set VLLM_API_KEY in the shell first: without it the server asks for no key.
These variables must be set in the shell: HF_TOKEN, MY_LICENCE.
"#);
    }

    #[test]
    fn everything_is_quoted_and_no_secret_is_shown() {
        let mut profile = fixture::experiment().profile;
        profile.engine.model = "/models/$(rm -rf ~)".to_owned();
        profile.engine.ipc_host = true;
        profile.engine.volumes[0].from = "/data/a,b 'c'".into();
        let secret = EnvSource::Literal("hf_abc".to_owned());
        profile.engine.env = vec![("HF_TOKEN".to_owned(), secret)];
        let mut cell = fixture::cells().remove(0);
        let set = |value: FlagValue| Setting {
            value,
            by: SetBy::Axis,
        };
        cell.memory = Some((1 << 30) + (1 << 20));
        cell.flags.insert(
            FlagName("hf-token".to_owned()),
            set(FlagValue::Text("hf_abc".to_owned())),
        );
        cell.flags.insert(
            FlagName("kv-cache-dtype".to_owned()),
            set(FlagValue::Default),
        );
        cell.env.insert(
            "VLLM_USE_FLASHINFER_SAMPLER".to_owned(),
            set(FlagValue::Text("a b".to_owned())),
        );
        let deploy = deploy(&profile, &cell);
        assert!(!format!("{deploy:?}").contains("hf_abc"));
        let notes: Vec<String> = deploy.notes.iter().map(Prose::plain).collect();
        insta::assert_snapshot!(notes.join("\n"), @r#"
--hf-token is left out: its value is a secret.
--kv-cache-dtype is left out: vLLM's default is asked for.
Set VLLM_API_KEY in the shell first: without it the server asks for no key.
These variables must be set in the shell: HF_TOKEN.
"#);
        insta::assert_snapshot!(deploy.command, @r#"
docker run --rm \
  --gpus '"device=0,1"' \
  --ipc host \
  --memory 1025m --memory-swap 1025m \
  --ulimit 'memlock=-1:-1' \
  --mount 'type=bind,"source=/data/a,b '\''c'\''",target=/root/.cache/huggingface,readonly' \
  -p 127.0.0.1:8000:8000 \
  -e HF_TOKEN \
  -e 'VLLM_USE_FLASHINFER_SAMPLER=a b' \
  -e VLLM_API_KEY \
  --entrypoint vllm \
  vllm/vllm-openai:v0.11.0 serve '/models/$(rm -rf ~)' \
  --port 8000 \
  --enable-prefix-caching \
  --gpu-memory-utilization 0.85 \
  --max-model-len 40960 \
  --max-num-seqs 32
"#);
        // A shell reads it back as the words that were meant.
        let words = shell_words::split(&deploy.command.replace("\\\n", "")).unwrap();
        assert!(words.contains(&"/models/$(rm -rf ~)".to_owned()));
    }

    #[test]
    fn a_profile_without_an_image_gives_the_engines_own_command() {
        let mut profile = fixture::experiment().profile;
        profile.engine.image = None;
        let deploy = deploy(&profile, &fixture::cells()[0]);
        assert!(
            deploy
                .command
                .starts_with("vllm serve Qwen/Qwen3-32B-AWQ \\\n")
        );
    }

    #[test]
    fn sizes_are_exact() {
        assert_eq!(size(8 << 30), "8g");
        assert_eq!(size(512 << 20), "512m");
        assert_eq!(size(1001), "1001b");
        assert_eq!(size(0), "0b");
    }
}

//! The image of the engines: found on the daemon, or pulled.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bollard::errors::Error;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;

use crate::runner::ports::RuntimeError;
use crate::runtime::docker::client::Client;
use crate::runtime::docker::refusal;

/// An image that is on the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Containers are made from the id: a name can be moved to another image in the middle of
    /// a run.
    pub id: String,
    /// `repository@sha256:..`, or the id when the image never was in a registry.
    pub digest: String,
    /// What to execute in the place of the image's own entry point, if that does not take the
    /// arguments of `vllm serve`.
    pub entrypoint_override: Option<Vec<String>>,
    /// That gridrun's own fake engine answers, whatever the image is called.
    pub is_stand_in: bool,
}

/// How far a pull is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProgress {
    pub image: String,
    pub n_layers: usize,
    pub n_layers_done: usize,
    /// Bytes loaded of the layers whose size is known by now.
    pub bytes: u64,
    pub total_bytes: u64,
}

/// Who is told how far a pull is.
#[derive(Clone)]
pub struct PullListener(Arc<dyn Fn(&PullProgress) + Send + Sync>);

impl PullListener {
    pub fn new(listener: impl Fn(&PullProgress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub fn nobody() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for PullListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PullListener")
    }
}

/// The image called `name`, pulled if it is not there.
///
/// # Errors
/// [`RuntimeError::NotPrepared`] when it is neither here nor to be had.
pub async fn find_or_pull(
    client: &Client,
    name: &str,
    listener: &PullListener,
) -> Result<Image, RuntimeError> {
    let name = with_tag(name);
    if let Some(image) = find(client, &name).await? {
        return Ok(image);
    }
    pull(client, &name, listener).await?;
    find(client, &name)
        .await?
        .ok_or_else(|| RuntimeError::NotPrepared {
            what: format!("the image {name} was pulled and is not there"),
            hint: format!("`docker images` lists what is here; try `docker pull {name}`"),
        })
}

/// The image called `name`, if the daemon has it.
pub async fn find(client: &Client, name: &str) -> Result<Option<Image>, RuntimeError> {
    match client.docker().inspect_image(name).await {
        Ok(found) => Ok(Some(describe(name, found))),
        Err(error) if refusal::is_not_found(&error) => Ok(None),
        Err(error) => Err(refusal::failed("looking for the image", error)),
    }
}

async fn pull(client: &Client, name: &str, listener: &PullListener) -> Result<(), RuntimeError> {
    let options = CreateImageOptionsBuilder::new().from_image(name).build();
    let mut layers = Layers::default();
    let mut steps = std::pin::pin!(client.docker().create_image(Some(options), None, None));
    while let Some(step) = steps.next().await {
        let step = step.map_err(|error| cannot_pull(name, error))?;
        layers.take(&step);
        listener.0(&layers.progress(name));
    }
    Ok(())
}

fn cannot_pull(name: &str, error: Error) -> RuntimeError {
    // The daemon waits for the registry, so that its silence is the registry's.
    let silent = matches!(error, Error::RequestTimeoutError);
    if refusal::is_broken(&error) && !silent {
        return refusal::unreachable("pulling the image", error);
    }
    let words = refusal::words(&error);
    RuntimeError::NotPrepared {
        what: format!("the image {name} is not on this host and cannot be pulled: {words}"),
        hint: format!(
            "correct `image` in [engine]; where a registry asks for a login or is out of reach, \
             bring the image here by `docker pull {name}` or `docker load`"
        ),
    }
}

/// A name as Docker needs it: one without a tag would pull every tag that there is.
pub fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || last.contains('@') {
        name.to_owned()
    } else {
        format!("{name}:latest")
    }
}

fn describe(name: &str, found: ImageInspect) -> Image {
    // An answer without an id would still be found by the name it was asked for.
    let id = found.id.unwrap_or_else(|| name.to_owned());
    let digests = found.repo_digests.unwrap_or_default();
    let digest = own_digest(name, &digests).unwrap_or(&id).to_owned();
    let entrypoint = found
        .config
        .and_then(|config| config.entrypoint)
        .unwrap_or_default();
    Image {
        id,
        digest,
        entrypoint_override: entrypoint_override(&entrypoint),
        is_stand_in: starts_stand_in(&entrypoint),
    }
}

/// The digest under the name's own repository, else the first.
pub fn own_digest<'a>(name: &str, digests: &'a [String]) -> Option<&'a str> {
    let repository = repository(name);
    digests
        .iter()
        .find(|digest| digest.split('@').next() == Some(repository))
        .or_else(|| digests.first())
        .map(String::as_str)
}

fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        // A colon before the last slash belongs to a registry's port.
        Some((front, tag)) if !tag.contains('/') => front,
        _ => name,
    }
}

/// Images of vLLM start `vllm serve`, older ones the bare server module, which takes the model
/// by a flag; an image without an entry point starts nothing.
fn entrypoint_override(entrypoint: &[String]) -> Option<Vec<String>> {
    let takes_other_arguments = entrypoint
        .iter()
        .any(|word| word == "vllm.entrypoints.openai.api_server");
    (entrypoint.is_empty() || takes_other_arguments)
        .then(|| vec!["vllm".to_owned(), "serve".to_owned()])
}

fn starts_stand_in(entrypoint: &[String]) -> bool {
    entrypoint
        .windows(2)
        .any(|words| words == ["stand-in", "serve"])
}

/// The layers of a pull, by what the daemon says of each.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, Layer>);

#[derive(Debug, Default)]
struct Layer {
    bytes: u64,
    total_bytes: u64,
    done: bool,
}

impl Layers {
    fn take(&mut self, step: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&step.id, &step.status) else {
            return;
        };
        // The first line carries the tag where layers carry their ids.
        if status.starts_with("Pulling from") {
            return;
        }
        let layer = self.0.entry(id.clone()).or_default();
        match status.as_str() {
            "Downloading" => {
                if let Some(detail) = &step.progress_detail {
                    layer.bytes = known(detail.current).unwrap_or(layer.bytes);
                    layer.total_bytes = known(detail.total).unwrap_or(layer.total_bytes);
                }
            }
            "Download complete" => layer.bytes = layer.total_bytes,
            "Pull complete" | "Already exists" => {
                layer.bytes = layer.total_bytes;
                layer.done = true;
            }
            _ => {}
        }
    }

    fn progress(&self, image: &str) -> PullProgress {
        PullProgress {
            image: image.to_owned(),
            n_layers: self.0.len(),
            n_layers_done: self.0.values().filter(|layer| layer.done).count(),
            bytes: self.0.values().map(|layer| layer.bytes).sum(),
            total_bytes: self.0.values().map(|layer| layer.total_bytes).sum(),
        }
    }
}

fn known(bytes: Option<i64>) -> Option<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{ImageConfig, ProgressDetail};

    #[test]
    fn a_name_without_a_tag_means_latest() {
        for (name, expected) in [
            ("vllm/vllm-openai", "vllm/vllm-openai:latest"),
            ("vllm/vllm-openai:v0.11.0", "vllm/vllm-openai:v0.11.0"),
            ("localhost:5000/vllm", "localhost:5000/vllm:latest"),
            ("vllm@sha256:12", "vllm@sha256:12"),
        ] {
            assert_eq!(with_tag(name), expected);
        }
        assert_eq!(repository("localhost:5000/vllm"), "localhost:5000/vllm");
        assert_eq!(repository("localhost:5000/vllm:v1"), "localhost:5000/vllm");
    }

    #[test]
    fn the_digest_is_the_repositorys_own_or_else_the_id() {
        let found = |digests: &[&str]| ImageInspect {
            id: Some("sha256:aa".to_owned()),
            repo_digests: Some(digests.iter().map(|text| (*text).to_owned()).collect()),
            config: Some(ImageConfig {
                entrypoint: Some(vec!["vllm".to_owned(), "serve".to_owned()]),
                ..ImageConfig::default()
            }),
            ..ImageInspect::default()
        };
        let image = describe("b/vllm:v1", found(&["a/vllm@sha256:1", "b/vllm@sha256:2"]));
        assert_eq!(image.digest, "b/vllm@sha256:2");
        assert_eq!(image.entrypoint_override, None);
        assert_eq!(describe("vllm:v1", found(&[])).digest, "sha256:aa");
    }

    #[test]
    fn an_entry_point_that_takes_other_arguments_is_replaced() {
        let words =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let serve = Some(words("vllm serve"));
        let module = words("python3 -m vllm.entrypoints.openai.api_server");
        assert_eq!(entrypoint_override(&module), serve);
        assert_eq!(entrypoint_override(&[]), serve);
        assert_eq!(entrypoint_override(&words("/start.sh vllm serve")), None);
    }

    #[test]
    fn a_stand_in_is_known_by_what_it_starts() {
        for (entrypoint, expected) in [
            ("/usr/local/bin/gridrun stand-in serve", true),
            ("/start.sh gridrun stand-in serve", true),
            ("vllm serve", false),
            ("", false),
        ] {
            let words: Vec<String> = entrypoint.split_whitespace().map(str::to_owned).collect();
            assert_eq!(starts_stand_in(&words), expected, "{entrypoint}");
        }
    }

    #[test]
    fn a_pulls_progress_is_the_sum_over_its_layers() {
        let step = |id: &str, status: &str, current: i64, total: i64| CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        };
        let mut layers = Layers::default();
        layers.take(&step("v1", "Pulling from vllm/vllm-openai", 0, 0));
        layers.take(&step("a", "Downloading", 10, 100));
        layers.take(&step("b", "Downloading", 50, 50));
        layers.take(&step("b", "Extracting", 1, 50));
        layers.take(&step("b", "Pull complete", 0, 0));
        assert_eq!(
            layers.progress("image"),
            PullProgress {
                image: "image".to_owned(),
                n_layers: 2,
                n_layers_done: 1,
                bytes: 60,
                total_bytes: 150,
            }
        );
    }
}

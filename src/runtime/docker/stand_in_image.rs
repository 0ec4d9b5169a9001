//! The stand-in as an image, made without a registry: the running binary and the shared
//! objects that it loads. Made once per binary.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::body_try_stream;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use crate::runner::ports::RuntimeError;
use crate::runtime::binary;
use crate::runtime::docker::client::Client;
use crate::runtime::docker::elf::Elf;
use crate::runtime::docker::image::{Image, find};
use crate::runtime::docker::refusal;
use crate::runtime::docker::rootfs::{Placed, Rootfs};

/// Repository of the stand-in images; the tag tells the binary.
pub const REPOSITORY: &str = "gridrun-stand-in";

const LABEL: &str = "gridrun.stand-in";
/// Hexadecimal digits of a tag.
const TAG_LENGTH: usize = 12;

const INSIDE: &str = "/usr/local/bin/gridrun";

/// The daemon answers when it has taken in the whole image, which is as large as the binary.
const IMPORT_PATIENCE: Duration = Duration::from_secs(600);

/// The image of `program`, made if it is not there.
pub async fn find_or_make(client: &Client, program: &Path) -> Result<Image, RuntimeError> {
    let tag = tag_of(program).await?;
    find_or_make_as(client, program, &tag).await
}

async fn find_or_make_as(
    client: &Client,
    program: &Path,
    tag: &str,
) -> Result<Image, RuntimeError> {
    let name = named(tag);
    if let Some(image) = find(client, &name).await? {
        return Ok(image);
    }
    let placed = Placed {
        on_host: program.to_owned(),
        inside: PathBuf::from(INSIDE),
    };
    let entrypoint = [INSIDE, "stand-in", "serve"];
    import(client, &[placed], &entrypoint, REPOSITORY, tag).await?;
    find(client, &name)
        .await?
        .ok_or_else(|| RuntimeError::NotPrepared {
            what: format!("the image {name} was made and is not there"),
            hint: "`docker images` lists what is here".to_owned(),
        })
}

/// The image of the running binary, made if it is not there; its name, as `image` in a profile
/// takes it.
///
/// # Errors
/// Docker is not to be reached, or the image could not be made.
pub async fn make_stand_in_image() -> Result<String, RuntimeError> {
    let client = Client::connect().await?;
    let program = binary::running().map_err(|source| RuntimeError::Host {
        what: "the running binary could not be found".to_owned(),
        source,
    })?;
    let tag = tag_of(&program).await?;
    find_or_make_as(&client, &program, &tag).await?;
    Ok(named(&tag))
}

fn named(tag: &str) -> String {
    format!("{REPOSITORY}:{tag}")
}

async fn tag_of(program: &Path) -> Result<String, RuntimeError> {
    mark_of(program.to_owned())
        .await
        .map_err(|source| RuntimeError::Host {
            what: format!("{} could not be read", program.display()),
            source,
        })
}

/// Makes an image of a few programs, started by `entrypoint`.
pub async fn import(
    client: &Client,
    programs: &[Placed],
    entrypoint: &[&str],
    repository: &str,
    tag: &str,
) -> Result<(), RuntimeError> {
    let programs = programs.to_vec();
    let rootfs = tokio::task::spawn_blocking(move || Rootfs::of(&programs))
        .await
        .map_err(io::Error::other)
        .and_then(|made| made)
        .map_err(|source| RuntimeError::Host {
            what: "the stand-in image could not be put together".to_owned(),
            source,
        })?;
    let quoted: Vec<String> = entrypoint.iter().map(|word| format!("{word:?}")).collect();
    let changes = vec![
        format!("ENTRYPOINT [{}]", quoted.join(",")),
        "ENV PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
        format!("ENV LD_LIBRARY_PATH={:?}", rootfs.library_path()),
        format!("LABEL {LABEL}=1"),
    ];
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(tag)
        .changes(changes)
        .build();
    let patient = client.docker().clone().with_timeout(IMPORT_PATIENCE);
    let body = body_try_stream(rootfs.into_stream());
    let mut steps = std::pin::pin!(patient.create_image(Some(options), Some(body), None));
    while let Some(step) = steps.next().await {
        step.map_err(|error| refusal::failed("making the stand-in image", error))?;
    }
    Ok(())
}

/// Removes every stand-in image that no container uses, and says which.
pub async fn remove_all(client: &Client) -> Result<Vec<String>, RuntimeError> {
    let ours = HashMap::from([("reference", vec![REPOSITORY])]);
    let options = ListImagesOptionsBuilder::new().filters(&ours).build();
    let images = client
        .docker()
        .list_images(Some(options))
        .await
        .map_err(|error| refusal::failed("listing the images", error))?;
    let mut said = Vec::new();
    for name in images.into_iter().flat_map(|image| image.repo_tags) {
        let options = RemoveImageOptionsBuilder::new().build();
        match client
            .docker()
            .remove_image(&name, Some(options), None)
            .await
        {
            Ok(_) => said.push(format!("removed image {name}")),
            Err(error) if refusal::is_broken(&error) => {
                return Err(refusal::unreachable("removing an image", error));
            }
            Err(error) => {
                said.push(format!("kept image {name}: {}", refusal::words(&error)));
            }
        }
    }
    Ok(said)
}

/// What tells one build of a program from another: the front of the id that its linker made of
/// it, else of its SHA-256, which takes seconds for a large binary of a debug build.
async fn mark_of(program: PathBuf) -> io::Result<String> {
    let marked = tokio::task::spawn_blocking(move || {
        let mark = match Elf::read(&program)?.build_id {
            Some(id) => id,
            None => sha256_of(&program)?,
        };
        Ok(mark.chars().take(TAG_LENGTH).collect())
    });
    marked.await.map_err(io::Error::other)?
}

fn sha256_of(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(digest
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect());
        }
        digest.update(&buffer[..n]);
    }
}

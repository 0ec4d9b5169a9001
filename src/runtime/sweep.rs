//! `gridrun clean`: everything that dead runs left on this host.

use std::path::Path;

use crate::runner::ports::RuntimeError;
use crate::runtime::docker::{self, Client};
use crate::runtime::lock::Sweeper;
use crate::runtime::process;

/// Whether the stand-in images go too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandInImages {
    Keep,
    Remove,
}

/// What a sweep did.
#[derive(Debug)]
pub struct Swept {
    /// One line for each thing that was found, with what became of it.
    pub said: Vec<String>,
    /// Why no container could be looked at, when Docker was not to be reached.
    pub without_docker: Option<RuntimeError>,
}

/// Kills the processes and removes the containers of runs that are dead, and on request the
/// stand-in images. What belongs to a living run stays.
///
/// # Errors
/// Something of a dead run was found and could not be removed.
pub async fn sweep_all(images: StandInImages) -> Result<Swept, RuntimeError> {
    let mut said = process::sweep(Path::new("/proc"), Sweeper::User).await?;
    let client = match Client::connect().await {
        Ok(client) => client,
        Err(error) => {
            return Ok(Swept {
                said,
                without_docker: Some(error),
            });
        }
    };
    said.extend(docker::sweep(&client, Sweeper::User).await?);
    match images {
        StandInImages::Keep => {}
        StandInImages::Remove => said.extend(docker::remove_stand_in_images(&client).await?),
    }
    Ok(Swept {
        said,
        without_docker: None,
    })
}

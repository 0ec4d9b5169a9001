//! A container's output as the daemon streams it.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::runtime::docker::client::Client;
use crate::runtime::log::Channel;

/// The output of a started container from its first byte, until it ends. The daemon keeps it
/// in a file, so nothing is lost between the start and this call.
pub fn follow(
    client: &Client,
    container: &str,
) -> impl Stream<Item = Result<(Channel, Bytes), bollard::errors::Error>> + Send + use<> {
    let options = LogsOptionsBuilder::new()
        .follow(true)
        .stdout(true)
        .stderr(true)
        .build();
    client
        .docker()
        .logs(container, Some(options))
        .map(|output| {
            Ok(match output? {
                LogOutput::StdErr { message } => (Channel::Err, message),
                LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => (Channel::Out, message),
            })
        })
}

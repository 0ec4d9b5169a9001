//! How much memory a container uses, by the daemon's account.

use std::time::Duration;

use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt;

use crate::runtime::docker::client::Client;
use crate::runtime::memory::Memory;

/// How long the daemon may take to say how much memory is in use.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a container uses now; `None` when it does not run or the daemon does not say.
pub async fn look(client: &Client, container: &str) -> Option<Memory> {
    let stats = stats(client, container).await?;
    of(stats.memory_stats.as_ref()?).filter(|_| is_alive(&stats))
}

/// What is left of a container that has just died is not what it used.
pub fn is_alive(stats: &ContainerStatsResponse) -> bool {
    let pids = stats.pids_stats.as_ref().and_then(|pids| pids.current);
    pids.is_some_and(|processes| processes > 0)
}

/// The highest memory use of a running container, in bytes; only hosts with version 1 of the
/// control groups keep it, and they count the page cache in.
pub async fn kept_peak(client: &Client, container: &str) -> Option<u64> {
    let stats = stats(client, container).await?.memory_stats?;
    stats.max_usage.filter(|bytes| *bytes > 0)
}

/// The daemon's account of a container; `None` when it does not run or the daemon does not answer.
pub async fn stats(client: &Client, container: &str) -> Option<ContainerStatsResponse> {
    let options = StatsOptionsBuilder::new()
        .stream(false)
        .one_shot(true)
        .build();
    let mut readings = std::pin::pin!(client.docker().stats(container, Some(options)));
    let reading = tokio::time::timeout(PATIENCE, readings.next()).await;
    reading.ok()??.ok()
}

/// Pages of files that can be given back at once are not counted, as `docker stats` does: under
/// the first version of the control groups they are `total_inactive_file`, under the second
/// `inactive_file`. A container without a limit of its own shows the host's memory as its limit.
pub fn of(stats: &ContainerMemoryStats) -> Option<Memory> {
    let usage = stats.usage.filter(|bytes| *bytes > 0)?;
    let inactive = stats.stats.as_ref().and_then(|parts| {
        let named = |name| parts.get(name).copied();
        named("total_inactive_file").or_else(|| named("inactive_file"))
    });
    Some(Memory {
        used: usage.saturating_sub(inactive.unwrap_or(0)),
        limit: stats.limit.filter(|bytes| *bytes > 0),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn pages_that_can_be_given_back_are_not_in_use() {
        let stats = |parts: &[(&str, u64)]| ContainerMemoryStats {
            usage: Some(1000),
            limit: Some(4000),
            stats: Some(
                parts
                    .iter()
                    .map(|(name, bytes)| ((*name).to_owned(), *bytes))
                    .collect::<HashMap<_, _>>(),
            ),
            ..ContainerMemoryStats::default()
        };
        for (parts, used) in [
            (
                &[("inactive_file", 1), ("total_inactive_file", 300)][..],
                700,
            ),
            (&[("inactive_file", 200)], 800),
            (&[], 1000),
            (&[("inactive_file", 5000)], 0),
        ] {
            let memory = of(&stats(parts)).unwrap();
            assert_eq!((memory.used, memory.limit), (used, Some(4000)));
        }
        assert_eq!(of(&ContainerMemoryStats::default()), None);
    }
}

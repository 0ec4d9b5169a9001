//! What a container uses, by the daemon's account, and which processes are its own.

use bollard::models::{ContainerBlkioStats, ContainerStatsResponse, ContainerTopResponse};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::measure::sample::ContainerReading;
use crate::runner::meter::EngineMeter;
use crate::runtime::docker::client::Client;
use crate::runtime::docker::memory;

/// Watches one container.
#[derive(Debug, Clone)]
pub struct ContainerMeter {
    client: Client,
    /// Its whole id.
    container: String,
}

impl ContainerMeter {
    pub fn new(client: Client, container: String) -> Self {
        Self { client, container }
    }

    /// The processes of the container as the daemon counts them, which is as the host does.
    async fn processes(&self) -> Option<Vec<u32>> {
        let docker = self.client.docker();
        let answer = docker.top_processes(&self.container, None).await.ok()?;
        pids(&answer)
    }
}

impl EngineMeter for ContainerMeter {
    fn read(&self) -> BoxFuture<'_, Option<ContainerReading>> {
        async {
            let stats = memory::stats(&self.client, &self.container).await?;
            memory::is_alive(&stats).then(|| reading(&stats))
        }
        .boxed()
    }

    /// The kernel says in which control group a process is, and the group of a container carries
    /// its id under every driver of them. Only a process that this says nothing of is looked for
    /// in the daemon's list, which starts a `ps`.
    fn owns(&self, pid: u32) -> BoxFuture<'_, Option<bool>> {
        async move {
            let group = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok();
            if group
                .as_ref()
                .is_some_and(|group| group.contains(&self.container))
            {
                return Some(true);
            }
            match self.processes().await {
                Some(pids) if pids.contains(&pid) => Some(true),
                // Neither here nor there: it has ended, or lives where nobody sees it.
                Some(_) | None if group.is_none() => None,
                Some(_) => Some(false),
                None => None,
            }
        }
        .boxed()
    }
}

fn reading(stats: &ContainerStatsResponse) -> ContainerReading {
    let used = stats.memory_stats.as_ref().and_then(memory::of);
    let cpu = stats
        .cpu_stats
        .as_ref()
        .and_then(|cpu| cpu.cpu_usage.as_ref());
    let networks = stats
        .networks
        .as_ref()
        .filter(|networks| !networks.is_empty());
    let traffic = |of: fn(&bollard::models::ContainerNetworkStats) -> Option<u64>| {
        networks.map(|networks| networks.values().filter_map(of).sum())
    };
    ContainerReading {
        cpu_s: cpu
            .and_then(|usage| usage.total_usage)
            .map(|ns| ns as f64 / 1e9),
        memory_bytes: used.map(|memory| memory.used),
        memory_limit_bytes: used.and_then(|memory| memory.limit),
        read_bytes: disk(stats.blkio_stats.as_ref(), "read"),
        written_bytes: disk(stats.blkio_stats.as_ref(), "write"),
        received_bytes: traffic(|network| network.rx_bytes),
        sent_bytes: traffic(|network| network.tx_bytes),
    }
}

/// Bytes of one kind over all devices. A container that has not touched a disk has no entries at
/// all, as has one on a host that does not count: that is unknown.
fn disk(stats: Option<&ContainerBlkioStats>, kind: &str) -> Option<u64> {
    let entries = stats?.io_service_bytes_recursive.as_ref()?;
    (!entries.is_empty()).then(|| {
        entries
            .iter()
            .filter(|entry| {
                entry
                    .op
                    .as_deref()
                    .is_some_and(|op| op.eq_ignore_ascii_case(kind))
            })
            .filter_map(|entry| entry.value)
            .sum()
    })
}

fn pids(answer: &ContainerTopResponse) -> Option<Vec<u32>> {
    let column = answer
        .titles
        .as_ref()?
        .iter()
        .position(|title| title == "PID")?;
    let rows = answer.processes.as_ref()?;
    Some(
        rows.iter()
            .filter_map(|row| row.get(column)?.parse().ok())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemons_answer_becomes_a_reading() {
        let text = r#"{
            "cpu_stats": {"cpu_usage": {"total_usage": 2500000000}},
            "memory_stats": {"usage": 1000, "limit": 4000, "stats": {"inactive_file": 200}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"major": 8, "minor": 0, "op": "Read", "value": 100},
                {"major": 8, "minor": 0, "op": "Write", "value": 7},
                {"major": 9, "minor": 0, "op": "read", "value": 11},
                {"major": 8, "minor": 0, "op": "Total", "value": 118}]},
            "networks": {"eth0": {"rx_bytes": 5, "tx_bytes": 6}, "eth1": {"rx_bytes": 50, "tx_bytes": 60}}
        }"#;
        let stats: ContainerStatsResponse = serde_json::from_str(text).unwrap();
        assert_eq!(
            reading(&stats),
            ContainerReading {
                cpu_s: Some(2.5),
                memory_bytes: Some(800),
                memory_limit_bytes: Some(4000),
                read_bytes: Some(111),
                written_bytes: Some(7),
                received_bytes: Some(55),
                sent_bytes: Some(66),
            }
        );
        let nothing =
            serde_json::from_str(r#"{"blkio_stats": {"io_service_bytes_recursive": []}}"#);
        assert_eq!(reading(&nothing.unwrap()), ContainerReading::default());
    }

    #[test]
    fn the_daemons_list_is_read_by_its_titles() {
        let answer = |titles: &[&str]| ContainerTopResponse {
            titles: Some(titles.iter().map(|title| (*title).to_owned()).collect()),
            processes: Some(vec![
                vec!["root".to_owned(), "41".to_owned()],
                vec!["root".to_owned(), "42".to_owned()],
            ]),
        };
        assert_eq!(pids(&answer(&["UID", "PID"])), Some(vec![41, 42]));
        assert_eq!(pids(&answer(&["UID", "CMD"])), None);
    }
}

//! Fake meters: what a fake engine uses, on a fake machine.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::measure::sample::{
    ContainerReading, EngineGauges, GpuCard, GpuProcess, GpuReading, HostReading,
};
use crate::runner::meter::{EngineMeter, GaugeMeter, Gpu, Host};

/// One card: levels of its memory, in MiB, before the first start and at each look after a stop;
/// while an engine runs, what it always holds.
pub struct FakeGpu {
    pub levels: Mutex<VecDeque<u64>>,
    /// On the card while an engine runs.
    pub processes: Vec<GpuProcess>,
    pub engine_runs: Arc<AtomicBool>,
}

impl Gpu for FakeGpu {
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    fn cards(&self) -> Vec<GpuCard> {
        vec![GpuCard::default()]
    }

    fn absence(&self) -> Option<String> {
        None
    }

    fn read(&self) -> Vec<Option<GpuReading>> {
        let runs = self.engine_runs.load(Ordering::Relaxed);
        let mut levels = self.levels.lock().unwrap();
        let level = match (runs, levels.len()) {
            (true, _) => Some(20_000),
            (false, 1) => levels.front().copied(),
            (false, _) => levels.pop_front(),
        };
        vec![Some(GpuReading {
            memory_used_bytes: level.map(|mib| mib << 20),
            processes: runs.then(|| self.processes.clone()),
            ..GpuReading::default()
        })]
    }
}

pub struct FakeHost;

impl Host for FakeHost {
    fn read(&self) -> HostReading {
        HostReading {
            memory_used_bytes: Some(1),
            ..HostReading::default()
        }
    }
}

/// Every process of the machine is a stranger, but for the first.
pub struct FakeMeter;

impl EngineMeter for FakeMeter {
    fn read(&self) -> BoxFuture<'_, Option<ContainerReading>> {
        std::future::ready(Some(ContainerReading::default())).boxed()
    }

    fn owns(&self, pid: u32) -> BoxFuture<'_, Option<bool>> {
        std::future::ready(Some(pid == 1)).boxed()
    }
}

impl GaugeMeter for FakeMeter {
    fn read(&self) -> BoxFuture<'_, Option<EngineGauges>> {
        std::future::ready(Some(EngineGauges::default())).boxed()
    }
}

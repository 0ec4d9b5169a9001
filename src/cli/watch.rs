//! Which cards a run watches.

use std::path::PathBuf;
use std::sync::Arc;

use crate::gpu::null::NullGpu;
use crate::gpu::nvml::NvmlGpu;
use crate::manifest::Engines;
use crate::runner::meter::Gpu;
use crate::spec::profile::Gpus;

/// Names another management library than the driver's. It is there for tests, which imagine
/// cards, and for drivers that lie where no linker looks.
const LIBRARY: &str = "GRIDRUN_NVML_LIBRARY";

/// The library that is used instead of the driver's.
pub(super) fn library() -> Option<PathBuf> {
    std::env::var_os(LIBRARY).map(PathBuf::from)
}

/// Stand-ins use no GPU: whatever happens on the machine's says nothing of them, and must not
/// make a rehearsal beside a working production invalid. With a library of one's own they are
/// watched as real engines are.
pub(super) fn gpu(gpus: &Gpus, engines: Engines) -> Arc<dyn Gpu> {
    let library = library();
    let needs_none = match engines {
        Engines::Docker => false,
        Engines::DockerStandIn | Engines::ProcessStandIn => library.is_none(),
    };
    if needs_none {
        return Arc::new(NullGpu::because("stand-in engines use none"));
    }
    match NvmlGpu::open(library.as_deref(), gpus) {
        Ok(gpu) => Arc::new(gpu),
        Err(because) => Arc::new(NullGpu::because(because)),
    }
}

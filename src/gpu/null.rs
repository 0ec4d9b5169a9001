//! No look at any GPU: what is not known stays unknown.

use crate::runner::ports::Gpu;

/// Sees nothing and says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullGpu;

impl Gpu for NullGpu {
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    fn memory_used(&self) -> Option<Vec<u64>> {
        None
    }
}

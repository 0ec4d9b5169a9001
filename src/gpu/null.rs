//! No look at any GPU: what is not known stays unknown.

use crate::measure::sample::{GpuCard, GpuReading};
use crate::runner::meter::Gpu;

/// Sees nothing and says why.
#[derive(Debug, Clone)]
pub struct NullGpu {
    because: String,
}

impl NullGpu {
    /// `because` stands behind `no GPU was watched:`.
    pub fn because(because: impl Into<String>) -> Self {
        Self {
            because: because.into(),
        }
    }
}

impl Gpu for NullGpu {
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    fn cards(&self) -> Vec<GpuCard> {
        Vec::new()
    }

    fn absence(&self) -> Option<String> {
        Some(self.because.clone())
    }

    fn read(&self) -> Vec<Option<GpuReading>> {
        Vec::new()
    }
}

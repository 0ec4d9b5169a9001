//! NVIDIA's management library, which comes with the driver and is loaded when it is asked, so
//! that a machine without it is one without GPUs and no error.

mod look;
mod watch;

pub use look::{look, toolkit};
pub use watch::NvmlGpu;

#[cfg(test)]
mod stub_tests;

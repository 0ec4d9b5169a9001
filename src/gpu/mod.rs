//! The edge to the GPUs.

pub mod null;
pub mod nvml;

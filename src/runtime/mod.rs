//! The edges that start and stop an engine: in a container, or as a child process.

pub mod docker;
pub mod engine_spec;
pub mod log;
pub mod log_text;
pub mod process;
pub mod redact;
pub mod sweep;

mod binary;
mod command;
mod lock;
mod memory;
mod port;

pub use docker::{DockerKeeper, DockerRuntime, PullProgress};
pub use engine_spec::{EngineSpec, EngineVariable, ImageChoice, Visibility};
pub use process::ProcessRuntime;
pub use sweep::{StandInImages, Swept, sweep_all};

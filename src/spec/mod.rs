//! The files that people write: read into a spanned tree, walked against one table of keys, and
//! turned into types that cannot be wrong.

pub mod diagnostic;
pub mod experiment;
pub mod flag;
pub mod imagined;
pub mod keys;
pub mod near;
pub mod profile;
mod read;
pub mod scenario;
pub mod schema;
pub mod secret;
pub mod vllm_flags;
pub mod vllm_version;
pub mod workload;

pub use read::criteria;
pub use read::{Find, Loaded, LoadedScenario, load, load_scenario, load_with};

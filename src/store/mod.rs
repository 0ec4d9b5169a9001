//! What a run leaves on disk: where each file lies, how it is written so that nothing is lost,
//! and who may write there.

pub mod durable;
pub mod guard;
pub mod holder;
pub mod journal;
pub mod layout;
pub mod lock;
pub mod parquet;
pub mod record;
pub mod throne;

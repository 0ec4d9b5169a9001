//! The workloads, one file for each kind.

pub mod kv_cache;

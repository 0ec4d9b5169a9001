//! What the engine writes, dying included.

mod cause;
pub mod death;
pub mod fault;
mod given;
mod place;
mod route;
mod size;
pub mod start;
pub mod stop;
pub mod throughput;
pub mod writer;

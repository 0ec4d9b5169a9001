//! How the engine fails where memory arithmetic does not explain it: what a scenario asks for,
//! whom it befalls, and what is done to the start, the steps, the requests and the end of an
//! engine. In which words it dies is `log`'s business.

pub mod draw;
pub mod faults;
pub mod layer;
pub mod life;
pub mod memory;
pub mod pace;
pub mod serving;
pub mod start;
pub mod stream;
#[cfg(test)]
mod tests;

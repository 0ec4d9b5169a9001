//! The `tool-calling` workload: does a tool call of the model arrive as a call?

#[allow(dead_code)] // Until the workload asks it.
mod leak;

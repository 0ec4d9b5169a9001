//! The `tool-calling` workload: does a tool call of the model arrive as a call?

mod leak;

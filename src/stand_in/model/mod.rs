//! The imagined model: how it cuts text into tokens, which tools it picks, and what it says.

pub mod answer;
pub mod choose;
pub mod fill;
pub mod tokens;
pub mod tool_call;
pub mod words;

//! The imagined model: how it cuts text into tokens, and what it says.

pub mod tokens;

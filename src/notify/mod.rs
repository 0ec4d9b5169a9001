//! The edge to whoever is told: one message over HTTP, in one of three forms. Knows nothing of
//! nights; never fails anything.

mod webhook;

pub use webhook::{Form, Message, Undelivered, send};

//! The HTTP face: routes, what requests mean, how answers look.

pub mod conversation;
pub mod error;
pub mod fields;
pub mod gate;
pub mod json;
pub mod meter;
pub mod reply;
pub mod request;
pub mod response;
pub mod routes;
pub mod sampling;
pub mod server;

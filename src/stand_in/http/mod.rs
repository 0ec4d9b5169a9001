//! The HTTP face: routes, what requests mean, how answers look.

pub mod request;
pub mod response;
pub mod server;

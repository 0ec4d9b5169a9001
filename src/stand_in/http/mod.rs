//! The HTTP face: routes, what requests mean, how answers look.

pub mod answer_form;
pub mod calling;
pub mod choice;
pub mod conversation;
pub mod error;
pub mod fields;
pub mod gate;
pub mod json;
pub mod logprobs;
pub mod meter;
pub mod prompt;
pub mod reply;
pub mod request;
pub mod response;
pub mod routes;
pub mod sampling;
pub mod server;
pub mod stop;

//! The edge to the machine itself.

pub mod proc;

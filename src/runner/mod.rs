//! Takes a plan and carries it out: engine after engine, node after node. Knows traits, not
//! vendors.

pub mod ports;

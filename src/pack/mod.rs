//! What a champion and its nights need around them, as text: units of a scheduler, rules and a
//! dashboard for the day. Writes no file.

pub mod alerts;
pub mod compose;
pub mod dashboard;
pub mod units;

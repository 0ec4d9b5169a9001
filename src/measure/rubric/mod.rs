//! Grades answers by rubrics: what a task asks, the checks that an answer must pass, how the
//! answer is found in a model's text, and points with reasons.
//!
//! Pure: text in, points out. Whatever needs the outside world (code that must pass tests, a
//! judge) comes in as evidence.

mod answer;
mod check;
mod choice;
mod code;
mod contain;
mod evidence;
mod grade;
mod json;
mod marker;
mod number;
mod pattern;
mod unit;

#[cfg(test)]
mod tests;

pub use answer::{Answered, excerpt, proper};
pub use check::{
    Check, ChoiceRule, CodeRule, ContainRule, JudgeRule, NumberRule, Rule, Take, Task,
};
pub use code::code_of;
pub use evidence::{Evidence, Need, Verdict};
pub use grade::{CheckGrade, TaskGrade, grade, needs};
pub use json::{JsonSchema, found as json_in};
pub use pattern::Pattern;
pub use unit::Unit;

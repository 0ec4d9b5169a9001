//! What a node that a gate looked at says of the way out: the advice of its kind, in the light
//! of the cell's own flags.

use crate::decide::reading::Start;
use crate::matrix::cell::Cell;
use crate::measure::kind::tool_calling::advice::{InForce, advice, axis};
use crate::measure::node::NodeDetail;
use crate::spec::flag::{FlagName, FlagValue};

/// What to try.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    /// Sentences, the most telling first.
    pub advice: Vec<String>,
    /// Lines of an experiment to paste.
    pub paste: Option<String>,
}

/// What the first start in which a node had anything to advise says.
pub fn hint(node: &str, cell: &Cell, starts: &[Start<'_>]) -> Hint {
    let reports = starts
        .iter()
        .flat_map(|start| &start.measured.nodes)
        .filter(|report| report.node == node);
    for report in reports {
        let Some(NodeDetail::ToolCalling(detail)) = &report.detail else {
            continue;
        };
        let parser = tool_parser(cell);
        let in_force = match &parser {
            Some(name) => InForce::Parser(name),
            None => InForce::NoParser,
        };
        let advice = advice(detail, in_force);
        if !advice.is_empty() {
            let paste = axis(detail, in_force);
            return Hint { advice, paste };
        }
    }
    Hint::default()
}

/// The parser of tool calls that a cell's engine is given.
pub fn tool_parser(cell: &Cell) -> Option<String> {
    match &cell
        .flags
        .get(&FlagName("tool-call-parser".to_owned()))?
        .value
    {
        FlagValue::Text(name) => Some(name.clone()),
        FlagValue::Bool(_)
        | FlagValue::Int(_)
        | FlagValue::Float(_)
        | FlagValue::List(_)
        | FlagValue::Default => None,
    }
}

//! Lists of numbers.

use toml::de::DeValue;

use crate::spec::diagnostic::Span;
use crate::spec::keys::Shape;
use crate::spec::read::scalar::{Scalar, scalar};
use crate::spec::read::walk::{Field, Reader, with_help};

impl Reader<'_> {
    /// The numbers that a key holds, each with its place; `None` when one is wrong, which is
    /// reported, or there is none.
    pub fn numbers(&mut self, field: Field<'_>) -> Option<Vec<(f64, Span)>> {
        let name = field.key.name;
        let (each, what, example) = match field.key.shape {
            Shape::Numbers { whole: true } => (
                Shape::Whole {
                    min: 1,
                    max: i64::from(u32::MAX),
                },
                "a list of whole numbers",
                "[1, 2, 4]",
            ),
            _ => (Shape::Positive, "a list of numbers", "[0.5, 1.0]"),
        };
        let items = match field.node.get_ref() {
            DeValue::Array(items) if !items.is_empty() => items,
            _ => {
                let found = self.mismatch(name, field.node, what);

                self.report(found.help(format!("write {name} = {example}")));
                return None;
            }
        };
        let mut numbers = Some(Vec::new());
        for item in items.iter() {
            let read = match scalar(each, item.get_ref()) {
                Some(Ok(Scalar::Whole(number))) => Ok(number as f64),
                Some(Ok(Scalar::Number(number))) => Ok(number),
                Some(Err(mismatch)) => Err(mismatch),
                other => unreachable!("a number is read as one: {other:?}"),
            };
            match read {
                Ok(number) => {
                    let at = self.span(item.span());
                    numbers.iter_mut().for_each(|all| all.push((number, at)));
                }
                Err(mismatch) => {
                    let found = self.mismatch(name, item, &mismatch.expected);
                    self.report(with_help(found, mismatch.help));
                    numbers = None;
                }
            }
        }
        numbers
    }
}

//! Mistakes in the files that people write: where each one is, what was found, what was
//! expected and what to do. Collects all of them; prints them with the line and a caret.
//!
//! Knows nothing of what the files mean.

use std::ops::Range;
use std::sync::Arc;

/// A file that a person wrote, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As the user would name it.
    pub path: String,
    pub text: Arc<str>,
}

/// A place in one of the files of an experiment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub file: FileRole,
    /// Byte offsets into the file's text.
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(file: FileRole, range: Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end }
    }
}

/// Which of the two files of an experiment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum FileRole {
    #[default]
    Experiment,
    Profile,
}

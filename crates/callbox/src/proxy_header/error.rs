//! Why bytes are no header, and where.

use std::borrow::Cow;
use std::fmt;

/// Why bytes are no header of the PROXY protocol, and at which byte: `unknown command 7 at byte 12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderError {
    /// The offset of the byte that is wrong.
    pub at: usize,
    /// What is wrong there; holds nothing that was received but numbers.
    pub problem: Cow<'static, str>,
}

impl HeaderError {
    pub(super) fn new(at: usize, problem: impl Into<Cow<'static, str>>) -> HeaderError {
        HeaderError { at, problem: problem.into() }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem, self.at)
    }
}

impl std::error::Error for HeaderError {}

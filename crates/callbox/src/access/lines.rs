//! Files of ranges: one a line, with comments.

use std::fmt;

use super::Range;
use crate::error::Invalid;

/// A line of a file of ranges that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Which: 1, 2, 3 ...
    pub line: usize,
    /// What is wrong with it.
    pub invalid: Invalid,
}

impl fmt::Display for BadLine {
    /// Reads behind the name of the file: `7: invalid range ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.invalid)
    }
}

impl std::error::Error for BadLine {}

/// What of a bad line is shown, in characters: it may be a file of another kind altogether.
const SHOWN_CHARS: usize = 60;

/// Reads ranges, one a line. What follows a `#` is a comment, spaces around a range and empty lines mean nothing, and a
/// line may end as on Windows.
///
/// # Errors
///
/// The first line that is none of that.
pub fn read_ranges(text: &[u8]) -> Result<Vec<Range>, BadLine> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut ranges = Vec::new();
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let written = bytes.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
        if written.is_empty() {
            continue;
        }
        let range = std::str::from_utf8(written).ok().map(str::parse::<Range>);
        match range {
            Some(Ok(range)) => ranges.push(range),
            Some(Err(invalid)) if invalid.input.chars().count() <= SHOWN_CHARS => {
                return Err(BadLine { line, invalid });
            }
            _ => {
                let shown: String = String::from_utf8_lossy(written).chars().take(SHOWN_CHARS).collect();
                let invalid = Invalid::new("range of addresses", shown, "no IP address");
                return Err(BadLine { line, invalid: invalid.instead("one range a line, and # before a comment") });
            }
        }
    }
    Ok(ranges)
}

//! Parsers of single values, all of them the library's.

use std::time::Duration;

use callbox::Invalid;
use callbox::units::{Size, parse_duration};

/// A duration such as `250us`, `500ms`, `2s`, `1m30s`.
pub fn duration(text: &str) -> Result<Duration, Invalid> {
    parse_duration(text)
}

/// A size such as `64Ki` or `1M`.
pub fn size(text: &str) -> Result<Size, Invalid> {
    text.parse()
}

/// 0 switches a timeout off.
pub fn optional(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}

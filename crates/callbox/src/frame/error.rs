//! Why a stream cannot be framed any further.

use std::fmt;

/// Why a stream cannot be framed any further; nothing says where the next frame would begin. There are no other kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// A frame is over the maximum.
    TooLarge {
        /// Its payload in bytes: as declared, or one over the maximum, where nothing declares how many are to come.
        bytes: u64,
        /// The maximum, in bytes.
        max_bytes: usize,
    },
    /// Bytes that cannot begin a frame by the rule.
    Malformed {
        /// What is wrong with them, in a lower-case fragment.
        problem: String,
    },
}

impl FrameError {
    /// Says that no end was found within the maximum.
    pub(super) fn endless(max_bytes: usize) -> FrameError {
        FrameError::TooLarge { bytes: (max_bytes as u64).saturating_add(1), max_bytes }
    }

    pub(super) fn malformed(problem: impl Into<String>) -> FrameError {
        FrameError::Malformed { problem: problem.into() }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge { bytes, max_bytes } if *bytes > (*max_bytes as u64).saturating_add(1) => {
                write!(f, "a frame of {bytes} bytes is over the maximum of {max_bytes}")
            }
            FrameError::TooLarge { max_bytes, .. } => write!(f, "a frame is over the maximum of {max_bytes} bytes"),
            FrameError::Malformed { problem } => f.write_str(problem),
        }
    }
}

impl std::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_after_a_colon() {
        let table = [
            (FrameError::endless(1024), "a frame is over the maximum of 1024 bytes"),
            (
                FrameError::TooLarge { bytes: u64::MAX, max_bytes: 1024 },
                "a frame of 18446744073709551615 bytes is over the maximum of 1024",
            ),
            (FrameError::malformed("a length without digits"), "a length without digits"),
        ];
        for (error, text) in table {
            assert_eq!(error.to_string(), text);
        }
    }
}

//! The test set for TCP, as a library.
#![warn(missing_docs)]

// ---- layer 0: words ----
pub mod addr;
pub mod error;
pub mod text;
pub mod units;

// ---- layer 1: bytes ----
pub mod pattern;

pub use error::{Error, Invalid, Kind, Result};

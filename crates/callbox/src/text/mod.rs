//! Bytes as people read and write them: escapes, hex, and the printer that makes a peer's bytes safe to show.
//!
//! One table, in [`printer`], decides what a terminal may see; everything that shows a string a peer had a say in
//! goes through it.

pub mod escape;
pub mod hex;
pub mod printer;

pub use escape::{escape, unescape};
pub use hex::{parse_hex, show_hex};
pub use printer::{Lines, Printer, safe};

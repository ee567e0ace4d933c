//! Bytes as people read and write them: escapes, hex, encodings, templates, and the printer that makes a peer's bytes
//! safe to show.
//!
//! One table, in [`printer`], decides what a terminal may see; everything that shows a string a peer had a say in
//! goes through it.

pub mod encoding;
pub mod escape;
pub mod hex;
mod near;
pub mod printer;
pub mod template;

pub use encoding::{Decoder, Encoding, Piece, Unmappable};
pub use escape::{escape, unescape, unescape_in};
pub use hex::{parse_hex, show_hex};
pub use near::nearest;
pub use printer::{Lines, Printer, safe};
pub use template::time::rfc3339;
pub use template::{Facts, Template};

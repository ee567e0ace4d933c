//! How received bytes are laid out for people: hexdump, indented JSON, and the time before each item.
//!
//! Nothing here knows where bytes come from or where the text goes. What a terminal may see of text is decided in
//! [`text::printer`](crate::text::printer); the views here print nothing but ASCII, indented JSON excepted, which
//! still has to go through that printer.
//!
//! ```
//! use callbox::view::{Hexdump, Layout};
//!
//! let mut dump = Hexdump::new(Layout { ascii: true, ..Layout::default() });
//! let mut out = Vec::new();
//! dump.push(b"hel", &mut out);
//! dump.push(b"lo\n", &mut out);
//! dump.finish(&mut out);
//! assert_eq!(out, b"00000000: 6865 6c6c 6f0a                           hello.\n");
//! ```

mod digits;
pub mod hexdump;
pub mod json;
pub mod show;

pub use digits::{hex_line, hex_line_colored};
pub use hexdump::{Hexdump, Layout};
pub use json::indent;
pub use show::{Show, Stamper, Timestamps};

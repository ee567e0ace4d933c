//! What must hold for any bytes: one body a file, for everything that reads what a user or a peer wrote.
//!
//! A body takes bytes, of which the first few choose what to try, and panics when something does not hold. All of them
//! run as plain tests over the kept corpus and random mutations (`tests/always`), and under libFuzzer (`fuzz/` at the
//! root of the workspace). The seeds are in `corpus/<target>/`, one input a file, the words to mutate with in
//! `dict/<target>.dict`, in libFuzzer's format.
//!
//! ```text
//! cargo test -p callbox-fuzz                                  # all of them, always
//! CALLBOX_FUZZ_SEED=7 cargo test -p callbox-fuzz printer      # one of them, by another seed
//! ```

pub mod address;
pub mod certificate;
// Compiled for a test of itself, the binary's file would bring its own tests along.
#[cfg(not(test))]
pub mod console;
pub mod decoder;
pub mod escapes;
pub mod fault_spec;
pub mod frame;
pub mod frame_spec;
pub mod hex;
pub mod hexdump;
pub mod http_connect_client;
pub mod http_connect_server;
mod input;
pub mod json_indent;
pub mod pattern;
pub mod pin;
pub mod printer;
pub mod proxy_header;
pub mod proxy_url;
pub mod ranges;
pub mod refusal;
pub mod socks_client;
pub mod socks_server;
pub mod targets;
pub mod template;
pub mod units;

/// Panics when something does not hold for these bytes.
pub type Body = fn(&[u8]);

/// Every target: its name and its body.
pub const TARGETS: &[(&str, Body)] = &[
    ("address", address::body),
    ("certificate", certificate::body),
    #[cfg(not(test))]
    ("console", console::body),
    ("decoder", decoder::body),
    ("escapes", escapes::body),
    ("fault_spec", fault_spec::body),
    ("frame_cobs", frame::cobs),
    ("frame_crlf", frame::crlf),
    ("frame_delim", frame::delim),
    ("frame_fixed", frame::fixed),
    ("frame_idle", frame::idle),
    ("frame_json", frame::json),
    ("frame_length", frame::length),
    ("frame_line", frame::line),
    ("frame_netstring", frame::netstring),
    ("frame_none", frame::none),
    ("frame_slip", frame::slip),
    ("frame_spec", frame_spec::body),
    ("frame_varint", frame::varint),
    ("hex", hex::body),
    ("hexdump", hexdump::body),
    ("http_connect_client", http_connect_client::body),
    ("http_connect_server", http_connect_server::body),
    ("json_indent", json_indent::body),
    ("pattern", pattern::body),
    ("pin", pin::body),
    ("printer", printer::body),
    ("proxy_header", proxy_header::body),
    ("proxy_url", proxy_url::body),
    ("ranges", ranges::body),
    ("socks_client", socks_client::body),
    ("socks_server", socks_server::body),
    ("targets", targets::body),
    ("template", template::body),
    ("units", units::body),
];

/// Runs the body of a target.
///
/// # Panics
///
/// Where something does not hold, and when there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let (_, body) = TARGETS.iter().find(|(target, _)| *target == name).unwrap_or_else(|| panic!("no target {name}"));
    body(data);
}

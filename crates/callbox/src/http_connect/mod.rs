//! HTTP's CONNECT (RFC 9110, section 9.3.6), both sides, sans-IO: the heads alone, never a body.

mod basic;
pub mod challenge;
pub mod client;
pub mod digest;
pub mod server;

/// The longest head that is taken, in bytes: proxies send a few hundred, and a peer must not make us hold more.
pub const HEAD_BYTES: usize = 16 * 1024;

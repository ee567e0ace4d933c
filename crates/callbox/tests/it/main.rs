//! The library through its public API alone, on real sockets and in-memory pairs.
//!
//! No test sleeps: each waits for what it wants to see, within a deadline that says what was missing.

/// Deadlines with messages, and the ends of each kind of stream.
mod ends;
/// Connections beyond the limits: they wait, or are refused, and are counted.
mod limits;

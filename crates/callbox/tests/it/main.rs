//! The library through its public API alone, on real sockets and in-memory pairs.
//!
//! No test sleeps: each waits for what it wants to see, within a deadline that says what was missing.

/// Deadlines with messages, servers and clients, and both ends of each kind of stream.
mod ends;

/// Totals are what the clients counted, over many random sessions.
mod accounting;
/// A bridge between two streams changes nothing.
mod bridge;
/// Limits of time, with the clock paused.
mod clock;
/// Closing loses nothing, whoever closes and whatever the other still sends.
mod closing;
/// The programs in `examples/` run and do what they say.
mod examples;
/// Each direction ends by itself: TCP, Unix and memory, either side first.
mod half_close;
/// Connections beyond the limits: they wait, or are refused, and are counted.
mod limits;
/// Faults at the listener, put on and taken off while it runs.
mod listener_faults;
/// A second server gets a copy of what clients send, and its answers are compared.
mod mirror;
/// Behind a proxy: the PROXY protocol, versions 1 and 2.
mod proxied;
/// A reset is a reset in both directions, after the bytes that came before it.
mod reset;
/// Suspend, resume, drain, abort, snapshot.
mod steering;
/// A terminal's parser finds nothing to obey in what the printer lets through.
mod terminal;
/// On whose side `TIME_WAIT` stays, held against the kernel's table.
mod time_wait;
/// A hexdump is that of the programs that people know.
mod view;

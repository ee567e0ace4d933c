//! The library through its public API alone, on real sockets and in-memory pairs.
//!
//! No test sleeps: each waits for what it wants to see, within a deadline that says what was missing.

/// Certificates, made on the spot.
mod certificates;
/// Deadlines with messages, servers and clients, and both ends of each kind of stream.
mod ends;

/// Totals are what the clients counted, over many random sessions.
mod accounting;
/// Clients that say where they want to go: SOCKS and HTTP's CONNECT.
mod as_proxy;
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
/// Load runs: schedules in virtual time, stalls, ends, servers that go away.
mod load;
mod load_faults;
/// A second server gets a copy of what clients send, and its answers are compared.
mod mirror;
/// Behind a proxy: the PROXY protocol, versions 1 and 2.
mod proxied;
/// A reset is a reset in both directions, after the bytes that came before it.
mod reset;
/// What is said in the clear so that TLS may begin.
mod starttls;
/// Suspend, resume, drain, abort, snapshot.
mod steering;
/// A terminal's parser finds nothing to obey in what the printer lets through.
mod terminal;
/// Through proxies: SOCKS and CONNECT.
mod through_proxies;
/// On whose side `TIME_WAIT` stays, held against the kernel's table.
mod time_wait;
/// TLS: who is believed and who is not, and how its streams end.
mod tls;
/// A hexdump is that of the programs that people know.
mod view;

//! callbox from outside: the built binary, real connections, real terminals, real signals.
//!
//! One binary of tests, a module a theme. Rows are those of docs/faults.md, which says which test shows which.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the library's rules on clocks, environment and printing are not for its test set"
)]

/// The built binary, as every test starts it.
mod cli;

/// The 24 cases of a byte pipe.
mod cases;

/// Arguments, help, completions, man pages, exit code 2.
mod usage;

/// Listening and connecting, ready lines, errors with hints (rows 11 to 14).
mod addresses;

/// `--send`, `--expect`, `--count`, `--linger`, `--timeout`.
mod sends;

/// What `serve` answers and shows.
mod handlers;

/// The limits of a server (rows 1, 2, 6 to 9, 25, 26).
mod limits;

/// What `accept` may answer besides a client (rows 3 to 5, 10, 37, 38).
mod accepting;

/// Behind a proxy: `--accept-proxy` (rows 27 and 32).
mod proxied;

/// Who may connect, how many and how fast.
mod access;

/// `relay` as a proxy (rows 27, 32, 114).
mod as_proxy;
/// How callbox is started, by whom and as whom (rows 118 to 120).
mod started;

/// Through proxies: `--proxy` (row 32).
mod through_proxies;

/// `--starttls`, up to where TLS begins.
mod starttls;

/// Many relays in one process, and what is said of them.
mod relay_many;

/// Late, stalled, stopped and flooding peers (rows 18, 22, 28, 29, 80).
mod late;

/// Names with several, dead or hostile answers (rows 49 to 53).
mod names;

/// Standard input and output in every state (rows 63 to 68).
mod stdio;

/// Signals, drain, suspend and resume (rows 69 to 71).
mod signals;

/// Children of `serve --exec` (rows 72, 92 to 100).
mod exec;

/// On a terminal (rows 31, 76, 78).
mod screen;

/// `--frame` and `--max-frame` (row 30).
mod frames;

/// `--checksum`.
mod checksums;

/// `--encoding` (row 31).
mod encodings;

/// `--show`, `--timestamps`, and what reaches a terminal (row 78).
mod views;

/// `--template` and `--seed`.
mod templates;

/// The console of one session, told by a program through pipes.
mod console;

/// The console of a server, likewise.
mod desk;

/// The console on a terminal, as a person meets it.
mod prompt;

/// `--json`.
mod events;

/// `-v` and `-vv`.
mod verbose;

/// Consoles: nothing typed is lost, and nobody is held.
mod driven;

/// `--explain`: what TCP did, in words.
mod explain;

/// The tutorial's two programs, byte for byte.
mod tutorial;

/// Device protocols: Modbus against pymodbus, lines in other encodings against Python.
mod devices;

/// Relays steered while they run (rows 109, 110, 112, 113).
mod control;

/// `bench`: the reasons of its exit codes, whom it reached.
mod bench_said;

/// `bench`: flags that mean nothing together, files that cannot be written.
mod bench_usage;

/// Faults on `serve`, `connect` and `listen`: latency, cuts, chance.
mod bent;

/// Faults that look at the bytes, come from files, or are at the listener.
mod bent_frames;

/// Faults on a relay, counted byte by byte (rows 109 to 111).
mod bent_relay;

/// TLS: what is agreed on, both ways, through relays, in every command (rows 27, 58, 59).
mod tls;

/// TLS: who is believed, certificates read again, the CA of callbox's own (rows 55, 61).
mod tls_trust;

/// Thousands of clients at once.
mod crowd;

/// What the tests of `bench` share.
mod bench_kit;

/// `bench`: how much is done, of what, on which connections.
mod bench;

/// `bench` and what goes wrong.
mod bench_faults;

/// `bench` at a rate.
mod bench_open;

/// What `bench` gives out.
mod bench_outputs;

/// `bench --verify`.
mod bench_verify;

/// Real programs, through a relay and under load.
mod real;

/// The tour.
mod tour;

/// The test set about itself.
mod index;

/// How tests start relays.
mod relay_line;

/// `relay`: endings and half-close (rows 18 to 21, 30, 34).
mod relay;

/// `relay`: resets (rows 16, 17).
mod relay_resets;

/// `relay` under load: bulk, back-pressure, slow and stopped peers (rows 25, 26, 28, 29).
mod relay_flow;

/// `relay` and its upstreams (rows 35, 36).
mod relay_upstreams;

/// `relay` as a program: arguments, ready line, signals.
mod relay_running;

/// `relay` at its limits (rows 1, 2, 38).
mod relay_limits;

/// `relay` in networks that lose, delay and refuse (rows 33, 37, 39, 41 to 43, 45 to 47).
mod relay_network;

/// `relay` where peers vanish, wires damage, addresses go and handshakes are never finished (rows 23, 24, 40, 44, 48).
mod relay_wire;

/// `relay` chained, mirrored, to names that move, to itself (row 54).
mod relay_chain;

/// Many relays in one process.
mod relay_fleet;

/// What `relay` shows.
mod relay_shown;

/// TLS by others, for all tests of it.
mod tls_kit;

/// TLS against Python's ssl.
mod tls_python;

/// TLS on both sides of a relay.
mod tls_relay;

/// TLS against `openssl s_client` and `openssl s_server` (rows 58, 61, 62).
mod tls_openssl;

/// TLS and those who break it (rows 27, 32, 55 to 57, 59, 60, 62).
mod tls_rows;

/// What scanners find in a server of TLS.
mod tls_scan;

/// TLS and the ways in which a server ends sessions, bounds them and tells their secrets.
mod tls_endings;

/// TLS over a wire that cuts and damages it.
mod tls_wire;

/// What is seen of a load run while it goes on (rows 73 and 74).
mod live;

/// How long a server takes, phase by phase.
mod ping;

/// Waiting until servers are ready, and becoming a command.
mod wait;

/// callbox by the name of a well-known script.
mod wait_for_it;

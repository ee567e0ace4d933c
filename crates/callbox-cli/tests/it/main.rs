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

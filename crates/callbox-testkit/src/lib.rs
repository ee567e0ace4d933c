//! What callbox's own process tests share.
//!
//! A test reads as the conversation it is about: a [`Callbox`] is started, its ready line read, a [`Peer`] sends,
//! expects and ends, and the [`Process`] exits with a code. Nothing here sleeps to let something happen: every wait
//! names a condition and a deadline, and a missed deadline panics with the whole transcript.
//!
//! Deadlines are multiplied by `CALLBOX_TEST_SCALE` (default 1) for slow machines; `CALLBOX_TEST_QUICK=1` shortens
//! the heavy tests; `CALLBOX_SKIP_LOG` names a file that collects the tests a machine could not run.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the library's rules on clocks, environment and printing are not for its test set"
)]

pub mod bytes;
pub mod certificates;
pub mod command;
pub mod deadline;
pub mod event;
pub mod harmless;
pub mod kernel;
pub mod labels;
pub mod netns;
pub mod outlet;
pub mod peer;
pub mod process;
pub mod scratch;
pub mod script;
pub mod skip;
pub mod soak;
pub mod terminal;
pub mod transcript;

pub use bytes::{assert_same_bytes, pattern};
pub use certificates::{Certificates, Leaf, Pair};
pub use command::{Callbox, Input, Output};
pub use deadline::{eventually, patience, quick, scaled};
pub use event::Ledger;
pub use harmless::assert_harmless;
pub use kernel::Reading;
pub use labels::ENCODINGS;
pub use netns::Netns;
pub use outlet::{Inlet, Outlet};
pub use peer::{DeadEnd, Peer, Server, free_address};
pub use process::{Outcome, Process};
pub use rustix::process::Signal;
pub use scratch::Scratch;
pub use script::Script;
pub use soak::Soak;
pub use terminal::Terminal;
pub use transcript::Transcript;

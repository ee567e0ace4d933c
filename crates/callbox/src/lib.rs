//! The test set for TCP, as a library.
#![warn(missing_docs)]

// ---- layer 0: words ----
pub mod addr;
pub mod direction;
pub mod error;
pub mod text;
pub mod units;

// ---- layer 1: bytes ----
pub mod pattern;

// ---- layer 2: facts ----
pub mod bus;
pub mod event;
pub mod meter;
pub mod observers;
pub mod report;
pub mod session;
pub mod tap;
pub mod termination;

// ---- layer 3: net ----
pub mod net;

// ---- layer 5: handlers ----
pub mod handle;

// ---- layer 6: openers ----
pub mod client;
mod conduct;
pub mod server;
pub mod workers;
// The last: it stands on all the others.
pub mod fixture;

pub use addr::Addr;
pub use client::Client;
pub use error::{Error, Invalid, Kind, Result};
pub use handle::Handler;
pub use net::stream::Stream;
pub use server::Server;
pub use session::Session;

//! The network itself: sockets, streams, listeners, names.

pub(crate) mod admit;
pub mod avoid;
pub(crate) mod busy;
pub mod closing;
pub mod connect;
pub(crate) mod edge;
pub mod framed;
pub(crate) mod header;
mod io;
pub mod listener;
pub mod resolve;
pub mod retry;
pub mod socket;
pub(crate) mod splice;
pub mod stream;
pub mod sys;

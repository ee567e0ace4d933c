//! The network itself: sockets, streams, listeners, names.

pub(crate) mod admit;
pub mod closing;
pub mod connect;
pub(crate) mod edge;
pub mod framed;
mod io;
pub mod listener;
pub mod resolve;
pub mod socket;
pub mod stream;
pub mod sys;

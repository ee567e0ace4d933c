//! The network itself: sockets, streams, listeners, names.

pub(crate) mod admit;
pub mod avoid;
pub(crate) mod busy;
pub mod closing;
pub mod connect;
pub(crate) mod edge;
pub(crate) mod exact;
pub mod framed;
pub(crate) mod header;
pub(crate) mod io;
pub mod listener;
pub(crate) mod open;
pub mod proxy;
pub mod resolve;
pub mod retry;
pub mod socket;
pub(crate) mod splice;
pub mod starttls;
pub mod stream;
pub mod sys;
pub(crate) mod timer;
pub mod tls;
pub mod unix;
mod wire;

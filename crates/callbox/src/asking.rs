//! How a proxy is asked where to: the steps of its side, whatever the protocol.

use crate::addr::Addr;

/// What the proxy's side does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// So many bytes more belong to the request, whatever they are. What has come beyond that may be the client's own.
    Needs(usize),
    /// This is sent before anything more is received.
    Send(Vec<u8>),
    /// The client has said where it wants to go, and waits for an answer.
    Asked(Addr),
    /// Nothing comes of it.
    Refused {
        /// What is sent before the end of stream; empty where there is nothing to say.
        answer: Vec<u8>,
        /// Why, in a fragment that is safe to print.
        problem: String,
    },
}

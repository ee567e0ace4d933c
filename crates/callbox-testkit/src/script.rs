//! A part of a conversation that runs in a thread of its own and is always joined.

use std::net::SocketAddr;
use std::panic;
use std::thread::{self, JoinHandle};

use crate::peer::{Peer, Server};

/// A thread of the test; its panic is the test's.
#[derive(Debug)]
pub struct Script<T = ()> {
    thread: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> Script<T> {
    /// Runs `part` in a thread named like the test, so that its panic message says which.
    pub fn runs(part: impl FnOnce() -> T + Send + 'static) -> Self {
        let name = thread::current().name().unwrap_or("test").to_owned();
        let thread = thread::Builder::new().name(name).spawn(part).expect("a thread");
        Self { thread: Some(thread) }
    }

    /// Listens on loopback, and plays `part` with the first client that comes.
    pub fn serves(part: impl FnOnce(Peer) -> T + Send + 'static) -> (SocketAddr, Self) {
        let server = Server::binds();
        let address = server.address();
        (address, Self::runs(move || part(server.accepts())))
    }

    /// Waits for its end and returns what it found.
    pub fn joins(mut self) -> T {
        match self.thread.take().expect("joined once").join() {
            Ok(found) => found,
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    /// Returns whether it has ended.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl<T> Drop for Script<T> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // A test that already fails may have left its script waiting for something that will not come.
        if thread::panicking() {
            return;
        }
        if let Err(payload) = thread.join() {
            panic::resume_unwind(payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_reads_as_one() {
        let (address, server) = Script::serves(|mut peer| {
            peer.expects("hello").sends("thank you !").expects_end().ends();
        });
        Peer::connects(address).sends("hello").expects("thank you !").ends().expects_end();
        server.joins();
    }

    #[test]
    #[should_panic(expected = "expected \"bye\"")]
    fn a_script_that_fails_fails_the_test() {
        let (address, _server) = Script::serves(|mut peer| {
            peer.expects("bye");
        });
        Peer::connects(address).sends("hello").ends();
    }

    #[test]
    fn a_reset_is_not_an_end_of_stream() {
        // Not before the connection is there: a reset on its way would be one of connecting.
        let (address, server) = Script::serves(|mut peer: Peer| {
            peer.expects("hello");
            peer.resets();
        });
        Peer::connects(address).sends("hello").expects_reset();
        server.joins();
    }

    #[test]
    #[should_panic(expected = "expected a reset, got the end of stream")]
    fn an_end_of_stream_is_not_a_reset() {
        let (address, _server) = Script::serves(Peer::closes);
        Peer::connects(address).expects_reset();
    }
}

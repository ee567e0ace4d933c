//! The tutorial, performed: the client's four steps, the server's five, the nine notes on TCP, and two mistakes that the
//! tutorial makes itself.
//!
//! Each fact is played live on sockets of 127.0.0.1 with the library's bare steps, notes what the kernel answered, and is
//! then judged by a pure function over what was observed, so that it fails where the behaviour is absent. Nothing sleeps;
//! every wait has a deadline that fails the fact. Names of sockets and calls are those of the tutorial: `server` and
//! `client` are its two sockets, `accepted` is what `accept` returns.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use crate::lang::{Both, both};
use transcript::Transcript;
use verdict::Verdict;
use wire::Trouble;

mod addresses;
mod answer;
mod chunks;
mod client_open;
mod client_talk;
mod closing;
mod connect_first;
mod end_of_stream;
mod passive;
mod server_open;
mod server_talk;
pub(crate) mod show;
mod transcript;
mod two_sockets;
mod verdict;
pub(crate) mod which;
mod wire;

/// A fact's performance: under way until it is judged.
type Performance<'a> = Pin<Box<dyn Future<Output = Result<Verdict, Trouble>> + 'a>>;

/// One step or note.
pub(crate) struct Fact {
    /// How it is asked for: `client:2`, `7`, `merge`.
    name: &'static str,
    part: Part,
    /// What holds, in English.
    en: &'static str,
    /// The same in Simplified Chinese.
    zh: &'static str,
    /// Plays it, notes what happens, and judges what was observed.
    perform: for<'a> fn(&'a mut Transcript) -> Performance<'a>,
}

/// The parts of the tour, in order; closed by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The client's four steps.
    Client,
    /// The server's five steps.
    Server,
    /// The nine notes.
    Notes,
    /// What the tutorial does not say.
    Extras,
}

impl Part {
    /// Returns how the whole part is asked for.
    fn name(self) -> &'static str {
        match self {
            Part::Client => "client",
            Part::Server => "server",
            Part::Notes => "notes",
            Part::Extras => "extras",
        }
    }

    fn heading(self) -> Both {
        match self {
            Part::Client => both!("A client in four steps", "客户端的四个步骤"),
            Part::Server => both!("A server in five steps", "服务器的五个步骤"),
            Part::Notes => both!("Nine notes on TCP", "TCP 的九个注意点"),
            Part::Extras => both!("Two traps the tutorial does not mention", "教程没有讲到的两个陷阱"),
        }
    }
}

/// All there is, in the tutorial's order.
pub(crate) static FACTS: [&Fact; 20] = [
    &client_open::CREATE,
    &client_open::CONNECT,
    &client_talk::TALK,
    &client_talk::CLOSE,
    &server_open::CREATE,
    &server_open::BIND,
    &server_open::LISTEN,
    &server_talk::ACCEPT,
    &server_talk::TALK,
    &addresses::SERVER_BINDS,
    &addresses::CLIENT_DOES_NOT,
    &passive::LISTEN_MAKES_PASSIVE,
    &connect_first::CONNECT_FIRST,
    &two_sockets::ONE_PER_CLIENT,
    &two_sockets::LISTENING_OR_ACCEPTED,
    &closing::LISTENING_CLOSED,
    &closing::ACCEPTED_CLOSED,
    &end_of_stream::ZERO_IS_THE_END,
    &chunks::SPLIT,
    &chunks::MERGE,
];

/// What the tutorial's client says.
const HELLO: &[u8] = b"hello";
/// What the tutorial's server answers.
const THANKS: &[u8] = b"thank you !";

/// Shows the address of a socket that may not have one.
fn shown_addr(addr: SocketAddr) -> Both {
    if addr.port() == 0 { both!("{addr}: no address yet", "{addr}，还没有地址") } else { addr.to_string().into() }
}

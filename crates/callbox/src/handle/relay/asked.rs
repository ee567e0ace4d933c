//! From what a client asks for to a connection with that.

use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{timeout, timeout_at};

use super::proxy::{Dialogue, Proxy};
use super::reach::Toward;
use super::{Relay, unreached};
use crate::addr::Addr;
use crate::asking::Step;
use crate::error::{Error, Kind, Result};
use crate::net::edge::Edge;
use crate::net::open::Opened;
use crate::net::socket::local_addr;
use crate::net::stream::Stream;
use crate::session::Session;
use crate::termination::Termination;
use crate::units::show_duration;

/// From the start of a session until the client has said where it wants to go; no byte extends it.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a request that are looked at at once: most heads are shorter.
const SIGHT_BYTES: usize = 1024;
/// How long a client that is refused may take to read the answer, and to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes that such a client may have on their way meanwhile: a body, or what it sent without waiting.
const LAST_WORDS_BYTES: usize = 1 << 20;

/// Why a client has not said where it wants to go.
enum Unasked {
    /// It has, and wrongly: what it is told, and what was wrong.
    Refused { answer: Vec<u8>, problem: String },
    /// It ended after so many bytes.
    Ended(usize),
    /// The connection failed.
    Failed(io::Error),
}

impl Relay {
    /// Hears where the client wants to go, connects there and tells it so; `None` where the client went without a word.
    pub(super) async fn reach_asked(
        &self,
        proxy: &Proxy,
        session: &Session,
        client: &Stream,
    ) -> Result<Option<Opened>> {
        let (edge, mut dialogue) = (client.edge(), proxy.dialogue());
        let addr = match timeout_at(session.started() + REQUEST_TIMEOUT, ask(&mut dialogue, edge)).await {
            Ok(Ok(addr)) => addr,
            Ok(Err(Unasked::Ended(0))) => return Ok(None),
            Ok(Err(unasked)) => return Err(unasked.end(&dialogue, edge, session).await),
            Err(_late) => {
                session.stop(Termination::HandshakeTimeout);
                let problem = format!("not there within {}", show_duration(REQUEST_TIMEOUT));
                return Err(Error::new(dialogue.operation(), Kind::Proxy, problem).at(session.peer()));
            }
        };
        match self.reach(Toward::Asked(proxy, &addr), session, client).await {
            Ok((opened, _)) => {
                let bound = opened.io.descriptor().and_then(|socket| local_addr(socket).ok());
                send(edge, &dialogue.succeeded(bound)).await.map_err(|error| edge.failed("write", error))?;
                Ok(Some(opened))
            }
            Err(error) => {
                let reason = match error.kind() {
                    Kind::PermissionDenied => Termination::TargetDenied,
                    _ => unreached(&error),
                };
                say_last(edge, &dialogue.failed(&error)).await;
                session.stop(reason);
                Err(error)
            }
        }
    }
}

impl Unasked {
    /// Ends the session with what there is to say, and returns why.
    async fn end(self, dialogue: &Dialogue, edge: &Edge, session: &Session) -> Error {
        let problem = match self {
            Unasked::Failed(error) => return edge.failed("read", error),
            Unasked::Ended(bytes) => format!("the stream ended after {bytes} bytes"),
            Unasked::Refused { answer, problem } => {
                say_last(edge, &answer).await;
                session.stop(Termination::HandshakeFailed);
                problem
            }
        };
        Error::new(dialogue.operation(), Kind::Proxy, problem).at(session.peer())
    }
}

/// Talks until the client has said where it wants to go. Not one byte beyond that is taken.
async fn ask(dialogue: &mut Dialogue, edge: &Edge) -> Result<Addr, Unasked> {
    let mut received = 0;
    loop {
        match dialogue.step() {
            Step::Asked(addr) => return Ok(addr),
            Step::Refused { answer, problem } => return Err(Unasked::Refused { answer, problem }),
            Step::Send(answer) => send(edge, &answer).await.map_err(Unasked::Failed)?,
            Step::Needs(needed) => match receive(dialogue, edge, needed).await.map_err(Unasked::Failed)? {
                0 => return Err(Unasked::Ended(received)),
                more => received += more,
            },
        }
    }
}

/// Gives the dialogue what has come and belongs to it; returns how many bytes that is, 0 at the end of stream.
async fn receive(dialogue: &mut Dialogue, edge: &Edge, needed: usize) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut piece = [0; SIGHT_BYTES];
        let most = match ready!(edge.poll_peek(cx, &mut piece))? {
            Some(0) | None => needed,
            Some(seen) => dialogue.claims(&piece[..seen]),
        };
        let most = most.min(SIGHT_BYTES);
        let read = ready!(edge.poll_read_apart(cx, &mut piece[..most]))?;
        dialogue.push(&piece[..read]);
        Poll::Ready(Ok(read))
    })
    .await
}

/// Sends all of `bytes`, apart from the session.
async fn send(edge: &Edge, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = poll_fn(|cx| edge.poll_write_apart(cx, bytes)).await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

/// Sends an answer that is the last, and our end of stream. What the client still sends is taken, for closing with bytes
/// unread would be a reset, and a reset may destroy the answer on its way.
async fn say_last(edge: &Edge, answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let talk = async {
        send(edge, answer).await?;
        poll_fn(|cx| edge.poll_shutdown(cx)).await?;
        let mut discarded = 0;
        while discarded < LAST_WORDS_BYTES {
            let read = poll_fn(|cx| {
                let mut piece = [0; SIGHT_BYTES];
                edge.poll_read_apart(cx, &mut piece)
            });
            match read.await? {
                0 => break,
                more => discarded += more,
            }
        }
        io::Result::Ok(())
    };
    // Whether it arrives is the client's affair; why the session ended is known.
    let _ = timeout(LAST_WORDS, talk).await;
}

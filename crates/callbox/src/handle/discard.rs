//! Receives and throws away (RFC 863).

use std::future::poll_fn;
use std::task::{Poll, ready};

use crate::error::Result;
use crate::handle::Handler;
use crate::net::stream::{Stream, TURN_BYTES};
use crate::session::Session;

/// Reads until the end of stream and answers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Discard;

impl Handler for Discard {
    async fn handle(&self, _session: Session, stream: Stream) -> Result<()> {
        let mut turn = 0;
        poll_fn(|cx| {
            while turn < TURN_BYTES {
                match ready!(stream.poll_large_with(cx, |_, bytes| bytes.len()))? {
                    Some(length) => turn += length,
                    None => return Poll::Ready(Ok(())),
                }
            }
            turn = 0;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;

    #[tokio::test]
    async fn bytes_are_counted_and_nothing_is_answered() {
        let (mut client, server) = Stream::pair();
        let session = server.session().clone();
        let serving = tokio::spawn(Discard.handle(session.clone(), server));
        client.write_all(&[1; 100_000]).await.expect("writes");
        client.shutdown().await.expect("ends");
        assert_eq!(client.chunk().await.expect("reads"), None);
        serving.await.expect("no panic").expect("discards");
        assert_eq!(session.meter().bytes(Direction::ToServer), 100_000);
        assert_eq!(session.meter().bytes(Direction::ToClient), 0);
    }
}

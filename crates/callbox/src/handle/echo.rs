//! Sends back what it receives (RFC 862).

use std::future::poll_fn;
use std::task::{Poll, ready};

use bytes::{Buf, Bytes};

use crate::error::{Error, Result};
use crate::handle::Handler;
use crate::net::stream::{Stream, TURN_BYTES};
use crate::session::Session;

/// Sends every chunk back; a peer that does not read is not read from either.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Handler for Echo {
    async fn handle(&self, _session: Session, stream: Stream) -> Result<()> {
        // What the peer's window did not take; only that is ever copied.
        let mut rest = Bytes::new();
        let mut turn = 0;
        poll_fn(|cx| {
            loop {
                while !rest.is_empty() {
                    let sent: usize = ready!(stream.poll_send(cx, &rest))?;
                    rest.advance(sent);
                }
                if turn >= TURN_BYTES {
                    turn = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let received = stream.poll_chunk_with(cx, |cx, bytes| {
                    turn += bytes.len();
                    let sent = match stream.poll_send(cx, bytes) {
                        Poll::Ready(sent) => sent?,
                        Poll::Pending => 0,
                    };
                    if sent < bytes.len() {
                        rest = Bytes::copy_from_slice(&bytes[sent..]);
                    }
                    Ok::<(), Error>(())
                });
                match ready!(received)? {
                    Some(sent) => sent?,
                    None => return Poll::Ready(Ok(())),
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_comes_back_and_then_the_end_of_stream() {
        let (client, server) = Stream::pair();
        let session = server.session().clone();
        let serving = tokio::spawn(async move { Echo.handle(session, server).await });
        let (mut reader, mut writer) = client.split();
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let flood = sent.clone();
        let writing = tokio::spawn(async move {
            writer.write_all(&flood).await.expect("writes");
            writer.shutdown().await.expect("ends");
        });
        let mut received = Vec::new();
        while received.len() < sent.len() {
            received.extend_from_slice(&reader.chunk().await.expect("reads").expect("no early end"));
        }
        assert!(received == sent, "one million bytes come back as they were sent");
        writing.await.expect("no panic");
        serving.await.expect("no panic").expect("echoes");
    }
}

//! Answers every chunk with the same bytes, as the tutorial's server does.

use std::future::poll_fn;
use std::task::{Poll, ready};

use bytes::Bytes;

use crate::error::Result;
use crate::handle::Handler;
use crate::net::stream::{Stream, TURN_BYTES};
use crate::session::Session;

/// Sends `text` once per chunk received.
#[derive(Debug, Clone)]
pub struct Reply {
    text: Bytes,
}

impl Reply {
    /// Answers with `text`.
    pub fn new(text: impl Into<Bytes>) -> Reply {
        Reply { text: text.into() }
    }
}

impl Handler for Reply {
    async fn handle(&self, _session: Session, stream: Stream) -> Result<()> {
        let mut left: &[u8] = &[];
        let mut turn = 0;
        poll_fn(|cx| {
            loop {
                while !left.is_empty() {
                    let sent = ready!(stream.poll_send(cx, left))?;
                    left = &left[sent..];
                }
                if turn >= TURN_BYTES {
                    turn = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // The chunk is counted and not kept.
                let received = ready!(stream.poll_chunk_with(cx, |_, bytes| bytes.len()))?;
                let Some(received) = received else {
                    return Poll::Ready(Ok(()));
                };
                left = &self.text;
                turn += received + left.len();
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_chunk_is_answered_once() {
        let (mut client, server) = Stream::pair();
        let session = server.session().clone();
        let serving = tokio::spawn(async move { Reply::new("thank you !").handle(session, server).await });
        for _ in 0..3 {
            client.write_all(b"hello").await.expect("writes");
            assert_eq!(client.chunk().await.expect("reads").as_deref(), Some(&b"thank you !"[..]));
        }
        client.shutdown().await.expect("ends");
        serving.await.expect("no panic").expect("replies");
    }
}

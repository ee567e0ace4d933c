//! Answers every chunk with the same bytes, as the tutorial's server does.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;

use crate::error::Result;
use crate::handle::Handler;
use crate::net::stream::Stream;
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
    async fn handle(&self, _session: Session, mut stream: Stream) -> Result<()> {
        while let Some(sent) = reply_once(&stream, &self.text).await? {
            stream.write_all(&self.text[sent..]).await?;
            tokio::task::coop::consume_budget().await;
        }
        Ok(())
    }
}

/// Receives a chunk, which is not kept, and sends at once what fits of the answer.
async fn reply_once(stream: &Stream, text: &[u8]) -> Result<Option<usize>> {
    let received = poll_fn(|cx| {
        stream.poll_chunk_with(cx, |cx, _| match stream.poll_send(cx, text) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(0),
        })
    });
    received.await?.transpose()
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

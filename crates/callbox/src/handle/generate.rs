//! Sends the character generator's lines (RFC 864).

use std::sync::LazyLock;

use crate::error::Result;
use crate::handle::Handler;
use crate::net::stream::Stream;
use crate::session::Session;

/// Sends 72-character lines of shifted ASCII, for ever or for `size` bytes; what the peer sends is discarded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Generate {
    /// How many bytes; `None` is endless.
    pub size: Option<u64>,
}

/// Printable characters, from space to tilde.
const PRINTABLE: usize = 95;
/// Characters a line, as in the RFC's example.
const LINE: usize = 72;
/// After this many bytes the pattern begins anew.
const PERIOD: usize = PRINTABLE * (LINE + 2);
/// Periods in a write, 130 KiB: with a single one most of the time goes into system calls.
const PERIODS: usize = 19;

/// Several periods of the pattern, for all sessions.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::with_capacity(PERIOD * PERIODS);
    for line in 0..PRINTABLE {
        bytes.extend((0..LINE).map(|column| b' ' + ((line + column) % PRINTABLE) as u8));
        bytes.extend(b"\r\n");
    }
    bytes.repeat(PERIODS)
});

impl Handler for Generate {
    async fn handle(&self, _session: Session, stream: Stream) -> Result<()> {
        let (mut reader, mut writer) = stream.split();
        let size = self.size;
        let send = async move {
            let pattern = &*PATTERN;
            let mut left = size.unwrap_or(u64::MAX);
            while left > 0 {
                let part = &pattern[..pattern.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
                writer.write_all(part).await?;
                if size.is_some() {
                    left -= part.len() as u64;
                }
            }
            writer.shutdown().await
        };
        // The peer's end of stream does not end ours; its reset fails the writes.
        let receive = async move {
            while reader.chunk().await?.is_some() {}
            std::future::pending().await
        };
        tokio::select! {
            biased;
            sent = send => sent,
            failed = receive => failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_size_is_exact_and_the_lines_are_those_of_the_rfc() {
        let (mut client, server) = Stream::pair();
        let session = server.session().clone();
        let serving = tokio::spawn(async move { Generate { size: Some(200_000) }.handle(session, server).await });
        let mut received = Vec::new();
        while let Some(chunk) = client.chunk().await.expect("reads") {
            received.extend_from_slice(&chunk);
        }
        assert_eq!(received.len(), 200_000);
        assert!(received.starts_with(b" !\"#$%&'()*+"));
        assert_eq!(&received[72..76], b"\r\n!\"");
        assert!(received.chunks(PERIOD).all(|period| received.starts_with(period)), "the pattern begins anew");
        serving.await.expect("no panic").expect("generates");
    }
}

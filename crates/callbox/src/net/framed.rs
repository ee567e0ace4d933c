//! The receiving half of a stream, frame by frame.
//!
//! ```
//! use callbox::frame::Framing;
//! use callbox::net::framed::FrameReader;
//! use callbox::{Result, Session, Stream};
//!
//! /// Answers each line with its length, however the lines arrive.
//! async fn count(_session: Session, stream: Stream) -> Result<()> {
//!     let line: Framing = "line".parse()?;
//!     let (reader, mut writer) = stream.split();
//!     let mut lines = FrameReader::new(reader, &line);
//!     while let Some(frame) = lines.next().await? {
//!         let length = frame.payload.len().to_string();
//!         writer.write_all(&line.encode(length.as_bytes())?).await?;
//!     }
//!     Ok(())
//! }
//! # use callbox::fixture::{Peer, Server};
//! # let server = Server::start(count);
//! # Peer::connect(server.addr()).sends("a\nfour\n").expects("1\n4\n").ends().expects_end().start().join();
//! ```

use bytes::{Buf, Bytes};
use tokio::time::{Instant, sleep_until};

use crate::checksum::Verdict;
use crate::error::{Error, Kind, Result};
use crate::frame::{Frame, FrameError, FrameKind, Framer, Framing};
use crate::net::stream::Reader;

/// Receives frames. What silence completes (`idle:`) comes when it is complete.
pub struct FrameReader {
    reader: Reader,
    framer: Framer,
    /// Received and not yet cut.
    input: Bytes,
    ended: bool,
}

/// One received frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// All its bytes, as on the wire.
    pub whole: Bytes,
    /// What it carries.
    pub payload: Bytes,
    /// Whether it is whole.
    pub kind: FrameKind,
    /// Whether its checksum is right, where one is asked for.
    pub checksum: Option<Verdict>,
}

impl Received {
    /// Copies a frame out of the framer; what lies in one place is copied once.
    fn copied(frame: &Frame<'_>) -> Received {
        let whole = Bytes::copy_from_slice(frame.whole);
        let payload = frame.part_of(&whole);
        Received { whole, payload, kind: frame.kind, checksum: frame.checksum }
    }
}

impl FrameReader {
    /// Cuts what `reader` receives.
    pub fn new(reader: Reader, framing: &Framing) -> FrameReader {
        FrameReader { reader, framer: Framer::new(framing), input: Bytes::new(), ended: false }
    }

    /// Cuts by another rule from here on; the bytes of an unfinished frame are cut again.
    pub fn recut(&mut self, framing: &Framing) {
        let mut uncut = self.framer.held().to_vec();
        uncut.extend_from_slice(&self.input);
        self.input = uncut.into();
        self.framer = Framer::new(framing);
    }

    /// Receives the next frame, or `None` at the end of stream. The last one may be partial; bytes between frames are no
    /// frame and are skipped.
    ///
    /// # Errors
    ///
    /// [`Kind::FrameTooLarge`] or [`Kind::FrameMalformed`], again and again; and as
    /// [`Stream::read`](crate::Stream::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Received>> {
        loop {
            if let Some(frame) = self.cut()? {
                return Ok(Some(frame));
            }
            if self.ended {
                return Ok(None);
            }
            let due = self.framer.due();
            let silence = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                chunk = self.reader.chunk() => match chunk? {
                    Some(chunk) => self.input = chunk,
                    None => {
                        self.ended = true;
                        let rest = self.framer.finish().filter(|frame| frame.kind != FrameKind::Gap);
                        return Ok(rest.map(|frame| Received::copied(&frame)));
                    }
                },
                () = silence => {
                    if let Some(frame) = self.framer.expire(Instant::now()) {
                        return Ok(Some(Received::copied(&frame)));
                    }
                }
            }
        }
    }

    /// Cuts the next frame off what was received.
    fn cut(&mut self) -> Result<Option<Received>> {
        loop {
            let mut rest = &self.input[..];
            let frame = self.framer.next(Instant::now(), &mut rest).map_err(|error| failed(&error))?;
            let between = frame.as_ref().is_some_and(|frame| frame.kind == FrameKind::Gap);
            let frame = frame.filter(|_| !between).map(|frame| Received::copied(&frame));
            let used = self.input.len() - rest.len();
            self.input.advance(used);
            if !between {
                return Ok(frame);
            }
        }
    }
}

fn failed(error: &FrameError) -> Error {
    let kind = match error {
        FrameError::TooLarge { .. } => Kind::FrameTooLarge,
        FrameError::Malformed { .. } => Kind::FrameMalformed,
    };
    Error::new("read", kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stream::Stream;
    use std::time::Duration;

    #[tokio::test]
    async fn frames_come_whole_however_they_arrive() {
        let (mut client, server) = Stream::pair();
        let mut frames = FrameReader::new(server.split().0, &"line".parse().expect("good"));
        client.write_all(b"one\ntwo\nth").await.expect("writes");
        assert_eq!(frames.next().await.expect("reads").expect("open").payload, "one");
        assert_eq!(frames.next().await.expect("reads").expect("open").whole, "two\n");
        client.write_all(b"ree\nfo").await.expect("writes");
        client.shutdown().await.expect("ends");
        assert_eq!(frames.next().await.expect("reads").expect("open").payload, "three");
        let last = frames.next().await.expect("reads").expect("open");
        assert_eq!((&last.payload[..], last.kind), (&b"fo"[..], FrameKind::Partial));
        assert_eq!(frames.next().await.expect("reads"), None);
        assert_eq!(frames.next().await.expect("reads"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_frame() {
        let (mut client, server) = Stream::pair();
        let mut frames = FrameReader::new(server.split().0, &"idle:50ms".parse().expect("good"));
        client.write_all(b"ab").await.expect("writes");
        let begun = Instant::now();
        assert_eq!(frames.next().await.expect("reads").expect("open").payload, "ab");
        assert!((50..60).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.write_all(b"c").await.expect("writes");
        assert_eq!(frames.next().await.expect("reads").expect("open").payload, "c");
    }

    #[tokio::test]
    async fn bytes_between_frames_are_skipped() {
        let (mut client, server) = Stream::pair();
        let mut frames = FrameReader::new(server.split().0, &"json".parse().expect("good"));
        let space = " ".repeat(3 * crate::frame::GAP_BYTES);
        client.write_all(format!("1{space}2{space}").as_bytes()).await.expect("writes");
        client.shutdown().await.expect("ends");
        assert_eq!(frames.next().await.expect("reads").expect("open").payload, "1");
        assert_eq!(frames.next().await.expect("reads").expect("open").payload, "2");
        assert_eq!(frames.next().await.expect("reads"), None);
    }

    #[tokio::test]
    async fn a_frame_over_the_maximum_is_an_error() {
        let (mut client, server) = Stream::pair();
        let framing = "length:u32be".parse::<Framing>().expect("good").with_max_bytes(100);
        let mut frames = FrameReader::new(server.split().0, &framing);
        client.write_all(&[0xff; 8]).await.expect("writes");
        assert_eq!(frames.next().await.expect_err("too large").kind(), Kind::FrameTooLarge);
        assert_eq!(frames.next().await.expect_err("still").kind(), Kind::FrameTooLarge);
    }
}

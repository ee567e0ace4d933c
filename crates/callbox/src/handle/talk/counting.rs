//! How much has been received of what is counted: chunks, or frames.

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::frame::{FrameKind, Framer, Framing};

/// Counts what is received: chunks, or frames where there is a framer.
pub(super) struct Counting {
    most: Option<u64>,
    pub(super) counted: u64,
    framer: Option<Framer>,
}

impl Counting {
    pub(super) fn new(most: Option<u64>, framing: &Framing) -> Counting {
        // Nobody asks, nothing is cut.
        let framer = (most.is_some() && !framing.is_none()).then(|| Framer::new(framing));
        Counting { most, counted: 0, framer }
    }

    /// Counts what `chunk` completes, and tells whether that is enough; what comes behind it is then cut off.
    pub(super) fn count(&mut self, chunk: &mut Bytes) -> bool {
        let Some(framer) = &mut self.framer else {
            self.counted += 1;
            return self.is_enough();
        };
        let mut rest = &chunk[..];
        // An error ends the session by itself: whoever watches it cuts the same way.
        while let Ok(Some(frame)) = framer.next(Instant::now(), &mut rest) {
            self.counted += u64::from(frame.kind.is_frame());
            if self.most.is_some_and(|most| self.counted >= most) {
                let used = chunk.len() - rest.len();
                chunk.truncate(used);
                return true;
            }
        }
        false
    }

    /// At the end of stream what silence would complete is complete.
    pub(super) fn end(&mut self) {
        let last = self.framer.as_mut().and_then(Framer::finish);
        if last.is_some_and(|frame| frame.kind == FrameKind::Whole) {
            self.counted += 1;
        }
    }

    /// Waits until silence may have completed a frame.
    pub(super) async fn silence(&self) {
        match self.framer.as_ref().and_then(Framer::due) {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Counts the frame that silence has completed, and tells whether that is enough.
    pub(super) fn expire(&mut self) -> bool {
        let complete = self.framer.as_mut().is_some_and(|framer| framer.expire(Instant::now()).is_some());
        self.counted += u64::from(complete);
        self.is_enough()
    }

    fn is_enough(&self) -> bool {
        self.most.is_some_and(|most| self.counted >= most)
    }
}

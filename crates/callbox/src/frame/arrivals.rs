//! Counts how frames arrived, so that sticky and split ones are seen, not guessed.

use std::fmt;
use std::ops::AddAssign;

/// How frames arrived: in how many chunks, split over several, or merged with others in one.
///
/// A frame is split or merged or neither, never both: one split over two chunks that also carry others is split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Frames, with a malformed one and an unfinished one at the end of stream; never gaps.
    pub frames: u64,
    /// Chunks that carried bytes, of frames or not.
    pub chunks: u64,
    /// Frames whose bytes came in more than one chunk.
    pub split: u64,
    /// Frames that came whole in one chunk which also carried bytes of another frame.
    pub merged: u64,
}

impl AddAssign for Arrivals {
    fn add_assign(&mut self, other: Arrivals) {
        self.frames += other.frames;
        self.chunks += other.chunks;
        self.split += other.split;
        self.merged += other.merged;
    }
}

impl fmt::Display for Arrivals {
    /// Prints `12 frames in 7 chunks: 3 split, 5 merged`, or `12 frames in 12 chunks` when none was either.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let Arrivals { frames, chunks, split, merged } = self;
        write!(f, "{frames} frame{} in {chunks} chunk{}", plural(*frames), plural(*chunks))?;
        if *split + *merged > 0 {
            write!(f, ": {split} split, {merged} merged")?;
        }
        Ok(())
    }
}

/// In how many chunks a frame's bytes came, and whether the last of them is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// All in the current chunk.
    Now,
    /// The last ones in the current chunk.
    Since,
    /// All in one earlier chunk: what followed showed that it was complete.
    Earlier,
    /// In several earlier chunks.
    EarlierSince,
}

/// Keeps the count for one direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter {
    settled: Arrivals,
    within_chunk: bool,
    /// Frames that came whole in the current chunk; merged as soon as it carries bytes of another.
    whole: u64,
    /// Frames that began earlier and ended in the current chunk.
    ended: u64,
    /// Whether the chunk in which the held frame began carried bytes of others.
    company: bool,
}

impl Counter {
    /// Begins a chunk, unless it has begun already.
    #[inline]
    pub(super) fn begin_chunk(&mut self) {
        if !self.within_chunk {
            (self.within_chunk, self.whole, self.ended) = (true, 0, 0);
            self.settled.chunks += 1;
        }
    }

    /// Counts a frame.
    #[inline]
    pub(super) fn frame(&mut self, arrival: Arrival) {
        self.settled.frames += 1;
        match arrival {
            Arrival::Now => self.whole += 1,
            Arrival::Since => {
                self.settled.split += 1;
                self.ended += 1;
            }
            Arrival::Earlier => self.settled.merged += u64::from(self.company),
            Arrival::EarlierSince => self.settled.split += 1,
        }
    }

    /// Ends the chunk; `begun` tells whether bytes of an unfinished frame are held.
    #[inline]
    pub(super) fn end_chunk(&mut self, begun: bool) {
        if self.within_chunk {
            self.company = self.whole + self.ended + u64::from(begun) > 1;
            if self.company {
                self.settled.merged += self.whole;
            }
            (self.within_chunk, self.whole, self.ended) = (false, 0, 0);
        }
    }

    /// Returns what is known so far; exact between chunks.
    pub(super) fn arrivals(&self) -> Arrivals {
        let mut ended = self.clone();
        ended.end_chunk(false);
        ended.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_reads_as_a_sentence() {
        let table = [
            ((12, 7, 3, 5), "12 frames in 7 chunks: 3 split, 5 merged"),
            ((12, 12, 0, 0), "12 frames in 12 chunks"),
            ((1, 1, 0, 0), "1 frame in 1 chunk"),
            ((1, 2, 1, 0), "1 frame in 2 chunks: 1 split, 0 merged"),
            ((0, 0, 0, 0), "0 frames in 0 chunks"),
        ];
        for ((frames, chunks, split, merged), text) in table {
            assert_eq!(Arrivals { frames, chunks, split, merged }.to_string(), text);
        }
    }

    #[test]
    fn counts_of_sessions_add_up() {
        let mut sum = Arrivals { frames: 1, chunks: 2, split: 3, merged: 4 };
        sum += Arrivals { frames: 10, chunks: 20, split: 30, merged: 40 };
        assert_eq!(sum, Arrivals { frames: 11, chunks: 22, split: 33, merged: 44 });
    }

    #[test]
    fn a_chunk_that_is_not_over_settles_what_is_certain() {
        let mut counter = Counter::default();
        counter.begin_chunk();
        counter.frame(Arrival::Now);
        assert_eq!(counter.arrivals().merged, 0);
        counter.frame(Arrival::Now);
        assert_eq!(counter.arrivals(), Arrivals { frames: 2, chunks: 1, split: 0, merged: 2 });
        counter.end_chunk(false);
        assert_eq!(counter.arrivals(), Arrivals { frames: 2, chunks: 1, split: 0, merged: 2 });
    }
}

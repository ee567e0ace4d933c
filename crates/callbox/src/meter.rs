//! Exact counters of a session, readable at any moment.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::direction::Direction;

/// Bytes and chunks of a session, both ways.
///
/// The stream's edge writes, everybody reads. Each direction has exactly one writer at a time, so a plain load and
/// store is exact and spares a locked instruction per chunk.
#[derive(Debug, Default)]
pub struct Meter {
    to_server: Count,
    to_client: Count,
}

#[derive(Debug, Default)]
struct Count {
    bytes: AtomicU64,
    chunks: AtomicU64,
}

impl Meter {
    fn count(&self, direction: Direction) -> &Count {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// Adds one chunk of `bytes` bytes.
    #[inline(always)]
    pub(crate) fn add(&self, direction: Direction, bytes: usize) {
        let count = self.count(direction);
        count.bytes.store(count.bytes.load(Relaxed) + bytes as u64, Relaxed);
        count.chunks.store(count.chunks.load(Relaxed) + 1, Relaxed);
    }

    /// Returns the bytes that went that way.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.count(direction).bytes.load(Relaxed)
    }

    /// Returns the chunks that went that way; their edges mean nothing.
    pub fn chunks(&self, direction: Direction) -> u64 {
        self.count(direction).chunks.load(Relaxed)
    }

    /// Returns the bytes of both directions together: it changes exactly when something happens.
    pub fn total_bytes(&self) -> u64 {
        self.bytes(Direction::ToServer) + self.bytes(Direction::ToClient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directions_are_counted_apart() {
        let meter = Meter::default();
        meter.add(Direction::ToServer, 5);
        meter.add(Direction::ToServer, 6);
        meter.add(Direction::ToClient, 1);
        assert_eq!((meter.bytes(Direction::ToServer), meter.chunks(Direction::ToServer)), (11, 2));
        assert_eq!(meter.bytes(Direction::ToClient), 1);
        assert_eq!(meter.total_bytes(), 12);
    }
}

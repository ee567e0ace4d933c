//! What is sent: the connection's number, a counter and a pattern that shifts with it, so that a wrong, stale or foreign
//! answer is noticed in any byte.

/// The number of the connection and the counter come first.
const HEADER_BYTES: usize = 12;
const PATTERN_BYTES: usize = 4096;
const SHIFTS: u64 = 251;

/// Messages of one size.
#[derive(Debug)]
pub struct Messages {
    pattern: Vec<u8>,
    size: usize,
}

impl Messages {
    /// Prepares messages of `size` bytes, at least the 12 of the header.
    ///
    /// # Panics
    /// When `size` is out of range.
    pub fn of_size(size: usize) -> Messages {
        assert!((HEADER_BYTES..=PATTERN_BYTES).contains(&size), "messages have 12 to {PATTERN_BYTES} bytes");
        let pattern = (0..size + SHIFTS as usize).map(|n| (n * 7 % 256) as u8).collect();
        Messages { pattern, size }
    }

    /// Returns how long a message is.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Writes message `counter` of `connection` to the start of `buffer`.
    #[inline]
    pub fn write(&self, buffer: &mut [u8], connection: u32, counter: u64) {
        buffer[..4].copy_from_slice(&connection.to_le_bytes());
        buffer[4..HEADER_BYTES].copy_from_slice(&counter.to_le_bytes());
        let shift = (counter % SHIFTS) as usize;
        buffer[HEADER_BYTES..self.size].copy_from_slice(&self.pattern[shift..shift + self.size - HEADER_BYTES]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_by_connection_and_counter() {
        let messages = Messages::of_size(64);
        let write = |connection, counter| {
            let mut buffer = [0; 64];
            messages.write(&mut buffer, connection, counter);
            buffer
        };
        assert_eq!(write(1, 2), write(1, 2));
        assert_ne!(write(1, 2), write(2, 2));
        assert_ne!(write(1, 2)[HEADER_BYTES..], write(1, 3)[HEADER_BYTES..]);
    }
}

//! Bytes that show where they were lost.

/// Returns `length` bytes without a short period, so that a hole, a duplicate or a swap cannot go unseen.
pub fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64: eight bytes a step.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Panics unless both are equal; says where they part instead of printing megabytes.
#[track_caller]
pub fn assert_same_bytes(what: &str, expected: &[u8], got: &[u8]) {
    if expected == got {
        return;
    }
    let at = expected.iter().zip(got).position(|(a, b)| a != b).unwrap_or(expected.len().min(got.len()));
    let around = |bytes: &[u8]| bytes[at.min(bytes.len())..(at + 32).min(bytes.len())].escape_ascii().to_string();
    panic!(
        "{what}: expected {} bytes, got {}; they part at byte {at}: expected \"{}\", got \"{}\"",
        expected.len(),
        got.len(),
        around(expected),
        around(got)
    );
}

/// Returns `bytes` readable: escaped, and cut in the middle when long.
pub fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 6 * 1024;
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\x1b', "\\x1b");
    if bytes.len() <= 2 * SHOWN {
        return show(bytes);
    }
    let left_out = bytes.len() - 2 * SHOWN;
    format!("{}\n… {left_out} bytes …\n{}", show(&bytes[..SHOWN]), show(&bytes[bytes.len() - SHOWN..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_is_repeatable_and_depends_on_its_seed() {
        assert_eq!(pattern(1001, 7), pattern(1001, 7));
        assert_ne!(pattern(1001, 7), pattern(1001, 8));
        assert_eq!(pattern(1001, 7).len(), 1001);
    }

    #[test]
    #[should_panic(expected = "part at byte 2")]
    fn a_hole_is_shown_where_it_is() {
        assert_same_bytes("hole", b"abcd", b"abd");
    }
}

//! Messages that show when one is lost, doubled, out of order, changed, or somebody else's.

/// Length of a message.
pub const MESSAGE_BYTES: usize = 64;
/// Where its checksum is.
const CHECKSUM_AT: usize = MESSAGE_BYTES - 8;

/// Appends message `number` of `stream`: its number, its stream, what follows from both, and a checksum.
pub(super) fn append(buffer: &mut Vec<u8>, stream: u64, number: u64) {
    let start = buffer.len();
    buffer.extend_from_slice(&number.to_le_bytes());
    buffer.extend_from_slice(&stream.to_le_bytes());
    let mut state = mix(stream ^ mix(number));
    while buffer.len() < start + CHECKSUM_AT {
        state = mix(state);
        buffer.extend_from_slice(&state.to_le_bytes());
    }
    let sum = checksum(&buffer[start..]);
    buffer.extend_from_slice(&sum.to_le_bytes());
}

/// Returns a message's stream and number; `None` when it is none.
pub(super) fn read(message: &[u8]) -> Option<(u64, u64)> {
    let word = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().expect("eight bytes"));
    let whole = checksum(&message[..CHECKSUM_AT]) == word(CHECKSUM_AT);
    whole.then(|| (word(8), word(0)))
}

/// A sum in which every bit counts, and the order of words.
fn checksum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
    words.fold(0x6a09_e667_f3bc_c908, |sum, word| mix(sum ^ word))
}

/// Scatters a number's bits, reversibly (the finalizer of SplitMix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_written_and_every_changed_bit_shows() {
        let mut message = Vec::new();
        append(&mut message, 7, 1000);
        assert_eq!((message.len(), read(&message)), (MESSAGE_BYTES, Some((7, 1000))));
        for bit in 0..MESSAGE_BYTES * 8 {
            message[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&message), None, "bit {bit}");
            message[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

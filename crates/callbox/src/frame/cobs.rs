//! `cobs`: frames without the byte 0, and a 0 at their end (Consistent Overhead Byte Stuffing, Cheshire and Baker, 1999).
//!
//! A zero right behind another is no frame: an encoded payload has one byte at least.

use memchr::memchr;

/// What ends a frame.
pub(super) const END: u8 = 0;

/// The most data bytes of a block.
const BLOCK_BYTES: usize = 254;

/// Decodes what lies before a terminating zero; `None` if a block reaches beyond it.
pub(super) fn decode<'a>(raw: &[u8], into: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    into.clear();
    let mut rest = raw;
    while let Some((code, blocks)) = rest.split_first() {
        // There is no zero before the terminator.
        let len = usize::from(*code).checked_sub(1)?;
        let (block, after) = blocks.split_at_checked(len)?;
        into.extend_from_slice(block);
        if len < BLOCK_BYTES && !after.is_empty() {
            into.push(0);
        }
        rest = after;
    }
    Some(into)
}

/// Appends the payload in blocks, without the terminating zero.
pub(super) fn encode(payload: &[u8], into: &mut Vec<u8>) {
    let mut rest = payload;
    loop {
        let window = &rest[..rest.len().min(BLOCK_BYTES)];
        match memchr(0, window) {
            Some(zero) => {
                into.push(zero as u8 + 1);
                into.extend_from_slice(&rest[..zero]);
                // The zero is said by the block; a payload that ends with one needs an empty block behind it.
                rest = &rest[zero + 1..];
            }
            None => {
                into.push(window.len() as u8 + 1);
                into.extend_from_slice(window);
                rest = &rest[window.len()..];
                // A full block says no zero, so that nothing needs to follow it.
                if rest.is_empty() {
                    return;
                }
            }
        }
    }
}

/// Appends the terminator.
pub(super) fn end(into: &mut Vec<u8>) {
    into.push(END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(payload: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        encode(payload, &mut sent);
        sent
    }

    #[test]
    fn blocks_are_those_of_the_paper() {
        let table: [(&[u8], &[u8]); 6] = [
            (b"", b"\x01"),
            (b"\0", b"\x01\x01"),
            (b"\0\0", b"\x01\x01\x01"),
            (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
            (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
            (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
        ];
        for (payload, sent) in table {
            assert_eq!(encoded(payload), sent);
            assert_eq!(decode(sent, &mut vec![9]), Some(payload));
        }
    }

    #[test]
    fn full_blocks_say_no_zero() {
        let ones = [1u8; 255];
        assert_eq!(encoded(&ones[..254]), [&[255][..], &ones[..254]].concat());
        assert_eq!(encoded(&ones), [&[255][..], &ones[..254], &[2, 1]].concat());
        let then_zero = [&ones[..254], &[0]].concat();
        assert_eq!(encoded(&then_zero), [&[255][..], &ones[..254], &[1, 1]].concat());
        // Some encoders put an empty block behind a full last one.
        assert_eq!(decode(&[&[255][..], &ones[..254], &[1]].concat(), &mut Vec::new()), Some(&ones[..254]));
    }

    #[test]
    fn a_block_that_reaches_beyond_the_end_is_impossible() {
        for raw in [&b"\x02"[..], b"\x05abc", b"\x02a\x03b", b"\xff"] {
            assert_eq!(decode(raw, &mut Vec::new()), None, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(
            payload in prop::collection::vec(prop_oneof![3 => 1u8.., 1 => Just(0u8)], 0..1200),
            long in prop::collection::vec(1u8.., 0..1200),
        ) {
            for payload in [payload, long] {
                let sent = encoded(&payload);
                prop_assert!(!sent.contains(&0));
                let mut decoded = Vec::new();
                prop_assert_eq!(decode(&sent, &mut decoded), Some(&payload[..]));
            }
        }
    }
}

//! `varint`: a length as unsigned LEB128, seven bits a byte and the low ones first, then so many bytes; streams of
//! protobuf have it.

use super::FrameKind;
use super::error::FrameError;
use super::scan::{Cut, Declared, Step, gather};

/// The most bytes of a number of 64 bits.
const MOST_BYTES: usize = 10;

#[derive(Debug, Clone)]
pub(super) struct Varint {
    max_bytes: usize,
    /// Once the length has come.
    declared: Option<Declared>,
}

impl Varint {
    pub(super) fn new(max_bytes: usize) -> Varint {
        Varint { max_bytes, declared: None }
    }

    #[inline]
    pub(super) fn scan(&mut self, held: &[u8], new: &[u8]) -> Step {
        let declared = match self.declared {
            Some(declared) => declared,
            None => {
                let mut bytes = [0; MOST_BYTES];
                let some = gather(held, new, 0, &mut bytes);
                let (head, declared) = match read(&bytes[..some]) {
                    Ok(Some((payload, head))) => (head, Declared::checked(head, payload, self.max_bytes)),
                    Ok(None) => return Step::More,
                    Err(error) => (MOST_BYTES, Err(error)),
                };
                match declared {
                    Ok(declared) => declared,
                    Err(error) => return Step::Fail { taken: head - held.len(), error },
                }
            }
        };
        let cut = declared.cut(held.len(), new.len());
        self.declared = if cut.is_some() { None } else { Some(declared) };
        cut.map_or(Step::More, Step::Cut)
    }

    pub(super) fn rest(&mut self, held: usize) -> Cut {
        match self.declared.take() {
            Some(declared) => declared.rest(held),
            None => Cut { head: held, ..Cut::rest(FrameKind::Partial) },
        }
    }
}

/// Reads a number and returns it with its length, or nothing while it goes on.
#[inline]
fn read(bytes: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if index + 1 == MOST_BYTES && *byte > 1 {
            return Err(FrameError::malformed("a varint over 64 bits"));
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    Ok(None)
}

/// Appends a number.
pub(super) fn append(mut value: u64, into: &mut Vec<u8>) {
    while value > 0x7f {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_those_of_protobuf() {
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut written = Vec::new();
            append(value, &mut written);
            assert_eq!(written, bytes);
        }
        assert_eq!(read(&[0x80, 0]), Ok(Some((0, 2))), "longer than need be, as protobuf allows");
        assert_eq!(read(&[0x80; 9]), Ok(None));
        assert!(read(&[0x80; 10]).is_err());
        assert!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u64) {
            let mut bytes = Vec::new();
            append(value, &mut bytes);
            prop_assert_eq!(read(&bytes), Ok(Some((value, bytes.len()))));
            prop_assert_eq!(read(&bytes[..bytes.len() - 1]), Ok(None));
        }
    }
}

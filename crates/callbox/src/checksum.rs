//! Checksums at the end of a payload, as serial and industrial protocols have them.
//!
//! They find accidents, not attackers. A checksum is computed over the payload alone and appended to it; a framer then
//! sees both as one.

use std::fmt;
use std::str::FromStr;

use crc::{CRC_16_MODBUS, CRC_32_ISO_HDLC, Crc};

use crate::error::Invalid;

static CRC16_MODBUS: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);
static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Which checksum, and so how many bytes of it there are.
///
/// Valid: `crc16-modbus`, `crc32`, `sum8`, `xor8`, `lrc`. Invalid: `crc16` (there are thirty of them), `CRC32`, `md5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// CRC-16/MODBUS, two bytes, the low one first (Modbus over Serial Line V1.02, 2.5.1.2).
    Crc16Modbus,
    /// CRC-32/ISO-HDLC, that of Ethernet, zip and PNG; four bytes, the low one first.
    Crc32,
    /// The sum of all bytes modulo 256, one byte.
    Sum8,
    /// All bytes combined by exclusive or, one byte.
    Xor8,
    /// The two's complement of the sum of all bytes, one byte (Modbus over Serial Line V1.02, 2.5.2.2).
    Lrc,
}

/// What the checksum of a received frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the one of the payload.
    Right,
    /// It is another one, or the frame is too short to have one.
    Wrong,
}

impl Verdict {
    /// Returns the name used in JSON events.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Right => "ok",
            Verdict::Wrong => "wrong",
        }
    }
}

const ALL: [Checksum; 5] = [Checksum::Crc16Modbus, Checksum::Crc32, Checksum::Sum8, Checksum::Xor8, Checksum::Lrc];

/// The longest checksum there is, in bytes.
const LONGEST: usize = 4;

impl Checksum {
    /// Returns the name as written in a command.
    pub fn name(self) -> &'static str {
        match self {
            Checksum::Crc16Modbus => "crc16-modbus",
            Checksum::Crc32 => "crc32",
            Checksum::Sum8 => "sum8",
            Checksum::Xor8 => "xor8",
            Checksum::Lrc => "lrc",
        }
    }

    /// Returns how many bytes it takes.
    #[allow(clippy::len_without_is_empty, reason = "no checksum is empty")]
    pub fn len(self) -> usize {
        match self {
            Checksum::Crc16Modbus => 2,
            Checksum::Crc32 => 4,
            Checksum::Sum8 | Checksum::Xor8 | Checksum::Lrc => 1,
        }
    }

    /// Appends the checksum of `bytes` to them.
    pub fn append(self, bytes: &mut Vec<u8>) {
        let sum = self.sum(bytes);
        bytes.extend_from_slice(&sum[..self.len()]);
    }

    /// Takes the checksum off and tells whether it is that of the bytes before it.
    ///
    /// Bytes too few to end in a checksum come back as they are, and are wrong.
    pub fn split(self, bytes: &[u8]) -> (&[u8], Verdict) {
        let Some(len) = bytes.len().checked_sub(self.len()) else {
            return (bytes, Verdict::Wrong);
        };
        let (payload, sum) = bytes.split_at(len);
        let right = self.sum(payload)[..self.len()] == *sum;
        (payload, if right { Verdict::Right } else { Verdict::Wrong })
    }

    /// Tells whether `bytes` end in the checksum of those before it.
    pub fn verify(self, bytes: &[u8]) -> Verdict {
        self.split(bytes).1
    }

    /// Returns the checksum as sent, at the start of the array.
    fn sum(self, bytes: &[u8]) -> [u8; LONGEST] {
        let add = || bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let value = match self {
            Checksum::Crc16Modbus => u32::from(CRC16_MODBUS.checksum(bytes)),
            Checksum::Crc32 => CRC32.checksum(bytes),
            Checksum::Sum8 => u32::from(add()),
            Checksum::Xor8 => u32::from(bytes.iter().fold(0, |sum, byte| sum ^ byte)),
            Checksum::Lrc => u32::from(add().wrapping_neg()),
        };
        value.to_le_bytes()
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Checksum {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Checksum, Invalid> {
        if let Some(found) = ALL.into_iter().find(|checksum| checksum.name() == text) {
            return Ok(found);
        }
        let invalid = |problem: String| Invalid::new("checksum", text, problem).at(0);
        let lower = text.to_ascii_lowercase();
        let near = ALL.into_iter().find(|checksum| {
            let name = checksum.name();
            name == lower || lower.len() > 2 && (name.starts_with(&lower) || lower.starts_with(name))
        });
        Err(match near {
            Some(_) if lower == "crc16" => invalid("which CRC-16?".into()).instead("write crc16-modbus"),
            Some(near) => invalid("unknown checksum".into()).instead(format!("write {near}")),
            None if text.is_empty() => invalid("empty".into()).instead(ADVICE),
            None => invalid("unknown checksum".into()).instead(ADVICE),
        })
    }
}

const ADVICE: &str = "write crc16-modbus, crc32, sum8, xor8 or lrc";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_are_those_of_the_catalogues() {
        let check = b"123456789";
        let table: [(Checksum, &[u8], &[u8]); 9] = [
            (Checksum::Crc16Modbus, check, &[0x37, 0x4b]),
            (Checksum::Crc32, check, &[0x26, 0x39, 0xf4, 0xcb]),
            (Checksum::Sum8, check, &[0xdd]),
            (Checksum::Xor8, check, &[0x31]),
            (Checksum::Lrc, check, &[0x23]),
            // A request to read ten registers, as printed in guides to Modbus RTU.
            (Checksum::Crc16Modbus, &[0x01, 0x03, 0x00, 0x00, 0x00, 0x0a], &[0xc5, 0xcd]),
            (Checksum::Crc16Modbus, b"", &[0xff, 0xff]),
            (Checksum::Crc32, b"", &[0, 0, 0, 0]),
            (Checksum::Lrc, &[0xff, 0x01], &[0]),
        ];
        for (checksum, bytes, sum) in table {
            let mut sent = bytes.to_vec();
            checksum.append(&mut sent);
            assert_eq!(&sent[bytes.len()..], sum, "{checksum}");
            assert_eq!(checksum.split(&sent), (bytes, Verdict::Right));
        }
    }

    #[test]
    fn what_is_too_short_is_wrong_and_stays() {
        assert_eq!(Checksum::Crc32.split(b"abc"), (&b"abc"[..], Verdict::Wrong));
        assert_eq!(Checksum::Sum8.split(b""), (&b""[..], Verdict::Wrong));
        assert_eq!(Checksum::Sum8.verify(b"\0"), Verdict::Right);
    }

    #[test]
    fn names_are_read_or_refused_with_advice() {
        for checksum in ALL {
            assert_eq!(checksum.to_string().parse(), Ok(checksum));
        }
        for (text, advice) in [
            ("crc16", "write crc16-modbus"),
            ("CRC32", "write crc32"),
            ("crc32c", "write crc32"),
            ("lrc8", "write lrc"),
            ("md5", ADVICE),
            ("", ADVICE),
        ] {
            let invalid = text.parse::<Checksum>().unwrap_err();
            assert_eq!((invalid.at, invalid.instead.as_deref()), (Some(0), Some(advice)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_appended_is_right_and_one_changed_byte_is_not(bytes: Vec<u8>, at: usize, by in 1u8..) {
            for checksum in ALL {
                let mut sent = bytes.clone();
                checksum.append(&mut sent);
                prop_assert_eq!(checksum.split(&sent), (&bytes[..], Verdict::Right));
                let at = at % sent.len();
                sent[at] ^= by;
                prop_assert_eq!(checksum.verify(&sent), Verdict::Wrong);
            }
        }
    }
}

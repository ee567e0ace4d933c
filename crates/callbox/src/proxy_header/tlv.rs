//! What else a header of version 2 tells: type, length, value.

use super::HeaderError;

/// The longest unique id, as the specification has it.
pub(super) const MAX_UNIQUE_ID_BYTES: usize = 128;
/// Type and length before each value.
pub(super) const HEAD: usize = 3;
/// The size of a checksum.
pub(super) const CRC32C_BYTES: usize = 4;

/// One thing more that a header tells; types that nobody knows are kept too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlv {
    /// Its type by the specification's number.
    pub code: u8,
    /// The value, as it came. That of [`Tlv::SSL`] has TLVs inside, which are not looked at.
    pub value: Vec<u8>,
}

impl Tlv {
    /// The protocol negotiated in TLS (ALPN).
    pub const ALPN: u8 = 0x01;
    /// The host's name that the client asked for (SNI).
    pub const AUTHORITY: u8 = 0x02;
    /// The checksum of the header; told by [`Header::crc32c`](super::Header::crc32c) and not kept among the others.
    pub const CRC32C: u8 = 0x03;
    /// Padding.
    pub const NOOP: u8 = 0x04;
    /// What the proxy calls the connection; 128 bytes at most.
    pub const UNIQUE_ID: u8 = 0x05;
    /// What TLS has found out about the client.
    pub const SSL: u8 = 0x20;
    /// The name of a network namespace.
    pub const NETNS: u8 = 0x30;

    /// Makes one.
    pub fn new(code: u8, value: impl Into<Vec<u8>>) -> Tlv {
        Tlv { code, value: value.into() }
    }

    /// Returns the name of its type; `None` where the specification gives it none.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self.code {
            Tlv::ALPN => "alpn",
            Tlv::AUTHORITY => "authority",
            Tlv::CRC32C => "crc32c",
            Tlv::NOOP => "noop",
            Tlv::UNIQUE_ID => "unique_id",
            Tlv::SSL => "ssl",
            Tlv::NETNS => "netns",
            0xe0..=0xef => "custom",
            0xf0..=0xf7 => "experiment",
            _ => return None,
        })
    }
}

/// The TLVs of a header that is there as a whole, from byte `at` on, and where the checksum stands.
pub(super) fn parse(bytes: &[u8], mut at: usize) -> Result<(Vec<Tlv>, Option<usize>), HeaderError> {
    let (mut tlvs, mut checksum) = (Vec::new(), None);
    while at < bytes.len() {
        let [code, high, low, rest @ ..] = &bytes[at..] else {
            return Err(HeaderError::new(at, "a TLV that ends before its length"));
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(value) = rest.get(..length) else {
            let problem = format!("a TLV of {length} bytes where {} are left", rest.len());
            return Err(HeaderError::new(at + 1, problem));
        };
        match *code {
            Tlv::CRC32C if checksum.is_some() => return Err(HeaderError::new(at, "a second checksum")),
            Tlv::CRC32C if length != CRC32C_BYTES => {
                return Err(HeaderError::new(at + 1, format!("a checksum of {length} bytes")));
            }
            Tlv::CRC32C => checksum = Some(at + HEAD),
            Tlv::UNIQUE_ID if length > MAX_UNIQUE_ID_BYTES => {
                return Err(HeaderError::new(at + 1, format!("a unique id of {length} bytes, 128 are the most")));
            }
            code => tlvs.push(Tlv::new(code, value)),
        }
        at += HEAD + length;
    }
    Ok((tlvs, checksum))
}

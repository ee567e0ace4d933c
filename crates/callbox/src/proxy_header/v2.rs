//! Version 2: a binary block.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use crc::{CRC_32_ISCSI, Crc};

use super::{Addresses, Command, Header, HeaderError, MAX_V2_BYTES, Parsed, SHORTEST, Tlv, Transport, UnixName};
use super::{difference, tlv};
use crate::error::Invalid;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Where the version, in the high bits, and the command stand.
const VERSION_COMMAND: usize = 12;
/// Where the family, in the high bits, and the transport stand.
const FAMILY_TRANSPORT: usize = 13;
/// Where the length of what follows stands.
const LENGTH: usize = 14;
/// The part of fixed size.
const FIXED: usize = 16;

const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
const UNSPEC: u8 = 0;
const INET: u8 = 1;
const INET6: u8 = 2;
const UNIX: u8 = 3;
const STREAM: u8 = 1;
const DGRAM: u8 = 2;

static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, HeaderError> {
    if let Some(at) = difference(bytes, SIGNATURE) {
        return Err(HeaderError::new(at, "no PROXY header goes on like this"));
    }
    let Some(&byte) = bytes.get(VERSION_COMMAND) else { return Ok(Parsed::Incomplete { needed: SHORTEST }) };
    let command = match (byte >> 4, byte & 15) {
        (VERSION, LOCAL) => Command::Local,
        (VERSION, PROXY) => Command::Proxy,
        (VERSION, other) => return Err(HeaderError::new(VERSION_COMMAND, format!("unknown command {other}"))),
        (other, _) => {
            return Err(HeaderError::new(VERSION_COMMAND, format!("version {other} after the signature of 2")));
        }
    };
    let Some(&byte) = bytes.get(FAMILY_TRANSPORT) else { return Ok(Parsed::Incomplete { needed: FIXED }) };
    let (family, transport) = (byte >> 4, byte & 15);
    // What comes with LOCAL is to be discarded, the family included.
    if command == Command::Proxy && family > UNIX {
        return Err(HeaderError::new(FAMILY_TRANSPORT, format!("unknown address family {family}")));
    }
    if command == Command::Proxy && transport > DGRAM {
        return Err(HeaderError::new(FAMILY_TRANSPORT, format!("unknown transport {transport}")));
    }
    let Some(length) = bytes.get(LENGTH..FIXED) else { return Ok(Parsed::Incomplete { needed: FIXED }) };
    let length = FIXED + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > MAX_V2_BYTES {
        return Err(HeaderError::new(LENGTH, format!("{length} bytes, {MAX_V2_BYTES} are the most")));
    }
    let known = command == Command::Proxy && family != UNSPEC && transport != UNSPEC;
    let end = FIXED + if known { address_bytes(family) } else { 0 };
    if length < end {
        return Err(HeaderError::new(LENGTH, format!("{length} bytes, too few for the addresses")));
    }
    let Some(bytes) = bytes.get(..length) else { return Ok(Parsed::Incomplete { needed: length }) };
    // How long addresses of no family are cannot be told, so nothing behind them can be found.
    let header = match (command, known) {
        (Command::Local, _) => Header::local(),
        (Command::Proxy, false) => Header::proxied(Addresses::Unknown),
        (Command::Proxy, true) => decode(bytes, family, end)?,
    };
    Ok(Parsed::Complete { header, length })
}

fn address_bytes(family: u8) -> usize {
    match family {
        INET => 2 * (4 + 2),
        INET6 => 2 * (16 + 2),
        _ => 2 * UnixName::MAX_BYTES,
    }
}

/// Reads a header that is there as a whole; its addresses go up to `end`.
fn decode(bytes: &[u8], family: u8, end: usize) -> Result<Header, HeaderError> {
    let transport = if bytes[FAMILY_TRANSPORT] & 15 == STREAM { Transport::Stream } else { Transport::Datagram };
    let mut rest = &bytes[FIXED..end];
    let addresses = match family {
        INET => {
            let (source, destination) = (Ipv4Addr::from(array(&mut rest)), Ipv4Addr::from(array(&mut rest)));
            Addresses::V4 {
                transport,
                source: SocketAddrV4::new(source, port(&mut rest)),
                destination: SocketAddrV4::new(destination, port(&mut rest)),
            }
        }
        INET6 => {
            let (source, destination) = (Ipv6Addr::from(array(&mut rest)), Ipv6Addr::from(array(&mut rest)));
            Addresses::V6 {
                transport,
                source: SocketAddrV6::new(source, port(&mut rest), 0, 0),
                destination: SocketAddrV6::new(destination, port(&mut rest), 0, 0),
            }
        }
        _ => {
            let (source, destination) = rest.split_at(UnixName::MAX_BYTES);
            let name = |bytes| UnixName::new(bytes).expect("the field is as long as the longest name");
            Addresses::Unix { transport, source: name(source), destination: name(destination) }
        }
    };
    let (tlvs, checksum) = tlv::parse(bytes, end)?;
    if let Some(at) = checksum {
        let told = bytes[at..at + tlv::CRC32C_BYTES].try_into().map(u32::from_be_bytes).expect("four bytes");
        if told != crc32c(bytes, at) {
            return Err(HeaderError::new(at, "a wrong checksum"));
        }
    }
    Ok(Header { tlvs, crc32c: checksum.is_some(), ..Header::proxied(addresses) })
}

/// Takes the first bytes; the caller has seen that there are enough.
fn array<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (first, rest) = bytes.split_first_chunk().expect("the length was checked");
    *bytes = rest;
    *first
}

fn port(bytes: &mut &[u8]) -> u16 {
    u16::from_be_bytes(array(bytes))
}

/// Computes the checksum of a header, as if there were zeros where it stands.
fn crc32c(header: &[u8], at: usize) -> u32 {
    let mut digest = CRC32C.digest();
    digest.update(&header[..at]);
    digest.update(&[0; tlv::CRC32C_BYTES]);
    digest.update(&header[at + tlv::CRC32C_BYTES..]);
    digest.finalize()
}

pub(super) fn encode(header: &Header) -> Result<Vec<u8>, Invalid> {
    let invalid = |problem: String| Invalid::new("PROXY header", "", problem);
    let mut bytes = SIGNATURE.to_vec();
    let (command, addresses) = match header.command {
        Command::Local => (LOCAL, &Addresses::Unknown),
        Command::Proxy => (PROXY, &header.addresses),
    };
    bytes.push(VERSION << 4 | command);
    push_addresses(&mut bytes, addresses);
    if *addresses == Addresses::Unknown && (!header.tlvs.is_empty() || header.crc32c) {
        return Err(invalid("nothing further can be told where the addresses are unknown".into()));
    }
    for tlv in &header.tlvs {
        if tlv.code == Tlv::CRC32C {
            return Err(invalid("a checksum is computed, not given".into()));
        }
        if tlv.code == Tlv::UNIQUE_ID && tlv.value.len() > tlv::MAX_UNIQUE_ID_BYTES {
            return Err(invalid(format!("a unique id of {} bytes", tlv.value.len())));
        }
        push_tlv(&mut bytes, tlv.code, &tlv.value);
    }
    if header.crc32c {
        push_tlv(&mut bytes, Tlv::CRC32C, &[0; tlv::CRC32C_BYTES]);
    }
    if bytes.len() > MAX_V2_BYTES {
        return Err(invalid(format!("{} bytes, {MAX_V2_BYTES} are the most", bytes.len())));
    }
    // Fits, for the whole is shorter.
    let length = (bytes.len() - FIXED) as u16;
    bytes[LENGTH..FIXED].copy_from_slice(&length.to_be_bytes());
    if header.crc32c {
        let at = bytes.len() - tlv::CRC32C_BYTES;
        let sum = crc32c(&bytes, at);
        bytes[at..].copy_from_slice(&sum.to_be_bytes());
    }
    Ok(bytes)
}

/// Appends family and transport, two bytes for the length, and the addresses.
fn push_addresses(bytes: &mut Vec<u8>, addresses: &Addresses) {
    let begin = |bytes: &mut Vec<u8>, family: u8, transport: Transport| {
        let transport = match transport {
            Transport::Stream => STREAM,
            Transport::Datagram => DGRAM,
        };
        bytes.extend([family << 4 | transport, 0, 0]);
    };
    match addresses {
        Addresses::Unknown => bytes.extend([UNSPEC, 0, 0]),
        Addresses::V4 { transport, source, destination } => {
            begin(bytes, INET, *transport);
            bytes.extend(source.ip().octets());
            bytes.extend(destination.ip().octets());
            bytes.extend(source.port().to_be_bytes());
            bytes.extend(destination.port().to_be_bytes());
        }
        Addresses::V6 { transport, source, destination } => {
            begin(bytes, INET6, *transport);
            bytes.extend(source.ip().octets());
            bytes.extend(destination.ip().octets());
            bytes.extend(source.port().to_be_bytes());
            bytes.extend(destination.port().to_be_bytes());
        }
        Addresses::Unix { transport, source, destination } => {
            begin(bytes, UNIX, *transport);
            for name in [source, destination] {
                bytes.extend(name.as_bytes());
                bytes.extend(std::iter::repeat_n(0, UnixName::MAX_BYTES - name.as_bytes().len()));
            }
        }
    }
}

/// Appends a TLV; one too long for its field makes the whole too long, which is found out later.
fn push_tlv(bytes: &mut Vec<u8>, code: u8, value: &[u8]) {
    bytes.push(code);
    bytes.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(value);
}

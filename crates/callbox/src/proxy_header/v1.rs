//! Version 1: one line of text.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::str::FromStr;

use super::{Addresses, Command, Header, HeaderError, MAX_V1_BYTES, Parsed, SHORTEST, Transport, difference};

const BEGINNING: &[u8] = b"PROXY ";
/// Between addresses and ports: the shortest that can still come, with the space before it.
const SHORTEST_FIELDS: [usize; 3] = [1 + 2, 1 + 1, 1 + 1];

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, HeaderError> {
    if let Some(at) = difference(bytes, BEGINNING) {
        return Err(HeaderError::new(at, "no PROXY header goes on like this"));
    }
    match line_end(bytes)? {
        Some(end) => Ok(Parsed::Complete { header: decode(&bytes[..end])?, length: end + 2 }),
        None => Ok(Parsed::Incomplete { needed: needed(bytes) }),
    }
}

/// Finds the CRLF; nothing else may end the line, and nothing of it may stand inside.
fn line_end(bytes: &[u8]) -> Result<Option<usize>, HeaderError> {
    let within = &bytes[..bytes.len().min(MAX_V1_BYTES)];
    let too_long = HeaderError::new(MAX_V1_BYTES, "no end of the line in 107 bytes");
    match within.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(at) if within[at] == b'\n' => Err(HeaderError::new(at, "a line feed without its carriage return")),
        Some(at) if at + 1 == MAX_V1_BYTES => Err(too_long),
        Some(at) => match within.get(at + 1) {
            Some(b'\n') => Ok(Some(at)),
            Some(_) => Err(HeaderError::new(at + 1, "a carriage return without its line feed")),
            None => Ok(None),
        },
        None if within.len() == MAX_V1_BYTES => Err(too_long),
        None => Ok(None),
    }
}

/// Returns how long a line with this beginning is at least.
fn needed(bytes: &[u8]) -> usize {
    let len = bytes.len();
    if bytes.ends_with(b"\r") {
        return len + 1;
    }
    let fields = match bytes.get(BEGINNING.len()..) {
        Some([b'T', b'C', b'P', b'4' | b'6', b' ', fields @ ..]) => {
            let begun = fields.iter().filter(|byte| **byte == b' ').count();
            SHORTEST_FIELDS.iter().skip(begun).sum()
        }
        _ => 0,
    };
    (len + fields + 2).clamp(SHORTEST, MAX_V1_BYTES)
}

fn decode(line: &[u8]) -> Result<Header, HeaderError> {
    let mut fields = Fields { line, at: BEGINNING.len() };
    let (at, family) = fields.take();
    let addresses = match family {
        b"TCP4" => {
            let (source, destination) = fields.addresses::<Ipv4Addr>("no IPv4 address")?;
            let (source_port, destination_port) = fields.ports()?;
            Addresses::V4 {
                transport: Transport::Stream,
                source: SocketAddrV4::new(source, source_port),
                destination: SocketAddrV4::new(destination, destination_port),
            }
        }
        b"TCP6" => {
            let (source, destination) = fields.addresses::<Ipv6Addr>("no IPv6 address")?;
            let (source_port, destination_port) = fields.ports()?;
            Addresses::V6 {
                transport: Transport::Stream,
                source: SocketAddrV6::new(source, source_port, 0, 0),
                destination: SocketAddrV6::new(destination, destination_port, 0, 0),
            }
        }
        // Whatever follows is to be ignored.
        b"UNKNOWN" => Addresses::Unknown,
        _ => return Err(HeaderError::new(at, "neither TCP4, TCP6 nor UNKNOWN")),
    };
    Ok(Header::proxied(addresses))
}

/// What stands between single spaces.
struct Fields<'a> {
    line: &'a [u8],
    /// Where the next field begins; one behind the line's end after the last.
    at: usize,
}

impl<'a> Fields<'a> {
    /// Takes a field and tells where it begins; an empty one where there is none.
    fn take(&mut self) -> (usize, &'a [u8]) {
        let (at, rest) = (self.at.min(self.line.len()), self.line.get(self.at..).unwrap_or_default());
        let field = rest.split(|byte| *byte == b' ').next().unwrap_or_default();
        self.at += field.len() + 1;
        (at, field)
    }

    fn addresses<T: FromStr>(&mut self, problem: &'static str) -> Result<(T, T), HeaderError> {
        let mut one = || {
            let (at, field) = self.take();
            let read = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
            read.ok_or(HeaderError::new(at, problem))
        };
        Ok((one()?, one()?))
    }

    fn ports(&mut self) -> Result<(u16, u16), HeaderError> {
        let ports = (self.port()?, self.port()?);
        match self.at > self.line.len() {
            true => Ok(ports),
            false => Err(HeaderError::new(self.at - 1, "more than two ports")),
        }
    }

    fn port(&mut self) -> Result<u16, HeaderError> {
        let (at, field) = self.take();
        let digits = field.iter().all(u8::is_ascii_digit) && (field.len() == 1 || !field.starts_with(b"0"));
        let read = std::str::from_utf8(field).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        read.ok_or(HeaderError::new(at, "no port"))
    }
}

pub(super) fn encode(header: &Header) -> Vec<u8> {
    let stream = Transport::Stream;
    let line = match (header.command, &header.addresses) {
        (Command::Proxy, Addresses::V4 { transport, source: from, destination: to }) if *transport == stream => {
            format!("PROXY TCP4 {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port())
        }
        (Command::Proxy, Addresses::V6 { transport, source: from, destination: to }) if *transport == stream => {
            format!("PROXY TCP6 {} {} {} {}\r\n", digits(from.ip()), digits(to.ip()), from.port(), to.port())
        }
        _ => "PROXY UNKNOWN\r\n".to_owned(),
    };
    line.into_bytes()
}

/// Prints an address in hexadecimal digits alone, as the specification wants it: none of it as IPv4.
fn digits(ip: &Ipv6Addr) -> String {
    let text = ip.to_string();
    if !text.contains('.') {
        return text;
    }
    ip.segments().map(|segment| format!("{segment:x}")).join(":")
}

//! Headers read, refused at their byte, written, and agreed on with two other readers.

mod oracles;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use proptest::prelude::*;

use super::*;

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Makes a header of version 2 by hand; the length is that of what follows.
pub(super) fn v2(version_command: u8, family_transport: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [SIGNATURE, &[version_command, family_transport], &length, rest].concat()
}

const V4: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 0x04, 0x01, 0xbb];

fn complete(bytes: &[u8]) -> Header {
    match parse(bytes) {
        Ok(Parsed::Complete { header, length }) => {
            assert_eq!(length, bytes.len());
            header
        }
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

/// Insists that every beginning of `bytes` says the same as the whole, as soon as it says anything, and that who reads
/// as far as is asked for never reads beyond the header.
pub(super) fn check_every_split(bytes: &[u8]) {
    let whole = parse(bytes);
    let mut said = None;
    for end in 0..=bytes.len() {
        match parse(&bytes[..end]) {
            Ok(Parsed::Incomplete { needed }) => {
                assert!(said.is_none(), "{end} bytes of {} forget {said:?}", bytes.escape_ascii());
                assert!(needed > end, "{needed} of {end}");
                if let Ok(Parsed::Complete { length, .. }) = &whole {
                    assert!(needed <= *length, "{needed} wanted after {end} of {length}");
                }
            }
            result => {
                assert_eq!(result, whole, "{end} bytes of {}", bytes.escape_ascii());
                if let Ok(Parsed::Complete { length, .. }) = &result {
                    assert!(said.is_some() || *length == end, "complete as soon as it is there");
                }
                said = Some(result);
            }
        }
    }
}

#[test]
fn lines_of_version_1_are_read() {
    for (line, client) in [
        (&b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"[..], Some("192.0.2.1:56324")),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Some("0.0.0.0:0")),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", Some("[2001:db8::1]:1")),
        (b"PROXY TCP6 ::ffff:c000:201 :: 1 2\r\n", Some("[::ffff:192.0.2.1]:1")),
        (
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        (b"PROXY UNKNOWN\r\n", None),
        (
            b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            None,
        ),
        (b"PROXY UNKNOWN \x1b[2J anything\r\n", None),
    ] {
        let header = complete(line);
        assert_eq!(header.client().map(|client| client.to_string()).as_deref(), client);
        check_every_split(&[line, b"payload\r\n"].concat());
    }
}

#[test]
fn blocks_of_version_2_are_read() {
    let checked = Header { crc32c: true, ..complete(&v2(0x21, 0x11, V4)) }.encode(Version::V2).expect("encodes");
    let v6 = [&[0x20, 1, 0xd, 0xb8], &[0; 12][..], &[0; 16], &[1, 2, 3, 4]].concat();
    let mut unix = vec![0; 216];
    unix[..4].copy_from_slice(b"/a/b");
    let with_tlvs = [V4, b"\x01\0\x02h2", b"\x04\0\0", b"\xea\0\x01x"].concat();
    for (bytes, client) in [
        (v2(0x21, 0x11, V4), Some("192.0.2.1:56324")),
        (v2(0x21, 0x12, V4), Some("192.0.2.1:56324")),
        (v2(0x21, 0x21, &v6), Some("[2001:db8::]:258")),
        (v2(0x21, 0x31, &unix), Some("unix:/a/b")),
        (v2(0x21, 0x11, &with_tlvs), Some("192.0.2.1:56324")),
        (checked, Some("192.0.2.1:56324")),
        // The real addresses count, whatever comes with it.
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, V4), None),
        (v2(0x20, 0xff, b"anything"), None),
        (v2(0x21, 0x00, b""), None),
        (v2(0x21, 0x00, b"anything"), None),
        (v2(0x21, 0x10, b""), None),
        (v2(0x21, 0x01, V4), None),
    ] {
        let header = complete(&bytes);
        assert_eq!(header.client().map(|client| client.to_string()).as_deref(), client, "{}", bytes.escape_ascii());
        check_every_split(&[&bytes[..], b"payload"].concat());
    }
    let header = complete(&v2(0x21, 0x11, &with_tlvs));
    assert_eq!(header.tlvs, [Tlv::new(Tlv::ALPN, *b"h2"), Tlv::new(Tlv::NOOP, []), Tlv::new(0xea, *b"x")]);
    let names: Vec<_> = header.tlvs.iter().map(Tlv::name).collect();
    assert_eq!(names, [Some("alpn"), Some("noop"), Some("custom")]);
}

#[test]
fn what_is_no_header_is_refused_at_its_byte() {
    let long = [b"PROXY UNKNOWN ", &[b'x'; 93][..], b"\r\n"].concat();
    let tlv = |tlv: &[u8]| v2(0x21, 0x11, &[V4, tlv].concat());
    let longest = [SIGNATURE, &[0x21, 0x11, 0x3f, 0xf1]].concat();
    for (bytes, at, problem) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), 0, "begins"),
        (b"PROXIED".to_vec(), 4, "goes on"),
        (b"PROXY\tTCP4".to_vec(), 5, "goes on"),
        (b"\r\n\r\n\0\r\nQUIET".to_vec(), 10, "goes on"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n".to_vec(), 34, "line feed"),
        (b"PROXY TCP4 192.0.2.1\r192.0.2.2 1 2\r\n".to_vec(), 21, "carriage return"),
        (long.clone(), 107, "107 bytes"),
        (b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), 6, "neither"),
        (b"PROXY UNKNOWNS\r\n".to_vec(), 6, "neither"),
        (b"PROXY  TCP4 1.1.1.1 1.1.1.1 1 2\r\n".to_vec(), 6, "neither"),
        (b"PROXY TCP4 ::1 192.0.2.2 1 2\r\n".to_vec(), 11, "no IPv4"),
        (b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n".to_vec(), 11, "no IPv4"),
        (b"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n".to_vec(), 21, "no IPv4"),
        (b"PROXY TCP6 ::1 ::1%lo 1 2\r\n".to_vec(), 15, "no IPv6"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n".to_vec(), 32, "no port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n".to_vec(), 31, "no port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n".to_vec(), 31, "no port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n".to_vec(), 33, "no port"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n".to_vec(), 34, "more than two"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n".to_vec(), 34, "more than two"),
        (v2(0x11, 0x11, V4), 12, "version 1"),
        (v2(0x22, 0x11, V4), 12, "command 2"),
        (v2(0x21, 0x41, V4), 13, "family 4"),
        (v2(0x21, 0x13, V4), 13, "transport 3"),
        (v2(0x21, 0x11, &V4[..11]), 14, "too few"),
        (v2(0x21, 0x31, &[0; 215]), 14, "too few"),
        (longest, 14, "16384 are the most"),
        (tlv(b"\x01\0"), 28, "before its length"),
        (tlv(b"\x01\0\x02h"), 29, "2 bytes where 1"),
        (tlv(b"\x03\0\x02ab"), 29, "checksum of 2"),
        (tlv(b"\x03\0\x04abcd"), 31, "wrong checksum"),
        (tlv(b"\x03\0\x04abcd\x03\0\x04abcd"), 35, "second checksum"),
        (tlv(&[&[5, 0, 129][..], &[0; 129]].concat()), 29, "unique id of 129"),
    ] {
        let shown = bytes.escape_ascii().to_string();
        let error = parse(&bytes).expect_err(&shown);
        assert!(error.at == at && error.problem.contains(problem), "{shown}: {error}");
        check_every_split(&bytes);
    }
    assert_eq!(long.len(), MAX_V1_BYTES + 2);
}

#[test]
fn a_declared_length_is_waited_for_and_not_reserved() {
    let bytes = [SIGNATURE, &[0x21, 0x11, 0x3f, 0xf0]].concat();
    assert_eq!(parse(&bytes), Ok(Parsed::Incomplete { needed: MAX_V2_BYTES }));
}

#[test]
fn the_checksum_is_that_of_the_catalogue_and_any_change_is_seen() {
    let header =
        Header { crc32c: true, tlvs: vec![Tlv::new(Tlv::AUTHORITY, *b"a.example")], ..complete(&v2(0x21, 0x11, V4)) };
    let bytes = header.encode(Version::V2).expect("encodes");
    assert_eq!(complete(&bytes), header);
    // Bit by bit behind the fixed part: with the reflected polynomial, as a slow loop.
    let mut sum = u32::MAX;
    for (index, byte) in bytes.iter().enumerate() {
        sum ^= u32::from(if index < bytes.len() - 4 { *byte } else { 0 });
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 * (sum & 1));
        }
    }
    assert_eq!(bytes[bytes.len() - 4..], (!sum).to_be_bytes());
    for at in 16..28 {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(parse(&changed).is_err_and(|error| error.problem.contains("wrong checksum")), "byte {at}");
    }
}

#[test]
fn what_cannot_be_carried_is_no_header() {
    let with = |tlvs: Vec<Tlv>| Header { tlvs, ..complete(&v2(0x21, 0x11, V4)) }.encode(Version::V2);
    assert!(with(vec![Tlv::new(Tlv::CRC32C, [0; 4])]).is_err());
    assert!(with(vec![Tlv::new(Tlv::UNIQUE_ID, [0; 129])]).is_err());
    assert!(with(vec![Tlv::new(Tlv::NOOP, vec![0; 70_000])]).is_err());
    assert_eq!(with(vec![Tlv::new(Tlv::NOOP, vec![0; MAX_V2_BYTES - 31])]).map(|bytes| bytes.len()), Ok(MAX_V2_BYTES));
    assert!(with(vec![Tlv::new(Tlv::NOOP, vec![0; MAX_V2_BYTES - 30])]).is_err());
    let unknown = Header { crc32c: true, ..Header::proxied(Addresses::Unknown) };
    assert!(unknown.encode(Version::V2).is_err());
}

#[test]
fn a_session_is_told_as_it_is() {
    let told = |client: &str, local: &str| {
        let addr = |text| Addr::parse(text).expect("good");
        let line = Header::for_session(&addr(client), &addr(local)).encode(Version::V1).expect("always");
        String::from_utf8(line).expect("text")
    };
    assert_eq!(told("192.0.2.1:1", "192.0.2.2:2"), "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    assert_eq!(told("[::ffff:192.0.2.1]:1", "192.0.2.2:2"), "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    assert_eq!(told("[fe80::1%3]:1", "[fe80::2%3]:2"), "PROXY TCP6 fe80::1 fe80::2 1 2\r\n");
    assert_eq!(told("192.0.2.1:1", "[::1]:2"), "PROXY TCP6 0:0:0:0:0:ffff:c000:201 ::1 1 2\r\n");
    for (client, local) in [("unix:/a", "unix:/a"), ("unix:/a", "192.0.2.2:2"), ("name:1", "192.0.2.2:2")] {
        assert_eq!(told(client, local), "PROXY UNKNOWN\r\n");
    }
    let unix = Addr::Unix("/a".into());
    assert_eq!(Header::for_session(&unix, &unix), Header::local());
    assert_eq!(Header::for_session(&Addr::Memory, &unix), Header::local());
}

#[test]
fn names_that_cannot_be_shown_are_no_addresses() {
    for name in [&b""[..], b"\0abstract", b"/a\x1b[2J", b"\xff", "/\u{202e}".as_bytes()] {
        let name = UnixName::new(name).expect("short");
        let unix = Addresses::Unix { transport: Transport::Stream, source: name.clone(), destination: name };
        assert_eq!((unix.source(), unix.destination()), (None, None), "{unix:?}");
    }
}

#[test]
fn versions_are_read_or_refused_with_advice() {
    for version in [Version::V1, Version::V2] {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
    assert!("2".parse::<Version>().is_err_and(|invalid| invalid.instead.is_some()));
}

#[test]
fn sources_are_read_or_refused_with_advice() {
    for (text, shown) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("::1", "::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("unix", "unix"),
    ] {
        assert_eq!(text.parse::<TrustedSource>().map(|source| source.to_string()).as_deref(), Ok(shown));
    }
    for (text, at) in [
        ("", 0),
        ("localhost", 0),
        ("10.0.0.0/33", 9),
        ("10.0.0.0/", 9),
        ("10.0.0.0/+8", 9),
        ("::/129", 3),
        ("10.0.0.1/8", 0),
    ] {
        let invalid = text.parse::<TrustedSource>().expect_err(text);
        assert!(invalid.at == Some(at) && invalid.instead.is_some(), "{invalid}");
    }
}

#[test]
fn only_the_named_are_trusted() {
    let trusts = |sources: &[&str], peer: &str| {
        let sources = sources.iter().map(|source| source.parse().expect("good"));
        let peer = if peer == "memory" { Addr::Memory } else { Addr::parse(peer).expect("good") };
        TrustedProxies::new(sources).trusts(&peer)
    };
    assert!(trusts(&["10.0.0.0/8"], "10.255.0.1:1") && !trusts(&["10.0.0.0/8"], "11.0.0.1:1"));
    assert!(trusts(&["10.0.0.0/8"], "[::ffff:10.0.0.1]:1") && trusts(&["::ffff:10.0.0.0/104"], "10.0.0.1:1"));
    assert!(trusts(&["fe80::/10"], "[fe80::1%3]:1") && !trusts(&["0.0.0.0/0"], "[fe80::1%3]:1"));
    assert!(!trusts(&["::/0"], "10.0.0.1:1") && !trusts(&["0.0.0.0/0", "::/0"], "unix:/s"));
    assert!(trusts(&["unix"], "unix:/s") && !trusts(&["unix"], "127.0.0.1:1") && !trusts(&[], "127.0.0.1:1"));
    assert!(!trusts(&["unix", "0.0.0.0/0"], "memory"));
    let local = TrustedProxies::default();
    for (peer, trusted) in [
        ("127.9.9.9:1", true),
        ("[::1]:1", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("unix:/s", true),
        ("10.0.0.1:1", false),
        ("[::2]:1", false),
    ] {
        assert_eq!(local.trusts(&Addr::parse(peer).expect("good")), trusted, "{peer}");
    }
}

pub(super) fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![Just(Transport::Stream), Just(Transport::Datagram)]
}

pub(super) fn addresses() -> impl Strategy<Value = Addresses> {
    let v4 = || any::<(Ipv4Addr, u16)>().prop_map(|(ip, port)| SocketAddrV4::new(ip, port));
    let ip =
        prop_oneof![any::<Ipv6Addr>(), any::<Ipv4Addr>().prop_map(|ip| ip.to_ipv6_mapped()), Just(Ipv6Addr::LOCALHOST)];
    let v6 = (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddrV6::new(ip, port, 0, 0)).boxed();
    let name = || {
        let byte = prop_oneof![any::<u8>(), Just(b'/'), Just(0)];
        prop::collection::vec(byte, 0..=UnixName::MAX_BYTES).prop_map(|name| UnixName::new(&name).expect("fits"))
    };
    prop_oneof![
        1 => Just(Addresses::Unknown),
        4 => (transport(), v4(), v4()).prop_map(|(transport, source, destination)| Addresses::V4 { transport, source, destination }),
        4 => (transport(), v6.clone(), v6).prop_map(|(transport, source, destination)| Addresses::V6 { transport, source, destination }),
        1 => (transport(), name(), name()).prop_map(|(transport, source, destination)| Addresses::Unix { transport, source, destination }),
    ]
}

/// Headers that version 2 can carry.
pub(super) fn headers() -> impl Strategy<Value = Header> {
    let code = any::<u8>().prop_filter("a checksum is computed", |code| *code != Tlv::CRC32C);
    let tlv = (code, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(code, value)| Tlv::new(code, value));
    let told = (addresses(), prop::collection::vec(tlv, 0..4), any::<bool>());
    let proxied = told.prop_map(|(addresses, tlvs, crc32c)| match addresses {
        Addresses::Unknown => Header::proxied(addresses),
        _ => Header { tlvs, crc32c, ..Header::proxied(addresses) },
    });
    prop_oneof![1 => Just(Header::local()), 10 => proxied]
}

proptest! {
    #[test]
    fn what_version_2_carries_reads_back_in_any_split(header in headers()) {
        let bytes = header.encode(Version::V2).expect("it can be carried");
        prop_assert_eq!(complete(&bytes), header);
        check_every_split(&[&bytes[..], b"payload"].concat());
    }

    #[test]
    fn what_version_1_carries_reads_back_in_any_split(header in headers()) {
        let bytes = header.encode(Version::V1).expect("always");
        let back = complete(&bytes);
        match (&header.command, &header.addresses) {
            (Command::Proxy, Addresses::V4 { transport: Transport::Stream, .. } | Addresses::V6 { transport: Transport::Stream, .. }) => {
                prop_assert_eq!(back.addresses, header.addresses);
            }
            _ => prop_assert_eq!(back.addresses, Addresses::Unknown),
        }
        check_every_split(&[&bytes[..], b"\r\npayload\r\n"].concat());
    }

    #[test]
    fn what_is_changed_says_the_same_in_any_split(header in headers(), v1 in any::<bool>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let version = if v1 { Version::V1 } else { Version::V2 };
        let mut bytes = header.encode(version).expect("it can be carried");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check_every_split(&bytes);
    }
}

//! Two other readers, and what we agree on with them.

use std::net::SocketAddr;

use proptest::prelude::*;
use proxy_header::{ParseConfig, ProxyHeader};

use super::*;

const CONFIG: ParseConfig = ParseConfig { include_tlvs: true, allow_v1: true, allow_v2: true };

/// What all three can tell: the IP addresses, where there are some.
type Told = Option<(SocketAddr, SocketAddr)>;

fn ours(bytes: &[u8]) -> Option<(Told, usize)> {
    let Ok(Parsed::Complete { header, length }) = parse(bytes) else { return None };
    let told = match header.addresses {
        Addresses::V4 { source, destination, .. } => Some((source.into(), destination.into())),
        Addresses::V6 { source, destination, .. } => Some((source.into(), destination.into())),
        Addresses::Unknown | Addresses::Unix { .. } => None,
    };
    Some((told, length))
}

fn by_proxy_header(bytes: &[u8]) -> Option<(Told, usize)> {
    let (header, length) = ProxyHeader::parse(bytes, CONFIG).ok()?;
    Some((header.proxied_address().map(|told| (told.source, told.destination)), length))
}

fn by_ppp(bytes: &[u8]) -> Option<(Told, usize)> {
    match ppp::HeaderResult::parse(bytes) {
        ppp::HeaderResult::V1(result) => {
            let header = result.ok()?;
            let told = match header.addresses {
                ppp::v1::Addresses::Tcp4(ip) => Some((
                    (ip.source_address, ip.source_port).into(),
                    (ip.destination_address, ip.destination_port).into(),
                )),
                ppp::v1::Addresses::Tcp6(ip) => Some((
                    (ip.source_address, ip.source_port).into(),
                    (ip.destination_address, ip.destination_port).into(),
                )),
                ppp::v1::Addresses::Unknown => None,
            };
            Some((told, header.header.len()))
        }
        ppp::HeaderResult::V2(result) => {
            let header = result.ok()?;
            let told = match header.addresses {
                _ if header.command == ppp::v2::Command::Local => None,
                _ if header.protocol == ppp::v2::Protocol::Unspecified => None,
                ppp::v2::Addresses::IPv4(ip) => Some((
                    (ip.source_address, ip.source_port).into(),
                    (ip.destination_address, ip.destination_port).into(),
                )),
                ppp::v2::Addresses::IPv6(ip) => Some((
                    (ip.source_address, ip.source_port).into(),
                    (ip.destination_address, ip.destination_port).into(),
                )),
                ppp::v2::Addresses::Unspecified | ppp::v2::Addresses::Unix(_) => None,
            };
            Some((told, header.len()))
        }
    }
}

proptest! {
    #[test]
    fn both_others_read_what_we_write(header in headers(), v1 in any::<bool>()) {
        let bytes = header.encode(if v1 { Version::V1 } else { Version::V2 }).expect("it can be carried");
        let bytes = [&bytes[..], b"payload\r\n"].concat();
        prop_assert_eq!(by_proxy_header(&bytes), ours(&bytes));
        prop_assert_eq!(by_ppp(&bytes), ours(&bytes));
    }

    #[test]
    fn they_find_the_same_tlvs(header in headers()) {
        let bytes = header.encode(Version::V2).expect("it can be carried");
        let ppp::HeaderResult::V2(Ok(read)) = ppp::HeaderResult::parse(&bytes) else { panic!("it reads that") };
        let theirs: Vec<_> = read.tlvs().map(|tlv| tlv.expect("well formed")).map(|tlv| (tlv.kind, tlv.value.to_vec())).collect();
        let mut told: Vec<_> = header.tlvs.iter().map(|tlv| (tlv.code, tlv.value.clone())).collect();
        let sum = bytes[bytes.len() - 4..].to_vec();
        told.extend(header.crc32c.then_some((Tlv::CRC32C, sum.clone())));
        prop_assert_eq!(theirs, told);
        let (read, _) = ProxyHeader::parse(&bytes, CONFIG).expect("it reads that");
        let theirs = read.tlvs().find_map(|tlv| match tlv {
            Ok(proxy_header::Tlv::Crc32c(sum)) => Some(sum),
            _ => None,
        });
        prop_assert_eq!(theirs, header.crc32c.then(|| u32::from_be_bytes(sum.try_into().expect("four"))));
    }

    #[test]
    fn we_read_what_proxy_header_writes(source in any::<SocketAddr>(), destination in any::<SocketAddr>(), v1 in any::<bool>()) {
        let written = ProxyHeader::with_address(proxy_header::ProxiedAddress::stream(source, destination));
        let mut bytes = Vec::new();
        let encoded = if v1 { written.encode_v1(&mut bytes) } else { written.encode_v2(&mut bytes) };
        if encoded.is_ok() {
            let bare = |addr: SocketAddr| SocketAddr::new(addr.ip(), addr.port());
            prop_assert_eq!(ours(&bytes), Some((Some((bare(source), bare(destination))), bytes.len())));
        }
    }

    #[test]
    fn what_we_take_of_changed_bytes_they_take_for_the_same(header in headers(), v1 in any::<bool>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = header.encode(if v1 { Version::V1 } else { Version::V2 }).expect("it can be carried");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let Some(told) = ours(&bytes) else { return Ok(()) };
        // They look at the family that comes with LOCAL, and one of them knows no family without transport.
        let is_unspecified = told.0.is_none() && bytes.starts_with(SIGNATURE);
        let (ppp, proxy_header) = (by_ppp(&bytes), by_proxy_header(&bytes));
        prop_assert!(ppp == Some(told) || ppp.is_none() && is_unspecified, "{ppp:?}");
        prop_assert!(proxy_header == Some(told) || proxy_header.is_none() && is_unspecified, "{proxy_header:?}");
    }
}

//! Headers of the PROXY protocol: any split says the same, reading as far as is asked for never goes beyond, and what is
//! read writes and reads back.

use callbox::proxy_header::{Addresses, Command, Header, Parsed, Transport, Version, parse};
use callbox_testkit::assert_harmless;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let whole = parse(data);
    let mut said = None;
    for end in 0..=data.len() {
        match parse(&data[..end]) {
            Ok(Parsed::Incomplete { needed }) => {
                assert!(said.is_none(), "{end} bytes forget {said:?}");
                assert!(needed > end, "{needed} bytes wanted where {end} are there");
                if let Ok(Parsed::Complete { length, .. }) = whole {
                    assert!(needed <= length, "{needed} bytes wanted of {length}");
                }
            }
            result => {
                assert_eq!(result, whole, "{end} bytes");
                said = Some(result);
            }
        }
    }
    match whole {
        Ok(Parsed::Incomplete { .. }) => {}
        Ok(Parsed::Complete { header, length }) => {
            assert!(length <= data.len());
            check(&header);
        }
        Err(error) => {
            assert!(error.at <= data.len(), "{error}");
            assert_harmless(error.to_string().as_bytes());
        }
    }
}

fn check(header: &Header) {
    for addr in [header.client(), header.destination()].into_iter().flatten() {
        assert_harmless(addr.to_string().as_bytes());
    }
    let held: usize = header.tlvs.iter().map(|tlv| tlv.value.len()).sum();
    assert!(held <= callbox::proxy_header::MAX_V2_BYTES);
    let back = |version| {
        let bytes = header.encode(version).unwrap_or_else(|invalid| panic!("{invalid}: {header:?}"));
        match parse(&bytes) {
            Ok(Parsed::Complete { header, length }) if length == bytes.len() => header,
            other => panic!("{}: {other:?}", bytes.escape_ascii()),
        }
    };
    assert_eq!(&back(Version::V2), header);
    let in_text = match (header.command, &header.addresses) {
        (
            Command::Proxy,
            Addresses::V4 { transport: Transport::Stream, .. } | Addresses::V6 { transport: Transport::Stream, .. },
        ) => header.addresses.clone(),
        _ => Addresses::Unknown,
    };
    assert_eq!(back(Version::V1), Header::proxied(in_text));
}

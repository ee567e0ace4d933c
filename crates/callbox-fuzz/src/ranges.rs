//! Files of ranges: read line by line or at once they say the same, what is read prints and reads back, and a list says
//! what its ranges say one by one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use callbox::Addr;
use callbox::access::{AccessList, Range, read_ranges};

use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    match read_ranges(data) {
        Ok(ranges) => {
            let each: Vec<Range> =
                lines.iter().flat_map(|line| read_ranges(line).expect("all of them are good")).collect();
            assert_eq!(ranges, each);
            check(&ranges);
        }
        Err(bad) => {
            refusal::check_words(&bad.invalid);
            assert!((1..=lines.len()).contains(&bad.line), "{bad}");
            // The first bad line, and those before it are good. Only at the beginning of a file a mark is left out.
            let before = lines[..bad.line - 1].join(&b'\n');
            assert!(read_ranges(&before).is_ok(), "{bad}");
            if bad.line > 1 && !lines[bad.line - 1].starts_with(b"\xef\xbb\xbf") {
                let again = read_ranges(lines[bad.line - 1]).expect_err("bad by itself");
                assert_eq!((again.line, again.invalid), (1, bad.invalid));
            }
        }
    }
}

fn check(ranges: &[Range]) {
    let text: String = ranges.iter().map(|range| format!("{range}\n")).collect();
    assert_eq!(read_ranges(text.as_bytes()).as_deref(), Ok(ranges));
    let asked = ranges.iter().take(20).filter_map(|range| range.to_string().split('/').next()?.parse().ok());
    let fixed: [IpAddr; 3] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), Ipv4Addr::BROADCAST.into()];
    let (allow, deny) = (AccessList::new(Some(ranges.to_vec()), Vec::new()), AccessList::new(None, ranges.to_vec()));
    for ip in asked.chain(fixed) {
        let known = ranges.iter().any(|range| range.contains(ip));
        let peer = Addr::from(std::net::SocketAddr::new(ip, 9));
        assert_eq!((allow.permits(&peer), deny.permits(&peer)), (known, !known), "{ip}");
    }
}

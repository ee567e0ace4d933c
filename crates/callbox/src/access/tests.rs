//! Tables of who may come in, and what a file of ranges may hold.

use super::*;
use proptest::prelude::*;

fn list(allow: Option<&[&str]>, deny: &[&str]) -> AccessList {
    let read = |ranges: &[&str]| ranges.iter().map(|range| range.parse().expect("a range")).collect::<Vec<Range>>();
    AccessList::new(allow.map(read), read(deny))
}

fn peer(text: &str) -> Addr {
    Addr::parse(text).expect("an address")
}

#[test]
fn who_may_come_in() {
    let all = "[fe80::1%3]:9 10.1.2.3:9 10.0.0.7:9 [::ffff:10.0.0.7]:9 [2001:db8::1]:9 192.0.2.255:9 unix:/s fd:3";
    let (all, some): (Vec<&str>, Option<&[&str]>) = (all.split(' ').collect(), None);
    type Row<'a> = (Option<&'a [&'a str]>, &'a [&'a str], &'a str);
    let table: &[Row<'_>] = &[
        (some, &[], "11111111"),
        (Some(&[]), &[], "00000011"),
        (Some(&["0.0.0.0/0"]), &[], "01110111"),
        (Some(&["::/0"]), &[], "10001011"),
        (Some(&["10.0.0.0/8"]), &["10.0.0.7"], "01000011"),
        (some, &["10.0.0.7"], "11001111"),
        (some, &["::ffff:10.0.0.0/104"], "10001111"),
        (Some(&["10.0.0.7"]), &["0.0.0.0/0"], "00000011"),
        (some, &["fe80::/10"], "01111111"),
        (Some(&["192.0.2.0/24", "2001:db8::/32"]), &[], "00001111"),
        (Some(&["192.0.2.0/25"]), &[], "00000011"),
    ];
    for (allow, deny, wanted) in table {
        let list = list(*allow, deny);
        let found: String = all.iter().map(|addr| if list.permits(&peer(addr)) { '1' } else { '0' }).collect();
        assert_eq!(found, *wanted, "allow {allow:?} deny {deny:?} of {all:?}");
    }
}

#[test]
fn a_list_that_replaces_another_counts_at_once_for_whoever_shares_it() {
    let access = Access::default();
    let shared = access.clone();
    assert!(shared.permits(&peer("192.0.2.1:9")));
    access.replace(list(None, &["192.0.2.0/24"]));
    assert!(!shared.permits(&peer("192.0.2.1:9")));
}

#[test]
fn a_file_has_a_range_a_line_and_comments() {
    let text = b"\xef\xbb\xbf# who may\n10.0.0.0/8 # the office\r\n\n\t192.0.2.1\nfd00::/8";
    let ranges: Vec<String> = read_ranges(text).expect("good").iter().map(Range::to_string).collect();
    assert_eq!(ranges, ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]);
    assert_eq!(read_ranges(b"").expect("empty"), []);
}

#[test]
fn a_bad_line_is_named() {
    let table: [(&[u8], usize, &str); 6] = [
        (b"10.0.0.0/8\n10.1.2.3/8\n", 2, "bits beyond its prefix"),
        (b"# x\n\nexample.com", 3, "no IP address"),
        (b"10.0.0.0/33", 1, "no length of a prefix"),
        (b"10.0.0.0/+8", 1, "no length of a prefix"),
        (b"10.0.0.1 10.0.0.2", 1, "no IP address"),
        (b"\xff\xfe1\x000\x00", 1, "no IP address"),
    ];
    for (text, line, problem) in table {
        let bad = read_ranges(text).expect_err("bad");
        assert!(bad.line == line && bad.to_string().contains(problem), "{bad}");
    }
    let bad = read_ranges(&[b'x'; 10_000]).expect_err("bad").to_string();
    assert!(bad.len() < 300, "{bad}");
}

#[test]
fn a_hundred_thousand_lines_match_fast() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for number in 0..100_000u32 {
        let [_, a, b, c] = (number * 2).to_be_bytes();
        writeln!(text, "10.{a}.{b}.{c}").expect("a string takes it");
    }
    let list = AccessList::new(Some(read_ranges(text.as_bytes()).expect("good")), Vec::new());
    let addr = |number: u32| Addr::from(std::net::SocketAddr::from(((0x0a00_0000 + number).to_be_bytes(), 9)));
    // A scan of all lines for each would be twenty billion comparisons.
    for number in 0..200_000 {
        assert_eq!(list.permits(&addr(number)), number % 2 == 0, "{number}");
    }
}

proptest! {
    #[test]
    fn sorted_and_merged_says_the_same_as_one_by_one(
        nets in prop::collection::vec((any::<[u8; 2]>(), 8u8..=32), 0..40),
        asked in prop::collection::vec(any::<[u8; 2]>(), 20),
    ) {
        let ranges: Vec<Range> =
            nets.iter().map(|([a, b], prefix)| Range::of(IpAddr::from([10, 0, *a, *b]), *prefix)).collect();
        let set: Ranges = ranges.iter().copied().collect();
        for [a, b] in asked {
            let ip = IpAddr::from([10, 0, a, b]);
            prop_assert_eq!(set.contains(ip), ranges.iter().any(|range| range.contains(ip)));
        }
    }

    #[test]
    fn a_printed_range_reads_back(bits in any::<u128>(), prefix in 0u8..=128) {
        let range = Range::of(std::net::Ipv6Addr::from(bits).into(), prefix);
        prop_assert_eq!(range.to_string().parse(), Ok(range));
    }
}

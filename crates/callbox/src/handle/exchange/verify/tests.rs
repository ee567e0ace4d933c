//! What answers are, over any chunking.

use proptest::prelude::*;

use super::Verdict::{MixedUp, Right, Wrong};
use super::*;

/// What an answer to this request is when it comes in chunks of these sizes, in turn.
fn verdict(verifier: &mut Verifier, asked: &Asked<'_>, answer: &[u8], sizes: &[usize]) -> Verdict {
    verifier.again();
    let mut rest = answer;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).clamp(1, rest.len()));
        verifier.feed(asked, chunk);
        rest = after;
    }
    verifier.verdict(asked, || 50)
}

const SIZES: [&[usize]; 4] = [&[usize::MAX], &[1], &[2], &[3, 1]];

#[test]
fn an_echo_is_the_request_and_another_number_in_it_is_another_exchanges() {
    type Row = (&'static [u8], bool, &'static [u8], Verdict);
    let table: &[Row] = &[
        (b"abc 12 d", true, b"abc 12 d", Right),
        (b"abc 12 d", true, b"abc 13 d", MixedUp),
        (b"abc 12 d", true, b"abc 87 d", MixedUp),
        (b"abc 12 d", false, b"abc 13 d", Wrong),
        (b"abc 12 d", true, b"abc 1x d", Wrong),
        (b"abc 12 d", true, b"abx 12 d", Wrong),
        (b"abc 12 d", true, b"abc 13 x", Wrong),
        (b"abc 12 d", true, b"abc 12 ", Wrong),
        (b"abc 12 d", true, b"abc 12 dd", Wrong),
        (b"abc 12 d", true, b"abc 123 d", Wrong),
        (b"abc 12 d", true, b"", Wrong),
        (b"1 12", true, b"1 13", MixedUp),
        (b"1 12", true, b"2 13", Wrong),
        (b"12", true, b"34", MixedUp),
        (b"ab", true, b"12", Wrong),
        (b"", false, b"", Right),
        (b"", false, b"x", Wrong),
    ];
    let mut verifier = Verifier::new(&Verify::Echo);
    for (request, varies, answer, due) in table {
        let asked = Asked { request, varies: *varies, number: 12 };
        for sizes in SIZES {
            let found = verdict(&mut verifier, &asked, answer, sizes);
            assert_eq!(found, *due, "{} for {}", answer.escape_ascii(), request.escape_ascii());
        }
    }
}

#[test]
fn the_first_number_says_whose_an_answer_is() {
    let table: &[(&[u8], Verdict)] = &[
        (b"n=12 of 13", Right),
        (b"12", Right),
        (b"0012;", Right),
        (b"n=11 12", MixedUp),
        // Given to another connection meanwhile, and the last one there is.
        (b"13", MixedUp),
        (b"50", MixedUp),
        (b"51", Wrong),
        (b"0", Wrong),
        (b"none", Wrong),
        (b"", Wrong),
        (b"1 2", MixedUp),
        (b"99999999999999999999999", Wrong),
        (b"18446744073709551628", Wrong),
    ];
    let mut verifier = Verifier::new(&Verify::Sequence);
    let asked = Asked { request: b"", varies: true, number: 12 };
    for (answer, due) in table {
        for sizes in SIZES {
            assert_eq!(verdict(&mut verifier, &asked, answer, sizes), *due, "{}", answer.escape_ascii());
        }
    }
    verifier.again();
    verifier.feed(&asked, b"11");
    assert_eq!(verifier.verdict(&asked, || 0), MixedUp, "its own number was given too");
}

#[test]
fn a_pattern_is_met_within_one_answer() {
    let mut verifier = Verifier::new(&Verify::Pattern("re:^ok".parse().expect("good")));
    let asked = Asked { request: b"", varies: false, number: 1 };
    for (answer, due) in [(&b"ok."[..], Right), (b".ok", Wrong), (b"o", Wrong), (b"k", Wrong), (b"ok", Right)] {
        for sizes in SIZES {
            assert_eq!(verdict(&mut verifier, &asked, answer, sizes), due, "{}", answer.escape_ascii());
        }
    }
}

/// What the one frame that an answer is, is.
fn frame_verdict(verify: &Verify, framing: &Framing, request: &[u8], answer: &[u8]) -> Verdict {
    let (mut verifier, mut framer) = (Verifier::new(verify), Framer::new(framing));
    let asked = Asked { request, varies: true, number: 12 };
    let mut rest = answer;
    let frame = framer.next(Instant::now(), &mut rest).expect("can be cut").expect("is one");
    verifier.feed_frame(&asked, &frame, framing);
    verifier.verdict(&asked, || 50)
}

#[test]
fn of_a_frame_the_payload_is_looked_at() {
    type Row = (&'static str, &'static [u8], &'static [u8], Verdict);
    let table: &[Row] = &[
        ("line", b"a 12\n", b"a 12\n", Right),
        ("line", b"a 12\n", b"a 13\n", MixedUp),
        ("line", b"a 12\n", b"a\n", Wrong),
        ("json", b"[12]\n", b"\n [12]", Right),
        ("json", b"[12]\n", b"\n [17]", MixedUp),
        ("slip", b"ab\xc0", b"\xc0\xc0ab\xc0", Right),
        ("slip", b"ab\xc0", b"ac\xc0", Wrong),
        ("length:u16be", b"\0\x02ab", b"\0\x02ab", Right),
        // A request that was sent without being a frame has its echo none the less.
        ("line", b"ab", b"ab\n", Right),
        ("line", b"", b"\n", Wrong),
    ];
    for (spec, request, answer, due) in table {
        let framing = spec.parse().expect("good");
        let found = frame_verdict(&Verify::Echo, &framing, request, answer);
        assert_eq!(found, *due, "{spec}: {}", answer.escape_ascii());
    }
}

#[test]
fn a_checksum_is_right_or_not() {
    let plain: Framing = "line".parse().expect("good");
    let summed = plain.clone().with_checksum(Some(checksum::Checksum::Xor8));
    assert_eq!(frame_verdict(&Verify::Checksum, &summed, b"", b"ab\x03\n"), Right);
    assert_eq!(frame_verdict(&Verify::Checksum, &summed, b"", b"ab\x04\n"), Wrong);
    assert_eq!(frame_verdict(&Verify::Checksum, &plain, b"", b"ab\x03\n"), Wrong, "none was asked for");
    assert_eq!(frame_verdict(&Verify::Echo, &summed, b"ab\x03\n", b"ab\x03\n"), Right);
    assert_eq!(frame_verdict(&Verify::Echo, &summed, b"ab\x03\n", b"ab\x04\n"), Wrong);
    assert_eq!(frame_verdict(&Verify::Sequence, &summed, b"", b"12\x03\n"), Right);
}

proptest! {
    #[test]
    fn any_chunking_is_the_same_answer(
        request in "[0-9a]{0,12}",
        answer in "[0-9a]{0,12}",
        varies: bool,
        sizes in prop::collection::vec(1_usize..5, 1..5),
        verify in prop::sample::select(vec![Verify::Echo, Verify::Sequence, Verify::Pattern("re:^a+[0-9]a".parse().expect("good"))]),
    ) {
        let mut verifier = Verifier::new(&verify);
        let asked = Asked { request: request.as_bytes(), varies, number: 12 };
        let once = verdict(&mut verifier, &asked, answer.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(verdict(&mut verifier, &asked, answer.as_bytes(), &sizes), once);
    }

    #[test]
    fn only_the_request_is_its_echo(request in "[0-9a]{0,3}", answer in "[0-9a]{0,3}", varies: bool) {
        let asked = Asked { request: request.as_bytes(), varies, number: 12 };
        let found = verdict(&mut Verifier::new(&Verify::Echo), &asked, answer.as_bytes(), &[1]);
        prop_assert_eq!(found == Right, request == answer);
        prop_assert!(found != MixedUp || (varies && request.len() == answer.len()));
    }
}

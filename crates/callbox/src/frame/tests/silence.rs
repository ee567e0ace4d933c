//! Frames that silence ends.

use super::*;

const SILENCE: Duration = Duration::from_millis(50);

fn feed(framer: &mut Framer, at: Instant, mut input: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    while let Some(frame) = framer.next(at, &mut input).unwrap() {
        found.push(frame.into());
    }
    found
}

fn payloads(found: Vec<Found>) -> Vec<Vec<u8>> {
    found.into_iter().map(|frame| frame.payload).collect()
}

#[test]
fn a_gap_in_time_ends_a_frame() {
    let start = Instant::now();
    let mut framer = Framer::new(&framing("idle:50ms"));
    assert_eq!(framer.due(), None);
    assert_eq!(feed(&mut framer, start, b"ab"), []);
    assert_eq!(framer.due(), Some(start + SILENCE));
    let soon = start + SILENCE - Duration::from_nanos(1);
    assert_eq!(feed(&mut framer, soon, b"cd"), [], "a nanosecond too early");
    let found = feed(&mut framer, soon + SILENCE, b"ef");
    assert_eq!((&found[0].payload[..], found[0].split, found.len()), (&b"abcd"[..], true, 1));
    assert_eq!(framer.held(), b"ef");
    assert_eq!(framer.finish().map(|frame| (frame.payload, frame.kind)), Some((&b"ef"[..], FrameKind::Whole)));
    assert_eq!(framer.arrivals().to_string(), "2 frames in 3 chunks: 1 split, 0 merged");
}

#[test]
fn the_input_is_untouched_while_the_held_frame_is_handed_out() {
    let start = Instant::now();
    let mut framer = Framer::new(&framing("idle:50ms"));
    feed(&mut framer, start, b"ab");
    let mut input = &b"cd"[..];
    let frame = framer.next(start + SILENCE, &mut input).unwrap().unwrap();
    assert_eq!((frame.whole, frame.split, input), (&b"ab"[..], false, &b"cd"[..]));
    assert_eq!(framer.next(start + SILENCE, &mut input), Ok(None));
    assert_eq!((framer.held(), input), (&b"cd"[..], &b""[..]));
}

#[test]
fn a_timer_ends_a_frame() {
    let start = Instant::now();
    let mut framer = Framer::new(&framing("idle:50ms"));
    assert_eq!(framer.expire(start), None);
    feed(&mut framer, start, b"ab");
    assert_eq!(framer.expire(start + SILENCE / 2), None);
    assert_eq!(framer.expire(start + SILENCE).map(|frame| frame.payload), Some(&b"ab"[..]));
    assert_eq!((framer.due(), framer.held()), (None, &b""[..]));
    assert_eq!(framer.expire(start + 2 * SILENCE), None);
    assert_eq!(feed(&mut framer, start + 3 * SILENCE, b"cd"), []);
    assert_eq!(framer.finish().map(|frame| frame.payload), Some(&b"cd"[..]));
    assert_eq!(framer.arrivals().to_string(), "2 frames in 2 chunks");
}

#[test]
fn an_empty_input_breaks_no_silence() {
    let start = Instant::now();
    let mut framer = Framer::new(&framing("idle:50ms"));
    feed(&mut framer, start, b"ab");
    assert_eq!(feed(&mut framer, start + SILENCE / 2, b""), []);
    assert_eq!(framer.due(), Some(start + SILENCE));
    assert_eq!(feed(&mut framer, start - Duration::from_millis(1), b"c"), [], "a clock that went back");
}

#[test]
fn other_rules_have_no_timers() {
    let start = Instant::now();
    for spec in SPECS.into_iter().filter(|spec| !spec.starts_with("idle")) {
        let mut framer = Framer::new(&framing(spec));
        feed(&mut framer, start, b"1");
        assert_eq!(framer.due(), None);
        assert_eq!(framer.expire(start + Duration::from_secs(3600)), None, "{spec}");
    }
}

#[test]
fn too_much_without_silence_is_an_error() {
    let start = Instant::now();
    let mut framer = Framer::new(&framing("idle:50ms").with_max_bytes(3));
    feed(&mut framer, start, b"ab");
    let mut input = &b"cde"[..];
    assert!(framer.next(start, &mut input).is_err());
    assert_eq!((framer.held(), input, framer.due()), (&b"abcd"[..], &b"e"[..], None));
    assert_eq!(framer.expire(start + SILENCE), None);
}

proptest! {
    #[test]
    fn frames_are_what_came_without_a_pause(steps in prop::collection::vec((0u64..100, 1usize..4), 0..20)) {
        let start = Instant::now();
        let mut framer = Framer::new(&framing("idle:50ms"));
        let (mut now, mut expected, mut found) = (start, Vec::<Vec<u8>>::new(), Vec::new());
        for (number, (pause, len)) in steps.into_iter().enumerate() {
            now += Duration::from_millis(pause);
            let chunk = vec![number as u8; len];
            match expected.last_mut().filter(|_| pause < 50) {
                Some(frame) => frame.extend_from_slice(&chunk),
                None => expected.push(chunk.clone()),
            }
            // A timer may or may not have come first.
            if number % 2 == 0 {
                found.extend(framer.expire(now).map(|frame| frame.payload.to_vec()));
            }
            found.extend(payloads(feed(&mut framer, now, &chunk)));
        }
        found.extend(framer.finish().map(|frame| frame.payload.to_vec()));
        prop_assert_eq!(found, expected);
    }
}

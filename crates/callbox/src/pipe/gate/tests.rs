//! Conditions, byte for byte, in any chunking.

use super::*;
use proptest::prelude::*;

/// Feeds bytes a millisecond apart in chunks of these sizes: `#` for each byte for which it is open, `.` for the others.
fn open(gate: &mut Gate, started: Instant, bytes: &[u8], sizes: &[usize]) -> String {
    let mut shown = String::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    let mut at = started;
    while !rest.is_empty() {
        let (mut chunk, behind) = rest.split_at((*sizes.next().expect("sizes")).clamp(1, rest.len()));
        while !chunk.is_empty() {
            let open = gate.look(at);
            let taken = gate.take(at, chunk);
            shown.extend(std::iter::repeat_n(if open { '#' } else { '.' }, taken));
            chunk = &chunk[taken..];
        }
        rest = behind;
        at += Duration::from_millis(1);
    }
    shown
}

fn when(from: Option<Point>, to: Option<Point>, frame: Option<u64>, matches: Option<&str>) -> When {
    When { from, to, frame, matches: matches.map(|text| text.parse().expect("a pattern")), ..When::default() }
}

#[test]
fn it_is_open_for_exactly_the_bytes_meant() {
    let byte = |byte| Some(Point::Byte(byte));
    let table = [
        (when(None, None, None, None), "##########"),
        (when(byte(3), None, None, None), "...#######"),
        (when(byte(3), byte(5), None, None), "...##....."),
        (when(None, None, Some(1), None), "###......."),
        (when(None, None, Some(2), None), "...##....."),
        (when(None, None, Some(3), None), ".....#####"),
        (when(None, None, Some(4), None), ".........."),
        (when(byte(4), None, Some(2), None), "....#....."),
        (when(None, None, None, Some("b")), "....######"),
        (when(None, byte(7), None, Some("re:c+")), "......#..."),
        (when(byte(8), None, None, Some("b")), "........##"),
        (when(None, None, Some(2), Some("aa")), "...##....."),
        (when(None, None, None, Some("x")), ".........."),
    ];
    let started = Instant::now();
    let lines = "line".parse().expect("a framing");
    for (when, due) in table {
        for sizes in [&[1usize][..], &[2], &[3, 1], &[100]] {
            let mut gate = Gate::new(&when, false, &lines, started);
            assert_eq!(open(&mut gate, started, b"aa\nb\ncccc\n", sizes), due, "{when:?} {sizes:?}");
            assert_eq!(gate.offset(), 10);
        }
    }
}

#[test]
fn what_happens_once_stays_from_its_frame_on() {
    let started = Instant::now();
    let when = when(None, None, Some(2), None);
    let mut gate = Gate::new(&when, true, &"line".parse().expect("a framing"), started);
    assert_eq!(open(&mut gate, started, b"aa\nb\ncc", &[4]), "...####");
    assert!(!gate.is_over());
    let mut never = Gate::new(&when, false, &Framing::none(), started);
    assert!(never.is_over() && !never.look(started));
}

#[test]
fn times_are_announced_and_silence_ends_frames() {
    let ms = Duration::from_millis;
    let started = Instant::now();
    let window = when(Some(Point::Time(ms(5))), Some(Point::Time(ms(9))), None, None);
    let mut gate = Gate::new(&window, false, &Framing::none(), started);
    for (at, open, due) in [(0, false, Some(5)), (5, true, Some(9)), (8, true, Some(9)), (9, false, None)] {
        assert_eq!(gate.look(started + ms(at)), open, "{at}");
        assert_eq!(gate.due(), due.map(|due| started + ms(due)), "{at}");
    }
    assert!(gate.is_over());

    let idle = "idle:50ms".parse().expect("a framing");
    let mut gate = Gate::new(&when(None, None, Some(2), None), true, &idle, started);
    assert!(!gate.look(started));
    assert_eq!((gate.take(started, b"abc"), gate.due()), (3, Some(started + ms(50))));
    assert!(!gate.look(started + ms(49)) && gate.look(started + ms(50)));
    assert_eq!(gate.due(), None);
}

proptest! {
    #[test]
    fn chunks_mean_nothing(
        text in "[abc\n]{0,60}",
        sizes in prop::collection::vec(1usize..9, 1..6),
        from in prop::option::of(0u64..40), frame in prop::option::of(1u64..6),
        matches in prop::option::of(prop::sample::select(vec!["b", "re:a+c", "re:c.a", "\\n"])), stays: bool,
    ) {
        let when = when(from.map(Point::Byte), None, frame, matches);
        let started = Instant::now();
        let framing = "line".parse().expect("a framing");
        let run = |sizes: &[usize]| open(&mut Gate::new(&when, stays, &framing, started), started, text.as_bytes(), sizes);
        prop_assert_eq!(run(&sizes), run(&[1000]));
    }
}

//! Lines and dumps of chunks and frames.

use super::*;

fn traffic(show: Show, place: Place) -> Traffic {
    let style =
        Style { show, encoding: Encoding::UTF_8, timestamps: Timestamps::None, asked: false, json: false, watch: None };
    Traffic::new(Arc::new(Mutex::new(style)), place)
}

const SERVER: Place = Place { names: true, only: None, colored: false, live: false, sampled: false };
const PIPE: Place =
    Place { names: false, only: Some(Direction::ToClient), colored: false, live: false, sampled: false };

fn shown(mut traffic: Traffic, direction: Direction, items: &[(&[u8], Option<FrameFacts>)]) -> String {
    let mut out = Vec::new();
    for (bytes, frame) in items {
        traffic.show(Instant::now(), wire(1, direction), (bytes, frame.as_ref()), &mut out);
    }
    traffic.end(wire(1, direction), &mut out);
    String::from_utf8(out).expect("text")
}

fn lines(chunks: &[&[u8]]) -> String {
    let items: Vec<_> = chunks.iter().map(|chunk| (*chunk, None)).collect();
    shown(traffic(Show::Text, SERVER), Direction::ToServer, &items)
}

fn frame(payload: &'static [u8], kind: FrameKind) -> Option<FrameFacts> {
    Some(FrameFacts { number: 1, payload: bytes::Bytes::from_static(payload), kind, checksum: None })
}

#[test]
fn a_newline_is_shown_and_does_not_break_the_line() {
    assert_eq!(lines(&[b"hello\nworld\x1b[2J"]), "#1 > hello\\nworld\\x1b[2J\n");
}

#[test]
fn a_character_split_over_chunks_is_shown_once_and_whole() {
    assert_eq!(lines(&["你".as_bytes(), &"好".as_bytes()[..1], &"好".as_bytes()[1..]]), "#1 > 你\n#1 > 好\n");
    assert_eq!(lines(&[&"好".as_bytes()[..2]]), "#1 > \\xe5\\xa5\n");
}

#[test]
fn a_long_line_is_cut_and_the_rest_counted() {
    let line = lines(&[&vec![b'a'; 100_000]]);
    assert!(line.ends_with("a… +34464 bytes\n"), "{}", &line[line.len() - 40..]);
    assert!(line.len() < LINE_BYTES + 64);
}

#[test]
fn a_line_that_is_cut_within_a_character_leaves_the_next_one_whole() {
    let long = "你".repeat(LINE_BYTES / 3 + 10);
    let (whole, half) = long.as_bytes().split_at(long.len() - 1);
    let shown = lines(&[whole, half, "好".as_bytes()]);
    let shown: Vec<_> = shown.lines().collect();
    assert!(shown[0].ends_with("你… +28 bytes"), "{}", &shown[0][shown[0].len() - 40..]);
    // The rest of the character that was begun behind the cut.
    assert_eq!(shown[1..], ["#1 > 你", "#1 > 好"]);
}

#[test]
fn the_pipe_shows_text_that_runs_on_and_frames_as_lines() {
    let chunks: &[(&[u8], _)] = &[(b"one\r\ntw", None), (b"o\x1b\n", None)];
    assert_eq!(shown(traffic(Show::Text, PIPE), Direction::ToClient, chunks), "one\ntwo\\x1b\n");
    let frames: &[(&[u8], _)] =
        &[(b"one\n", frame(b"one", FrameKind::Whole)), (b"tw", frame(b"tw", FrameKind::Partial))];
    assert_eq!(shown(traffic(Show::Text, PIPE), Direction::ToClient, frames), "one\n[partial] tw\n");
    assert_eq!(shown(traffic(Show::Hex, PIPE), Direction::ToClient, frames), "6f 6e 65 0a\n[partial] 74 77\n");
    assert_eq!(shown(traffic(Show::Text, PIPE), Direction::ToServer, frames), "", "only what is received");
}

#[test]
fn a_dump_of_the_pipe_does_not_depend_on_chunks_and_one_of_frames_begins_anew() {
    let one: &[(&[u8], _)] = &[(b"0123456789abcdefgh", None)];
    let many: &[(&[u8], _)] = &[(b"01234", None), (b"56789abcdefg", None), (b"h", None)];
    let dump = "00000000: 3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef\n\
                00000010: 6768                                     gh\n";
    for chunks in [one, many] {
        assert_eq!(shown(traffic(Show::Both, PIPE), Direction::ToClient, chunks), dump);
    }
    let frames: &[(&[u8], _)] = &[(b"a", frame(b"a", FrameKind::Whole)), (b"b", frame(b"b", FrameKind::Whole))];
    let dump = shown(traffic(Show::Both, SERVER), Direction::ToServer, frames);
    assert_eq!(dump.matches("#1 > 00000000: 6").count(), 2, "{dump}");
}

#[test]
fn a_wrong_checksum_is_marked() {
    let facts = FrameFacts { checksum: Some(Verdict::Wrong), ..frame(b"x", FrameKind::Whole).expect("one") };
    assert_eq!(
        shown(traffic(Show::Text, SERVER), Direction::ToClient, &[(b"x\n", Some(facts))]),
        "#1 < [checksum wrong] x\n"
    );
}

#[test]
fn a_changed_style_holds_from_the_next_item_on() {
    let mut traffic = traffic(Show::Text, PIPE);
    let mut out = Vec::new();
    let half = &"好".as_bytes()[..2];
    traffic.show(Instant::now(), wire(1, Direction::ToClient), (half, None), &mut out);
    traffic.style.lock().expect("not poisoned").show = Show::Raw;
    traffic.show(Instant::now(), wire(1, Direction::ToClient), (b"\x1b", None), &mut out);
    assert_eq!(out, b"\\xe5\\xa5\x1b");
}

#[test]
fn a_delta_is_since_the_item_before_of_the_same_session() {
    let mut traffic = traffic(Show::Text, SERVER);
    traffic.style.lock().expect("not poisoned").timestamps = Timestamps::Delta;
    let start = Instant::now();
    let at = |millis| start + std::time::Duration::from_millis(millis);
    let mut out = Vec::new();
    traffic.begin(SessionId(1), at(0));
    traffic.begin(SessionId(2), at(1_100));
    for (millis, session) in [(1_000, 1), (1_200, 2), (1_300, 1)] {
        traffic.show(at(millis), wire(session, Direction::ToServer), (b"x", None), &mut out);
    }
    let out = String::from_utf8(out).expect("text");
    assert_eq!(out, "+1.000000 #1 > x\n+0.100000 #2 > x\n+0.300000 #1 > x\n");
}

#[test]
fn json_is_indented_where_somebody_asked_for_text() {
    let json = || [(&b"{\"a\":[1]}"[..], frame(b"{\"a\":[1]}", FrameKind::Whole))];
    let plain = traffic(Show::Text, SERVER);
    plain.style.lock().expect("not poisoned").json = true;
    assert_eq!(shown(plain, Direction::ToServer, &json()).lines().count(), 1);
    let asked = traffic(Show::Text, SERVER);
    *asked.style.lock().expect("not poisoned") = Style { asked: true, json: true, ..asked.seen.clone() };
    assert_eq!(shown(asked, Direction::ToServer, &json()).lines().count(), 5);
}

fn wire(session: u64, direction: Direction) -> Wire {
    Wire { session: SessionId(session), direction, far: false }
}

//! What observers see of a session's frames, on in-memory streams.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::addr::Addr;
use crate::bus::{Bus, Interest};
use crate::direction::Role;
use crate::event::Event;
use crate::net::stream::Stream;
use crate::observers::Observers;
use crate::report::SessionId;
use crate::session::Session;
use crate::tap::Tap;
use crate::termination::Termination;

/// One frame: direction, number, payload, kind.
type Note = (Direction, u64, Vec<u8>, FrameKind);

/// Writes down each frame.
#[derive(Default)]
struct Notes(Mutex<Vec<Note>>);

impl Tap for Notes {
    fn bytes(&self, _at: Instant, _session: SessionId, _direction: Direction, _bytes: &[u8]) {}

    fn frame(&self, _at: Instant, _session: SessionId, direction: Direction, seen: &Seen<'_>) {
        let note = (direction, seen.number, seen.frame.payload.to_vec(), seen.frame.kind);
        self.0.lock().expect("not poisoned").push(note);
    }
}

impl Notes {
    fn payloads(&self) -> Vec<String> {
        let notes = self.0.lock().expect("not poisoned");
        notes.iter().map(|(_, number, payload, _)| format!("{number} {}", payload.escape_ascii())).collect()
    }
}

/// A server's stream whose frames are noted, and the far end of it.
fn watched(spec: &str, most_frames: Option<u64>) -> (tokio::io::DuplexStream, Stream, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let cut = Cut { framing: spec.parse().expect("good"), most_frames, ends_session: Ends::Received };
    let observers = Observers::none().with_tap(notes.clone()).with_cut(cut);
    let session = Session::new(SessionId(1), Role::Server, Addr::Memory, observers);
    let (near, far) = tokio::io::duplex(1 << 20);
    let (reader, writer) = tokio::io::split(near);
    (far, Stream::join(session, reader, writer), notes)
}

async fn send(far: &mut tokio::io::DuplexStream, bytes: &[u8], stream: &mut Stream) {
    tokio::io::AsyncWriteExt::write_all(far, bytes).await.expect("fits");
    stream.chunk().await.expect("reads").expect("open");
}

#[tokio::test]
async fn frames_are_numbered_per_direction_and_the_rest_is_shown_at_the_end() {
    let (mut far, mut stream, notes) = watched("line", None);
    send(&mut far, b"one\ntw", &mut stream).await;
    stream.write_all(b"answer\n").await.expect("writes");
    send(&mut far, b"o\nthr", &mut stream).await;
    drop(far);
    assert_eq!(stream.chunk().await.expect("reads"), None);
    assert_eq!(notes.payloads(), ["1 one", "1 answer", "2 two", "3 thr"]);
    assert_eq!(notes.0.lock().expect("not poisoned")[3].3, FrameKind::Partial);
    let report = stream.session().frame_report().expect("has a framer");
    assert_eq!(report.to_server.to_string(), "3 frames in 2 chunks: 1 split, 2 merged");
    assert_eq!(report.to_client, Arrivals { frames: 1, chunks: 1, ..Arrivals::default() });
}

#[tokio::test]
async fn a_received_frame_that_no_framer_takes_ends_the_session_and_is_shown() {
    let (mut far, mut stream, notes) = watched("length:u32be", None);
    send(&mut far, b"\x7f\xff\xff\xffab", &mut stream).await;
    assert_eq!(stream.session().termination(), Some(Termination::FrameTooLarge));
    assert!(matches!(stream.session().frame_error(), Some(FrameError::TooLarge { .. })));
    assert_eq!(notes.payloads(), [r"1 \x7f\xff\xff\xffab"]);

    let (mut far, mut stream, _) = watched("netstring", None);
    send(&mut far, b"x:", &mut stream).await;
    assert_eq!(stream.session().termination(), Some(Termination::FrameMalformed));
}

#[tokio::test]
async fn what_we_send_is_shown_and_never_ends_the_session() {
    let (_far, mut stream, notes) = watched("netstring", None);
    stream.write_all(b"no netstring").await.expect("writes");
    stream.write_all(b", and more").await.expect("writes");
    assert_eq!(stream.session().termination(), None);
    assert_eq!(notes.payloads(), ["1 no netstring", "0 , and more"]);
}

#[tokio::test]
async fn no_more_received_frames_are_shown_than_asked_for() {
    let (mut far, mut stream, notes) = watched("line", Some(2));
    send(&mut far, b"1\n2\n3\n", &mut stream).await;
    stream.write_all(b"a\nb\nc\n").await.expect("writes");
    assert_eq!(notes.payloads(), ["1 1", "2 2", "1 a", "2 b", "3 c"]);
}

#[tokio::test]
async fn another_rule_holds_from_the_next_byte_on() {
    let (mut far, mut stream, notes) = watched("none", None);
    send(&mut far, b"chunk", &mut stream).await;
    stream.session().recut(&"line".parse().expect("good"));
    send(&mut far, b"a\nhalf", &mut stream).await;
    stream.session().recut(&"fixed:2".parse().expect("good"));
    send(&mut far, b"wxyz", &mut stream).await;
    assert_eq!(notes.payloads(), ["0 chunk", "1 a", "2 half", "3 wx", "4 yz"]);
    assert_eq!(stream.session().frame_report().expect("has a framer").to_server.frames, 4);
}

#[tokio::test(start_paused = true)]
async fn silence_completes_a_frame_although_nobody_reads() {
    let (mut far, mut stream, notes) = watched("idle:50ms", None);
    send(&mut far, b"ab", &mut stream).await;
    tokio::time::sleep(Duration::from_millis(40)).await;
    send(&mut far, b"c", &mut stream).await;
    assert!(notes.payloads().is_empty());
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(notes.payloads(), ["1 abc"]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_watched_only_while_a_frame_is_held() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (mut far, mut stream, notes) = watched("idle:50ms", None);
    assert_eq!(tasks(), 0, "nothing has come");
    send(&mut far, b"a", &mut stream).await;
    send(&mut far, b"b", &mut stream).await;
    assert_eq!(tasks(), 1);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!((tasks(), notes.payloads()), (0, vec!["1 ab".to_owned()]));
    // A longer silence that is no longer the rule holds up nothing.
    stream.session().recut(&"idle:1h".parse().expect("good"));
    send(&mut far, b"c", &mut stream).await;
    stream.session().recut(&"idle:50ms".parse().expect("good"));
    send(&mut far, b"d", &mut stream).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!((tasks(), notes.payloads()), (0, ["1 ab", "2 c", "3 d"].map(String::from).into()));
    stream.session().recut(&"idle:1h".parse().expect("good"));
    send(&mut far, b"e", &mut stream).await;
    drop(stream);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0, "no longer than the session");
}

#[tokio::test]
async fn what_comes_after_the_last_wanted_frame_is_no_error() {
    let (mut far, mut stream, notes) = watched("length:u16be", Some(1));
    let framing = "length:u16be".parse::<crate::frame::Framing>().expect("good").with_max_bytes(100);
    stream.session().recut(&framing);
    send(&mut far, b"\x00\x01a\xff\xffb", &mut stream).await;
    assert_eq!(notes.payloads(), ["1 a"]);
    assert_eq!(stream.session().stopped(), None);
}

#[tokio::test]
async fn the_bus_carries_frames_instead_of_chunks() {
    let bus = Bus::new(Interest { data: true, talk: false, lossless: true, frames: true });
    let cut = Cut { framing: "slip".parse().expect("good"), most_frames: None, ends_session: Ends::Received };
    let observers = Observers::on_bus(&bus).with_cut(cut);
    let session = Session::new(SessionId(1), Role::Server, Addr::Memory, observers);
    session.show(Direction::ToServer, b"\xc0a\xdb\xdcb\xc0");
    let Some((_, Event::Data { bytes, frame: Some(frame), .. })) = bus.try_next() else { panic!("a frame") };
    assert_eq!((&bytes[..], &frame.payload[..]), (&b"\xc0a\xdb\xdcb\xc0"[..], &b"a\xc0b"[..]));
    assert!(bus.try_next().is_none());
}

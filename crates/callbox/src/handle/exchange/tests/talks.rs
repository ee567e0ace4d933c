//! Requests, their answers, and what belongs to none.

use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

use super::*;
use crate::addr::Addr;
use crate::direction::Role;
use crate::net::stream::PAIR_BYTES;
use crate::observers::Observers;
use crate::report::SessionId;

#[tokio::test(start_paused = true)]
async fn a_request_has_its_answer_and_then_comes_the_next() {
    let mut scene = Scene::begin(dialogue("ping {n}", "+PONG"));
    for number in 1..=3 {
        scene.turn(number);
        scene.expects(format!("ping {number}").as_bytes()).await;
        scene.sends(b"+PO").await;
        sleep(Duration::from_millis(5)).await;
        scene.sends(b"NG").await;
        let done = scene.done().await;
        assert_eq!((done.turn.number, done.outcome), (number, Outcome::Answered));
        let first_byte = done.first_byte.expect("an answer has come");
        assert!(done.turn.intended <= done.sent && done.sent <= first_byte);
        assert!((5..8).contains(&(done.over - first_byte).as_millis()), "{:?}", done.over - first_byte);
    }
    scene.over().await.expect("no more turns is a normal end");
    assert_eq!(scene.unasked(), 0);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_nobody_waits_for_are_counted_and_no_answer() {
    let mut scene = Scene::begin(dialogue("ping", "bytes:4"));
    scene.sends(b"welcome").await;
    sleep(Duration::from_millis(1)).await;
    scene.turn(1);
    scene.expects(b"ping").await;
    scene.sends(b"pongpo").await;
    assert_eq!(scene.outcome().await, Outcome::Answered);
    assert_eq!(scene.unasked(), 9);
    scene.sends(b"ng").await;
    sleep(Duration::from_millis(1)).await;
    scene.turn(2);
    scene.expects(b"ping").await;
    scene.sends(b"po").await;
    sleep(Duration::from_millis(1)).await;
    assert!(scene.done.try_recv().is_err(), "two bytes are no answer of four");
    scene.sends(b"ng").await;
    assert_eq!(scene.outcome().await, Outcome::Answered);
    assert_eq!(scene.unasked(), 11);
    scene.over().await.expect("is no failure");
}

#[tokio::test(start_paused = true)]
async fn without_requests_what_comes_is_the_answer_however_early() {
    let mut scene = Scene::begin(Dialogue::new(Requests::default(), r"\r\n".parse().expect("good")));
    scene.sends(b"220 rea").await;
    sleep(Duration::from_millis(5)).await;
    scene.turn(1);
    scene.sends(b"dy\r\n").await;
    assert_eq!(scene.outcome().await, Outcome::Answered);
    scene.handling.await.expect("no panic").expect("one banner is all there is");
    assert_eq!(scene.stopwatch.unasked.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_until_the_end_of_stream_ends_the_session() {
    for finish in [false, true] {
        let mut scene = Scene::begin(Dialogue { finish, ..dialogue("GET /", "end") });
        scene.turn(1);
        scene.expects(b"GET /").await;
        if finish {
            assert_eq!(scene.peer.chunk().await.expect("our end of stream"), None);
        }
        scene.sends(b"some").await;
        scene.sends(b"thing").await;
        sleep(Duration::from_millis(1)).await;
        assert!(scene.done.try_recv().is_err());
        scene.peer.shutdown().await.expect("ends");
        assert_eq!(scene.outcome().await, Outcome::Answered);
        scene.over().await.expect("is no failure");
        assert_eq!(scene.unasked(), 0);
    }
}

/// More than both directions of a pair hold.
const MUCH: usize = 5 * PAIR_BYTES;

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_before_it_reads_makes_nobody_wait() {
    let request: Vec<u8> = (0..MUCH).map(|n| (n % 251) as u8).collect();
    let all = vec![Request { template: Template::literal(request.clone()), weight: 1 }];
    let all = Requests::new(all, Framing::none()).expect("good");
    for until in [Until::Bytes(MUCH as u64), Until::Any] {
        let mut scene = Scene::begin(Dialogue { verify: Some(Verify::Echo), ..Dialogue::new(all.clone(), until) });
        scene.turn(1);
        // All of the answer is sent before more of the request is read.
        assert_eq!(scene.peer.read(&mut [0]).await.expect("reads"), 1);
        timeout(LONG, scene.sends(&request)).await.expect("is read");
        assert!(scene.done.try_recv().is_err(), "the request is not sent yet");
        scene.expects(&request[1..]).await;
        let done = scene.done().await;
        assert_eq!((done.outcome, scene.unasked()), (Outcome::Answered, 0));
        assert!(done.first_byte.expect("long ago") <= done.over);
        scene.over().await.expect("is no failure");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_is_held_against_says_what_it_is() {
    let numbered = |verify| Dialogue { verify: Some(verify), ..dialogue("n={n};", ";") };
    let mut scene = Scene::begin(numbered(Verify::Sequence));
    scene.stopwatch.highest.store(9, Relaxed);
    let table = [
        (3, "n=3;", Outcome::Answered),
        (4, "n=3;", Outcome::MixedUp),
        (5, "n=9;", Outcome::MixedUp),
        (6, "n=10;", Outcome::Wrong),
        (7, "sorry;", Outcome::Wrong),
        (8, "8;", Outcome::Answered),
    ];
    for (number, answer, due) in table {
        scene.turn(number);
        scene.expects(format!("n={number};").as_bytes()).await;
        scene.sends(answer.as_bytes()).await;
        assert_eq!(scene.outcome().await, due, "{answer}");
    }
    scene.over().await.expect("wrong answers end no session");

    let mut scene = Scene::begin(numbered(Verify::Echo));
    for (answer, due) in [("n=1;", Outcome::Answered), ("n=2;", Outcome::MixedUp), ("n=x;", Outcome::Wrong)] {
        scene.turn(1);
        scene.expects(b"n=1;").await;
        scene.sends(answer.as_bytes()).await;
        assert_eq!(scene.outcome().await, due, "{answer}");
    }
    scene.over().await.expect("wrong answers end no session");
}

#[tokio::test(start_paused = true)]
async fn requests_are_drawn_from_the_seed_and_the_session() {
    let all = requests(&["a", "b", "c", "{random:1}"], "none");
    let mut sent = Vec::new();
    for _ in 0..2 {
        let mut scene = Scene::begin(Dialogue::new(all.clone(), Until::Any));
        let mut session = Vec::new();
        for number in 1..=40 {
            scene.turn(number);
            session.extend_from_slice(&scene.peer.chunk().await.expect("reads").expect("no end"));
            scene.sends(b".").await;
            assert_eq!(scene.outcome().await, Outcome::Answered);
        }
        scene.over().await.expect("is no failure");
        sent.push(session);
    }
    assert_eq!(sent[0], sent[1]);
    assert!(b"abc".iter().all(|letter| sent[0].contains(letter)), "{}", sent[0].escape_ascii());
}

/// A server that has answered as soon as it is asked: nothing ever has to be waited for.
#[derive(Clone, Default)]
struct AtOnce(Arc<AtomicBool>);

impl AsyncWrite for AtOnce {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.store(true, Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for AtOnce {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.0.swap(false, Relaxed) {
            return Poll::Pending;
        }
        buffer.put_slice(b"!");
        Poll::Ready(Ok(()))
    }
}

/// Gives a turn whenever it is asked, and counts.
#[derive(Default)]
struct Always(AtomicU64);

impl Stopwatch for Always {
    fn poll_turn(&self, _: &mut Context<'_>) -> Poll<Option<Turn>> {
        Poll::Ready(Some(Turn { number: 1, intended: Instant::now() }))
    }

    fn done(&self, _: &Done) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[tokio::test]
async fn a_peer_that_is_always_ready_leaves_the_others_on_the_thread_their_turn() {
    let session = Session::new(SessionId(1), Role::Client, Addr::Memory, Observers::none());
    let peer = AtOnce::default();
    let stream = Stream::join(session.clone(), peer.clone(), peer);
    let stopwatch = Arc::new(Always::default());
    let exchange = Exchange { dialogue: Arc::new(dialogue("?", "any")), stopwatch: stopwatch.clone(), seed: 1 };
    let mut handling = std::pin::pin!(exchange.handle(session, stream));
    for polls in 1..=10 {
        let polled = poll_fn(|cx| Poll::Ready(handling.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        assert_eq!(stopwatch.0.load(Relaxed), polls * 64);
    }
}

#[tokio::test]
async fn a_connection_between_two_exchanges_is_small() {
    let (stream, _peer) = Stream::pair();
    let exchange =
        Exchange { dialogue: Arc::new(dialogue("?", "any")), stopwatch: Arc::new(Always::default()), seed: 1 };
    let size = size_of_val(&exchange.handle(stream.session().clone(), stream));
    assert!(size <= 768, "{size} bytes");
}

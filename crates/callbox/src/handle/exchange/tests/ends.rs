//! How exchanges and sessions end before they should, and how they end as they should.

use tokio::time::sleep;

use super::*;

#[tokio::test(start_paused = true)]
async fn an_end_of_stream_between_exchanges_is_a_normal_end() {
    let mut scene = Scene::begin(dialogue("ping", "bytes:4"));
    scene.turn(1);
    scene.expects(b"ping").await;
    scene.sends(b"pong").await;
    scene.peer.shutdown().await.expect("ends");
    assert_eq!(scene.outcome().await, Outcome::Answered);
    // Nothing tells it that there are no more turns.
    timeout(LONG, &mut scene.handling).await.expect("it ends").expect("no panic").expect("is no failure");
}

#[tokio::test(start_paused = true)]
async fn a_reset_between_exchanges_is_an_error_and_loses_none() {
    let mut scene = Scene::begin(dialogue("ping", "bytes:4"));
    sleep(Duration::from_millis(1)).await;
    scene.reset();
    assert_eq!(scene.over().await.expect_err("a reset").kind(), Kind::Reset);
}

#[tokio::test(start_paused = true)]
async fn an_end_of_stream_where_an_answer_is_due_loses_it() {
    for (until, part) in [("any", &b""[..]), ("bytes:4", b"pon"), ("x", b"pong"), ("bytes:4", b"")] {
        let mut scene = Scene::begin(dialogue("ping", until));
        scene.turn(1);
        scene.expects(b"ping").await;
        scene.sends(part).await;
        scene.peer.shutdown().await.expect("ends");
        let done = scene.done().await;
        assert_eq!((done.outcome, done.first_byte.is_some()), (Outcome::Lost(Kind::Ended), !part.is_empty()));
        let error = scene.over().await.expect_err("an answer was due");
        assert_eq!(error.to_string(), "read memory: the stream ended where an answer was due");
        assert_eq!((error.kind(), scene.unasked()), (Kind::Ended, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_where_an_answer_is_due_loses_it_whatever_ends_it() {
    for until in ["any", "bytes:4", "x", "end"] {
        let mut scene = Scene::begin(dialogue("ping", until));
        scene.turn(1);
        scene.expects(b"ping").await;
        scene.reset();
        assert_eq!(scene.outcome().await, Outcome::Lost(Kind::Reset), "{until}");
        assert_eq!(scene.over().await.expect_err("an answer was due").kind(), Kind::Reset);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_request_that_the_peer_did_not_take_is_one() {
    let request = "x".repeat(1 << 20);
    for (answer, due) in [(&b"busy"[..], Outcome::Answered), (b"bu", Outcome::Lost(Kind::Reset))] {
        let mut scene = Scene::begin(dialogue(&request, "bytes:4"));
        scene.turn(1);
        scene.peer.chunk().await.expect("reads");
        scene.sends(answer).await;
        // It goes away with the most of the request unread.
        scene.peer = Stream::pair().0;
        assert_eq!(scene.outcome().await, due);
        let error = scene.over().await.expect_err("the connection is of no more use");
        assert_eq!(error.kind(), Kind::Reset);
    }
}

#[tokio::test(start_paused = true)]
async fn who_tells_the_session_to_end_hears_of_the_exchange_under_way() {
    let mut scene = Scene::begin(dialogue("ping", "bytes:4"));
    scene.turn(1);
    scene.expects(b"ping").await;
    scene.handling.abort();
    let done = scene.done().await;
    assert_eq!((done.turn.number, done.outcome), (1, Outcome::Lost(Kind::Stopped)));
    assert!((&mut scene.handling).await.expect_err("aborted").is_cancelled());
    assert!(scene.done.try_recv().is_err(), "once");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_made_ends_the_session() {
    let mut scene = Scene::begin(framed("{n}", "fixed:1"));
    scene.turn(9);
    scene.expects(b"9").await;
    scene.sends(b"9").await;
    assert_eq!(scene.outcome().await, Outcome::Answered);
    scene.turn(10);
    assert_eq!(scene.outcome().await, Outcome::Lost(Kind::Invalid));
    let error = scene.over().await.expect_err("two digits");
    assert!(error.to_string().starts_with("send: invalid payload \"10\""), "{error}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let line = framed("a", "line");
    let sum = Framing { checksum: Some(crate::frame::Checksum::Xor8), ..line.framing.clone() };
    let summed = Dialogue { verify: Some(Verify::Checksum), framing: sum, ..line.clone() };
    let table = [
        (line.clone(), None),
        (summed.clone(), None),
        (Dialogue { verify: Some(Verify::Checksum), ..line.clone() }, Some("checksum")),
        (Dialogue { until: Until::Any, ..summed }, Some("checksum")),
        (Dialogue { finish: true, ..dialogue("a", "end") }, None),
        (Dialogue { finish: true, ..line.clone() }, Some("end of stream")),
        (Dialogue { framing: Framing::new(crate::frame::Rule::Fixed(0)), ..line }, Some("")),
    ];
    for (dialogue, problem) in table {
        match (dialogue.check(), problem) {
            (Ok(()), None) => {}
            (Err(invalid), Some(problem)) => assert!(invalid.problem.contains(problem), "{invalid}"),
            (found, due) => panic!("{found:?} for {due:?}"),
        }
    }
}

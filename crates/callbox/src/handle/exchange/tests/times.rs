//! Answers that are late, and answers that silence ends.

use tokio::time::sleep;

use super::*;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_ends_the_session() {
    let mut scene = Scene::begin(Dialogue { answer_timeout: Some(millis(100)), ..dialogue("ping", "bytes:4") });
    // Each is awaited anew, though there is one alarm, which was set for the first.
    for number in 1..=5 {
        scene.turn(number);
        scene.expects(b"ping").await;
        sleep(millis(70)).await;
        scene.sends(b"pong").await;
        assert_eq!(scene.outcome().await, Outcome::Answered);
    }
    // Between exchanges nothing is late.
    sleep(millis(1000)).await;
    scene.turn(6);
    scene.expects(b"ping").await;
    scene.sends(b"po").await;
    let done = scene.done().await;
    assert_eq!(done.outcome, Outcome::TimedOut);
    assert!((100..105).contains(&(done.over - done.sent).as_millis()), "{:?}", done.over - done.sent);
    let error = scene.over().await.expect_err("late");
    assert_eq!((error.kind(), error.to_string()), (Kind::TimedOut, "read memory: no answer within 100 ms".into()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_the_request_is_late_too() {
    let late = Dialogue { answer_timeout: Some(millis(100)), ..dialogue(&"x".repeat(1 << 20), "any") };
    let mut scene = Scene::begin(late);
    scene.turn(1);
    assert_eq!(scene.outcome().await, Outcome::TimedOut);
    assert_eq!(scene.over().await.expect_err("late").kind(), Kind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_an_answer_is_awaited_as_long_as_it_takes() {
    let mut scene = Scene::begin(dialogue("ping", "bytes:4"));
    scene.turn(1);
    scene.expects(b"ping").await;
    sleep(LONG).await;
    scene.sends(b"pong").await;
    assert_eq!(scene.outcome().await, Outcome::Answered);
    scene.over().await.expect("is no failure");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_silence_ends_was_over_with_its_last_byte() {
    let mut scene = Scene::begin(Dialogue { verify: Some(Verify::Echo), ..framed("ping", "idle:50ms") });
    for number in 1..=3 {
        scene.turn(number);
        scene.expects(b"ping").await;
        scene.sends(b"pi").await;
        sleep(millis(30)).await;
        scene.sends(b"ng").await;
        let done = scene.done().await;
        assert_eq!(done.outcome, Outcome::Answered);
        assert!((30..35).contains(&(done.over - done.sent).as_millis()), "{:?}", done.over - done.sent);
        assert!((50..55).contains(&done.over.elapsed().as_millis()), "{:?}", done.over.elapsed());
    }
    // What came while nobody waited, and what came too early to be the next answer.
    scene.sends(b"news").await;
    sleep(millis(60)).await;
    scene.sends(b"old").await;
    sleep(millis(20)).await;
    scene.turn(4);
    scene.expects(b"ping").await;
    sleep(millis(60)).await;
    scene.sends(b"ping").await;
    assert_eq!(scene.outcome().await, Outcome::Answered);
    assert_eq!(scene.unasked(), 7);
    scene.over().await.expect("is no failure");
}

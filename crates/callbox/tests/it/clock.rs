//! Limits of time, with the clock paused: they are exact, and nobody waits for them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use callbox::Stream;
use callbox::handle::talk::{Ending, Output, Terms, talk};
use callbox::termination::Termination;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Takes everything.
struct Nothing;

impl Output for Nothing {
    async fn write(&mut self, _chunk: Bytes) -> io::Result<()> {
        Ok(())
    }

    async fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn the_idle_timeout_counts_from_the_last_byte_of_either_direction() {
    let (client, mut server) = Stream::pair();
    let (_input, open) = mpsc::channel(1);
    let terms = Terms { idle_timeout: Some(MINUTE), ..Terms::default() };
    let started = Instant::now();
    let talking = tokio::spawn(async move {
        let outcome = talk(client, open, &mut Nothing, terms).await;
        (outcome, started.elapsed())
    });
    for _ in 0..10 {
        sleep(MINUTE / 2).await;
        server.write_all(b"still here").await.expect("writes");
    }
    let (outcome, took) = talking.await.expect("no panic");
    assert!(matches!(outcome.ending, Ending::Stopped(Termination::IdleTimeout)), "{outcome:?}");
    // Ten half minutes of talk, a minute of silence, a second of parting; found at most half a minute late.
    let silence = took - 5 * MINUTE;
    assert!(silence >= MINUTE && silence <= MINUTE * 3 / 2 + Duration::from_secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn lingering_begins_with_our_end_of_stream() {
    let (client, _server) = Stream::pair();
    let (input, open) = mpsc::channel::<io::Result<Bytes>>(1);
    let terms = Terms { linger: Some(MINUTE), ..Terms::default() };
    let started = Instant::now();
    let talking = tokio::spawn(async move {
        let outcome = talk(client, open, &mut Nothing, terms).await;
        (outcome, started.elapsed())
    });
    sleep(10 * MINUTE).await;
    drop(input);
    let (outcome, took) = talking.await.expect("no panic");
    assert!(matches!(outcome.ending, Ending::LingerOver), "{outcome:?}");
    assert!(took >= 11 * MINUTE && took < 11 * MINUTE + Duration::from_secs(2), "{took:?}");
}

//! Long silences, with the clock paused: a bridge has no patience of its own.

use std::time::Duration;

use callbox::bridge::Passage;
use callbox::direction::Role;
use tokio::time::{Instant, sleep};

use super::bridged::{Bridged, Kind};
use crate::ends::read_to_end;

async fn a_late_answer(first: Role, late: Duration) {
    let bridged = Bridged::between(Kind::Memory, Kind::Memory).await;
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    one.write_all(b"question").await.expect("writes");
    one.shutdown().await.expect("ends");
    assert_eq!(read_to_end(&mut other).await.expect("the end of stream"), b"question");
    let asked = Instant::now();
    let answering = tokio::spawn(async move {
        sleep(late).await;
        other.write_all(b"answer").await.expect("still open");
        other.shutdown().await.expect("ends");
    });
    // Its own deadline is shorter than some of these.
    let mut received = Vec::new();
    while let Some(chunk) = one.chunk().await.expect("reads") {
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received, b"answer");
    assert!(asked.elapsed() >= late && asked.elapsed() < late + Duration::from_millis(10), "{:?}", asked.elapsed());
    answering.await.expect("no panic");
    assert_eq!(watch.passage().await, Passage::Ended);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_after_a_half_close_arrives_whole() {
    for late in [Duration::from_millis(1500), Duration::from_secs(30), Duration::from_secs(24 * 3600)] {
        for first in [Role::Client, Role::Server] {
            a_late_answer(first, late).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_bridge_carries_a_byte_now_and_then_for_hours() {
    for first in [Role::Client, Role::Server] {
        let bridged = Bridged::between(Kind::Memory, Kind::Memory).await;
        let (mut one, mut other, mut watch) = bridged.beginning_with(first);
        one.shutdown().await.expect("ends");
        assert!(read_to_end(&mut other).await.expect("the end of stream").is_empty());
        for n in 0..=255 {
            sleep(Duration::from_secs(100)).await;
            other.write_all(&[n]).await.expect("still open");
            assert_eq!(one.chunk().await.expect("still open").as_deref(), Some(&[n][..]));
        }
        other.shutdown().await.expect("ends");
        assert_eq!(one.chunk().await.expect("reads"), None);
        watch.ends_having_carried(first, 0, 256).await;
    }
}

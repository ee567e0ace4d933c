//! What must hold for every pair of streams, whichever side is the `first`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use callbox::bridge::Passage;
use callbox::direction::Role;
use callbox::net::sys::unacknowledged_bytes;
use callbox::{Kind, Stream};

use super::bridged::Bridged;
use crate::ends::{pattern, read_to_end, until, within};

/// Enough for many turns, and for going over to other ways of carrying.
const MUCH: usize = 5 << 20;

pub(crate) async fn an_end_of_stream_leaves_the_other_direction_alone(bridged: Bridged, first: Role) {
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    let (early, late) = (pattern(1000), pattern(MUCH));
    one.write_all(&early).await.expect("writes");
    one.shutdown().await.expect("ends");
    assert!(read_to_end(&mut other).await.expect("the end of stream") == early);
    let answering = async {
        other.write_all(&late).await.expect("the other direction is open");
        other.shutdown().await.expect("ends");
    };
    let (received, ()) = tokio::join!(read_to_end(&mut one), answering);
    assert!(received.expect("the end of stream") == late, "{MUCH} bytes arrive as they were sent");
    watch.ends_having_carried(first, early.len(), late.len()).await;
}

pub(crate) async fn ends_at_the_same_time_cut_no_tail(bridged: Bridged, first: Role) {
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    let (there, back) = (pattern(50_000), pattern(30_001));
    one.write_all(&there).await.expect("fits");
    other.write_all(&back).await.expect("fits");
    one.shutdown().await.expect("ends");
    other.shutdown().await.expect("ends");
    assert!(read_to_end(&mut other).await.expect("the end of stream") == there);
    assert!(read_to_end(&mut one).await.expect("the end of stream") == back);
    watch.ends_having_carried(first, there.len(), back.len()).await;
}

pub(crate) async fn an_end_without_a_byte_passes(bridged: Bridged, first: Role) {
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    one.shutdown().await.expect("ends");
    assert_eq!(within("the end of stream", other.chunk()).await.expect("reads"), None);
    other.shutdown().await.expect("ends");
    assert_eq!(within("the end of stream", one.chunk()).await.expect("reads"), None);
    watch.ends_having_carried(first, 0, 0).await;
}

pub(crate) async fn much_passes_both_ways_at_once(bridged: Bridged, first: Role) {
    let (one, other, mut watch) = bridged.beginning_with(first);
    let (there, back) = (pattern(MUCH), pattern(MUCH + 77_777).split_off(77_777));
    async fn talk(stream: Stream, bytes: &[u8]) -> Vec<u8> {
        let (mut reader, mut writer) = stream.split();
        let sending = async {
            writer.write_all(bytes).await.expect("is read");
            writer.shutdown().await.expect("ends");
        };
        let receiving = async {
            let mut received = Vec::new();
            while let Some(chunk) = within("a chunk or the end", reader.chunk()).await.expect("reads") {
                received.extend_from_slice(&chunk);
            }
            received
        };
        tokio::join!(sending, receiving).1
    }
    let (to_one, to_other) = tokio::join!(talk(one, &there), talk(other, &back));
    assert!(to_other == there && to_one == back, "{MUCH} bytes arrive as they were sent, both ways");
    watch.ends_having_carried(first, MUCH, MUCH).await;
}

pub(crate) async fn every_byte_passes_without_waiting_for_more(bridged: Bridged, first: Role) {
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    let mut sent = 0;
    // Each is answered before the next is sent; small ones, and such as go over to other ways of carrying.
    for size in [1, 1, 2, 63, 64, 1460, 16 * 1024, 16 * 1024 + 1, 40_000, 1, 64, 60_000, 3] {
        let bytes = pattern(size);
        for stream in [&mut one, &mut other] {
            stream.write_all(&bytes).await.expect("fits");
        }
        for stream in [&mut other, &mut one] {
            assert!(receive(stream, size).await == bytes, "{size} bytes");
        }
        sent += size;
    }
    one.shutdown().await.expect("ends");
    assert_eq!(within("the end of stream", other.chunk()).await.expect("reads"), None);
    other.shutdown().await.expect("ends");
    assert_eq!(within("the end of stream", one.chunk()).await.expect("reads"), None);
    watch.ends_having_carried(first, sent, sent).await;
}

pub(crate) async fn nobody_waits_for_who_does_not_speak_first(bridged: Bridged, first: Role) {
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    one.write_all(b"220 ready").await.expect("writes");
    assert_eq!(receive(&mut other, 9).await, b"220 ready");
    one.shutdown().await.expect("ends");
    assert_eq!(within("the end of stream", other.chunk()).await.expect("reads"), None);
    other.shutdown().await.expect("ends");
    watch.ends_having_carried(first, 9, 0).await;
}

pub(crate) async fn who_does_not_read_holds_up_the_sender_and_nobody_else(bridged: Bridged, first: Role) {
    let (one, mut other, mut watch) = bridged.beginning_with(first);
    let (mut reader, mut writer) = one.split();
    let (enough, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let piece = pattern(10_007);
    let flood = tokio::spawn({
        let (enough, sent, piece) = (enough.clone(), sent.clone(), piece.clone());
        async move {
            while !enough.load(Relaxed) {
                writer.write_all(&piece).await.expect("read in the end");
                sent.fetch_add(piece.len(), Relaxed);
            }
            writer.shutdown().await.expect("ends");
        }
    });
    let (mut last, mut looks) = ((0, 0), 0);
    until("the sender has to wait", || {
        let now = (watch.holds_little(first), sent.load(Relaxed));
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        looks > 1000 && last.0 > 0
    })
    .await;
    other.write_all(b"meanwhile").await.expect("this direction is free");
    let chunk = within("what comes the other way", reader.chunk()).await.expect("reads");
    assert_eq!(chunk.as_deref(), Some(&b"meanwhile"[..]));
    enough.store(true, Relaxed);
    let mut received = 0;
    while let Some(chunk) = within("a chunk or the end of stream", other.chunk()).await.expect("reads") {
        let due = piece.iter().cycle().skip(received % piece.len());
        assert!(chunk.iter().zip(due).all(|(got, due)| got == due), "within {} from {received} on", chunk.len());
        received += chunk.len();
        watch.holds_little(first);
    }
    within("the flood is over", flood).await.expect("no panic");
    assert_eq!(received, sent.load(Relaxed));
    other.shutdown().await.expect("ends");
    watch.ends_having_carried(first, received, b"meanwhile".len()).await;
}

pub(crate) async fn a_reset_comes_after_every_byte_before_it(bridged: Bridged, first: Role) {
    reset_after(pattern(MUCH + 1), bridged, first).await;
}

pub(crate) async fn a_reset_after_one_byte_leaves_that_byte(bridged: Bridged, first: Role) {
    reset_after(pattern(1), bridged, first).await;
}

pub(crate) async fn a_reset_before_any_byte_is_no_end_of_stream(bridged: Bridged, first: Role) {
    reset_after(Vec::new(), bridged, first).await;
}

async fn reset_after(sent: Vec<u8>, bridged: Bridged, first: Role) {
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    let sending = async {
        one.write_all(&sent).await.expect("is read");
        // A reset overtakes what our own kernel still has.
        let waiting = |stream: &Stream| stream.descriptor().map_or(0, |fd| unacknowledged_bytes(fd).expect("tells"));
        until("all is acknowledged", || waiting(&one) == 0).await;
        one.reset();
    };
    let receiving = async {
        let mut received = Vec::new();
        loop {
            match within("a chunk or the reset", other.chunk()).await {
                Ok(Some(chunk)) => received.extend_from_slice(&chunk),
                Ok(None) => panic!("an end of stream after {} bytes, where a reset was", received.len()),
                Err(error) => break (received, error.kind()),
            }
        }
    };
    let ((), (received, kind)) = tokio::join!(sending, receiving);
    assert!(received == sent, "{} of {} bytes came before the reset", received.len(), sent.len());
    assert_eq!(kind, Kind::Reset);
    assert_eq!(watch.passage().await, Passage::Broken(first));
    assert_eq!(watch.carried(first), (sent.len() as u64, sent.len() as u64));
    let error = other.write_all(b"x").await.expect_err("the other direction too");
    assert_eq!(error.kind(), Kind::Reset);
}

pub(crate) async fn a_reset_by_who_is_sent_to_is_no_end_of_stream(bridged: Bridged, first: Role) {
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    other.write_all(b"hello").await.expect("writes");
    assert_eq!(receive(&mut one, 5).await, b"hello");
    one.reset();
    let kind = within("the reset", async {
        loop {
            if let Err(error) = other.write_all(&[0; 1000]).await {
                break error.kind();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(kind, Kind::Reset);
    assert_eq!(within("the reset", other.chunk()).await.expect_err("no end of stream").kind(), Kind::Reset);
    assert_eq!(watch.passage().await, Passage::Broken(first));
    let (read, written) = watch.carried(first.other());
    assert!(read >= written, "{written} of {read} bytes were written");
}

pub(crate) async fn a_reset_after_an_end_of_stream_is_a_reset(bridged: Bridged, first: Role) {
    let (mut one, mut other, mut watch) = bridged.beginning_with(first);
    one.write_all(b"bye").await.expect("writes");
    one.shutdown().await.expect("ends");
    assert_eq!(read_to_end(&mut other).await.expect("the end of stream"), b"bye");
    one.reset();
    let kind = within("the reset", async {
        loop {
            if let Err(error) = other.write_all(&[0; 1000]).await {
                break error.kind();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(kind, Kind::Reset);
    assert_eq!(watch.passage().await, Passage::Broken(first));
}

/// Receives exactly so many bytes.
async fn receive(stream: &mut Stream, count: usize) -> Vec<u8> {
    let mut received = vec![0; count];
    let mut filled = 0;
    while filled < count {
        let read = within("the next bytes", stream.read(&mut received[filled..])).await.expect("reads");
        assert!(read > 0, "an end of stream after {filled} of {count} bytes");
        filled += read;
    }
    received
}

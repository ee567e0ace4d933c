//! Conversations in memory, timeouts on a paused clock.

use super::*;

/// Takes everything; remembers what and whether the end came.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    ended: bool,
    /// Refuses after this many bytes.
    room: Option<usize>,
}

impl Output for Memory {
    async fn write(&mut self, chunk: Bytes) -> io::Result<()> {
        self.bytes.extend_from_slice(&chunk);
        match self.room {
            Some(room) if self.bytes.len() > room => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    async fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        Ok(())
    }
}

fn input(chunks: &[&'static [u8]]) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(16);
    for chunk in chunks {
        sender.try_send(Ok(Bytes::from_static(chunk))).expect("there is room");
    }
    receiver
}

#[tokio::test]
async fn the_answer_that_comes_after_our_end_of_stream_arrives() {
    let (client, mut server) = Stream::pair();
    let answering = tokio::spawn(async move {
        while server.chunk().await.expect("reads").is_some() {}
        server.write_all(b"late answer").await.expect("writes");
        server.shutdown().await.expect("ends");
    });
    let mut output = Memory::default();
    let outcome = talk(client, input(&[b"request"]), &mut output, Terms::default()).await;
    assert!(matches!(outcome.ending, Ending::BothEnded), "{outcome:?}");
    assert_eq!(output.bytes, b"late answer");
    assert!(output.ended);
    answering.await.expect("no panic");
}

#[tokio::test]
async fn what_is_expected_may_span_chunks_and_then_it_is_over() {
    let (client, mut server) = Stream::pair();
    server.write_all(b"thank").await.expect("writes");
    let expect = Some(Expect::new(vec!["thank you !".parse().expect("good")]));
    let (_keep, open) = mpsc::channel(1);
    let talking = tokio::spawn(async move {
        let mut output = Memory::default();
        let outcome = talk(client, open, &mut output, Terms { expect, ..Terms::default() }).await;
        (outcome, output.bytes)
    });
    server.write_all(b" you !").await.expect("writes");
    assert_eq!(server.chunk().await.expect("reads"), None, "our end of stream follows");
    server.shutdown().await.expect("ends");
    let (outcome, bytes) = talking.await.expect("no panic");
    assert!(matches!(outcome.ending, Ending::ExpectMet), "{outcome:?}");
    assert_eq!(bytes, b"thank you !");
}

#[tokio::test(start_paused = true)]
async fn lingering_ends_even_if_the_peer_stays() {
    let (client, _server) = Stream::pair();
    let begun = Instant::now();
    let terms = Terms { linger: Some(Duration::from_secs(2)), ..Terms::default() };
    let outcome = talk(client, input(&[b"x"]), &mut Memory::default(), terms).await;
    assert!(matches!(outcome.ending, Ending::LingerOver), "{outcome:?}");
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn silence_in_both_directions_is_idle_and_a_byte_is_not() {
    let (client, mut server) = Stream::pair();
    let session = client.session().clone();
    let (_keep, open) = mpsc::channel(1);
    let terms = Terms { idle_timeout: Some(Duration::from_secs(10)), ..Terms::default() };
    let begun = Instant::now();
    let talking = tokio::spawn(async move { talk(client, open, &mut Memory::default(), terms).await });
    sleep(Duration::from_secs(9)).await;
    server.write_all(b"x").await.expect("writes");
    let outcome = talking.await.expect("no panic");
    assert!(matches!(outcome.ending, Ending::Stopped(Termination::IdleTimeout)), "{outcome:?}");
    assert!(begun.elapsed() >= Duration::from_secs(19), "{:?}", begun.elapsed());
    assert_eq!(session.termination(), Some(Termination::IdleTimeout));
}

#[tokio::test]
async fn what_a_fault_let_through_before_it_ended_the_session_is_taken() {
    let (client, mut server) = Stream::pair();
    server.write_all(b"hello").await.expect("writes");
    server.shutdown().await.expect("ends");
    client.session().stop(Termination::Fault);
    let (_keep, open) = mpsc::channel(1);
    let mut output = Memory::default();
    let outcome = talk(client, open, &mut output, Terms::default()).await;
    assert!(matches!(outcome.ending, Ending::Stopped(Termination::Fault)), "{outcome:?}");
    assert_eq!(output.bytes, b"hello");
}

#[tokio::test]
async fn a_full_output_is_an_error_and_says_which() {
    let (client, mut server) = Stream::pair();
    server.write_all(b"too much").await.expect("writes");
    server.shutdown().await.expect("ends");
    let mut output = Memory { room: Some(3), ..Memory::default() };
    let (_keep, open) = mpsc::channel(1);
    let outcome = talk(client, open, &mut output, Terms::default()).await;
    assert!(
        matches!(&outcome.ending, Ending::OutputFailed(error) if error.kind() == io::ErrorKind::StorageFull),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_leave_sends_first_what_is_queued() {
    let (client, mut server) = Stream::pair();
    let (sends, queue) = mpsc::channel(1);
    let leave = Arc::new(Notify::new());
    let terms = Terms { leave: Some(leave.clone()), ..Terms::default() };
    let talking = tokio::spawn(async move { talk(client, queue, &mut Memory::default(), terms).await });
    leave.notify_one();
    for chunk in ["a", "b", "c"] {
        tokio::task::yield_now().await;
        sends.send(Ok(chunk.into())).await.expect("still taken");
    }
    drop(sends);
    let mut received = Vec::new();
    while let Some(chunk) = server.chunk().await.expect("reads") {
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received, b"abc");
    assert!(matches!(talking.await.expect("no panic").ending, Ending::Left));
}

#[tokio::test(start_paused = true)]
async fn leaving_waits_no_longer_than_something_moves() {
    let (client, _server) = Stream::pair();
    let (sends, queue) = mpsc::channel(1);
    // More than the pair holds, and nobody reads.
    sends.try_send(Ok(vec![0; 1 << 20].into())).expect("there is room");
    let leave = Arc::new(Notify::new());
    leave.notify_one();
    let begun = Instant::now();
    let terms = Terms { leave: Some(leave), ..Terms::default() };
    let outcome = talk(client, queue, &mut Memory::default(), terms).await;
    assert!(matches!(outcome.ending, Ending::Left), "{outcome:?}");
    assert!(begun.elapsed() < 5 * PARTING, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn bytes_between_frames_are_not_counted() {
    let (client, mut server) = Stream::pair();
    let framing: Framing = "json".parse().expect("good");
    let space = " ".repeat(3 * crate::frame::GAP_BYTES);
    server.write_all(format!("1{space}2{space}3 4").as_bytes()).await.expect("writes");
    server.shutdown().await.expect("ends");
    let mut output = Memory::default();
    let terms = Terms { count: Some(3), framing, ..Terms::default() };
    let outcome = talk(client, input(&[]), &mut output, terms).await;
    assert!(matches!(outcome.ending, Ending::CountReached), "{outcome:?}");
    assert!(output.bytes.ends_with(b" 3"), "cut behind the third");
}

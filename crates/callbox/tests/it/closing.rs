//! Closing loses nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use callbox::net::closing::Closing;
use callbox::server::ServerOptions;
use callbox::{Client, Stream};

use crate::ends::{beside, connect, pattern, serve, within};

const ANSWER: usize = 4 << 20;
/// Below the limit up to which a closing session listens.
const FLOOD: usize = 12 << 20;

/// Sends [`FLOOD`] bytes, and at the same time receives until the end of stream.
fn flood_and_receive(stream: TcpStream) -> std::io::Result<Vec<u8>> {
    let mut writer = stream.try_clone()?;
    let flooding = thread::spawn(move || {
        writer.write_all(&vec![1; FLOOD])?;
        writer.shutdown(Shutdown::Write)
    });
    let mut received = Vec::new();
    (&stream).read_to_end(&mut received)?;
    flooding.join().expect("no panic")?;
    Ok(received)
}

/// Answers without having read anything, and returns.
async fn answer(_session: callbox::Session, mut stream: Stream) -> callbox::Result<()> {
    stream.write_all(&pattern(ANSWER)).await
}

#[tokio::test]
async fn a_server_that_answers_and_returns_loses_nothing_while_the_client_floods() {
    let (running, addr) = serve(ServerOptions::default(), answer).await;
    let received = beside("the answer and the end of stream", move || flood_and_receive(connect(addr))).await;
    assert!(received.expect("not reset") == pattern(ANSWER), "{ANSWER} bytes arrive as they were sent");
    let report = within("drains", running.drain()).await.expect("drains");
    assert_eq!((report.to_server_bytes, report.to_client_bytes), (FLOOD as u64, ANSWER as u64));
}

#[tokio::test]
async fn the_answer_arrives_although_the_flood_goes_beyond_what_a_closing_session_listens_to() {
    let closing = Closing { bytes: 64 << 10, ..Closing::default() };
    let (running, addr) = serve(ServerOptions { closing, ..ServerOptions::default() }, answer).await;
    let received = beside("the answer", move || {
        let stream = connect(addr);
        let mut writer = stream.try_clone().expect("a descriptor");
        let flooding = thread::spawn(move || while writer.write_all(&[1; 64 << 10]).is_ok() {});
        // The flood goes on until it is reset, and that comes behind the answer.
        let (mut received, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
        while let Ok(read @ 1..) = (&stream).read(&mut chunk) {
            received.extend_from_slice(&chunk[..read]);
        }
        stream.shutdown(Shutdown::Both).ok();
        flooding.join().expect("no panic");
        received
    })
    .await;
    assert_eq!(received.len(), ANSWER);
    assert!(received == pattern(ANSWER), "{ANSWER} bytes arrive as they were sent");
    within("drains", running.drain()).await.expect("drains");
}

#[tokio::test]
async fn a_client_that_sends_and_returns_loses_nothing_while_the_server_floods() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let addr = listener.local_addr().expect("bound");
    let flooding = beside("all bytes and the end of stream", move || {
        let (stream, _) = listener.accept()?;
        flood_and_receive(stream)
    });
    let client = Client::new(addr).expect("good");
    let (received, report) = tokio::join!(flooding, within("the client is done", client.run(answer)));
    assert!(received.expect("not reset") == pattern(ANSWER), "{ANSWER} bytes arrive as they were sent");
    let report = report.expect("connected");
    assert_eq!((report.to_server_bytes, report.to_client_bytes), (ANSWER as u64, FLOOD as u64));
}

#[tokio::test]
async fn a_stream_that_a_handler_gave_away_ends_with_the_handler() {
    let (given, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |_session, stream: Stream| {
        let given = given.clone();
        async move {
            given.send(stream).expect("the test takes it");
            Ok(())
        }
    };
    let (running, addr) = serve(ServerOptions::default(), handler).await;
    let client = beside("the end of stream", move || connect(addr).read(&mut [0; 1]));
    assert_eq!(client.await.expect("not reset"), 0);
    let mut stream = within("the stream", taken.recv()).await.expect("one");
    let report = within("drains", running.drain()).await.expect("drains");
    assert_eq!(report.undrained, 0);
    assert!(stream.write_all(b"x").await.is_err(), "closed");
}

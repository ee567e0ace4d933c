//! Ends of stream, one-way ends, truncation, writes that wait.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use callbox::bus::{Bus, Interest};
use callbox::direction::Direction;
use callbox::event::Event;
use callbox::handle::echo::Echo;
use callbox::net::connect::ConnectOptions;
use callbox::net::tls::{ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions, TlsVersion, Versions};
use callbox::observers::Observers;
use callbox::report::TimeWait;
use callbox::server::ServerOptions;
use callbox::termination::Termination;
use callbox::{Addr, Client, Kind, Server, Stream};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use crate::certificates::{client, local, server, trusting};
use crate::ends::{Ends, beside, pattern, read_to_end, serve, within};

async fn speaking(version: TlsVersion) -> Ends {
    let versions = Versions { min: version, max: version };
    let server = ServerTls::new(&ServerTlsOptions { versions, ..local() }).expect("good");
    let client = ClientTls::new(&ClientTlsOptions { versions, ..trusting() }).expect("good");
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    Ends::speaking(loopback, Some(server), Some(client)).await
}

#[tokio::test]
async fn each_direction_ends_by_itself_in_both_versions() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for client_first in [true, false] {
            let ends = speaking(version).await;
            let (mut one, mut other) =
                if client_first { (ends.client, ends.server) } else { (ends.server, ends.client) };
            one.write_all(b"hello").await.expect("writes");
            one.shutdown().await.expect("ends");
            assert_eq!(read_to_end(&mut other).await.expect("an end of stream"), b"hello");
            let late = pattern(3 << 20);
            let answering = async {
                other.write_all(&late).await.expect("the other direction is open");
                other.shutdown().await.expect("ends");
            };
            let (received, ()) = tokio::join!(read_to_end(&mut one), answering);
            assert!(received.expect("an end of stream") == late, "{version}, by the client first: {client_first}");
            assert_eq!(one.write_all(b"x").await.expect_err("it has ended").kind(), Kind::Io);
        }
    }
}

/// Passes the bytes of one connection on to `to`; `middle` is what it does with the answers.
pub(super) fn in_between(
    to: SocketAddr,
    middle: impl FnOnce(&mut TcpStream, &mut TcpStream) + Send + 'static,
) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let addr = listener.local_addr().expect("bound");
    let thread = std::thread::spawn(move || {
        let (mut near, _) = listener.accept().expect("accepts");
        let mut far = TcpStream::connect(to).expect("connects");
        let (mut from, mut into) = (near.try_clone().expect("clones"), far.try_clone().expect("clones"));
        let there = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut into);
            let _ = into.shutdown(Shutdown::Write);
        });
        middle(&mut far, &mut near);
        there.join().expect("no panic");
    });
    (addr, thread)
}

#[tokio::test]
async fn an_end_without_close_notify_is_truncation_after_all_bytes_before_it() {
    const BYTES: usize = 100_000;
    let (said, cut) = std::sync::mpsc::channel();
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_running, addr) = serve(options, |_, mut stream: Stream| async move {
        stream.write_all(&pattern(BYTES)).await?;
        stream.chunk().await.map(drop)
    })
    .await;
    let (addr, thread) = in_between(addr, move |far, near| {
        let (mut from, mut into) = (far.try_clone().expect("clones"), near.try_clone().expect("clones"));
        std::thread::spawn(move || std::io::copy(&mut from, &mut into));
        cut.recv().expect("the client has it all");
        near.shutdown(Shutdown::Write).expect("is open");
    });
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let connecting = Client::new(Addr::from(addr)).expect("good").with_options(options);
    let mut stream = connecting.with_observers(Observers::on_bus(&bus)).connect().await.expect("connects");
    let mut received = Vec::new();
    let error = loop {
        match within("bytes or the end", stream.chunk()).await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            Ok(None) => panic!("that is no end of stream"),
            Err(error) => break error,
        }
        if received.len() == BYTES {
            let _ = said.send(());
        }
    };
    assert!(received == pattern(BYTES), "{} bytes", received.len());
    assert_eq!(error.kind(), Kind::Ended, "{error}");
    assert!(error.cause().contains("close_notify"), "{error}");
    assert_eq!(stream.chunk().await.expect_err("from then on").kind(), Kind::Ended);
    drop(stream);
    let report = loop {
        if let Event::Closed(report) = within("the report", bus.next()).await.expect("open").1 {
            break report;
        }
    };
    assert_eq!(report.termination, Termination::TlsTruncated);
    assert_eq!(report.to_client_bytes, BYTES as u64);
    drop(_running);
    beside("the one in between is done", move || thread.join()).await.expect("no panic");
}

#[tokio::test]
async fn records_come_in_any_pieces() {
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_running, addr) = serve(options, callbox::handle::echo::Echo).await;
    let (addr, thread) = in_between(addr, |far, near| {
        near.set_nodelay(true).expect("sets");
        let mut byte = [0];
        while far.read(&mut byte).expect("reads") == 1 {
            near.write_all(&byte).expect("writes");
        }
        near.shutdown(Shutdown::Write).expect("is open");
    });
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let mut stream =
        Client::new(Addr::from(addr)).expect("good").with_options(options).connect().await.expect("connects");
    stream.write_all(&pattern(40_000)).await.expect("writes");
    stream.shutdown().await.expect("ends");
    assert!(read_to_end(&mut stream).await.expect("an end of stream") == pattern(40_000));
    beside("the one in between is done", move || thread.join()).await.expect("no panic");
}

#[tokio::test]
async fn a_damaged_record_ends_the_session_by_name_after_what_came_before() {
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_running, addr) = serve(options, callbox::handle::echo::Echo).await;
    let (addr, thread) = in_between(addr, |far, near| {
        let mut bytes = vec![0; 65_536];
        let mut passed = 0;
        loop {
            let read = far.read(&mut bytes).unwrap_or(0);
            if read == 0 {
                break;
            }
            // The handshake and the first answer are left as they are.
            if passed > 0 && bytes[..read].len() > 2000 {
                bytes[read - 1] ^= 1;
            }
            passed += 1;
            if near.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
    });
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let mut stream =
        Client::new(Addr::from(addr)).expect("good").with_options(options).connect().await.expect("connects");
    stream.write_all(b"hello").await.expect("writes");
    assert_eq!(within("the answer", stream.chunk()).await.expect("reads").as_deref(), Some(&b"hello"[..]));
    stream.write_all(&[7; 4000]).await.expect("writes");
    let error = within("the failure", stream.chunk()).await.expect_err("damaged");
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    assert!(error.cause().contains("damaged"), "{error}");
    assert_eq!(stream.write_all(b"x").await.expect_err("both directions").kind(), Kind::Tls);
    drop(stream);
    beside("the one in between is done", move || thread.join()).await.expect("no panic");
}

/// Writes once, and tells how many bytes were taken; `None` where it has to wait.
async fn write_once(stream: &mut Stream, bytes: &[u8]) -> Option<usize> {
    std::future::poll_fn(|cx| match Pin::new(&mut *stream).poll_write(cx, bytes) {
        Poll::Ready(written) => Poll::Ready(Some(written.expect("is open"))),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Writes until the kernel takes no more; returns what was written, and what was offered last.
async fn fill(stream: &mut Stream) -> (Vec<u8>, Vec<u8>) {
    let mut written = Vec::new();
    loop {
        let offered: Vec<u8> = pattern(written.len() + 50_000).split_off(written.len());
        match write_once(stream, &offered).await {
            Some(taken) => written.extend_from_slice(&offered[..taken]),
            None => return (written, offered),
        }
    }
}

#[tokio::test]
async fn a_write_that_waits_is_claimed_by_the_same_bytes() {
    let mut ends = Ends::tls().await;
    let (mut written, offered) = fill(&mut ends.client).await;
    // Fewer of the same first, then the rest.
    let writing = async {
        for part in [&offered[..1000], &offered[1000..1001], &offered[1001..]] {
            ends.client.write_all(part).await.expect("goes on");
        }
        ends.client.shutdown().await.expect("ends");
    };
    let (received, ()) = tokio::join!(read_to_end(&mut ends.server), writing);
    written.extend_from_slice(&offered);
    assert!(received.expect("an end of stream") == written);
    assert_eq!(ends.client.session().meter().bytes(Direction::ToServer), written.len() as u64);
}

#[tokio::test]
async fn a_write_that_was_abandoned_goes_before_the_next_and_is_counted() {
    let mut ends = Ends::tls().await;
    let (mut written, abandoned) = fill(&mut ends.client).await;
    let writing = async {
        ends.client.write_all(b"something else").await.expect("goes on");
        ends.client.shutdown().await.expect("ends");
    };
    let (received, ()) = tokio::join!(read_to_end(&mut ends.server), writing);
    written.extend_from_slice(&abandoned);
    written.extend_from_slice(b"something else");
    assert!(received.expect("an end of stream") == written);
    assert_eq!(ends.client.session().meter().bytes(Direction::ToServer), written.len() as u64);
}

#[tokio::test]
async fn an_end_of_stream_waits_for_what_was_taken() {
    let mut ends = Ends::tls().await;
    let (mut written, abandoned) = fill(&mut ends.client).await;
    let (received, ended) = tokio::join!(read_to_end(&mut ends.server), ends.client.shutdown());
    ended.expect("ends");
    written.extend_from_slice(&abandoned);
    assert!(received.expect("an end of stream") == written);
    assert_eq!(ends.client.session().meter().bytes(Direction::ToServer), written.len() as u64);
}

#[tokio::test]
async fn a_handler_that_returns_and_a_stream_that_is_dropped_end_with_close_notify() {
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_running, addr) = serve(options, |_, mut stream: Stream| async move {
        // Once at once, and once behind the other's end of stream.
        if stream.chunk().await?.as_deref() == Some(b"wait") {
            while stream.chunk().await?.is_some() {}
        }
        stream.write_all(b"bye").await
    })
    .await;
    for (word, ends) in [(&b"now"[..], false), (b"wait", true)] {
        let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
        let client = Client::new(Addr::from(addr)).expect("good").with_options(options);
        let mut stream = client.connect().await.expect("connects");
        stream.write_all(word).await.expect("writes");
        if ends {
            stream.shutdown().await.expect("ends");
        }
        assert_eq!(read_to_end(&mut stream).await.expect("an end of stream, not a truncated one"), b"bye");
    }
    let Ends { client, mut server, running } = Ends::tls().await;
    drop(client);
    assert_eq!(read_to_end(&mut server).await.expect("an end of stream"), b"");
    drop(running);
}

#[tokio::test]
async fn a_reset_is_no_end_of_stream() {
    let Ends { client, mut server, running: _running } = Ends::tls().await;
    client.reset();
    assert_eq!(within("the reset", server.chunk()).await.expect_err("no end").kind(), Kind::Reset);
}

#[tokio::test]
async fn who_answers_our_close_notify_by_closing_has_truncated_nothing() {
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listening = callbox::Server::bind_with(loopback, options, Observers::on_bus(&bus)).await.expect("binds");
    let addr = listening.local_addrs()[0].socket_addr().expect("numbers");
    let _running = listening.spawn(|_, mut stream: Stream| async move { stream.write_all(b"bye").await });
    let (addr, thread) = in_between(addr, |far, near| {
        // Whatever the client sends at its end is not passed on: only a FIN is.
        let _ = std::io::copy(far, near);
        far.shutdown(Shutdown::Write).expect("is open");
        near.shutdown(Shutdown::Both).expect("is open");
    });
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    let mut stream =
        Client::new(Addr::from(addr)).expect("good").with_options(options).connect().await.expect("connects");
    assert_eq!(read_to_end(&mut stream).await.expect("an end of stream"), b"bye");
    let report = loop {
        if let Event::Closed(report) = within("the report", bus.next()).await.expect("open").1 {
            break report;
        }
    };
    assert_eq!(report.termination, Termination::ServerClosed);
    assert!(report.to_server_ended, "{report:?}");
    drop(stream);
    beside("the one in between is done", move || thread.join()).await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_end_comes_first_has_time_wait_as_without_tls() {
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listening = Server::bind_with(loopback, options, Observers::on_bus(&bus)).await.expect("binds");
    let addr = listening.local_addrs()[0].clone();
    let running = listening.spawn(Echo);
    for round in 0..100 {
        let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
        let connecting = Client::new(addr.clone()).expect("good").with_options(options);
        // Who is watched asks for the state before its FIN, and that takes time.
        let watched = Bus::new(Interest { data: false, talk: true, lossless: false, frames: false });
        let mut stream = connecting.with_observers(Observers::on_bus(&watched)).connect().await.expect("connects");
        stream.write_all(b"hello").await.expect("writes");
        // The end comes while the server is at work on that, sooner or later.
        let written = Instant::now();
        while written.elapsed() < Duration::from_micros(round) {
            std::hint::spin_loop();
        }
        stream.shutdown().await.expect("ends");
        assert_eq!(read_to_end(&mut stream).await.expect("an end of stream"), b"hello");
        let report = loop {
            if let Event::Closed(report) = within("the report", bus.next()).await.expect("open").1 {
                break report;
            }
        };
        assert_eq!(report.time_wait, Some(TimeWait::Theirs), "{round}");
    }
    drop(running);
}

#[tokio::test]
async fn a_stream_that_is_dropped_has_sent_all_though_nobody_took_the_tickets() {
    const BYTES: usize = 100_000;
    let Ends { mut client, mut server, running } = Ends::tls().await;
    let whole = pattern(BYTES);
    // As much as the kernels take while nobody reads.
    let written = std::future::poll_fn(|cx| match Pin::new(&mut client).poll_write(cx, &whole) {
        Poll::Ready(written) => Poll::Ready(written.expect("writes")),
        Poll::Pending => Poll::Ready(0),
    })
    .await;
    assert!(written > 0);
    drop(client);
    let received = read_to_end(&mut server).await.expect("an end of stream and no reset");
    assert!(received == whole[..written], "{} of {written}", received.len());
    drop(running);
}

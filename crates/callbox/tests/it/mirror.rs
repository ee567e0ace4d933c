//! A second server is given what each client sent; its answers are compared, and it slows nobody.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use callbox::bus::{Bus, Interest};
use callbox::event::{Event, Mirrored};
use callbox::handle::discard::Discard;
use callbox::handle::echo::Echo;
use callbox::handle::relay::mirror::{Mirror, QUEUE_BYTES};
use callbox::handle::relay::upstreams::{Balance, Upstreams};
use callbox::handle::relay::{Relay, RelayOptions};
use callbox::net::connect::ConnectOptions;
use callbox::observers::Observers;
use callbox::pipe::plan::Faults;
use callbox::server::{Running, ServerOptions};
use callbox::{Addr, Handler, Kind, Server, Session, Stream};

use crate::ends::{beside, connect, serve, within};

/// A relay with a mirror, and who hears of it.
struct Mirrors {
    bus: Arc<Bus>,
    mirror: Mirror,
    relay: Running,
    addr: SocketAddr,
    _first: Running,
}

impl Mirrors {
    async fn start(first: impl Handler, second: SocketAddr) -> Mirrors {
        let (first, upstream) = serve(ServerOptions::default(), first).await;
        let bus = Bus::new(Interest { data: false, talk: true, lossless: false, frames: false });
        let observers = Observers::on_bus(&bus);
        let mirror = Mirror::new(second.into(), ConnectOptions::default(), observers.clone());
        let options = RelayOptions::default();
        let upstreams = Upstreams::new(vec![upstream.into()], Balance::First);
        let handler = Relay::new(upstreams, options, Faults::none()).with_mirror(mirror.clone());
        let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        let observers = observers.with_tap(Arc::new(mirror.clone()));
        let server = Server::bind_with(loopback, ServerOptions::default(), observers).await.expect("binds");
        let addr = server.local_addrs()[0].socket_addr().expect("numbers");
        Mirrors { bus, mirror, relay: server.spawn(handler), addr, _first: first }
    }

    /// Sends all of it, ends, and returns the answer.
    async fn ask(&self, question: Vec<u8>) -> Vec<u8> {
        let addr = self.addr;
        beside("the conversation", move || talk(connect(addr), &question)).await
    }

    async fn outcome(&self) -> Mirrored {
        within("the mirror's outcome", async {
            loop {
                if let (_, Event::Mirror { outcome, .. }) = self.bus.next().await.expect("is open") {
                    return outcome;
                }
            }
        })
        .await
    }

    /// Returns what the relay's report has of the mirror.
    async fn counted(&self) -> (Option<u64>, Option<u64>) {
        let report = within("the drain", self.relay.drain()).await.expect("drains");
        within("the mirror", self.mirror.finished()).await;
        let limits = self.relay.snapshot().report.limits;
        drop(report);
        (limits.get("mirror_differs").copied(), limits.get("mirror_lost").copied())
    }
}

fn talk(stream: TcpStream, question: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (&stream).write_all(question).expect("sends");
            stream.shutdown(Shutdown::Write).expect("ends");
        });
        (&stream).read_to_end(&mut answer).expect("no reset");
    });
    answer
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n % 251) as u8).collect()
}

/// Echoes in pieces of 700 bytes.
async fn echo_in_pieces(_session: Session, mut stream: Stream) -> callbox::Result<()> {
    while let Some(chunk) = stream.chunk().await? {
        for piece in chunk.chunks(700) {
            stream.write_all(piece).await?;
            tokio::task::yield_now().await;
        }
    }
    stream.shutdown().await
}

#[tokio::test]
async fn the_same_answer_in_other_chunks_is_the_same() {
    let (second, addr) = serve(ServerOptions::default(), echo_in_pieces).await;
    let mirrors = Mirrors::start(Echo, addr).await;
    let question = pattern(300_000);
    assert!(mirrors.ask(question.clone()).await == question, "the client gets the first server's answer");
    let outcome = mirrors.outcome().await;
    assert!(matches!(outcome, Mirrored::Same), "{outcome:?}");
    assert_eq!(mirrors.counted().await, (None, None));
    let report = within("the drain", second.drain()).await.expect("drains");
    assert_eq!((report.to_server_bytes, report.to_client_bytes), (300_000, 300_000), "copied once, and all of it");
}

#[tokio::test]
async fn the_first_difference_is_told_with_its_place_and_both_sides() {
    let other = |_session, mut stream: Stream| async move {
        let mut offset = 0;
        while let Some(chunk) = stream.chunk().await? {
            let mut answer = chunk.to_vec();
            if (offset..offset + answer.len()).contains(&70_000) {
                answer[70_000 - offset] = b'!';
            }
            offset += answer.len();
            stream.write_all(&answer).await?;
        }
        stream.shutdown().await
    };
    let (_second, addr) = serve(ServerOptions::default(), other).await;
    let mirrors = Mirrors::start(Echo, addr).await;
    let question = pattern(100_000);
    assert!(mirrors.ask(question.clone()).await == question, "nothing of the second server's answer is forwarded");
    match mirrors.outcome().await {
        Mirrored::Differs { offset, given, mirrored } => {
            assert_eq!(offset, 70_000);
            assert!(question[70_000..].starts_with(&given) && !given.is_empty());
            assert_eq!(mirrored[0], b'!');
        }
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!(mirrors.mirror.differences(), 1);
    assert_eq!(mirrors.counted().await, (Some(1), None), "in the report too");
}

#[tokio::test]
async fn more_than_the_first_server_answered_is_a_difference() {
    let more = |_session, mut stream: Stream| async move {
        while let Some(chunk) = stream.chunk().await? {
            stream.write_all(&chunk).await?;
        }
        stream.write_all(b" and more").await?;
        stream.shutdown().await
    };
    let (_second, addr) = serve(ServerOptions::default(), more).await;
    let mirrors = Mirrors::start(Echo, addr).await;
    assert_eq!(mirrors.ask(b"hello".to_vec()).await, b"hello");
    let outcome = mirrors.outcome().await;
    let Mirrored::Differs { offset: 5, given, mirrored } = outcome else { panic!("{outcome:?}") };
    assert_eq!((&given[..], &mirrored[..]), (&b""[..], &b" and more"[..]));
}

#[tokio::test]
async fn a_mirror_that_never_reads_slows_nobody() {
    // Connected by the kernel, and nobody takes anything.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("binds");
    let mirrors = Mirrors::start(Echo, deaf.local_addr().expect("bound")).await;
    // Beyond the queue and whatever two sockets hold.
    let question = pattern(QUEUE_BYTES + (24 << 20));
    assert!(mirrors.ask(question.clone()).await == question);
    let outcome = mirrors.outcome().await;
    assert!(matches!(outcome, Mirrored::FellBehind), "{outcome:?}");
    assert_eq!(mirrors.counted().await, (None, Some(1)));
}

#[tokio::test]
async fn a_mirror_that_answers_nothing_is_waited_for_only_so_long() {
    let (_second, addr) = serve(ServerOptions::default(), |_session, stream: Stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
        Ok(())
    })
    .await;
    let mirrors = Mirrors::start(Echo, addr).await;
    assert_eq!(mirrors.ask(b"hello".to_vec()).await, b"hello");
    let outcome = mirrors.outcome().await;
    assert!(matches!(outcome, Mirrored::FellBehind), "{outcome:?}");
}

#[tokio::test]
async fn a_mirror_that_is_not_there_is_told_and_the_session_goes_on() {
    // The port is ours and nobody listens: a client that was connected there has taken it.
    let holder = TcpListener::bind("127.0.0.1:0").expect("binds");
    let client = TcpStream::connect(holder.local_addr().expect("bound")).expect("connects");
    let mirrors = Mirrors::start(Echo, client.local_addr().expect("connected")).await;
    assert_eq!(mirrors.ask(b"hello".to_vec()).await, b"hello");
    let outcome = mirrors.outcome().await;
    let Mirrored::Unreachable { error } = outcome else { panic!("{outcome:?}") };
    assert!(error.is_refused(), "{error}");
    assert_eq!(mirrors.counted().await, (None, Some(1)));
}

#[tokio::test]
async fn a_mirror_that_resets_is_told_and_the_session_goes_on() {
    let (_second, addr) = serve(ServerOptions::default(), |_session, mut stream: Stream| async move {
        stream.chunk().await?;
        stream.reset();
        Ok(())
    })
    .await;
    let mirrors = Mirrors::start(Echo, addr).await;
    assert_eq!(mirrors.ask(b"hello".to_vec()).await, b"hello");
    let outcome = mirrors.outcome().await;
    assert!(matches!(outcome, Mirrored::Reset), "{outcome:?}");
}

#[tokio::test]
async fn a_mirror_that_ends_early_is_told_with_the_place() {
    let (_second, addr) = serve(ServerOptions::default(), |_session, mut stream: Stream| async move {
        stream.write_all(b"hel").await?;
        stream.shutdown().await?;
        while stream.chunk().await?.is_some() {}
        Ok(())
    })
    .await;
    let mirrors = Mirrors::start(Echo, addr).await;
    assert_eq!(mirrors.ask(b"hello".to_vec()).await, b"hello");
    let outcome = mirrors.outcome().await;
    assert!(matches!(outcome, Mirrored::EndedEarly { offset: 3 }), "{outcome:?}");
}

#[tokio::test]
async fn an_abort_by_the_client_is_an_abort_at_the_mirror_and_no_end_of_stream() {
    let (seen, mut met) = tokio::sync::mpsc::unbounded_channel();
    let (_second, addr) = serve(ServerOptions::default(), move |_session, mut stream: Stream| {
        let seen = seen.clone();
        async move {
            let end = loop {
                match stream.chunk().await {
                    Ok(Some(chunk)) => drop(seen.send(Ok(chunk))),
                    Ok(None) => break Ok("an end of stream".into()),
                    Err(error) => break Err(error.kind()),
                }
            };
            let _ = seen.send(end);
            Ok(())
        }
    })
    .await;
    let mirrors = Mirrors::start(Discard, addr).await;
    let mut client = connect(mirrors.addr);
    client.write_all(b"hello").expect("sends");
    let copied = within("the copy", met.recv()).await.expect("is open");
    assert_eq!(copied.as_deref(), Ok(&b"hello"[..]));
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).expect("sets");
    drop(client);
    assert_eq!(within("the end", met.recv()).await.expect("is open"), Err(Kind::Reset));
    let outcome = mirrors.outcome().await;
    assert!(matches!(outcome, Mirrored::Same), "as far as the client was given any: {outcome:?}");
}

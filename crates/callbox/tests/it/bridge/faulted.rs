//! A relay with faults between real sockets: what both sides see when it ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use callbox::frame::Framing;
use callbox::handle::relay::upstreams::{Balance, Upstreams};
use callbox::handle::relay::{Relay, RelayOptions};
use callbox::net::sys::unacknowledged_bytes;
use callbox::pipe::plan::{Clipped, Faults, Plan};
use callbox::server::{Running, ServerOptions};
use callbox::{Addr, Client, Server, Stream};
use socket2::SockRef;
use tokio::time::Instant;

use crate::ends::{beside, connect, pattern, read_to_end, serve};

/// Nobody who takes nothing for so long will take more.
const FULL: Duration = Duration::from_millis(200);

fn faults(spec: &str) -> Faults {
    let clipped =
        Clipped { id: 1, name: spec.into(), fault: spec.parse().unwrap_or_else(|invalid| panic!("{invalid}")) };
    Faults::new(Plan { seed: 1, framing: Framing::none(), faults: vec![clipped], rate: None })
}

async fn relay(options: ServerOptions, upstream: SocketAddr, spec: &str) -> (Running, SocketAddr) {
    let upstreams = Upstreams::new(vec![upstream.into()], Balance::First);
    serve(options, Relay::new(upstreams, RelayOptions::default(), faults(spec))).await
}

/// A client and a server with a relay in between.
async fn relayed(options: ServerOptions, spec: &str) -> (TcpStream, TcpStream, Running) {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("binds");
    let (running, addr) = relay(options, upstream.local_addr().expect("bound"), spec).await;
    let (client, server) = beside("the relay connects", move || {
        let client = connect(addr);
        let (server, _) = upstream.accept().expect("accepts");
        (client, server)
    })
    .await;
    server.set_read_timeout(Some(Duration::from_secs(10))).expect("sets");
    (client, server, running)
}

/// Sends until nobody takes any more.
fn flood(mut stream: &TcpStream) {
    stream.set_write_timeout(Some(FULL)).expect("sets");
    while stream.write_all(&[7; 64 * 1024]).is_ok() {}
}

#[tokio::test]
async fn a_fault_that_ends_a_session_destroys_nothing_on_either_side() {
    let (client, mut server, _running) = relayed(ServerOptions::default(), "cut@5,direction=to_server").await;
    let received = beside("the end of stream", move || {
        // What the client does not read stays unread in the relay too.
        flood(&server);
        (&client).write_all(b"0123456789").expect("fits");
        let mut received = Vec::new();
        server.read_to_end(&mut received).map(|_| received)
    });
    assert_eq!(received.await.expect("an end of stream, and no reset"), b"01234");
}

#[tokio::test]
async fn a_reset_is_passed_on_though_a_fault_leaves_no_room() {
    // So that somebody looks often.
    let options = ServerOptions { half_close_timeout: Some(FULL), ..ServerOptions::default() };
    let (client, mut server, _running) = relayed(options, "stall,direction=to_server").await;
    let error = beside("the reset", move || {
        flood(&client);
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("sets");
        drop(client);
        server.read(&mut [0]).expect_err("nothing comes through")
    });
    assert_eq!(error.await.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_behind_a_byte_comes_behind_that_byte_however_slowly_it_is_read() {
    const BYTES: usize = 300_000;
    let spec = format!("cut@{BYTES}:reset,direction=to_client");
    let (mut client, mut server, _running) = relayed(ServerOptions::default(), &spec).await;
    SockRef::from(&client).set_recv_buffer_size(32 * 1024).expect("sets");
    let (received, error) = beside("the reset", move || {
        server.write_all(&pattern(BYTES + 1)).expect("is read");
        // The relay has it all now, and the client has not.
        while unacknowledged_bytes(server.as_fd()).expect("tells") > 0 {
            std::thread::yield_now();
        }
        let mut received = Vec::new();
        let error = client.read_to_end(&mut received).expect_err("no end of stream");
        (received, error.kind())
    })
    .await;
    assert_eq!((received.len(), error), (BYTES, ErrorKind::ConnectionReset));
    assert!(received == pattern(BYTES + 1)[..BYTES]);
}

/// Nobody waits for these minutes: the clock is paused, and goes on when all else is done.
#[tokio::test(start_paused = true)]
async fn half_closed_it_does_not_end_while_a_fault_still_lets_bytes_through() {
    const BYTES: usize = 200_000;
    let upstream = Server::bind(Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).await.expect("binds");
    let addr = upstream.local_addrs()[0].socket_addr().expect("numbers");
    let (told, mut received) = tokio::sync::mpsc::unbounded_channel();
    let _upstream = upstream.spawn(move |_session, mut stream: Stream| {
        let told = told.clone();
        async move {
            stream.shutdown().await?;
            let mut bytes = 0;
            while let Some(chunk) = stream.chunk().await? {
                bytes += chunk.len();
            }
            let _ = told.send(bytes);
            Ok(())
        }
    });
    let options = ServerOptions { half_close_timeout: Some(Duration::from_secs(60)), ..ServerOptions::default() };
    let (_running, addr) = relay(options, addr, "throttle=1kB/s,direction=to_server").await;
    let mut client = Client::new(Addr::from(addr)).expect("good").connect().await.expect("connects");
    let begun = Instant::now();
    assert!(read_to_end(&mut client).await.expect("the end of stream").is_empty());
    client.write_all(&pattern(BYTES)).await.expect("fits");
    client.shutdown().await.expect("ends");
    let bytes = tokio::time::timeout(Duration::from_secs(1000), received.recv()).await;
    assert_eq!(bytes.expect("comes through"), Some(BYTES), "after {:?}", begun.elapsed());
}

//! A relay between them: ended here, begun anew there.

use std::net::SocketAddr;

use callbox::bus::{Bus, Interest};
use callbox::direction::Role;
use callbox::event::Event;
use callbox::frame::Framing;
use callbox::handle::echo::Echo;
use callbox::handle::relay::upstreams::{Balance, Upstreams};
use callbox::handle::relay::{Relay, RelayOptions};
use callbox::net::connect::ConnectOptions;
use callbox::net::tls::{ClientTls, ClientTlsOptions};
use callbox::observers::Observers;
use callbox::pipe::plan::{Clipped, Faults, Plan};
use callbox::server::{Running, ServerOptions};
use callbox::termination::Termination;
use callbox::{Addr, Client, Kind, Server, Stream};
use std::sync::Arc;

use super::endings::in_between;
use crate::certificates::{client, server};
use crate::ends::{beside, pattern, read_to_end, serve, until, within};

async fn relay(upstream: SocketAddr, tls: ClientTls, faults: Faults) -> (Running, Addr, Arc<Bus>) {
    let bus = Bus::new(Interest { data: false, talk: true, lossless: true, frames: false });
    let connect = ConnectOptions { tls: Some(tls), ..ConnectOptions::default() };
    let options = RelayOptions { connect, ..RelayOptions::default() };
    let relay = Relay::new(Upstreams::new(vec![Addr::from(upstream)], Balance::First), options, faults);
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let loopback = Addr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::bind_with(loopback, options, Observers::on_bus(&bus)).await.expect("binds");
    let addr = server.local_addrs()[0].clone();
    (server.spawn(relay), addr, bus)
}

fn connecting(addr: &Addr) -> Client {
    let options = ConnectOptions { tls: Some(client()), ..ConnectOptions::default() };
    Client::new(addr.clone()).expect("good").with_options(options)
}

#[tokio::test]
async fn both_sides_are_told_and_bytes_and_ends_pass() {
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_upstream, upstream) = serve(options, Echo).await;
    let (_running, addr, bus) = relay(upstream, client(), Faults::none()).await;
    let stream = connecting(&addr).connect().await.expect("connects");
    let (mut reader, mut writer) = stream.split();
    let bytes = pattern(3 << 20);
    let sending = async {
        writer.write_all(&bytes).await.expect("writes");
        writer.shutdown().await.expect("ends");
    };
    let receiving = async {
        let mut received = Vec::new();
        while let Some(chunk) = within("a chunk or the end", reader.chunk()).await.expect("reads") {
            received.extend_from_slice(&chunk);
        }
        received
    };
    let ((), received) = tokio::join!(sending, receiving);
    assert!(received == bytes);
    let mut roles = Vec::new();
    let report = loop {
        match within("the report", bus.next()).await.expect("open").1 {
            Event::Tls { role, .. } => roles.push(role),
            Event::Closed(report) => break report,
            _ => {}
        }
    };
    assert_eq!(roles, [Role::Server, Role::Client]);
    assert_eq!((report.to_server_bytes, report.to_client_bytes), (3 << 20, 3 << 20));
    assert_eq!(report.termination, Termination::ClientClosed);
}

#[tokio::test]
async fn faults_see_the_bytes_inside() {
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_upstream, upstream) = serve(options, Echo).await;
    let fault = "replace=adieu,direction=to_server,match=hello";
    let clipped = Clipped { id: 1, name: "replace".into(), fault: fault.parse().expect("good") };
    let plan = Plan { seed: 1, framing: Framing::none(), faults: vec![clipped], rate: None };
    let (_running, addr, _bus) = relay(upstream, client(), Faults::new(plan)).await;
    let mut stream = connecting(&addr).connect().await.expect("connects");
    stream.write_all(b"hello world").await.expect("writes");
    stream.shutdown().await.expect("ends");
    assert_eq!(read_to_end(&mut stream).await.expect("an end of stream"), b"adieu world");
}

#[tokio::test]
async fn an_upstream_that_is_not_believed_ends_the_session_by_name() {
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_upstream, upstream) = serve(options, Echo).await;
    // By the platform's roots, which know nothing of a test's authority.
    let strict = ClientTls::new(&ClientTlsOptions::default()).expect("good");
    let (_running, addr, bus) = relay(upstream, strict, Faults::none()).await;
    let mut stream = connecting(&addr).connect().await.expect("connects");
    let error = within("the reset", stream.chunk()).await.expect_err("no upstream");
    assert_eq!(error.kind(), Kind::Reset, "{error}");
    let mut failed = None;
    let report = loop {
        match within("the report", bus.next()).await.expect("open").1 {
            Event::Failed { error, .. } => failed = Some(error.kind()),
            Event::Closed(report) => break report,
            _ => {}
        }
    };
    assert_eq!((failed, report.termination), (Some(Kind::Tls), Termination::UpstreamFailed));
}

#[tokio::test]
async fn a_truncated_answer_is_passed_on_as_a_reset_behind_its_bytes() {
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_upstream, upstream) = serve(options, Echo).await;
    let (said, cut) = std::sync::mpsc::channel();
    let (middle, thread) = in_between(upstream, move |far, near| {
        let (mut from, mut into) = (far.try_clone().expect("clones"), near.try_clone().expect("clones"));
        std::thread::spawn(move || std::io::copy(&mut from, &mut into));
        cut.recv().expect("the client has it all");
        near.shutdown(std::net::Shutdown::Write).expect("is open");
    });
    let (running, addr, bus) = relay(middle, client(), Faults::none()).await;
    let mut stream = connecting(&addr).connect().await.expect("connects");
    stream.write_all(b"hello").await.expect("writes");
    assert_eq!(within("the answer", stream.chunk()).await.expect("reads").as_deref(), Some(&b"hello"[..]));
    said.send(()).expect("it waits");
    assert_eq!(within("the reset", stream.chunk()).await.expect_err("no end").kind(), Kind::Reset);
    let report = loop {
        if let Event::Closed(report) = within("the report", bus.next()).await.expect("open").1 {
            break report;
        }
    };
    assert_eq!((report.termination, report.to_client_bytes), (Termination::TlsTruncated, 5));
    drop((running, stream));
    beside("the one in between is done", move || thread.join()).await.expect("no panic");
}

#[tokio::test]
async fn what_is_on_its_way_as_a_fault_begins_goes_once() {
    const BYTES: usize = 16 << 20;
    let options = ServerOptions { tls: Some(server()), ..ServerOptions::default() };
    let (_upstream, upstream) = serve(options, |_, mut stream: Stream| async move {
        stream.write_all(&pattern(BYTES)).await?;
        stream.shutdown().await
    })
    .await;
    let faults = Faults::none();
    let (running, addr, _bus) = relay(upstream, client(), faults.clone()).await;
    let mut stream = connecting(&addr).connect().await.expect("connects");
    // The client takes nothing, until nothing moves any more.
    let (mut moved, mut quiet) = (0, 0);
    until("the relay waits for the client", || {
        let now = running.snapshot().report.to_client_bytes;
        (moved, quiet) = (now, if now == moved && now > 0 { quiet + 1 } else { 0 });
        quiet > 1000
    })
    .await;
    let fault = "corrupt=100%,direction=to_client";
    let clipped = Clipped { id: 1, name: "corrupt".into(), fault: fault.parse().expect("good") };
    faults.change(|plan| plan.faults.push(clipped));
    running.wake_all();
    let received = read_to_end(&mut stream).await.expect("an end of stream");
    let whole = pattern(BYTES);
    let same = received.iter().zip(&whole).take_while(|(one, other)| one == other).count();
    assert!((1..BYTES).contains(&same), "the fault began in between: {same}");
    assert_eq!(received.len(), BYTES, "the fault began at {same}, and nothing comes twice");
}

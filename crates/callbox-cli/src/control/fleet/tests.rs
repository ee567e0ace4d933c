//! Relays on real sockets: made, moved, switched off and on, taken away.

use std::os::fd::IntoRawFd;

use callbox::fixture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::args::Upstream;
use crate::control::tests::{fleet, wanted};
use crate::control::toxic::{Attributes, Toxic};

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"hello").await.expect("writes");
    let mut answer = vec![0; 3];
    stream.read_exact(&mut answer).await.expect("reads");
    String::from_utf8(answer).expect("text")
}

async fn connect(listen: &str) -> TcpStream {
    TcpStream::connect(listen).await.expect("connects")
}

fn toxic(name: &str) -> Toxic {
    let attributes = Attributes::of("slow_close").expect("known");
    Toxic { attributes, name: name.into(), type_name: "slow_close".into(), stream: "upstream".into(), toxicity: 1.0 }
}

#[tokio::test]
async fn a_relay_that_is_switched_off_ends_its_sessions_and_comes_back_on_its_port() {
    let (server, fleet) = (fixture::Server::reply("one"), fleet(&[]));
    let made = fleet.create(wanted(server.addr())).await.expect("made");
    let mut stream = connect(&made.listen).await;
    assert_eq!(ask(&mut stream).await, "one");
    let off = Change { enabled: Some(false), ..Change::default() };
    let view = fleet.update("a", off.clone()).await.expect("switched off");
    assert_eq!((view.enabled, &view.listen), (false, &made.listen));
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end of stream, not a reset"), 0);
    assert!(TcpStream::connect(&made.listen).await.is_err(), "nobody listens");
    // Again changes nothing.
    assert_eq!(fleet.update("a", off).await.expect("is off"), view);
    let on = fleet.update("a", Change { enabled: Some(true), ..Change::default() }).await.expect("switched on");
    assert_eq!((on.enabled, &on.listen), (true, &made.listen));
    assert_eq!(ask(&mut connect(&made.listen).await).await, "one");
    fleet.each(|member| assert_eq!(member.carried().sessions, 2)).await;
}

#[tokio::test]
async fn another_server_takes_over_and_the_port_stays() {
    let (one, two, fleet) = (fixture::Server::reply("one"), fixture::Server::reply("two"), fleet(&[]));
    let made = fleet.create(wanted(one.addr())).await.expect("made");
    let mut stream = connect(&made.listen).await;
    assert_eq!(ask(&mut stream).await, "one");
    let change = Change { upstream: Some(two.addr().to_string()), ..Change::default() };
    let view = fleet.update("a", change).await.expect("moved");
    assert_eq!((view.enabled, &view.listen), (true, &made.listen));
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end of stream"), 0);
    assert_eq!(ask(&mut connect(&made.listen).await).await, "two");
}

#[tokio::test]
async fn another_address_frees_the_old_one() {
    let fleet = fleet(&[]);
    let made = fleet.create(wanted("127.0.0.1:9")).await.expect("made");
    let change = Change { listen: Some("localhost:0".into()), ..Change::default() };
    let view = fleet.update("a", change).await.expect("moved");
    assert_ne!(view.listen, made.listen);
    connect(&view.listen).await;
    assert!(TcpStream::connect(&made.listen).await.is_err());
    // One that cannot be bound leaves it switched off, as toxiproxy does.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("bound");
    let holder = std::net::TcpListener::bind(taken).expect("binds again");
    let change = Change { listen: Some(taken.to_string()), ..Change::default() };
    let refused = fleet.update("a", change).await.expect_err("taken");
    assert_eq!(refused, Refused::new(500, format!("listen tcp {taken}: bind: address already in use")));
    let view = fleet.list().await.remove(0);
    assert_eq!((view.enabled, view.listen), (false, taken.to_string()));
    drop(holder);
    fleet.reset().await.expect("free again");
    connect(&taken.to_string()).await;
}

#[tokio::test]
async fn a_relay_that_is_deleted_is_gone_with_its_sessions() {
    let (server, fleet) = (fixture::Server::reply("one"), fleet(&[]));
    let made = fleet.create(wanted(server.addr())).await.expect("made");
    let mut stream = connect(&made.listen).await;
    assert_eq!(ask(&mut stream).await, "one");
    fleet.delete("a").await.expect("there");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end of stream"), 0);
    assert!(TcpStream::connect(&made.listen).await.is_err());
    assert_eq!(fleet.delete("a").await, Err(unknown()));
}

#[tokio::test]
async fn no_relay_leads_to_itself_or_to_what_steers_it() {
    let control = std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("bound");
    let fleet = fleet(&[control]);
    let made = fleet.create(wanted("127.0.0.1:9")).await.expect("made");
    let own: SocketAddr = made.listen.parse().expect("an address");
    for port in [control.port(), own.port()] {
        for host in ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "[::]", ""] {
            let change = Change { upstream: Some(format!("{host}:{port}")), ..Change::default() };
            let refused = fleet.update("a", change).await.expect_err(host);
            assert_eq!(refused.status, 400, "{host}: {refused:?}");
            assert!(refused.error.contains("callbox itself listens there"), "{host}: {refused:?}");
        }
    }
    let asleep = Wanted { name: "b".into(), enabled: false, ..wanted(control) };
    assert_eq!(fleet.create(asleep).await.expect_err("not even asleep").status, 400);
}

#[tokio::test]
async fn a_request_leads_no_relay_to_link_local_addresses() {
    let fleet = fleet(&[]);
    let metadata = "169.254.169.254:80";
    let given = Given {
        name: "ours".into(),
        listen: Addr::parse("127.0.0.1:0").expect("good"),
        leads: Leads::Servers(vec![Addr::parse(metadata).expect("good")]),
        faults: Vec::new(),
        enabled: true,
    };
    fleet.add(given).await.expect("whoever starts callbox may");
    let off = Change { enabled: Some(false), ..Change::default() };
    fleet.update("ours", off).await.expect("and what is there may be switched");
    let refused = fleet.create(wanted(metadata)).await.expect_err("nobody else");
    assert_eq!(refused, Refused::new(400, format!("upstream {metadata}: nobody is led to link-local addresses")));
    fleet.create(wanted("127.0.0.1:9")).await.expect("made");
    let change = Change { upstream: Some("[fd00:ec2::254]:80".into()), ..Change::default() };
    assert_eq!(fleet.update("a", change).await.expect_err("nor later").status, 400);
    let (views, refused) = fleet.populate(vec![wanted(metadata)]).await;
    assert_eq!((views.len(), refused.map(|refused| refused.status)), (0, Some(400)));
}

#[tokio::test]
async fn a_reset_keeps_what_came_with_the_relay() {
    let fleet = fleet(&[]);
    let fault: Fault = "latency=1ms".parse().expect("good");
    let given = Given {
        name: "a".into(),
        listen: Addr::parse(":0").expect("good"),
        leads: Leads::Servers(vec![
            Addr::parse("127.0.0.1:9").expect("good"),
            Addr::parse("127.0.0.1:10").expect("good"),
        ]),
        faults: vec![("ours".into(), fault.clone())],
        enabled: true,
    };
    let view = fleet.add(given).await.expect("added");
    assert_eq!(view.upstream, "127.0.0.1:9,127.0.0.1:10");
    assert!(view.listen.starts_with("127.0.0.1:") && !view.listen.ends_with(":0"), "{}", view.listen);
    let names =
        || fleet.with("a", |member| Ok(member.plan().faults.iter().map(|one| one.name.clone()).collect::<Vec<_>>()));
    fleet.with("a", |member| member.attach(toxic("t"))).await.expect("attached");
    fleet.with("a", |member| member.clip("live", fault)).await.expect("clipped");
    assert_eq!(names().await.expect("there"), ["ours", "t", "live"]);
    fleet.reset().await.expect("reset");
    assert_eq!(names().await.expect("there"), ["ours"]);
    assert_eq!(fleet.list().await[0].toxics, []);
}

#[tokio::test]
async fn a_changed_toxic_keeps_its_place_under_a_new_number() {
    let fleet = fleet(&[]);
    fleet.create(wanted("127.0.0.1:9")).await.expect("made");
    let ids = || fleet.with("a", |member| Ok(member.plan().faults.iter().map(|one| one.id).collect::<Vec<_>>()));
    fleet
        .with("a", |member| {
            member.attach(toxic("x"))?;
            member.attach(toxic("y"))?;
            member.exchange(toxic("x"))
        })
        .await
        .expect("attached");
    assert_eq!(ids().await.expect("there"), [3, 2]);
    assert!(fleet.with("a", |member| Ok(member.detach("x"))).await.expect("there").is_some());
    assert_eq!(ids().await.expect("there"), [2]);
}

#[tokio::test]
async fn a_changed_fault_of_the_relay_s_own_outlives_a_reset() {
    let fleet = fleet(&[]);
    let given = |fault: &str| Given {
        name: "a".into(),
        listen: Addr::parse("127.0.0.1:0").expect("good"),
        leads: Leads::Servers(vec![Addr::parse("127.0.0.1:9").expect("good")]),
        faults: vec![("ours".into(), fault.parse().expect("good"))],
        enabled: true,
    };
    let framed = fleet.add(given("stall,frame=2")).await.expect_err("nothing says what a frame is");
    assert_eq!(framed.status, 400);
    fleet.add(given("latency=1ms")).await.expect("added");
    let change = |member: &mut Member| {
        let id = member.plan().faults[0].id;
        assert!(member.replace(id, "stall,frame=2".parse().expect("good")).is_err());
        member.replace(id, "latency=2ms".parse().expect("good"))
    };
    fleet.with("a", change).await.expect("changed");
    fleet.reset().await.expect("reset");
    let faults = fleet.with("a", |member| Ok(member.plan().faults.clone())).await.expect("there");
    let faults: Vec<_> = faults.iter().map(|clipped| (clipped.name.as_str(), clipped.fault.to_string())).collect();
    assert_eq!(faults, [("ours", "latency=2ms".to_owned())]);
}

#[tokio::test]
async fn only_a_relay_that_others_can_reach_is_limited_by_address() {
    let mut template = crate::control::tests::template(&[]);
    (template.max_per_ip_exposed, template.scope) = (Some(1), Scope::Any);
    let (server, fleet) = (fixture::Server::reply("one"), Fleet::new(template));
    for (name, listen, refused) in [("near", "127.0.0.1:0", 0), ("far", "0.0.0.0:0", 1)] {
        let wanted = Wanted { name: name.into(), listen: listen.into(), ..wanted(server.addr()) };
        let port = fleet.create(wanted).await.expect("made").listen.rsplit(':').next().expect("a port").to_owned();
        let mut open = Vec::new();
        for _ in 0..2 {
            let mut stream = connect(&format!("127.0.0.1:{port}")).await;
            // Either an answer or a reset.
            if stream.write_all(b"hello").await.is_ok() {
                let _ = stream.read_exact(&mut [0; 3]).await;
            }
            open.push(stream);
        }
        let report = fleet.with(name, |member| Ok(member.running().expect("it runs").snapshot().report)).await;
        assert_eq!(report.expect("there").refused, refused, "{name}");
    }
}

#[tokio::test]
async fn a_relay_whose_listener_fails_is_told_and_disabled() {
    let (failures, mut broken) = mpsc::channel(MOST_RELAYS);
    let fleet = Fleet::new(Template { failures, ..crate::control::tests::template(&[]) });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let ours = listener.try_clone().expect("a second descriptor");
    let given = Given {
        name: "a".into(),
        listen: Addr::Fd(listener.into_raw_fd().unsigned_abs()),
        leads: Leads::Servers(vec![Addr::parse("127.0.0.1:9").expect("good")]),
        faults: Vec::new(),
        enabled: true,
    };
    fleet.add(given).await.expect("added");
    fleet.create(Wanted { name: "b".into(), ..wanted("127.0.0.1:9") }).await.expect("made");
    rustix::net::shutdown(&ours, rustix::net::Shutdown::Both).expect("a socket");
    let Broken { name, error } = broken.recv().await.expect("told");
    assert_eq!((name.as_str(), error.operation()), ("a", "accept"), "{error}");
    assert!(fleet.give_up("a").await, "the other one runs");
    let enabled: Vec<bool> = fleet.list().await.iter().map(|view| view.enabled).collect();
    assert_eq!(enabled, [false, true]);
}

#[tokio::test]
async fn what_relays_did_that_are_gone_is_counted() {
    let (server, fleet) = (fixture::Server::reply("one"), fleet(&[]));
    let made = fleet.create(wanted(server.addr())).await.expect("made");
    let mut stream = connect(&made.listen).await;
    assert_eq!(ask(&mut stream).await, "one");
    fleet.delete("a").await.expect("there");
    let count = |report: Report| (report.sessions, report.to_server_bytes, report.to_client_bytes);
    assert_eq!(count(fleet.report()), (1, 5, 3), "while it parts");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end of stream"), 0);
    drop(stream);
    assert_eq!(count(fleet.drain().await), (1, 5, 3));
}

#[tokio::test]
async fn everything_has_a_bound() {
    let fleet = fleet(&[]);
    for number in 0..MOST_RELAYS {
        let name = format!("a{number}");
        fleet.create(Wanted { name, enabled: false, ..wanted("127.0.0.1:9") }).await.expect("made");
    }
    assert_eq!(fleet.create(wanted("127.0.0.1:9")).await.expect_err("one too many").status, 400);
    let fill = |member: &mut Member| (0..).try_for_each(|number| member.attach(toxic(&format!("t{number}"))));
    assert_eq!(fleet.with("a0", fill).await.expect_err("they end").error, "too many faults: 256 at most");
}

#[tokio::test]
async fn a_fleet_is_suspended_resumed_and_drained_as_one() {
    let (server, fleet) = (fixture::Server::reply("one"), fleet(&[]));
    let mut listens = Vec::new();
    for name in ["a", "b"] {
        let made = fleet.create(Wanted { name: name.into(), ..wanted(server.addr()) }).await.expect("made");
        listens.push(made.listen);
    }
    let mut stream = connect(&listens[0]).await;
    assert_eq!(ask(&mut stream).await, "one");
    fleet.steer(Running::suspend).await;
    fleet.each(|member| assert!(!member.running().expect("it runs").snapshot().accepting)).await;
    fleet.steer(Running::resume).await;
    fleet.each(|member| assert!(member.running().expect("it runs").snapshot().accepting)).await;
    stream.shutdown().await.expect("ends");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end of stream"), 0);
    assert_eq!(fleet.drain().await.sessions, 1);
    for listen in listens {
        assert!(TcpStream::connect(&listen).await.is_err(), "{listen}");
    }
}

#[tokio::test]
async fn a_proxy_is_shown_without_its_login_switched_and_never_made_by_a_request() {
    let fleet = fleet(&[]);
    let word: Upstream = "socks5:alice:secret".parse().expect("good");
    let given = Given {
        name: "out".into(),
        listen: Addr::parse("127.0.0.1:0").expect("good"),
        leads: Leads::of(vec![word]).expect("good"),
        faults: Vec::new(),
        enabled: true,
    };
    assert_eq!(fleet.add(given).await.expect("made").upstream, "socks5:");
    for enabled in [false, true] {
        let change = Change { enabled: Some(enabled), upstream: Some("socks5:".into()), ..Change::default() };
        let view = fleet.update("out", change).await.expect("switched");
        assert_eq!((view.upstream.as_str(), view.enabled), ("socks5:", enabled));
    }
    let elsewhere = Change { listen: Some("127.0.0.1:0".into()), ..Change::default() };
    let view = fleet.update("out", elsewhere).await.expect("moved");
    assert_eq!((view.upstream.as_str(), view.enabled), ("socks5:", true));
    let mut client = TcpStream::connect(&view.listen).await.expect("connects");
    client.write_all(&[5, 1, 0]).await.expect("writes");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("an end");
    assert_eq!(answer, [5, 0xff], "its login is asked for still");
    for text in ["socks5:", "socks5:alice:secret", "http-connect:", "socks5:,127.0.0.1:9"] {
        assert_eq!(fleet.create(wanted(text)).await.expect_err(text).status, 400, "{text}");
    }
    let to_server = Change { upstream: Some("127.0.0.1:9".into()), ..Change::default() };
    assert_eq!(fleet.update("out", to_server).await.expect("leads there now").upstream, "127.0.0.1:9");
    let back = Change { upstream: Some("socks5:".into()), ..Change::default() };
    assert_eq!(fleet.update("out", back).await.expect_err("not by a request").status, 400);
}

//! Load runs that meet what nobody wishes for: servers that are gone, hang or end at once, handlers that panic, times without end.

use std::sync::Arc;
use std::time::Duration;

use callbox::handle::exchange::Stopwatch;
use callbox::load::{Dial, Ending, Limit, Plan, Play, Playing, Schedule, Stop, Work};
use callbox::workers::Workers;
use callbox::{Result, Session, Stream};
use tokio::time::{Instant, sleep};

use crate::load::{MILLI, dialogue, echo_after, plan, run, run_apart};

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_every_connection_at_once_has_the_exchanges_lost_by_name() {
    // The end is there before anything can be asked.
    let dial = Some(Dial::new(|| Stream::pair().0));
    let plan = plan(dialogue("x", "any"), |stream| echo_after(stream, MILLI));
    let plan = Plan { stop: Stop::count(20), connections: 2, dial, ..plan };
    let report = tokio::time::timeout(Duration::from_secs(60), run(plan)).await.expect("it ends by itself");
    assert_eq!((report.requests, report.answered, report.lost, report.ending), (20, 0, 20, Ending::Count));
    assert_eq!((report.errors[0].kind, report.errors[0].count), ("ended", 20), "{:?}", report.errors);
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_gone_while_nobody_needs_a_connection() {
    let plan = Plan {
        schedule: Schedule::Constant(0.2),
        stop: Stop::after(Duration::from_secs(21)),
        renew_after: Some(1),
        connections: 2,
        ..plan(dialogue("x", "any"), |stream| echo_after(stream, MILLI))
    };
    let report = run(plan).await;
    assert_eq!((report.ending, report.answered, report.opened), (Ending::Duration, 5, 5));
}

/// Has turns as its function says, and never tells how an exchange ended.
#[derive(Clone, Copy)]
struct Rude(fn(u64));

impl Play for Rude {
    fn play(&self, stopwatch: Arc<dyn Stopwatch>, _session: Session, _stream: Stream) -> Playing {
        let Rude(act) = *self;
        Box::pin(async move {
            while let Some(turn) = std::future::poll_fn(|cx| stopwatch.poll_turn(cx)).await {
                sleep(MILLI).await;
                act(turn.number);
            }
            Ok(())
        })
    }
}

fn rude(act: fn(u64), stop: Stop) -> Plan {
    let work = Work::Handler(Arc::new(Rude(act)));
    Plan { work, stop, connections: 3, ..plan(dialogue("x", "any"), |stream| echo_after(stream, MILLI)) }
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_exchange_and_is_told() {
    let plan = rude(|number| assert!(number % 2 == 0, "odd"), Stop::count(10));
    let report = tokio::time::timeout(Duration::from_secs(60), run(plan)).await.expect("it ends by itself");
    assert_eq!((report.requests, report.answered, report.lost, report.ending), (10, 0, 10, Ending::Count));
    let panics = report.errors.iter().find(|error| error.kind == "io").expect("it is told");
    assert_eq!((panics.count, panics.example.contains("panicked: odd")), (5, true), "{}", panics.example);
}

#[tokio::test(start_paused = true)]
async fn exchanges_whose_end_is_not_told_are_lost() {
    let report = run(rude(|_number| (), Stop::after(Duration::from_millis(100)))).await;
    assert!(report.requests > 100, "{}", report.requests);
    assert_eq!((report.lost, report.answered, report.ending), (report.requests, 0, Ending::Duration));
}

#[tokio::test(start_paused = true)]
async fn what_is_longer_than_time_goes_on_is_no_end() {
    let echo = |stream| echo_after(stream, MILLI);
    for schedule in [Schedule::Closed, Schedule::Constant(1e-300), Schedule::Poisson(1e-300)] {
        let plan = Plan {
            schedule,
            stop: Stop::after(Duration::MAX),
            think: Duration::MAX,
            connections: 2,
            ..plan(dialogue("x", "any"), echo)
        };
        let mut running = plan.start(&Workers::current()).await.expect("starts");
        sleep(Duration::from_secs(1)).await;
        running.stop();
        let report = running.report().await;
        assert_eq!((report.answered, report.ending), (report.requests, Ending::Stopped));
    }
    let plan = Plan { warm_up: Duration::MAX, stop: Stop::after(MILLI), ..plan(dialogue("x", "any"), echo) };
    let running = plan.start(&Workers::current()).await.expect("starts");
    sleep(Duration::from_millis(10)).await;
    assert!(running.snapshot().is_warming_up);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_at_any_rate_is_counted_at_once() {
    let deaf = |stream: Stream| async move {
        sleep(Duration::from_secs(3600)).await;
        drop(stream);
        Ok(())
    };
    let plan = Plan {
        schedule: Schedule::Constant(1e9),
        warm_up: Duration::from_secs(1),
        stop: Stop::after(Duration::from_secs(100)),
        connections: 1,
        ..plan(dialogue("x", "any"), deaf)
    };
    let report = run(plan).await;
    // The only one that began did so in the warm-up.
    assert_eq!((report.requests, report.missed), (0, 100_000_000_000));
    assert!(report.is_saturated());
}

#[tokio::test(start_paused = true)]
async fn a_rate_means_nothing_where_there_are_no_exchanges() {
    let idle = |mut stream: Stream| async move { stream.chunk().await.map(drop) };
    let plan = Plan {
        schedule: Schedule::Constant(1000.0),
        work: Work::Idle,
        stop: Stop::after(Duration::from_secs(1)),
        connections: 3,
        ..plan(dialogue("x", "any"), idle)
    };
    let report = run(plan).await;
    assert_eq!((report.missed, report.requests, report.rate_asked, report.most_open), (0, 0, None, 3));
}

#[tokio::test]
async fn no_more_are_missed_than_were_to_be_done() {
    let deaf = callbox::fixture::Server::start(|_session: Session, mut stream: Stream| async move {
        while stream.chunk().await?.is_some() {}
        Ok(())
    });
    let plan = Plan {
        schedule: Schedule::Constant(10_000.0),
        stop: Stop { after: Some(200 * MILLI), count: Some(100) },
        connections: 2,
        ..Plan::new(deaf.addr().into(), Work::Exchange(Arc::new(dialogue("x", "any"))))
    };
    let report = run_apart(plan).await;
    assert_eq!((report.requests, report.lost, report.missed, report.ending), (2, 2, 98, Ending::Duration));
    deaf.stop();
}

#[tokio::test]
async fn a_first_connection_that_fails_does_not_speak_for_all() {
    let server = callbox::fixture::Server::echo();
    // The second address is nobody's, and the first connection comes from there.
    let sources = vec!["127.0.0.1".parse().expect("good"), "192.0.2.1".parse().expect("good")];
    let plan = Plan {
        sources,
        stop: Stop::count(50),
        connections: 4,
        ..Plan::new(server.addr().into(), Work::Exchange(Arc::new(dialogue("x", "any"))))
    };
    let report = run_apart(plan).await;
    assert!(report.answered > 0, "{report:?}");
    assert_eq!(report.answered + report.lost, 50);
    // No port is lacking: it is the address.
    let names = |kind| report.errors.iter().any(|error| error.kind == kind);
    assert!(names("address_not_available") && !names("no_ports"), "{:?}", report.errors);
    assert_eq!(report.limits.iter().find(|limit| **limit == Limit::Ports), None);
    server.stop();
}

/// A proxy that lets its first client through at once, which then gets 1,000 bytes, and each other one after `delay`.
async fn slow_proxy(delay: Duration) -> Result<(std::net::SocketAddr, tokio::task::AbortHandle)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let addr = listener.local_addr().expect("bound");
    let serving = tokio::spawn(async move {
        let mut clients = tokio::task::JoinSet::new();
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            clients.spawn(async move {
                let mut asked = [0; 1000];
                let _ = stream.read(&mut asked).await;
                if number > 0 {
                    sleep(delay).await;
                }
                let _ = stream.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").await;
                if number == 0 {
                    let _ = stream.write_all(&[b'x'; 1000]).await;
                }
                let _ = stream.read(&mut asked).await;
            });
        }
    });
    Ok((addr, serving.abort_handle()))
}

fn through(proxy: std::net::SocketAddr, work: Work, timeout: Duration) -> Plan {
    let proxies = vec![format!("http://{proxy}").parse().expect("good")];
    let mut plan = Plan::new("10.0.0.1:9".parse().expect("good"), work);
    plan.options = callbox::net::connect::ConnectOptions { proxies, timeout: Some(timeout), ..plan.options };
    plan
}

#[tokio::test]
async fn bytes_that_came_before_the_clock_are_not_of_the_run() {
    let (addr, serving) = slow_proxy(300 * MILLI).await.expect("starts");
    let through = through(addr, Work::Receive(65_536), Duration::from_secs(20));
    let report = run_apart(Plan { connections: 3, stop: Stop::after(50 * MILLI), ..through }).await;
    assert_eq!((report.opened, report.to_client_bytes), (3, 0));
    assert!(report.series.slices.iter().all(|slice| slice.to_client_bytes == 0));
    serving.abort();
}

#[tokio::test]
async fn connections_that_hang_are_not_awaited_one_after_the_other() {
    let (addr, serving) = slow_proxy(Duration::from_secs(60)).await.expect("starts");
    // Three times as many as are opened at once.
    let through = through(addr, Work::Idle, Duration::from_secs(1));
    let begun = Instant::now();
    let plan = Plan { connections: 380, stop: Stop::after(10 * MILLI), ..through };
    let running = plan.start(&Workers::current()).await.expect("one is there");
    assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
    drop(running);
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn a_run_in_whose_time_nothing_is_due_ends_with_it() {
    let plan = Plan {
        schedule: Schedule::Poisson(1e-6),
        stop: Stop::after(Duration::from_secs(1)),
        renew_after: Some(1),
        ..plan(dialogue("x", "any"), |stream| echo_after(stream, MILLI))
    };
    let report = run(plan).await;
    assert_eq!((report.requests, report.opened, report.ending), (0, 0, Ending::Duration));
}

#[tokio::test]
async fn a_run_whose_first_connection_hangs_is_over_with_its_time() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let through = through(deaf.local_addr().expect("bound"), Work::Connect, Duration::from_secs(60));
    let plan = Plan { connections: 2, stop: Stop::after(200 * MILLI), ..through };
    let report = tokio::time::timeout(Duration::from_secs(20), run_apart(plan)).await.expect("it ends by itself");
    assert_eq!((report.requests, report.lost, report.ending), (2, 2, Ending::NeverConnected));
}

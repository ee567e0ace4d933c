//! Load runs in virtual time, against servers in this process: what a schedule promises is exact here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use callbox::addr::Addr;
use callbox::frame::Framing;
use callbox::handle::exchange::{Dialogue, Request, Requests, Verify};
use callbox::load::{Dial, Ending, Limit, Plan, Precision, Report, Schedule, Stop, Work};
use callbox::text::{Encoding, Template};
use callbox::workers::Workers;
use callbox::{Result, Session, Stream};
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) const MILLI: Duration = Duration::from_millis(1);

pub(crate) fn dialogue(request: &str, until: &str) -> Dialogue {
    let template = Template::parse(request, Encoding::UTF_8).expect("good");
    let requests = Requests::new(vec![Request { template, weight: 1 }], Framing::none()).expect("good");
    Dialogue::new(requests, until.parse().expect("good"))
}

/// A plan whose connections come from `serve`, each with a task of it at the other end.
pub(crate) fn plan<F>(dialogue: Dialogue, serve: impl Fn(Stream) -> F + Send + Sync + 'static) -> Plan
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let dial = Dial::new(move || {
        let (client, server) = Stream::pair();
        tokio::spawn(serve(server));
        client
    });
    Plan {
        precision: Precision::Coarse,
        dial: Some(dial),
        ..Plan::new(Addr::Memory, Work::Exchange(Arc::new(dialogue)))
    }
}

pub(crate) async fn run(plan: Plan) -> Report {
    plan.start(&Workers::current()).await.expect("starts").report().await
}

/// Answers every chunk after `time`, and sends it back.
pub(crate) async fn echo_after(mut stream: Stream, time: Duration) -> Result<()> {
    while let Some(bytes) = stream.chunk().await? {
        sleep(time).await;
        stream.write_all(&bytes).await?;
    }
    Ok(())
}

/// Answers at once, but stands still from 400 to 500 ms of each second since `origin`.
async fn stall(mut stream: Stream, origin: Instant) -> Result<()> {
    while let Some(bytes) = stream.chunk().await? {
        let since = origin.elapsed();
        let within = Duration::from_nanos((since.as_nanos() % 1_000_000_000) as u64);
        if (400..500).contains(&within.as_millis()) {
            sleep_until(origin + since - within + Duration::from_millis(500)).await;
        }
        stream.write_all(&bytes).await?;
    }
    Ok(())
}

fn within_5_percent(found: Duration, due: Duration) -> bool {
    found.abs_diff(due) <= (due / 20).max(Duration::from_micros(100))
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_seen_by_everyone_who_was_to_be_served_meanwhile() {
    for connections in [200, 1] {
        let origin = Instant::now();
        let plan = Plan {
            schedule: Schedule::Constant(1000.0),
            stop: Stop::after(Duration::from_secs(20)),
            connections,
            ..plan(dialogue("x", "any"), move |stream| stall(stream, origin))
        };
        let report = run(plan).await;
        assert_eq!((report.requests, report.answered, report.missed, report.lost), (20_000, 20_000, 0, 0));
        // One of ten is to begin in a stall, and waits for what is left of it: 100, 99, ... 1 ms.
        assert!(report.response.percentile(50.0) <= Duration::from_nanos(1), "{:?}", report.response.percentile(50.0));
        for (percent, due) in [(99.0, 90 * MILLI), (99.9, 99 * MILLI), (100.0, 100 * MILLI)] {
            let found = report.response.percentile(percent);
            assert!(within_5_percent(found, due), "{connections} connections: p{percent} is {found:?}, due is {due:?}");
        }
        let stalled = 1.0 - report.response.share_within(MILLI / 2);
        assert!((stalled - 0.1).abs() < 0.001, "{stalled} of them waited");
        if connections == 1 {
            // One connection alone asks once in a stall: its service times know nothing of those who could not ask.
            assert!(report.service.percentile(99.0) < MILLI, "{:?}", report.service.percentile(99.0));
            assert_eq!(report.limits, [Limit::Connections]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_exchanges_are_done_and_each_has_a_number_of_its_own() {
    let sum = Arc::new(AtomicU64::new(0));
    let counted = sum.clone();
    let serve = move |mut stream: Stream| {
        let counted = counted.clone();
        async move {
            while let Some(bytes) = stream.chunk().await? {
                let number: u64 = std::str::from_utf8(&bytes).expect("text").trim().parse().expect("a number");
                counted.fetch_add(number, Relaxed);
                sleep(MILLI).await;
                stream.write_all(&bytes).await?;
            }
            Ok(())
        }
    };
    let mut dialogue = dialogue("{n}\n", "\\n");
    dialogue.verify = Some(Verify::Sequence);
    let report = run(Plan { stop: Stop::count(1000), connections: 7, ..plan(dialogue, serve) }).await;
    assert_eq!((report.requests, report.answered, report.wrong, report.ending), (1000, 1000, 0, Ending::Count));
    assert_eq!(sum.load(Relaxed), 1000 * 1001 / 2);
    // 143 rounds of a millisecond: the time is over with the last answer.
    assert_eq!(report.duration, 143 * MILLI);
    assert_eq!((report.opened, report.most_open), (7, 7));
}

#[tokio::test(start_paused = true)]
async fn the_warm_up_is_not_counted() {
    let plan = Plan {
        schedule: Schedule::Constant(100.0),
        warm_up: Duration::from_secs(1),
        stop: Stop::after(Duration::from_secs(2)),
        ..plan(dialogue("x", "any"), |stream| echo_after(stream, MILLI))
    };
    let report = run(plan).await;
    assert_eq!((report.requests, report.answered, report.missed), (200, 200, 0));
    assert_eq!((report.to_server_bytes, report.to_client_bytes), (200, 200));
    assert_eq!(report.duration, Duration::from_secs(2));
    assert_eq!(report.rate_asked, Some(100.0));
    assert_eq!(report.series.slices.iter().map(|slice| slice.answered).sum::<u64>(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_rate_beyond_reach_is_told_and_ends_in_time() {
    let plan = Plan {
        schedule: Schedule::Constant(1000.0),
        stop: Stop::after(Duration::from_secs(2)),
        connections: 1,
        ..plan(dialogue("x", "any"), |stream| echo_after(stream, 20 * MILLI))
    };
    let begun = Instant::now();
    let report = run(plan).await;
    assert!(begun.elapsed() <= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(report.is_saturated());
    assert_eq!((report.requests, report.answered, report.missed), (100, 100, 1900));
    assert_eq!(report.rate_reached(), 50.0);
    assert!(report.response.max() > Duration::from_millis(1800), "the last had waited for nearly all the time");
    assert_eq!(report.service.max(), 20 * MILLI);
    assert!(report.lateness.is_empty() || report.lateness.max() <= MILLI, "the generator was never late");
}

#[tokio::test(start_paused = true)]
async fn a_closed_workload_waits_for_its_answers_and_thinks() {
    let plan = Plan {
        stop: Stop::after(Duration::from_secs(1)),
        connections: 4,
        think: 15 * MILLI,
        ..plan(dialogue("x", "any"), |stream| echo_after(stream, 10 * MILLI))
    };
    let report = run(plan).await;
    // Four connections, an exchange every 25 ms, the first at once.
    assert_eq!(report.requests, 4 * 40);
    assert_eq!(report.answered, report.requests);
    assert_eq!(report.response.max(), 10 * MILLI);
    assert_eq!((report.rate_asked, report.missed), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn answers_behind_the_end_of_a_closed_run_take_their_time_too() {
    let plan = Plan {
        stop: Stop::after(Duration::from_millis(200)),
        connections: 1,
        ..plan(dialogue("x", "any"), |stream| echo_after(stream, 70 * MILLI))
    };
    let report = run(plan).await;
    // Begun at 0, 70 and 140 ms: the last answer comes 10 ms after the end.
    assert_eq!((report.answered, report.lost, report.duration), (3, 0, 210 * MILLI));
    assert_eq!(report.series.slices.iter().map(|slice| slice.answered).sum::<u64>(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_has_the_same_arrivals() {
    let of = |seed| async move {
        let plan = Plan {
            schedule: Schedule::Poisson(500.0),
            stop: Stop::after(Duration::from_secs(2)),
            seed,
            ..plan(dialogue("x", "any"), |stream| echo_after(stream, 5 * MILLI))
        };
        let report = run(plan).await;
        (report.requests, report.response)
    };
    let (one, other) = (of(7).await, of(7).await);
    assert_eq!(one, other);
    assert_ne!(of(8).await.0, 0);
    assert!((800..1200).contains(&one.0), "{}", one.0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_so_many_exchanges_and_a_server_that_closes_is_asked_again() {
    let serve = |stream| echo_after(stream, MILLI);
    let report =
        run(Plan { stop: Stop::count(30), connections: 2, renew_after: Some(3), ..plan(dialogue("x", "any"), serve) })
            .await;
    assert_eq!((report.answered, report.opened, report.lost), (30, 10, 0));
    // Answers once, and ends.
    let once = |mut stream: Stream| async move {
        if let Some(bytes) = stream.chunk().await? {
            stream.write_all(&bytes).await?;
        }
        stream.shutdown().await
    };
    let report = run(Plan { stop: Stop::count(30), connections: 2, ..plan(dialogue("x", "any"), once) }).await;
    assert_eq!((report.answered, report.lost, report.errors.len()), (30, 0, 0), "{:?}", report.errors);
    assert!(report.opened >= 30, "{}", report.opened);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_nobody_costs_the_grace_and_no_more() {
    let deaf = |stream: Stream| async move {
        sleep(Duration::from_secs(3600)).await;
        drop(stream);
        Ok(())
    };
    let begun = Instant::now();
    let plan = Plan { stop: Stop::after(Duration::from_secs(1)), connections: 5, ..plan(dialogue("x", "any"), deaf) };
    let report = run(plan).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((report.requests, report.answered, report.lost, report.ending), (5, 0, 5, Ending::Duration));
    // Their times are in no percentile, so it is told how long they have waited.
    assert_eq!((report.errors[0].kind, report.errors[0].count), ("timed_out", 5));
    assert!(report.errors[0].example.ends_with("after 1.5 s"), "{}", report.errors[0].example);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_late_or_short_are_lost_by_name() {
    let mut late = dialogue("x", "any");
    late.answer_timeout = Some(50 * MILLI);
    let plan_late =
        Plan { stop: Stop::count(10), connections: 2, ..plan(late, |stream| echo_after(stream, 100 * MILLI)) };
    let report = run(plan_late).await;
    assert_eq!((report.requests, report.lost), (10, 10));
    assert_eq!((report.errors[0].kind, report.errors[0].count), ("timed_out", 10));
    let short = |mut stream: Stream| async move {
        while stream.chunk().await?.is_some() {
            stream.write_all(b"x").await?;
            stream.shutdown().await?;
        }
        Ok(())
    };
    let report = run(Plan { stop: Stop::count(10), connections: 2, ..plan(dialogue("x", "bytes:2"), short) }).await;
    assert_eq!((report.requests, report.answered, report.lost), (10, 0, 10));
    assert_eq!((report.errors[0].kind, report.errors[0].count), ("ended", 10));
}

#[tokio::test(start_paused = true)]
async fn a_run_can_be_looked_at_and_stopped() {
    let plan = Plan {
        schedule: Schedule::Constant(100.0),
        stop: Stop::after(Duration::from_secs(3600)),
        connections: 3,
        ..plan(dialogue("x", "any"), |stream| echo_after(stream, MILLI))
    };
    let mut running = plan.start(&Workers::current()).await.expect("starts");
    sleep(Duration::from_millis(1050)).await;
    let seen = running.snapshot();
    assert_eq!((seen.open, seen.behind, seen.is_warming_up), (3, 0, false));
    assert_eq!(seen.report.answered, 100);
    assert_eq!(seen.report.ending, Ending::Running);
    assert!(seen.remaining.expect("it has an end") > Duration::from_secs(3500));
    running.stop();
    let report = running.report().await;
    assert_eq!(report.ending, Ending::Stopped);
    assert_eq!(report.answered, report.requests);
    assert_eq!(report.missed, 0);
    assert!((1000..1100).contains(&(report.duration.as_millis() as u64)), "{:?}", report.duration);
}

#[tokio::test(start_paused = true)]
async fn long_runs_have_no_more_slices_and_lose_nothing_of_them() {
    let plan = Plan {
        schedule: Schedule::Constant(10.0),
        stop: Stop::after(Duration::from_secs(100)),
        connections: 1,
        ..plan(dialogue("x", "any"), |stream| echo_after(stream, MILLI))
    };
    let report = run(plan).await;
    let slices = &report.series.slices;
    assert!((30..=120).contains(&slices.len()), "{} slices", slices.len());
    assert_eq!(slices.iter().map(|slice| slice.answered).sum::<u64>(), 1000);
    assert_eq!(slices.iter().map(|slice| slice.response.count()).sum::<u64>(), 1000);
    assert_eq!(slices.iter().map(|slice| slice.to_server_bytes).sum::<u64>(), 1000);
}

/// On real sockets and two threads: who answers is a server as anybody has one.
#[tokio::test]
async fn a_stall_is_seen_on_real_sockets() {
    let origin = Instant::now();
    let serve = move |_session: Session, stream: Stream| stall(stream, origin);
    let server = callbox::fixture::Server::start(serve);
    let plan = Plan {
        schedule: Schedule::Constant(200.0),
        stop: Stop::after(Duration::from_secs(3)),
        connections: 40,
        ..Plan::new(server.addr().into(), Work::Exchange(Arc::new(dialogue("x", "any"))))
    };
    let report = run_apart(plan).await;
    assert_eq!((report.requests, report.answered, report.lost, report.missed), (600, 600, 0, 0));
    // A machine that is busy makes it longer, and nothing shorter: three whole stalls were in it.
    let p97 = report.response.percentile(97.0);
    assert!(p97 >= 60 * MILLI, "p97 is {p97:?}");
    assert!(report.response.max() >= 95 * MILLI, "the longest is {:?}", report.response.max());
    server.stop();
}

pub(crate) async fn run_apart(plan: Plan) -> Report {
    plan.start(&Workers::apart(2).expect("threads")).await.expect("starts").report().await
}

#[tokio::test]
async fn nobody_there_is_an_error_before_anything_began() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let addr = taken.local_addr().expect("bound");
    drop(taken);
    let plan = Plan::new(addr.into(), Work::Exchange(Arc::new(dialogue("x", "any"))));
    let error = plan.start(&Workers::current()).await.expect_err("nobody listens");
    assert!(error.is_refused(), "{error}");
}

#[tokio::test]
async fn a_server_that_goes_away_ends_the_run() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let addr = listener.local_addr().expect("bound");
    let serving = tokio::spawn(async move {
        let mut echoes = tokio::task::JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            echoes.spawn(async move {
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
    });
    let plan = Plan {
        connections: 4,
        give_up: Some(300 * MILLI),
        ..Plan::new(addr.into(), Work::Exchange(Arc::new(dialogue("x", "any"))))
    };
    let mut running = plan.start(&Workers::apart(1).expect("threads")).await.expect("starts");
    // Its connections and its listener go with it.
    serving.abort();
    let report = tokio::time::timeout(Duration::from_secs(20), running.report()).await.expect("it ends by itself");
    assert_eq!(report.ending, Ending::ServerGone);
    assert!(report.errors.iter().any(|error| error.kind == "refused"), "{:?}", report.errors);
    assert_eq!(report.answered + report.wrong + report.lost, report.requests);
}

#[tokio::test]
async fn bytes_connections_and_silence_are_loads_too() {
    let server = callbox::fixture::Server::echo();
    let of = |work: Work, connections| {
        let stop = Stop::after(200 * MILLI);
        Plan { stop, connections, ..Plan::new(server.addr().into(), work) }
    };
    let both = run_apart(of(Work::Both(10_000), 2)).await;
    assert!(both.to_server_bytes > 0 && both.to_client_bytes > 0);
    assert!(both.to_client_bytes <= both.to_server_bytes, "an echo has no more than it was sent");
    assert_eq!((both.mode, both.requests, both.opened), ("both", 0, 2));
    let connect = run_apart(of(Work::Connect, 2)).await;
    assert!(connect.answered > 0);
    assert_eq!(connect.answered, connect.requests);
    let idle = run_apart(of(Work::Idle, 30)).await;
    assert_eq!((idle.most_open, idle.opened, idle.to_server_bytes), (30, 30, 0));
    let report = server.stop();
    assert!(report.sessions >= 2 + connect.opened + 30, "{}", report.sessions);
}

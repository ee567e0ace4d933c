//! Reports as runs would leave them, for tests and for eyes. The figures follow from formulas, so they are always the same.

use std::time::Duration;

use callbox::load::{Distribution, Ending, ErrorCount, Limit, PhaseTimes, Report, Series, Slice};

/// What is around the most frequent time, by a rank between 0 and 1: a bell on a logarithmic scale.
fn spread(median_us: f64, width: f64, rank: f64) -> f64 {
    let rank = rank.clamp(1e-7, 1.0 - 1e-7);
    median_us * (width * (rank / (1.0 - rank)).ln() / 1.702).exp()
}

/// Numbers between 0 and 1 that look random: the golden ratio's multiples.
fn rank(at: u64) -> f64 {
    (at as f64 * 0.618_033_988_749_895 + 0.37).fract()
}

/// Counts times in microseconds as an engine does: to so many bits, rounded up.
fn counted(times_us: impl IntoIterator<Item = f64>, bits: u32) -> Distribution {
    let mut exact: Vec<u64> = times_us.into_iter().map(|time| (time * 1000.0) as u64).collect();
    exact.sort_unstable();
    let mut buckets: Vec<(u64, u64)> = Vec::new();
    for &time in &exact {
        let shift = time.max(1).ilog2().saturating_sub(bits);
        let bound = ((time >> shift) << shift) + (1 << shift) - 1;
        match buckets.last_mut() {
            Some((last, count)) if *last == bound => *count += 1,
            _ => buckets.push((bound, 1)),
        }
    }
    let ends = (exact.first().copied().unwrap_or(0), exact.last().copied().unwrap_or(0));
    Distribution::new(buckets, ends, exact.iter().map(|time| u128::from(*time)).sum()).expect("they ascend")
}

/// One answer of a made-up run: when it came, and its times.
struct Answer {
    at: f64,
    response_us: f64,
    service_us: f64,
}

/// Makes a report of answers.
fn of(answers: &[Answer], seconds: f64, slices: usize) -> Report {
    let slice = seconds / slices as f64;
    let mut series = Series { slice: Duration::from_secs_f64(slice), slices: Vec::new() };
    for at in 0..slices {
        let ends = slice * at as f64..slice * (at + 1) as f64;
        let within: Vec<_> = answers.iter().filter(|answer| ends.contains(&answer.at)).collect();
        let response = counted(within.iter().map(|answer| answer.response_us), 7);
        let (count, open) = (within.len() as u64, 64);
        let (to_server_bytes, to_client_bytes) = (count * 24, count * 24);
        series.slices.push(Slice { answered: count, failed: 0, to_server_bytes, to_client_bytes, open, response });
    }
    let count = answers.len() as u64;
    Report {
        address: "127.0.0.1:7000".into(),
        mode: "exchange",
        schedule: "closed",
        connections: 64,
        seed: 4_815_162_342,
        duration: Duration::from_secs_f64(seconds),
        requests: count,
        answered: count,
        to_server_bytes: count * 24,
        to_client_bytes: count * 24,
        response: counted(answers.iter().map(|answer| answer.response_us), 10),
        service: counted(answers.iter().map(|answer| answer.service_us), 10),
        phases: PhaseTimes {
            connect: counted((0..64).map(|at| spread(85.0, 0.3, rank(at))), 10),
            first_byte: counted((0..64).map(|at| spread(240.0, 0.4, rank(at + 9))), 10),
            ..PhaseTimes::default()
        },
        opened: 64,
        most_open: 64,
        resident_bytes: Some(7_340_032),
        processor_time: Duration::from_millis(1840),
        series,
        ending: Ending::Duration,
        ..Report::default()
    }
}

/// A constant rate on a server that answers fast and stands still for 100 ms each second.
pub fn stalls() -> Report {
    let answers = (0..12_000).map(|at| {
        let start = at as f64 / 1200.0;
        let quick = spread(180.0, 0.35, rank(at));
        let into = start.fract() - 0.4;
        let stall = if (0.0..0.1).contains(&into) { (0.1 - into) * 1e6 } else { 0.0 };
        // Those that came when all 64 connections were waiting were sent late.
        let service_us = if into * 1200.0 < 64.0 { quick + stall } else { quick };
        Answer { at: (start + (stall + quick) / 1e6).min(9.9999), response_us: stall + quick, service_us }
    });
    let answers: Vec<_> = answers.collect();
    Report {
        schedule: "constant",
        rate_asked: Some(1200.0),
        warm_up: Duration::from_secs(1),
        lateness: counted((0..12_000).map(|at| spread(14.0, 0.5, rank(at + 5))), 10),
        ..of(&answers, 10.0, 100)
    }
}

/// A closed run on a server that is just fast.
pub fn closed() -> Report {
    let answers = (0..120_000).map(|at| {
        let time = spread(1010.0, 0.12, rank(at));
        Answer { at: at as f64 / 12_000.0, response_us: time, service_us: time }
    });
    of(&answers.collect::<Vec<_>>(), 10.0, 50)
}

/// A rate beyond what the server does, with connections that it resets and refuses.
pub fn saturated() -> Report {
    let answers = (0..31_140).map(|at| {
        let at_s = at as f64 / 3_114.0;
        let service_us = spread(1900.0, 0.4, rank(at));
        Answer { at: at_s, response_us: service_us + at_s * 0.37e6, service_us }
    });
    let mut report = of(&answers.collect::<Vec<_>>(), 10.0, 100);
    for (at, failed) in [(31, 22), (32, 41), (33, 7), (70, 40), (71, 30)] {
        report.series.slices[at].failed = failed;
    }
    let error = |kind, count, example: &str| ErrorCount { kind, count, example: example.into() };
    report.errors = vec![
        error("reset", 112, "read 127.0.0.1:7000: connection reset"),
        error("refused", 21, "connect 127.0.0.1:7000: connection refused"),
        error("ended", 7, "ended in mid-answer after 17 bytes: \u{1b}[2J<b>&\"quoted\"</b>"),
    ];
    Report {
        schedule: "poisson",
        rate_asked: Some(5_000.0),
        requests: 31_280,
        wrong: 7,
        mixed_up: 2,
        lost: 133,
        missed: 18_720,
        unasked_bytes: 2048,
        lateness: counted((0..5000).map(|at| spread(410.0, 0.6, rank(at))), 10),
        limits: vec![Limit::Processor, Limit::Connections],
        processor_time: Duration::from_millis(19_400),
        opened: 197,
        ..report
    }
}

/// Bulk, both ways.
pub fn bulk() -> Report {
    let slices = (0..40).map(|at| Slice {
        to_server_bytes: (1.25e9 * (1.0 + 0.1 * (rank(at) - 0.5))) as u64,
        to_client_bytes: (0.625e9 * (1.0 + 0.2 * (rank(at + 3) - 0.5))) as u64,
        open: 4,
        ..Slice::default()
    });
    Report {
        mode: "both",
        connections: 4,
        requests: 0,
        answered: 0,
        to_server_bytes: 50_000_000_000,
        to_client_bytes: 25_000_000_000,
        opened: 4,
        most_open: 4,
        series: Series { slice: Duration::from_millis(250), slices: slices.collect() },
        ..of(&[], 10.0, 1)
    }
}

/// A run whose server was never there.
pub fn never_connected() -> Report {
    Report {
        address: "127.0.0.1:9".into(),
        mode: "exchange",
        schedule: "closed",
        connections: 64,
        seed: 7,
        duration: Duration::from_secs(2),
        errors: vec![ErrorCount {
            kind: "refused",
            count: 640,
            example: "connect 127.0.0.1:9: connection refused".into(),
        }],
        ending: Ending::NeverConnected,
        ..Report::default()
    }
}

/// Many connections, held.
pub fn idle() -> Report {
    let slices = (1..=60).map(|at: u64| Slice { open: (at * 2500).min(50_000), ..Slice::default() });
    Report {
        address: "[::1]:7000".into(),
        mode: "idle",
        schedule: "closed",
        connections: 50_000,
        seed: 7,
        duration: Duration::from_secs(30),
        opened: 50_000,
        most_open: 50_000,
        resident_bytes: Some(72_351_744),
        processor_time: Duration::from_millis(2210),
        phases: PhaseTimes {
            connect: counted((0..50_000).map(|at| spread(140.0, 0.5, rank(at))), 10),
            ..PhaseTimes::default()
        },
        series: Series { slice: Duration::from_millis(500), slices: slices.collect() },
        ending: Ending::Duration,
        ..Report::default()
    }
}

/// All of them.
pub fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("stalls", stalls()),
        ("closed", closed()),
        ("saturated", saturated()),
        ("bulk", bulk()),
        ("never_connected", never_connected()),
        ("idle", idle()),
        ("nothing", Report::default()),
    ]
}

//! Runs as they may stand at some moment.

use std::time::Duration;

use callbox::load::{Distribution, ErrorCount, Limit, PhaseTimes, Report, Series, Slice, Snapshot};

/// Returns one of each kind, by name.
pub fn all() -> Vec<(&'static str, Snapshot)> {
    vec![
        ("exchange", exchange()),
        ("tls", tls()),
        ("saturated", saturated()),
        ("connect", connect()),
        ("send", Snapshot { report: Report { mode: "send", ..both().report }, ..both() }),
        ("both", both()),
        ("idle", idle()),
        ("warming-up", warming_up()),
        ("first-moment", first_moment()),
        ("empty", Snapshot::default()),
    ]
}

/// Times around `middle`, with a tail.
fn times(middle: u64, count: u64) -> Distribution {
    let time = |index: u64| {
        let part = (index as f64 + 0.5) / count as f64;
        Duration::from_secs_f64(middle as f64 * 1e-6 * (0.6 + part * 0.8 + 0.02 / (1.0002 - part)))
    };
    (0..count).map(time).collect()
}

fn slices(count: u64, answered: u64) -> Series {
    let wave = [96, 100, 103, 98, 101, 40, 99, 100];
    let slice = |index: u64| Slice {
        answered: answered * wave[(index % 8) as usize] / 100,
        failed: u64::from(index % 8 == 5),
        to_server_bytes: answered * 980 * wave[(index % 8) as usize],
        to_client_bytes: answered * 770 * wave[(index % 8) as usize],
        open: 64,
        response: Distribution::default(),
    };
    Series { slice: Duration::from_millis(200), slices: (0..count).map(slice).collect() }
}

pub fn exchange() -> Snapshot {
    let errors = [("reset", 2), ("timed_out", 1)].map(|(kind, count)| ErrorCount { kind, count, example: kind.into() });
    let mut series = slices(21, 2_468);
    for slice in &mut series.slices[15..] {
        slice.answered = 2_468;
    }
    Snapshot {
        elapsed: Duration::from_millis(4_230),
        remaining: Some(Duration::from_millis(5_770)),
        is_warming_up: false,
        open: 64,
        waiting: 63,
        behind: 0,
        report: Report {
            address: "127.0.0.1:8848".into(),
            mode: "exchange",
            schedule: "closed",
            connections: 64,
            duration: Duration::from_millis(4_230),
            requests: 51_300,
            answered: 51_234,
            lost: 3,
            errors: errors.to_vec(),
            to_server_bytes: 819_744,
            to_client_bytes: 819_744,
            response: times(1_200, 51_234),
            service: times(1_200, 51_234),
            phases: PhaseTimes { connect: times(102, 64), ..PhaseTimes::default() },
            opened: 66,
            most_open: 64,
            series,
            ..Report::default()
        },
    }
}

pub fn tls() -> Snapshot {
    let mut snapshot = exchange();
    let report = &mut snapshot.report;
    report.address = "tls://shop.example:8443".into();
    report.schedule = "constant";
    report.rate_asked = Some(12_500.0);
    report.lateness = times(30, 51_234);
    report.service = times(900, 51_234);
    report.phases.tls = times(1_400, 64);
    report.phases.first_byte = times(700, 64);
    snapshot
}

pub fn saturated() -> Snapshot {
    let mut snapshot = exchange();
    snapshot.behind = 33_000;
    snapshot.waiting = 64;
    let report = &mut snapshot.report;
    report.schedule = "poisson";
    report.rate_asked = Some(20_000.0);
    report.missed = 33_366;
    report.wrong = 12;
    report.mixed_up = 2;
    report.unasked_bytes = 77;
    report.response = times(900_000, 51_234);
    report.limits = vec![Limit::Processor, Limit::Connections];
    for (kind, count) in [("ended", 1), ("refused", 1), ("no_ports", 1)] {
        report.errors.push(ErrorCount { kind, count, example: kind.into() });
    }
    snapshot
}

pub fn connect() -> Snapshot {
    let mut snapshot = exchange();
    let report = &mut snapshot.report;
    report.mode = "connect";
    report.response = times(120, 51_234);
    report.phases.connect = times(110, 51_234);
    snapshot
}

pub fn both() -> Snapshot {
    let mut snapshot = exchange();
    let report = &mut snapshot.report;
    report.mode = "both";
    report.errors.clear();
    report.response = Distribution::default();
    report.to_server_bytes = 5_000_000_000;
    report.to_client_bytes = 4_000_000_000;
    snapshot
}

pub fn idle() -> Snapshot {
    let mut series = slices(17, 0);
    series.slice = Duration::from_secs(4);
    for (index, slice) in (0..).zip(&mut series.slices) {
        (slice.open, slice.failed) = ((1_500 * (index + 1)).min(9_998), u64::from(index == 6) * 2);
    }
    Snapshot {
        elapsed: Duration::from_millis(65_100),
        remaining: None,
        open: 9_998,
        report: Report {
            mode: "idle",
            duration: Duration::from_millis(65_100),
            connections: 10_000,
            opened: 10_000,
            most_open: 9_999,
            resident_bytes: Some(61 << 20),
            errors: vec![ErrorCount { kind: "reset", count: 2, example: "reset".into() }],
            response: Distribution::default(),
            series,
            ..exchange().report
        },
        ..Snapshot::default()
    }
}

pub fn warming_up() -> Snapshot {
    Snapshot { elapsed: Duration::from_millis(1_200), is_warming_up: true, open: 64, waiting: 64, ..first_moment() }
}

pub fn first_moment() -> Snapshot {
    let asked = exchange().report;
    let report =
        Report { address: asked.address, mode: asked.mode, schedule: "ramp", connections: 64, ..Report::default() };
    Snapshot { remaining: Some(Duration::from_secs(10)), report, ..Snapshot::default() }
}

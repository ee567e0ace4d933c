//! The figures of a report that can be compared with a value.

use std::fmt;
use std::time::Duration;

use crate::load::distribution::Distribution;
use crate::load::report::Report;

/// A figure of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Quantity {
    /// Of a distribution of times.
    Time(Times, Statistic),
    /// Answers a second.
    Rate,
    /// Bytes a second.
    Throughput,
    /// How many.
    Count(Counted),
}

/// Which times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    Response,
    Service,
    Lateness,
    Connect,
    Proxy,
    Tls,
    FirstByte,
}

impl Times {
    pub(super) const ALL: [Times; 7] =
        [Times::Response, Times::Service, Times::Lateness, Times::Connect, Times::Proxy, Times::Tls, Times::FirstByte];

    pub(super) fn name(self) -> &'static str {
        match self {
            Times::Response => "response",
            Times::Service => "service",
            Times::Lateness => "lateness",
            Times::Connect => "connect",
            Times::Proxy => "proxy",
            Times::Tls => "tls",
            Times::FirstByte => "first_byte",
        }
    }

    fn of(self, report: &Report) -> &Distribution {
        match self {
            Times::Response => &report.response,
            Times::Service => &report.service,
            Times::Lateness => &report.lateness,
            Times::Connect => &report.phases.connect,
            Times::Proxy => &report.phases.proxy,
            Times::Tls => &report.phases.tls,
            Times::FirstByte => &report.phases.first_byte,
        }
    }
}

/// What of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    Min,
    Mean,
    Max,
    Percentile(f64),
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Errors,
    Wrong,
    MixedUp,
    Lost,
    Missed,
}

impl Counted {
    pub(super) const ALL: [Counted; 5] =
        [Counted::Errors, Counted::Wrong, Counted::MixedUp, Counted::Lost, Counted::Missed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Counted::Errors => "errors",
            Counted::Wrong => "wrong",
            Counted::MixedUp => "mixed_up",
            Counted::Lost => "lost",
            Counted::Missed => "missed",
        }
    }
}

/// What a figure is in a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reading {
    Time(Duration),
    /// So many a second.
    PerSecond(f64),
    /// So many of all that could have been.
    Count {
        count: u64,
        of: u64,
    },
    /// No such time was measured.
    Nothing,
}

impl Quantity {
    pub(super) fn read(self, report: &Report) -> Reading {
        match self {
            Quantity::Time(times, statistic) => {
                let all = times.of(report);
                match statistic {
                    _ if all.is_empty() => Reading::Nothing,
                    Statistic::Min => Reading::Time(all.min()),
                    Statistic::Mean => Reading::Time(all.mean()),
                    Statistic::Max => Reading::Time(all.max()),
                    Statistic::Percentile(percent) => Reading::Time(all.percentile(percent)),
                }
            }
            Quantity::Rate => Reading::PerSecond(report.rate_reached()),
            Quantity::Throughput => {
                let (to_server, to_client) = report.throughput();
                Reading::PerSecond(to_server + to_client)
            }
            Quantity::Count(counted) => {
                let (count, of) = match counted {
                    Counted::Errors => (report.errors_total(), report.requests),
                    Counted::Wrong => (report.wrong, report.requests),
                    Counted::MixedUp => (report.mixed_up, report.requests),
                    Counted::Lost => (report.lost, report.requests),
                    Counted::Missed => (report.missed, report.requests.saturating_add(report.missed)),
                };
                Reading::Count { count, of }
            }
        }
    }
}

impl fmt::Display for Quantity {
    /// Prints it in words, for the begin of a sentence: `p99`, `service.p99`, `wrong answers`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Time(times, statistic) => {
                if *times != Times::Response {
                    write!(f, "{}.", times.name())?;
                }
                match statistic {
                    Statistic::Min => f.write_str("min"),
                    Statistic::Mean => f.write_str("mean"),
                    Statistic::Max => f.write_str("max"),
                    Statistic::Percentile(percent) => write!(f, "p{percent}"),
                }
            }
            Quantity::Rate => f.write_str("rate"),
            Quantity::Throughput => f.write_str("throughput"),
            Quantity::Count(counted) => f.write_str(match counted {
                Counted::Errors => "errors",
                Counted::Wrong => "wrong answers",
                Counted::MixedUp => "mixed-up answers",
                Counted::Lost => "lost exchanges",
                Counted::Missed => "missed exchanges",
            }),
        }
    }
}

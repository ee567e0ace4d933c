//! A run in a file, to be compared later: what `--json` prints, and all that was measured, exactly.
//!
//! `measured` is what is read; the figures beside it are for programs. Reading is strict: what does not fit together is no run.

use std::time::{Duration, SystemTime};

use callbox::load::{Distribution, ErrorCount, PhaseTimes, Report, Series, Slice};
use callbox::text::safe;
use serde::{Deserialize, Serialize};

use super::json;

mod names;

/// The version of the format; readers refuse every other one.
const FORMAT: u64 = 1;
/// The longest file that is read as a run: of the most slices with all their times it is a few MiB.
pub const LONGEST: u64 = 64 << 20;
/// More different times than any distribution has: three significant digits of all that fit 64 bits.
const MOST_TIMES: usize = 200_000;
/// More slices than any run has.
const MOST_SLICES: usize = 100_000;
/// More kinds of errors than there are.
const MOST_ERRORS: usize = 1_000;
/// The longest address or example of an error.
const LONGEST_TEXT: usize = 64 << 10;

/// A run that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// What was found.
    pub report: Report,
    /// When it was told.
    pub time: SystemTime,
}

/// Returns the text of the file.
pub fn write(report: &Report, time: SystemTime) -> String {
    let mut file = json::value(report, time);
    file["callbox"] = "run".into();
    file["format"] = FORMAT.into();
    // Numbers beyond 64 bits do not survive a `Value`, so what was measured is written beside it.
    let measured = serde_json::to_string(&Measured::of(report)).expect("numbers and strings are JSON");
    let file = file.to_string();
    format!("{},\"measured\":{measured}}}\n", file.trim_end_matches('}'))
}

/// Reads the text of a file.
///
/// # Errors
///
/// Says in a fragment what is wrong with it: `is of format 2; ...`, to be put behind the file's name.
pub fn read(text: &str) -> Result<Saved, String> {
    let broken = |error: serde_json::Error| {
        let (error, place) = (error.to_string(), format!(" at line {} column {}", error.line(), error.column()));
        // What could stand there instead is a long list.
        let problem = error.split(", expected").next().unwrap_or(&error).trim_end_matches(&place);
        format!("is no whole saved run: {}{place}", safe(problem))
    };
    let head: Head = serde_json::from_str(text)
        .map_err(|_| "is no saved run of callbox; `callbox bench ... --save FILE` writes one".to_owned())?;
    if head.callbox != "run" {
        return Err("is no saved run of callbox; `callbox bench ... --save FILE` writes one".into());
    }
    if head.format != FORMAT {
        return Err(format!("is of format {}; this callbox reads format {FORMAT}", head.format));
    }
    let file: Whole = serde_json::from_str(text).map_err(broken)?;
    let time = humantime::parse_rfc3339(&file.time).map_err(|_| "its time is none".to_owned())?;
    Ok(Saved { report: file.measured.report()?, time })
}

/// What every file of callbox begins with, in any version.
#[derive(Deserialize)]
struct Head {
    callbox: String,
    format: u64,
}

#[derive(Deserialize)]
struct Whole {
    time: String,
    measured: Measured,
}

/// A report, exactly. Times are in nanoseconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    address: String,
    mode: String,
    schedule: String,
    /// In decimal digits: a reader of JSON may take a number as one that is only near.
    rate_asked: Option<String>,
    connections: u64,
    seed: u64,
    duration_ns: u64,
    warm_up_ns: u64,
    requests: u64,
    answered: u64,
    wrong: u64,
    mixed_up: u64,
    lost: u64,
    missed: u64,
    errors: Vec<Failed>,
    unasked_bytes: u64,
    to_server_bytes: u64,
    to_client_bytes: u64,
    response: Times,
    service: Times,
    lateness: Times,
    connect: Times,
    proxy: Times,
    tls: Times,
    first_byte: Times,
    opened: u64,
    most_open: u64,
    resident_bytes: Option<u64>,
    processor_ns: u64,
    limits: Vec<String>,
    ending: String,
    slice_ns: u64,
    slices: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    kind: String,
    count: u64,
    example: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    min: u64,
    max: u64,
    sum: u128,
    times: Vec<(u64, u64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    answered: u64,
    failed: u64,
    to_server_bytes: u64,
    to_client_bytes: u64,
    open: u64,
    response: Times,
}

impl Times {
    fn of(times: &Distribution) -> Times {
        let [min, max] = [times.min(), times.max()].map(nanos);
        Times { min, max, sum: times.sum_nanos(), times: times.buckets().to_vec() }
    }

    fn distribution(self, what: &str) -> Result<Distribution, String> {
        within(self.times.len(), MOST_TIMES, "different times")?;
        let fits = Distribution::new(self.times, (self.min, self.max), self.sum);
        fits.ok_or_else(|| format!("its {what} times do not fit together"))
    }
}

impl Measured {
    fn of(report: &Report) -> Measured {
        let phases = &report.phases;
        let failed = report.errors.iter().map(|error| Failed {
            kind: error.kind.to_owned(),
            count: error.count,
            example: error.example.clone(),
        });
        Measured {
            address: report.address.clone(),
            mode: report.mode.to_owned(),
            schedule: report.schedule.to_owned(),
            rate_asked: report.rate_asked.map(|rate| rate.to_string()),
            connections: report.connections,
            seed: report.seed,
            duration_ns: nanos(report.duration),
            warm_up_ns: nanos(report.warm_up),
            requests: report.requests,
            answered: report.answered,
            wrong: report.wrong,
            mixed_up: report.mixed_up,
            lost: report.lost,
            missed: report.missed,
            errors: failed.collect(),
            unasked_bytes: report.unasked_bytes,
            to_server_bytes: report.to_server_bytes,
            to_client_bytes: report.to_client_bytes,
            response: Times::of(&report.response),
            service: Times::of(&report.service),
            lateness: Times::of(&report.lateness),
            connect: Times::of(&phases.connect),
            proxy: Times::of(&phases.proxy),
            tls: Times::of(&phases.tls),
            first_byte: Times::of(&phases.first_byte),
            opened: report.opened,
            most_open: report.most_open,
            resident_bytes: report.resident_bytes,
            processor_ns: nanos(report.processor_time),
            limits: report.limits.iter().map(|limit| limit.name().to_owned()).collect(),
            ending: report.ending.name().to_owned(),
            slice_ns: nanos(report.series.slice),
            slices: report.series.slices.iter().map(Part::of).collect(),
        }
    }

    fn report(self) -> Result<Report, String> {
        within(self.errors.len(), MOST_ERRORS, "errors")?;
        within(self.slices.len(), MOST_SLICES, "slices")?;
        within(self.address.len(), LONGEST_TEXT, "bytes of an address")?;
        let slices = self.slices.into_iter().map(Part::slice).collect::<Result<_, _>>()?;
        Ok(Report {
            mode: names::mode(&self.mode)?,
            schedule: names::schedule(&self.schedule)?,
            rate_asked: self.rate_asked.map(|rate| asked(&rate)).transpose()?,
            address: self.address,
            connections: self.connections,
            seed: self.seed,
            duration: Duration::from_nanos(self.duration_ns),
            warm_up: Duration::from_nanos(self.warm_up_ns),
            requests: self.requests,
            answered: self.answered,
            wrong: self.wrong,
            mixed_up: self.mixed_up,
            lost: self.lost,
            missed: self.missed,
            errors: self.errors.into_iter().map(Failed::counted).collect::<Result<_, _>>()?,
            unasked_bytes: self.unasked_bytes,
            to_server_bytes: self.to_server_bytes,
            to_client_bytes: self.to_client_bytes,
            response: self.response.distribution("response")?,
            service: self.service.distribution("service")?,
            lateness: self.lateness.distribution("lateness")?,
            phases: PhaseTimes {
                connect: self.connect.distribution("connect")?,
                proxy: self.proxy.distribution("proxy")?,
                tls: self.tls.distribution("tls")?,
                first_byte: self.first_byte.distribution("first_byte")?,
            },
            opened: self.opened,
            most_open: self.most_open,
            resident_bytes: self.resident_bytes,
            processor_time: Duration::from_nanos(self.processor_ns),
            limits: self.limits.iter().map(|name| names::limit(name)).collect::<Result<_, _>>()?,
            series: Series { slice: Duration::from_nanos(self.slice_ns), slices },
            ending: names::ending(&self.ending)?,
        })
    }
}

impl Failed {
    fn counted(self) -> Result<ErrorCount, String> {
        within(self.example.len(), LONGEST_TEXT, "bytes of an error")?;
        Ok(ErrorCount { kind: names::error(&self.kind)?, count: self.count, example: self.example })
    }
}

impl Part {
    fn of(slice: &Slice) -> Part {
        Part {
            answered: slice.answered,
            failed: slice.failed,
            to_server_bytes: slice.to_server_bytes,
            to_client_bytes: slice.to_client_bytes,
            open: slice.open,
            response: Times::of(&slice.response),
        }
    }

    fn slice(self) -> Result<Slice, String> {
        Ok(Slice {
            answered: self.answered,
            failed: self.failed,
            to_server_bytes: self.to_server_bytes,
            to_client_bytes: self.to_client_bytes,
            open: self.open,
            response: self.response.distribution("slices'")?,
        })
    }
}

/// Rust prints every finite number so that it reads back as the same.
fn asked(written: &str) -> Result<f64, String> {
    let rate = written.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
    rate.ok_or_else(|| "its rate is no number".to_owned())
}

fn within(number: usize, most: usize, what: &str) -> Result<(), String> {
    if number > most { Err(format!("it has more than {most} {what}")) } else { Ok(()) }
}

/// Six hundred years fit.
fn nanos(time: Duration) -> u64 {
    super::bins::nanos(time)
}

#[cfg(test)]
mod tests;

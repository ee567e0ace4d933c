//! A report as one JSON object: the contract's names, which are added to and never changed.

use std::time::{Duration, SystemTime};

use callbox::load::{Distribution, Report};
use callbox::text::{rfc3339, safe};
use serde_json::{Map, Value, json};

/// The version of the format.
const VERSION: u8 = 1;
/// The last second of the year 9999, since 1970: RFC 3339 has no later one.
const LAST_TIME: Duration = Duration::from_secs(253_402_300_799);

/// Returns the report; times are in microseconds, with fractions.
pub fn value(report: &Report, at: SystemTime) -> Value {
    let errors: Map<String, Value> =
        report.errors.iter().map(|error| (error.kind.to_owned(), error.count.into())).collect();
    let (to_server, to_client) = report.throughput();
    json!({
        "v": VERSION,
        "event": "report",
        "time": time(at),
        "address": safe(&report.address),
        "mode": report.mode,
        "schedule": report.schedule,
        "connections": report.connections,
        "seed": report.seed,
        "warm_up_us": micros(report.warm_up),
        "duration_us": micros(report.duration),
        "rate_asked": report.rate_asked,
        "rate_reached": rounded(report.rate_reached()),
        "requests": report.requests,
        "answered": report.answered,
        "wrong": report.wrong,
        "mixed_up": report.mixed_up,
        "lost": report.lost,
        "missed": report.missed,
        "saturated": report.is_saturated(),
        "errors": errors,
        "unasked_bytes": report.unasked_bytes,
        "to_server_bytes": report.to_server_bytes,
        "to_client_bytes": report.to_client_bytes,
        "to_server_bytes_per_s": rounded(to_server),
        "to_client_bytes_per_s": rounded(to_client),
        "response": times(&report.response),
        "service": times(&report.service),
        "lateness": times(&report.lateness),
        "phases": phases(report),
        "opened": report.opened,
        "most_open": report.most_open,
        "resident_bytes": report.resident_bytes,
        "processor_us": micros(report.processor_time),
        "limits": report.limits.iter().map(|limit| limit.name()).collect::<Vec<_>>(),
        "ending": report.ending.name(),
    })
}

/// Returns when, as RFC 3339 writes it, in UTC with microseconds.
pub fn time(at: SystemTime) -> String {
    rfc3339(at.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LAST_TIME))
}

/// Returns what is told of a distribution, in microseconds; null where nothing was measured.
pub fn times(times: &Distribution) -> Value {
    let figure = |found: Duration| if times.is_empty() { Value::Null } else { micros(found).into() };
    json!({
        "p50_us": figure(times.percentile(50.0)),
        "p90_us": figure(times.percentile(90.0)),
        "p99_us": figure(times.percentile(99.0)),
        "p999_us": figure(times.percentile(99.9)),
        "max_us": figure(times.max()),
        "mean_us": figure(times.mean()),
        "count": times.count(),
    })
}

fn phases(report: &Report) -> Map<String, Value> {
    let phases = &report.phases;
    let all = [
        ("connect", &phases.connect),
        ("proxy", &phases.proxy),
        ("tls", &phases.tls),
        ("first_byte", &phases.first_byte),
    ];
    let gone_through = all.into_iter().filter(|(_, of)| !of.is_empty());
    gone_through.map(|(name, of)| (name.to_owned(), times(of))).collect()
}

/// Returns microseconds: a whole number where it is one, else with the nanoseconds behind the point.
fn micros(time: Duration) -> serde_json::Number {
    let nanos = time.as_nanos();
    match u64::try_from(nanos / 1000) {
        Ok(whole) if nanos.is_multiple_of(1000) => whole.into(),
        // A time is always finite.
        _ => serde_json::Number::from_f64(nanos as f64 / 1000.0).unwrap_or_else(|| 0.into()),
    }
}

/// A thousandth of what is counted is as fine as a rate is meant.
fn rounded(per_second: f64) -> f64 {
    (per_second * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let value = value(&samples::saturated(), SystemTime::UNIX_EPOCH);
        let object = value.as_object().expect("an object");
        let names = "address answered connections duration_us ending errors event lateness limits lost missed mixed_up mode \
                     most_open opened phases processor_us rate_asked rate_reached requests resident_bytes response \
                     saturated schedule seed service time to_client_bytes to_client_bytes_per_s to_server_bytes \
                     to_server_bytes_per_s unasked_bytes v warm_up_us wrong";
        assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>().join(" "), names);
        assert_eq!(value["v"], 1);
        assert_eq!(value["event"], "report");
        assert_eq!(value["time"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(value["duration_us"], 10_000_000);
        assert_eq!(value["rate_asked"], 5_000.0);
        assert_eq!(value["rate_reached"], 3_114.0);
        assert_eq!(value["saturated"], true);
        assert_eq!(value["errors"], json!({"reset": 112, "refused": 21, "ended": 7}));
        assert_eq!(value["limits"], json!(["processor", "connections"]));
        assert_eq!(value["ending"], "duration");
        assert_eq!(value["phases"].as_object().unwrap().keys().collect::<Vec<_>>(), ["connect", "first_byte"]);
        assert_eq!(value["response"]["count"], 31_140);
        assert!(value["response"]["p999_us"].as_f64() > value["response"]["p50_us"].as_f64());
    }

    #[test]
    fn what_was_not_measured_is_null_and_never_zero() {
        let value = value(&samples::never_connected(), SystemTime::UNIX_EPOCH);
        assert_eq!(value["rate_asked"], Value::Null);
        assert_eq!(value["resident_bytes"], Value::Null);
        assert_eq!(value["response"]["p99_us"], Value::Null);
        assert_eq!(value["response"]["count"], 0);
        assert_eq!(value["phases"], json!({}));
    }

    #[test]
    fn a_microsecond_has_fractions_only_where_needed() {
        assert_eq!(micros(Duration::from_nanos(1500)).to_string(), "1.5");
        assert_eq!(micros(Duration::from_micros(15)).to_string(), "15");
    }
}

//! Reads what load generators print; each becomes words for `Found`.

use serde_json::Value;

/// The distributions of callbox's report, and what their figures are called here.
const DISTRIBUTIONS: [(&str, &str); 3] = [("response", ""), ("service", "service_"), ("lateness", "lateness_")];
const FIGURES: [&str; 6] = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us", "count"];
const COUNTS: [&str; 7] = ["answered", "wrong", "lost", "missed", "most_open", "to_server_bytes", "to_client_bytes"];

/// Reads the report of `callbox bench --json`.
pub(super) fn callbox(text: &str) -> Result<String, String> {
    let report: Value = serde_json::from_str(text.trim()).map_err(|error| format!("not one JSON object: {error}"))?;
    let number = |name: &str| report[name].as_f64().ok_or_else(|| format!("its report has no {name}"));
    let mut words = Vec::new();
    for name in COUNTS {
        words.push(format!("{name}={}", number(name)?));
    }
    words.push(format!("window_s={}", number("duration_us")? / 1e6));
    words.push(format!("processor_s={}", number("processor_us")? / 1e6));
    for (distribution, prefix) in DISTRIBUTIONS {
        for figure in FIGURES {
            // Where nothing was measured it is null.
            words.extend(report[distribution][figure].as_f64().map(|value| format!("{prefix}{figure}={value}")));
        }
    }
    Ok(words.join(" "))
}

/// Reads what `iperf3 -J` says of its client's own end.
pub(super) fn iperf3(text: &str, received: bool) -> Result<String, String> {
    let report: Value = serde_json::from_str(text.trim()).map_err(|error| format!("not JSON: {error}"))?;
    if let Some(problem) = report["error"].as_str() {
        return Err(problem.to_owned());
    }
    let sum = if received { "sum_received" } else { "sum_sent" };
    let number = |name: &str| report["end"][sum][name].as_f64().ok_or_else(|| format!("no {name} in its {sum}"));
    Ok(format!("bytes={} window_s={}", number("bytes")?, number("seconds")?))
}

/// Reads `redis-benchmark --csv`, which sent so many requests.
pub(super) fn redis_benchmark(text: &str, requests: u64) -> Result<String, String> {
    let mut lines = text.lines().filter(|line| line.starts_with('"')).map(cells);
    let (Some(head), Some(line)) = (lines.next(), lines.next()) else { return Err("no line of figures".into()) };
    let number = |name: &str| {
        let at = head.iter().position(|cell| cell == name);
        at.and_then(|at| line.get(at)?.parse::<f64>().ok()).ok_or_else(|| format!("no column {name}"))
    };
    Ok(format!(
        "answered={requests} window_s={} p50_us={} p99_us={} max_us={} wrong=0 lost=0",
        requests as f64 / number("rps")?,
        number("p50_latency_ms")? * 1e3,
        number("p99_latency_ms")? * 1e3,
        number("max_latency_ms")? * 1e3,
    ))
}

fn cells(line: &str) -> Vec<String> {
    line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
}

/// Reads `wrk --latency`.
pub(super) fn wrk(text: &str) -> Result<String, String> {
    let after = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    let rate: f64 = after("Requests/sec:").and_then(|rate| rate.parse().ok()).ok_or("no rate")?;
    let answered = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse::<f64>().ok());
    let answered = answered.ok_or("no count of requests")?;
    let time = |name: &str| after(name).and_then(micros).ok_or_else(|| format!("no {name} in its distribution"));
    let wrong: f64 =
        after("Non-2xx or 3xx responses:").map_or(Ok(0.0), str::parse).map_err(|_| "no number of wrong ones")?;
    let lost: f64 = after("Socket errors:").map_or(0.0, |errors| {
        errors.split(|letter: char| !letter.is_ascii_digit()).filter_map(|word| word.parse::<f64>().ok()).sum()
    });
    let (p50, p99) = (time("50%")?, time("99%")?);
    let window = answered / rate;
    Ok(format!("answered={answered} window_s={window} p50_us={p50} p99_us={p99} wrong={wrong} lost={lost}"))
}

/// Reads a time as wrk writes it: `448.00us`, `1.20ms`, `1.02s`.
fn micros(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (number, factor) = units.into_iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Found;

    #[test]
    fn a_report_of_callbox_is_read_and_what_it_lacks_is_named() {
        let text = r#"{"v":1,"event":"report","mode":"exchange","rate_asked":null,"duration_us":2000000,"requests":10,
            "answered":9,"wrong":1,"lost":0,"missed":0,"most_open":8,"to_server_bytes":640,"to_client_bytes":576,
            "processor_us":500000,"response":{"p50_us":12.5,"p90_us":13,"p99_us":20,"p999_us":21,"max_us":30,"count":9},
            "service":{"p50_us":11.5,"count":9},"lateness":{"p50_us":null,"p99_us":null,"count":0}}"#;
        let found = Found::read(&callbox(text).unwrap());
        assert_eq!((found.rate(), found.value("wrong"), found.value("processor_s")), (4.5, 1.0, 0.5));
        assert_eq!((found.value("p50_us"), found.value("service_p50_us"), found.value("p999_us")), (12.5, 11.5, 21.0));
        assert!(!found.has("lateness_p99_us") && found.has("lateness_count"));
        assert_eq!(callbox(r#"{"answered":1}"#).unwrap_err(), "its report has no wrong");
        assert!(callbox("listening").is_err());
    }

    #[test]
    fn iperf3_is_read_from_its_own_end() {
        let text = r#"{"start":{},"end":{"sum_sent":{"seconds":3.0,"bytes":300,"sender":true},
            "sum_received":{"seconds":3.1,"bytes":290,"sender":true}}}"#;
        assert_eq!(iperf3(text, false).unwrap(), "bytes=300 window_s=3");
        assert_eq!(iperf3(text, true).unwrap(), "bytes=290 window_s=3.1");
        assert_eq!(iperf3(r#"{"end":{},"error":"unable to connect"}"#, true).unwrap_err(), "unable to connect");
    }

    #[test]
    fn redis_benchmark_is_read_by_its_columns() {
        let text = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                    \"p99_latency_ms\",\"max_latency_ms\"\n\"PING_INLINE\",\"50000.00\",\"0.3\",\"0.1\",\"0.311\",\"0.4\",\
                    \"0.527\",\"1.463\"\n";
        let found = Found::read(&redis_benchmark(text, 100_000).unwrap());
        assert_eq!(found.rate(), 50_000.0);
        assert_eq!((found.value("p50_us"), found.value("p99_us"), found.value("max_us")), (311.0, 527.0, 1463.0));
        assert!(redis_benchmark("Could not connect\n", 1).is_err());
    }

    #[test]
    fn wrk_is_read_with_its_units_and_errors() {
        let text = "Running 2s test @ http://127.0.0.1:80/\n  1 threads and 64 connections\n  Latency Distribution\n     \
                    50%  448.00us\n     75%  500.00us\n     90%    1.00ms\n     99%    1.20ms\n  40000 requests in 2.10s, \
                    10.00MB read\n  Socket errors: connect 0, read 1, write 0, timeout 2\n  Non-2xx or 3xx responses: 4\n\
                    Requests/sec:  20000.00\nTransfer/sec:      5.00MB\n";
        let found = Found::read(&wrk(text).unwrap());
        assert_eq!((found.rate(), found.value("window_s")), (20_000.0, 2.0));
        assert_eq!((found.value("p50_us"), found.value("p99_us")), (448.0, 1200.0));
        assert_eq!((found.value("wrong"), found.value("lost")), (4.0, 3.0));
        assert_eq!((micros("1.02s"), micros("3 pigs")), (Some(1_020_000.0), None));
        assert!(wrk("unable to connect").is_err());
    }
}

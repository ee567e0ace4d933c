//! Parsers of single values, all of them the library's.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use callbox::Invalid;
use callbox::units::{Rate, RateUnit, Size, parse_duration};

/// A duration such as `250us`, `500ms`, `2s`, `1m30s`.
pub fn duration(text: &str) -> Result<Duration, Invalid> {
    parse_duration(text)
}

/// A size such as `64Ki` or `1M`.
pub fn size(text: &str) -> Result<Size, Invalid> {
    text.parse()
}

/// So many connections a second: `100/s`.
pub fn events_rate(text: &str) -> Result<f64, Invalid> {
    match text.parse::<Rate>()? {
        Rate { per_second, unit: RateUnit::Events } => Ok(per_second),
        _ => Err(Invalid::new("rate", text, "bytes, where connections are counted").instead("write 100/s")),
    }
}

/// So many bytes a second: `1MB/s`.
pub fn bytes_rate(text: &str) -> Result<u64, Invalid> {
    match text.parse::<Rate>()? {
        Rate { per_second, unit: RateUnit::Bytes } => Ok(per_second.round() as u64),
        _ => Err(Invalid::new("rate", text, "nothing says what is counted").instead("write 1MB/s or 10Mbit/s")),
    }
}

/// 0 switches a timeout off.
pub fn optional(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}

/// An address of this machine to connect from, with a port or without.
pub fn source(text: &str) -> Result<SocketAddr, String> {
    let ip = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let addr = ip.map(|ip| SocketAddr::new(ip, 0)).or_else(|_| text.parse::<SocketAddr>());
    addr.map_err(|_| {
        format!(
            "{text:?} is no address of this machine; write it in numbers, as 192.0.2.1, 192.0.2.1:4000 or [::1]:4000"
        )
    })
}

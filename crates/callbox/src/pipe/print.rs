//! Faults as text: what is printed reads back.

use std::fmt;
use std::time::Duration;

use super::fault::{After, Corruption, Ending, Fault, FaultKind, Point, Shape, Towards};
use crate::text::escape;

impl fmt::Display for Fault {
    /// Prints what reads back as the same fault, in one line as long as its pattern is one.
    ///
    /// Of a `replace` the pattern takes the place of a `match=`, so one that also waits for a match prints without that.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match self.towards {
            Towards::Server => f.write_str(",direction=to_server")?,
            Towards::Client => f.write_str(",direction=to_client")?,
            Towards::Both => {}
        }
        if self.probability != 1.0 {
            write!(f, ",p={}", self.probability)?;
        }
        let when = &self.when;
        for (key, value) in [("session", when.session), ("every", when.every), ("frame", when.frame)] {
            if let Some(value) = value {
                write!(f, ",{key}={value}")?;
            }
        }
        for (key, point) in [("from", when.from), ("to", when.to)] {
            if let Some(point) = point {
                write!(f, ",{key}={point}")?;
            }
        }
        match (&self.kind, &when.matches) {
            (FaultKind::Replace { pattern, .. }, _) | (_, Some(pattern)) => write!(f, ",match={pattern}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for FaultKind {
    /// Prints what stands before the keys; the pattern of a `replace` is one of those.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            FaultKind::Latency { base, jitter, shape } => {
                write!(f, "={}", exact(*base))?;
                if !jitter.is_zero() {
                    write!(f, "+-{}", exact(*jitter))?;
                }
                match shape {
                    Shape::Uniform => Ok(()),
                    Shape::Normal => f.write_str(":normal"),
                    Shape::Pareto => f.write_str(":pareto"),
                }
            }
            FaultKind::Throttle { rate } => write!(f, "={rate}B/s"),
            FaultKind::Slice { least, most, pause } => {
                if least == most {
                    write!(f, "={least}")?
                } else {
                    write!(f, "={least}..{most}")?
                }
                if pause.is_zero() { Ok(()) } else { write!(f, "/{}", exact(*pause)) }
            }
            FaultKind::Coalesce { window: time }
            | FaultKind::SlowClose { delay: time }
            | FaultKind::AcceptDelay { delay: time }
            | FaultKind::ResetPeer { after: time }
            | FaultKind::Timeout { after: Some(time) } => write!(f, "={}", exact(*time)),
            FaultKind::Corrupt { rate, how } => {
                write!(f, "={rate}")?;
                match how {
                    Corruption::Flip => Ok(()),
                    Corruption::Zero => f.write_str(":zero"),
                    Corruption::Replace => f.write_str(":replace"),
                }
            }
            FaultKind::Discard { range } if range.end == u64::MAX => write!(f, "={}..", range.start),
            FaultKind::Discard { range } => write!(f, "={}..{}", range.start, range.end),
            FaultKind::Cut { after, how } => {
                match after {
                    After::Bytes(bytes) => write!(f, "@{bytes}")?,
                    After::Time(time) => write!(f, "@{}", exact(*time))?,
                }
                if *how == Ending::Reset { f.write_str(":reset") } else { Ok(()) }
            }
            FaultKind::Reset { after } if after.is_zero() => Ok(()),
            FaultKind::Reset { after } => write!(f, "={}", exact(*after)),
            FaultKind::Limit { bytes } => write!(f, "={bytes}"),
            FaultKind::Replace { text, .. } => write!(f, "={}", escape(text).replace(',', r"\x2c")),
            FaultKind::Timeout { after: None }
            | FaultKind::Duplicate
            | FaultKind::Stall
            | FaultKind::HalfClose
            | FaultKind::Refuse
            | FaultKind::AcceptThenClose
            | FaultKind::BacklogFull => Ok(()),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Byte(byte) => byte.fmt(f),
            Point::Time(time) => f.write_str(&exact(*time)),
        }
    }
}

/// Returns the time exactly, which [`show_duration`](crate::units::show_duration) need not.
fn exact(time: Duration) -> String {
    let nanos = time.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    let (unit, size) = units.into_iter().find(|(_, size)| nanos.is_multiple_of(*size)).unwrap_or(("ns", 1));
    format!("{}{unit}", nanos / size)
}

//! How a fault is written: `latency=100ms+-20ms,direction=to_client`, and what to write instead of what is not one.

use std::str::FromStr;
use std::time::Duration;

use super::fault::{After, Corruption, Ending, Fault, FaultKind, Shape};
use crate::error::Invalid;
use crate::text::{nearest, safe, unescape};
use crate::units::{Rate, RateUnit};

mod keys;
mod part;

use part::{Part, near};

const WHAT: &str = "fault";

/// The kinds, each with an example.
const KINDS: [(&str, &str); 20] = [
    ("latency", "latency=100ms+-20ms"),
    ("throttle", "throttle=1MB/s"),
    ("slice", "slice=1..64/5ms"),
    ("coalesce", "coalesce=20ms"),
    ("corrupt", "corrupt=0.1%"),
    ("discard", "discard=100..200"),
    ("duplicate", "duplicate"),
    ("stall", "stall@1460"),
    ("cut", "cut@1460"),
    ("reset", "reset=2s"),
    ("reset-peer", "reset-peer=2s"),
    ("half-close", "half-close@1460"),
    ("slow-close", "slow-close=2s"),
    ("limit", "limit=10k"),
    ("timeout", "timeout=2s"),
    ("replace", r"replace=TEXT,match=PATTERN"),
    ("refuse", "refuse"),
    ("accept-delay", "accept-delay=1s"),
    ("accept-then-close", "accept-then-close"),
    ("backlog-full", "backlog-full"),
];

/// What others call the same.
const ALIASES: [(&str, &str); 13] = [
    ("delay", "latency=100ms"),
    ("bandwidth", "throttle=1MB/s"),
    ("rate", "throttle=1MB/s"),
    ("slicer", "slice=1..64/5ms"),
    ("limit_data", "limit=10k"),
    ("reset_peer", "reset-peer=2s"),
    ("slow_close", "slow-close=2s"),
    ("half_close", "half-close"),
    ("drop", "discard=100..200"),
    ("loss", "stall, cut or corrupt: TCP itself sends lost segments again"),
    ("dup", "duplicate"),
    ("close", "cut@1460"),
    ("rst", "reset"),
];

const ALL: &str = "write latency=100ms, throttle=1MB/s, slice=1..64, coalesce=20ms, corrupt=0.1%, discard=100..200, \
                   duplicate, stall, cut@1460, reset, reset-peer, half-close, slow-close=2s, limit=10k, timeout=2s, \
                   replace=TEXT,match=PATTERN, refuse, accept-delay=1s, accept-then-close or backlog-full";

impl FromStr for Fault {
    type Err = Invalid;

    /// Reads `KIND[=VALUE|@N][,key=value]...`.
    ///
    /// Keys: `direction=to_server|to_client|both`, `p=50%`, `session=2`, `every=3`, `frame=4`, `from=` and `to=` (a time, or
    /// an offset in bytes), and as the last one `match=PATTERN`, which takes the rest of the text, commas included.
    fn from_str(text: &str) -> Result<Fault, Invalid> {
        let len = text.find(',').unwrap_or(text.len());
        let whole = Part { text, at: 0, len };
        let name_len = whole.str().find(['=', '@', ':']).unwrap_or(len);
        let name = &text[..name_len];
        let sign = text[name_len..len].chars().next();
        let value = sign.map(|_| Part { text, at: name_len + 1, len: len - name_len - 1 });
        let Some((name, example)) = KINDS.into_iter().find(|(kind, _)| *kind == name) else {
            return Err(unknown(text, name));
        };
        let spec = Spec { text, name, example, behind: name_len };
        let mut fault = match (sign, value) {
            (Some('@'), Some(value)) => spec.at(value)?,
            (Some('='), Some(value)) => Fault::new(spec.kind(Some(value))?),
            (Some(_), _) => return Err(spec.invalid(name_len, "neither = nor @ follows the name")),
            (None, _) => Fault::new(spec.kind(None)?),
        };
        keys::read(text, len, &mut fault)?;
        Ok(fault)
    }
}

fn unknown(text: &str, name: &str) -> Invalid {
    let invalid = |problem: String| Invalid::new(WHAT, text, problem).at(0);
    if name.is_empty() {
        return invalid("no fault is named".into()).instead(ALL);
    }
    let problem = format!("unknown fault {}", safe(name));
    let meant = ALIASES.into_iter().find(|(alias, _)| *alias == name).or_else(|| near(name, &KINDS));
    match meant {
        Some((_, example)) => invalid(problem).instead(format!("did you mean {example}?")),
        None => invalid(problem).instead(ALL),
    }
}

/// The kind that is being read.
#[derive(Clone, Copy)]
struct Spec<'a> {
    text: &'a str,
    name: &'static str,
    example: &'static str,
    /// Behind the name.
    behind: usize,
}

impl Spec<'_> {
    fn invalid(self, at: usize, problem: impl Into<String>) -> Invalid {
        Invalid::new(WHAT, self.text, problem).at(at).instead(format!("write {}", self.example))
    }

    /// Reads a kind with what stands behind its `=`.
    fn kind(self, value: Option<Part<'_>>) -> Result<FaultKind, Invalid> {
        let plain = match self.name {
            "duplicate" => Some(FaultKind::Duplicate),
            "stall" => Some(FaultKind::Stall),
            "half-close" => Some(FaultKind::HalfClose),
            "refuse" => Some(FaultKind::Refuse),
            "accept-then-close" => Some(FaultKind::AcceptThenClose),
            "backlog-full" => Some(FaultKind::BacklogFull),
            _ => None,
        };
        match (plain, value, self.name) {
            (Some(plain), None, _) => return Ok(plain),
            (Some(_), Some(_), "stall" | "half-close") => {
                let instead = format!("write {0}@1460 or {0}@2s for where it begins", self.name);
                return Err(self.invalid(self.behind, "it has no value").instead(instead));
            }
            (Some(_), Some(_), name) => {
                return Err(self.invalid(self.behind, format!("{name} takes no value")));
            }
            (None, None, "reset") => return Ok(FaultKind::Reset { after: Duration::ZERO }),
            (None, None, "reset-peer") => return Ok(FaultKind::ResetPeer { after: Duration::ZERO }),
            (None, None, "timeout") => return Ok(FaultKind::Timeout { after: None }),
            (None, None, "replace") => return Err(self.invalid(self.behind, "by what?")),
            (None, None, "cut") => return Err(self.invalid(self.behind, "where?")),
            (None, None, _) => return Err(self.invalid(self.behind, "by how much?")),
            (None, Some(_), "cut") => {
                return Err(self.invalid(self.behind, "where it ends follows an @"));
            }
            (None, Some(_), _) => {}
        }
        let Some(value) = value else { return Err(self.invalid(self.behind, "no value")) };
        self.valued(value)
    }

    fn valued(self, value: Part<'_>) -> Result<FaultKind, Invalid> {
        Ok(match self.name {
            "latency" => return self.latency(value),
            "throttle" => FaultKind::Throttle { rate: self.rate(value)? },
            "slice" => return self.slice(value),
            "coalesce" => FaultKind::Coalesce { window: value.duration(self.example)? },
            "corrupt" => return self.corrupt(value),
            "discard" => return self.discard(value),
            "reset" => FaultKind::Reset { after: value.duration(self.example)? },
            "reset-peer" => FaultKind::ResetPeer { after: value.duration(self.example)? },
            "slow-close" => FaultKind::SlowClose { delay: value.duration(self.example)? },
            "limit" => FaultKind::Limit { bytes: value.size(self.example)? },
            // As everywhere, zero switches a timeout off.
            "timeout" => FaultKind::Timeout { after: Some(value.duration(self.example)?).filter(|t| !t.is_zero()) },
            "accept-delay" => FaultKind::AcceptDelay { delay: value.duration(self.example)? },
            _ => FaultKind::Replace {
                // The keys bring the right one.
                pattern: "x".parse()?,
                text: unescape(value.str()).map_err(|bad| {
                    let instead = bad.instead.clone().unwrap_or_default();
                    value.within(bad, &instead)
                })?,
            },
        })
    }

    /// Reads a kind with what stands behind its `@`.
    fn at(self, value: Part<'_>) -> Result<Fault, Invalid> {
        match self.name {
            "stall" | "half-close" => {
                let mut fault = Fault::new(self.kind(None)?);
                fault.when.from = Some(value.point(self.example)?);
                Ok(fault)
            }
            "cut" => {
                let (point, how) = match value.split(':') {
                    (point, None) => (point, Ending::End),
                    (point, Some(how)) => (point, self.choose(how, &[("end", Ending::End), ("reset", Ending::Reset)])?),
                };
                Ok(Fault::new(FaultKind::Cut { after: point.point(self.example)?.into(), how }))
            }
            "reset" => Ok(Fault::new(match value.point("reset@1460 or reset@2s")?.into() {
                After::Time(after) => FaultKind::Reset { after },
                after => FaultKind::Cut { after, how: Ending::Reset },
            })),
            name => Err(self.invalid(self.behind, format!("{name} takes no place"))),
        }
    }

    fn choose<T: Copy>(self, part: Part<'_>, among: &[(&'static str, T)]) -> Result<T, Invalid> {
        let word = part.str();
        if let Some((_, value)) = among.iter().find(|(name, _)| *name == word) {
            return Ok(*value);
        }
        let names: Vec<&str> = among.iter().map(|(name, _)| *name).collect();
        let instead = match nearest(word, names.iter().copied()) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("write {}", names.join(" or ")),
        };
        Err(part.invalid(format!("unknown word {}", safe(word)), &instead))
    }

    fn latency(self, value: Part<'_>) -> Result<FaultKind, Invalid> {
        let (times, shape) = match value.split(':') {
            (times, None) => (times, Shape::Uniform),
            (times, Some(shape)) => {
                let shapes = [("uniform", Shape::Uniform), ("normal", Shape::Normal), ("pareto", Shape::Pareto)];
                (times, self.choose(shape, &shapes)?)
            }
        };
        let sign = ["+/-", "+-", "±"].into_iter().find(|sign| times.str().contains(sign));
        let (base, jitter) = match sign.and_then(|sign| times.split_at(sign)) {
            Some((base, jitter)) => (base, jitter.duration(self.example)?),
            None => (times, Duration::ZERO),
        };
        Ok(FaultKind::Latency { base: base.duration(self.example)?, jitter, shape })
    }

    fn rate(self, value: Part<'_>) -> Result<u64, Invalid> {
        let rate: Rate = value.str().parse().map_err(|bad| value.within(bad, "write 1MB/s or 10Mbit/s"))?;
        if rate.unit == RateUnit::Events {
            return Err(value.invalid("of what?", "write 1MB/s for bytes or 10Mbit/s for bits"));
        }
        Ok((rate.per_second.round() as u64).max(1))
    }

    fn slice(self, value: Part<'_>) -> Result<FaultKind, Invalid> {
        let (sizes, pause) = match value.split('/') {
            (sizes, None) => (sizes, Duration::ZERO),
            (sizes, Some(pause)) => (sizes, pause.duration(self.example)?),
        };
        let (least, most) = sizes.split_at("..").unwrap_or((sizes, sizes));
        let size = |part: Part<'_>| -> Result<usize, Invalid> {
            match usize::try_from(part.size(self.example)?) {
                Ok(0) => Err(part.invalid("a piece has one byte at least", "write slice=1..64")),
                Ok(bytes) => Ok(bytes),
                Err(_) => Err(part.invalid("too large", "write slice=1..64")),
            }
        };
        let (least, most) = (size(least)?, size(most)?);
        if least > most {
            return Err(sizes.invalid("the smallest comes first", &format!("write slice={most}..{least}")));
        }
        Ok(FaultKind::Slice { least, most, pause })
    }

    fn corrupt(self, value: Part<'_>) -> Result<FaultKind, Invalid> {
        let hows = [("flip", Corruption::Flip), ("zero", Corruption::Zero), ("replace", Corruption::Replace)];
        let (rate, how) = match value.split(':') {
            (rate, None) => (rate, Corruption::Flip),
            (rate, Some(how)) => (rate, self.choose(how, &hows)?),
        };
        Ok(FaultKind::Corrupt { rate: rate.share("write corrupt=0.1%, or corrupt=0.001")?, how })
    }

    fn discard(self, value: Part<'_>) -> Result<FaultKind, Invalid> {
        let Some((start, end)) = value.split_at("..") else {
            return Err(value.invalid("a range has two ends", "write discard=100..200, or discard=100.. to the end"));
        };
        let first = if start.len == 0 { 0 } else { start.size(self.example)? };
        let last = if end.len == 0 { u64::MAX } else { end.size(self.example)? };
        if first >= last {
            let instead = "write the first byte, then the one behind the last, as in discard=100..200";
            return Err(value.invalid("no byte is in it", instead));
        }
        Ok(FaultKind::Discard { range: first..last })
    }
}

#[cfg(test)]
mod tests;

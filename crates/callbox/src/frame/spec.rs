//! How a framing is written: `line`, `delim:0x03`, `length:u16be+offset=4`, and what to write instead of what is not one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{ByteOrder, Framing, LengthField, MOST_FRAME_BYTES, MOST_OFFSET_BYTES, Rule, Width};
use crate::error::Invalid;
use crate::text::{escape, nearest, parse_hex, safe, unescape};
use crate::units::{Size, parse_duration};

const WHAT: &str = "frame spec";

/// The names, each with an example of the whole.
const RULES: [(&str, &str); 12] = [
    ("none", "none"),
    ("line", "line"),
    ("crlf", "crlf"),
    ("delim", "delim:0x03"),
    ("fixed", "fixed:20"),
    ("length", "length:u16be"),
    ("varint", "varint"),
    ("netstring", "netstring"),
    ("slip", "slip"),
    ("cobs", "cobs"),
    ("idle", "idle:50ms"),
    ("json", "json"),
];

/// What others call the same.
const ALIASES: [(&str, &str); 8] = [
    ("lf", "line"),
    ("newline", "line"),
    ("delimiter", "delim:0x03"),
    ("protobuf", "varint"),
    ("leb128", "varint"),
    ("timeout", "idle:50ms"),
    ("ndjson", "json"),
    ("jsonl", "json"),
];

const FIELDS: [(&str, Width); 9] = [
    ("u8", Width::U8),
    ("u16be", Width::U16(ByteOrder::Big)),
    ("u16le", Width::U16(ByteOrder::Little)),
    ("u24be", Width::U24(ByteOrder::Big)),
    ("u24le", Width::U24(ByteOrder::Little)),
    ("u32be", Width::U32(ByteOrder::Big)),
    ("u32le", Width::U32(ByteOrder::Little)),
    ("u64be", Width::U64(ByteOrder::Big)),
    ("u64le", Width::U64(ByteOrder::Little)),
];

const ALL: &str =
    "write none, line, crlf, delim:0x03, fixed:20, length:u16be, varint, netstring, slip, cobs, idle:50ms or json";
const DELIMITER_ADVICE: &str = r"write bytes in hex as in delim:0x03, or text with escapes as in delim:\r\n.\r\n";
const FIXED_ADVICE: &str = "write a number of bytes as in fixed:20";
const FIELD_ADVICE: &str = "write u8, u16be, u16le, u24be, u24le, u32be, u32le, u64be or u64le";
const OFFSET_ADVICE: &str = "write the number of bytes before the length as in offset=4";
const ADJ_ADVICE: &str = "write what is added to the length as in adj=-4";
const IDLE_ADVICE: &str = "write a time as in idle:50ms";

/// The longest delimiter, in bytes: far more than any protocol's, and little to hold.
const MOST_DELIMITER_BYTES: usize = 1024;

impl FromStr for Framing {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Framing, Invalid> {
        rule(text).map(Framing::new)
    }
}

fn rule(text: &str) -> Result<Rule, Invalid> {
    let (name, value) = match text.split_once(':') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let spec = Spec { text, at: name.len() + 1 };
    let plain = match name {
        "none" => Rule::None,
        "line" => Rule::Line,
        "crlf" => Rule::Crlf,
        "varint" => Rule::Varint,
        "netstring" => Rule::Netstring,
        "slip" => Rule::Slip,
        "cobs" => Rule::Cobs,
        "json" => Rule::Json,
        "delim" => return spec.delimiter(value.unwrap_or_default()),
        "fixed" => return spec.fixed(value.unwrap_or_default()),
        "length" => return spec.length(value.unwrap_or_default()),
        "idle" => return spec.idle(value.unwrap_or_default()),
        _ => return Err(unknown(text, name)),
    };
    match value {
        None => Ok(plain),
        Some(_) => Err(invalid(text, name.len(), format!("{name} takes no value")).instead(format!("write {name}"))),
    }
}

fn invalid(text: &str, at: usize, problem: impl Into<String>) -> Invalid {
    Invalid::new(WHAT, text, problem).at(at.min(text.len()))
}

fn unknown(text: &str, name: &str) -> Invalid {
    if name.is_empty() {
        return invalid(text, 0, "no rule is named").instead(ALL);
    }
    let problem = format!("unknown rule {}", safe(name));
    let meant = ALIASES.into_iter().find(|(alias, _)| *alias == name).or_else(|| near(name, RULES));
    match meant {
        Some((_, example)) => invalid(text, 0, problem).instead(format!("did you mean {example}?")),
        None => invalid(text, 0, problem).instead(ALL),
    }
}

/// Returns the entry whose name was probably meant.
fn near<T, const N: usize>(slip: &str, among: [(&'static str, T); N]) -> Option<(&'static str, T)> {
    let name = nearest(slip, among.iter().map(|(name, _)| *name))?;
    among.into_iter().find(|(other, _)| *other == name)
}

/// A text whose value begins at `at`, if there is one.
#[derive(Clone, Copy)]
struct Spec<'a> {
    text: &'a str,
    at: usize,
}

impl Spec<'_> {
    fn invalid(self, offset: usize, problem: impl Into<String>, instead: &str) -> Invalid {
        invalid(self.text, self.at + offset, problem).instead(instead)
    }

    /// Moves what is wrong with a part to its place in the whole.
    fn within(self, offset: usize, part: Invalid, instead: &str) -> Invalid {
        self.invalid(offset + part.at.unwrap_or(0), part.problem, instead)
    }

    fn delimiter(self, value: &str) -> Result<Rule, Invalid> {
        let bytes = if value.starts_with("0x") || value.starts_with("0X") {
            parse_hex(value).map_err(|bad| {
                self.within(
                    0,
                    bad,
                    r"write two hex digits a byte as in delim:0x03, or \x30 for a text that begins with 0",
                )
            })?
        } else {
            unescape(value).map_err(|bad| {
                let instead = bad.instead.clone().unwrap_or_default();
                self.within(0, bad, &instead)
            })?
        };
        match bytes.len() {
            0 => Err(self.invalid(0, "no delimiter", DELIMITER_ADVICE)),
            1..=MOST_DELIMITER_BYTES => Ok(Rule::Delimiter(bytes.into())),
            len => {
                let problem = format!("a delimiter of {len} bytes is over the limit of {MOST_DELIMITER_BYTES}");
                Err(self.invalid(0, problem, DELIMITER_ADVICE))
            }
        }
    }

    fn fixed(self, value: &str) -> Result<Rule, Invalid> {
        if value.is_empty() {
            return Err(self.invalid(0, "no length", FIXED_ADVICE));
        }
        let size: Size = value.parse().map_err(|bad| self.within(0, bad, FIXED_ADVICE))?;
        match usize::try_from(size.0) {
            Ok(0) => Err(self.invalid(0, "a frame has one byte at least", FIXED_ADVICE)),
            Ok(bytes) if bytes <= MOST_FRAME_BYTES => Ok(Rule::Fixed(bytes)),
            _ => {
                let problem = format!("{} bytes are over the limit of {MOST_FRAME_BYTES}", size.0);
                Err(self.invalid(0, problem, FIXED_ADVICE))
            }
        }
    }

    fn idle(self, value: &str) -> Result<Rule, Invalid> {
        if value.is_empty() {
            return Err(self.invalid(0, "no time", IDLE_ADVICE));
        }
        match parse_duration(value).map_err(|bad| self.within(0, bad, IDLE_ADVICE))? {
            Duration::ZERO => Err(self.invalid(0, "no time at all passes between any bytes", IDLE_ADVICE)),
            silence => Ok(Rule::Idle(silence)),
        }
    }

    fn length(self, value: &str) -> Result<Rule, Invalid> {
        let mut parts = value.split('+');
        let name = parts.next().unwrap_or_default();
        let mut field = LengthField { width: self.width(name)?, offset: 0, adj: 0 };
        let mut offset = name.len() + 1;
        let mut seen = Vec::new();
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value_at = offset + key.len() + 1;
            if seen.contains(&key) {
                return Err(self.invalid(offset, format!("{key} is given twice"), "write it once"));
            }
            match key {
                "offset" => field.offset = self.offset(value, value_at)?,
                "adj" => {
                    let number = value.parse().map_err(|_| self.invalid(value_at, "no whole number", ADJ_ADVICE));
                    field.adj = number?;
                }
                "" => return Err(self.invalid(offset, "an option is missing", "write offset=4 or adj=-4 after a +")),
                _ => {
                    let meant =
                        near(key, [("offset", "write offset=4"), ("adj", "write adj=-4"), ("adjust", "write adj=-4")]);
                    let instead = meant.map_or("write offset=4 or adj=-4", |(_, instead)| instead);
                    return Err(self.invalid(offset, format!("unknown option {}", safe(key)), instead));
                }
            }
            seen.push(key);
            offset += part.len() + 1;
        }
        Ok(Rule::Length(field))
    }

    fn width(self, name: &str) -> Result<Width, Invalid> {
        if let Some((_, width)) = FIELDS.into_iter().find(|(field, _)| *field == name) {
            return Ok(width);
        }
        if ["u16", "u24", "u32", "u64"].contains(&name) {
            let instead = format!("write length:{name}be, as most protocols have it, or length:{name}le");
            return Err(self.invalid(name.len(), "which end comes first?", &instead));
        }
        if name.is_empty() {
            return Err(self.invalid(0, "no length field", FIELD_ADVICE));
        }
        if ["u8be", "u8le"].contains(&name) {
            return Err(self.invalid(2, "a single byte has no order", "write length:u8"));
        }
        let problem = format!("unknown length field {}", safe(name));
        match near(name, FIELDS) {
            Some((meant, _)) => Err(self.invalid(0, problem, &format!("did you mean length:{meant}?"))),
            None => Err(self.invalid(0, problem, FIELD_ADVICE)),
        }
    }

    fn offset(self, value: &str, at: usize) -> Result<usize, Invalid> {
        // `parse` would take a sign.
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse::<usize>().ok().filter(|_| digits);
        match number {
            Some(offset) if offset <= MOST_OFFSET_BYTES => Ok(offset),
            Some(offset) => {
                let problem = format!("{offset} bytes are over the limit of {MOST_OFFSET_BYTES}");
                Err(self.invalid(at, problem, OFFSET_ADVICE))
            }
            None => Err(self.invalid(at, "no number of bytes", OFFSET_ADVICE)),
        }
    }
}

/// Refuses a framing that can frame nothing; most of them cannot be written, but made in code.
pub(super) fn check(framing: &Framing) -> Result<(), Invalid> {
    let invalid = |problem: String, instead: &str| {
        Err(Invalid::new("framing", framing.to_string(), problem).instead(instead.to_string()))
    };
    let sum = framing.checksum.map_or(0, |checksum| checksum.len());
    match &framing.rule {
        Rule::Delimiter(bytes) if bytes.is_empty() => invalid("no delimiter".into(), DELIMITER_ADVICE),
        Rule::Delimiter(bytes) if bytes.len() > MOST_DELIMITER_BYTES => {
            invalid(format!("the delimiter is over the limit of {MOST_DELIMITER_BYTES} bytes"), DELIMITER_ADVICE)
        }
        Rule::Fixed(0) => invalid("a frame has one byte at least".into(), FIXED_ADVICE),
        Rule::Fixed(bytes) if *bytes > framing.max_bytes => {
            invalid(format!("{bytes} bytes are over the maximum of {}", framing.max_bytes), "raise the maximum")
        }
        Rule::Fixed(bytes) if *bytes < sum => {
            invalid(format!("{bytes} bytes have no room for a checksum of {sum}"), "write a longer frame")
        }
        Rule::Length(field) if field.offset > MOST_OFFSET_BYTES => {
            invalid(format!("the offset is over the limit of {MOST_OFFSET_BYTES} bytes"), OFFSET_ADVICE)
        }
        Rule::Idle(Duration::ZERO) => invalid("no time at all passes between any bytes".into(), IDLE_ADVICE),
        Rule::Json if sum > 0 => invalid(
            "nothing tells where a JSON value ends and its checksum begins".into(),
            "leave the checksum away, or frame by line or by length",
        ),
        _ => Ok(()),
    }
}

impl fmt::Display for Framing {
    /// Prints the text of the rule, without maximum and checksum.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::None => f.write_str("none"),
            Rule::Line => f.write_str("line"),
            Rule::Crlf => f.write_str("crlf"),
            Rule::Delimiter(bytes) => write_delimiter(f, bytes),
            Rule::Fixed(bytes) => write!(f, "fixed:{bytes}"),
            Rule::Length(field) => write!(f, "length:{field}"),
            Rule::Varint => f.write_str("varint"),
            Rule::Netstring => f.write_str("netstring"),
            Rule::Slip => f.write_str("slip"),
            Rule::Cobs => f.write_str("cobs"),
            Rule::Idle(silence) => write_idle(f, *silence),
            Rule::Json => f.write_str("json"),
        }
    }
}

fn write_delimiter(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    if let [byte] = bytes
        && !byte.is_ascii_graphic()
    {
        return write!(f, "delim:0x{byte:02x}");
    }
    let text = escape(bytes);
    match text.strip_prefix('0') {
        // It would be read as hex.
        Some(rest) if rest.starts_with(['x', 'X']) => write!(f, r"delim:\x30{rest}"),
        _ => write!(f, "delim:{text}"),
    }
}

/// Writes the time exactly, which [`show_duration`](crate::units::show_duration) need not.
fn write_idle(f: &mut fmt::Formatter<'_>, silence: Duration) -> fmt::Result {
    let nanos = silence.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    let (unit, size) = units.into_iter().find(|(_, size)| nanos.is_multiple_of(*size)).unwrap_or(("ns", 1));
    write!(f, "idle:{}{unit}", nanos / size)
}

impl fmt::Display for LengthField {
    /// Prints it as in a spec, behind `length:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FIELDS.into_iter().find(|(_, width)| *width == self.width).map_or("", |(name, _)| name);
        f.write_str(name)?;
        if self.offset != 0 {
            write!(f, "+offset={}", self.offset)?;
        }
        if self.adj != 0 {
            write!(f, "+adj={}", self.adj)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

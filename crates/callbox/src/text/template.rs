//! Templates: what is sent, with a counter, the time, random bytes and the like in braces.
//!
//! | written | becomes |
//! |---|---|
//! | `{n}` | how many of these there have been: 1, 2, ... |
//! | `{time}` | the time, RFC 3339, in UTC with microseconds: `2026-01-02T03:04:05.678901Z` |
//! | `{uuid}` | a new UUID, version 4 (RFC 9562) |
//! | `{random:16}` | that many random letters and digits, 1 to 65536 |
//! | `{session}` | the session's number |
//! | `{peer}` | the peer's address |
//! | `{hex:01 02 ff}` | these bytes, whatever the encoding |
//! | `{{` and `}}` | one brace |
//!
//! The rest is text with the escapes of [`unescape_in`](super::unescape_in). Nothing that a peer sent is ever expanded:
//! no variable holds it, and what a variable becomes is not read again.
//!
//! ```
//! use callbox::rng::Rng;
//! use callbox::text::{Encoding, Facts, Template};
//!
//! let template = Template::parse(r"{{{n}}} to {peer}{hex:00 ff}\r\n", Encoding::UTF_8)?;
//! let facts = Facts { n: 3, time: std::time::UNIX_EPOCH, session: 1, peer: "127.0.0.1:8848" };
//! let bytes = template.render(&facts, &mut Rng::new(1));
//! assert_eq!(bytes.as_deref(), Ok(&b"{3} to 127.0.0.1:8848\x00\xff\r\n"[..]));
//! # Ok::<(), callbox::Invalid>(())
//! ```

use std::time::SystemTime;

use super::encoding::{Encoder, Encoding, Unmappable};
use super::escape::{Escape, read_escape};
use super::hex::parse_hex;
use super::printer::safe;
use crate::error::Invalid;
use crate::rng::Rng;

pub(crate) mod time;

/// What is sent, with variables in braces.
///
/// Valid: `hello {n}\r\n`, `{{"id":"{uuid}"}}`. Invalid: `{"a":1}` (a brace of its own is doubled), `{random}`, `}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    encoding: Encoding,
    parts: Vec<Part>,
}

/// What the variables of a [`Template`] stand for this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// How many times the template has been sent, this time included.
    pub n: u64,
    /// The time.
    pub time: SystemTime,
    /// The session's number.
    pub session: u64,
    /// The peer's address, as printed.
    pub peer: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Literal text whose characters the encoding has.
    Text(String),
    /// Bytes as they are.
    Bytes(Vec<u8>),
    Count,
    Time,
    Uuid,
    Random(usize),
    Session,
    Peer,
}

/// The most letters of one `{random:...}`, so that a slip of a finger does not fill the memory.
const RANDOM_LETTERS_MAX: usize = 65_536;

const VARIABLES: &str = "write {n}, {time}, {uuid}, {random:16}, {session}, {peer} or {hex:01 ff}, and {{ for a brace";

impl Template {
    /// Reads a template, whose text is to be sent in an encoding.
    ///
    /// # Errors
    ///
    /// A brace without its other half, an unknown variable or a bad value of one, at its offset; the errors of
    /// [`unescape_in`](super::unescape_in).
    pub fn parse(text: &str, encoding: Encoding) -> Result<Template, Invalid> {
        let mut template = Template { encoding, parts: Vec::new() };
        let mut at = 0;
        while let Some(plain) = memchr::memchr3(b'\\', b'{', b'}', &text.as_bytes()[at..]) {
            template.add_text(text, at, &text[at..at + plain])?;
            at += plain;
            at += template.add_marked(text, at)?;
        }
        template.add_text(text, at, &text[at..])?;
        Ok(template)
    }

    /// Reads the escape, brace or variable at `at`, and returns how many bytes it has.
    fn add_marked(&mut self, text: &str, at: usize) -> Result<usize, Invalid> {
        let rest = &text[at..];
        let invalid =
            |problem: &str, instead: &str| Err(Invalid::new("template", text, problem).at(at).instead(instead));
        if rest.starts_with('\\') {
            let (escape, taken) = read_escape(rest).map_err(|bad| bad.place("template", text, at))?;
            match escape {
                Escape::Byte(byte) => self.add_bytes(vec![byte]),
                Escape::Character(c) => self.add_text(text, at, c.encode_utf8(&mut [0; 4]))?,
            }
            return Ok(taken);
        }
        if rest.starts_with("{{") || rest.starts_with("}}") {
            self.add_text(text, at, &rest[..1])?;
            return Ok(2);
        }
        if rest.starts_with('}') {
            return invalid("no { before this }", "write }} for a brace");
        }
        let Some((inner, _)) = rest[1..].split_once('}') else {
            return invalid("no } closes this {", "write {n} for a variable, {{ for a brace");
        };
        match variable(text, at + 1, inner)? {
            Part::Bytes(bytes) => self.add_bytes(bytes),
            part => self.parts.push(part),
        }
        Ok(inner.len() + 2)
    }

    /// Adds literal text that stands at `at`; the encoding must have it.
    fn add_text(&mut self, input: &str, at: usize, run: &str) -> Result<(), Invalid> {
        if !self.encoding.is_utf8() {
            self.encoding.encode(run).map_err(|lacking| lacking.place("template", input, at))?;
        }
        match self.parts.last_mut() {
            _ if run.is_empty() => {}
            Some(Part::Text(before)) => before.push_str(run),
            _ => self.parts.push(Part::Text(run.to_string())),
        }
        Ok(())
    }

    fn add_bytes(&mut self, bytes: Vec<u8>) {
        match self.parts.last_mut() {
            Some(Part::Bytes(before)) => before.extend(bytes),
            _ => self.parts.push(Part::Bytes(bytes)),
        }
    }

    /// Returns what stands for these bytes and nothing else: braces in them mean nothing.
    pub fn literal(bytes: impl Into<Vec<u8>>) -> Template {
        Template { encoding: Encoding::UTF_8, parts: vec![Part::Bytes(bytes.into())] }
    }

    /// Tells whether it becomes the same bytes each time.
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_) | Part::Bytes(_)))
    }

    /// Tells whether it draws random numbers, so that the seed is worth printing.
    pub fn draws_randomness(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Uuid | Part::Random(_)))
    }

    /// Returns the bytes to send.
    ///
    /// # Errors
    ///
    /// A character of the peer's address that the encoding does not have, such as one of a path of a Unix socket; its
    /// offset is the one in [`Facts::peer`]. Nothing else fails: [`parse`](Template::parse) has tried the literal text,
    /// and every encoding has what the other variables become.
    pub fn render(&self, facts: &Facts<'_>, rng: &mut Rng) -> Result<Vec<u8>, Unmappable> {
        let mut encoder = Encoder::new(self.encoding, 64);
        for part in &self.parts {
            match part {
                Part::Text(text) => encoder.text(text)?,
                Part::Bytes(bytes) => encoder.raw(bytes),
                Part::Count => encoder.text(&facts.n.to_string())?,
                Part::Time => encoder.text(&time::rfc3339(facts.time))?,
                Part::Uuid => encoder.text(&uuid(rng))?,
                Part::Random(count) => encoder.text(&letters(*count, rng))?,
                Part::Session => encoder.text(&facts.session.to_string())?,
                Part::Peer => encoder.text(facts.peer)?,
            }
        }
        Ok(encoder.finish())
    }
}

/// Reads what stands between two braces, `at` bytes into the template.
fn variable(text: &str, at: usize, inner: &str) -> Result<Part, Invalid> {
    let (name, value) = inner.split_once(':').map_or((inner, None), |(name, value)| (name, Some(value)));
    let invalid = |at: usize, problem: String| Invalid::new("template", text, problem).at(at);
    let value_at = at + name.len() + 1;
    let part = match (name, value) {
        ("random", Some(value)) => {
            let count = value.parse().ok().filter(|count| (1..=RANDOM_LETTERS_MAX).contains(count));
            // `parse` would take a plus sign.
            let Some(count) = count.filter(|_| value.bytes().all(|b| b.is_ascii_digit())) else {
                let problem = format!("'{}' is not a number from 1 to {RANDOM_LETTERS_MAX}", safe(value));
                return Err(invalid(value_at, problem).instead("write {random:16} for 16 letters and digits"));
            };
            return Ok(Part::Random(count));
        }
        ("hex", Some(value)) => {
            let bytes = parse_hex(value).map_err(|bad| Invalid {
                what: "template",
                input: text.to_string(),
                at: Some(value_at + bad.at.unwrap_or_default()),
                ..bad
            })?;
            if bytes.is_empty() {
                return Err(invalid(value_at, "no digits after hex:".into()).instead("write {hex:01 02 ff}"));
            }
            return Ok(Part::Bytes(bytes));
        }
        ("random", None) => {
            return Err(invalid(at - 1, "{random} needs a number".into()).instead("write {random:16}"));
        }
        ("hex", None) => return Err(invalid(at - 1, "{hex} needs digits".into()).instead("write {hex:01 02 ff}")),
        ("n", _) => Part::Count,
        ("time", _) => Part::Time,
        ("uuid", _) => Part::Uuid,
        ("session", _) => Part::Session,
        ("peer", _) => Part::Peer,
        _ => {
            let problem = format!("there is no variable {{{}}}", safe(inner));
            return Err(invalid(at - 1, problem).instead(VARIABLES));
        }
    };
    match value {
        None => Ok(part),
        Some(_) => {
            let problem = format!("{{{name}}} takes nothing after its name");
            Err(invalid(value_at - 1, problem).instead(format!("write {{{name}}}")))
        }
    }
}

/// Returns random letters and digits.
fn letters(count: usize, rng: &mut Rng) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..count).map(|_| char::from(ALPHABET[rng.below(62) as usize])).collect()
}

/// Returns a random UUID: 122 random bits, the version 4 and the variant of RFC 9562.
fn uuid(rng: &mut Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests;

//! Bytes to send from payloads, for every rule.

use super::delimiter::Delimiter;
use super::json::Json;
use super::scan::Step;
use super::{Framing, LengthField, Rule, cobs, slip, varint};
use crate::error::Invalid;
use crate::text::escape;

/// Makes the bytes of one frame by a framing that was checked.
pub(super) fn encode(framing: &Framing, payload: &[u8]) -> Result<Vec<u8>, Invalid> {
    let frame = Encoding { framing, given: payload };
    match &framing.rule {
        Rule::None => Ok(frame.summed(payload)),
        Rule::Line => frame.ended(payload, b"\n"),
        Rule::Crlf => frame.ended(payload, b"\r\n"),
        Rule::Delimiter(delimiter) => frame.ended(payload, delimiter),
        Rule::Json => frame.ended(payload, b"\n"),
        Rule::Fixed(bytes) => frame.fixed(*bytes),
        Rule::Length(field) => frame.length(*field),
        Rule::Varint => {
            let summed = frame.fitting(frame.summed(payload))?;
            let mut sent = Vec::with_capacity(summed.len() + 10);
            varint::append(summed.len() as u64, &mut sent);
            sent.extend_from_slice(&summed);
            Ok(sent)
        }
        Rule::Netstring => {
            let summed = frame.fitting(frame.summed(payload))?;
            let mut sent = format!("{}:", summed.len()).into_bytes();
            sent.extend_from_slice(&summed);
            sent.push(b',');
            Ok(sent)
        }
        Rule::Slip => {
            let summed = frame.summed(payload);
            if summed.is_empty() {
                return Err(frame.invalid("it is empty, and two ENDs in a row are no frame by slip".into()));
            }
            let mut sent = Vec::with_capacity(summed.len() + 1);
            slip::encode(&summed, &mut sent);
            let mut sent = frame.fitting(sent)?;
            slip::end(&mut sent);
            Ok(sent)
        }
        Rule::Cobs => {
            let mut sent = Vec::with_capacity(payload.len() + payload.len() / 254 + 8);
            cobs::encode(&frame.summed(payload), &mut sent);
            let mut sent = frame.fitting(sent)?;
            cobs::end(&mut sent);
            Ok(sent)
        }
        Rule::Idle(_) => frame.fitting(frame.summed(payload)),
    }
}

/// How much of a payload a message shows.
const SHOWN_BYTES: usize = 32;

struct Encoding<'a> {
    framing: &'a Framing,
    /// The payload as given, for messages.
    given: &'a [u8],
}

impl Encoding<'_> {
    /// Returns the payload with its checksum.
    fn summed(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = payload.to_vec();
        if let Some(checksum) = self.framing.checksum {
            checksum.append(&mut bytes);
        }
        bytes
    }

    /// Refuses what the other side would refuse.
    fn fitting(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Invalid> {
        let max_bytes = self.framing.max_bytes;
        if bytes.len() <= max_bytes {
            return Ok(bytes);
        }
        let problem = format!("its {} bytes are over the frame's maximum of {max_bytes}", bytes.len());
        Err(self.invalid(problem).instead("send less at a time or raise the maximum"))
    }

    fn ended(&self, payload: &[u8], delimiter: &[u8]) -> Result<Vec<u8>, Invalid> {
        // A delimiter that the payload ends with is the frame's; a checksum belongs before it.
        let ends = |bare: &&[u8]| bare.len().is_multiple_of(self.framing.unit_bytes);
        let payload = payload.strip_suffix(delimiter).filter(ends).unwrap_or(payload);
        let mut sent = self.summed(payload);
        sent.extend_from_slice(delimiter);
        // A newline after an unfinished JSON value is one more byte of it.
        let bare = if self.framing.rule == Rule::Json { sent.len() } else { sent.len() - delimiter.len() };
        // Delimiters inside make more frames, and the maximum is that of each.
        if bare > self.framing.max_bytes && self.is_refused(&sent, delimiter) {
            if sent.len() - delimiter.len() > self.framing.max_bytes {
                sent.truncate(sent.len() - delimiter.len());
            }
            return self.fitting(sent);
        }
        Ok(sent)
    }

    /// Tells whether a framer would find one of the frames too long.
    fn is_refused(&self, sent: &[u8], delimiter: &[u8]) -> bool {
        let max_bytes = self.framing.max_bytes;
        let (mut json, mut ended) =
            (Json::new(max_bytes), Delimiter::new(delimiter, self.framing.unit_bytes, max_bytes));
        let mut rest = sent;
        while !rest.is_empty() {
            let step = if self.framing.rule == Rule::Json { json.scan(rest) } else { ended.scan(0, rest) };
            match step {
                Step::Cut(cut) => rest = &rest[cut.end..],
                Step::More => return false,
                Step::Fail { .. } => return true,
            }
        }
        false
    }

    fn fixed(&self, bytes: usize) -> Result<Vec<u8>, Invalid> {
        let summed = self.summed(self.given);
        if summed.len() == bytes {
            return Ok(summed);
        }
        let sum = summed.len() - self.given.len();
        let with = if sum > 0 { format!(" with its checksum of {sum}") } else { String::new() };
        let problem = format!("it has {}{with}, and fixed:{bytes} frames have {bytes}", sized(summed.len()));
        let due = bytes - sum;
        Err(self.invalid(problem).instead(format!("send {}", sized(due))))
    }

    fn length(&self, field: LengthField) -> Result<Vec<u8>, Invalid> {
        let Some((before, payload)) = self.given.split_at_checked(field.offset) else {
            let problem = format!("it has {}, and {} come before the length", sized(self.given.len()), field.offset);
            let instead = format!("begin it with the {} bytes before the length field", field.offset);
            return Err(self.invalid(problem).instead(instead));
        };
        let summed = self.fitting(self.summed(payload))?;
        let Some((bytes, width)) = field.field(summed.len()) else {
            let problem = match i128::from(summed.len() as u64) - i128::from(field.adj) {
                ..0 => format!("its {} bytes less adj={} are below zero", summed.len(), field.adj),
                value => format!("its length of {value} does not fit length:{field}"),
            };
            return Err(self.invalid(problem).instead("send less at a time or take a longer length field"));
        };
        let mut sent = Vec::with_capacity(field.offset + width + summed.len());
        sent.extend_from_slice(before);
        sent.extend_from_slice(&bytes[..width]);
        sent.extend_from_slice(&summed);
        Ok(sent)
    }

    fn invalid(&self, problem: String) -> Invalid {
        let shown = &self.given[..self.given.len().min(SHOWN_BYTES)];
        let more = if shown.len() < self.given.len() { "..." } else { "" };
        Invalid::new("payload", format!("{}{more}", escape(shown)), problem)
    }
}

/// How many bytes, in words.
fn sized(bytes: usize) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

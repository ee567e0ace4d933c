//! LDAP (RFC 4511, section 4.14): one extended request and its answer, in BER.

use super::talk::{Failed, Talk, refused};

/// A message with the number 1: an extended request by the name 1.3.6.1.4.1.1466.20037.
const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const EXTENDED_RESPONSE: u8 = 0x78;
const ENUMERATED: u8 = 0x0a;
const OCTET_STRING: u8 = 0x04;
/// Bytes that a length may have behind its first: Active Directory always takes four.
const LENGTH_BYTES: usize = 4;

pub(super) async fn ask(talk: &mut Talk<'_>) -> Result<(), Failed> {
    talk.say(REQUEST).await?;
    let head = talk.bytes(2).await?;
    let stray = || Failed::Said("an answer of LDAP was due, and the server said something else".into());
    if head[0] != SEQUENCE {
        return Err(stray());
    }
    let length = match head[1] {
        short @ 0..0x80 => usize::from(short),
        long => {
            let count = usize::from(long & 0x7f);
            if !(1..=LENGTH_BYTES).contains(&count) {
                return Err(stray());
            }
            talk.bytes(count).await?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
    };
    let message = talk.bytes(length).await?;
    let (code, words) = result(&message).ok_or_else(stray)?;
    match code {
        0 => Ok(()),
        code => Err(refused(&format!("{}{}", name(code), words))),
    }
}

/// Reads an extended response: the code, and what the server says of it.
fn result(message: &[u8]) -> Option<(u8, String)> {
    let (_, rest) = element(message, INTEGER)?;
    let (response, _) = element(rest, EXTENDED_RESPONSE)?;
    let (code, rest) = element(response, ENUMERATED)?;
    let (_, rest) = element(rest, OCTET_STRING)?;
    let (words, _) = element(rest, OCTET_STRING)?;
    let words = String::from_utf8_lossy(words);
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    Some((*code.last()?, words))
}

/// Takes an element with its tag off the beginning; returns what it holds and what is behind.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = match *length {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let count = usize::from(long & 0x7f);
            let bytes = rest.get(..count).filter(|_| count <= LENGTH_BYTES)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), &rest[count..])
        }
    };
    Some((rest.get(..length)?, &rest[length..]))
}

/// Returns what a code is called (RFC 4511, appendix A).
fn name(code: u8) -> String {
    match code {
        1 => "operations error".into(),
        2 => "protocol error".into(),
        8 => "stronger authentication required".into(),
        51 => "busy".into(),
        52 => "unavailable".into(),
        53 => "unwilling to perform".into(),
        code => format!("result {code}"),
    }
}

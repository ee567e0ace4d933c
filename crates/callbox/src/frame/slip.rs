//! `slip`: frames that end with END, 0xc0, which ESC takes the place of inside (RFC 1055).
//!
//! The RFC's own code passes the byte of an escape that it does not know, and so loses the ESC without a word; here such
//! a frame is malformed and shown as it came. END always ends a frame, also behind an ESC, as in Linux.

use memchr::{memchr, memchr2};

/// What ends a frame.
pub(super) const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
const ESC_END: u8 = 0xdc;
const ESC_ESC: u8 = 0xdd;

/// Decodes what lies before an END; `None` if an escape is unknown or unfinished.
pub(super) fn decode<'a>(raw: &'a [u8], into: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let Some(mut escape) = memchr(ESC, raw) else { return Some(raw) };
    into.clear();
    let mut rest = raw;
    loop {
        into.extend_from_slice(&rest[..escape]);
        into.push(match *rest.get(escape + 1)? {
            ESC_END => END,
            ESC_ESC => ESC,
            _ => return None,
        });
        rest = &rest[escape + 2..];
        match memchr(ESC, rest) {
            Some(next) => escape = next,
            None => break,
        }
    }
    into.extend_from_slice(rest);
    Some(into)
}

/// Appends the payload with escapes, without END.
pub(super) fn encode(payload: &[u8], into: &mut Vec<u8>) {
    let mut rest = payload;
    while let Some(special) = memchr2(END, ESC, rest) {
        into.extend_from_slice(&rest[..special]);
        into.extend_from_slice(&[ESC, if rest[special] == END { ESC_END } else { ESC_ESC }]);
        rest = &rest[special + 1..];
    }
    into.extend_from_slice(rest);
}

/// Appends the terminator.
pub(super) fn end(into: &mut Vec<u8>) {
    into.push(END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_the_rfc() {
        let table: [(&[u8], Option<&[u8]>); 6] = [
            (b"abc", Some(b"abc")),
            (b"a\xdb\xdcb\xdb\xdd", Some(b"a\xc0b\xdb")),
            (b"\xdb\xdb\xdc", None),
            (b"a\xdbb", None),
            (b"a\xdb", None),
            (b"\xdb", None),
        ];
        for (raw, payload) in table {
            assert_eq!(decode(raw, &mut vec![1, 2, 3]), payload, "{raw:?}");
        }
        let mut sent = Vec::new();
        encode(b"a\xc0b\xdb", &mut sent);
        assert_eq!(sent, b"a\xdb\xdcb\xdb\xdd");
    }
}

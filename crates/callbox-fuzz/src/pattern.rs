//! Patterns: met or not by any chunking alike, and a literal exactly where it is.
//!
//! Input: the encoding, the chunking, two lines with a pattern each, then the stream.

use callbox::pattern::{Expect, Pattern, TAIL_BYTES};
use callbox::text::{Encoding, unescape_in};

use crate::input::{Input, chunks};
use crate::refusal;

/// Longer patterns cost time and find nothing more.
const LONGEST: usize = 40;
/// What sees the end of what has come, by its documentation, or looks ahead for it.
const SEES_THE_EDGE: [&str; 6] = ["$", r"\z", r"\b", r"\B", r"\<", r"\>"];

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let encoding = input.encoding();
    let chosen = input.byte();
    let written = [input.line(), input.line()].map(|line| &line[..line.len().min(LONGEST)]);
    let stream = input.rest();
    let texts: Vec<_> = written.iter().filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let patterns: Vec<_> = texts.iter().filter_map(|text| read(text, encoding)).collect();
    let once = found(&patterns, &[stream]);
    let sees_the_edge = |pattern: &Pattern| {
        let text = pattern.to_string();
        // By `(?R)` the end of a line looks ahead.
        text.starts_with("re:") && (SEES_THE_EDGE.iter().any(|part| text.contains(part)) || text.contains('R'))
    };
    if !patterns.iter().any(sees_the_edge) {
        assert_eq!(found(&patterns, &chunks(stream, chosen)), once, "chunks leave no trace");
        assert_eq!(found(&patterns, &chunks(stream, 0)), once, "single bytes leave no trace");
    }
    if !texts.iter().any(|text| text.starts_with("re:")) {
        assert_eq!(once, naively(&patterns, encoding, stream));
    }
}

fn read(text: &str, encoding: Encoding) -> Option<Pattern> {
    match Pattern::parse_in(text, encoding) {
        Ok(pattern) => {
            assert_eq!(pattern.to_string(), text, "a pattern prints as written");
            Some(pattern)
        }
        Err(invalid) => {
            assert_eq!(invalid.input, text);
            // The reader of regexes has no advice.
            if !text.starts_with("re:") {
                refusal::check_words(&invalid);
            }
            None
        }
    }
}

/// Returns how many patterns are met, and the tail.
fn found(patterns: &[Pattern], pieces: &[&[u8]]) -> (usize, Vec<u8>) {
    let mut expect = Expect::new(patterns.to_vec());
    for piece in pieces {
        let met = expect.feed(piece);
        assert_eq!((met, expect.pending().is_none()), (expect.is_met(), met));
    }
    (expect.met(), expect.tail().to_vec())
}

/// Looks for literals one after the other, as far as there are any.
fn naively(patterns: &[Pattern], encoding: Encoding, stream: &[u8]) -> (usize, Vec<u8>) {
    let (mut met, mut rest) = (0, stream);
    for pattern in patterns {
        let literal = unescape_in(&pattern.to_string(), encoding).expect("it was read");
        let Some(at) = rest.windows(literal.len()).position(|window| window == literal) else { break };
        rest = &rest[at + literal.len()..];
        met += 1;
    }
    (met, rest[rest.len().saturating_sub(TAIL_BYTES)..].to_vec())
}

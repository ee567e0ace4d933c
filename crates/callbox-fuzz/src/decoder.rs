//! Decoders: any chunking gives the same text and the same bad bytes, and none is lost.
//!
//! Input: the encoding, the chunking, then the stream; all of it as text is also tried as an encoding's name.

use callbox::text::Encoding;
use callbox::text::encoding::{Decoder, Piece};

use crate::input::{Input, chunks};
use crate::refusal;

/// Encodings in which each character is written in one way only.
const EXACT: [&str; 6] = ["utf-8", "utf-16le", "utf-16be", "windows-1252", "koi8-r", "x-user-defined"];

/// What came of a stretch of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Text(String),
    Bad(Vec<u8>),
}

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    if let Ok(name) = std::str::from_utf8(data) {
        check_name(name);
    }
    let mut input = Input::new(data);
    let encoding = input.encoding();
    let chosen = input.byte();
    let bytes = input.rest();
    let mut decoder = encoding.decoder();
    let once = decode(&mut decoder, &[bytes]);
    assert_eq!(decode(&mut decoder, &chunks(bytes, chosen)), once, "chunks leave no trace, nor does a stream before");
    let text = match &once[..] {
        [] => Some(""),
        [Found::Text(text)] => Some(&text[..]),
        _ => None,
    };
    assert_eq!(encoding.decode(bytes).as_deref(), text);
    if EXACT.contains(&encoding.name()) {
        let again: Vec<u8> = once.iter().flat_map(|found| again(found, encoding)).collect();
        assert_eq!(again, bytes, "nothing is lost");
    }
}

fn again(found: &Found, encoding: Encoding) -> Vec<u8> {
    match found {
        Found::Text(text) => encoding.encode(text).unwrap_or_else(|lacking| panic!("{lacking}, which it decoded")),
        Found::Bad(bytes) => bytes.clone(),
    }
}

fn decode(decoder: &mut Decoder, pieces: &[&[u8]]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut take = |piece: Piece<'_>| match (piece, found.last_mut()) {
        (Piece::Text(""), _) => panic!("at least one character"),
        (Piece::Text(text), Some(Found::Text(before))) => before.push_str(text),
        (Piece::Text(text), _) => found.push(Found::Text(text.to_owned())),
        (Piece::Bad(bytes), _) => found.push(Found::Bad(bytes.to_owned())),
    };
    for piece in pieces {
        decoder.push(piece, &mut take);
    }
    decoder.finish(&mut take);
    found
}

fn check_name(name: &str) {
    match name.parse::<Encoding>() {
        Ok(encoding) => assert_eq!(encoding.name().parse(), Ok(encoding)),
        Err(invalid) => refusal::check_words(&invalid),
    }
}

//! A Rust text taken apart: code without strings and comments, the strings, the comments.
//!
//! This is a scanner, not a parser: it knows strings (raw ones too), characters, lifetimes and nested comments, which is
//! all that is needed to look for words in the right places.

/// A piece that was taken out of the code, with the number of the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Without quotes or comment marks' meaning being touched: as written.
    pub(crate) text: String,
    /// Whether it belongs to code that is compiled for tests only.
    pub(crate) in_test: bool,
}

/// A text in its parts.
#[derive(Debug, Default, Clone)]
pub(crate) struct Source {
    /// The code, as long as the text, everything else blanked.
    pub(crate) code: String,
    /// The same without what is under `#[cfg(test)]`.
    pub(crate) product_code: String,
    /// String literals, with their quotes.
    pub(crate) strings: Vec<Piece>,
    /// Comments, with their marks.
    pub(crate) comments: Vec<Piece>,
}

impl Source {
    /// Takes a text apart.
    pub(crate) fn read(text: &str) -> Source {
        let bytes = text.as_bytes();
        let mut code = bytes.to_vec();
        let (mut strings, mut comments) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < bytes.len() {
            let (end, kind) = piece(bytes, at);
            match kind {
                Kind::Code => {}
                Kind::Character => blank(&mut code[at..end]),
                Kind::String | Kind::Comment => {
                    blank(&mut code[at..end]);
                    let target = if kind == Kind::String { &mut strings } else { &mut comments };
                    target.push((at, text[at..end].to_owned()));
                }
            }
            at = end;
        }
        let code = String::from_utf8(code).expect("blanks replaced whole characters");
        let tests = test_ranges(&code);
        let mut product_code = code.clone().into_bytes();
        tests.iter().for_each(|range| blank(&mut product_code[range.clone()]));
        let finish = |pieces: Vec<(usize, String)>| {
            let make = |(at, piece)| Piece {
                line: line_of(text, at),
                text: piece,
                in_test: tests.iter().any(|range| range.contains(&at)),
            };
            pieces.into_iter().map(make).collect()
        };
        Source {
            product_code: String::from_utf8(product_code).expect("ranges begin and end at ASCII characters"),
            strings: finish(strings),
            comments: finish(comments),
            code,
        }
    }

    /// Makes all of it code that is compiled for tests only.
    pub(crate) fn make_test(&mut self) {
        let mut blanked = std::mem::take(&mut self.product_code).into_bytes();
        blank(&mut blanked);
        self.product_code = String::from_utf8(blanked).expect("blanks are ASCII");
        self.strings.iter_mut().chain(&mut self.comments).for_each(|piece| piece.in_test = true);
    }
}

/// Returns the number of the line that holds byte `at`.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Returns where `word` stands in `code` as a word of its own.
pub(crate) fn positions(code: &str, word: &str) -> Vec<usize> {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = code.as_bytes();
    let alone = |at: &usize| {
        !is_part(at.checked_sub(1).and_then(|before| bytes.get(before))) && !is_part(bytes.get(at + word.len()))
    };
    code.match_indices(word).map(|(at, _)| at).filter(alone).collect()
}

/// Returns the end of the block whose `{` is the first one at or after `at`, past its `}`.
pub(crate) fn block_end(code: &str, at: usize) -> usize {
    let mut depth = 0usize;
    for (offset, byte) in code.as_bytes()[at..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + offset + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Character,
    String,
    Comment,
}

/// Returns the end and the kind of what begins at `at`.
fn piece(bytes: &[u8], at: usize) -> (usize, Kind) {
    let rest = &bytes[at..];
    let starts_word = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        return (at + length, Kind::Comment);
    }
    if rest.starts_with(b"/*") {
        return (block_comment_end(bytes, at), Kind::Comment);
    }
    if rest[0] == b'"' {
        return (string_end(bytes, at + 1), Kind::String);
    }
    if starts_word && let Some(end) = raw_string_end(bytes, at) {
        return (end, Kind::String);
    }
    if rest[0] == b'\''
        && let Some(end) = character_end(bytes, at)
    {
        return (end, Kind::Character);
    }
    (at + 1, Kind::Code)
}

fn block_comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut end) = (0usize, at);
    while end < bytes.len() {
        if bytes[end..].starts_with(b"/*") {
            depth += 1;
            end += 2;
        } else if bytes[end..].starts_with(b"*/") {
            depth -= 1;
            end += 2;
            if depth == 0 {
                return end;
            }
        } else {
            end += 1;
        }
    }
    end
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Recognises `r"`, `r#"`, `br"`, `cr"` and so on; `b"` and `c"` are a letter followed by a plain string.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let prefix = ["br", "cr", "r"].iter().find(|prefix| rest.starts_with(prefix.as_bytes()))?.len();
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return None;
    }
    let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let body = at + prefix + hashes + 1;
    let length = bytes[body..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| body + length + close.len()))
}

/// Tells a character from a lifetime: a character has its closing quote.
fn character_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes[at + 3..].iter().position(|byte| *byte == b'\'')?;
        return Some(at + 3 + close + 1);
    }
    let text = std::str::from_utf8(&bytes[at + 1..(at + 5).min(bytes.len())]);
    let length = match text {
        Ok(text) => text.chars().next()?.len_utf8(),
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&bytes[at + 1..at + 1 + error.valid_up_to()]).ok()?.chars().next()?.len_utf8()
        }
        Err(_) => return None,
    };
    (bytes.get(at + 1 + length) == Some(&b'\'')).then_some(at + length + 2)
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Returns the ranges of the items under `#[cfg(test)]`.
fn test_ranges(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, attribute) in code.match_indices("#[cfg(test)]") {
        if ranges.last().is_some_and(|last| last.contains(&at)) {
            continue;
        }
        let from = at + attribute.len();
        let first = code[from..].find(['{', ';']).map_or(code.len(), |offset| from + offset);
        let end = if code[first..].starts_with('{') { block_end(code, first) } else { (first + 1).min(code.len()) };
        ranges.push(at..end);
    }
    ranges
}

#[test]
fn strings_and_comments_are_told_from_code() {
    let text = "let a = \"// no \\\" comment\"; // crate::x \"no string\"\nlet b = r#\"un\"safe\"#; /* a /* b */ c */ let c = '\"'; fn f<'a>() {}";
    let source = Source::read(text);
    assert_eq!(source.code.len(), text.len());
    assert!(!source.code.contains("comment") && !source.code.contains("safe") && !source.code.contains("crate"));
    assert!(source.code.contains("let c =") && source.code.contains("fn f<'a>() {}"));
    assert_eq!(source.strings.len(), 2);
    assert_eq!(source.comments.len(), 2);
    assert_eq!((source.strings[1].line, &*source.strings[1].text), (2, "r#\"un\"safe\"#"));
}

#[test]
fn what_is_compiled_for_tests_only_is_known() {
    let source = Source::read(
        "fn a() { 'x'; 'é'; '\\n'; }\n#[cfg(test)]\nmod tests { use crate::b; fn c() { \"d\"; } }\nfn e() {}",
    );
    assert!(source.code.contains("crate::b") && !source.product_code.contains("crate::b"));
    assert!(source.product_code.contains("fn e()"));
    assert!(source.strings[0].in_test);
    assert_eq!(positions("unsafe unsafe_code deny(unsafe)", "unsafe"), [0, 24]);
}

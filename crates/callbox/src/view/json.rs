//! One JSON value (RFC 8259) with its white space laid out anew, and nothing else changed.
//!
//! It is not read into values and written again, which would rewrite numbers, escapes and duplicate keys: what is
//! shown must be what came. What is inside strings is not looked at, so it need not be UTF-8, and it has to be made
//! safe for a terminal like any text a peer sent.

/// The deepest nesting that is indented; a person cannot follow half of it.
pub const DEPTH_MAX: usize = 128;

/// How many times as long as the payload the indented text may be.
///
/// White space is two bytes a level, so that without this bound a peer's `[[[...1,1,1` would take a hundred times its
/// length. Text that people write grows about two times.
pub const GROWTH_MAX: usize = 16;

/// What a short text may grow by in any case, in bytes; deep nesting of little.
const GROWTH_FREE: usize = 64 * 1024;

/// Returns `payload` with two spaces a level, a member or element a line; `None` when it is not one well-formed value.
///
/// White space outside strings is all that changes: numbers, escapes, the order of keys, duplicate keys and the bytes
/// inside strings stay as they are. Empty objects and arrays stay on one line. There is no line ending at the end.
///
/// Nesting beyond [`DEPTH_MAX`] and growth beyond [`GROWTH_MAX`] are `None` as well: such a payload is better shown as
/// it came.
///
/// ```
/// use callbox::view::indent;
///
/// let text = indent(br#"{"n":1.50,"empty":[ ],"of":["\u0041"]}"#).expect("well-formed");
/// assert_eq!(text, b"{\n  \"n\": 1.50,\n  \"empty\": [],\n  \"of\": [\n    \"\\u0041\"\n  ]\n}");
/// assert_eq!(indent(b"{\"n\":1"), None);
/// ```
pub fn indent(payload: &[u8]) -> Option<Vec<u8>> {
    let mut writer = Writer {
        rest: payload,
        out: Vec::with_capacity(payload.len() * 2),
        open: Vec::new(),
        len_max: payload.len().saturating_mul(GROWTH_MAX).saturating_add(GROWTH_FREE),
    };
    let mut next = Next::Value;
    while let Some(byte) = writer.token() {
        next = match next {
            Next::Value => writer.value(byte)?,
            Next::Key => writer.key(byte)?,
            Next::Colon => writer.colon(byte)?,
            Next::CommaOrEnd => writer.comma_or_end(byte)?,
            Next::Nothing => return None,
        };
    }
    matches!(next, Next::Nothing).then_some(writer.out)
}

/// What may come next.
enum Next {
    Value,
    Key,
    Colon,
    CommaOrEnd,
    Nothing,
}

struct Writer<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
    /// The brackets that are open, by the one that ends each.
    open: Vec<u8>,
    len_max: usize,
}

impl Writer<'_> {
    /// Skips white space and returns the byte behind it, which is not taken yet.
    fn token(&mut self) -> Option<u8> {
        let space = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.rest = &self.rest[space..];
        self.rest.first().copied()
    }

    /// Copies the next `len` bytes.
    fn copy(&mut self, len: usize) {
        let (taken, rest) = self.rest.split_at(len);
        self.out.extend_from_slice(taken);
        self.rest = rest;
    }

    /// Starts a line at the level of what is open.
    fn line(&mut self) -> Option<()> {
        let len = self.out.len() + 1 + 2 * self.open.len();
        if len > self.len_max {
            return None;
        }
        self.out.push(b'\n');
        self.out.resize(len, b' ');
        Some(())
    }

    fn value(&mut self, byte: u8) -> Option<Next> {
        let len = match byte {
            b'{' => return self.begin(b'}'),
            b'[' => return self.begin(b']'),
            b'"' => string(self.rest)?,
            b't' => word(self.rest, b"true")?,
            b'f' => word(self.rest, b"false")?,
            b'n' => word(self.rest, b"null")?,
            _ => number(self.rest)?,
        };
        self.copy(len);
        Some(self.behind_value())
    }

    fn key(&mut self, byte: u8) -> Option<Next> {
        if byte != b'"' {
            return None;
        }
        self.copy(string(self.rest)?);
        Some(Next::Colon)
    }

    fn colon(&mut self, byte: u8) -> Option<Next> {
        if byte != b':' {
            return None;
        }
        self.copy(1);
        self.out.push(b' ');
        Some(Next::Value)
    }

    fn comma_or_end(&mut self, byte: u8) -> Option<Next> {
        let end = *self.open.last()?;
        if byte == b',' {
            self.copy(1);
            self.line()?;
            return Some(Writer::inside(end));
        }
        if byte != end {
            return None;
        }
        self.open.pop();
        self.line()?;
        self.copy(1);
        Some(self.behind_value())
    }

    /// Takes the bracket that `end` will close; when it does so at once, that too.
    fn begin(&mut self, end: u8) -> Option<Next> {
        self.copy(1);
        if self.token() == Some(end) {
            self.copy(1);
            return Some(self.behind_value());
        }
        if self.open.len() == DEPTH_MAX {
            return None;
        }
        self.open.push(end);
        self.line()?;
        Some(Writer::inside(end))
    }

    fn inside(end: u8) -> Next {
        if end == b'}' { Next::Key } else { Next::Value }
    }

    fn behind_value(&self) -> Next {
        if self.open.is_empty() { Next::Nothing } else { Next::CommaOrEnd }
    }
}

/// Returns the length of the string that `bytes` begin with, both quotes included.
fn string(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Returns the length of `word` if `bytes` begin with it; what follows is for the next token to complain of.
fn word(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.starts_with(word).then_some(word.len())
}

/// Returns the length of the number that `bytes` begin with.
fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let at_least_one = |at: usize| Some(digits(at)).filter(|count| *count > 0);
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    // A leading zero stands alone.
    at += if bytes.get(at) == Some(&b'0') { 1 } else { at_least_one(at)? };
    if bytes.get(at) == Some(&b'.') {
        at += 1 + at_least_one(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at += at_least_one(at)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Without white space outside strings.
    fn bare(json: &[u8]) -> Vec<u8> {
        let (mut bare, mut rest) = (Vec::new(), json);
        while let Some(&byte) = rest.first() {
            let len = if byte == b'"' { string(rest).expect("strings end") } else { 1 };
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                bare.extend_from_slice(&rest[..len]);
            }
            rest = &rest[len..];
        }
        bare
    }

    #[test]
    fn values_are_laid_out_a_member_a_line() {
        let table = [
            ("1", "1"),
            (" \t\r\n null ", "null"),
            ("\"a b\"", "\"a b\""),
            ("{}", "{}"),
            ("[ \n ]", "[]"),
            ("[[],{}]", "[\n  [],\n  {}\n]"),
            (r#"{"a":{"b":[1,2]}}"#, "{\n  \"a\": {\n    \"b\": [\n      1,\n      2\n    ]\n  }\n}"),
            (r#"{"a":1,"a":-0.10E+5}"#, "{\n  \"a\": 1,\n  \"a\": -0.10E+5\n}"),
            (r#"["\"[,]{\\"]"#, "[\n  \"\\\"[,]{\\\\\"\n]"),
            ("[1.0,123456789012345678901234567890]", "[\n  1.0,\n  123456789012345678901234567890\n]"),
        ];
        for (json, expected) in table {
            let indented = indent(json.as_bytes()).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(indented.as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_is_not_one_value_is_left_alone() {
        let table = [
            "",
            " ",
            "1 2",
            "1,2",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{1:2}",
            "[",
            "]",
            "[}",
            "{]",
            "[1}",
            "{\"a\":1]",
            "[]]",
            "\"a",
            "\"a\\",
            "\"a\\\"",
            "tru",
            "truex",
            "nul",
            "True",
            "'a'",
            "01",
            "-",
            "+1",
            ".5",
            "1.",
            "1e",
            "1e+",
            "0x10",
            "NaN",
            "-Infinity",
            "[1]x",
            "{}{}",
            "\u{feff}1",
            "hello",
        ];
        for json in table {
            assert_eq!(indent(json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn bytes_inside_strings_stay_as_they_are() {
        let text = indent(b"[\"\xff\x00\n\x1b\"]");
        assert_eq!(text.as_deref(), Some(&b"[\n  \"\xff\x00\n\x1b\"\n]"[..]));
    }

    #[test]
    fn depth_and_growth_are_bounded() {
        let nested = |depth: usize, inner: &str| "[".repeat(depth) + inner + &"]".repeat(depth);
        assert!(indent(nested(DEPTH_MAX, "1").as_bytes()).is_some());
        assert_eq!(indent(nested(DEPTH_MAX + 1, "1").as_bytes()), None);
        assert_eq!(indent("[".repeat(1 << 20).as_bytes()), None);
        // Two bytes of payload a line of 200: refused, and not for its depth.
        assert_eq!(indent(nested(100, &vec!["1"; 10_000].join(",")).as_bytes()), None);
        assert!(indent(nested(5, &vec!["1"; 10_000].join(",")).as_bytes()).is_some());
    }

    /// A value with white space wherever it may be.
    fn values() -> impl Strategy<Value = String> {
        let space = || "[ \t\r\n]{0,2}";
        let string = || r#""([ -!#-\[\]-~é]|\\["\\/bfnrt]|\\u[0-9a-f]{4}){0,5}""#;
        let scalar = prop_oneof![
            prop::sample::select(vec!["true", "false", "null"]).prop_map(String::from),
            r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
            string(),
        ];
        scalar.prop_recursive(5, 60, 5, move |inner| {
            let element = (space(), inner.clone(), space()).prop_map(|(a, value, b)| a + &value + &b);
            let member = (space(), string(), space(), element.clone())
                .prop_map(|(a, key, b, value)| a + &key + &b + ":" + &value);
            prop_oneof![
                prop::collection::vec(element, 1..5).prop_map(|all| format!("[{}]", all.join(","))),
                prop::collection::vec(member, 1..5).prop_map(|all| format!("{{{}}}", all.join(","))),
                space().prop_map(|space| format!("[{space}]")),
                space().prop_map(|space| format!("{{{space}}}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_outside_strings_changes(json in values()) {
            let text = indent(json.as_bytes()).expect("well-formed");
            prop_assert_eq!(bare(&text), bare(json.as_bytes()));
        }

        #[test]
        fn indenting_twice_is_indenting_once(json in values()) {
            let once = indent(json.as_bytes()).expect("well-formed");
            prop_assert_eq!(indent(&once), Some(once));
        }

        #[test]
        fn a_value_cut_short_is_none(json in values(), cut: prop::sample::Index) {
            let json = json.trim_end();
            // Short of its end, only a number is still a value.
            if json.starts_with(['[', '{', '"', 't', 'f', 'n']) {
                prop_assert_eq!(indent(&json.as_bytes()[..cut.index(json.len())]), None);
            }
        }

        #[test]
        fn bytes_of_any_sort_are_indented_or_refused(
            bytes: Vec<u8>,
            like in r#"[\[\]{}",:\\ \n0-9.eE+\-truefalsn]{0,40}"#,
        ) {
            for bytes in [&bytes[..], like.as_bytes()] {
                if let Some(text) = indent(bytes) {
                    prop_assert_eq!(bare(&text), bare(bytes));
                }
            }
        }
    }
}

//! What to wait for in a stream: patterns, and the search for them over any chunking.
//!
//! A pattern is met as soon as it can be, with the first byte that completes it: `re:a+` ends behind the first `a`.
//! That is what makes the edges of chunks irrelevant; greed has no meaning in bytes that are still coming.
//!
//! ```
//! use callbox::pattern::Expect;
//!
//! let mut expect = Expect::new(vec!["login: ".parse()?, r"re:welcome|\d+ mails".parse()?]);
//! assert!(!expect.feed(b"lo"));
//! assert!(!expect.feed(b"gin: 12"));
//! assert!(expect.feed(b" mails\r\n"));
//! assert_eq!(expect.tail(), b"\r\n");
//! # Ok::<(), callbox::Invalid>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use regex_automata::MatchKind;
use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

use crate::error::Invalid;
use crate::text::{Encoding, unescape_in};

/// A literal with escapes (`login:\x20`), or after `re:` a regex on bytes.
///
/// A regex is as if after `(?s-u)`: `.` is any byte, newlines included, classes are ASCII, `\xHH` is a byte. `^` is the
/// start of the stream, `(?m)^` that of a line. `$`, `\z` and a last `\b` see the end of what has come so far, which
/// is wherever the network cut it; write the line ending instead. Matching takes linear time, whatever the peer sends.
///
/// A literal is looked for as the bytes it has in an encoding, wherever they are: also across the middle of two other
/// characters, and in `iso-2022-jp` only between the escape sequences that it is written with. A regex stays on bytes in
/// every encoding: what is not ASCII in it is UTF-8.
///
/// Valid: `OK`, `done\r\n`, `re:^2\d\d `. Invalid: the empty pattern, `re:a*` (met by nothing), `re:(`.
#[derive(Clone)]
pub struct Pattern {
    written: String,
    matcher: Matcher,
    /// Made when somebody asks for it; clones share it.
    automaton: Arc<OnceLock<Arc<DFA>>>,
}

#[derive(Debug, Clone)]
enum Matcher {
    Literal(Box<memmem::Finder<'static>>),
    Regex(Regex),
}

/// The longest match of a regex that is surely found, in bytes; a longer one is not.
///
/// Bytes still to be searched are kept and searched again with each chunk, so this bounds memory and the work that a
/// peer causes with one byte. A screen, a head of HTTP and a line of any sane protocol fit.
pub const WINDOW_BYTES: usize = 64 * 1024;

/// How much [`Expect::tail`] keeps: some lines of a terminal, enough to see what came instead.
pub const TAIL_BYTES: usize = 256;

impl FromStr for Pattern {
    type Err = Invalid;

    /// Reads a pattern whose literals are UTF-8.
    fn from_str(text: &str) -> Result<Pattern, Invalid> {
        Pattern::parse_in(text, Encoding::UTF_8)
    }
}

/// The last line of the regex parser's drawing says what is wrong.
fn in_one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_string()
}

impl fmt::Debug for Pattern {
    /// Prints the pattern as written, and no automaton, which may have thousands of states.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.written).finish()
    }
}

impl fmt::Display for Pattern {
    /// Prints the pattern as written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Pattern {
    /// Reads a pattern whose literals are in an encoding.
    ///
    /// # Errors
    ///
    /// An empty pattern, a bad escape, a character that the encoding does not have, a bad regex.
    pub fn parse_in(text: &str, encoding: Encoding) -> Result<Pattern, Invalid> {
        let invalid = |problem: &str| Invalid::new("pattern", text, problem);
        let matcher = match text.strip_prefix("re:") {
            _ if text.is_empty() || text == "re:" => {
                return Err(invalid("empty").instead("write the text to wait for, or re: and a regex"));
            }
            Some(source) => {
                let regex = RegexBuilder::new(source).unicode(false).dot_matches_new_line(true).build();
                let regex = regex.map_err(|error| invalid(&in_one_line(&error)))?;
                if regex.is_match(b"") {
                    return Err(invalid("it is met by no bytes at all").instead("write a+ rather than a*"));
                }
                Matcher::Regex(regex)
            }
            None => Matcher::Literal(Box::new(memmem::Finder::new(&unescape_in(text, encoding)?).into_owned())),
        };
        Ok(Pattern { written: text.to_string(), matcher, automaton: Arc::default() })
    }

    /// Returns the regex, if it is one.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        match &self.matcher {
            Matcher::Literal(_) => None,
            Matcher::Regex(regex) => Some(regex),
        }
    }

    /// Returns an automaton that tells after each byte whether a match may still come, and where it ended: as long a one
    /// as the regex is greedy for.
    pub(crate) fn automaton(&self) -> Arc<DFA> {
        self.automaton.get_or_init(|| Arc::new(self.make_automaton())).clone()
    }

    fn make_automaton(&self) -> DFA {
        let source = match &self.matcher {
            Matcher::Literal(finder) => finder.needle().iter().map(|byte| format!(r"\x{byte:02x}")).collect(),
            Matcher::Regex(regex) => regex.as_str().to_string(),
        };
        let syntax = syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true);
        // States that somebody remembers must not be forgotten behind his back: a full cache is an error.
        let config = DFA::config().match_kind(MatchKind::LeftmostFirst).minimum_cache_clear_count(Some(0));
        let config = config.skip_cache_capacity_check(true);
        let built = DFA::builder()
            .configure(config)
            .syntax(syntax)
            .thompson(thompson::Config::new().utf8(false))
            .build(&source);
        // What was read as a pattern is one; of what could not be built nothing is found.
        built.unwrap_or_else(|_| DFA::never_match().unwrap_or_else(|error| unreachable!("no states: {error}")))
    }

    /// Returns where the first match that begins at `from` or later ends, as early as it can end.
    ///
    /// There is none that ends at `searched` or before.
    fn end_of_match(&self, bytes: &[u8], from: usize, searched: usize) -> Option<usize> {
        match &self.matcher {
            Matcher::Literal(finder) => finder.find(&bytes[from..]).map(|at| from + at + finder.needle().len()),
            Matcher::Regex(regex) => {
                // This end depends on how the engine works; bisection finds the first one.
                let mut met = regex.shortest_match_at(bytes, from)?;
                let mut unmet = searched.max(from);
                while unmet + 1 < met {
                    let middle = unmet + (met - unmet) / 2;
                    if regex.is_match_at(&bytes[..middle], from) { met = middle } else { unmet = middle }
                }
                Some(met)
            }
        }
    }

    /// Returns how many searched bytes may yet be part of a match.
    fn overlap(&self) -> usize {
        match &self.matcher {
            Matcher::Literal(finder) => finder.needle().len() - 1,
            Matcher::Regex(_) => WINDOW_BYTES,
        }
    }
}

/// Several patterns, to be met in order; the next is looked for right behind the match of the one before.
#[derive(Debug, Clone)]
pub struct Expect {
    patterns: Vec<Pattern>,
    met: usize,
    /// The bytes that a match or the tail may need, and up to a window of older ones that await being discarded.
    kept: Vec<u8>,
    /// Where in `kept` the last match ended.
    consumed: usize,
    /// Where in `kept` the next match may begin.
    from: usize,
}

impl Expect {
    /// Makes one for a new stream of bytes; without patterns it is met from the start.
    pub fn new(patterns: Vec<Pattern>) -> Expect {
        Expect { patterns, met: 0, kept: Vec::new(), consumed: 0, from: 0 }
    }

    /// Begins anew, as for another stream of bytes. Memory for a window of them is kept.
    pub fn again(&mut self) {
        (self.met, self.consumed, self.from) = (0, 0, 0);
        self.kept.clear();
        self.kept.shrink_to(WINDOW_BYTES);
    }

    /// Searches on in `bytes`; returns whether all patterns are met.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        self.feed_to_end(bytes);
        self.is_met()
    }

    /// Searches on in `bytes`; returns how many of them there are up to the end of the last match, if that is in them.
    pub fn feed_to_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut found = None;
        let mut before = 0;
        // Memory stays within a few windows, however large the chunk.
        for piece in bytes.chunks(WINDOW_BYTES) {
            let pending = !self.is_met();
            self.search(piece);
            if pending && self.is_met() {
                found = Some(before + piece.len() - (self.kept.len() - self.consumed));
            }
            before += piece.len();
            self.discard();
        }
        found
    }

    /// Searches on in a window at most.
    fn search(&mut self, piece: &[u8]) {
        let mut searched = self.kept.len();
        self.kept.extend_from_slice(piece);
        while let Some(pattern) = self.patterns.get(self.met) {
            let Some(end) = pattern.end_of_match(&self.kept, self.from, searched) else {
                self.from = self.from.max(self.kept.len().saturating_sub(pattern.overlap()));
                break;
            };
            (self.consumed, self.from, searched) = (end, end, end);
            self.met += 1;
        }
    }

    /// Tells whether all patterns are met.
    pub fn is_met(&self) -> bool {
        self.met == self.patterns.len()
    }

    /// Returns the pattern waited for.
    pub fn pending(&self) -> Option<&Pattern> {
        self.patterns.get(self.met)
    }

    /// Returns how many patterns are met.
    pub fn met(&self) -> usize {
        self.met
    }

    /// Returns the last bytes received that no pattern consumed, [`TAIL_BYTES`] at most, for the message of a failure.
    pub fn tail(&self) -> &[u8] {
        &self.kept[self.consumed.max(self.kept.len().saturating_sub(TAIL_BYTES))..]
    }

    /// Forgets what neither a match nor the tail can need.
    fn discard(&mut self) {
        let len = self.kept.len();
        let from = if self.is_met() { len } else { self.from };
        // One byte before the search stays, so that `^` and `\b` there see what they follow.
        let old = from.saturating_sub(1).min(len.saturating_sub(TAIL_BYTES));
        // A window at a time, so that single bytes do not move all others each time.
        if old >= WINDOW_BYTES {
            self.kept.drain(..old);
            self.consumed = self.consumed.saturating_sub(old);
            self.from = self.from.saturating_sub(old);
        }
    }
}

#[cfg(test)]
mod tests;

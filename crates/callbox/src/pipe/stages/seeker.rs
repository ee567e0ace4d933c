//! The search behind `replace`: matches in a stream, and which bytes may yet be part of one.

use std::sync::Arc;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::{Anchored, Input};

/// The longest match that is surely found, in bytes; a longer one is not. So much is held back at most.
pub const MATCH_BYTES: usize = 16 * 1024;

/// Finds the leftmost matches of a pattern in bytes that come in any chunks, each as the regex itself would choose it.
pub(super) struct Seeker {
    dfa: Arc<DFA>,
    cache: Cache,
    /// Bytes with which a match may begin.
    begins: Box<[bool; 256]>,
    /// What is looked at: the byte before, for `^` and `\b`, then what is not decided yet.
    bytes: Vec<u8>,
    /// Where in `bytes` the next match may begin.
    start: usize,
    /// How far the match that may begin there has been followed.
    trail: Option<Trail>,
    /// In which state each byte was last come to. From the same state at the same byte no other end is found, so that no peer
    /// can make the search follow the same bytes over and over.
    marks: Vec<Option<LazyStateID>>,
}

/// There is no room for more states.
struct Full;

struct Trail {
    state: LazyStateID,
    next: usize,
    end: Option<usize>,
}

/// What came of some bytes.
pub(super) enum Found<'a> {
    /// They are no part of a match.
    Plain(&'a [u8]),
    /// They match: these of the bytes, which have what is around them.
    Match {
        /// The bytes around and the match in them.
        around: &'a [u8],
        /// Where in there it begins and ends.
        range: std::ops::Range<usize>,
    },
}

impl Seeker {
    pub(super) fn new(dfa: Arc<DFA>) -> Seeker {
        let mut cache = dfa.create_cache();
        let begins = Box::new(begins(&dfa, &mut cache));
        Seeker { dfa, cache, begins, bytes: Vec::new(), start: 0, trail: None, marks: Vec::new() }
    }

    /// Returns how many bytes are not decided yet.
    pub(super) fn held(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Searches on; what is decided goes to `take`, in order.
    pub(super) fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(Found<'_>)) {
        for piece in bytes.chunks(MATCH_BYTES) {
            self.bytes.extend_from_slice(piece);
            self.search(false, take);
            if self.held() > MATCH_BYTES {
                take(Found::Plain(&self.bytes[self.start..]));
                self.marks.clear();
                self.go_on_at(self.bytes.len());
            }
            self.forget();
        }
    }

    /// Decides about all that is held, as if the stream ended here.
    pub(super) fn finish(&mut self, take: &mut dyn FnMut(Found<'_>)) {
        self.search(true, take);
        self.forget();
    }

    /// Begins with another stream.
    pub(super) fn begin_anew(&mut self) {
        self.bytes.clear();
        self.marks.clear();
        self.go_on_at(0);
    }

    fn search(&mut self, ends: bool, take: &mut dyn FnMut(Found<'_>)) {
        let mut plain = self.start;
        loop {
            if self.trail.is_none() {
                let rest = &self.bytes[self.start..];
                self.start += rest.iter().position(|byte| self.begins[usize::from(*byte)]).unwrap_or(rest.len());
                if self.start == self.bytes.len() {
                    break;
                }
            }
            let Some(end) = self.follow(ends) else { break };
            match end {
                0 => self.go_on_at(self.start + 1),
                end => {
                    if plain < self.start {
                        take(Found::Plain(&self.bytes[plain..self.start]));
                    }
                    take(Found::Match { around: &self.bytes, range: self.start..end });
                    self.go_on_at(end);
                    plain = end;
                }
            }
        }
        if plain < self.start {
            take(Found::Plain(&self.bytes[plain..self.start]));
        }
    }

    /// Follows the match that may begin at `start`: where it ends, 0 where there is none, nothing while both may be.
    fn follow(&mut self, ends: bool) -> Option<usize> {
        self.walk(ends).unwrap_or_else(|_full| {
            // All states are forgotten, and found anew; what needs more of them than there is room for is no match.
            self.cache.reset(&self.dfa);
            self.marks.clear();
            self.trail = None;
            self.walk(ends).unwrap_or(Some(0))
        })
    }

    fn walk(&mut self, ends: bool) -> Result<Option<usize>, Full> {
        let mut trail = match self.trail.take() {
            Some(trail) => trail,
            None => {
                let input = Input::new(&self.bytes).span(self.start..self.bytes.len()).anchored(Anchored::Yes);
                let state = self.dfa.start_state_forward(&mut self.cache, &input).map_err(|_| Full)?;
                Trail { state, next: self.start, end: None }
            }
        };
        self.marks.resize(self.bytes.len() + 1, None);
        while let Some(byte) = self.bytes.get(trail.next) {
            let state = self.dfa.next_state(&mut self.cache, trail.state, *byte).map_err(|_| Full)?;
            // A match is seen one byte late.
            if state.is_match() {
                trail.end = Some(trail.next);
            }
            (trail.state, trail.next) = (state, trail.next + 1);
            if state.is_dead() || state.is_quit() || self.marks[trail.next] == Some(state) {
                return Ok(Some(self.whole(&trail)));
            }
            self.marks[trail.next] = Some(state);
        }
        if ends {
            if self.dfa.next_eoi_state(&mut self.cache, trail.state).map_err(|_| Full)?.is_match() {
                trail.end = Some(self.bytes.len());
            }
            return Ok(Some(self.whole(&trail)));
        }
        if trail.state.is_match() && self.is_last(trail.state) {
            return Ok(Some(self.whole(&trail)));
        }
        if self.is_decided(trail.state) {
            return Ok(Some(self.bytes.len()));
        }
        self.trail = Some(trail);
        Ok(None)
    }

    /// Tells whether a match ends here whatever comes, so that nobody has to wait for that.
    fn is_decided(&mut self, state: LazyStateID) -> bool {
        if !self.dfa.next_eoi_state(&mut self.cache, state).is_ok_and(|last| last.is_match()) {
            return false;
        }
        // A match is seen one byte late, and is the longest when nothing comes behind that byte.
        let mut known = None;
        for byte in 0..=255u8 {
            let Ok(next) = self.dfa.next_state(&mut self.cache, state, byte) else { return false };
            if known != Some(next) && !(next.is_match() && self.is_last(next)) {
                return false;
            }
            known = Some(next);
        }
        true
    }

    /// Tells whether nothing that comes behind this state is part of a match.
    fn is_last(&mut self, state: LazyStateID) -> bool {
        (0..=255u8).all(|byte| self.dfa.next_state(&mut self.cache, state, byte).is_ok_and(|next| next.is_dead()))
    }

    /// Returns the end of a match of one byte at least, or 0.
    fn whole(&self, trail: &Trail) -> usize {
        trail.end.filter(|end| *end > self.start).unwrap_or(0)
    }

    fn go_on_at(&mut self, start: usize) {
        self.start = start;
        self.trail = None;
    }

    /// Forgets what is decided, but for one byte.
    fn forget(&mut self) {
        let old = self.start.saturating_sub(1);
        self.bytes.drain(..old);
        self.marks.drain(..old.min(self.marks.len()));
        self.start -= old;
        if let Some(trail) = &mut self.trail {
            trail.next -= old;
            trail.end = trail.end.map(|end| end - old);
        }
        if self.bytes.is_empty() {
            self.bytes.shrink_to(MATCH_BYTES);
        }
    }
}

/// Finds with which bytes a match may begin, whatever comes before.
fn begins(dfa: &DFA, cache: &mut Cache) -> [bool; 256] {
    let mut begins = [false; 256];
    for before in [&b""[..], b"a", b" ", b"\n", b"\r"] {
        let input = Input::new(before).span(before.len()..before.len()).anchored(Anchored::Yes);
        let Ok(state) = dfa.start_state_forward(cache, &input) else { return [true; 256] };
        for byte in 0..=255u8 {
            match dfa.next_state(cache, state, byte) {
                Ok(next) if next.is_dead() => {}
                _ => begins[usize::from(byte)] = true,
            }
        }
    }
    begins
}

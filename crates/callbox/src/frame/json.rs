//! `json`: a stream of JSON values, with white space between them or without (RFC 8259; JSON lines are such a stream).
//!
//! Only what bounds a value is looked at: brackets, strings and white space. What is inside is not validated, and garbage
//! comes out as frames too.

use memchr::memchr2;

use super::error::FrameError;
use super::scan::{Cut, Step};
use super::{FrameKind, GAP_BYTES};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a value.
    Lead,
    /// In a number, a literal or a word that is neither: it ends before what cannot belong to it.
    Scalar,
    /// In an array or object, outside of strings.
    Nested,
    /// In a string, which is the value itself when nothing is open.
    Text,
    /// In a string, behind a backslash.
    Escape,
}

#[derive(Debug, Clone)]
pub(super) struct Json {
    state: State,
    /// How many brackets are open; a count, so that no depth costs memory.
    depth: usize,
    /// How many bytes of white space came before the value.
    lead: usize,
    /// How many bytes of the value have come.
    value: usize,
    max_bytes: usize,
}

/// What one byte does.
enum Move {
    Go,
    /// The value ends behind the byte.
    EndBehind,
    /// The value ended before the byte, which is the next one's.
    EndBefore,
}

impl Json {
    pub(super) fn new(max_bytes: usize) -> Json {
        Json { state: State::Lead, depth: 0, lead: 0, value: 0, max_bytes }
    }

    pub(super) fn scan(&mut self, new: &[u8]) -> Step {
        let mut at = 0;
        while at < new.len() {
            if self.state == State::Lead && is_space(new[at]) {
                (at, self.lead) = (at + 1, self.lead + 1);
                if self.lead == GAP_BYTES {
                    return Step::Cut(self.cut(at, FrameKind::Gap));
                }
                continue;
            }
            let plain = self.plain(&new[at..]);
            let moved = if plain > 0 { Move::Go } else { self.byte(new[at]) };
            if let Move::EndBefore = moved {
                return Step::Cut(self.cut(at, FrameKind::Whole));
            }
            let room = self.max_bytes - self.value;
            if plain.max(1) > room {
                return Step::Fail { taken: at + room + 1, error: FrameError::endless(self.max_bytes) };
            }
            at += plain.max(1);
            self.value += plain.max(1);
            if let Move::EndBehind = moved {
                return Step::Cut(self.cut(at, FrameKind::Whole));
            }
        }
        Step::More
    }

    /// Returns how many bytes at the start change nothing, looked up at once since most bytes are in strings.
    fn plain(&self, rest: &[u8]) -> usize {
        match self.state {
            State::Text => memchr2(b'"', b'\\', rest).unwrap_or(rest.len()),
            _ => 0,
        }
    }

    fn byte(&mut self, byte: u8) -> Move {
        match (self.state, byte) {
            (State::Escape, _) => self.state = State::Text,
            (State::Text, b'\\') => self.state = State::Escape,
            (State::Text, b'"') if self.depth == 0 => return Move::EndBehind,
            (State::Text, b'"') => self.state = State::Nested,
            (State::Text, _) => {}
            (State::Scalar, _) if is_space(byte) || is_structural(byte) => return Move::EndBefore,
            (State::Scalar, _) => {}
            (_, b'"') => self.state = State::Text,
            (_, b'{' | b'[') => (self.state, self.depth) = (State::Nested, self.depth + 1),
            (State::Nested, b'}' | b']') => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Move::EndBehind;
                }
            }
            (State::Nested, _) => {}
            // What closes or parts where nothing is open is a frame of its own.
            (State::Lead, b'}' | b']' | b',' | b':') => return Move::EndBehind,
            (State::Lead, _) => self.state = State::Scalar,
        }
        Move::Go
    }

    pub(super) fn rest(&mut self) -> Cut {
        let kind = match self.state {
            State::Lead => FrameKind::Gap,
            State::Scalar => FrameKind::Whole,
            State::Nested | State::Text | State::Escape => FrameKind::Partial,
        };
        self.cut(0, kind)
    }

    pub(super) fn lead(&self) -> usize {
        self.lead
    }

    fn cut(&mut self, end: usize, kind: FrameKind) -> Cut {
        let lead = if kind == FrameKind::Gap { 0 } else { self.lead };
        *self = Json::new(self.max_bytes);
        Cut { end, lead, head: lead, tail: 0, kind }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_structural(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"')
}

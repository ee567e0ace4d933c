//! A part of a fault as written: its values, and errors that point into the whole.

use std::time::Duration;

use super::WHAT;
use crate::error::Invalid;
use crate::pipe::fault::{After, Point};
use crate::text::nearest;
use crate::units::{Size, parse_duration};

/// A stretch of the text.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// The whole.
    pub(super) text: &'a str,
    /// Where it begins.
    pub(super) at: usize,
    /// Its length in bytes.
    pub(super) len: usize,
}

impl<'a> Part<'a> {
    pub(super) fn str(self) -> &'a str {
        &self.text[self.at..self.at + self.len]
    }

    /// Splits at the last of this character.
    pub(super) fn split(self, at: char) -> (Part<'a>, Option<Part<'a>>) {
        match self.str().rfind(at) {
            Some(place) => {
                let (before, behind) = self.around(place, at.len_utf8());
                (before, Some(behind))
            }
            None => (self, None),
        }
    }

    /// Splits at the first of this text.
    pub(super) fn split_at(self, at: &str) -> Option<(Part<'a>, Part<'a>)> {
        self.str().find(at).map(|place| self.around(place, at.len()))
    }

    fn around(self, place: usize, len: usize) -> (Part<'a>, Part<'a>) {
        let behind = place + len;
        (Part { len: place, ..self }, Part { at: self.at + behind, len: self.len - behind, ..self })
    }

    pub(super) fn invalid(self, problem: impl Into<String>, instead: &str) -> Invalid {
        Invalid::new(WHAT, self.text, problem).at(self.at).instead(instead)
    }

    /// Moves what is wrong with a part to its place in the whole.
    pub(super) fn within(self, part: Invalid, instead: &str) -> Invalid {
        let at = self.at + part.at.unwrap_or(0).min(self.len);
        Invalid::new(WHAT, self.text, part.problem).at(at).instead(instead)
    }

    pub(super) fn duration(self, example: &str) -> Result<Duration, Invalid> {
        parse_duration(self.str()).map_err(|bad| self.within(bad, &format!("write {example}")))
    }

    pub(super) fn size(self, example: &str) -> Result<u64, Invalid> {
        let size: Size = self.str().parse().map_err(|bad| self.within(bad, &format!("write {example}")))?;
        Ok(size.0)
    }

    /// Reads a time, which has its unit, or a number of bytes: `5m` is five minutes, `5M` five million bytes.
    pub(super) fn point(self, example: &str) -> Result<Point, Invalid> {
        if self.str().trim_end().ends_with(['s', 'm', 'h', 'd']) {
            return self.duration(example).map(Point::Time);
        }
        self.size(example).map(Point::Byte)
    }

    /// Reads a share of one: `50%` or `0.5`.
    pub(super) fn share(self, instead: &str) -> Result<f64, Invalid> {
        let text = self.str();
        let (number, of) = match text.strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text, 1.0),
        };
        // `parse` would take signs, exponents and names.
        let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let value = number.parse::<f64>().ok().filter(|_| plain);
        match value.map(|value| value / of) {
            None => Err(self.invalid("no number", instead)),
            Some(share) if share > 1.0 => Err(self.invalid("more than all", instead)),
            Some(share) => Ok(share),
        }
    }

    /// Reads a number from 1 on.
    pub(super) fn count(self, instead: &str) -> Result<u64, Invalid> {
        let digits = self.str().bytes().all(|byte| byte.is_ascii_digit());
        match self.str().parse().ok().filter(|_| digits) {
            None => Err(self.invalid("no number", instead)),
            Some(0) => Err(self.invalid("it is counted from 1", instead)),
            Some(count) => Ok(count),
        }
    }
}

impl From<Point> for After {
    fn from(point: Point) -> After {
        match point {
            Point::Byte(bytes) => After::Bytes(bytes),
            Point::Time(time) => After::Time(time),
        }
    }
}

/// Returns the entry whose name was probably meant.
pub(super) fn near<T: Copy>(slip: &str, among: &[(&'static str, T)]) -> Option<(&'static str, T)> {
    let name = nearest(slip, among.iter().map(|(name, _)| *name))?;
    among.iter().find(|(other, _)| *other == name).copied()
}

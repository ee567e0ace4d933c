//! `fixed:N`: frames of N bytes each.

use super::scan::{Declared, Step};

#[derive(Debug, Clone)]
pub(super) struct Fixed(Declared);

impl Fixed {
    /// Makes one for a length that is not zero and within the maximum.
    pub(super) fn new(bytes: usize) -> Fixed {
        Fixed(Declared { head: 0, payload: bytes, tail: 0 })
    }

    #[inline]
    pub(super) fn scan(&self, held: usize, new: usize) -> Step {
        self.0.cut(held, new).map_or(Step::More, Step::Cut)
    }
}

//! An input: a few bytes that choose, then what is tried.

use callbox::rng::Rng;
use callbox::text::Encoding;
use callbox_testkit::ENCODINGS;

/// What is left of an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { rest: bytes }
    }

    /// Takes a byte; 0 where there is none.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// Takes a byte that chooses one of `all`; the digit 0 chooses the first, so that seeds can be typed.
    pub(crate) fn choose<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte().wrapping_sub(b'0')) % all.len()]
    }

    /// Takes a byte that chooses an encoding.
    pub(crate) fn encoding(&mut self) -> Encoding {
        self.choose(&ENCODINGS).parse().expect("a label")
    }

    /// Takes a line without its end.
    pub(crate) fn line(&mut self) -> &'a [u8] {
        let len = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(len);
        self.rest = rest.get(1..).unwrap_or_default();
        line
    }

    /// Returns all that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// Cuts bytes into chunks as `chosen` says: by 0 into single bytes, else in some way that hangs on it alone.
pub(crate) fn chunks(bytes: &[u8], chosen: u8) -> Vec<&[u8]> {
    let mut rng = Rng::new(u64::from(chosen));
    let most = [1, 2, 3, 5, 9, 40, 300][usize::from(chosen) % 7];
    let (mut chunks, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let size = 1 + rng.below(most) as usize;
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

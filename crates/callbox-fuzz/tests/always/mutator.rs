//! Random mutations of what is kept: a few small changes at a time, as fuzzers make them.

use callbox::rng::Rng;

use crate::kept::Kept;

/// Longer inputs take time and find little more.
const LONGEST: usize = 600;
/// Bytes at which something begins, ends or overflows.
const BYTES: [u8; 24] = *b"\0\x01\x02\x03\x7f\x80\x81\xbf\xc0\xc2\xdb\xe2\xed\xf0\xfe\xff\n\r \\\"{0:";

/// Makes inputs from seeds.
pub(crate) struct Mutator<'a> {
    kept: &'a Kept,
    rng: Rng,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(kept: &'a Kept, rng: Rng) -> Mutator<'a> {
        Mutator { kept, rng }
    }

    /// Returns a seed, or now and then noise, with some changes.
    pub(crate) fn mutation(&mut self) -> Vec<u8> {
        let mut bytes = if self.one_in(20) { self.noise() } else { self.seed().to_vec() };
        // Mostly few: what is far from any seed is refused at its first byte.
        let changes = 1 + self.below(4) * self.below(4);
        for _ in 0..changes {
            self.change(&mut bytes);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(10) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add_signed(if self.one_in(2) { 1 } else { -1 }),
            2 if at < bytes.len() => bytes[at] = self.byte(),
            3 => bytes.insert(at, self.byte()),
            4 => drop(bytes.drain(at..(at + 1 + self.below(4)).min(bytes.len()).max(at))),
            5 | 6 if !self.kept.words.is_empty() => {
                let word = &self.kept.words[self.rng.below(self.kept.words.len() as u64) as usize];
                bytes.splice(at..at, word.iter().copied());
            }
            // Part of another seed.
            7 => {
                let part = self.part_of(self.kept);
                let end = if self.one_in(2) { at } else { bytes.len() };
                bytes.splice(at..end, part.iter().copied());
            }
            // Part of itself again.
            8 if !bytes.is_empty() => {
                let from = self.below(bytes.len());
                let to = from + 1 + self.below(bytes.len() - from);
                let part = bytes[from..to].repeat(1 + self.below(3));
                bytes.splice(at..at, part);
            }
            _ => {
                let run = vec![self.byte(); 1 + self.below(20)];
                bytes.splice(at..at, run);
            }
        }
    }

    fn part_of(&mut self, kept: &'a Kept) -> &'a [u8] {
        let seed = &kept.inputs[self.below(kept.inputs.len())].1;
        let from = self.below(seed.len() + 1);
        let to = from + self.below(seed.len() - from + 1);
        &seed[from..to]
    }

    fn seed(&mut self) -> &'a [u8] {
        let index = self.below(self.kept.inputs.len());
        &self.kept.inputs[index].1
    }

    fn noise(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.below(60)];
        self.rng.fill(&mut bytes);
        bytes
    }

    fn byte(&mut self) -> u8 {
        match self.below(3) {
            0 => BYTES[self.below(BYTES.len())],
            1 => b' ' + self.below(95) as u8,
            _ => self.below(256) as u8,
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.rng.below(n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

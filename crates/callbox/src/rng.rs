//! Chance that can be had again: all randomness of a run comes from one seed, which is printed.
//!
//! The generator is xoshiro256\*\* with its state filled by SplitMix64, both by David Blackman and Sebastiano Vigna and in
//! the public domain (<https://prng.di.unimi.it/>). It is fast and passes the usual statistical tests; it keeps no
//! secrets, so nothing that must not be guessed may come from it.
//!
//! ```
//! use callbox::rng::Rng;
//!
//! let (mut one, mut other) = (Rng::new(7), Rng::new(7));
//! assert_eq!(one.next_u64(), other.next_u64());
//! assert!(one.below(6) < 6);
//! ```

/// A generator of random numbers; the same seed gives the same numbers on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Makes one from a seed; any number is as good as any other, 0 included.
    pub fn new(seed: u64) -> Rng {
        let mut seed = seed;
        Rng { state: [(); 4].map(|()| split_mix(&mut seed)) }
    }

    /// Returns the next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let drawn = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        drawn
    }

    /// Returns a number from 0 to `n - 1`, each as likely as any other; 0 for an `n` of 0.
    ///
    /// By Lemire, "Fast random integer generation in an interval" (2019): the high half of a product, with the few
    /// draws refused that would favour some numbers.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let unfair = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            // The low half tells where in its interval the draw fell.
            if product as u64 >= unfair {
                return (product >> 64) as u64;
            }
        }
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for eight in bytes.chunks_mut(8) {
            // Little-endian on every machine, so that a seed means the same bytes everywhere.
            eight.copy_from_slice(&self.next_u64().to_le_bytes()[..eight.len()]);
        }
    }
}

/// Returns the next number of SplitMix64.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Rng, split_mix};
    use proptest::prelude::*;

    /// The vectors are those of the crates `rand_xoshiro` and others, made with the authors' C code.
    #[test]
    fn the_generator_is_the_published_one() {
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let due = [
            11_520,
            0,
            1_509_978_240,
            1_215_971_899_390_074_240,
            1_216_172_134_540_287_360,
            607_988_272_756_665_600,
            16_172_922_978_634_559_625,
            8_476_171_486_693_032_832,
            10_595_114_339_597_558_777,
            2_904_607_092_377_533_576,
        ];
        assert_eq!(due.map(|_| rng.next_u64()), due);
    }

    #[test]
    fn the_seed_is_spread_as_published() {
        let mut state = 1_234_567;
        let due = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(due.map(|_| split_mix(&mut state)), due);
        let mut state = 1_234_567;
        assert_eq!(Rng::new(1_234_567).state, [(); 4].map(|()| split_mix(&mut state)));
    }

    #[test]
    fn each_face_of_a_die_is_as_likely() {
        let mut rng = Rng::new(0);
        let mut faces = [0u32; 6];
        for _ in 0..60_000 {
            faces[usize::try_from(rng.below(6)).expect("less than 6")] += 1;
        }
        // Five standard deviations of a fair die.
        assert!(faces.iter().all(|n| (9_540..=10_460).contains(n)), "{faces:?}");
    }

    /// With this n the multiples of 3 would come half of the time, if no draw were refused.
    #[test]
    fn large_bounds_are_fair_too() {
        let n = 3u64 << 62;
        let mut rng = Rng::new(1);
        let thirds = (0..30_000).filter(|_| rng.below(n).is_multiple_of(3)).count();
        assert!((9_590..=10_410).contains(&thirds), "{thirds}");
    }

    #[test]
    fn filling_in_pieces_of_eight_is_filling_at_once() {
        let (mut whole, mut pieces) = ([0; 43], [0; 43]);
        Rng::new(9).fill(&mut whole);
        let mut rng = Rng::new(9);
        pieces.chunks_mut(16).for_each(|piece| rng.fill(piece));
        assert_eq!(whole, pieces);
        assert_eq!(whole[..8], Rng::new(9).next_u64().to_le_bytes());
    }

    proptest! {
        #[test]
        fn draws_stay_below(seed: u64, n in 1u64..) {
            prop_assert!(Rng::new(seed).below(n) < n);
            prop_assert_eq!(Rng::new(seed).below(1), 0);
            prop_assert_eq!(Rng::new(seed).below(0), 0);
        }
    }
}

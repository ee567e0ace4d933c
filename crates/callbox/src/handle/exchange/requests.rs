//! What is sent, one or several by weight.

use std::borrow::Cow;

use bytes::Bytes;

use crate::error::{Error, Invalid, Kind, Result};
use crate::frame::Framing;
use crate::rng::Rng;
use crate::text::{Facts, Template};

/// One request, and how often it is chosen.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is sent. A constant one is rendered and framed once.
    pub template: Template,
    /// How often it is chosen, relative to the others; at least 1.
    pub weight: u32,
}

/// The requests of a dialogue.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    requests: Vec<Request>,
    /// How each is made a frame.
    framing: Option<Framing>,
    /// Those that are always the same, ready to be sent.
    ready: Vec<Option<Bytes>>,
    /// The weights added up, up to and with each.
    sums: Vec<u64>,
}

impl Requests {
    /// Makes those that are always the same ready to be sent.
    ///
    /// # Errors
    ///
    /// A weight of 0; a framing that can frame nothing; a constant request that no frame can be.
    pub fn new(requests: Vec<Request>, framing: Framing) -> Result<Requests, Invalid> {
        framing.check()?;
        let (mut ready, mut sums, mut sum) = (Vec::new(), Vec::new(), 0);
        for Request { template, weight } in &requests {
            if *weight == 0 {
                return Err(Invalid::new("weight", "0", "it is never chosen").instead("write 1 or more"));
            }
            sum += u64::from(*weight);
            sums.push(sum);
            ready.push(if template.is_constant() { Some(constant(template, &framing)?) } else { None });
        }
        Ok(Requests { requests, framing: Some(framing), ready, sums })
    }

    /// Tells whether nothing is sent.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Returns how many there are to choose from.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Tells whether random numbers are drawn, so that the seed is worth printing.
    pub fn draws_randomness(&self) -> bool {
        self.len() > 1 || self.requests.iter().any(|request| request.template.draws_randomness())
    }

    /// Tells whether all of them are always the same.
    pub fn are_constant(&self) -> bool {
        self.ready.iter().all(Option::is_some)
    }

    /// Tells whether one becomes the same bytes each time.
    pub fn is_constant(&self, index: usize) -> bool {
        self.ready[index].is_some()
    }

    /// Chooses one by weight; a single one without drawing.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn choose(&self, rng: &mut Rng) -> usize {
        match &self.sums[..] {
            [_] => 0,
            sums => {
                let drawn = rng.below(*sums.last().expect("there is a request to choose"));
                sums.partition_point(|sum| *sum <= drawn)
            }
        }
    }

    /// Returns the bytes of one, framed; nothing is allocated or counted for one that is always the same.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] where what a template became fits no frame, or has what its encoding has not.
    #[inline]
    pub fn bytes(&self, index: usize, facts: &Facts<'_>, rng: &mut Rng) -> Result<Cow<'_, [u8]>> {
        match &self.ready[index] {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => self.render(index, facts, rng).map(Cow::Owned),
        }
    }

    fn render(&self, index: usize, facts: &Facts<'_>, rng: &mut Rng) -> Result<Vec<u8>> {
        let failed = |problem: String| Error::new("send", Kind::Invalid, problem);
        let text = self.requests[index].template.render(facts, rng).map_err(|error| failed(error.to_string()))?;
        match &self.framing {
            Some(framing) if !framing.is_none() || framing.checksum.is_some() => {
                framing.encode(&text).map_err(|invalid| failed(invalid.to_string()))
            }
            _ => Ok(text),
        }
    }
}

/// Renders and frames what is always the same.
fn constant(template: &Template, framing: &Framing) -> Result<Bytes, Invalid> {
    let nobody = Facts { n: 0, time: std::time::UNIX_EPOCH, session: 0, peer: "" };
    let text = template.render(&nobody, &mut Rng::new(0));
    // Reading the template has tried its literal text.
    let text = text.map_err(|error| Invalid::new("request", "", error.to_string()))?;
    framing.encode(&text).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;
    use crate::text::Encoding;

    fn request(text: &str, weight: u32) -> Request {
        Request { template: Template::parse(text, Encoding::UTF_8).expect("good"), weight }
    }

    fn requests(texts: &[&str], framing: &str) -> Requests {
        let all = texts.iter().map(|text| request(text, 1)).collect();
        Requests::new(all, framing.parse().expect("good")).expect("fits")
    }

    fn facts(n: u64) -> Facts<'static> {
        Facts { n, time: UNIX_EPOCH, session: 3, peer: "memory" }
    }

    #[test]
    fn constant_requests_are_framed_once_and_others_each_time() {
        let both = requests(&["ping", "{n}"], "length:u8");
        let mut rng = Rng::new(1);
        for n in 9..=10 {
            assert!(matches!(both.bytes(0, &facts(n), &mut rng), Ok(Cow::Borrowed(b"\x04ping"))));
        }
        assert_eq!(both.bytes(1, &facts(9), &mut rng).expect("fits"), &b"\x019"[..]);
        assert_eq!(both.bytes(1, &facts(10), &mut rng).expect("fits"), &b"\x0210"[..]);
        assert_eq!((both.is_constant(0), both.is_constant(1), both.are_constant()), (true, false, false));
        assert_eq!(rng, Rng::new(1), "nothing is drawn for them");
    }

    #[test]
    fn what_no_frame_can_be_is_refused_when_it_is_known() {
        let fixed: Framing = "fixed:4".parse().expect("good");
        let invalid = Requests::new(vec![request("hello", 1)], fixed.clone()).expect_err("too long");
        assert_eq!(invalid.what, "payload");
        let later = Requests::new(vec![request("{n}", 1)], fixed).expect("may fit");
        assert!(later.bytes(0, &facts(1234), &mut Rng::new(1)).is_ok());
        let error = later.bytes(0, &facts(12345), &mut Rng::new(1)).expect_err("too long");
        assert_eq!((error.kind(), error.operation()), (Kind::Invalid, "send"));
        assert!(Requests::new(vec![request("a", 0)], Framing::none()).is_err());
    }

    #[test]
    fn a_single_request_is_chosen_without_drawing() {
        let mut rng = Rng::new(7);
        assert_eq!(requests(&["a"], "none").choose(&mut rng), 0);
        assert_eq!(rng, Rng::new(7));
        assert!(!requests(&["a"], "none").draws_randomness());
        assert!(requests(&["a", "b"], "none").draws_randomness());
        assert!(requests(&["{random:4}"], "none").draws_randomness());
        assert!(Requests::default().is_empty() && !Requests::default().draws_randomness());
    }

    #[test]
    fn weights_are_how_often_each_is_chosen() {
        let all = [(1, 3), (2, 1), (3, 6)].map(|(name, weight): (u32, u32)| request(&name.to_string(), weight));
        let all = Requests::new(all.to_vec(), Framing::none()).expect("good");
        let mut rng = Rng::new(1);
        let mut chosen = [0_u32; 3];
        for _ in 0..100_000 {
            chosen[all.choose(&mut rng)] += 1;
        }
        // Five standard deviations.
        for (count, due) in chosen.into_iter().zip([30_000_u32, 10_000, 60_000]) {
            assert!(count.abs_diff(due) < 800, "{chosen:?}");
        }
    }

    proptest! {
        #[test]
        fn a_choice_is_always_one_of_them(weights in prop::collection::vec(1_u32.., 1..9), seed: u64) {
            let all = weights.iter().map(|weight| request("x", *weight)).collect();
            let all = Requests::new(all, Framing::none()).expect("good");
            prop_assert!(all.choose(&mut Rng::new(seed)) < weights.len());
        }
    }
}

//! Templates: what is read can be rendered, and a template without braces is text with escapes.
//!
//! Input: the encoding, then the template.

use std::time::{Duration, SystemTime};

use callbox::rng::Rng;
use callbox::text::template::{Facts, Template};
use callbox::text::unescape_in;

use crate::input::Input;
use crate::refusal;

/// Holds for any bytes.
pub fn body(data: &[u8]) {
    let mut input = Input::new(data);
    let encoding = input.encoding();
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    let template = match Template::parse(text, encoding) {
        Ok(template) => template,
        Err(invalid) => return refusal::check(&invalid, text),
    };
    let first = Facts { n: 1, time: SystemTime::UNIX_EPOCH, session: 1, peer: "127.0.0.1:8848" };
    let other = Facts { n: u64::MAX, time: first.time + Duration::from_micros(1), session: 2, peer: "[::1]:80" };
    let render = |facts: &Facts<'_>, seed| {
        template.render(facts, &mut Rng::new(seed)).unwrap_or_else(|lacking| panic!("{lacking}"))
    };
    let bytes = render(&first, 1);
    assert_eq!(render(&first, 1), bytes, "the same facts and the same seed give the same");
    if !template.draws_randomness() {
        assert_eq!(render(&first, 2), bytes, "no randomness is drawn");
    }
    assert_eq!(template.is_constant(), render(&other, 2) == bytes);
    if !text.contains(['{', '}']) {
        assert!(template.is_constant());
        assert_eq!(unescape_in(text, encoding), Ok(bytes));
    }
}

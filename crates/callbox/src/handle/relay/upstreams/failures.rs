//! Attempts to connect that failed, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::Kind;

/// The counters; the last is for whatever is none of the others.
const REASONS: [(&str, Option<Kind>); 5] = [
    ("upstream_refused", Some(Kind::Refused)),
    ("upstream_timeout", Some(Kind::TimedOut)),
    ("upstream_unreachable", Some(Kind::Unreachable)),
    ("upstream_not_found", Some(Kind::NotFound)),
    ("upstream_failed", None),
];

/// How many attempts failed, by the place of their reason in [`REASONS`].
#[derive(Debug, Default)]
pub(in crate::handle::relay) struct Failures([AtomicU64; REASONS.len()]);

impl Failures {
    /// Notes one.
    pub(in crate::handle::relay) fn note(&self, reason: Kind) {
        let place = REASONS.iter().position(|(_, kind)| kind.is_none_or(|kind| kind == reason));
        self.0[place.unwrap_or(REASONS.len() - 1)].fetch_add(1, Relaxed);
    }

    /// Gives `count` how many there were of each reason; those that never happened are left out.
    pub(in crate::handle::relay) fn counters(&self, count: &mut dyn FnMut(&'static str, u64)) {
        for ((name, _), failures) in REASONS.iter().zip(&self.0) {
            match failures.load(Relaxed) {
                0 => {}
                failures => count(name, failures),
            }
        }
    }
}

//! How much of a flood a person is shown: the first lines of each second, and a count of the others.

use std::time::Duration;

use tokio::time::Instant;

/// Lines a second that are shown at a prompt: more than anybody reads, few enough to type between.
pub const LINES_PER_SECOND: u64 = 100;
/// How often it is said what was not shown.
pub const SAID_EVERY: Duration = Duration::from_secs(1);

/// Lets some lines of each second pass.
#[derive(Debug, Default)]
pub struct Sampler {
    since: Option<Instant>,
    shown: u64,
    hidden: u64,
}

impl Sampler {
    /// Tells whether an item that comes at `at` is shown.
    pub fn admits(&mut self, at: Instant) -> bool {
        if self.since.is_none_or(|since| at.saturating_duration_since(since) >= SAID_EVERY) {
            self.since = Some(at);
            self.shown = 0;
        }
        let admits = self.shown < LINES_PER_SECOND;
        *(if admits { &mut self.shown } else { &mut self.hidden }) += 1;
        admits
    }

    /// Tells whether there is something to say of what was not shown.
    pub fn has_hidden(&self) -> bool {
        self.hidden > 0
    }

    /// Returns how many were not shown, once a second has passed since they began, or at the end.
    pub fn hidden(&mut self, now: Instant, at_once: bool) -> Option<u64> {
        let due = at_once || self.since.is_none_or(|since| now.saturating_duration_since(since) >= SAID_EVERY);
        (due && self.hidden > 0).then(|| std::mem::take(&mut self.hidden))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_second_are_shown_and_the_others_counted() {
        let mut sampler = Sampler::default();
        let start = Instant::now();
        let shown = (0..1_000).filter(|n| sampler.admits(start + Duration::from_micros(*n))).count();
        assert_eq!(shown as u64, LINES_PER_SECOND);
        assert_eq!(sampler.hidden(start + Duration::from_millis(10), false), None, "not yet");
        assert_eq!(sampler.hidden(start + SAID_EVERY, false), Some(900));
        assert_eq!(sampler.hidden(start + SAID_EVERY, false), None, "said once");
        assert!(sampler.admits(start + SAID_EVERY));
    }
}

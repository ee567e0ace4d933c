//! What a judge says: a fact holds, or here is each thing that was observed otherwise.

use std::net::SocketAddr;

use super::answer::{Errno, Outcome, State, errno_name};
use crate::lang::{Both, both};

/// What a judge says of what was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything was as the fact says.
    Holds,
    /// Each thing that was not.
    Fails(Vec<Both>),
}

/// Collects what a judge objects to.
#[derive(Default)]
pub(crate) struct Checks(Vec<Both>);

impl Checks {
    /// Starts without objections.
    pub(crate) fn new() -> Checks {
        Checks::default()
    }

    /// Expects `seen` to be `wanted`.
    #[must_use]
    pub(crate) fn same<T: Shown + PartialEq>(self, what: Both, seen: &T, wanted: &T) -> Checks {
        if seen == wanted {
            return self;
        }
        self.object(what, &seen.shown(), &wanted.shown())
    }

    /// Expects a TCP state; where the system does not tell (it is not Linux), nothing is expected.
    #[must_use]
    pub(crate) fn state(self, what: Both, seen: State, wanted: State) -> Checks {
        if seen == State::UNKNOWN && !cfg!(target_os = "linux") {
            return self;
        }
        self.same(what, &seen, &wanted)
    }

    /// Expects what no single value says.
    #[must_use]
    pub(crate) fn that(mut self, claim: Both, holds: bool) -> Checks {
        if !holds {
            let Both { en, zh } = claim;
            self.0.push(both!("expected, but not observed: {en}", "应当如此，但没有观察到：{zh}"));
        }
        self
    }

    /// Says whether the fact holds.
    pub(crate) fn verdict(self) -> Verdict {
        if self.0.is_empty() { Verdict::Holds } else { Verdict::Fails(self.0) }
    }

    fn object(mut self, what: Both, seen: &str, wanted: &str) -> Checks {
        let Both { en, zh } = what;
        self.0.push(both!("{en}: expected {wanted}, observed {seen}", "{zh}：应为 {wanted}，实际为 {seen}"));
        self
    }
}

/// A value as an objection shows it.
pub(crate) trait Shown {
    /// Returns it in a few characters, the same in both languages.
    fn shown(&self) -> String;
}

impl Shown for SocketAddr {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for State {
    fn shown(&self) -> String {
        self.name().into()
    }
}

impl Shown for usize {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for () {
    fn shown(&self) -> String {
        "0".into()
    }
}

impl Shown for Vec<u8> {
    fn shown(&self) -> String {
        format!("{} \"{}\"", self.len(), callbox::text::escape(self))
    }
}

impl Shown for String {
    fn shown(&self) -> String {
        format!("\"{}\"", callbox::text::safe(self))
    }
}

impl Shown for Errno {
    fn shown(&self) -> String {
        errno_name(*self)
    }
}

impl<T: Shown> Shown for Outcome<T> {
    fn shown(&self) -> String {
        match self {
            Ok(value) => value.shown(),
            Err(errno) => errno.shown(),
        }
    }
}

/// Asserts that a judge accepts what was meant and objects to each of the spoiled observations.
#[cfg(test)]
pub(crate) fn assert_judge<S: Clone>(judge: fn(&S) -> Verdict, good: &S, spoil: &[fn(&mut S)]) {
    assert_eq!(judge(good), Verdict::Holds);
    for (index, spoil) in spoil.iter().enumerate() {
        let mut seen = good.clone();
        spoil(&mut seen);
        assert!(matches!(judge(&seen), Verdict::Fails(_)), "spoiled observation {index} was accepted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objection_names_what_was_expected_and_what_was_observed() {
        let seen: Outcome<usize> = Err(Errno::CONNREFUSED);
        let verdict = Checks::new().same(both!("connect", "连接"), &seen, &Ok(0)).verdict();
        let objection = both!("connect: expected 0, observed ECONNREFUSED", "连接：应为 0，实际为 ECONNREFUSED");
        assert_eq!(verdict, Verdict::Fails(vec![objection]));
    }

    #[test]
    fn a_state_that_is_not_told_is_no_state_on_linux() {
        let verdict = Checks::new().state(both!("state", "状态"), State::UNKNOWN, State::LISTEN).verdict();
        assert_eq!(verdict == Verdict::Holds, !cfg!(target_os = "linux"));
    }
}

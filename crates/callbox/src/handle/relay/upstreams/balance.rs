//! How sessions are spread over upstreams, and when names are looked up: as written.

use std::fmt;
use std::str::FromStr;

use crate::error::Invalid;
use crate::text::nearest;

/// Which upstream a session goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest sessions.
    Least,
    /// The first that works.
    First,
}

impl Balance {
    /// All of them.
    pub const ALL: [Balance; 3] = [Balance::RoundRobin, Balance::Least, Balance::First];

    /// Returns the name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Balance::RoundRobin => "round-robin",
            Balance::Least => "least",
            Balance::First => "first",
        }
    }
}

/// When the names of upstreams are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolve {
    /// At the start.
    Once,
    /// For each session: a name may come to mean another address.
    #[default]
    Each,
}

impl Resolve {
    /// Both of them.
    pub const ALL: [Resolve; 2] = [Resolve::Once, Resolve::Each];

    /// Returns the name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Resolve::Once => "once",
            Resolve::Each => "each",
        }
    }
}

impl FromStr for Balance {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Balance, Invalid> {
        let found = Balance::ALL.into_iter().find(|balance| balance.name() == text);
        found.ok_or_else(|| unknown("balance", text, &Balance::ALL.map(Balance::name)))
    }
}

impl FromStr for Resolve {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Resolve, Invalid> {
        let found = Resolve::ALL.into_iter().find(|resolve| resolve.name() == text);
        found.ok_or_else(|| unknown("time to resolve", text, &Resolve::ALL.map(Resolve::name)))
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Resolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn unknown(what: &'static str, text: &str, names: &[&'static str]) -> Invalid {
    let message = match nearest(text, names.iter().copied()) {
        Some(name) => format!("did you mean '{name}'?"),
        None => format!("one of {}", names.join(", ")),
    };
    Invalid::new(what, text, message)
}

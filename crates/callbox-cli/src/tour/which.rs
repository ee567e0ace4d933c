//! What to show of the tour, as typed: `7`, `client:2`, `server:3`, `merge`, or a whole part such as `server`.

use std::fmt;
use std::str::FromStr;

use callbox::Invalid;

use super::{FACTS, Fact, Part};

const PARTS: [Part; 4] = [Part::Client, Part::Server, Part::Notes, Part::Extras];

/// One fact or a whole part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Which {
    /// The name of a fact or of a part; `FromStr` lets no other in.
    name: &'static str,
}

impl Which {
    /// Returns the facts it stands for.
    pub(crate) fn facts(self) -> impl Iterator<Item = &'static Fact> {
        FACTS.into_iter().filter(move |fact| fact.name == self.name || fact.part.name() == self.name)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl FromStr for Which {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Which, Invalid> {
        let names = FACTS.iter().map(|fact| fact.name).chain(PARTS.map(Part::name));
        match names.into_iter().find(|name| *name == text) {
            Some(name) => Ok(Which { name }),
            None => Err(Invalid::new("step or note", text, problem(text)).instead(
                "choose from 1 to 9 (notes), client:1 to client:4, server:1 to server:5, split, merge, \
                 and whole parts: client, server, notes, extras",
            )),
        }
    }
}

fn problem(text: &str) -> &'static str {
    let number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match text.split_once(':') {
        Some(("client", step)) if number(step) => "the client has four steps",
        Some(("server", step)) if number(step) => "the server has five steps",
        None if number(text) => "there are nine notes",
        _ => "there is no such thing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        text.parse::<Which>().expect("is there").facts().map(|fact| fact.name).collect()
    }

    #[test]
    fn every_fact_and_every_part_can_be_asked_for() {
        for fact in FACTS {
            assert_eq!(names(fact.name), [fact.name]);
        }
        assert_eq!(names("client"), ["client:1", "client:2", "client:3", "client:4"]);
        assert_eq!(names("server").len(), 5);
        assert_eq!(names("notes").len(), 9);
        assert_eq!(names("extras"), ["split", "merge"]);
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        for (text, problem) in [
            ("10", "there are nine notes"),
            ("0", "there are nine notes"),
            ("client:5", "the client has four steps"),
            ("server:0", "the server has five steps"),
            ("client:", "there is no such thing"),
            ("07x", "there is no such thing"),
            ("", "there is no such thing"),
        ] {
            let invalid = text.parse::<Which>().expect_err("is not there");
            assert_eq!(invalid.problem, problem, "{text}");
            assert!(invalid.to_string().contains("client:1 to client:4"), "{invalid}");
        }
    }
}

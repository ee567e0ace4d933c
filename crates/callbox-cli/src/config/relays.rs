//! Relays, in both formats.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use callbox::pipe::fault::Fault;
use callbox::{Addr, Invalid};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::{name_of, parse_fault, read_toml, wrong, wrong_at};
use crate::args::{Leads, Upstream};
use crate::control::fleet::Given;
use crate::exit::Failure;

/// A file in TOML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    relay: Vec<Relay>,
}

/// A relay in TOML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relay {
    name: Spanned<Name>,
    listen: Place,
    upstream: Places,
    #[serde(default)]
    fault: Vec<Spec>,
    #[serde(default = "yes")]
    enabled: bool,
}

/// A relay as toxiproxy's configuration has it; what else is in it means nothing there either.
#[derive(Deserialize)]
struct Proxy {
    name: Name,
    #[serde(default = "any_port")]
    listen: Place,
    upstream: Places,
    #[serde(default)]
    enabled: Option<bool>,
}

fn yes() -> bool {
    true
}

fn any_port() -> Place {
    Place(Addr::parse("127.0.0.1:0").expect("an address"))
}

/// A name that is not empty.
struct Name(String);

/// An address.
struct Place(Addr);

/// One address or several, or a proxy.
struct Places(Leads);

/// An address or a proxy.
struct Word(Upstream);

/// A fault, and how it was written.
struct Spec(String, Fault);

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Name, &'static str> {
        if text.is_empty() { Err("a name is not empty") } else { Ok(Name(text.to_owned())) }
    }
}

impl FromStr for Place {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Place, Invalid> {
        text.parse().map(Place)
    }
}

impl FromStr for Word {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Word, Invalid> {
        text.parse().map(Word)
    }
}

impl FromStr for Spec {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Spec, Invalid> {
        parse_fault(text).map(|fault| Spec(text.to_owned(), fault))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(Text(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
        deserializer.deserialize_str(Text(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        deserializer.deserialize_str(Text(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Spec, D::Error> {
        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// Parses a text while its place is known.
struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        parsed(text)
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Places, D::Error> {
        deserializer.deserialize_any(OneOrMore)
    }
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = Places;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, a list of them, or a proxy")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Places, E> {
        Leads::of(vec![parsed(text)?]).map(Places).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Places, A::Error> {
        let mut words = Vec::new();
        while let Some(Word(word)) = list.next_element()? {
            words.push(word);
        }
        if words.is_empty() {
            return Err(de::Error::custom("no address"));
        }
        Leads::of(words).map(Places).map_err(de::Error::custom)
    }
}

fn parsed<T: FromStr<Err: fmt::Display>, E: de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(E::custom)
}

pub(super) fn from_toml(file: &str, text: &str) -> Result<Vec<Given>, Failure> {
    let read: File = read_toml(file, text)?;
    let mut names = HashSet::new();
    if let Some(twice) = read.relay.iter().find(|relay| !names.insert(&*relay.name.get_ref().0)) {
        return Err(wrong_at(file, text, twice.name.span().start, &two(&twice.name.get_ref().0)));
    }
    let given = |relay: Relay| Given {
        name: relay.name.into_inner().0,
        listen: relay.listen.0,
        leads: relay.upstream.0,
        faults: named(relay.fault),
        enabled: relay.enabled,
    };
    Ok(read.relay.into_iter().map(given).collect())
}

fn two(name: &str) -> String {
    format!("two relays are called {}", callbox::text::safe(name))
}

pub(super) fn from_json(file: &str, text: &str) -> Result<Vec<Given>, Failure> {
    let read: Result<Vec<Proxy>, _> = serde_json::from_str(text);
    let proxies = read.map_err(|error| {
        let said = error.to_string();
        let problem = said.rsplit_once(" at line ").map_or(&*said, |(problem, _)| problem);
        wrong(file, error.line(), error.column(), problem)
    })?;
    let given = |proxy: Proxy| Given {
        name: proxy.name.0,
        listen: proxy.listen.0,
        leads: proxy.upstream.0,
        faults: Vec::new(),
        enabled: proxy.enabled.unwrap_or(true),
    };
    // Where they are is not known any more.
    let mut names = HashSet::new();
    if let Some(twice) = proxies.iter().find(|proxy| !names.insert(&*proxy.name.0)) {
        return Err(Failure::usage(format!("{file}: {}", two(&twice.name.0))));
    }
    Ok(proxies.into_iter().map(given).collect())
}

fn named(specs: Vec<Spec>) -> Vec<(String, Fault)> {
    specs.into_iter().enumerate().map(|(index, Spec(text, fault))| (name_of(&text, index + 1), fault)).collect()
}

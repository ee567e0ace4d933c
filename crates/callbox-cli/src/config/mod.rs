//! Files that say what `relay` is to do: many relays (`--config`), or faults (`--faults`). Pure, but for [`read`].
//!
//! Relays come in our TOML or in toxiproxy's JSON; which of them is seen from the first characters.
//!
//! ```toml
//! [[relay]]
//! name = "db"
//! listen = "127.0.0.1:5433"
//! upstream = ["db1:5432", "db2:5432"]
//! fault = ["latency=100ms,direction=to_client"]
//! enabled = true
//! ```
//!
//! Every error names file, line and column: `relays.toml:3:10: invalid address "localhost": no port`.

mod faults;
mod relays;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use callbox::Invalid;
use callbox::pipe::fault::Fault;
use serde::de::DeserializeOwned;

use crate::control::fleet::Given;
use crate::exit::Failure;

/// Longest file: nobody writes a longer one by hand.
pub const FILE_BYTES: u64 = 1 << 20;

/// Reads a file, if it is no longer than it may be.
pub fn read(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let failed = |error: &std::io::Error| Failure::local(&format!("read {name}"), error);
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > FILE_BYTES => Err(Failure::usage(format!("{name}: longer than 1 MiB"))),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(Failure::usage(format!("{name}: not UTF-8"))),
        Err(error) => Err(failed(&error)),
    }
}

/// Reads relays: TOML, or JSON as toxiproxy has it. `file` is its name, for errors.
pub fn relays(file: &str, text: &str) -> Result<Vec<Given>, Failure> {
    if is_json(file, text) { relays::from_json(file, text) } else { relays::from_toml(file, text) }
}

/// Reads faults, each with its name, in TOML.
pub fn faults(file: &str, text: &str) -> Result<Vec<(String, Fault)>, Failure> {
    faults::from_toml(file, text)
}

/// A list of records is JSON; TOML's tables begin with a bracket too, but with a name or a second one behind it.
fn is_json(file: &str, text: &str) -> bool {
    let text = text.trim_start();
    let second = text.strip_prefix('[').map(str::trim_start);
    file.ends_with(".json") || text.starts_with('{') || second.is_some_and(|rest| rest.starts_with(['{', ']']))
}

/// Reads TOML.
fn read_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Failure> {
    toml::from_str(text)
        .map_err(|error| wrong_at(file, text, error.span().map_or(0, |span| span.start), error.message()))
}

/// Says what is wrong at a byte of a text.
fn wrong_at(file: &str, text: &str, at: usize, problem: &str) -> Failure {
    let before = &text[..at.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    wrong(file, line, column, problem)
}

fn wrong(file: &str, line: usize, column: usize, problem: &str) -> Failure {
    let column = column.max(1);
    Failure::usage(format!("{file}:{line}:{column}: {problem}"))
}

/// Gives a fault a name of its own: what it does, and how many there were before it.
fn name_of(spec: &str, number: usize) -> String {
    let kind: String = spec.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("{kind}_{number}")
}

fn parse_fault(spec: &str) -> Result<Fault, Invalid> {
    spec.parse()
}

#[cfg(test)]
mod tests;

//! Faults in TOML: each as it is written on the command line, or key by key.
//!
//! ```toml
//! [[fault]]
//! spec = "latency=100ms+-20ms,direction=to_client"
//!
//! [[fault]]
//! name = "rude"
//! kind = "cut"
//! at = "1460:reset"
//! p = "50%"
//! session = 2
//! ```

use std::fmt::Write;

use callbox::pipe::fault::Fault;
use serde::Deserialize;

use super::{name_of, parse_fault, toml};
use crate::exit::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    fault: Vec<Entry>,
}

/// A fault, how it is written, and its name where it has one.
#[derive(Deserialize)]
#[serde(try_from = "Table")]
struct Entry {
    name: Option<String>,
    spec: String,
    fault: Fault,
}

/// A table as it stands in the file; the keys are those of a fault's text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Option<String>,
    spec: Option<String>,
    kind: Option<String>,
    value: Option<Scalar>,
    at: Option<Scalar>,
    direction: Option<Scalar>,
    p: Option<Scalar>,
    session: Option<Scalar>,
    every: Option<Scalar>,
    frame: Option<Scalar>,
    from: Option<Scalar>,
    to: Option<Scalar>,
    #[serde(rename = "match")]
    matches: Option<Scalar>,
}

/// A value; numbers need no quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Whole(i64),
    Fraction(f64),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Scalar::Text(text) => text.clone(),
            Scalar::Whole(number) => number.to_string(),
            Scalar::Fraction(number) => number.to_string(),
        }
    }
}

impl TryFrom<Table> for Entry {
    type Error = String;

    fn try_from(table: Table) -> Result<Entry, String> {
        let spec = table.spec()?;
        let fault = parse_fault(&spec).map_err(|invalid| invalid.to_string())?;
        Ok(Entry { name: table.name.filter(|name| !name.is_empty()), spec, fault })
    }
}

impl Table {
    /// Writes it as on the command line.
    fn spec(&self) -> Result<String, String> {
        let keys = [
            ("direction", &self.direction),
            ("p", &self.p),
            ("session", &self.session),
            ("every", &self.every),
            ("frame", &self.frame),
            ("from", &self.from),
            ("to", &self.to),
            // The last: a pattern may have anything in it.
            ("match", &self.matches),
        ];
        let is_keyed = self.value.is_some() || self.at.is_some() || keys.iter().any(|(_, value)| value.is_some());
        let mut text = match (&self.spec, &self.kind) {
            (Some(spec), None) if !is_keyed => return Ok(spec.clone()),
            (None, Some(kind)) => kind.clone(),
            (Some(_), _) => return Err("`spec` says all of it: no other key but `name` goes with it".into()),
            (None, None) => return Err("a fault needs `spec` or `kind`".into()),
        };
        match (&self.value, &self.at) {
            (Some(_), Some(_)) => return Err("`value` and `at` exclude each other".into()),
            (Some(value), None) => text.push_str(&format!("={}", value.text())),
            (None, Some(at)) => text.push_str(&format!("@{}", at.text())),
            (None, None) => {}
        }
        for (key, value) in keys {
            if let Some(value) = value {
                let _ = write!(text, ",{key}={}", value.text());
            }
        }
        Ok(text)
    }
}

pub(super) fn from_toml(file: &str, text: &str) -> Result<Vec<(String, Fault)>, Failure> {
    let read: File = toml(file, text)?;
    let mut faults: Vec<(String, Fault)> = Vec::new();
    for (index, entry) in read.fault.into_iter().enumerate() {
        let name = entry.name.unwrap_or_else(|| name_of(&entry.spec, index + 1));
        if faults.iter().any(|(other, _)| *other == name) {
            return Err(Failure::usage(format!("{file}: two faults are called {}", callbox::text::safe(&name))));
        }
        faults.push((name, entry.fault));
    }
    Ok(faults)
}

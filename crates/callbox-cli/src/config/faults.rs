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
use toml::Spanned;

use super::{name_of, parse_fault, read_toml, wrong_at};
use crate::exit::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    fault: Vec<Spanned<Table>>,
}

/// A table as it stands in the file; the keys are those of a fault's text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Option<Spanned<String>>,
    spec: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
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
#[serde(untagged, expecting = "a text or a number is wanted here")]
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
            (Some(spec), None) if !is_keyed => return Ok(spec.get_ref().clone()),
            (None, Some(kind)) => kind.get_ref().clone(),
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
    let read: File = read_toml(file, text)?;
    let mut faults: Vec<(String, Fault)> = Vec::new();
    for (index, table) in read.fault.into_iter().enumerate() {
        let whole = table.span().start;
        let table = table.into_inner();
        let spec = table.spec().map_err(|problem| wrong_at(file, text, whole, &problem))?;
        let fault = parse_fault(&spec).map_err(|invalid| {
            let written = table.spec.as_ref().or(table.kind.as_ref()).map_or(whole, |written| written.span().start);
            wrong_at(file, text, written, &invalid.to_string())
        })?;
        let given = table.name.filter(|name| !name.get_ref().is_empty());
        let at = given.as_ref().map_or(whole, |name| name.span().start);
        let name = given.map_or_else(|| name_of(&spec, index + 1), Spanned::into_inner);
        if faults.iter().any(|(other, _)| *other == name) {
            let problem = format!("two faults are called {}", callbox::text::safe(&name));
            return Err(wrong_at(file, text, at, &problem));
        }
        faults.push((name, fault));
    }
    Ok(faults)
}

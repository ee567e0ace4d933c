//! The keys of a fault: where, how likely, and when.

use std::time::Duration;

use super::WHAT;
use super::part::{Part, near};
use crate::error::Invalid;
use crate::pattern::Pattern;
use crate::pipe::fault::{Fault, FaultKind, Point, Towards};
use crate::text::safe;

/// The keys, each with what to write.
const KEYS: [(&str, &str); 8] = [
    ("direction", "write direction=to_server, direction=to_client or direction=both"),
    ("p", "write p=50%, or p=0.5"),
    ("session", "write session=2"),
    ("every", "write every=3"),
    ("frame", "write frame=4"),
    ("from", "write from=2s for a time, or from=1460 for an offset in bytes"),
    ("to", "write to=2s for a time, or to=1460 for an offset in bytes"),
    ("match", r"write match=PATTERN, at the end: a text with escapes, or re: and a regex"),
];

const DIRECTIONS: [(&str, Towards); 3] =
    [("to_server", Towards::Server), ("to_client", Towards::Client), ("both", Towards::Both)];

/// What others call the directions.
const DIRECTION_ALIASES: [(&str, &str); 6] = [
    ("upstream", "to_server"),
    ("downstream", "to_client"),
    ("up", "to_server"),
    ("down", "to_client"),
    ("server", "to_server"),
    ("client", "to_client"),
];

/// Reads the keys from the comma at `at` on.
pub(super) fn read(text: &str, at: usize, fault: &mut Fault) -> Result<(), Invalid> {
    let mut at = at;
    let mut seen = Vec::new();
    while at < text.len() {
        let start = at + 1;
        let len = text[start..].find(',').unwrap_or(text.len() - start);
        let whole = Part { text, at: start, len };
        let Some((key, mut value)) = whole.split_at("=") else {
            return Err(no_key(whole));
        };
        let Some((name, instead)) = KEYS.into_iter().find(|(name, _)| *name == key.str()) else {
            return Err(unknown(key));
        };
        if seen.contains(&name) {
            return Err(key.invalid(format!("{name} is given twice"), "write it once"));
        }
        seen.push(name);
        if name == "match" {
            value.len = text.len() - value.at;
        }
        allow(fault, key, name)?;
        set(fault, name, value, instead)?;
        if is_empty(fault) {
            return Err(value.invalid("it is over before it begins", "write a to= that is larger than from="));
        }
        at = value.at + value.len;
    }
    if matches!(fault.kind, FaultKind::Replace { .. }) && !seen.contains(&"match") {
        let invalid = Invalid::new(WHAT, text, "what is to be replaced?").at(text.len());
        return Err(invalid.instead("write what is looked for as in replace=TEXT,match=PATTERN"));
    }
    Ok(())
}

fn no_key(part: Part<'_>) -> Invalid {
    let word = part.str();
    if word.is_empty() {
        return part.invalid("a key is missing", "write a key as in p=50% behind each comma");
    }
    match near(word, &KEYS) {
        Some((name, instead)) if name == word => part.invalid(format!("{name} has no value"), instead),
        _ => part.invalid(format!("{} is no key with a value", safe(word)), "write one as in p=50% or session=2"),
    }
}

fn unknown(key: Part<'_>) -> Invalid {
    let problem = format!("unknown key {}", safe(key.str()));
    let all = "write direction=, p=, session=, every=, frame=, from=, to= or match=";
    let alias = [("toxicity", "p"), ("probability", "p"), ("until", "to"), ("stream", "direction"), ("nth", "every")];
    let meant = alias.into_iter().find(|(alias, _)| *alias == key.str()).map(|(_, name)| name);
    match meant.or_else(|| near(key.str(), &KEYS).map(|(name, _)| name)) {
        Some(name) => key.invalid(problem, &format!("did you mean {name}=?")),
        None => key.invalid(problem, all),
    }
}

/// Refuses what makes no sense with this kind.
fn allow(fault: &Fault, key: Part<'_>, name: &str) -> Result<(), Invalid> {
    let kind = &fault.kind;
    if kind.is_of_listener() && matches!(name, "direction" | "frame" | "match") {
        let problem = format!("{} happens before there are bytes", kind.name());
        return Err(key.invalid(problem, "leave it away: p=, session=, every=, from= and to= with times are for that"));
    }
    if matches!(kind, FaultKind::BacklogFull) && matches!(name, "p" | "session" | "every") {
        let problem = "a full queue concerns every connection alike";
        return Err(key.invalid(problem, "leave it away, or take refuse or accept-delay"));
    }
    if name == "from" && fault.when.from.is_some() {
        return Err(key.invalid("where it begins stands behind the @ already", "write one of both"));
    }
    Ok(())
}

fn set(fault: &mut Fault, name: &str, value: Part<'_>, instead: &str) -> Result<(), Invalid> {
    match name {
        "direction" => fault.towards = direction(value, instead)?,
        "p" => fault.probability = value.share(instead)?,
        "session" => fault.when.session = Some(value.count(instead)?),
        "every" => fault.when.every = Some(value.count(instead)?),
        "frame" => fault.when.frame = Some(value.count(instead)?),
        "from" => fault.when.from = Some(point(fault, value, instead)?),
        "to" => fault.when.to = Some(point(fault, value, instead)?),
        _ => {
            let pattern: Pattern = value.str().parse().map_err(|bad: Invalid| {
                let instead = bad.instead.clone().unwrap_or_else(|| instead.to_string());
                value.within(bad, &instead)
            })?;
            match &mut fault.kind {
                FaultKind::Replace { pattern: wanted, .. } => *wanted = pattern,
                _ => fault.when.matches = Some(pattern),
            }
        }
    }
    Ok(())
}

/// Tells whether it ends before it begins.
fn is_empty(fault: &Fault) -> bool {
    match (fault.when.from, fault.when.to) {
        (Some(Point::Byte(from)), Some(Point::Byte(to))) => from >= to,
        (Some(Point::Time(from)), Some(Point::Time(to))) => from >= to,
        (_, Some(to)) => matches!(to, Point::Byte(0) | Point::Time(Duration::ZERO)),
        _ => false,
    }
}

fn direction(value: Part<'_>, instead: &str) -> Result<Towards, Invalid> {
    let word = value.str();
    if let Some((_, towards)) = DIRECTIONS.into_iter().find(|(name, _)| *name == word) {
        return Ok(towards);
    }
    let problem = format!("unknown direction {}", safe(word));
    let alias = DIRECTION_ALIASES.into_iter().find(|(alias, _)| *alias == word).map(|(_, name)| name);
    match alias.or_else(|| near(word, &DIRECTIONS).map(|(name, _)| name)) {
        Some(name) => Err(value.invalid(problem, &format!("did you mean {name}?"))),
        None => Err(value.invalid(problem, instead)),
    }
}

fn point(fault: &Fault, value: Part<'_>, instead: &str) -> Result<Point, Invalid> {
    let example = instead.trim_start_matches("write ");
    match value.point(example)? {
        Point::Byte(_) if fault.kind.is_of_listener() => {
            let problem = format!("{} happens before there are bytes", fault.kind.name());
            Err(value.invalid(problem, "write a time as in 2s"))
        }
        point => Ok(point),
    }
}

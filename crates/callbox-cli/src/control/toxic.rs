//! A toxic, as toxiproxy calls a fault: a type with whole numbers as its attributes, and what it means here.

use std::time::Duration;

use callbox::pipe::fault::{Fault, FaultKind, Shape, Towards, When};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::decode::Record;
use super::reply::Refused;

/// What a toxic does, and which numbers it takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Type {
    name: &'static str,
    /// Each with its type in Go, for errors.
    attributes: &'static [(&'static str, &'static str)],
}

/// Every type of toxic there is.
const TYPES: [Type; 8] = [
    Type { name: "bandwidth", attributes: &[("rate", "int64")] },
    Type { name: "latency", attributes: &[("latency", "int64"), ("jitter", "int64")] },
    Type { name: "limit_data", attributes: &[("bytes", "int64")] },
    Type { name: "noop", attributes: &[] },
    Type { name: "reset_peer", attributes: &[("timeout", "int64")] },
    Type { name: "slicer", attributes: &[("average_size", "int"), ("size_variation", "int"), ("delay", "int")] },
    Type { name: "slow_close", attributes: &[("delay", "int64")] },
    Type { name: "timeout", attributes: &[("timeout", "int64")] },
];

/// The numbers of a toxic, in the order of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    of: &'static Type,
    values: [i64; 3],
}

/// A toxic, in the order in which toxiproxy prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Toxic {
    /// Its numbers.
    pub attributes: Attributes,
    /// What it is called.
    pub name: String,
    /// What it does.
    #[serde(rename = "type")]
    pub type_name: String,
    /// `upstream` or `downstream`, as it was sent.
    pub stream: String,
    /// How likely it is for one connection.
    #[serde(serialize_with = "number")]
    pub toxicity: f32,
}

/// In which direction a toxic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    Downstream,
}

impl Way {
    /// Reads a direction, in any case.
    pub fn read(text: &str) -> Option<Way> {
        match text.to_ascii_lowercase().as_str() {
            "upstream" => Some(Way::Upstream),
            "downstream" => Some(Way::Downstream),
            _ => None,
        }
    }
}

impl Toxic {
    /// Returns the direction; one that cannot be read was never accepted.
    pub fn way(&self) -> Way {
        Way::read(&self.stream).unwrap_or(Way::Downstream)
    }

    /// Returns what it means here; a toxic that does nothing means nothing.
    pub fn fault(&self) -> Option<Fault> {
        let towards = match self.way() {
            Way::Upstream => Towards::Server,
            Way::Downstream => Towards::Client,
        };
        let kind = self.attributes.kind()?;
        Some(Fault { kind, towards, probability: f64::from(self.toxicity.clamp(0.0, 1.0)), when: When::default() })
    }
}

impl Attributes {
    /// Returns those of a type, all zero.
    pub fn of(type_name: &str) -> Option<Attributes> {
        let of = TYPES.iter().find(|known| known.name == type_name)?;
        Some(Attributes { of, values: [0; 3] })
    }

    /// Takes over what was sent; the others stay.
    pub fn take(&mut self, sent: &Record<'_>) -> Result<(), Refused> {
        let mut values = self.values;
        for ((name, go_type), value) in self.of.attributes.iter().zip(&mut values) {
            *value = sent.whole(name, go_type)?.unwrap_or(*value);
        }
        self.values = values;
        Ok(())
    }

    fn kind(&self) -> Option<FaultKind> {
        let [first, second, third] = self.values;
        let after = || Duration::from_millis(least_zero(first));
        Some(match self.of.name {
            // Nothing is ever due at such a rate.
            "bandwidth" if first <= 0 => FaultKind::Stall,
            "bandwidth" => FaultKind::Throttle { rate: least_zero(first).saturating_mul(1000) },
            "latency" => FaultKind::Latency {
                base: after(),
                jitter: Duration::from_millis(least_zero(second)),
                shape: Shape::Uniform,
            },
            "limit_data" => FaultKind::Limit { bytes: least_zero(first) },
            "reset_peer" => FaultKind::ResetPeer { after: after() },
            "slicer" => {
                let (average, variation) = (size(first), size(second));
                let least = average.saturating_sub(variation).max(1);
                let most = average.saturating_add(variation).max(least);
                FaultKind::Slice { least, most, pause: Duration::from_micros(least_zero(third)) }
            }
            "slow_close" => FaultKind::SlowClose { delay: after() },
            "timeout" => FaultKind::Timeout { after: Some(after()).filter(|after| !after.is_zero()) },
            _ => return None,
        })
    }
}

fn least_zero(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn size(value: i64) -> usize {
    usize::try_from(value.max(0)).unwrap_or(usize::MAX)
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.of.attributes.len()))?;
        for ((name, _), value) in self.of.attributes.iter().zip(self.values) {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

/// Prints 1, not 1.0, as Go does.
fn number<S: Serializer>(number: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    /// Up to here every whole number is one in both.
    const EXACT: f32 = 16_777_216.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return serializer.serialize_i64(*number as i64);
    }
    serializer.serialize_f32(*number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toxic(type_name: &str, values: [i64; 3]) -> Toxic {
        let attributes = Attributes { values, ..Attributes::of(type_name).expect("known") };
        let stream = "upstream".to_owned();
        Toxic { attributes, name: "a".into(), type_name: type_name.into(), stream, toxicity: 1.0 }
    }

    #[test]
    fn a_toxic_prints_as_toxiproxy_prints_it() {
        let print = |toxic: &Toxic| serde_json::to_string(toxic).expect("prints");
        assert_eq!(
            print(&toxic("latency", [100, 10, 0])),
            r#"{"attributes":{"latency":100,"jitter":10},"name":"a","type":"latency","stream":"upstream","toxicity":1}"#
        );
        let flaky = Toxic { toxicity: 0.2, ..toxic("noop", [0; 3]) };
        assert_eq!(print(&flaky), r#"{"attributes":{},"name":"a","type":"noop","stream":"upstream","toxicity":0.2}"#);
    }

    #[test]
    fn every_type_means_what_it_says() {
        let cases: [(&str, [i64; 3], Option<&str>); 14] = [
            ("latency", [100, 20, 0], Some("Latency { base: 100ms, jitter: 20ms, shape: Uniform }")),
            ("latency", [-5, -1, 0], Some("Latency { base: 0ns, jitter: 0ns, shape: Uniform }")),
            ("bandwidth", [64, 0, 0], Some("Throttle { rate: 64000 }")),
            ("bandwidth", [0, 0, 0], Some("Stall")),
            ("slow_close", [7, 0, 0], Some("SlowClose { delay: 7ms }")),
            ("timeout", [0, 0, 0], Some("Timeout { after: None }")),
            ("timeout", [1000, 0, 0], Some("Timeout { after: Some(1s) }")),
            ("reset_peer", [0, 0, 0], Some("ResetPeer { after: 0ns }")),
            ("reset_peer", [2000, 0, 0], Some("ResetPeer { after: 2s }")),
            ("slicer", [64, 32, 10], Some("Slice { least: 32, most: 96, pause: 10µs }")),
            ("slicer", [0, 0, 0], Some("Slice { least: 1, most: 1, pause: 0ns }")),
            ("limit_data", [99, 0, 0], Some("Limit { bytes: 99 }")),
            ("limit_data", [-1, 0, 0], Some("Limit { bytes: 0 }")),
            ("noop", [0, 0, 0], None),
        ];
        for (name, values, meant) in cases {
            let fault = toxic(name, values).fault();
            assert_eq!(fault.map(|fault| format!("{:?}", fault.kind)).as_deref(), meant, "{name} {values:?}");
        }
        assert!(Attributes::of("down").is_none());
    }

    #[test]
    fn direction_and_likelihood_come_over() {
        let fault = Toxic { toxicity: 0.5, ..toxic("slow_close", [1, 0, 0]) }.fault().expect("it does something");
        assert_eq!((fault.towards, fault.probability), (Towards::Server, 0.5));
        let down = Toxic { stream: "Downstream".into(), toxicity: 7.0, ..toxic("slow_close", [1, 0, 0]) };
        let fault = down.fault().expect("it does something");
        assert_eq!((fault.towards, fault.probability), (Towards::Client, 1.0));
    }
}

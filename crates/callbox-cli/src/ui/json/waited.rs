//! What a wait came to.

use std::time::{Duration, SystemTime};

use callbox::probe::wait::Target;

use super::{Line, quoted};

/// What a wait came to.
pub struct Waited<'a> {
    /// Whether as many were ready as were wanted.
    pub ready: bool,
    /// How it stood with each.
    pub targets: &'a [Target],
    /// How long it went on.
    pub duration: Duration,
}

/// Returns the line.
pub fn waited(waited: &Waited<'_>) -> Vec<u8> {
    let targets: Vec<String> = waited.targets.iter().map(target).collect();
    let line = Line::new("waited", SystemTime::now()).raw("ready", &waited.ready.to_string());
    let mut out = Vec::new();
    line.raw("targets", &format!("[{}]", targets.join(","))).micros("duration_us", waited.duration).end(&mut out);
    out
}

fn target(target: &Target) -> String {
    let mut fields = vec![
        format!("\"address\":{}", quoted(&target.addr.to_string())),
        format!("\"ready\":{}", target.ready_after.is_some()),
        format!("\"attempts\":{}", target.attempts),
    ];
    if let Some(after) = target.ready_after {
        fields.push(format!("\"after_us\":{}", after.as_micros()));
    }
    if let Some(error) = &target.error {
        fields.push(format!("\"error\":{}", quoted(error.kind().name())));
        fields.push(format!("\"message\":{}", quoted(&error.to_string())));
    }
    format!("{{{}}}", fields.join(","))
}

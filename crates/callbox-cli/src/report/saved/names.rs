//! Names in a saved run, and what they stand for. One that is not known here is refused: it may change what the figures mean.

use callbox::load::{Ending, Limit};
use callbox::text::safe;

const MODES: [&str; 6] = ["exchange", "send", "receive", "both", "connect", "idle"];
const SCHEDULES: [&str; 5] = ["closed", "constant", "poisson", "ramp", "steps"];
/// The kinds of the library's errors, and what a load run tells apart besides.
const ERRORS: [&str; 22] = [
    "refused",
    "timed_out",
    "unreachable",
    "not_found",
    "reset",
    "ended",
    "address_in_use",
    "address_not_available",
    "permission_denied",
    "exhausted",
    "stopped",
    "frame_too_large",
    "frame_malformed",
    "proxy",
    "tls",
    "invalid",
    "io",
    "no_ports",
    "no_descriptors",
    "wrong",
    "mixed_up",
    "lost",
];
const LIMITS: [Limit; 4] = [Limit::Processor, Limit::Ports, Limit::Descriptors, Limit::Connections];
const ENDINGS: [Ending; 6] =
    [Ending::Running, Ending::Duration, Ending::Count, Ending::Stopped, Ending::ServerGone, Ending::NeverConnected];

/// Returns a mode by its name.
pub fn mode(name: &str) -> Result<&'static str, String> {
    // A report that nothing was measured for has no mode yet.
    known("mode", name, MODES.into_iter().chain([""]).map(|mode| (mode, mode)))
}

/// Returns a schedule's name.
pub fn schedule(name: &str) -> Result<&'static str, String> {
    known("schedule", name, SCHEDULES.into_iter().chain([""]).map(|schedule| (schedule, schedule)))
}

/// Returns the kind of an error.
pub fn error(name: &str) -> Result<&'static str, String> {
    known("kind of error", name, ERRORS.into_iter().map(|kind| (kind, kind)))
}

/// Returns a limit by its name.
pub fn limit(name: &str) -> Result<Limit, String> {
    known("limit", name, LIMITS.into_iter().map(|limit| (limit.name(), limit)))
}

/// Returns an ending by its name.
pub fn ending(name: &str) -> Result<Ending, String> {
    known("ending", name, ENDINGS.into_iter().map(|ending| (ending.name(), ending)))
}

fn known<T>(what: &str, name: &str, all: impl IntoIterator<Item = (&'static str, T)>) -> Result<T, String> {
    let found = all.into_iter().find(|(known, _)| *known == name);
    let refused = || format!("has the {what} \"{}\", which this callbox does not know", safe(name));
    found.map(|(_, value)| value).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use callbox::error::Kind;

    #[test]
    fn every_kind_of_the_library_is_known() {
        let all = [
            Kind::Refused,
            Kind::TimedOut,
            Kind::Unreachable,
            Kind::NotFound,
            Kind::Reset,
            Kind::Ended,
            Kind::AddressInUse,
            Kind::AddressNotAvailable,
            Kind::PermissionDenied,
            Kind::Exhausted,
            Kind::Stopped,
            Kind::FrameTooLarge,
            Kind::FrameMalformed,
            Kind::Proxy,
            Kind::Tls,
            Kind::Invalid,
            Kind::Io,
        ];
        for kind in all {
            assert_eq!(error(kind.name()), Ok(kind.name()));
        }
        let refused = error("\u{1b}[2Jodd").unwrap_err();
        assert_eq!(refused, "has the kind of error \"\\x1b[2Jodd\", which this callbox does not know");
    }
}

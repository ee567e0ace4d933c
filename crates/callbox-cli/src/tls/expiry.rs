//! Warnings of certificates whose time is nearly over, or is not now.

use std::time::{Duration, SystemTime};

use callbox::net::tls::{Certificate, CertificateFacts};
use callbox::text::{rfc3339, safe};

/// Returns a warning of a certificate that expires `within` that time, has expired, or is not valid yet.
pub fn warning(whose: &str, facts: &CertificateFacts, within: Duration, now: SystemTime) -> Option<String> {
    let subject = safe(&facts.subject);
    if now < facts.not_before {
        return Some(format!("{whose} certificate {subject} is not valid before {}", day(facts.not_before)));
    }
    match facts.not_after.duration_since(now) {
        Err(_over) => Some(format!("{whose} certificate {subject} has expired on {}", day(facts.not_after))),
        Ok(left) if left <= within => {
            Some(format!("{whose} certificate {subject} expires in {}, on {}", time(left), day(facts.not_after)))
        }
        Ok(_) => None,
    }
}

/// Returns the warnings of our own certificates: of those that nobody can believe now, whether that is asked for or not.
pub fn of_ours(chain: &[Certificate], within: Option<Duration>) -> Vec<String> {
    let (within, now) = (within.unwrap_or(Duration::ZERO), SystemTime::now());
    chain.iter().filter_map(|certificate| warning("our own", &certificate.facts(), within, now)).collect()
}

/// Says a warning on the error output, however little is to be said.
pub fn warn(message: &str) {
    crate::ui::complain(&format!("callbox: warning: {}\n", safe(message)));
}

/// The day, of UTC: `2026-11-25`.
pub fn day(time: SystemTime) -> String {
    let whole = rfc3339(time);
    whole.split('T').next().unwrap_or_default().to_owned()
}

/// A time in the unit that people count such times in.
pub fn time(left: Duration) -> String {
    const HOUR: u64 = 3600;
    match (left.as_secs() / (24 * HOUR), left.as_secs() / HOUR) {
        (0, 0) => "less than an hour".into(),
        (0 | 1, 1) => "1 hour".into(),
        (0 | 1, hours) => format!("{hours} hours"),
        (days, _) => format!("{days} days"),
    }
}

//! What is shown of the bytes, and which time stands before it.

use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Invalid;

/// What is shown of bytes that were received. Closed by nature.
///
/// Valid: `text`, `hex`, `both`, `raw`, `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Show {
    /// Characters, escaped where a terminal would obey them instead of showing them.
    Text,
    /// Pairs of digits.
    Hex,
    /// A hexdump, with offsets and the ASCII column.
    Both,
    /// The bytes as they are; a terminal obeys what is in them.
    Raw,
    /// Nothing.
    None,
}

impl Show {
    /// Every value, in the order in which help lists them.
    pub const ALL: [Show; 5] = [Show::Text, Show::Hex, Show::Both, Show::Raw, Show::None];

    /// Returns the name as written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Show::Text => "text",
            Show::Hex => "hex",
            Show::Both => "both",
            Show::Raw => "raw",
            Show::None => "none",
        }
    }
}

impl FromStr for Show {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Show, Invalid> {
        let invalid = || unknown("show", text, "write text, hex, both, raw or none");
        Show::ALL.into_iter().find(|show| show.name() == text).ok_or_else(invalid)
    }
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which time stands before each item that is shown. Closed by nature.
///
/// Valid: `none`, `clock`, `delta`, `relative`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Timestamps {
    /// No time.
    #[default]
    None,
    /// The wall clock in UTC: `12:34:56.789012Z`.
    Clock,
    /// Seconds since the item before, of the first one since the session's start: `+0.001234`.
    Delta,
    /// Seconds since the session's start: ` 1.234567`, aligned up to 99 seconds.
    Relative,
}

impl Timestamps {
    /// Every value, in the order in which help lists them.
    pub const ALL: [Timestamps; 4] = [Timestamps::None, Timestamps::Clock, Timestamps::Delta, Timestamps::Relative];

    /// Returns the name as written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Timestamps::None => "none",
            Timestamps::Clock => "clock",
            Timestamps::Delta => "delta",
            Timestamps::Relative => "relative",
        }
    }
}

impl FromStr for Timestamps {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Timestamps, Invalid> {
        let invalid = || unknown("timestamps", text, "write none, clock, delta or relative");
        Timestamps::ALL.into_iter().find(|stamps| stamps.name() == text).ok_or_else(invalid)
    }
}

impl fmt::Display for Timestamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn unknown(what: &'static str, text: &str, instead: &str) -> Invalid {
    let problem = if text.is_empty() { "empty" } else { "there is no such value" };
    Invalid::new(what, text, problem).at(0).instead(instead)
}

/// Writes the time before each item of one session.
///
/// It reads no clock: both times are handed in.
#[derive(Debug, Clone)]
pub struct Stamper {
    timestamps: Timestamps,
    /// When the item before came, since the session's start.
    before: Duration,
}

impl Stamper {
    /// Makes one for a session that starts.
    pub fn new(timestamps: Timestamps) -> Stamper {
        Stamper { timestamps, before: Duration::ZERO }
    }

    /// Appends the time and one space; for [`Timestamps::None`] nothing.
    ///
    /// `wall` is the wall clock, which may have been set to anything; `since_start` is the time since the session's
    /// start. Times are cut to microseconds. Should time go backwards, a delta is zero.
    pub fn stamp(&mut self, wall: SystemTime, since_start: Duration, out: &mut Vec<u8>) {
        let delta = since_start.saturating_sub(self.before);
        self.before = since_start;
        let written = match self.timestamps {
            Timestamps::None => Ok(()),
            Timestamps::Clock => {
                let micros = micros_of_day(wall);
                let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
                let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                write!(out, "{hours:02}:{minutes:02}:{seconds:02}.{micros:06}Z ")
            }
            Timestamps::Delta => write!(out, "+{}.{:06} ", delta.as_secs(), delta.subsec_micros()),
            Timestamps::Relative => write!(out, "{:2}.{:06} ", since_start.as_secs(), since_start.subsec_micros()),
        };
        written.expect("a Vec takes everything");
    }
}

const DAY_MICROS: u128 = 24 * 60 * 60 * 1_000_000;

/// Returns the microseconds since midnight, UTC; also of a clock that was set to before 1970.
fn micros_of_day(wall: SystemTime) -> u128 {
    match wall.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() % DAY_MICROS,
        Err(error) => (DAY_MICROS - error.duration().as_micros() % DAY_MICROS) % DAY_MICROS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(timestamps: Timestamps, items: &[(SystemTime, Duration)]) -> String {
        let (mut stamper, mut out) = (Stamper::new(timestamps), Vec::new());
        items.iter().for_each(|(wall, since)| stamper.stamp(*wall, *since, &mut out));
        String::from_utf8(out).unwrap()
    }

    fn since_start(timestamps: Timestamps, micros: &[u64]) -> String {
        let items: Vec<_> = micros.iter().map(|micros| (UNIX_EPOCH, Duration::from_micros(*micros))).collect();
        stamps(timestamps, &items)
    }

    #[test]
    fn names_read_back_and_wrong_ones_list_the_right_ones() {
        for show in Show::ALL {
            assert_eq!(show.to_string().parse(), Ok(show));
        }
        for timestamps in Timestamps::ALL {
            assert_eq!(timestamps.to_string().parse(), Ok(timestamps));
        }
        assert_eq!(
            "Hex".parse::<Show>().unwrap_err().to_string(),
            "invalid show \"Hex\": there is no such value at byte 0; write text, hex, both, raw or none"
        );
        assert_eq!(
            "".parse::<Timestamps>().unwrap_err().to_string(),
            "invalid timestamps \"\": empty at byte 0; write none, clock, delta or relative"
        );
    }

    #[test]
    fn the_advice_names_every_value() {
        let show = "?".parse::<Show>().unwrap_err().instead.unwrap();
        assert!(Show::ALL.iter().all(|value| show.contains(value.name())), "{show}");
        let timestamps = "?".parse::<Timestamps>().unwrap_err().instead.unwrap();
        assert!(Timestamps::ALL.iter().all(|value| timestamps.contains(value.name())), "{timestamps}");
    }

    #[test]
    fn no_time_is_not_even_a_space() {
        assert_eq!(since_start(Timestamps::None, &[0, 1]), "");
    }

    #[test]
    fn the_clock_is_utc_whatever_it_was_set_to() {
        let (second, micro) = (Duration::from_secs(1), Duration::from_micros(1));
        let noon = UNIX_EPOCH + Duration::from_secs(1_700_000_000 / 86_400 * 86_400 + 45_296);
        let table = [
            (noon + Duration::from_nanos(789_012_999), "12:34:56.789012Z "),
            (UNIX_EPOCH, "00:00:00.000000Z "),
            (UNIX_EPOCH - micro, "23:59:59.999999Z "),
            (UNIX_EPOCH - second * 86_400, "00:00:00.000000Z "),
            (UNIX_EPOCH + second * 86_400 - micro, "23:59:59.999999Z "),
        ];
        for (wall, expected) in table {
            assert_eq!(stamps(Timestamps::Clock, &[(wall, Duration::ZERO)]), expected);
        }
    }

    #[test]
    fn a_delta_is_since_the_item_before_and_never_negative() {
        assert_eq!(since_start(Timestamps::Delta, &[1_234, 1_500_000, 1_500_000]), "+0.001234 +1.498766 +0.000000 ");
        assert_eq!(since_start(Timestamps::Delta, &[9, 3, 5]), "+0.000009 +0.000000 +0.000002 ");
    }

    #[test]
    fn relative_times_are_aligned() {
        let expected = " 1.234567 12.000000 123.000001 ";
        assert_eq!(since_start(Timestamps::Relative, &[1_234_567, 12_000_000, 123_000_001]), expected);
    }
}

//! Times as RFC 3339 writes them.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_SECONDS: i128 = 86_400;

/// Returns a time in UTC with microseconds, rounded down: `2026-01-02T03:04:05.678901Z`.
///
/// Years before 0 and after 9999, which RFC 3339 does not have, get a sign or more digits.
pub fn rfc3339(time: SystemTime) -> String {
    let micros = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX).div_euclid(1000),
        Err(before) => (-i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX)).div_euclid(1000),
    };
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (year, month, day) = date(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
}

/// Returns year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day is the last, and repeat every 400.
fn date(days: i128) -> (i128, i128, i128) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The expected ones are GNU date's.
    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        let table: &[(i64, u32, &str)] = &[
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (1_767_323_045, 678_901_999, "2026-01-02T03:04:05.678901Z"),
            (951_782_399, 0, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199, 999_999_999, "2024-02-29T23:59:59.999999Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000000Z"),
            (253_402_300_800, 0, "10000-01-01T00:00:00.000000Z"),
            (-1, 0, "1969-12-31T23:59:59.000000Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.500000Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00.000000Z"),
            (-62_198_755_200, 0, "-001-01-01T00:00:00.000000Z"),
        ];
        for (seconds, nanos, due) in table {
            let whole = Duration::from_secs(seconds.unsigned_abs());
            let time = if *seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
            assert_eq!(rfc3339(time + Duration::from_nanos(u64::from(*nanos))), *due);
        }
    }

    #[test]
    fn days_follow_each_other_for_eight_hundred_years() {
        let leap = |year: i128| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut year, mut month, mut day) = (1600, 1, 1);
        for days in -135_140..157_060 {
            assert_eq!(date(days), (year, month, day));
            let last = match month {
                2 => 28 + i128::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    #[test]
    fn no_time_is_too_far_away() {
        let far = Duration::from_secs(u64::MAX / 2);
        for time in [UNIX_EPOCH.checked_add(far), UNIX_EPOCH.checked_sub(far)].into_iter().flatten() {
            assert!(rfc3339(time).ends_with('Z'));
        }
    }
}

//! Dates, as far as two systems' time stamps need them. A date library would
//! take a tenth of the component.
//!
//! Days are counted by the civil calendar with the year beginning in March,
//! which puts the leap day last; good for the years 1970 to 9999.

use crate::text;
use alloc::string::String;

/// Reads `YYYY-MM-DD HH:MM:SS`, which is UTC, as Unix milliseconds.
pub(crate) fn unix_ms(text: &str) -> Option<i64> {
    let shape = text.len() == 19
        && text
            .bytes()
            .zip(*b"dddd-dd-dd dd:dd:dd")
            .all(|(b, s)| match s {
                b'd' => b.is_ascii_digit(),
                _ => b == s,
            });
    if !shape {
        return None;
    }
    let number = |from: usize, to: usize| text::integer(text.get(from..to)?);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
    valid.then_some(seconds * 1000)
}

/// Writes Unix milliseconds as `YYYY-MM-DD HH:MM UTC`: for people, in a form
/// that no locale can misread.
pub(crate) fn minute(unix_ms: i64) -> String {
    let mut stamp = stamp(unix_ms);
    stamp.truncate(16);
    stamp + " UTC"
}

/// Reads the form of HTTP's headers, `Sun, 06 Nov 1994 08:49:37 GMT`, as Unix
/// milliseconds.
pub(crate) fn http_ms(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = text.split(' ');
    let (_weekday, day, month) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, time) = (parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    unix_ms(&format!("{year}-{month:02}-{day} {time}"))
}

/// Writes Unix milliseconds as ServiceNow does: `YYYY-MM-DD HH:MM:SS`, in UTC.
pub(crate) fn stamp(unix_ms: i64) -> String {
    let seconds = unix_ms.clamp(0, 253_402_300_799_000) / 1000;
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    // From 1 March of the year 0.
    let days = minutes / (24 * 60) + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Days from the first of January 1970.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, year_of_era) = (year / 400, year % 400);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_read_and_written() {
        for (text, seconds) in [
            ("1970-01-01 00:00:00", 0),
            ("2000-02-29 23:59:00", 951_868_740),
            ("2026-06-01 08:00:00", 1_780_300_800),
            ("2100-03-01 00:00:00", 4_107_542_400),
        ] {
            assert_eq!(unix_ms(text), Some(seconds * 1000), "{text}");
            let minutes = text.get(..16).unwrap();
            assert_eq!(minute(seconds * 1000), format!("{minutes} UTC"));
        }
    }

    #[test]
    fn every_day_of_a_century_is_read_as_it_was_written() {
        for day in 0..36_525 {
            let at = day * 86_400_000;
            let written = stamp(at);
            assert_eq!(unix_ms(&written), Some(at), "{written}");
        }
    }

    #[test]
    fn the_dates_of_http_are_read() {
        let date = |text| http_ms(text).map(stamp);
        let known = Some("1994-11-06 08:49:37".into());
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), known);
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 anF 1994 08:49:37 GMT",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn other_forms_are_not_guessed_at() {
        for text in [
            "",
            "01.06.2026 08:00:00",
            "2026-06-01T08:00:00",
            "2026-13-01 08:00:00",
        ] {
            assert_eq!(unix_ms(text), None, "{text}");
        }
    }
}

//! When a far end wants to be asked again.

use crate::authentication::header;
use crate::contract::Headers;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Reads, in Unix milliseconds, the header `retry-after`, else `x-ratelimit-reset`,
/// which is Unix time in seconds or milliseconds at some far ends and seconds from now
/// at others.
pub(crate) fn retry_at(headers: &Headers, now_ms: u64) -> Option<u64> {
    if let Some(until_ms) = retry_after(headers, now_ms) {
        return Some(until_ms);
    }
    let reset: u64 = header(headers, "x-ratelimit-reset")?.trim().parse().ok()?;
    const EARLIEST_SECONDS: u64 = 1_000_000_000;
    const EARLIEST_MILLISECONDS: u64 = EARLIEST_SECONDS * 1000;
    Some(match reset {
        EARLIEST_MILLISECONDS.. => reset,
        EARLIEST_SECONDS.. => reset * 1000,
        _ => after(now_ms, reset),
    })
}

/// Reads, in Unix milliseconds, the header `retry-after` in seconds or as a date.
///
/// A date is meant on the far end's clock. If the answer tells what that shows,
/// the difference counts, so that a clock which is wrong shortens no wait.
pub(crate) fn retry_after(headers: &Headers, now_ms: u64) -> Option<u64> {
    let value = header(headers, "retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(after(now_ms, seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let theirs = header(headers, "date").and_then(|d| httpdate::parse_http_date(d).ok());
    Some(match theirs {
        Some(theirs) => {
            let left = date.duration_since(theirs).unwrap_or_default();
            after(now_ms, left.as_secs())
        }
        None => unix_ms(date),
    })
}

fn after(now_ms: u64, seconds: u64) -> u64 {
    now_ms.saturating_add(seconds.saturating_mul(1000))
}

fn unix_ms(date: SystemTime) -> u64 {
    let since = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn at(headers: &[(&str, &str)]) -> Option<u64> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        retry_at(&headers.iter().map(own).collect(), NOW)
    }

    #[test]
    fn the_time_to_ask_again_is_read_from_either_header() {
        for (name, value, expected) in [
            ("retry-after", "5", NOW + 5000),
            ("Retry-After", " 0 ", NOW),
            ("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT", NOW + 10_000),
            ("x-ratelimit-reset", "1700000010", NOW + 10_000),
            ("x-ratelimit-reset", "1700000010000", NOW + 10_000),
            ("x-ratelimit-reset", "10", NOW + 10_000),
            ("retry-after", "18446744073709551615", u64::MAX),
            ("x-ratelimit-reset", "18446744073709551615", u64::MAX),
        ] {
            assert_eq!(at(&[(name, value)]), Some(expected), "{name}: {value}");
        }
    }

    #[test]
    fn nonsense_is_no_time_and_the_other_header_is_read_then() {
        for nonsense in ["", "-1", "soon", "1e9", "1.5", "99999999999999999999"] {
            assert_eq!(at(&[("retry-after", nonsense)]), None, "{nonsense}");
            let both = [("retry-after", nonsense), ("x-ratelimit-reset", "7")];
            assert_eq!(at(&both), Some(NOW + 7000), "{nonsense}");
        }
    }

    #[test]
    fn a_date_is_read_on_the_clock_of_whoever_wrote_it() {
        let date = ("retry-after", "Tue, 14 Nov 2023 23:00:30 GMT");
        let theirs = ("date", "Tue, 14 Nov 2023 23:00:00 GMT");
        assert_eq!(at(&[date, theirs]), Some(NOW + 30_000));
        let past = ("retry-after", "Tue, 14 Nov 2023 22:00:00 GMT");
        assert_eq!(at(&[past, theirs]), Some(NOW));
    }
}

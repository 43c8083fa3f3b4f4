//! Times as the instance stores them, and as a user sees them.
//!
//! The database keeps UTC in whole seconds; a display value is in the zone
//! and the date format of the user who asks. Only zones without daylight
//! saving are known, so that the simulator needs no table of zones; any other
//! name counts as GMT.

use time::Duration;
use time::OffsetDateTime;
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const STORED: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// The date format of a user who has chosen none.
const DEFAULT_DATE_FORMAT: &str = "yyyy-MM-dd";

/// The stamp of a moment: `2026-03-02 09:15:10`.
pub(super) fn utc(now_ms: u64) -> String {
    let seconds = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(STORED).ok())
        .unwrap_or_default()
}

/// The moment of a stamp, in Unix milliseconds; none if the text is no stamp.
pub(super) fn ms(stamp: &str) -> Option<u64> {
    let moment = PrimitiveDateTime::parse(stamp, STORED).ok()?.assume_utc();
    u64::try_from(moment.unix_timestamp())
        .ok()?
        .checked_mul(1000)
}

/// The zone and the format in which one user sees times.
#[derive(Clone, Debug)]
pub(super) struct TimeStyle {
    offset: Duration,
    /// Java's letters, each field at its full width: `dd/MM/yyyy HH:mm:ss`.
    pattern: String,
}

impl TimeStyle {
    pub(super) fn new(zone: &str, date_format: &str) -> TimeStyle {
        let date = match date_format {
            "" => DEFAULT_DATE_FORMAT,
            chosen => chosen,
        };
        TimeStyle {
            offset: Duration::minutes(zone_offset_minutes(zone)),
            pattern: format!("{date} HH:mm:ss"),
        }
    }

    /// The display value of a stored stamp; anything else is shown as it is.
    pub(super) fn show(&self, stored: &str) -> String {
        let Ok(utc) = PrimitiveDateTime::parse(stored, STORED) else {
            return stored.to_owned();
        };
        let local = utc.saturating_add(self.offset);
        self.pattern
            .replace("yyyy", &format!("{:04}", local.year()))
            .replace("MM", &format!("{:02}", u8::from(local.month())))
            .replace("dd", &format!("{:02}", local.day()))
            .replace("HH", &format!("{:02}", local.hour()))
            .replace("mm", &format!("{:02}", local.minute()))
            .replace("ss", &format!("{:02}", local.second()))
    }

    /// The stored stamp of a display value, if it has the user's format.
    pub(super) fn read(&self, shown: &str) -> Option<String> {
        let field = |letters: &str| {
            let at = self.pattern.find(letters)?;
            shown.get(at..at + letters.len())
        };
        let (year, month, day) = (field("yyyy")?, field("MM")?, field("dd")?);
        let (hour, minute, second) = (field("HH")?, field("mm")?, field("ss")?);
        let text = format!("{year}-{month}-{day} {hour}:{minute}:{second}");
        let local = PrimitiveDateTime::parse(&text, STORED).ok()?;
        local.saturating_sub(self.offset).format(STORED).ok()
    }
}

fn zone_offset_minutes(zone: &str) -> i64 {
    match zone {
        "America/Phoenix" => -7 * 60,
        "America/Bogota" => -5 * 60,
        "America/Sao_Paulo" => -3 * 60,
        "Africa/Lagos" => 60,
        "Africa/Johannesburg" => 2 * 60,
        "Asia/Dubai" => 4 * 60,
        "Asia/Kolkata" => 5 * 60 + 30,
        "Asia/Shanghai" | "Asia/Singapore" | "Asia/Hong_Kong" => 8 * 60,
        "Asia/Tokyo" => 9 * 60,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_whole_seconds_in_utc() {
        assert_eq!(utc(1_772_442_910_999), "2026-03-02 09:15:10");
    }

    #[test]
    fn only_a_stamp_is_read_as_one() {
        assert_eq!(ms("2026-03-02 09:15:10"), Some(1_772_442_910_000));
        assert_eq!(ms("2026-03-02T09:15:10Z"), None);
        assert_eq!(ms("2026-13-02 09:15:10"), None);
        assert_eq!(ms(""), None);
    }

    #[test]
    fn a_user_sees_and_writes_times_in_their_zone_and_format() {
        let style = TimeStyle::new("Asia/Shanghai", "dd/MM/yyyy");
        let shown = style.show("2026-03-01 20:00:01");
        assert_eq!(shown, "02/03/2026 04:00:01");
        assert_eq!(style.read(&shown).unwrap(), "2026-03-01 20:00:01");
        assert_eq!(style.read("2026-03-02 04:00:01"), None);
    }
}

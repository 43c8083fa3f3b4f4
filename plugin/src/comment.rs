//! Comments on their way from one side to the other.
//!
//! A comment that this product writes ends in a *mark*: the side it came from
//! and a hash that names it there. The mark tells a carried comment from a
//! person's, whatever else happened to its text, and it is looked for on the
//! other side before a comment is written again.

use crate::date;
use crate::flashduty;
use crate::servicenow;
use crate::text;
use alloc::string::String;

/// Where a carried comment came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A comment in Flashduty's timeline.
    Flashduty,
    /// An additional comment in ServiceNow.
    ServiceNow,
}

impl Origin {
    fn tag(self) -> &'static str {
        match self {
            Self::Flashduty => "[fd:",
            Self::ServiceNow => "[snow:",
        }
    }
}

/// What stands at the end of a carried comment.
pub fn mark(origin: Origin, name: &str) -> String {
    format!("{}{name}]", origin.tag())
}

/// Whether this product wrote a comment, for it ends in a mark of either side.
pub fn is_carried(text: &str) -> bool {
    let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
    let Some(last) = last.strip_suffix(']') else {
        return false;
    };
    [Origin::Flashduty, Origin::ServiceNow]
        .iter()
        .any(|origin| {
            last.rsplit_once(origin.tag()).is_some_and(|(_, name)| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_hexdigit())
            })
        })
}

/// Flashduty's comment as it is written into a ServiceNow journal.
pub fn for_servicenow(comment: &flashduty::Comment, author: &str) -> String {
    let mark = mark(Origin::Flashduty, &comment.mark);
    let text = text::without_markup(&text::normal(&comment.text));
    let author = text::without_markup(author);
    written(
        &author,
        "Flashduty",
        comment.created_at,
        &text,
        &mark,
        servicenow::JOURNAL,
    )
}

/// ServiceNow's comment as it is written into a Flashduty timeline.
pub fn for_flashduty(entry: &servicenow::Entry) -> String {
    let mark = mark(Origin::ServiceNow, &entry.mark);
    let text = text::normal(&entry.text);
    written(
        &entry.author,
        "ServiceNow",
        entry.created_at,
        &text,
        &mark,
        flashduty::NOTE,
    )
}

fn written(author: &str, system: &str, at_ms: i64, text: &str, mark: &str, max: usize) -> String {
    let head = format!(
        "{} ({system}, {}):\n",
        text::single_line(author),
        date::minute(at_ms)
    );
    let room = max.saturating_sub(head.chars().count() + mark.len() + 1);
    format!("{head}{}\n{mark}", text::cut(text, room))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(text: &str) -> flashduty::Comment {
        flashduty::Comment {
            mark: "0123456789".into(),
            creator_id: 1,
            created_at: 1_780_300_805_123,
            text: text.into(),
        }
    }

    #[test]
    fn a_carried_comment_names_author_time_and_origin() {
        let text = for_servicenow(&comment("restarted\r\nthe [code]x[/code] pool "), "Ana");
        assert_eq!(
            text,
            "Ana (Flashduty, 2026-06-01 08:00 UTC):\nrestarted\nthe (code)x(/code) pool\n[fd:0123456789]"
        );
        assert!(is_carried(&text));
        assert!(is_carried(&format!("{text}\n\n")));
    }

    #[test]
    fn a_person_who_quotes_a_mark_still_wrote_a_comment_of_their_own() {
        assert!(!is_carried("see [fd:0123456789]\nfor details"));
        assert!(!is_carried("[fd:]"));
        assert!(!is_carried("[fd:xyz]"));
    }

    #[test]
    fn a_long_comment_is_cut_and_keeps_its_mark() {
        let entry = servicenow::Entry {
            mark: "abcdef0123".into(),
            author: "beth.anglin".into(),
            created_at: 0,
            text: "ä".repeat(5000),
        };
        let text = for_flashduty(&entry);
        assert_eq!(text.chars().count(), flashduty::NOTE);
        assert!(text.ends_with("ä\u{2026}\n[snow:abcdef0123]"), "{text}");
    }
}

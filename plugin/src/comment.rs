//! Comments on their way from one side to the other.
//!
//! A comment that this product writes ends in a *mark*: the side it came from
//! and a hash that names it there. The mark tells a carried comment from a
//! person's, whatever else happened to its text, and it is looked for on the
//! other side before a comment is written again.

use crate::date;
use crate::flashduty;
use crate::servicenow;
use crate::servicenow::At;
use crate::text;
use alloc::string::String;

/// The longest name of an author, in characters.
const AUTHOR: usize = 100;

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
    let text = text::without_joiners(&text::visible(text));
    let last = text.trim_end();
    let last = text::rsplit_once(last, "\n").map_or(last, |(_, last)| last);
    let Some(last) = last.strip_suffix(']') else {
        return false;
    };
    [Origin::Flashduty, Origin::ServiceNow]
        .iter()
        .any(|origin| {
            text::rsplit_once(last, origin.tag()).is_some_and(|(_, name)| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_hexdigit())
            })
        })
}

/// Flashduty's comment as it is written into a ServiceNow journal.
pub fn for_servicenow(comment: &flashduty::Comment, author: &str) -> String {
    let mark = mark(Origin::Flashduty, &comment.mark);
    let text = text::without_markup(&text::visible(&comment.text));
    let author = text::without_markup(&text::visible(author));
    written(
        &author,
        "Flashduty",
        &date::minute(comment.created_at),
        &text,
        &mark,
        servicenow::JOURNAL,
    )
}

/// ServiceNow's comment as it is written into a Flashduty timeline.
pub fn for_flashduty(entry: &servicenow::Entry) -> String {
    let mark = mark(Origin::ServiceNow, &entry.mark);
    let text = text::visible(&entry.text);
    let system = match entry.is_work_note {
        true => "ServiceNow work note",
        false => "ServiceNow",
    };
    let at = match &entry.at {
        At::Known(at_ms) | At::Heard(at_ms) => date::minute(*at_ms),
        At::Shown(at) => at.clone(),
    };
    written(&entry.author, system, &at, &text, &mark, flashduty::NOTE)
}

fn written(author: &str, system: &str, at: &str, text: &str, mark: &str, max: usize) -> String {
    let head = format!(
        "{} ({system}, {at}):\n",
        text::cut(&text::single_line(&text::visible(author)), AUTHOR)
    );
    let room = max.saturating_sub(text::length(&head) + mark.len() + 1);
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
            is_deleted: false,
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
    fn what_cannot_be_seen_hides_no_mark() {
        for text in [
            "x\n[fd:01ab]\u{200b}",
            "x\n[fd:\u{202e}01ab]",
            "x\n[f\u{200d}d:01ab]\u{feff}\n",
            "x\n\u{7}[snow:01ab]\r\n",
        ] {
            assert!(is_carried(text), "{text:?}");
        }
    }

    #[test]
    fn a_carried_comment_holds_nothing_that_reorders_or_hides_text() {
        let hostile = comment("a\u{202e}b\u{0}\u{1b} [c\u{200b}ode]x");
        assert_eq!(
            for_servicenow(&hostile, "A\u{2066}na\n[c\u{200b}ode]:"),
            "Ana (code): (Flashduty, 2026-06-01 08:00 UTC):\nab (code)x\n[fd:0123456789]"
        );
    }

    #[test]
    fn a_work_note_says_that_it_is_one() {
        let entry = servicenow::Entry {
            mark: "abcdef0123".into(),
            is_work_note: true,
            author: "Beth Anglin".into(),
            at: At::Shown("02.03.2026 09:15".into()),
            text: "internal".into(),
        };
        assert_eq!(
            for_flashduty(&entry),
            "Beth Anglin (ServiceNow work note, 02.03.2026 09:15):\ninternal\n[snow:abcdef0123]"
        );
    }

    #[test]
    fn a_long_comment_is_cut_and_keeps_its_mark() {
        let entry = servicenow::Entry {
            mark: "abcdef0123".into(),
            author: "beth.anglin".into(),
            is_work_note: false,
            at: At::Known(0),
            text: "ä".repeat(5000),
        };
        let text = for_flashduty(&entry);
        assert_eq!(text.chars().count(), flashduty::NOTE);
        assert!(text.ends_with("ä\u{2026}\n[snow:abcdef0123]"), "{text}");
    }
}

//! Entries of an incident's journals, from whichever of three places shows them.

use crate::date;
use crate::flashduty::short_hash;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::Value;

/// The column of the journal that whoever reported the incident sees.
pub const COMMENTS: &str = "comments";
/// The column of the journal for those who work on it.
pub const WORK_NOTES: &str = "work_notes";

/// A comment or work note of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names the entry: a hash of the journal, the text and how many equal ones
    /// came before. It is the same wherever the entry is read, so that a right
    /// that is given or taken away makes no comment new; and the same whatever
    /// the author is called and in which zone the time is shown.
    pub mark: String,
    /// Whether it is a work note.
    pub is_work_note: bool,
    /// The `user_name` of who wrote it, or the name that people see.
    pub author: String,
    /// When it was written, as far as that is known.
    pub at: At,
    /// What it says.
    pub text: String,
}

/// When an entry was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// In Unix milliseconds.
    Known(i64),
    /// Not long before this time, in Unix milliseconds.
    Heard(i64),
    /// As ServiceNow showed it, in the zone of the integration user.
    Shown(String),
}

impl Entry {
    /// Reads a row of `sys_journal_field`, raw values.
    pub(super) fn from_row(row: &Value) -> Option<Self> {
        let column = |name: &str| row[name].as_str().filter(|s| !s.trim().is_empty());
        Some(Self {
            mark: String::new(),
            is_work_note: row["element"] == WORK_NOTES,
            author: column("sys_created_by").unwrap_or("unknown").to_owned(),
            at: At::Known(date::unix_ms(column("sys_created_on")?)?),
            text: column("value")?.to_owned(),
        })
    }

    /// Reads a journal as the record shows it to people, oldest entry first:
    ///
    /// ```text
    /// 2026-03-02 09:15:10 - Abel Tuter (Additional comments)
    /// text
    /// ```
    ///
    /// with a blank line after each entry and the newest on top. Text may hold
    /// blank lines too, and the date has the form that the user chose. The first
    /// line is a head for certain; what follows a blank line, has the same label
    /// and a date of the same form is another. Empty if the first line is no
    /// head.
    pub fn from_display(shown: &str, is_work_note: bool) -> Vec<Self> {
        let shown = text::normal(shown);
        let mut first: Option<Head<'_>> = None;
        let mut entries: Vec<Self> = Vec::new();
        let mut after_blank = true;
        for line in shown.split('\n') {
            let head = Head::read(line).filter(|head| {
                after_blank && first.as_ref().is_none_or(|first| first.is_alike(head))
            });
            after_blank = line.trim().is_empty();
            match (head, entries.last_mut()) {
                (Some(head), _) => {
                    entries.push(Self {
                        mark: String::new(),
                        is_work_note,
                        author: match head.author {
                            "" => "unknown".into(),
                            name => name.into(),
                        },
                        at: At::Shown(head.at.into()),
                        text: String::new(),
                    });
                    first.get_or_insert(head);
                }
                (None, Some(entry)) => {
                    entry.text.push_str(line);
                    entry.text.push('\n');
                }
                (None, None) => return entries,
            }
        }
        entries.retain(|entry| !entry.text.trim().is_empty());
        entries.reverse();
        entries
    }

    /// The newest comment of a webhook, which has no author or time, and of
    /// which it is not known how many equal ones came before.
    pub fn from_webhook(text: &str, now_ms: u64) -> Option<Self> {
        let text = text.trim();
        let mut entry = [Self {
            mark: String::new(),
            is_work_note: false,
            author: "ServiceNow".into(),
            at: At::Heard(i64::try_from(now_ms).unwrap_or(i64::MAX)),
            text: text.into(),
        }];
        name(&mut entry);
        let [entry] = entry;
        (!text.is_empty()).then_some(entry)
    }
}

/// Gives the entries of one or both journals, all of them and oldest first,
/// their marks.
pub(crate) fn name(entries: &mut [Entry]) {
    let hash = |entry: &Entry| {
        let column = if entry.is_work_note {
            WORK_NOTES
        } else {
            COMMENTS
        };
        // The places differ in white space.
        short_hash(format!("{column} {}", text::single_line(&entry.text)).as_bytes())
    };
    let hashes: Vec<String> = entries.iter().map(hash).collect();
    for (at, (entry, hash)) in entries.iter_mut().zip(&hashes).enumerate() {
        let before = hashes.iter().take(at).filter(|h| *h == hash).count();
        entry.mark = match before {
            0 => hash.clone(),
            n => short_hash(format!("{hash} {n}").as_bytes()),
        };
    }
}

/// The line above an entry in a journal that is shown to people.
struct Head<'a> {
    at: &'a str,
    author: &'a str,
    label: &'a str,
}

impl<'a> Head<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (at, rest) = text::split_once(line.trim_end().strip_suffix(')')?, " - ")?;
        let (author, label) = text::rsplit_once(rest, "(")?;
        let author = author.trim();
        let is_date =
            at.len() <= 40 && at.bytes().filter(u8::is_ascii_digit).count() >= 4 && !at.is_empty();
        (is_date && !label.is_empty()).then_some(Self { at, author, label })
    }

    fn is_alike(&self, other: &Self) -> bool {
        self.label == other.label && shape(self.at).eq(shape(other.at))
    }
}

/// The separators of a date: its numbers and names vary in length. What is not
/// ASCII is taken for a part of a name; the tables of Unicode would be 3 kB of the
/// component.
fn shape(date: &str) -> impl Iterator<Item = u8> {
    date.bytes()
        .filter(|b| b.is_ascii() && !b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shown: &str) -> Vec<(String, String, String)> {
        let entries = Entry::from_display(shown, false);
        let parts = entries.into_iter().map(|entry| {
            let At::Shown(at) = entry.at else {
                panic!("the zone is not known");
            };
            (at, entry.author, entry.text.trim().to_owned())
        });
        parts.collect()
    }

    fn marks(mut entries: Vec<Entry>) -> Vec<String> {
        name(&mut entries);
        entries.into_iter().map(|entry| entry.mark).collect()
    }

    #[test]
    fn a_shown_journal_is_read_oldest_first_in_any_language_and_form_of_date() {
        let shown = "3/2/2026 11:15:10 PM - Abel Tuter (Zusätzliche Anmerkungen)\r\nhurry\r\n\r\n\
                     3/12/2026 9:01:44 AM - Beth - Anglin (Zusätzliche Anmerkungen)\r\nfirst\r\n\r\n\
                     and last\r\n\r\n";
        assert_eq!(
            read(shown),
            [
                (
                    "3/12/2026 9:01:44 AM".into(),
                    "Beth - Anglin".into(),
                    "first\n\nand last".into()
                ),
                (
                    "3/2/2026 11:15:10 PM".into(),
                    "Abel Tuter".into(),
                    "hurry".into()
                ),
            ]
        );
    }

    #[test]
    fn a_line_that_only_resembles_a_head_is_text() {
        let shown = "2026-03-02 09:15:10 - Abel (Comments)\nlog:\n\n\
                     2026-03-02 09:15:10 - Abel (Work notes)\n\n\
                     02.03.2026 09:15:10 - Abel (Comments)\n\n\
                     see below\n2026-03-02 09:15:10 - Abel (Comments)\n\n";
        assert_eq!(read(shown).len(), 1);
    }

    #[test]
    fn text_without_a_head_is_no_journal() {
        assert_eq!(read("please hurry (now)\n\nthank you"), []);
        assert_eq!(read(""), []);
    }

    #[test]
    fn an_author_without_a_name_is_called_unknown() {
        let authors = read("2026-03-02 09:15:10 -  (Comments)\nx\n\n");
        assert_eq!(authors.first().unwrap().1, "unknown");
    }

    #[test]
    fn an_entry_has_one_mark_wherever_it_is_read() {
        let row = |on: &str, text: &str| {
            let row = serde_json::json!({
                "element": "comments", "value": text, "sys_created_on": on, "sys_created_by": "abel",
            });
            Entry::from_row(&row).unwrap()
        };
        let rows = vec![
            row("2026-03-02 08:00:00", "+1"),
            row("2026-03-02 08:00:00", "one\r\n\r\ntwo "),
            row("2026-03-02 08:00:00", "+1"),
        ];
        let shown = "02.03.2026 09:00:00 - Abel T (Comments)\n+1\n\n\
                     02.03.2026 09:00:00 - Abel T (Comments)\none\n\ntwo\n\n\
                     02.03.2026 09:00:00 - Abel T (Comments)\n+1\n\n";
        let (rows, shown) = (marks(rows), marks(Entry::from_display(shown, false)));
        assert_eq!(rows, shown);
        assert_ne!(rows.first(), rows.last(), "both are carried");
        let newest = Entry::from_webhook("+1", 0).unwrap();
        assert_eq!(rows.first(), Some(&newest.mark));
    }

    #[test]
    fn a_work_note_is_not_taken_for_an_equal_comment() {
        let shown = "2026-03-02 09:15:10 - Abel (x)\n+1\n\n";
        let comment = marks(Entry::from_display(shown, false));
        assert_ne!(comment, marks(Entry::from_display(shown, true)));
    }
}

use crate::date;
use crate::flashduty::short_hash;
use alloc::borrow::ToOwned;
use alloc::string::String;
use serde_json::Value;

/// An additional comment of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names the entry.
    pub mark: String,
    /// The `user_name` of who wrote it.
    pub author: String,
    /// When, in Unix milliseconds.
    pub created_at: i64,
    /// What it says.
    pub text: String,
}

impl Entry {
    /// Reads a row of `sys_journal_field`, raw values.
    pub(super) fn from_row(row: &Value) -> Option<Self> {
        let column = |name: &str| row[name].as_str().filter(|s| !s.trim().is_empty());
        Some(Self {
            mark: short_hash(column("sys_id")?.as_bytes()),
            author: column("sys_created_by").unwrap_or("unknown").to_owned(),
            created_at: date::unix_ms(column("sys_created_on")?)?,
            text: column("value")?.to_owned(),
        })
    }

    /// The newest comment of a webhook, which has no id, author or time. Two
    /// equal comments cannot be told apart then.
    pub fn from_webhook(text: &str, now_ms: u64) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self {
            mark: short_hash(text.as_bytes()),
            author: "ServiceNow".into(),
            created_at: i64::try_from(now_ms).unwrap_or(i64::MAX),
            text: text.into(),
        })
    }
}

use alloc::borrow::ToOwned;
use alloc::string::String;
use serde::Deserialize;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;

use super::IncidentId;
use crate::json;

/// A comment in an incident's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Names the comment: timeline entries have no id of their own, so it is
    /// made of everything that stays the same.
    pub mark: String,
    /// Who wrote it; 0 is the system.
    pub creator_id: i64,
    /// When, in Unix milliseconds.
    pub created_at: i64,
    /// What it says.
    pub text: String,
    /// Whether somebody has taken it back.
    pub is_deleted: bool,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    creator_id: i64,
    #[serde(default)]
    created_at: i64,
    #[serde(default)]
    deleted_at: i64,
}

impl Comment {
    /// Reads a timeline entry, if it is a comment that says something.
    pub(super) fn from_entry(incident: &IncidentId, value: &Value) -> Option<Self> {
        let entry = json::from_value::<Entry>(value).ok()?;
        let text = value["detail"]["comment"].as_str().unwrap_or_default();
        if entry.r#type != "i_comm" || text.trim().is_empty() {
            return None;
        }
        let identity = format!(
            "{incident}|{}|{}|{text}",
            entry.created_at, entry.creator_id
        );
        Some(Self {
            mark: short_hash(identity.as_bytes()),
            creator_id: entry.creator_id,
            created_at: entry.created_at,
            text: text.to_owned(),
            is_deleted: entry.deleted_at > 0,
        })
    }
}

/// Ten hexadecimal digits of a SHA-256: among the comments of one incident,
/// enough never to meet a second one.
pub(crate) fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(5)
        .map(|b| format!("{b:02x}"))
        .collect()
}

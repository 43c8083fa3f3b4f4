use crate::severity::Severity;
use crate::state::Progress;
use crate::text;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::Serialize;

/// The id of an incident: 24 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentId(String);

impl IncidentId {
    /// Takes 24 hexadecimal digits, in lower case from here on.
    pub fn parse(text: &str) -> Option<Self> {
        let ok = text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit());
        ok.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<IncidentId> for String {
    fn from(id: IncidentId) -> Self {
        id.0
    }
}

impl TryFrom<String> for IncidentId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| {
            let found = text::cut(&text, 40);
            format!("expected an incident id of 24 hexadecimal digits, found \"{found}\"")
        })
    }
}

/// A member of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The member's id.
    pub person_id: i64,
    /// The name shown to others.
    #[serde(default)]
    pub person_name: String,
}

/// An incident, as webhooks and the Open API show it: every field that is not
/// needed is ignored, and only the id is insisted on, since both may grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Names the incident.
    pub incident_id: IncidentId,
    /// One line; up to 512 characters.
    #[serde(default)]
    pub title: String,
    /// Plain text, Markdown or HTML.
    #[serde(default)]
    pub description: String,
    /// What people found to be the cause.
    #[serde(default)]
    pub root_cause: String,
    /// What people did about it.
    #[serde(default)]
    pub resolution: String,
    /// `Critical`, `Warning` or `Info`.
    #[serde(default)]
    pub incident_severity: String,
    /// `Critical`, `Warning`, `Info` or `Ok`: follows the alerts, not the people.
    #[serde(default)]
    pub incident_status: String,
    /// What alerts were grouped by.
    #[serde(default)]
    pub dedup_key: String,
    /// The integration that the alerts came through; 0 if none did.
    #[serde(default)]
    pub data_source_id: i64,
    /// Of the first alert; none if a person created the incident.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `Triggered`, `Processing` or `Closed`; snoozing is not among them.
    #[serde(default, rename = "progress")]
    pub raw_progress: String,
    /// When it was created, in Unix seconds.
    #[serde(default)]
    pub created_at: i64,
    /// When it was last changed, in Unix seconds.
    #[serde(default)]
    pub updated_at: i64,
    /// Until when it is snoozed, in Unix seconds; 0 if it is not.
    #[serde(default)]
    pub snoozed_before: i64,
    /// 0 is outside every channel.
    #[serde(default)]
    pub channel_id: i64,
    /// The channel's name.
    #[serde(default)]
    pub channel_name: String,
    /// Where people look at it.
    #[serde(default)]
    pub detail_url: String,
    /// Who is on it.
    #[serde(default)]
    pub responders: Vec<Person>,
}

impl Incident {
    /// How grave it is, if it says so in a word that is known.
    pub fn severity(&self) -> Option<Severity> {
        Severity::parse(&self.incident_severity)
    }

    /// Where it stands at `now_ms`: snoozed if the deadline lies ahead,
    /// whatever event announced the incident.
    pub fn progress(&self, now_ms: u64) -> Option<Progress> {
        match self.raw_progress.as_str() {
            "Closed" => Some(Progress::Closed),
            _ if self.snoozed_until_ms() > now_ms => Some(Progress::Snoozed),
            "Triggered" => Some(Progress::Triggered),
            "Processing" => Some(Progress::Processing),
            _ => None,
        }
    }

    /// Until when it is snoozed, in Unix milliseconds; 0 if it is not.
    pub fn snoozed_until_ms(&self) -> u64 {
        u64::try_from(self.snoozed_before)
            .unwrap_or(0)
            .saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn incident(progress: &str, snoozed_before: i64) -> Incident {
        json::from_value(&serde_json::json!({
            "incident_id": "6A1d2f45c0ffee0123456789",
            "progress": progress,
            "snoozed_before": snoozed_before,
            "title": null,
            "something_new": {"a": 1},
        }))
        .unwrap()
    }

    #[test]
    fn snoozed_is_a_deadline_that_lies_ahead() {
        let at = |p, s| incident(p, s).progress(1_000_000);
        assert_eq!(at("Processing", 1001), Some(Progress::Snoozed));
        assert_eq!(at("Processing", 1000), Some(Progress::Processing));
        assert_eq!(at("Triggered", 0), Some(Progress::Triggered));
        assert_eq!(at("Closed", 1001), Some(Progress::Closed));
        assert_eq!(at("Later", 0), None);
    }

    #[test]
    fn ids_are_24_hexadecimal_digits_in_lower_case() {
        assert_eq!(
            incident("", 0).incident_id.as_str(),
            "6a1d2f45c0ffee0123456789"
        );
        for id in [
            "",
            "6a1d2f45c0ffee012345678",
            "../../../../../../../etc",
            "６a1d2f45c0ffee0123456789",
        ] {
            assert_eq!(IncidentId::parse(id), None, "{id}");
        }
    }
}

//! Comments, texts, severity and custom fields.
//!
//! Writing what is already there counts as a change like any other and is
//! announced; nothing says that the real service compares.

use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::action::Reset;
use super::envelope::ApiError;
use super::params::check_length;
use super::severity::Status;
use super::timeline::Actor;
use super::timeline::EventType;

const COMMENT_LIMIT: usize = 1024;
const TITLE_LIMIT: usize = 200;
const TEXT_LIMIT: usize = 6144;
const SHORTEST: usize = 3;

impl Flashduty {
    /// The text is in the timeline at once, and not in the webhook.
    pub(super) fn comment(
        &mut self,
        actor: Actor,
        incident_id: &str,
        comment: &str,
        mute_reply: bool,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let comment = comment.trim();
        check_length("comment", comment, 1..=COMMENT_LIMIT)?;
        self.change(incident_id, now_ms)?;
        let detail = json!({ "comment": comment, "mute_reply": mute_reply });
        self.note(incident_id, actor, EventType::Comment, detail, now_ms)?;
        if mute_reply && self.options.mute_reply_silences_webhook {
            return Ok(());
        }
        self.announce(incident_id, actor, EventType::Comment, now_ms)
    }

    /// Changes texts and severity, with an event for each.
    pub(super) fn reset(
        &mut self,
        actor: Actor,
        incident_id: &str,
        reset: &Reset,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let title = present(&reset.title);
        let texts = [
            ("description", present(&reset.description)),
            ("impact", present(&reset.impact)),
            ("root_cause", present(&reset.root_cause)),
            ("resolution", present(&reset.resolution)),
        ];
        if let Some(title) = &title {
            check_length("title", title, SHORTEST..=TITLE_LIMIT)?;
        }
        for (name, text) in &texts {
            if let Some(text) = text {
                check_length(name, text, SHORTEST..=TEXT_LIMIT)?;
            }
        }
        if title.is_none()
            && texts.iter().all(|(_, text)| text.is_none())
            && reset.incident_severity.is_none()
        {
            return Err(ApiError::invalid(
                "expected at least one of title, description, impact, root_cause, resolution and \
                 incident_severity, and not empty",
            ));
        }
        if let Some(title) = title {
            let incident = self.change(incident_id, now_ms)?;
            let detail = json!({ "from": incident.title, "to": title });
            incident.title = title;
            incident.manual_overrides.insert("title");
            self.tell(incident_id, actor, EventType::ResetTitle, detail, now_ms)?;
        }
        for (name, text) in texts {
            let Some(text) = text else { continue };
            let incident = self.change(incident_id, now_ms)?;
            let kind = match name {
                "description" => {
                    incident.description = text;
                    incident.manual_overrides.insert("description");
                    EventType::ResetDescription
                }
                "impact" => {
                    incident.impact = text;
                    EventType::ResetImpact
                }
                "root_cause" => {
                    incident.root_cause = text;
                    EventType::ResetRootCause
                }
                _ => {
                    incident.resolution = text;
                    EventType::ResetResolution
                }
            };
            self.tell(incident_id, actor, kind, json!({}), now_ms)?;
        }
        if let Some(severity) = reset.incident_severity {
            let incident = self.change(incident_id, now_ms)?;
            let detail = json!({ "from": incident.severity, "to": severity });
            incident.severity = severity;
            incident.manual_overrides.insert("incident_severity");
            // Without alerts there is nothing else that the status could follow.
            if incident.alerts.is_empty() && incident.status != Status::Ok {
                incident.status = severity.into();
            }
            self.tell(incident_id, actor, EventType::ResetSeverity, detail, now_ms)?;
        }
        Ok(())
    }

    /// One field a call; no value deletes it from the incident.
    pub(super) fn reset_field(
        &mut self,
        actor: Actor,
        incident_id: &str,
        name: &str,
        value: Option<&Value>,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        self.account.check_field(name, value)?;
        let incident = self.change(incident_id, now_ms)?;
        match value {
            Some(value) => incident.fields.insert(name.to_owned(), value.clone()),
            None => incident.fields.remove(name),
        };
        let detail = json!({ "field_name": name, "to": value });
        self.tell(incident_id, actor, EventType::ResetField, detail, now_ms)
    }
}

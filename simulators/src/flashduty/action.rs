//! What a person can do with an incident.
//!
//! The console and the Open API are two doors to the same room: a call of the
//! API becomes an [`Action`] of the member behind the key, so both change the
//! same things, obey the same limits and fire the same webhooks. An API client
//! therefore hears the echo of everything that it does.
//!
//! An action that does not apply, such as reopening what is open, is accepted
//! and changes nothing. The documentation does not tell what the real service
//! answers.

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::Flashduty;
use super::envelope::ApiError;
use super::severity::Severity;
use super::timeline::Actor;

/// Something that a person does with an incident.
///
/// In JSON (`POST /simulator/act`) the name is in `action`, in snake case, and
/// the rest beside it: `{"action":"snooze","minutes":120}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Triggered becomes Processing.
    Acknowledge,
    /// Withdraws the person's own acknowledgement.
    Unacknowledge,
    /// Closes it.
    Resolve {
        /// At most 1024 characters.
        root_cause: Option<String>,
        /// At most 1024 characters.
        resolution: Option<String>,
    },
    /// Closed becomes Triggered.
    Reopen {
        /// At most 1024 characters.
        #[serde(default)]
        reason: String,
    },
    /// Silences it for some time.
    Snooze {
        /// 1 to 1440.
        minutes: i64,
    },
    /// Ends the snooze.
    Wake,
    /// Writes a comment.
    Comment {
        /// Trimmed; then 1 to 1024 characters.
        comment: String,
        /// Marks a comment that should cause no replies.
        #[serde(default)]
        mute_reply: bool,
    },
    /// Changes texts or severity.
    Reset(Reset),
    /// Changes a custom field.
    ResetField {
        /// The name of a custom field.
        field_name: String,
        /// Without it the field is deleted.
        field_value: Option<Value>,
    },
    /// Merges others into it.
    Merge(Merge),
    /// Keeps alerts with other keys out.
    DisableMerge,
    /// Deletes it for good; no webhook tells.
    Remove,
    /// Gives it to others.
    Assign(Assignment),
    /// Calls others in addition.
    AddResponders {
        /// Members.
        person_ids: Vec<i64>,
    },
    /// Presses a custom action. What came of it is in the timeline and in the
    /// webhook history once the endpoint has answered.
    CustomAction {
        /// Of the custom action.
        integration_id: i64,
    },
}

/// New texts and severity of an incident. Empty texts are ignored, so a text
/// cannot be cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Reset {
    /// 3 to 200 characters.
    pub title: Option<String>,
    /// 3 to 6144 characters.
    pub description: Option<String>,
    /// 3 to 6144 characters.
    pub impact: Option<String>,
    /// 3 to 6144 characters.
    pub root_cause: Option<String>,
    /// 3 to 6144 characters.
    pub resolution: Option<String>,
    /// Wins over the alerts from then on.
    pub incident_severity: Option<Severity>,
}

/// A merge into the incident that is acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Merge {
    /// 1 to 100 incidents; the target among them is skipped.
    pub source_incident_ids: Vec<String>,
    /// New title of the target, at most 512 characters.
    pub title: Option<String>,
    /// At most 1024 characters.
    pub comment: Option<String>,
    /// Removes the sources rather than closing them.
    #[serde(default)]
    pub remove_source_incidents: bool,
}

/// To whom an incident is given: persons, or a channel's escalation rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Assignment {
    /// Members.
    #[serde(default)]
    pub person_ids: Vec<i64>,
    /// Resolved to members; unknown ones are ignored.
    #[serde(default)]
    pub emails: Vec<String>,
    /// Of the incident's channel.
    pub escalate_rule_id: Option<String>,
    /// Level within the rule, from 0.
    #[serde(default)]
    pub layer_idx: u64,
    /// `assign`, `reassign`, `escalate` or `reopen`; derived if absent.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// How those who get it are told.
    pub notify: Option<Notify>,
}

/// How people are told of an assignment, instead of how they prefer. The
/// simulator tells nobody; it keeps the wish and shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// As each of them prefers after all.
    #[serde(default)]
    pub follow_preference: bool,
    /// Such as `voice`, `sms`, `email`.
    #[serde(default)]
    pub personal_channels: Vec<String>,
    /// 24 hex digits, or empty.
    #[serde(default)]
    pub template_id: String,
}

impl Flashduty {
    /// A person does something with an incident in the console.
    ///
    /// # Errors
    ///
    /// As the Open API: unknown person or incident, a limit that is not kept.
    pub fn act(
        &mut self,
        person_id: i64,
        incident_id: &str,
        action: &Action,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        self.advance(now_ms);
        self.account.member(person_id)?;
        self.perform(Actor::Member(person_id), incident_id, action, now_ms)
    }

    /// Carries an action out.
    pub(super) fn perform(
        &mut self,
        actor: Actor,
        incident_id: &str,
        action: &Action,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        self.find(incident_id)?;
        match action {
            Action::Acknowledge => self.acknowledge(actor, incident_id, now_ms),
            Action::Unacknowledge => self.unacknowledge(actor, incident_id, now_ms),
            Action::Resolve {
                root_cause,
                resolution,
            } => self.resolve(
                actor,
                incident_id,
                root_cause.as_deref(),
                resolution.as_deref(),
                now_ms,
            ),
            Action::Reopen { reason } => self.reopen(actor, incident_id, reason, now_ms),
            Action::Snooze { minutes } => self.snooze(actor, incident_id, *minutes, now_ms),
            Action::Wake => self.wake(actor, incident_id, now_ms),
            Action::Comment {
                comment,
                mute_reply,
            } => self.comment(actor, incident_id, comment, *mute_reply, now_ms),
            Action::Reset(reset) => self.reset(actor, incident_id, reset, now_ms),
            Action::ResetField {
                field_name,
                field_value,
            } => self.reset_field(
                actor,
                incident_id,
                field_name,
                field_value.as_ref().filter(|value| !value.is_null()),
                now_ms,
            ),
            Action::Merge(merge) => self.merge(actor, incident_id, merge, now_ms),
            Action::DisableMerge => {
                self.change(incident_id, now_ms)?.merge_disabled = true;
                Ok(())
            }
            Action::Remove => self.remove(incident_id),
            Action::Assign(assignment) => self.assign(actor, incident_id, assignment, now_ms),
            Action::AddResponders { person_ids } => {
                self.add_responders(actor, incident_id, person_ids, now_ms)
            }
            Action::CustomAction { integration_id } => {
                self.press_custom_action(actor, incident_id, *integration_id, now_ms)
            }
        }
    }
}

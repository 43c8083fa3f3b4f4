//! The timeline of an incident: what happened, by whom, when.
//!
//! Entries have no id of their own, and their times are milliseconds while all
//! others of an incident are seconds. Whoever mirrors comments has to live
//! with both.

use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::account::ACCOUNT;
use super::envelope::ApiError;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Alerts, or time.
    System,
    /// A member, in the console or through the Open API.
    Member(i64),
}

impl Actor {
    /// The member, if it is one.
    pub fn member_id(self) -> Option<i64> {
        match self {
            Actor::System => None,
            Actor::Member(member_id) => Some(member_id),
        }
    }
}

/// What happened: types of timeline entries and of incident webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// `i_new`: created.
    New,
    /// `i_assign`: assigned or reassigned.
    Assign,
    /// `i_a_rspd`: responders added.
    AddResponders,
    /// `i_snooze`: snoozed by a person.
    Snooze,
    /// `i_wake`: snooze ended.
    Wake,
    /// `i_ack`: acknowledged.
    Ack,
    /// `i_unack`: acknowledgement withdrawn.
    Unack,
    /// `i_storm`: alert storm; never fired by the simulator.
    Storm,
    /// `i_custom`: custom action pressed.
    Custom,
    /// `i_rslv`: closed.
    Resolve,
    /// `i_reopen`: reopened.
    Reopen,
    /// `i_merge`: merged by hand.
    Merge,
    /// `i_comm`: comment added; the webhook lacks the text.
    Comment,
    /// `i_r_title`: title changed.
    ResetTitle,
    /// `i_r_desc`: description changed.
    ResetDescription,
    /// `i_r_impact`: impact changed.
    ResetImpact,
    /// `i_r_rc`: root cause changed.
    ResetRootCause,
    /// `i_r_rsltn`: resolution changed.
    ResetResolution,
    /// `i_r_severity`: severity changed.
    ResetSeverity,
    /// `i_r_field`: a custom field changed.
    ResetField,
}

impl EventType {
    /// Every type that a webhook can be ticked for.
    pub const ALL: [EventType; 20] = [
        EventType::New,
        EventType::Assign,
        EventType::AddResponders,
        EventType::Snooze,
        EventType::Wake,
        EventType::Ack,
        EventType::Unack,
        EventType::Storm,
        EventType::Custom,
        EventType::Resolve,
        EventType::Reopen,
        EventType::Merge,
        EventType::Comment,
        EventType::ResetTitle,
        EventType::ResetDescription,
        EventType::ResetImpact,
        EventType::ResetRootCause,
        EventType::ResetResolution,
        EventType::ResetSeverity,
        EventType::ResetField,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::New => "i_new",
            EventType::Assign => "i_assign",
            EventType::AddResponders => "i_a_rspd",
            EventType::Snooze => "i_snooze",
            EventType::Wake => "i_wake",
            EventType::Ack => "i_ack",
            EventType::Unack => "i_unack",
            EventType::Storm => "i_storm",
            EventType::Custom => "i_custom",
            EventType::Resolve => "i_rslv",
            EventType::Reopen => "i_reopen",
            EventType::Merge => "i_merge",
            EventType::Comment => "i_comm",
            EventType::ResetTitle => "i_r_title",
            EventType::ResetDescription => "i_r_desc",
            EventType::ResetImpact => "i_r_impact",
            EventType::ResetRootCause => "i_r_rc",
            EventType::ResetResolution => "i_r_rsltn",
            EventType::ResetSeverity => "i_r_severity",
            EventType::ResetField => "i_r_field",
        }
    }

    /// Reads the word on the wire.
    pub fn parse(word: &str) -> Option<EventType> {
        EventType::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// An entry of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What happened.
    pub kind: EventType,
    /// Depends on the type.
    pub detail: Value,
    /// Who did it.
    pub actor: Actor,
    /// Unix milliseconds.
    pub created_ms: u64,
}

impl Entry {
    /// The item of `/incident/feed`.
    pub(super) fn to_json(&self, incident_id: &str) -> Value {
        json!({
            "ref_id": incident_id,
            "type": self.kind.as_str(),
            "detail": self.detail,
            "account_id": ACCOUNT,
            "creator_id": self.actor.member_id().unwrap_or(0),
            "created_at": self.created_ms,
            "updated_at": self.created_ms,
        })
    }
}

impl Flashduty {
    /// Writes a timeline entry and announces it to the webhooks.
    pub(super) fn tell(
        &mut self,
        incident_id: &str,
        actor: Actor,
        kind: EventType,
        detail: Value,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        self.note(incident_id, actor, kind, detail, now_ms)?;
        self.announce(incident_id, actor, kind, now_ms)
    }

    /// Writes a timeline entry only.
    pub(super) fn note(
        &mut self,
        incident_id: &str,
        actor: Actor,
        kind: EventType,
        detail: Value,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let incident = self
            .incidents
            .get_mut(incident_id)
            .ok_or_else(|| ApiError::not_found("incident", incident_id))?;
        incident.timeline.push(Entry {
            kind,
            detail,
            actor,
            created_ms: now_ms,
        });
        Ok(())
    }
}

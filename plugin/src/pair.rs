//! The record of two incidents that belong together.

use crate::flashduty::IncidentId;
use crate::servicenow::SysId;
use crate::severity::Grade;
use crate::severity::Severity;
use crate::state::Progress;
use crate::state::State;
use crate::texts::Texts;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::Serialize;

/// The layout of the record. A record of another layout is left alone.
pub const SCHEMA: u32 = 1;

/// How many lines of history are kept.
const HISTORY: usize = 20;

/// As long as ServiceNow may take to carry a request out; Flashduty is faster.
pub(crate) const SETTLES_MS: u64 = 150_000;

/// How many comments are remembered as carried, per direction; older ones are
/// recognised by their mark in the text on the other side.
const CARRIED: usize = 500;

/// One pair: which incidents, what they last agreed on, what is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// See [`SCHEMA`].
    pub schema: u32,
    /// The Flashduty incident, once there is one.
    pub flashduty: Option<IncidentId>,
    /// The ServiceNow incident, once there is one.
    pub servicenow: Option<SysId>,
    /// The ServiceNow incident's number, for people.
    pub number: Option<String>,
    /// The creation that has been, or may have been, sent.
    pub creating: Option<Creating>,
    /// Whether each side has been told where to find the other.
    pub introduced: bool,
    /// Whether somebody joined two incidents that existed.
    #[serde(default)]
    pub by_hand: bool,
    /// How many records have been replaced by a new one.
    #[serde(default)]
    pub generation: u16,
    /// Why nothing is synced any more: a tombstone, so that nothing is created
    /// again for the incident that names it.
    #[serde(default)]
    pub ended: Option<String>,
    /// Until when Flashduty snoozes it, in Unix milliseconds; 0 or past if not.
    pub snoozed_until_ms: u64,
    /// What both sides last agreed on.
    pub base: Base,
    /// How often the base has changed: tells a note from an equal one that was
    /// written before.
    #[serde(default)]
    pub edition: u64,
    /// Comments that are on both sides.
    pub carried: Carried,
    /// When the two were linked, in Unix milliseconds by Flashduty's clock; 0 if that
    /// is not known.
    #[serde(default)]
    pub linked_ms: u64,
    /// Since when the incident has not been found in Flashduty, in Unix
    /// milliseconds by Flashduty's clock.
    #[serde(default)]
    pub flashduty_missing_ms: Option<u64>,
    /// The same for ServiceNow.
    #[serde(default)]
    pub servicenow_missing_ms: Option<u64>,
    /// A hash of the journals as the record last showed them; empty if they
    /// have been looked at in another way only.
    pub journal_seen: Option<String>,
    /// A comment that was sent to Flashduty and whose fate is unknown until then,
    /// in Unix milliseconds by Flashduty's clock: that of the other side tells
    /// nothing about it.
    #[serde(default)]
    pub flashduty_unsettled_ms: Option<u64>,
    /// The same for ServiceNow.
    #[serde(default)]
    pub servicenow_unsettled_ms: Option<u64>,
    /// The mark of the comment that was sent last, to either: by it that is
    /// recognised once it appears.
    #[serde(default)]
    pub unsettled_mark: Option<String>,
    /// When the incident was changed that a webhook has shown last, in Unix seconds.
    #[serde(default)]
    pub flashduty_shown_s: i64,
    /// The highest count of changes that the record has been seen with.
    #[serde(default)]
    pub servicenow_changes: u64,
    /// When that was first seen, in Unix milliseconds by ServiceNow's clock.
    #[serde(default)]
    pub servicenow_changes_ms: u64,
    /// When this product lately changed fields in Flashduty, in Unix milliseconds.
    #[serde(default)]
    pub flashduty_written_ms: Vec<u64>,
    /// The same for ServiceNow.
    #[serde(default)]
    pub servicenow_written_ms: Vec<u64>,
    /// What was done lately, the newest last.
    pub history: Vec<Event>,
}

/// The creation of the missing incident. It is stored before the request is
/// sent, so that whoever comes after a crash knows that it may have happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Creating {
    /// When this began, in Unix milliseconds by the clock of the side that
    /// carries it out.
    pub since_ms: u64,
    /// How often the request may have been sent.
    pub sent: u32,
    /// When it was last sent, by the same clock.
    pub sent_ms: u64,
}

/// What each side held when they last agreed; absent where that is unknown.
///
/// The two values of a field need not be equal: text is cut to each side's
/// limit, and three states of ServiceNow are one in Flashduty. A change is
/// a difference to the value of the *same* side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// Title and short description.
    pub title: Agreed<String, String>,
    /// Description and description.
    pub description: Agreed<String, String>,
    /// Severity, and impact with urgency.
    pub severity: Agreed<Severity, Grade>,
    /// Progress and state.
    pub state: Agreed<Progress, State>,
    /// E-mail addresses.
    #[serde(default)]
    pub assignee: Agreed<String, String>,
    /// What Flashduty held of the operator's own fields, by their keys.
    #[serde(default)]
    pub flashduty_fields: Texts,
    /// The same of ServiceNow.
    #[serde(default)]
    pub servicenow_fields: Texts,
}

/// What each side held of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed<F, S> {
    /// Flashduty's value.
    pub flashduty: Option<F>,
    /// ServiceNow's value.
    pub servicenow: Option<S>,
}

impl<F, S> Default for Agreed<F, S> {
    fn default() -> Self {
        Self {
            flashduty: None,
            servicenow: None,
        }
    }
}

/// Marks of comments that are on both sides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// Of Flashduty's comments.
    pub to_servicenow: Vec<String>,
    /// Of ServiceNow's comments.
    pub to_flashduty: Vec<String>,
}

impl Carried {
    /// Remembers a mark.
    pub fn remember(marks: &mut Vec<String>, mark: &str) {
        if !marks.iter().any(|known| known == mark) {
            marks.push(mark.to_owned());
        }
        let surplus = marks.len().saturating_sub(CARRIED);
        marks.drain(..surplus);
    }
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What was done, for people.
    pub what: String,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            flashduty: None,
            servicenow: None,
            number: None,
            creating: None,
            introduced: false,
            by_hand: false,
            generation: 0,
            ended: None,
            snoozed_until_ms: 0,
            base: Base::default(),
            edition: 0,
            carried: Carried::default(),
            linked_ms: 0,
            flashduty_missing_ms: None,
            servicenow_missing_ms: None,
            journal_seen: None,
            flashduty_unsettled_ms: None,
            servicenow_unsettled_ms: None,
            unsettled_mark: None,
            flashduty_shown_s: 0,
            servicenow_changes: 0,
            servicenow_changes_ms: 0,
            flashduty_written_ms: Vec::new(),
            servicenow_written_ms: Vec::new(),
            history: Vec::new(),
        }
    }
}

impl Pair {
    /// Whether both incidents are known.
    pub fn is_linked(&self) -> bool {
        self.flashduty.is_some() && self.servicenow.is_some()
    }

    /// Whether there is or was one, or may be. Else its history tells why there is none.
    pub fn is_more_than_history(&self) -> bool {
        self.flashduty.is_some()
            || self.servicenow.is_some()
            || self.creating.is_some()
            || self.ended.is_some()
    }

    /// Whether a creation was sent that is not known to have failed.
    pub fn may_be_created(&self) -> bool {
        let creating = self.creating.as_ref();
        creating.is_some_and(|creating| creating.sent > 0)
    }

    /// Whether a creation may still be carried out at a time by the clock of the
    /// side that does that. By one that is far away nobody knows, so nobody waits.
    pub fn is_in_doubt(&self, now_ms: u64) -> bool {
        self.creating.as_ref().is_some_and(|creating| {
            creating.sent > 0 && creating.sent_ms.abs_diff(now_ms) < SETTLES_MS
        })
    }

    /// Whether an operator may take it apart: the two are linked, or what came of a
    /// creation, if anything did, is there by now.
    pub fn may_end(&self, now_ms: u64) -> bool {
        let is_begun = self.creating.is_some() && !self.is_in_doubt(now_ms);
        self.ended.is_none() && (self.is_linked() || is_begun)
    }

    /// Adds a line to the history.
    pub fn note(&mut self, at_ms: u64, what: &str) {
        self.history.push(Event {
            at_ms,
            what: what.into(),
        });
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }
}

//! What happens when an incident is over, and when it is not any more.

use serde::Deserialize;
use serde::Serialize;

/// What happens when an incident is over, and when it is not any more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Closing {
    /// What a closed incident in Flashduty does in ServiceNow.
    pub to_servicenow: Ending,
    /// What a resolved, closed or canceled incident in ServiceNow does in Flashduty.
    pub from_servicenow: Ending,
    /// What an incident that is reopened in Flashduty does in ServiceNow. A closed or canceled
    /// record cannot be reopened: there, `reopen` leaves a note.
    pub reopen: Reopening,
    /// A record that was resolved longer ago is not reopened; it gets a note, or a new record if
    /// `reopen = "new"`. No limit unless given.
    pub reopen_within_days: Option<u16>,
}

/// What the end on one side does on the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It is resolved.
    #[default]
    Resolve,
    /// It stays open, and a comment tells.
    Comment,
    /// Nothing.
    Ignore,
}

/// What becomes of a ServiceNow record whose incident is reopened in Flashduty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reopening {
    /// It is reopened where that is possible, and else gets a note.
    #[default]
    Reopen,
    /// It is reopened where that is possible; else a new record is created and takes its place.
    New,
    /// It stays as it is, and gets a note.
    Note,
}

//! Which comments travel, and where to.

use serde::Deserialize;
use serde::Serialize;

/// Which comments travel, and where to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Comments {
    /// Where Flashduty's comments go.
    pub to_servicenow: Journal,
    /// Which of ServiceNow's comments go to Flashduty.
    pub from_servicenow: Journals,
    /// Whether comments that are older than the link travel too.
    pub before_link: bool,
}

impl Default for Comments {
    fn default() -> Self {
        Self {
            to_servicenow: Journal::default(),
            from_servicenow: Journals::default(),
            before_link: true,
        }
    }
}

/// A journal of a ServiceNow incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Journal {
    /// Seen by those who work on it.
    #[default]
    WorkNotes,
    /// Seen by, and mailed to, whoever reported it.
    AdditionalComments,
    /// They stay in Flashduty.
    None,
}

/// Which journals of a ServiceNow incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Journals {
    /// The additional comments only: work notes are internal.
    #[default]
    AdditionalComments,
    /// Both; each says which it was.
    All,
    /// They stay in ServiceNow.
    None,
}

//! Who wins where both sides changed a field before the sync came to it.

use serde::Deserialize;
use serde::Serialize;

/// Who wins where both sides changed a field. The losing value is kept as a note on its own side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Conflict {
    /// Default: the side where the pair was born.
    pub title: Preference,
    /// Default: the side where the pair was born.
    pub description: Preference,
    /// Default: the graver.
    pub severity: Preference,
    /// Default: the one further along.
    pub state: Preference,
    /// For the operator's own fields and the assignee. Default: the side where the pair was born.
    pub fields: Preference,
}

impl Default for Conflict {
    fn default() -> Self {
        Self {
            title: Preference::Birth,
            description: Preference::Birth,
            severity: Preference::Highest,
            state: Preference::Highest,
            fields: Preference::Birth,
        }
    }
}

/// Who wins a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// Flashduty.
    Flashduty,
    /// ServiceNow.
    Servicenow,
    /// The side where the pair was born.
    Birth,
    /// The incident that was changed last, as far as its own system says.
    Newest,
    /// The graver severity, or the state further along. Of other fields, as `birth`.
    Highest,
}

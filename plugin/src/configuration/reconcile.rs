//! How the two sides are asked for what no webhook told of.

use alloc::string::String;
use serde::Deserialize;
use serde::Serialize;

/// How the two sides are asked for what no webhook told of. Only a side whose changes travel, and
/// that has a credential, is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Reconcile {
    /// How often, in seconds. In Flashduty, linked incidents are looked at every fifth time.
    #[cfg_attr(test, schemars(range(min = 1, max = 3600)))]
    pub poll_seconds: u16,
    /// Whether Flashduty is asked.
    pub flashduty: bool,
    /// Whether ServiceNow is asked.
    pub servicenow: bool,
    /// Which ServiceNow records may be brought to Flashduty without a webhook: `all`, `none`, or
    /// those of an encoded query. Give it the filter of your business rule.
    pub new_records: String,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self {
            poll_seconds: 60,
            flashduty: true,
            servicenow: true,
            new_records: "all".into(),
        }
    }
}

//! A field of the operator's own: a label, a custom field or a text made of
//! both, against a column.

use super::Direction;
use super::Preference;
use crate::template::Template;
use crate::texts::Texts;
use alloc::string::String;
use serde::Deserialize;
use serde::Serialize;

/// What travels beyond the built-in fields. Two of `custom-field`, `column` and `value` say which
/// way: a custom field and a column follow each other, a value fills the one beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FieldRule {
    /// Name of a custom field in Flashduty.
    #[serde(default)]
    pub custom_field: Option<String>,
    /// Name of a column of ServiceNow's incident table, not its label: `u_service`.
    #[serde(default)]
    pub column: Option<String>,
    /// A text with places such as `{{labels.service}}` that the other side's incident fills in.
    #[serde(default)]
    pub value: Option<Template>,
    /// What the column holds.
    #[serde(default, rename = "type")]
    pub kind: ColumnType,
    /// What the custom field holds.
    #[serde(default)]
    pub custom_field_type: CustomFieldType,
    /// Narrows the direction of the integration for this field.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// When ServiceNow is written.
    #[serde(default)]
    pub write: WriteMode,
    /// Who wins where both sides changed it; `conflict.fields` unless given.
    #[serde(default)]
    pub conflict: Option<Preference>,
    /// What an empty value does to the other side.
    #[serde(default)]
    pub on_empty: OnEmpty,
    /// Flashduty's values and what each is in ServiceNow. A value that is not among them is not
    /// written, unless there is a `default`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "alloc::collections::BTreeMap<String, String>"))]
    pub map: Texts,
    /// What ServiceNow gets for a value that is not in `map`.
    #[serde(default)]
    pub default: Option<String>,
    /// For `type = "reference"`: the table that the column points to.
    #[serde(default)]
    pub table: Option<String>,
    /// For `type = "reference"`: the column of that table which holds the value, for example
    /// `email`, `user_name`, `number` or `sys_id`.
    #[serde(default = "name")]
    pub by: String,
    /// Text of more characters is cut, with a mark.
    #[serde(default = "longest")]
    #[cfg_attr(test, schemars(range(min = 1, max = 4000)))]
    pub max_length: u16,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    /// Any text.
    #[default]
    Text,
    /// One of a list. Values and labels, in every language of the instance, are understood.
    Choice,
    /// True or false; `yes`, `1` and `on` count as true, `no`, `0` and `off` as false.
    Boolean,
    /// A whole number.
    Integer,
    /// A moment: `YYYY-MM-DD HH:MM:SS` in UTC, or Unix seconds.
    DateTime,
    /// Another record, which is looked up.
    Reference,
}

/// What a custom field holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CustomFieldType {
    /// Any text, of at most 3000 characters.
    #[default]
    Text,
    /// One of its options.
    SingleSelect,
    /// Some of its options; in ServiceNow separated by commas.
    MultiSelect,
    /// True or false.
    Checkbox,
}

/// When ServiceNow is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WriteMode {
    /// Whenever it changes.
    #[default]
    Always,
    /// When the two incidents are joined, and never again.
    Once,
    /// As long as the column is empty.
    IfEmpty,
}

/// What an empty value does to the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnEmpty {
    /// The other side keeps what it has.
    #[default]
    Keep,
    /// The other side is emptied too.
    Clear,
}

fn name() -> String {
    "name".into()
}

fn longest() -> u16 {
    4000
}

impl FieldRule {
    /// Names the field, in records and for people: by its column, or else as a value
    /// would name the custom field.
    pub fn key(&self) -> String {
        match (&self.column, &self.custom_field) {
            (Some(column), _) => column.clone(),
            (None, name) => format!("fields.{}", name.as_deref().unwrap_or_default()),
        }
    }
}

//! The button on the form of an incident, with the script behind it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A UI action as an administrator sets it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UiAction {
    /// Whether the script runs in the browser.
    pub client: bool,
    /// What the browser runs when the button is pressed, such as `onClick();`.
    pub onclick: String,
    /// The script.
    pub script: String,
}

/// A form in somebody's browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The incident; one that does not exist yet is the form of a new one.
    pub sys_id: String,
    /// What was typed into it and is not saved yet: raw values by column.
    pub changes: BTreeMap<String, String>,
    /// Who is quicker when the script saves the form and calls the instance
    /// at once: the form, or the call.
    pub race: Race,
}

/// The order in which what a form does reaches the instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Race {
    /// First the record is saved, then the call is answered.
    #[default]
    FormFirst,
    /// The call is answered before the record is saved.
    CallFirst,
}

/// What the user has seen after pressing the button.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Alerts and messages, in their order.
    pub messages: Vec<String>,
    /// Whether the script has ended; it may wait for an answer.
    pub finished: bool,
}

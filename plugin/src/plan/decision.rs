use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use serde::Serialize;

/// What happens to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Flashduty's value goes to ServiceNow.
    ToServicenow,
    /// ServiceNow's value goes to Flashduty.
    ToFlashduty,
    /// Both sides hold the same already.
    InStep,
    /// The other side is left as it is.
    Kept,
    /// Neither side changed it since they last agreed.
    Unmoved,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToServicenow => "to-servicenow",
            Self::ToFlashduty => "to-flashduty",
            Self::InStep => "in-step",
            Self::Kept => "kept",
            Self::Unmoved => "unmoved",
        }
    }
}

/// Why a field was or was not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// `title`, `description`, `severity`, `state`, `assignee`, or what the operator's own
    /// field is called.
    pub field: String,
    /// What happens.
    pub outcome: Outcome,
    /// What Flashduty holds, or will.
    pub flashduty: String,
    /// What ServiceNow holds, or will.
    pub servicenow: String,
    /// What the side that is written holds before; empty if that is unknown or none is.
    pub before: String,
    /// The rule that decided.
    pub why: String,
}

impl Decision {
    /// Of a field that Flashduty and ServiceNow show so, and what the side that is
    /// written to will show.
    pub(super) fn new(
        field: &str,
        outcome: Outcome,
        held: &[Option<String>; 2],
        to: Option<&String>,
        why: String,
    ) -> Self {
        let [flashduty, servicenow] = held.each_ref().map(Option::as_ref);
        let (flashduty, servicenow, before) = match outcome {
            Outcome::ToServicenow => (flashduty, to, servicenow),
            Outcome::ToFlashduty => (to, servicenow, flashduty),
            _ => (flashduty, servicenow, None),
        };
        let shown = |value: Option<&String>| quoted(value.map_or("unknown", String::as_str));
        let (flashduty, servicenow) = (shown(flashduty), shown(servicenow));
        let before = before.map(|value| quoted(value)).unwrap_or_default();
        Self {
            field: field.to_owned(),
            outcome,
            flashduty,
            servicenow,
            before,
            why,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            outcome,
            flashduty,
            servicenow,
            before,
            why,
        } = self;
        let (from, to, system) = match outcome {
            Outcome::ToServicenow => (flashduty, servicenow, "ServiceNow"),
            Outcome::ToFlashduty => (servicenow, flashduty, "Flashduty"),
            Outcome::InStep => return write!(f, "{field}: in step ({why})"),
            Outcome::Kept | Outcome::Unmoved => {
                let word = outcome.as_str();
                return write!(
                    f,
                    "{field}: {flashduty} in Flashduty, {servicenow} in ServiceNow; {word} ({why})"
                );
            }
        };
        // What the written side is not known to have held, the other shows.
        let from = if before.is_empty() { from } else { before };
        write!(f, "{field}: {from} -> {to} in {system} ({why})")
    }
}

/// A text as decisions show it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text::cut(&text.replace('\n', " "), 60))
}

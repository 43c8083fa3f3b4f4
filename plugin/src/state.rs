//! Progress in Flashduty against state in ServiceNow.
//!
//! The ServiceNow side is finer: Resolved, Closed and Canceled are all Closed
//! in Flashduty. Values of one class never overwrite each other, or the two
//! systems would turn Closed into Resolved and back for ever.

use serde::Deserialize;
use serde::Serialize;

/// Where an incident stands in Flashduty; ordered by how far along it is.
///
/// Snoozed is no progress value there but a deadline in the future; whoever
/// reads an incident works that out ([`crate::flashduty::Incident::progress`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Progress {
    /// Nobody has taken it.
    Triggered,
    /// Put off until a deadline.
    Snoozed,
    /// Somebody has acknowledged it.
    Processing,
    /// Over.
    Closed,
}

impl Progress {
    /// The word that people know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triggered => "Triggered",
            Self::Snoozed => "Snoozed",
            Self::Processing => "Processing",
            Self::Closed => "Closed",
        }
    }
}

/// Where an incident stands in ServiceNow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// 1
    New,
    /// 2
    InProgress,
    /// 3
    OnHold,
    /// 6
    Resolved,
    /// 7; final
    Closed,
    /// 8; final
    Canceled,
}

impl State {
    /// All of them, in the order of their values.
    pub const ALL: [Self; 6] = [
        Self::New,
        Self::InProgress,
        Self::OnHold,
        Self::Resolved,
        Self::Closed,
        Self::Canceled,
    ];

    /// The raw value that ServiceNow stores.
    pub fn value(self) -> &'static str {
        match self {
            Self::New => "1",
            Self::InProgress => "2",
            Self::OnHold => "3",
            Self::Resolved => "6",
            Self::Closed => "7",
            Self::Canceled => "8",
        }
    }

    /// The label in English.
    pub fn label(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::InProgress => "In Progress",
            Self::OnHold => "On Hold",
            Self::Resolved => "Resolved",
            Self::Closed => "Closed",
            Self::Canceled => "Canceled",
        }
    }

    /// Reads a raw value (`2`) or an English label (`In Progress`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|s| s.value() == text || s.label().eq_ignore_ascii_case(text))
    }

    /// What it is in Flashduty.
    pub fn progress(self) -> Progress {
        match self {
            Self::New => Progress::Triggered,
            Self::InProgress => Progress::Processing,
            Self::OnHold => Progress::Snoozed,
            Self::Resolved | Self::Closed | Self::Canceled => Progress::Closed,
        }
    }

    /// Whether no state can follow.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Closed | Self::Canceled)
    }

    /// What a progress becomes in a record that stands at `self`, or none if
    /// ServiceNow knows no way there.
    ///
    /// A resolved incident is reopened to In Progress, the only state that
    /// ServiceNow's own *Reopen* leads to. Closed becomes Resolved and never
    /// Closed: that is final, needs more rights, and ServiceNow does it by
    /// itself after some days.
    pub fn towards(self, progress: Progress) -> Option<Self> {
        if self.progress() == progress {
            return Some(self);
        }
        if self.is_final() {
            return None;
        }
        Some(match progress {
            Progress::Triggered if self == Self::Resolved => Self::InProgress,
            Progress::Triggered => Self::New,
            Progress::Processing => Self::InProgress,
            Progress::Snoozed => Self::OnHold,
            Progress::Closed => Self::Resolved,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_map_as_the_documented_table_says() {
        for (label, progress) in [
            ("New", Progress::Triggered),
            ("In Progress", Progress::Processing),
            ("On Hold", Progress::Snoozed),
            ("Resolved", Progress::Closed),
            ("Closed", Progress::Closed),
            ("Canceled", Progress::Closed),
        ] {
            assert_eq!(
                State::parse(label).map(State::progress),
                Some(progress),
                "{label}"
            );
        }
    }

    #[test]
    fn values_of_one_class_never_overwrite_each_other() {
        for state in State::ALL {
            assert_eq!(state.towards(state.progress()), Some(state));
        }
    }

    #[test]
    fn what_is_closed_or_canceled_goes_nowhere() {
        for state in [State::Closed, State::Canceled] {
            for progress in [Progress::Triggered, Progress::Processing, Progress::Snoozed] {
                assert_eq!(state.towards(progress), None);
            }
        }
    }

    #[test]
    fn a_resolved_incident_reopens_to_in_progress() {
        assert_eq!(
            State::Resolved.towards(Progress::Triggered),
            Some(State::InProgress)
        );
    }
}

//! Severity and status, and the progress of an incident.
//!
//! Three words that are easily confused: *severity* says how bad it is,
//! *status* follows the alerts and may be `Ok`, *progress* follows the people.

use serde::Deserialize;
use serde::Serialize;

/// How bad an incident or an alert is; ordered from mild to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// `Info`
    Info,
    /// `Warning`
    Warning,
    /// `Critical`
    Critical,
}

/// What the alerts say at present; ordered from recovered to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Status {
    /// Everything has recovered.
    Ok,
    /// `Info`
    Info,
    /// `Warning`
    Warning,
    /// `Critical`
    Critical,
}

/// How far the people have come with an incident.
///
/// Snoozed is not among them: a snoozed incident keeps its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Nobody has acknowledged it.
    Triggered,
    /// At least one person acknowledges it.
    Processing,
    /// Closed, by hand or by recovery.
    Closed,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "Info",
            Severity::Warning => "Warning",
            Severity::Critical => "Critical",
        }
    }

    /// Reads the word on the wire, which is capitalised.
    pub fn parse(word: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self.severity() {
            Some(severity) => severity.as_str(),
            None => "Ok",
        }
    }

    /// Reads the word on the wire, which is capitalised.
    pub fn parse(word: &str) -> Option<Status> {
        match word {
            "Ok" => Some(Status::Ok),
            _ => Severity::parse(word).map(Status::from),
        }
    }

    /// The severity of what has not recovered.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Status::Ok => None,
            Status::Info => Some(Severity::Info),
            Status::Warning => Some(Severity::Warning),
            Status::Critical => Some(Severity::Critical),
        }
    }
}

impl From<Severity> for Status {
    fn from(severity: Severity) -> Status {
        match severity {
            Severity::Info => Status::Info,
            Severity::Warning => Status::Warning,
            Severity::Critical => Status::Critical,
        }
    }
}

impl Progress {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Progress::Triggered => "Triggered",
            Progress::Processing => "Processing",
            Progress::Closed => "Closed",
        }
    }

    /// Reads the word on the wire, which is capitalised.
    pub fn parse(word: &str) -> Option<Progress> {
        [Progress::Triggered, Progress::Processing, Progress::Closed]
            .into_iter()
            .find(|it| it.as_str() == word)
    }
}

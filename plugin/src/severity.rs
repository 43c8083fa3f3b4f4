//! Severity in Flashduty against impact and urgency in ServiceNow.
//!
//! ServiceNow computes the priority from impact and urgency by rules that its
//! administrators edit, so it is never computed here. From ServiceNow, only a
//! change of the *urgency* moves the severity.

use serde::Deserialize;
use serde::Serialize;

/// How bad an incident is, in Flashduty's words; ordered by gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// The least.
    Info,
    /// In between.
    Warning,
    /// The most.
    Critical,
}

impl Severity {
    /// All of them, the gravest first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Warning, Self::Info];

    /// Reads Flashduty's value.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(text))
    }

    /// Flashduty's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::Warning => "Warning",
            Self::Info => "Info",
        }
    }
}

/// A step on ServiceNow's scale of impact or urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// `1 - High`.
    High,
    /// `2 - Medium`.
    Medium,
    /// `3 - Low`.
    Low,
}

impl Step {
    /// The raw value that ServiceNow stores.
    pub fn value(self) -> &'static str {
        match self {
            Self::High => "1",
            Self::Medium => "2",
            Self::Low => "3",
        }
    }

    /// Reads a raw value (`1`), a label with its number (`1 - High`), or a
    /// plain label (`High`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let first = text.split(' ').next().unwrap_or_default();
        let first = first.split('-').next().unwrap_or_default();
        match first {
            "1" => Some(Self::High),
            "2" => Some(Self::Medium),
            "3" => Some(Self::Low),
            _ if text.eq_ignore_ascii_case("high") => Some(Self::High),
            _ if text.eq_ignore_ascii_case("medium") => Some(Self::Medium),
            _ if text.eq_ignore_ascii_case("low") => Some(Self::Low),
            _ => None,
        }
    }
}

/// What one severity becomes in ServiceNow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Grade {
    /// How many are affected.
    pub impact: Step,
    /// How long it can wait.
    pub urgency: Step,
}

/// What each severity becomes in ServiceNow, and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SeverityMap {
    /// Default: high impact, high urgency.
    pub critical: Grade,
    /// Default: medium impact, medium urgency.
    pub warning: Grade,
    /// Default: low impact, low urgency.
    pub info: Grade,
}

impl Default for SeverityMap {
    fn default() -> Self {
        let both = |step| Grade {
            impact: step,
            urgency: step,
        };
        Self {
            critical: both(Step::High),
            warning: both(Step::Medium),
            info: both(Step::Low),
        }
    }
}

impl SeverityMap {
    /// What a severity becomes.
    pub fn grade(&self, severity: Severity) -> Grade {
        match severity {
            Severity::Critical => self.critical,
            Severity::Warning => self.warning,
            Severity::Info => self.info,
        }
    }

    /// What an urgency becomes: the gravest severity that has it, or none.
    pub fn severity(&self, urgency: Step) -> Option<Severity> {
        Severity::ALL
            .into_iter()
            .find(|s| self.grade(*s).urgency == urgency)
    }

    /// Two severities which an urgency could not tell apart.
    pub fn ambiguity(&self) -> Option<(Severity, Severity)> {
        let pairs = [
            (Severity::Critical, Severity::Warning),
            (Severity::Warning, Severity::Info),
            (Severity::Critical, Severity::Info),
        ];
        pairs
            .into_iter()
            .find(|(a, b)| self.grade(*a).urgency == self.grade(*b).urgency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_map_is_the_documented_table() {
        let map = SeverityMap::default();
        for (urgency, severity) in [
            ("Low", Severity::Info),
            ("Medium", Severity::Warning),
            ("High", Severity::Critical),
        ] {
            let step = Step::parse(urgency).unwrap();
            assert_eq!(map.severity(step), Some(severity));
            assert_eq!(map.grade(severity).urgency, step);
        }
    }

    #[test]
    fn raw_values_and_all_forms_of_label_are_understood_and_nothing_else() {
        for text in ["1", "1 - High", "High", " high "] {
            assert_eq!(Step::parse(text), Some(Step::High), "{text}");
        }
        for text in ["", "4", "11", "Hoch", "0 - Highest"] {
            assert_eq!(Step::parse(text), None, "{text}");
        }
    }
}

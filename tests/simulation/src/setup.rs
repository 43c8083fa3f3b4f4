//! How the plugin is configured in a world: in most as everywhere, in the others
//! with what only some operators use.

use crate::chance::Chance;
use crate::far_ends::FLASHDUTY_URL;
use crate::far_ends::SERVICENOW_URL;
use crate::far_ends::Side;
use crate::people::Habits;
use serde_json::Value;
use serde_json::json;
use simulators::flashduty::Incident;
use simulators::flashduty::PAYMENTS;
use simulators::flashduty::SEARCH;
use simulators::flashduty::Severity;
use simulators::servicenow::Record;

/// The integrations there can be. Most worlds have the first only.
const INTEGRATIONS: [&str; 2] = ["sim", "ops"];

/// Which records each of two takes, by category.
const CATEGORIES: [&str; 2] = ["software", "hardware"];

/// The label of all alerts.
pub(crate) const LABEL: (&str, &str) = ("service", "checkout");

/// The configuration of a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// `trigger = "manual"`, and a button instead of a rule for new records.
    pub manual: bool,
    /// Incidents that are merely for information stay in Flashduty.
    pub conditions: bool,
    /// `reopen = "new"`.
    pub replaces: bool,
    /// Two integrations share both systems.
    pub split: Option<Split>,
}

/// What tells which of two integrations an incident belongs to. Of records it is
/// always the category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Each has a channel.
    Channels,
    /// Both have the same channel; one takes what has the label of alerts.
    Labels,
}

impl Setup {
    /// What follows from a seed: six worlds of ten are as everywhere.
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, &[u64::from_be_bytes(*b"setup___")]);
        let kind = chance.below(25);
        if kind < 15 {
            return Self::default();
        }
        let mut too = |is_first: bool| chance.below(4) == 0 || is_first;
        Self {
            manual: too((15..17).contains(&kind)),
            conditions: too((17..19).contains(&kind)),
            replaces: too((19..21).contains(&kind)),
            split: match kind {
                21..23 => Some(Split::Channels),
                23.. => Some(Split::Labels),
                _ => None,
            },
        }
    }

    /// What is unlike most worlds, in words.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let names = [
            (self.manual, "trigger = manual"),
            (self.conditions, "conditions"),
            (self.replaces, "reopen = new"),
            (self.split == Some(Split::Channels), "a channel each"),
            (self.split == Some(Split::Labels), "a label for one of two"),
        ];
        names
            .into_iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| name)
    }

    /// The ids of the integrations.
    pub fn integrations(&self) -> &'static [&'static str] {
        match self.split {
            Some(_) => &INTEGRATIONS,
            None => &INTEGRATIONS[..1],
        }
    }

    /// What people do because of it.
    pub(crate) fn habits(&self) -> Habits {
        Habits {
            sends: self.manual,
            cancels: self.replaces,
            ..Habits::default()
        }
    }

    /// Which integration takes what is opened by a line.
    pub(crate) fn integration(&self, line: usize, born_in: Side, by_alert: bool) -> usize {
        match (self.split, born_in) {
            (None, _) => 0,
            (Some(Split::Labels), Side::Flashduty) => usize::from(!by_alert),
            (Some(_), _) => line % 2,
        }
    }

    /// In which channel an integration has its incidents.
    pub(crate) fn channel(&self, integration: usize) -> i64 {
        match (self.split, integration) {
            (Some(Split::Channels), 1) => SEARCH,
            _ => PAYMENTS,
        }
    }

    /// The category of an integration's records, if that matters.
    pub(crate) fn category(&self, integration: usize) -> Option<&'static str> {
        self.split
            .and_then(|_| CATEGORIES.get(integration).copied())
    }

    /// Whether an incident meets the condition, if there is one.
    pub(crate) fn wants(&self, incident: &Incident) -> bool {
        !self.conditions || incident.severity != Severity::Info
    }

    /// Whether the business rule of an integration tells of a record: of one with a
    /// correlation always.
    pub(crate) fn tells(&self, integration: usize, record: &Record, correlated: bool) -> bool {
        let category = self.category(integration);
        let is_its = category.is_none_or(|c| record.get("category").is_some_and(|held| held == c));
        correlated || !self.manual && is_its
    }

    /// The plugin's configuration.
    pub(crate) fn configuration(&self) -> String {
        let all = self.integrations().iter().enumerate();
        let all = all.map(|(number, id)| self.section(number, id));
        json!({ "integration": all.collect::<Vec<Value>>() }).to_string()
    }

    fn section(&self, number: usize, id: &str) -> Value {
        let mut section = json!({
            "id": id,
            "direction": "two-way",
            "snooze-minutes": 15,
            "flashduty": {
                "url": FLASHDUTY_URL,
                "credential": "flashduty",
                "channels": [self.channel(number)],
            },
            "servicenow": { "url": SERVICENOW_URL, "credential": "servicenow" },
        });
        let mut conditions = Vec::new();
        if self.conditions {
            let vals = ["Critical", "Warning"];
            conditions.push(json!({ "key": "severity", "oper": "IN", "vals": vals }));
        }
        if self.split == Some(Split::Labels) {
            let oper = ["IN", "NOTIN"][number % 2];
            let key = format!("labels.{}", LABEL.0);
            conditions.push(json!({ "key": key, "oper": oper, "vals": [LABEL.1] }));
        }
        if !conditions.is_empty() {
            section["conditions"] = json!([conditions]);
        }
        if self.manual {
            section["trigger"] = json!("manual");
            section["reconcile"] = json!({ "new-records": "none" });
        } else if let Some(category) = self.category(number) {
            let records = format!("category={category}");
            section["reconcile"] = json!({ "new-records": records });
        }
        if self.replaces {
            section["closing"] = json!({ "reopen": "new" });
        }
        section
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_worlds_of_ten_are_as_everywhere_and_each_other_kind_is_there() {
        let setups: Vec<Setup> = (0..1000).map(Setup::of).collect();
        let share = |is: fn(&Setup) -> bool| setups.iter().filter(|setup| is(setup)).count();
        let usual = share(|setup| *setup == Setup::default());
        assert!((550..650).contains(&usual), "{usual}");
        for kind in [
            share(|setup| setup.manual),
            share(|setup| setup.conditions),
            share(|setup| setup.replaces),
            share(|setup| setup.split == Some(Split::Channels)),
            share(|setup| setup.split == Some(Split::Labels)),
        ] {
            assert!(kind > 50, "{kind}");
        }
    }
}

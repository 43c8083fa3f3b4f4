use super::short_hash;
use crate::date;
use crate::json;
use crate::json::Object;
use crate::json::list;
use crate::severity::Severity;
use crate::state::Progress;
use crate::text;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// The id of an incident: 24 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentId(String);

impl IncidentId {
    /// Takes 24 hexadecimal digits, in lower case from here on.
    pub fn parse(text: &str) -> Option<Self> {
        let ok = text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit());
        ok.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<IncidentId> for String {
    fn from(id: IncidentId) -> Self {
        id.0
    }
}

impl TryFrom<String> for IncidentId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| {
            let found = text::cut(&text, 40);
            format!("expected an incident id of 24 hexadecimal digits, found \"{found}\"")
        })
    }
}

/// A member of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The member's id.
    pub person_id: i64,
    /// The name shown to others.
    #[serde(default)]
    pub person_name: String,
    /// E-mail address; empty where it does not come along.
    #[serde(default)]
    pub email: String,
}

/// An incident, as webhooks and the Open API show it: a bag of values, of which
/// only the id is insisted on, since both may grow.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Names the incident.
    pub incident_id: IncidentId,
    values: Value,
}

impl TryFrom<Value> for Incident {
    type Error = String;

    fn try_from(values: Value) -> Result<Self, String> {
        let id = &values["incident_id"];
        let incident_id = id.as_str().and_then(IncidentId::parse).ok_or_else(|| {
            let found = match id {
                Value::Null => "none".into(),
                other => text::cut(&json::text(other), 40),
            };
            format!("expected \"incident_id\", 24 hexadecimal digits, found {found}")
        })?;
        Ok(Self {
            incident_id,
            values,
        })
    }
}

impl From<Incident> for Value {
    fn from(incident: Incident) -> Self {
        incident.values
    }
}

impl Incident {
    /// The incident as it was when it was created with these values.
    pub(crate) fn as_created(&self, given: Object) -> Self {
        let mut incident = self.clone();
        if let Value::Object(values) = &mut incident.values {
            for (name, value) in given {
                json::set(values, &name, value);
            }
            json::set(values, "progress", "Triggered");
            json::set(values, "snoozed_before", 0);
        }
        incident
    }

    /// Names a state of the incident, as far as lists show it; a later one is
    /// greater.
    pub(crate) fn version(&self) -> String {
        let responders = list(&self.values["responders"]).iter();
        let responders = responders.map(|r| {
            let what = [r["person_id"].clone(), r["acknowledged_at"].clone()];
            Value::from(Vec::from(what))
        });
        let mut state: Vec<Value> = responders.collect();
        state.extend(STATE.iter().map(|name| self.values[*name].clone()));
        let hash = short_hash(json::text(&state.into()).as_bytes());
        format!("{:010} {hash}", self.number("updated_at"))
    }

    /// A text; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.values[name].as_str().unwrap_or_default()
    }

    /// A number: a time in Unix seconds, or an id; 0 if there is none.
    pub fn number(&self, name: &str) -> i64 {
        self.values[name].as_i64().unwrap_or_default()
    }

    /// Whether alerts made it, and nobody created it by hand or through the API.
    pub fn is_of_alerts(&self) -> bool {
        let has_creator = self.number("creator_id") != 0 || !self.values["creator"].is_null();
        !has_creator && self.number("alert_cnt") > 0
    }

    /// A label of the first alert; none if a person created the incident.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.values["labels"][name].as_str()
    }

    /// A custom field as text: options separated by commas, `true` or `false`.
    /// Empty if it is not set; none if it is not known which fields are.
    pub fn custom_field(&self, name: &str) -> Option<String> {
        let fields = self.values.get("fields")?;
        Some(match &fields[name] {
            Value::Array(options) => {
                let options: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
                text::joined(&options, ",")
            }
            value => plain(value).unwrap_or_default(),
        })
    }

    /// Who is on it.
    pub fn responders(&self) -> impl Iterator<Item = Person> {
        let responders = list(&self.values["responders"]);
        responders.iter().filter_map(|r| json::from_value(r).ok())
    }

    /// E-mail address of who is on it: of those, the first who acknowledged.
    pub fn assignee(&self) -> Option<&str> {
        let who = self.on_it()?;
        who["email"].as_str().filter(|email| !email.is_empty())
    }

    /// The ids of those on it of whom nothing else comes along: the Open API tells no
    /// more.
    pub(crate) fn unknown_people(&self) -> Vec<i64> {
        let mut unknown = Vec::new();
        for responder in list(&self.values["responders"]) {
            if responder["email"].as_str().is_none_or(str::is_empty) {
                unknown.extend(responder["person_id"].as_i64());
            }
        }
        unknown
    }

    /// Takes over who somebody is.
    pub(crate) fn know(&mut self, person: &Person) {
        let responders = self.values["responders"].as_array_mut();
        for responder in responders.into_iter().flatten() {
            if responder["person_id"] == person.person_id {
                responder["person_name"] = person.person_name.as_str().into();
                responder["email"] = person.email.as_str().into();
            }
        }
    }

    /// Whether only its trace is left, as of one that was removed by a merge.
    pub(crate) fn is_deleted(&self) -> bool {
        self.number("deleted_at") > 0
    }

    fn on_it(&self) -> Option<&Value> {
        let responders = list(&self.values["responders"]);
        let since = |r: &&Value| r["acknowledged_at"].as_i64().unwrap_or_default();
        let acknowledged = responders.iter().filter(|r| since(r) > 0);
        acknowledged.min_by_key(since).or(responders.first())
    }

    /// A value by the name that templates know it by.
    pub fn value(&self, name: &str) -> Option<String> {
        let place = name.split_once('.');
        Some(match (place, name) {
            (Some(("labels", label)), _) => self.label(label)?.into(),
            (Some(("fields", field)), _) => self.custom_field(field)?,
            (_, "labels") => self.all_labels(),
            (_, "handling") => self.handling(),
            (_, "assignee") => self.assignee()?.into(),
            (_, "responders") => {
                let names: Vec<String> = self.responders().map(|r| r.person_name).collect();
                text::joined(&names, ", ")
            }
            (_, "id") => self.incident_id.to_string(),
            (_, "url") => self.text("detail_url").into(),
            (_, "channel") => self.text("channel_name").into(),
            (_, "severity" | "status") => self.text(&format!("incident_{name}")).into(),
            (_, name) if TIMES.contains(&name) => match self.number(name) {
                0 => String::new(),
                seconds => date::stamp(seconds.saturating_mul(1000)),
            },
            (_, name) => plain(&self.values[name])?,
        })
    }

    /// Whether [`value`](Self::value) knows a name, whatever an incident holds.
    pub fn has_value(name: &str) -> bool {
        match name.split_once('.') {
            Some(("labels" | "fields", name)) => !name.is_empty(),
            _ => VALUES.contains(&name) || TIMES.contains(&name),
        }
    }

    /// What people did about it, and its cause.
    pub fn handling(&self) -> String {
        let resolution = text::normal(self.text("resolution"));
        match text::normal(self.text("root_cause")).as_str() {
            "" => resolution,
            cause => format!("{resolution}\n\nRoot cause: {cause}").trim().into(),
        }
    }

    fn all_labels(&self) -> String {
        let labels = self.values["labels"].as_object();
        let lines = labels.into_iter().flatten();
        let lines: Vec<String> = lines
            .filter_map(|(name, value)| Some(format!("{name}: {}", plain(value)?)))
            .collect();
        text::joined(&lines, "\n")
    }

    /// How grave it is, if it says so in a word that is known.
    pub fn severity(&self) -> Option<Severity> {
        Severity::parse(self.text("incident_severity"))
    }

    /// Where it stands at `now_ms`: snoozed if the deadline lies ahead,
    /// whatever event announced the incident.
    pub fn progress(&self, now_ms: u64) -> Option<Progress> {
        match self.text("progress") {
            "Closed" => Some(Progress::Closed),
            _ if self.snoozed_until_ms() > now_ms => Some(Progress::Snoozed),
            "Triggered" => Some(Progress::Triggered),
            "Processing" => Some(Progress::Processing),
            _ => None,
        }
    }

    /// Until when it is snoozed, in Unix milliseconds; 0 if it is not.
    pub fn snoozed_until_ms(&self) -> u64 {
        u64::try_from(self.number("snoozed_before"))
            .unwrap_or(0)
            .saturating_mul(1000)
    }
}

/// What may change within a second, which is as fine as `updated_at` is.
const STATE: [&str; 9] = [
    "title",
    "description",
    "incident_severity",
    "progress",
    "snoozed_before",
    "impact",
    "root_cause",
    "resolution",
    "fields",
];

/// What templates can name, beside [`TIMES`], `labels.…` and `fields.…`.
const VALUES: [&str; 18] = [
    "title",
    "description",
    "severity",
    "status",
    "progress",
    "impact",
    "root_cause",
    "resolution",
    "handling",
    "id",
    "num",
    "url",
    "channel",
    "channel_id",
    "dedup_key",
    "labels",
    "assignee",
    "responders",
];

/// Moments that templates can name.
const TIMES: [&str; 6] = [
    "created_at",
    "updated_at",
    "start_time",
    "end_time",
    "ack_time",
    "close_time",
];

/// Whether a [`version`](Incident::version) is of a second that is over by Flashduty's
/// clock, in Unix milliseconds. What else happens within it shows in no version.
pub(crate) fn is_settled(version: &str, clock_ms: u64) -> bool {
    let second = format!("{:010}", clock_ms / 1000);
    version.get(..second.len()) < Some(&second)
}

/// A scalar as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(json::text(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(progress: &str, snoozed_before: i64) -> Incident {
        Incident::try_from(serde_json::json!({
            "incident_id": "6A1d2f45c0ffee0123456789",
            "progress": progress,
            "snoozed_before": snoozed_before,
            "title": null,
            "something_new": {"a": 1},
        }))
        .unwrap()
    }

    #[test]
    fn snoozed_is_a_deadline_that_lies_ahead() {
        let at = |p, s| incident(p, s).progress(1_000_000);
        assert_eq!(at("Processing", 1001), Some(Progress::Snoozed));
        assert_eq!(at("Processing", 1000), Some(Progress::Processing));
        assert_eq!(at("Triggered", 0), Some(Progress::Triggered));
        assert_eq!(at("Closed", 1001), Some(Progress::Closed));
        assert_eq!(at("Later", 0), None);
    }

    #[test]
    fn values_have_the_names_that_templates_use() {
        let incident: Incident = Incident::try_from(serde_json::json!({
            "incident_id": "6a1d2f45c0ffee0123456789",
            "incident_severity": "Critical",
            "start_time": 1_780_300_801,
            "close_time": 0,
            "labels": { "service": "checkout", "host": "a1" },
            "fields": { "env": "prod", "areas": ["a", "b"], "public": true, "note": null },
            "responders": [
                { "person_id": 1, "person_name": "Ana", "email": "ana@example.com" },
                { "person_id": 2, "person_name": "Bo", "email": "bo@example.com", "acknowledged_at": 5 },
            ],
            "resolution": "restarted",
            "root_cause": "a leak",
        }))
        .unwrap();
        for (name, value) in [
            ("severity", "Critical"),
            ("start_time", "2026-06-01 08:00:01"),
            ("close_time", ""),
            ("labels.service", "checkout"),
            ("labels", "host: a1\nservice: checkout"),
            ("fields.env", "prod"),
            ("fields.areas", "a,b"),
            ("fields.public", "true"),
            ("fields.note", ""),
            ("responders", "Ana, Bo"),
            ("assignee", "bo@example.com"),
            ("handling", "restarted\n\nRoot cause: a leak"),
        ] {
            assert!(Incident::has_value(name), "{name}");
            assert_eq!(incident.value(name).as_deref(), Some(value), "{name}");
        }
        assert!(!Incident::has_value("labels."));
        assert!(!Incident::has_value("titel"));
    }

    #[test]
    fn ids_are_24_hexadecimal_digits_in_lower_case() {
        assert_eq!(
            incident("", 0).incident_id.as_str(),
            "6a1d2f45c0ffee0123456789"
        );
        for id in [
            "",
            "6a1d2f45c0ffee012345678",
            "../../../../../../../etc",
            "６a1d2f45c0ffee0123456789",
        ] {
            assert_eq!(IncidentId::parse(id), None, "{id}");
        }
    }
}

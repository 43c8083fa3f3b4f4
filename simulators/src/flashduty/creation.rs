//! The beginning of an incident.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::action::Assignment;
use super::envelope::ApiError;
use super::incident::Incident;
use super::params::check_length;
use super::severity::Severity;
use super::timeline::Actor;
use super::timeline::EventType;

const TITLE_LIMIT: usize = 512;
const DESCRIPTION_LIMIT: usize = 1024;

/// An incident that a person creates by hand. It has no labels: those come
/// from alerts only.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NewIncident {
    /// 1 to 512 characters.
    pub title: String,
    /// How bad it is.
    pub incident_severity: Severity,
    /// At most 1024 characters.
    #[serde(default)]
    pub description: String,
    /// 0 = outside every channel.
    #[serde(default)]
    pub channel_id: i64,
    /// Without it, the escalation rule of the channel applies.
    pub assigned_to: Option<Assignment>,
    /// Custom fields by name, over the default values.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
}

impl NewIncident {
    /// An incident with nothing but what it must have.
    pub fn new(title: &str, incident_severity: Severity, channel_id: i64) -> NewIncident {
        NewIncident {
            title: title.to_owned(),
            incident_severity,
            description: String::new(),
            channel_id,
            assigned_to: None,
            fields: BTreeMap::new(),
        }
    }
}

impl Flashduty {
    /// A person creates an incident by hand; returns its id.
    ///
    /// # Errors
    ///
    /// As the Open API: unknown person or channel, a limit that is not kept.
    pub fn create(
        &mut self,
        person_id: i64,
        new: NewIncident,
        now_ms: u64,
    ) -> Result<String, ApiError> {
        self.advance(now_ms);
        self.account.member(person_id)?;
        check_length("title", new.title.trim(), 1..=TITLE_LIMIT)?;
        check_length("description", &new.description, 0..=DESCRIPTION_LIMIT)?;
        if new.channel_id != 0 {
            self.account.channel(new.channel_id)?;
        }
        for (name, value) in &new.fields {
            self.account.check_field(name, Some(value))?;
        }
        if let Some(assignment) = &new.assigned_to {
            self.assignees(new.channel_id, assignment)?;
        }
        let incident_id = self.ids.object(now_ms);
        let mut incident = Incident::new(
            incident_id.clone(),
            new.channel_id,
            new.title,
            new.incident_severity,
            now_ms,
        );
        incident.description = new.description;
        incident.creator = Some(person_id);
        incident.fields = self.account.default_fields();
        incident.fields.extend(new.fields);
        let actor = Actor::Member(person_id);
        self.begin(incident, actor, now_ms)?;
        match &new.assigned_to {
            Some(assignment) => self.assign(actor, &incident_id, assignment, now_ms)?,
            None => self.escalate(&incident_id, now_ms)?,
        }
        Ok(incident_id)
    }

    /// Puts an incident into the world: nobody is called yet, so `i_new` comes
    /// with empty `responders`.
    pub(super) fn begin(
        &mut self,
        incident: Incident,
        actor: Actor,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let incident_id = incident.incident_id.clone();
        let detail = json!({ "severity": incident.severity, "title": incident.title });
        self.incidents.insert(incident_id.clone(), incident);
        self.next_deadline.take();
        self.tell(&incident_id, actor, EventType::New, detail, now_ms)
    }
}

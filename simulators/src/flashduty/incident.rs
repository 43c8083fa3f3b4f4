//! An incident, and the object that the Open API shows of it.
//!
//! All times are Unix seconds, 0 when there is none.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::account::ACCOUNT;
use super::action::Notify;
use super::channel::Channel;
use super::envelope::ApiError;
use super::severity::Progress;
use super::severity::Severity;
use super::severity::Status;
use super::timeline::Entry;

/// A person who is assigned to an incident, or has acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    /// A member.
    pub person_id: i64,
    /// 0 if the person acknowledged without being assigned.
    pub assigned_at: u64,
    /// 0 if not acknowledged.
    pub acknowledged_at: u64,
}

/// To whom an incident was given last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Opaque.
    pub id: String,
    /// The persons named, before the rule's are added.
    pub person_ids: Vec<i64>,
    /// `assign`, `reassign`, `escalate` or `reopen`.
    pub kind: String,
    /// 24 hex digits; all zero without a rule.
    pub escalate_rule_id: String,
    /// Empty without a rule.
    pub escalate_rule_name: String,
    /// Level within the rule, from 0.
    pub layer_idx: u64,
    /// When.
    pub assigned_at: u64,
    /// How people were to be told, if it was said.
    pub notify: Option<Notify>,
}

/// An incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// 24 hex digits.
    pub incident_id: String,
    /// The last six digits of the id in upper case; not unique.
    pub num: String,
    /// 0 outside every channel.
    pub channel_id: i64,
    /// One line.
    pub title: String,
    /// Plain, Markdown or HTML.
    pub description: String,
    /// What it does to users.
    pub impact: String,
    /// Why it happened.
    pub root_cause: String,
    /// What ended it.
    pub resolution: String,
    /// The highest of the alerts, unless changed by hand.
    pub severity: Severity,
    /// Follows the alerts.
    pub status: Status,
    /// Follows the people.
    pub progress: Progress,
    /// Creation, in milliseconds.
    pub created_ms: u64,
    /// Last change.
    pub updated_at: u64,
    /// When the trouble began.
    pub start_time: u64,
    /// Last alert event.
    pub last_time: u64,
    /// Recovery of all alerts.
    pub end_time: u64,
    /// First acknowledgement that still counts.
    pub ack_time: u64,
    /// When progress became Closed.
    pub close_time: u64,
    /// End of the snooze. Stays, in the past, when the time has run out.
    pub snoozed_before: u64,
    /// Whether the end of a snooze is still to come.
    pub snooze_running: bool,
    /// Of the first alert; never changed by hand.
    pub labels: BTreeMap<String, String>,
    /// Custom fields by name.
    pub fields: BTreeMap<String, Value>,
    /// Who created it by hand.
    pub creator: Option<i64>,
    /// Who closed it by hand.
    pub closer: Option<i64>,
    /// In the order in which they came.
    pub responders: Vec<Responder>,
    /// To whom it was given last.
    pub assigned: Option<Assigned>,
    /// Ids of its alerts, oldest first.
    pub alerts: Vec<String>,
    /// Key of the first alert.
    pub dedup_key: String,
    /// What puts further alerts into it, beside their keys.
    pub group_key: Option<String>,
    /// Whether alerts with other keys stay out.
    pub merge_disabled: bool,
    /// What people have changed and alerts leave alone from then on.
    pub manual_overrides: BTreeSet<&'static str>,
    /// Oldest first.
    pub timeline: Vec<Entry>,
}

impl Incident {
    /// A new incident with nothing but its beginning.
    pub(super) fn new(
        incident_id: String,
        channel_id: i64,
        title: String,
        severity: Severity,
        now_ms: u64,
    ) -> Incident {
        let now = now_ms / 1000;
        let num = incident_id
            .get(incident_id.len().saturating_sub(6)..)
            .unwrap_or_default()
            .to_uppercase();
        Incident {
            incident_id,
            num,
            channel_id,
            title,
            description: String::new(),
            impact: String::new(),
            root_cause: String::new(),
            resolution: String::new(),
            severity,
            status: severity.into(),
            progress: Progress::Triggered,
            created_ms: now_ms,
            updated_at: now,
            start_time: now,
            last_time: 0,
            end_time: 0,
            ack_time: 0,
            close_time: 0,
            snoozed_before: 0,
            snooze_running: false,
            labels: BTreeMap::new(),
            fields: BTreeMap::new(),
            creator: None,
            closer: None,
            responders: Vec::new(),
            assigned: None,
            alerts: Vec::new(),
            dedup_key: String::new(),
            group_key: None,
            merge_disabled: false,
            manual_overrides: BTreeSet::new(),
            timeline: Vec::new(),
        }
    }

    /// Whether somebody acknowledges it at present.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.responders
            .iter()
            .any(|responder| responder.acknowledged_at > 0)
    }

    pub(super) fn is_open(&self) -> bool {
        self.progress != Progress::Closed
    }

    pub(super) fn end_snooze(&mut self) {
        self.snoozed_before = 0;
        self.snooze_running = false;
    }

    pub(super) fn withdraw_all_acknowledgements(&mut self) {
        for responder in &mut self.responders {
            responder.acknowledged_at = 0;
        }
        self.ack_time = 0;
    }

    pub(super) fn assigned_json(&self) -> Value {
        match &self.assigned {
            None => json!({}),
            Some(assigned) => {
                let mut object = json!({
                    "id": assigned.id,
                    "person_ids": assigned.person_ids,
                    "type": assigned.kind,
                    "escalate_rule_id": assigned.escalate_rule_id,
                    "escalate_rule_name": assigned.escalate_rule_name,
                    "layer_idx": assigned.layer_idx,
                    "assigned_at": assigned.assigned_at,
                });
                if let Some(notify) = &assigned.notify {
                    object["notify"] = json!(notify);
                }
                object
            }
        }
    }

    /// The short form inside of alerts and of timeline entries.
    pub(super) fn to_short(&self) -> Value {
        json!({
            "incident_id": self.incident_id,
            "title": self.title,
            "progress": self.progress.as_str(),
        })
    }
}

impl Flashduty {
    /// Looks an incident up by id.
    pub(super) fn find(&self, incident_id: &str) -> Result<&Incident, ApiError> {
        self.incidents
            .get(incident_id)
            .ok_or_else(|| ApiError::not_found("incident", incident_id))
    }

    /// Begins a change: keeps the version before it for lists that lag, and
    /// stamps `updated_at`.
    pub(super) fn change(
        &mut self,
        incident_id: &str,
        now_ms: u64,
    ) -> Result<&mut Incident, ApiError> {
        let incident = self
            .incidents
            .get_mut(incident_id)
            .ok_or_else(|| ApiError::not_found("incident", incident_id))?;
        self.lag.remember(incident, now_ms);
        self.next_deadline.take();
        incident.updated_at = now_ms / 1000;
        Ok(incident)
    }

    pub(super) fn detail_url(&self, incident_id: &str) -> String {
        format!("{}/incident/detail/{incident_id}", self.options.base_url)
    }

    /// How many of its alerts have neither recovered nor been closed.
    pub(super) fn active_alerts(&self, incident: &Incident) -> usize {
        incident
            .alerts
            .iter()
            .filter_map(|id| self.alerts.get(id))
            .filter(|alert| alert.is_active())
            .count()
    }

    /// What the Open API and the webhooks show alike.
    pub(super) fn incident_core(&self, incident: &Incident) -> Value {
        let channel = self.account.channels.get(&incident.channel_id);
        json!({
            "account_id": ACCOUNT,
            "account_name": self.options.account_name,
            "incident_id": incident.incident_id,
            "num": incident.num,
            "title": incident.title,
            "description": incident.description,
            "impact": incident.impact,
            "root_cause": incident.root_cause,
            "resolution": incident.resolution,
            "incident_severity": incident.severity.as_str(),
            "incident_status": incident.status.as_str(),
            "progress": incident.progress.as_str(),
            "created_at": incident.created_ms / 1000,
            "updated_at": incident.updated_at,
            "start_time": incident.start_time,
            "last_time": incident.last_time,
            "end_time": incident.end_time,
            "ack_time": incident.ack_time,
            "close_time": incident.close_time,
            "snoozed_before": incident.snoozed_before,
            "fields": incident.fields,
            "alert_cnt": incident.alerts.len(),
            "channel_id": incident.channel_id,
            "channel_name": channel.map_or("", |channel| channel.name.as_str()),
            "detail_url": self.detail_url(&incident.incident_id),
            "group_method": channel.map_or("n", Channel::group_method),
            "creator_id": incident.creator.unwrap_or(0),
            "dedup_key": incident.dedup_key,
            "equals_md5": "",
        })
    }

    /// The incident as `/incident/info` and the lists show it.
    pub(super) fn incident_info(&self, incident: &Incident) -> Value {
        let mut integration_ids: Vec<i64> = Vec::new();
        let mut event_count = 0;
        for alert in incident.alerts.iter().filter_map(|id| self.alerts.get(id)) {
            event_count += alert.events.len();
            if !integration_ids.contains(&alert.integration_id) {
                integration_ids.push(alert.integration_id);
            }
        }
        let types: &[&str] = match integration_ids.len() {
            0 => &[],
            _ => &["alert.standard"],
        };
        let responders: Vec<Value> = incident
            .responders
            .iter()
            .map(|responder| {
                json!({
                    "person_id": responder.person_id,
                    "assigned_at": responder.assigned_at,
                    "acknowledged_at": responder.acknowledged_at,
                })
            })
            .collect();
        let in_channel = self.account.channels.contains_key(&incident.channel_id);
        let more = json!({
            "account_locale": "en-US",
            "account_time_zone": "Etc/UTC",
            "channel_status": if in_channel { "enabled" } else { "" },
            "integration_id": integration_ids.first().copied().unwrap_or(0),
            "integration_ids": integration_ids,
            "integration_type": types.first().copied().unwrap_or_default(),
            "integration_types": types,
            "closer_id": incident.closer.unwrap_or(0),
            "owner_id": 0,
            "ai_summary": "",
            "frequency": "rare",
            "ever_muted": false,
            "labels": incident.labels,
            "assigned_to": incident.assigned_json(),
            "active_alert_cnt": self.active_alerts(incident),
            "alert_event_cnt": event_count,
            "responders": responders,
            "silence_url": "",
            "post_mortem_id": "",
            "images": null,
            "manual_overrides": incident.manual_overrides,
        });
        let mut object = self.incident_core(incident);
        if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
            object.extend(more);
        }
        self.add_creator_and_closer(&mut object, incident);
        object
    }

    /// Both are there only if a person did it.
    pub(super) fn add_creator_and_closer(&self, object: &mut Value, incident: &Incident) {
        for (name, person_id) in [("creator", incident.creator), ("closer", incident.closer)] {
            if let Some(person) = person_id.and_then(|id| self.account.person(id)) {
                object[name] = person;
            }
        }
    }
}

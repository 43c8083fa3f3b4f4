//! Alerts, and the incidents that follow them.
//!
//! Events with the same key belong to one alert as long as its incident is
//! open. The incident follows its alerts: its status is that of the worst that
//! has not recovered, its severity the highest that there ever was, and when
//! all have recovered it closes if its channel says so.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::account::ACCOUNT;
use super::alert_push::AlertEvent;
use super::envelope::ApiError;
use super::incident::Incident;
use super::severity::Progress;
use super::severity::Severity;
use super::severity::Status;
use super::timeline::Actor;
use super::timeline::EventType;

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// 24 hex digits.
    pub alert_id: String,
    /// Of the channel's alert integration.
    pub integration_id: i64,
    /// A channel.
    pub channel_id: i64,
    /// Where it belongs.
    pub incident_id: String,
    /// Unique among the alerts that are open in the integration.
    pub key: String,
    /// Of the last event.
    pub title: String,
    /// Of the last event.
    pub description: String,
    /// The highest of its events.
    pub severity: Severity,
    /// Of the last event.
    pub status: Status,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds.
    pub updated_at: u64,
    /// Unix seconds.
    pub last_time: u64,
    /// Unix seconds of recovery; 0 = not yet.
    pub end_time: u64,
    /// Closed together with its incident, whatever its status.
    pub closed: bool,
    /// Of the first event.
    pub labels: BTreeMap<String, String>,
    /// Time in Unix seconds and status of each event.
    pub events: Vec<(u64, Status)>,
}

impl Alert {
    /// Neither recovered nor closed by hand.
    pub(super) fn is_active(&self) -> bool {
        self.status != Status::Ok && !self.closed
    }

    /// The short form inside of a custom action's incident.
    pub(super) fn to_brief(&self) -> Value {
        json!({
            "alert_id": self.alert_id,
            "data_source_id": self.integration_id,
            "title": self.title,
            "description": self.description,
            "alert_key": self.key,
            "alert_severity": self.severity.as_str(),
            "alert_status": self.status.as_str(),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "start_time": self.created_at,
            "last_time": self.last_time,
            "end_time": self.end_time,
            "labels": self.labels,
        })
    }
}

impl Flashduty {
    /// Opens an alert, in a new incident or in one that groups with it.
    pub(super) fn open_alert(
        &mut self,
        channel_id: i64,
        index: (i64, String),
        event: AlertEvent,
        severity: Severity,
        now_ms: u64,
    ) -> Result<String, ApiError> {
        let now = now_ms / 1000;
        let channel = self.account.channel(channel_id)?;
        let group_key = group_key(&channel.group_by, &event.labels);
        let joined = group_key.as_ref().and_then(|group| {
            self.incidents
                .values()
                .find(|it| {
                    it.is_open()
                        && !it.merge_disabled
                        && it.channel_id == channel_id
                        && it.group_key.as_ref() == Some(group)
                })
                .map(|it| it.incident_id.clone())
        });
        let opens = joined.is_none();
        let incident_id = joined.unwrap_or_else(|| self.ids.object(now_ms));
        let alert_id = self.ids.object(now_ms);
        let alert = Alert {
            alert_id: alert_id.clone(),
            integration_id: index.0,
            channel_id,
            incident_id: incident_id.clone(),
            key: index.1.clone(),
            title: event.title,
            description: event.description,
            severity,
            status: event.status,
            created_at: now,
            updated_at: now,
            last_time: now,
            end_time: 0,
            closed: false,
            labels: event.labels,
            events: vec![(now, event.status)],
        };
        if opens {
            let mut incident = Incident::new(
                incident_id.clone(),
                channel_id,
                alert.title.clone(),
                severity,
                now_ms,
            );
            incident.description.clone_from(&alert.description);
            incident.labels.clone_from(&alert.labels);
            incident.dedup_key.clone_from(&alert.key);
            incident.group_key = group_key;
            incident.last_time = now;
            incident.fields = self.account.default_fields();
            incident.alerts.push(alert_id.clone());
            self.open_alerts.insert(index, alert_id.clone());
            self.alerts.insert(alert_id, alert);
            self.begin(incident, Actor::System, now_ms)?;
            self.escalate(&incident_id, now_ms)?;
        } else {
            self.open_alerts.insert(index, alert_id.clone());
            self.alerts.insert(alert_id.clone(), alert);
            let incident = self.change(&incident_id, now_ms)?;
            incident.last_time = now;
            incident.alerts.push(alert_id);
            self.follow_alerts(&incident_id, now_ms)?;
        }
        Ok(incident_id)
    }

    /// Takes a further event into an alert that is open.
    pub(super) fn update_alert(
        &mut self,
        alert_id: &str,
        event: AlertEvent,
        now_ms: u64,
    ) -> Result<String, ApiError> {
        let now = now_ms / 1000;
        let alert = self
            .alerts
            .get_mut(alert_id)
            .ok_or_else(|| ApiError::not_found("alert", alert_id))?;
        alert.status = event.status;
        alert.updated_at = now;
        alert.last_time = now;
        alert.events.push((now, event.status));
        match event.status.severity() {
            Some(severity) => {
                alert.severity = alert.severity.max(severity);
                alert.end_time = 0;
                alert.title = event.title;
                alert.description = event.description;
            }
            None => alert.end_time = now,
        }
        let incident_id = alert.incident_id.clone();
        let (title, description) = (alert.title.clone(), alert.description.clone());
        let incident = self.change(&incident_id, now_ms)?;
        incident.last_time = now;
        // The first alert lends the incident its words, until people change them.
        if incident.alerts.first().map(String::as_str) == Some(alert_id) {
            if !incident.manual_overrides.contains("title") {
                incident.title = title;
            }
            if !incident.manual_overrides.contains("description") {
                incident.description = description;
            }
        }
        self.follow_alerts(&incident_id, now_ms)?;
        Ok(incident_id)
    }

    /// Takes status and severity over from the alerts, and closes the incident
    /// if all have recovered.
    pub(super) fn follow_alerts(&mut self, incident_id: &str, now_ms: u64) -> Result<(), ApiError> {
        let incident = self.find(incident_id)?;
        let alerts = || {
            incident
                .alerts
                .iter()
                .filter_map(|id| self.alerts.get(id))
                .filter(|alert| !alert.closed)
        };
        let Some(status) = alerts().map(|alert| alert.status).max() else {
            return Ok(());
        };
        let highest = alerts().map(|alert| alert.severity).max();
        let raised = highest
            .filter(|severity| *severity > incident.severity)
            .filter(|_| !incident.manual_overrides.contains("incident_severity"));
        let closes = status == Status::Ok
            && incident.is_open()
            && self
                .account
                .channels
                .get(&incident.channel_id)
                .is_some_and(|channel| channel.close_with_alerts);
        let announce_severity = self.options.announce_severity_from_alerts;
        let incident = self.change(incident_id, now_ms)?;
        incident.status = status;
        incident.end_time = if status == Status::Ok {
            now_ms / 1000
        } else {
            0
        };
        if let Some(severity) = raised {
            let detail = json!({ "from": incident.severity, "to": severity });
            incident.severity = severity;
            if announce_severity {
                let kind = EventType::ResetSeverity;
                self.tell(incident_id, Actor::System, kind, detail, now_ms)?;
            }
        }
        if closes {
            self.close(Actor::System, incident_id, "event", now_ms)?;
        }
        Ok(())
    }

    /// Closes what belongs to an incident: the next event with the same key
    /// opens a new alert and a new incident.
    pub(super) fn close_alerts(&mut self, incident_id: &str, now_ms: u64) {
        let Some(incident) = self.incidents.get(incident_id) else {
            return;
        };
        debug_assert_eq!(incident.progress, Progress::Closed);
        for alert_id in &incident.alerts {
            let Some(alert) = self.alerts.get_mut(alert_id) else {
                continue;
            };
            if !alert.closed {
                alert.closed = true;
                alert.updated_at = now_ms / 1000;
                self.open_alerts
                    .remove(&(alert.integration_id, alert.key.clone()));
            }
        }
    }

    /// The item of `/incident/alert/list`.
    pub(super) fn alert_info(&self, alert: &Alert, include_events: bool) -> Value {
        let channel = self.account.channels.get(&alert.channel_id);
        let channel_name = channel.map_or("", |channel| channel.name.as_str());
        let source = channel.map_or("", |channel| channel.integration.name.as_str());
        let incident = self.incidents.get(&alert.incident_id);
        let mut object = json!({
            "alert_id": alert.alert_id,
            "account_id": ACCOUNT,
            "channel_id": alert.channel_id,
            "channel_name": channel_name,
            "channel_status": "enabled",
            "integration_id": alert.integration_id,
            "integration_name": source,
            "integration_type": "alert.standard",
            "integration_ref_id": "",
            "data_source_id": alert.integration_id,
            "data_source_name": source,
            "data_source_type": "alert.standard",
            "data_source_ref_id": "",
            "title": alert.title,
            "title_rule": "",
            "description": alert.description,
            "alert_key": alert.key,
            "alert_severity": alert.severity.as_str(),
            "alert_status": alert.status.as_str(),
            "start_time": alert.created_at,
            "last_time": alert.last_time,
            "end_time": alert.end_time,
            "labels": alert.labels,
            "ever_muted": false,
            "created_at": alert.created_at,
            "updated_at": alert.updated_at,
            "responder_name": "",
            "responder_email": "",
            "incident": incident.map(Incident::to_short),
            "event_cnt": alert.events.len(),
            "images": null,
        });
        if include_events {
            let events: Vec<Value> = alert
                .events
                .iter()
                .map(|(time, status)| {
                    json!({
                        "alert_id": alert.alert_id,
                        "account_id": ACCOUNT,
                        "channel_id": alert.channel_id,
                        "integration_id": alert.integration_id,
                        "title": alert.title,
                        "alert_key": alert.key,
                        "event_severity": status.severity().unwrap_or(alert.severity).as_str(),
                        "event_status": status.as_str(),
                        "event_time": time,
                        "created_at": time,
                        "updated_at": time,
                        "labels": alert.labels,
                    })
                })
                .collect();
            object["events"] = json!(events);
        }
        object
    }
}

/// `None` unless the channel groups, and then an alert without one of the
/// labels counts as having it empty.
fn group_key(group_by: &[String], labels: &BTreeMap<String, String>) -> Option<String> {
    if group_by.is_empty() {
        return None;
    }
    let values: Vec<&str> = group_by
        .iter()
        .map(|label| labels.get(label).map_or("", String::as_str))
        .collect();
    Some(json!(values).to_string())
}

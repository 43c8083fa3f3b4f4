//! Incident webhooks: who hears of what, and what is in the payload.
//!
//! Every event carries the whole incident as it is at that moment, so a lost
//! one heals with the next. Two things are missing on purpose, as in reality:
//! the text of a comment, and which custom field has changed.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::delivery::Event;
use super::envelope::ApiError;
use super::incident::Incident;
use super::timeline::Actor;
use super::timeline::EventType;

/// An incident webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Given by [`Flashduty::add_webhook`].
    pub integration_id: i64,
    /// Absolute URL; its query is kept.
    pub url: String,
    /// Sent along, with names in lower case. There is no signature: whatever
    /// proves the sender is here or in the URL.
    pub headers: Vec<(String, String)>,
    /// `None`: all channels, and incidents outside every channel.
    pub channels: Option<BTreeSet<i64>>,
    /// Only ticked types are sent.
    pub event_types: BTreeSet<EventType>,
    /// How long it waits for the answer, in milliseconds.
    pub timeout_ms: u64,
}

impl Webhook {
    /// A webhook for everything, with the documented limit of two seconds.
    pub fn new(url: &str) -> Webhook {
        Webhook {
            integration_id: 0,
            url: url.to_owned(),
            headers: Vec::new(),
            channels: None,
            event_types: EventType::ALL.into_iter().collect(),
            timeout_ms: 2000,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Webhook {
        self.headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    fn hears(&self, channel_id: i64, kind: EventType) -> bool {
        self.event_types.contains(&kind)
            && self
                .channels
                .as_ref()
                .is_none_or(|channels| channels.contains(&channel_id))
    }
}

impl Flashduty {
    /// Registers a webhook; returns its `integration_id`.
    pub fn add_webhook(&mut self, mut webhook: Webhook) -> i64 {
        let integration_id = self.account.next_integration_id();
        webhook.integration_id = integration_id;
        self.account.webhooks.insert(integration_id, webhook);
        integration_id
    }

    /// Sends the incident, as it is now, to every webhook that wants it.
    pub(super) fn announce(
        &mut self,
        incident_id: &str,
        actor: Actor,
        kind: EventType,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let incident = self.find(incident_id)?;
        let channel_id = incident.channel_id;
        let listeners: Vec<Webhook> = self
            .account
            .webhooks
            .values()
            .filter(|webhook| webhook.hears(channel_id, kind))
            .cloned()
            .collect();
        if listeners.is_empty() {
            return Ok(());
        }
        let event_id = self.ids.event();
        let incident = self.find(incident_id)?;
        let mut payload = self.event_payload(incident, actor, kind, now_ms);
        payload["event_id"] = json!(event_id);
        let body = payload.to_string();
        for webhook in listeners {
            let event = Event {
                integration_id: webhook.integration_id,
                kind,
                incident_id: incident_id.to_owned(),
                channel_id,
                actor,
                url: webhook.url,
                headers: webhook.headers,
                timeout_ms: webhook.timeout_ms,
                body: body.clone(),
                event_ms: now_ms,
                attempt: 1,
                waiter: None,
            };
            self.outbox.post(event, &mut self.ids, &self.options);
        }
        Ok(())
    }

    /// The body of a webhook, but for the `event_id`.
    pub(super) fn event_payload(
        &self,
        incident: &Incident,
        actor: Actor,
        kind: EventType,
        now_ms: u64,
    ) -> Value {
        let mut payload = json!({
            "event_time": now_ms,
            "event_type": kind.as_str(),
            "incident": self.incident_payload(incident),
        });
        if let Some(person) = actor.member_id().and_then(|id| self.account.person(id)) {
            payload["person"] = person;
        }
        payload
    }

    fn incident_payload(&self, incident: &Incident) -> Value {
        let first_alert = incident.alerts.first().and_then(|id| self.alerts.get(id));
        let mut object = self.incident_core(incident);
        object["data_source_id"] = json!(first_alert.map_or(0, |alert| alert.integration_id));
        if !incident.labels.is_empty() {
            object["labels"] = json!(incident.labels);
        }
        if incident.assigned.is_some() {
            object["assigned_to"] = incident.assigned_json();
        }
        if !incident.responders.is_empty() {
            let responders: Vec<Value> = incident
                .responders
                .iter()
                .map(|responder| {
                    let mut person = self
                        .account
                        .person(responder.person_id)
                        .unwrap_or_else(|| json!({ "person_id": responder.person_id }));
                    person["assigned_at"] = json!(responder.assigned_at);
                    person["acknowledged_at"] = json!(responder.acknowledged_at);
                    person
                })
                .collect();
            object["responders"] = json!(responders);
            let ids: Vec<i64> = incident.responders.iter().map(|it| it.person_id).collect();
            object["responder_ids"] = json!(ids);
        }
        self.add_creator_and_closer(&mut object, incident);
        object
    }
}

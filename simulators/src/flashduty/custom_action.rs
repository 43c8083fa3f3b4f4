//! Custom actions: buttons in an incident's menu that call an endpoint.
//!
//! The endpoint is called while the person, or the API client, waits: the
//! answer is awaited ([`AWAIT`]), and its `message` says what went wrong, or
//! nothing. A success shows in the timeline too, and every call in the webhook
//! history.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::delivery::Event;
use super::envelope::ApiError;
use super::timeline::Actor;
use super::timeline::EventType;
use crate::AWAIT;
use crate::Delivery;
use crate::Response;

/// Where the payload carries `event_id`: the documentation's table and its
/// example disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventIdPlace {
    /// As the table says.
    TopLevel,
    /// As the example shows.
    InIncident,
}

/// A custom action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomAction {
    /// Given by [`Flashduty::add_custom_action`].
    pub integration_id: i64,
    /// The text of the button.
    pub name: String,
    /// Absolute URL.
    pub url: String,
    /// Sent along, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// `None`: every channel.
    pub channels: Option<BTreeSet<i64>>,
    /// How long it waits for the answer, in milliseconds. One second is the
    /// shorter of the two values in the documentation.
    pub timeout_ms: u64,
    /// Where the payload carries `event_id`.
    pub event_id_place: EventIdPlace,
}

impl CustomAction {
    /// A button in every channel.
    pub fn new(name: &str, url: &str) -> CustomAction {
        CustomAction {
            integration_id: 0,
            name: name.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            channels: None,
            timeout_ms: 1000,
            event_id_place: EventIdPlace::TopLevel,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> CustomAction {
        self.headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }
}

/// Those who wait for what comes of a custom action.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    counter: u64,
    /// The action that the request being handled has pressed.
    pressed: Option<u64>,
    calls: BTreeMap<u64, Waiter>,
}

#[derive(Clone, Debug)]
struct Waiter {
    provisional: Response,
    /// Empty for success.
    message: Option<String>,
}

impl Waiting {
    /// A request begins; a test may have pressed an action before it.
    pub(super) fn begin(&mut self) {
        self.pressed = None;
    }

    fn press(&mut self) -> u64 {
        self.counter += 1;
        self.pressed = Some(self.counter);
        self.counter
    }

    /// Makes an answer provisional if its request has pressed an action.
    pub(super) fn hold(&mut self, mut response: Response) -> Response {
        let pressed = self.pressed.take();
        if let Some(token) = pressed.filter(|_| response.status == 200) {
            let waiter = Waiter {
                provisional: response.clone(),
                message: None,
            };
            self.calls.insert(token, waiter);
            let header = (AWAIT.to_owned(), token.to_string());
            response.headers.push(header);
        }
        response
    }

    /// Notes what came of a call.
    pub(super) fn settle(&mut self, token: u64, delivery: &Delivery) {
        if let Some(waiter) = self.calls.get_mut(&token) {
            waiter.message = Some(match delivery {
                Delivery::Answered(response) if response.status == 200 => String::new(),
                Delivery::Answered(response) => {
                    format!("the endpoint answered with status {}", response.status)
                }
                Delivery::TimedOut => "context deadline exceeded".to_owned(),
                Delivery::Failed(reason) => reason.clone(),
            });
        }
    }

    /// The answer for a token, once it is known.
    pub(super) fn answer(&mut self, token: u64) -> Option<Response> {
        self.calls.get(&token)?.message.as_ref()?;
        let Waiter {
            mut provisional,
            message,
        } = self.calls.remove(&token)?;
        if let Ok(mut body) = serde_json::from_slice::<Value>(&provisional.body) {
            body["data"]["message"] = json!(message);
            provisional.body = body.to_string().into_bytes();
        }
        Some(provisional)
    }
}

impl Flashduty {
    /// Registers a custom action; returns its `integration_id`.
    pub fn add_custom_action(&mut self, mut action: CustomAction) -> i64 {
        let integration_id = self.account.next_integration_id();
        action.integration_id = integration_id;
        self.account.custom_actions.insert(integration_id, action);
        integration_id
    }

    /// Calls the endpoint, and tells the webhooks that are ticked for
    /// `i_custom`.
    pub(super) fn press_custom_action(
        &mut self,
        actor: Actor,
        incident_id: &str,
        integration_id: i64,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let incident = self.find(incident_id)?;
        let channel_id = incident.channel_id;
        let action = self
            .account
            .custom_actions
            .get(&integration_id)
            .cloned()
            .ok_or_else(|| ApiError::not_found("custom action", integration_id))?;
        if let Some(channels) = &action.channels
            && !channels.contains(&channel_id)
        {
            return Err(ApiError::invalid(format!(
                "integration_id: custom action {:?} is not available in channel {channel_id}",
                action.name
            )));
        }
        let event_id = self.ids.event();
        let incident = self.find(incident_id)?;
        let mut payload = self.event_payload(incident, actor, EventType::Custom, now_ms);
        let alerts: Vec<_> = incident
            .alerts
            .iter()
            .filter_map(|id| self.alerts.get(id))
            .map(super::alert::Alert::to_brief)
            .collect();
        payload["incident"]["alerts"] = json!(alerts);
        match action.event_id_place {
            EventIdPlace::TopLevel => payload["event_id"] = json!(event_id),
            EventIdPlace::InIncident => payload["incident"]["event_id"] = json!(event_id),
        }
        let event = Event {
            integration_id,
            kind: EventType::Custom,
            incident_id: incident_id.to_owned(),
            channel_id,
            actor,
            url: action.url,
            headers: action.headers,
            timeout_ms: action.timeout_ms,
            body: payload.to_string(),
            event_ms: now_ms,
            attempt: 1,
            waiter: Some(self.waiting.press()),
        };
        // Somebody is waiting: neither the usual delay nor a mishap applies.
        self.outbox.put(now_ms, event);
        self.announce(incident_id, actor, EventType::Custom, now_ms)
    }
}

//! `/simulator/…`: what no real Flashduty has. Faults, a look inside, and
//! people who act, for tests and demonstrations over HTTP.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::action::Action;
use super::creation::NewIncident;
use super::custom_action::CustomAction;
use super::envelope::ApiError;
use super::envelope::ErrorCode;
use super::envelope::wrap;
use super::faults::PlannedFault;
use super::mishap::Mishaps;
use super::timeline::EventType;
use super::webhook::Webhook;
use crate::Request;
use crate::Response;

/// Who acts: a member's id, or name, or e-mail address.
#[derive(Deserialize)]
#[serde(untagged)]
enum Who {
    Id(i64),
    Name(String),
}

#[derive(Deserialize)]
struct Act {
    person: Who,
    /// An id, or a `num`.
    incident: String,
    #[serde(flatten)]
    action: Action,
}

#[derive(Deserialize)]
struct Create {
    person: Who,
    #[serde(flatten)]
    incident: NewIncident,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListLag {
    lag_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWebhook {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    channel_ids: Option<BTreeSet<i64>>,
    event_types: Option<Vec<String>>,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCustomAction {
    name: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    channel_ids: Option<BTreeSet<i64>>,
    timeout_ms: Option<u64>,
}

impl Flashduty {
    /// Answers in the envelope of the Open API, without asking for a key.
    pub(super) fn control(&mut self, what: &str, request: &Request, now_ms: u64) -> Response {
        let outcome = self.obey(what, request, now_ms);
        wrap("simulator", outcome)
    }

    fn obey(&mut self, what: &str, request: &Request, now_ms: u64) -> Result<Value, ApiError> {
        match (request.method.as_str(), what) {
            ("GET", "state") => Ok(self.state(now_ms)),
            ("POST", "act") => {
                let act: Act = read(&request.body)?;
                let person_id = self.who(&act.person)?;
                let incident_id = self.which(&act.incident)?;
                self.act(person_id, &incident_id, &act.action, now_ms)?;
                // Gone, if it was removed.
                let incident = self.incidents.get(&incident_id);
                Ok(incident.map_or(Value::Null, |it| self.incident_info(it)))
            }
            ("POST", "create") => {
                let create: Create = read(&request.body)?;
                let person_id = self.who(&create.person)?;
                let incident_id = self.create(person_id, create.incident, now_ms)?;
                Ok(self.incident_info(self.find(&incident_id)?))
            }
            ("POST", "faults") => {
                self.plan_fault(read(&request.body)?);
                Ok(json!({ "planned": self.faults.planned() }))
            }
            ("DELETE", "faults") => {
                self.clear_faults();
                Ok(json!({}))
            }
            ("POST", "mishaps") => {
                let mishaps: Mishaps = read(&request.body)?;
                self.set_mishaps(mishaps);
                Ok(json!(self.outbox.mishaps))
            }
            ("POST", "list-lag") => {
                let lag: ListLag = read(&request.body)?;
                self.set_list_lag(lag.lag_ms);
                Ok(json!({ "lag_ms": lag.lag_ms }))
            }
            ("POST", "webhooks") => {
                let new: NewWebhook = read(&request.body)?;
                let integration_id = self.add_webhook(webhook(new)?);
                Ok(json!({ "integration_id": integration_id }))
            }
            ("DELETE", "webhooks") => {
                self.account.webhooks.clear();
                Ok(json!({}))
            }
            ("POST", "custom-actions") => {
                let new: NewCustomAction = read(&request.body)?;
                let mut action = CustomAction::new(&new.name, &new.url);
                action.headers = lower_case(new.headers);
                action.channels = new.channel_ids;
                action.timeout_ms = new.timeout_ms.unwrap_or(action.timeout_ms);
                let integration_id = self.add_custom_action(action);
                Ok(json!({ "integration_id": integration_id }))
            }
            (method, _) => Err(ApiError::new(
                ErrorCode::RouteNotFound,
                format!(
                    "there is no {method} /simulator/{what}; there are GET state, POST act, \
                     create, faults, mishaps, list-lag, webhooks and custom-actions, DELETE faults \
                     and webhooks"
                ),
            )),
        }
    }

    fn state(&self, now_ms: u64) -> Value {
        let planned: &[PlannedFault] = self.faults.planned();
        let incidents: Vec<Value> = self
            .incidents
            .values()
            .map(|incident| self.incident_info(incident))
            .collect();
        let members: Vec<Value> = self
            .account
            .members
            .values()
            .map(|member| {
                json!({
                    "member_id": member.member_id,
                    "member_name": member.name,
                    "email": member.email,
                    "app_key": member.app_key,
                })
            })
            .collect();
        let channels: Vec<Value> = self
            .account
            .channels
            .values()
            .map(|channel| {
                json!({
                    "channel_id": channel.channel_id,
                    "channel_name": channel.name,
                    "integration_key": channel.integration.key,
                })
            })
            .collect();
        let webhooks: Vec<Value> = self
            .account
            .webhooks
            .values()
            .map(|it| json!({ "integration_id": it.integration_id, "url": it.url }))
            .collect();
        let custom_actions: Vec<Value> = self
            .account
            .custom_actions
            .values()
            .map(
                |it| json!({ "integration_id": it.integration_id, "name": it.name, "url": it.url }),
            )
            .collect();
        json!({
            "now_ms": now_ms,
            "members": members,
            "channels": channels,
            "webhooks": webhooks,
            "custom_actions": custom_actions,
            "faults": planned,
            "mishaps": self.outbox.mishaps,
            "list_lag_ms": self.lag.lag_ms,
            "pushes_waiting": self.outbox.waiting(),
            "pushes_attempted": self.deliveries().len(),
            "incidents": incidents,
        })
    }

    fn who(&self, who: &Who) -> Result<i64, ApiError> {
        match who {
            Who::Id(id) => Ok(self.account.member(*id)?.member_id),
            Who::Name(name) => self
                .account
                .members
                .values()
                .find(|it| it.name.eq_ignore_ascii_case(name) || it.email == *name)
                .map(|it| it.member_id)
                .ok_or_else(|| ApiError::not_found("member", name)),
        }
    }

    fn which(&self, id_or_num: &str) -> Result<String, ApiError> {
        self.incidents
            .values()
            .rev()
            .find(|it| it.incident_id == id_or_num || it.num.eq_ignore_ascii_case(id_or_num))
            .map(|it| it.incident_id.clone())
            .ok_or_else(|| ApiError::not_found("incident", id_or_num))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::invalid(format!("body: {error}")))
}

fn webhook(new: NewWebhook) -> Result<Webhook, ApiError> {
    let mut webhook = Webhook::new(&new.url);
    webhook.headers = lower_case(new.headers);
    webhook.channels = new.channel_ids;
    webhook.timeout_ms = new.timeout_ms.unwrap_or(webhook.timeout_ms);
    if let Some(words) = new.event_types {
        webhook.event_types = words
            .iter()
            .map(|word| {
                EventType::parse(word).ok_or_else(|| {
                    ApiError::invalid(format!("event_types: there is no type {word:?}"))
                })
            })
            .collect::<Result<_, _>>()?;
    }
    Ok(webhook)
}

fn lower_case(headers: BTreeMap<String, String>) -> Vec<(String, String)> {
    headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

//! What an operator can ask for, by hand.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /<integration>/sync` | looks at a pair again, both sides in full |
//!
//! A request names an incident by one side: `{"flashduty": "<incident id>"}` or
//! `{"servicenow": "<sys_id>"}`. The gateway has made sure that it is an
//! operator who asks.

use crate::Problem;
use crate::Request;
use crate::Standing;
use crate::configuration::Configuration;
use crate::flashduty::IncidentId;
use crate::intake::answer;
use crate::intake::pair_of;
use crate::json;
use crate::keys;
use crate::keys::Entity;
use crate::servicenow::SysId;
use crate::session::Effects;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde_json::Value;
use serde_json::json;

/// How long an operator waits for the outcome.
const PATIENCE_MS: u32 = 20_000;

/// Receives one request and answers it.
pub(crate) async fn receive(
    effects: &Effects,
    configuration: Result<Configuration, Vec<Problem>>,
    request: Request,
) {
    let response = match carry_out(effects, configuration, &request).await {
        Ok(body) => answer(200, &body),
        Err((status, message)) => answer(status, &json!({ "error": message })),
    };
    effects.respond(response).await;
}

async fn carry_out(
    effects: &Effects,
    configuration: Result<Configuration, Vec<Problem>>,
    request: &Request,
) -> Result<Value, (u16, String)> {
    let configuration =
        configuration.map_err(|_| (503, "the configuration is not valid".to_owned()))?;
    let mut segments = request.path.trim_matches('/').split('/');
    let (id, what) = (
        segments.next().unwrap_or_default(),
        segments.next().unwrap_or_default(),
    );
    let Some(integration) = configuration.integration(id) else {
        let id = text::cut(id, 40);
        return Err((404, format!("no integration has the id \"{id}\"")));
    };
    if request.method != "POST" || what != "sync" || segments.next().is_some() {
        return Err((404, "expected POST /<integration>/sync".into()));
    }
    let about = named(&request.body).map_err(|message| (400, message))?;
    let pair = pair_of(effects, &integration.id, &about).await;
    let work = keys::work(&integration.id, &pair);
    effects
        .schedule(work.clone(), 0, "asked for by an operator")
        .await;
    let standing = effects.await_work(work, PATIENCE_MS).await;
    Ok(json!({ "pair": pair.to_string(), "work": told(standing) }))
}

/// The incident that a request is about.
fn named(body: &[u8]) -> Result<Entity, String> {
    const EXPECTED: &str = "expected {\"flashduty\": \"<incident id>\"} or \
                            {\"servicenow\": \"<sys_id>\"}";
    let body = json::parse(body).map_err(|e| format!("{EXPECTED}: {e}"))?;
    let flashduty = body["flashduty"].as_str().and_then(IncidentId::parse);
    let servicenow = body["servicenow"].as_str().and_then(SysId::parse);
    flashduty
        .map(Entity::Flashduty)
        .or(servicenow.map(Entity::ServiceNow))
        .ok_or_else(|| format!("{EXPECTED}, found {}", text::cut(&json::text(&body), 80)))
}

/// How work stands, in a sentence.
fn told(standing: Standing) -> String {
    match standing {
        Standing::None => "done".into(),
        Standing::UnderWay => "still under way".into(),
        Standing::Waiting(why) => format!("will be tried again: {why}"),
        Standing::Parked(why) => format!("parked: {why}"),
    }
}

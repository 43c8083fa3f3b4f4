//! What an operator can ask for, by hand.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /<integration>/sync` | looks at a pair again, both sides in full |
//! | `POST /<integration>/link` | makes a pair of two incidents that exist |
//! | `POST /<integration>/unlink` | takes a pair apart; both incidents stay |
//! | `POST /<integration>/show` | tells what is remembered of a pair |
//!
//! A request names an incident by one side: `{"flashduty": "<incident id>"}` or
//! `{"servicenow": "<sys_id or number>"}`; to link takes both, and where another
//! request names both they must be one pair. The gateway has made sure that it is
//! an operator who asks. What changes a pair is left to the pair's own work, of
//! which there is one at a time.

use crate::Problem;
use crate::Request;
use crate::configuration::Configuration;
use crate::configuration::Integration;
use crate::flashduty::IncidentId;
use crate::hint::Hint;
use crate::intake::answer;
use crate::intake::schedule;
use crate::json;
use crate::json::object;
use crate::keys::Entity;
use crate::outcome::Asked;
use crate::outcome::Refusal;
use crate::pair::Pair;
use crate::servicenow::Found;
use crate::servicenow::ServiceNowApi;
use crate::servicenow::SysId;
use crate::session::Effects;
use crate::text;
use alloc::borrow::ToOwned;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde_json::Value;

/// Why a pair is neither joined nor taken apart at the moment.
pub(crate) const IN_DOUBT: &str =
    "the answer to a creation was lost, and it may still be carried out; try again in some minutes";

/// How long an operator waits for the outcome.
const PATIENCE_MS: u32 = 20_000;

/// Receives one request and answers it.
pub(crate) async fn receive(
    effects: &Effects,
    configuration: Result<Configuration, Vec<Problem>>,
    request: Request,
) {
    let response = match carry_out(effects, configuration, &request).await {
        Ok(body) => answer(200, body),
        Err((status, message)) => answer(status, object! { "error": message }),
    };
    effects.respond(response);
}

async fn carry_out(
    effects: &Effects,
    configuration: Result<Configuration, Vec<Problem>>,
    request: &Request,
) -> Result<Value, Refusal> {
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
    let is_known = ["sync", "link", "unlink", "show"].contains(&what);
    if request.method != "POST" || !is_known || segments.next().is_some() {
        return Err((
            404,
            "expected POST /<integration>/sync, link, unlink or show".into(),
        ));
    }
    let Named {
        flashduty,
        servicenow,
    } = named(effects, integration, &request.body).await?;
    let asked = |about| Asked {
        effects,
        integration,
        about,
        at_ms: effects.now_ms(),
        patience_ms: PATIENCE_MS,
    };
    let (flashduty, servicenow) = (
        flashduty.map(Entity::Flashduty),
        servicenow.map(Entity::ServiceNow),
    );
    let about = flashduty.clone().or(servicenow.clone());
    let about = about.ok_or_else(|| (400, EXPECTED.to_owned()))?;
    if what == "link" {
        let (Some(flashduty), Some(servicenow)) = (flashduty, servicenow) else {
            return Err((400, format!("{EXPECTED}; to link takes both")));
        };
        return link(asked(flashduty), asked(servicenow)).await;
    }
    let asked = asked(about);
    let (name, pair) = asked.read().await?;
    // Whoever names both means one pair, and is not to take another apart.
    if let (Some(one), Some(other @ Entity::ServiceNow(record))) = (&flashduty, &servicenow)
        && pair.servicenow.as_ref() != Some(record)
    {
        return Err((409, format!("{one} and {other} are not one pair")));
    }
    let in_no_pair = || (404, format!("{name} belongs to no pair; link makes one"));
    if what == "show" {
        return asked.show().await.ok_or_else(in_no_pair);
    }
    let is_sync = what == "sync";
    let is_possible = match is_sync {
        true => pair.ended.is_none(),
        false => pair.may_end(asked.at_ms),
    };
    if !is_possible {
        let why = match &pair.ended {
            Some(why) => why,
            None if pair.is_in_doubt(asked.at_ms) => IN_DOUBT,
            None => "it belongs to no pair",
        };
        return Err((409, format!("{name} is not linked: {why}")));
    }
    // The side that does not name the pair belongs to none once it is unlinked.
    let about = Entity::parse(&name).unwrap_or(asked.about);
    let asked = Asked { about, ..asked };
    let hint = if is_sync { Hint::Sync } else { Hint::Unlink };
    order(&asked, hint).await;
    // What was in no pair is begun when it is looked at, unless it takes no part.
    let is_done = |pair: &Pair| match is_sync {
        true => pair.flashduty.is_some() || pair.servicenow.is_some(),
        false => pair.ended.is_some(),
    };
    let status = if is_sync { "looked at" } else { "unlinked" };
    asked.outcome(status, &is_done).await
}

async fn link(flashduty: Asked<'_>, servicenow: Asked<'_>) -> Result<Value, Refusal> {
    let Entity::ServiceNow(wanted) = servicenow.about.clone() else {
        return Err((400, EXPECTED.to_owned()));
    };
    // Whether the record is fit for it is read there, in every direction.
    let integration = flashduty.integration;
    if integration.servicenow.credential.is_none() {
        let why = format!(
            "to link needs a credential for ServiceNow; add credential = \"…\" to servicenow of \
             integration \"{}\"",
            integration.id
        );
        return Err((409, why));
    }
    let ours = flashduty.pair().await.to_string();
    for asked in [&flashduty, &servicenow] {
        let (name, pair) = asked.read().await?;
        let is_ours = name == ours && pair.servicenow.as_ref() == Some(&wanted);
        let about = &asked.about;
        if pair.is_in_doubt(asked.at_ms) {
            return Err((409, format!("{about} cannot be linked: {IN_DOUBT}")));
        }
        if pair.is_linked() && !is_ours {
            let partner = match about {
                Entity::Flashduty(_) => pair.number.as_deref(),
                Entity::ServiceNow(_) => pair.flashduty.as_ref().map(IncidentId::as_str),
            };
            let partner = partner.unwrap_or("a record");
            let why = format!("{about} belongs to pair {name} with {partner}; unlink that first");
            return Err((409, why));
        }
    }
    let servicenow = wanted.clone();
    order(&flashduty, Hint::Link { servicenow }).await;
    let is_done = |pair: &Pair| pair.servicenow.as_ref() == Some(&wanted);
    flashduty.outcome("linked", &is_done).await
}

/// Leaves an order for the pair's work, and makes it due.
async fn order(asked: &Asked<'_>, hint: Hint) {
    let id = &asked.integration.id;
    // Before all other hints: of those no session takes more than some.
    let name = format!("-order-{}", asked.at_ms);
    hint.leave(asked.effects, id, &asked.about, &name).await;
    let pair = asked.pair().await;
    schedule(asked.effects, id, &pair, 0, "asked for by an operator");
}

/// The incidents that a request names.
struct Named {
    flashduty: Option<IncidentId>,
    servicenow: Option<SysId>,
}

const EXPECTED: &str = "expected {\"flashduty\": \"<incident id>\"} or \
                        {\"servicenow\": \"<sys_id or number>\"}";

/// Reads a request's body, and looks a number up.
async fn named(
    effects: &Effects,
    integration: &Integration,
    body: &[u8],
) -> Result<Named, Refusal> {
    let body = json::parse(body).map_err(|e| (400, format!("{EXPECTED}: {e}")))?;
    let refuse = |name: &str| {
        let found = text::cut(&json::text(&body[name]), 60);
        (400, format!("{EXPECTED}, found \"{name}\": {found}"))
    };
    let flashduty = match &body["flashduty"] {
        Value::Null => None,
        id => Some(
            id.as_str()
                .and_then(IncidentId::parse)
                .ok_or_else(|| refuse("flashduty"))?,
        ),
    };
    let servicenow = match &body["servicenow"] {
        Value::Null => None,
        id => {
            let id = id.as_str().unwrap_or_default();
            let api = ServiceNowApi::new(effects, integration, false);
            match SysId::parse(id) {
                Some(id) => Some(id),
                None if id.is_empty() || !api.is_available() => return Err(refuse("servicenow")),
                None => match api.find_by("incident", "number", id).await {
                    Ok(Found::One(id)) => Some(id),
                    Ok(_) => return Err((404, format!("ServiceNow shows no incident {id}"))),
                    Err(trouble) => return Err((502, trouble.reason().into())),
                },
            }
        }
    };
    Ok(Named {
        flashduty,
        servicenow,
    })
}

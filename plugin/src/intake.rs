//! A webhook arrives: parse, make durable, schedule work, answer.
//!
//! Nothing else happens before a webhook is answered, since Flashduty gives up
//! after two seconds and ServiceNow never tries again. What the body says is
//! kept as a hint for the pair it concerns; what is written later is what both
//! sides then hold, so a repeated, late or forged body changes nothing.
//!
//! A custom action's call is answered with what came of it, as far as that is
//! known in time, since a person waits.

use crate::Level;
use crate::Problem;
use crate::Request;
use crate::Response;
use crate::configuration::Configuration;
use crate::configuration::Integration;
use crate::configuration::Trigger;
use crate::flashduty::Event;
use crate::flashduty::short_hash;
use crate::hint::Hint;
use crate::hint::Kept;
use crate::json;
use crate::json::object;
use crate::keys;
use crate::keys::Entity;
use crate::outcome::Asked;
use crate::outcome::Refusal;
use crate::pair::Pair;
use crate::servicenow::Body;
use crate::session::Effects;
use crate::text;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::Value;

/// How long Flashduty's custom action is kept waiting: it gives up after one second.
const PATIENCE_MS: u32 = 650;

/// What a webhook's body is about.
struct Notice {
    about: Entity,
    /// The same for a repeated delivery, where the sender says so.
    id: String,
    /// Why work is scheduled, for operators.
    reason: String,
    hint: Hint,
}

/// Receives one request and answers it. In a rehearsal the hint keeps the whole
/// incident, since nothing can be read.
pub async fn receive(
    effects: &Effects,
    configuration: Result<Configuration, Vec<Problem>>,
    rehearsed: bool,
    request: Request,
) {
    let response = match accept(effects, configuration, rehearsed, request).await {
        Ok(body) => answer(200, body),
        Err((status, message)) => {
            effects.log(Level::Warn, "webhook refused", &[("reason", &message)]);
            answer(status, object! { "error": message })
        }
    };
    effects.respond(response);
}

async fn accept(
    effects: &Effects,
    configuration: Result<Configuration, Vec<Problem>>,
    rehearsed: bool,
    request: Request,
) -> Result<Value, Refusal> {
    let configuration = configuration.map_err(|problems| {
        let first = problems.first().map_or("", |p| p.message.as_str());
        (503, format!("the configuration is not valid: {first}"))
    })?;
    if request.method != "POST" {
        return Err((
            405,
            format!("expected POST, found {}", text::cut(&request.method, 20)),
        ));
    }
    let mut segments = request.path.trim_matches('/').split('/');
    let (side, id) = (
        segments.next().unwrap_or_default(),
        segments.next().unwrap_or_default(),
    );
    let integration = configuration
        .integration(id)
        .filter(|_| segments.next().is_none())
        .ok_or_else(|| {
            (
                404,
                format!("no integration has the id \"{}\"", text::cut(id, 40)),
            )
        })?;
    let is_trigger = side == "trigger" && integration.trigger == Trigger::Manual;
    let notice = match side {
        "servicenow" => servicenow(effects.now_ms(), &request.body),
        _ if is_trigger || side == "flashduty" => {
            flashduty(integration, rehearsed, is_trigger, &request.body)
        }
        _ => return Err((404, "expected /flashduty/<id> or /servicenow/<id>".into())),
    };
    let notice = notice.map_err(|message| (400, message))?;

    let received_ms = effects.now_ms();
    let about = notice.about;
    let pair = pair_of(effects, id, &about).await;
    let kept = |hint| Kept { received_ms, hint };
    let hint = kept(notice.hint);
    hint.store(effects, id, &about, &notice.id).await;
    if is_trigger {
        let name = format!("trigger-{received_ms}");
        let hint = kept(Hint::Trigger);
        hint.store(effects, id, &about, &name).await;
    }
    // Even if the hint was there: nobody knows whether that happened then.
    schedule(effects, id, &pair, 0, &notice.reason);
    if !is_trigger || rehearsed {
        return Ok(object! { "status": "accepted" }.into());
    }
    let asked = Asked {
        effects,
        integration,
        about,
        at_ms: received_ms,
        patience_ms: PATIENCE_MS,
    };
    asked.outcome("synced", &Pair::is_linked).await
}

/// Has the work of a pair done at that time, in Unix milliseconds, or at once.
pub(crate) fn schedule(
    effects: &Effects,
    integration: &str,
    pair: &Entity,
    due_ms: u64,
    reason: &str,
) {
    effects.schedule(keys::work(integration, pair), due_ms, reason);
}

/// The pair that an incident belongs to: one of its own name unless another is
/// known.
pub(crate) async fn pair_of(effects: &Effects, integration: &str, about: &Entity) -> Entity {
    let [member] = effects.get([keys::member(integration, about)]).await;
    member
        .and_then(|entry| Entity::parse(core::str::from_utf8(&entry.value).ok()?))
        .unwrap_or_else(|| about.clone())
}

fn flashduty(
    integration: &Integration,
    rehearsed: bool,
    is_trigger: bool,
    body: &[u8],
) -> Result<Notice, String> {
    let event = Event::parse(body)?;
    if is_trigger && event.event_type != "i_custom" {
        return Err(format!(
            "expected \"i_custom\", found \"{}\"; this path is for a custom action",
            text::cut(&event.event_type, 40)
        ));
    }
    let id = match &event.event_id {
        Some(id) => short_hash(id.as_bytes()),
        None => short_hash(body),
    };
    Ok(Notice {
        about: Entity::Flashduty(event.incident.incident_id.clone()),
        id,
        reason: format!(
            "Flashduty {}",
            text::cut(&text::single_line(&event.event_type), 40)
        ),
        hint: Hint::from_event(
            event,
            rehearsed || integration.flashduty.credential.is_none(),
        ),
    })
}

fn servicenow(now_ms: u64, body: &[u8]) -> Result<Notice, String> {
    let hint = Body::parse(body)?;
    Ok(Notice {
        about: Entity::ServiceNow(hint.sys_id.clone()),
        // No script sends an id, and an equal body may tell of a new change.
        id: format!("{now_ms}-{}", short_hash(body)),
        reason: format!(
            "ServiceNow {}",
            text::cut(
                &text::single_line(hint.get("action_type").unwrap_or_default()),
                40
            )
        )
        .trim_end()
        .into(),
        hint: Hint::ServiceNow {
            body: Box::new(hint),
        },
    })
}

/// An answer in JSON.
pub(crate) fn answer(status: u16, body: impl Into<Value>) -> Response {
    Response {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: (json::text(&body.into()) + "\n").into_bytes(),
    }
}

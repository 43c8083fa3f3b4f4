//! The business rule that tells others of an incident, and what it sends when
//! no script is pasted into it.
//!
//! That body is the one of Flashduty's published script: labels instead of
//! values, the newest comment whoever wrote it, `null` for empty text.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use super::display::DisplayMode;
use super::display::View;
use super::instance::Instance;
use super::instance::NO_LAG;
use super::instance::Record;
use super::instance::hex;
use super::instance::value;
use super::outbound::Message;
use super::outbound::USER_AGENT;
use super::session::Session;

/// How long an instance waits for an answer unless a script says otherwise.
pub(super) const TIMEOUT_MS: u64 = 175_000;

/// How the instance tells others of its incidents.
#[derive(Clone, Debug)]
pub struct BusinessRule {
    /// Where to send.
    pub url: String,
    /// Headers that an administrator added to the script, such as
    /// `Authorization`; names in lower case.
    pub headers: Vec<(String, String)>,
    /// From the write to the job, in milliseconds; 3 to 10 seconds are usual.
    pub delay_ms: u64,
    /// Columns that an administrator added to the body, as display values.
    pub extra_fields: Vec<String>,
    /// Writes of this user send nothing.
    pub skip_user: Option<String>,
    /// Signs each webhook with headers `webhook-id`, `webhook-timestamp` and
    /// `webhook-signature`, by this key.
    pub signing_key: Option<Vec<u8>>,
    /// Whether the script finds `previous` to be null, as it should in an
    /// asynchronous rule. If not, it never says `insert`.
    pub previous_is_null: bool,
    /// How long the instance waits for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// The condition of the rule, a script that is evaluated when the record
    /// is saved.
    pub condition: Option<String>,
    /// The script of the rule as an administrator pastes it. It decides alone
    /// what is sent where: of the above only `delay_ms`, `skip_user`,
    /// `previous_is_null` and `timeout_ms` count then.
    pub script: Option<String>,
    /// Whose language and zone the script's display values have.
    pub display_for: DisplayFor,
}

/// For whom display values are made in an asynchronous job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisplayFor {
    /// For the system: the instance's language, UTC.
    System,
    /// For the user whose write queued the job.
    User,
}

impl BusinessRule {
    /// The rule as the set-up guide has it, sending to `url`.
    pub fn to(url: impl Into<String>) -> BusinessRule {
        BusinessRule {
            url: url.into(),
            headers: Vec::new(),
            delay_ms: 3000,
            extra_fields: Vec::new(),
            skip_user: None,
            signing_key: None,
            previous_is_null: true,
            timeout_ms: TIMEOUT_MS,
            condition: None,
            script: None,
            display_for: DisplayFor::System,
        }
    }
}

/// Which script the form button runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManualForm {
    /// That of the set-up guide: the same body as the rule's, but always
    /// `update`.
    Guide,
    /// The newer one: no `state`, the raw value of `urgency`, empty texts as
    /// the string `null`, and fields to choose whom to notify.
    Newer,
}

/// The body of the published script, with its order of keys.
#[derive(Serialize)]
struct GuideBody<'a> {
    action_type: &'a str,
    number: Option<&'a str>,
    sys_id: &'a str,
    short_description: Option<&'a str>,
    description: Option<&'a str>,
    state: String,
    impact: String,
    urgency: String,
    comments: String,
    #[serde(flatten)]
    extra: BTreeMap<&'a str, Option<String>>,
}

pub(super) fn guide_body(
    instance: &Instance,
    rule: &BusinessRule,
    incident: &Record,
    action_type: &str,
) -> String {
    let body = GuideBody {
        action_type,
        number: get_value(incident, "number"),
        sys_id: value(incident, "sys_id"),
        short_description: get_value(incident, "short_description"),
        description: get_value(incident, "description"),
        state: label(instance, incident, "state"),
        impact: label(instance, incident, "impact"),
        urgency: label(instance, incident, "urgency"),
        comments: newest_comment(instance, incident),
        extra: extra(instance, rule, incident),
    };
    // Only maps with keys other than text could fail.
    serde_json::to_string(&body).unwrap_or_default()
}

#[derive(Serialize)]
struct NewerBody<'a> {
    action_type: &'a str,
    number: &'a str,
    sys_id: &'a str,
    short_description: &'a str,
    description: &'a str,
    impact: String,
    urgency: &'a str,
    comments: String,
    personal_channels: &'a str,
    assignment_group: String,
    assignment_group_id: &'a str,
    notify_members: [&'a str; 0],
    rule_id: &'a str,
    teams_id: &'a str,
    #[serde(flatten)]
    extra: BTreeMap<&'a str, Option<String>>,
}

pub(super) fn newer_body(instance: &Instance, rule: &BusinessRule, incident: &Record) -> String {
    let text = |column| get_value(incident, column).unwrap_or("null");
    let group = value(incident, "assignment_group");
    let body = NewerBody {
        action_type: "update",
        number: text("number"),
        sys_id: value(incident, "sys_id"),
        short_description: text("short_description"),
        description: text("description"),
        impact: label(instance, incident, "impact"),
        urgency: text("urgency"),
        comments: newest_comment(instance, incident),
        personal_channels: "",
        assignment_group: instance.reference_name("sys_user_group", group, NO_LAG),
        assignment_group_id: group,
        notify_members: [],
        rule_id: "",
        teams_id: "",
        extra: extra(instance, rule, incident),
    };
    serde_json::to_string(&body).unwrap_or_default()
}

/// `getValue` of the platform's script API.
fn get_value<'a>(incident: &'a Record, column: &str) -> Option<&'a str> {
    Some(value(incident, column)).filter(|text| !text.is_empty())
}

fn label(instance: &Instance, incident: &Record, column: &str) -> String {
    let language = &instance.options.language;
    instance.label(language, "incident", column, value(incident, column))
}

fn newest_comment(instance: &Instance, incident: &Record) -> String {
    let entries = instance.journal(value(incident, "sys_id"), NO_LAG);
    let newest = entries
        .into_iter()
        .rfind(|entry| entry.element == "comments");
    newest.map(|entry| entry.value).unwrap_or_default()
}

/// Display values as the system user sees them; null for a column that does
/// not exist.
fn extra<'a>(
    instance: &Instance,
    rule: &'a BusinessRule,
    incident: &Record,
) -> BTreeMap<&'a str, Option<String>> {
    let session = Session::of(instance, "admin");
    let shown = session.as_ref().map(|session| {
        let view = View {
            instance,
            session,
            now_ms: NO_LAG,
            base_url: "",
            mode: DisplayMode::Shown,
            exclude_reference_link: true,
            fields: Some(rule.extra_fields.clone()),
        };
        view.record("incident", incident)
    });
    let display_value = |column: &str| {
        let field = shown.as_ref()?.get(column)?;
        field.as_str().map(str::to_owned)
    };
    let columns = rule.extra_fields.iter();
    columns
        .map(|column| (column.as_str(), display_value(column)))
        .collect()
}

/// What the rule sends, with its headers and its signature.
pub(super) fn message(rule: &BusinessRule, body: String, unique: &str, now_ms: u64) -> Message {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("user-agent".to_owned(), USER_AGENT.to_owned()),
    ];
    headers.extend(rule.headers.iter().cloned());
    if let Some(key) = &rule.signing_key {
        let id = format!("msg_{}", hex(&Sha256::digest(unique)[..12]));
        headers.extend(signature(key, &id, &body, now_ms));
    }
    Message {
        url: rule.url.clone(),
        headers,
        body: body.into_bytes(),
        timeout_ms: rule.timeout_ms,
    }
}

fn signature(key: &[u8], id: &str, body: &str, now_ms: u64) -> Vec<(String, String)> {
    let timestamp = (now_ms / 1000).to_string();
    let mut headers = vec![
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), timestamp.clone()),
    ];
    // A key of any length is accepted.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        headers.push(("webhook-signature".to_owned(), format!("v1,{signature}")));
    }
    headers
}

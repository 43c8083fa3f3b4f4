//! The business rule and the form button that tell others of an incident.
//!
//! The rule is asynchronous: a write only queues a job, and the job reads the
//! incident as it is when it runs. Quick writes therefore send the same final
//! content several times, and states in between are never told. What is sent
//! goes out once: a receiver that is down or slow has lost it.
//!
//! The body is that of Flashduty's published script: labels instead of
//! values, the newest comment whoever wrote it, `null` for empty text.

use std::collections::BTreeMap;
use std::collections::VecDeque;

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
use super::faults::Faults;
use super::faults::WebhookFault;
use super::instance::Instance;
use super::instance::NO_LAG;
use super::instance::Record;
use super::instance::hex;
use super::instance::value;
use super::session::Session;
use crate::Delivery;
use crate::Push;

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
            timeout_ms: 175_000,
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

/// One webhook in the instance's log of outbound requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The push it was sent as.
    pub push: u64,
    /// The incident that it tells of.
    pub sys_id: String,
    /// When it was handed over for sending, in Unix milliseconds.
    pub at_ms: u64,
    /// Status of the answer, or why there was none; none while under way.
    pub outcome: Option<Result<u16, String>>,
}

/// Entries that the log of outbound requests keeps.
const LOG_KEPT: usize = 1000;

/// What waits to be sent.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Jobs by the time they run, then in the order they were queued; each
    /// names an incident.
    jobs: BTreeMap<(u64, u64), String>,
    /// Finished webhooks by the time they leave.
    outbox: BTreeMap<(u64, u64), (String, Push)>,
    log: VecDeque<Outbound>,
    counter: u64,
}

impl Queue {
    /// Queues a job after a write to an incident, if the rule says so. Its
    /// condition is checked now, as the platform does.
    pub(super) fn wrote(
        &mut self,
        rule: Option<&BusinessRule>,
        session: &Session,
        sys_id: &str,
        now_ms: u64,
    ) {
        if let Some(rule) = rule
            && rule.skip_user.as_ref() != Some(&session.user_name)
        {
            let counter = self.count();
            let key = (now_ms + rule.delay_ms, counter);
            self.jobs.insert(key, sys_id.to_owned());
        }
    }

    /// Sends an incident now, by the form button.
    pub(super) fn send(
        &mut self,
        instance: &Instance,
        rule: &BusinessRule,
        incident: &Record,
        form: ManualForm,
        now_ms: u64,
    ) {
        let body = match form {
            ManualForm::Guide => guide_body(instance, rule, incident, "update"),
            ManualForm::Newer => newer_body(instance, rule, incident),
        };
        let sys_id = value(incident, "sys_id");
        let push = self.push(instance, rule, body, now_ms);
        self.outbox
            .insert((now_ms, push.id), (sys_id.to_owned(), push));
    }

    /// Runs the jobs that are due, and takes what leaves now.
    pub(super) fn take_due(
        &mut self,
        instance: &Instance,
        faults: &mut Faults,
        now_ms: u64,
    ) -> Vec<Push> {
        let later = self.jobs.split_off(&(now_ms + 1, 0));
        let due = std::mem::replace(&mut self.jobs, later);
        for ((at_ms, _), sys_id) in due {
            // The script ends at once if the incident is gone.
            if let Some(rule) = &instance.options.business_rule
                && let Some(incident) = instance.record("incident", &sys_id)
            {
                self.run(instance, rule, incident, faults, at_ms, now_ms);
            }
        }
        let later = self.outbox.split_off(&(now_ms + 1, 0));
        let due = std::mem::replace(&mut self.outbox, later);
        let mut pushes = Vec::new();
        for (sys_id, push) in due.into_values() {
            if self.log.len() == LOG_KEPT {
                self.log.pop_front();
            }
            self.log.push_back(Outbound {
                push: push.id,
                sys_id,
                at_ms: now_ms,
                outcome: None,
            });
            pushes.push(push);
        }
        pushes
    }

    fn run(
        &mut self,
        instance: &Instance,
        rule: &BusinessRule,
        incident: &Record,
        faults: &mut Faults,
        at_ms: u64,
        now_ms: u64,
    ) {
        let untouched = value(incident, "sys_created_on") == value(incident, "sys_updated_on");
        let action = if rule.previous_is_null && untouched {
            "insert"
        } else {
            "update"
        };
        let (copies, late_ms) = match faults.of_webhook(now_ms) {
            None => (1, 0),
            Some(WebhookFault::Lost) => return,
            Some(WebhookFault::Doubled) => (2, 0),
            Some(WebhookFault::Late(late_ms)) => (1, late_ms),
        };
        let body = guide_body(instance, rule, incident, action);
        let push = self.push(instance, rule, body, now_ms);
        for _ in 0..copies {
            // A copy is the same message, under the same `webhook-id`.
            let push = Push {
                id: self.count(),
                ..push.clone()
            };
            let sys_id = value(incident, "sys_id").to_owned();
            self.outbox
                .insert((at_ms + late_ms, push.id), (sys_id, push));
        }
    }

    fn push(
        &mut self,
        instance: &Instance,
        rule: &BusinessRule,
        body: String,
        now_ms: u64,
    ) -> Push {
        let id = self.count();
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), "ServiceNow/1.0".to_owned()),
        ];
        headers.extend(rule.headers.iter().cloned());
        if let Some(key) = &rule.signing_key {
            // Unique over restarts too, so that no receiver takes it for a copy.
            let unique = format!("webhook {} {id} {now_ms}", instance.options.seed);
            let id = format!("msg_{}", hex(&Sha256::digest(unique)[..12]));
            headers.extend(signature(key, &id, &body, now_ms));
        }
        Push {
            id,
            url: rule.url.clone(),
            headers,
            body: body.into_bytes(),
            timeout_ms: rule.timeout_ms,
        }
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        let job = self.jobs.first_key_value().map(|((at_ms, _), _)| *at_ms);
        let push = self.outbox.first_key_value().map(|((at_ms, _), _)| *at_ms);
        job.into_iter().chain(push).min()
    }

    /// Notes the outcome; there is never a second attempt.
    pub(super) fn delivered(&mut self, push: u64, delivery: &Delivery) {
        if let Some(entry) = self.log.iter_mut().find(|entry| entry.push == push) {
            entry.outcome = Some(match delivery {
                Delivery::Answered(response) => Ok(response.status),
                Delivery::Failed(reason) => Err(reason.clone()),
                Delivery::TimedOut => Err("no answer in time".to_owned()),
            });
        }
    }

    pub(super) fn log(&self) -> impl Iterator<Item = &Outbound> {
        self.log.iter()
    }

    pub(super) fn waiting(&self) -> usize {
        self.jobs.len() + self.outbox.len()
    }

    pub(super) fn pending(&self) -> usize {
        let on_the_way = self.log.iter().filter(|entry| entry.outcome.is_none());
        self.waiting() + on_the_way.count()
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
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

fn guide_body(
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

fn newer_body(instance: &Instance, rule: &BusinessRule, incident: &Record) -> String {
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

//! The calls of the Open API that the sync makes.
//!
//! Everything is a `POST` with a JSON body; the answer is an envelope with
//! either `data` or `error`, and `error.code` says more than the HTTP status:
//! an incident that does not exist, for instance, is a 400.

use super::Comment;
use super::Incident;
use super::IncidentId;
use super::Person;
use crate::HttpRequest;
use crate::configuration::FlashdutySide;
use crate::far_end::Kind;
use crate::far_end::Trouble;
use crate::far_end::clock_ms;
use crate::far_end::json_answer;
use crate::far_end::said;
use crate::json;
use crate::json::Object;
use crate::json::list;
use crate::json::object;
use crate::plan::Side;
use crate::session::Effects;
use crate::severity::Severity;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;
use serde_json::Value;

/// Longer than any answer takes; a comment or a creation that is given up
/// earlier might still come about.
const TIMEOUT_MS: u32 = 30_000;

/// How many pages are read of anything: at 100 entries each, more than an
/// incident can sensibly have.
const MAX_PAGES: u32 = 20;

/// One step that moves an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Set what is given; what is not stays.
    Reset {
        /// See [`TITLE`](super::TITLE).
        title: Option<String>,
        /// See [`DESCRIPTION`](super::DESCRIPTION).
        description: Option<String>,
        /// The severity.
        severity: Option<Severity>,
    },
    /// Triggered to Processing.
    Acknowledge,
    /// Withdraw the acknowledgement of this gateway's member.
    Unacknowledge,
    /// Put off by so many minutes, 1 to 1440.
    Snooze {
        /// Minutes.
        minutes: u16,
    },
    /// End the snooze.
    Wake,
    /// Closed to Triggered.
    Reopen {
        /// Why; must not be empty.
        reason: String,
    },
    /// Anything to Closed.
    Resolve {
        /// What was done about it; not set if empty.
        resolution: String,
        /// What was the cause; not set if empty.
        root_cause: String,
    },
    /// Put a member on it, who is named by e-mail address.
    Assign {
        /// The address.
        email: String,
    },
    /// Set a custom field.
    Field {
        /// Its name.
        name: String,
        /// Of the field's own type; none deletes it.
        value: Option<Value>,
    },
}

/// The Open API of one account.
pub struct FlashdutyApi<'a> {
    effects: &'a Effects,
    side: &'a FlashdutySide,
    offline: bool,
    clock_ms: Cell<Option<u64>>,
}

/// A page of a list.
pub(crate) struct Listed {
    /// Those that began first come first.
    pub(crate) incidents: Vec<Incident>,
    /// Where to go on, if there are more.
    pub(crate) next: Option<String>,
}

impl<'a> FlashdutyApi<'a> {
    /// Speaks through `effects` to the account that `side` names; not at all
    /// if `offline`.
    pub fn new(effects: &'a Effects, side: &'a FlashdutySide, offline: bool) -> Self {
        Self {
            effects,
            side,
            offline,
            clock_ms: Cell::default(),
        }
    }

    /// What Flashduty's own clock showed at the last answer, in Unix
    /// milliseconds.
    pub(crate) fn clock_ms(&self) -> Option<u64> {
        self.clock_ms.get()
    }

    /// Whether there is access to the API at all.
    pub fn is_available(&self) -> bool {
        !self.offline && self.side.credential.is_some()
    }

    /// The incident as it is now.
    pub async fn incident(&self, id: &IncidentId) -> Result<Incident, Trouble> {
        let data = self
            .call("/incident/info", object! { "incident_id": id.as_str() })
            .await?;
        let incident = Incident::try_from(data)
            .map_err(|e| Trouble::unreadable(format!("Flashduty's /incident/info: {e}")))?;
        if incident.incident_id != *id {
            let got = &incident.incident_id;
            return Err(Trouble::unreadable(format!(
                "asked Flashduty for {id}, got {got}"
            )));
        }
        if incident.is_deleted() {
            let why = "Flashduty's /incident/info shows it as deleted";
            return Err(Kind::Missing(Side::Flashduty).because(why.into()));
        }
        Ok(incident)
    }

    /// Creates an incident and returns its id. Asking twice makes two. Where
    /// nobody is assigned, the channel's escalation rules say who is called.
    pub async fn create(&self, body: Object) -> Result<IncidentId, Trouble> {
        let data = self.call("/incident/create", body).await?;
        json::from_value(&data["incident_id"])
            .map_err(|e| Kind::Unknown.because(format!("Flashduty's /incident/create: {e}")))
    }

    /// A page of the incidents that started in a time, of at most 31 days, in
    /// these channels, in all if there are none; only those with a text, if one
    /// is given.
    pub(crate) async fn list(
        &self,
        seconds: Range<u64>,
        channels: &[i64],
        after: Option<&str>,
        text: Option<&str>,
    ) -> Result<Listed, Trouble> {
        let mut body = object! {
            "start_time": seconds.start,
            "end_time": seconds.end,
            "channel_ids": channels,
            "asc": true,
            "limit": 100,
        };
        for (name, value) in [("search_after_ctx", after), ("query", text)] {
            if let Some(value) = value {
                json::set(&mut body, name, value);
            }
        }
        let data = self.call("/incident/list", body).await?;
        let next = match data["has_next_page"] == true {
            true => Some(json::from_value(&data["search_after_ctx"]).map_err(|e| {
                Trouble::unreadable(format!("Flashduty's /incident/list: where to go on: {e}"))
            })?),
            false => None,
        };
        let mut incidents = incidents(&data);
        incidents.retain(|incident| !incident.is_deleted());
        Ok(Listed { incidents, next })
    }

    /// Those of some incidents that can be seen; 100 may be asked for.
    pub(crate) async fn by_ids(&self, ids: &[&str]) -> Result<Vec<Incident>, Trouble> {
        let body = object! { "incident_ids": ids };
        let data = self.call("/incident/list-by-ids", body).await?;
        Ok(incidents(&data))
    }

    /// The id of the member with that address who can be called, if Flashduty shows
    /// one. Others it ignores where it is asked to assign them, and perhaps nobody is
    /// called then.
    pub(crate) async fn member(&self, email: &str) -> Result<Option<i64>, Trouble> {
        let query = object! { "query": email, "limit": 100 };
        let data = match self.call("/member/list", query).await {
            Err(trouble) if trouble.is_final() => return Ok(None),
            answer => answer?,
        };
        let is_theirs = |member: &&Value| {
            let address = member["email"].as_str().unwrap_or_default();
            // Whoever was invited and never came is called by nothing.
            let status = member["status"].as_str().unwrap_or("enabled");
            address.eq_ignore_ascii_case(email) && status == "enabled"
        };
        let mut members = list(&data["items"]).iter();
        Ok(members
            .find(is_theirs)
            .and_then(|m| m["member_id"].as_i64()))
    }

    /// Carries out one step. Nobody is assigned who is no member.
    pub async fn step(&self, id: &IncidentId, step: &Step) -> Result<(), Trouble> {
        let (path, mut body) = Self::request(id, step);
        if let Step::Assign { email } = step {
            let Some(member) = self.member(email).await? else {
                return Err(Kind::Refused.because("it shows no member with that address".into()));
            };
            let to = object! { "type": "reassign", "person_ids": vec![member] };
            json::set(&mut body, "assigned_to", to);
        }
        self.call(path, body).await.map(drop)
    }

    /// What a step sends: the path and the body. Whoever is assigned stands there by
    /// address, and is asked for by id once that is known.
    pub fn request(id: &IncidentId, step: &Step) -> (&'static str, Object) {
        let id = id.as_str();
        let ids = Value::from(vec![id]);
        match step {
            Step::Reset {
                title,
                description,
                severity,
            } => {
                let mut body = object! { "incident_id": id };
                for (name, value) in [("title", title), ("description", description)] {
                    if let Some(value) = value {
                        json::set(&mut body, name, value.as_str());
                    }
                }
                if let Some(severity) = severity {
                    json::set(&mut body, "incident_severity", severity.as_str());
                }
                ("/incident/reset", body)
            }
            Step::Acknowledge => ("/incident/ack", object! { "incident_ids": ids }),
            Step::Unacknowledge => ("/incident/unack", object! { "incident_ids": ids }),
            Step::Snooze { minutes } => (
                "/incident/snooze",
                object! { "incident_ids": ids, "minutes": *minutes },
            ),
            Step::Wake => ("/incident/wake", object! { "incident_ids": ids }),
            Step::Reopen { reason } => (
                "/incident/reopen",
                object! { "incident_ids": ids, "reason": reason.as_str() },
            ),
            Step::Resolve {
                resolution,
                root_cause,
            } => {
                let mut body = object! { "incident_ids": ids };
                for (name, text) in [("resolution", resolution), ("root_cause", root_cause)] {
                    if !text.is_empty() {
                        json::set(&mut body, name, text::cut(text, super::NOTE));
                    }
                }
                ("/incident/resolve", body)
            }
            Step::Assign { email } => (
                "/incident/assign",
                object! {
                    "incident_id": id,
                    "assigned_to": object! { "type": "reassign", "emails": vec![email.as_str()] },
                },
            ),
            Step::Field { name, value } => {
                let mut body = object! { "incident_id": id, "field_name": name.as_str() };
                if let Some(value) = value {
                    json::set(&mut body, "field_value", value.clone());
                }
                ("/incident/field/reset", body)
            }
        }
    }

    /// Writes a comment. Asking twice writes two.
    pub async fn comment(&self, id: &IncidentId, text: &str) -> Result<(), Trouble> {
        let body = object! {
            "incident_ids": vec![id.as_str()],
            "comment": text,
            // Spares people the notification that a mirrored remark would cause.
            "mute_reply": true,
        };
        self.call("/incident/comment", body).await.map(drop)
    }

    /// All comments, oldest first.
    pub async fn comments(&self, id: &IncidentId) -> Result<Vec<Comment>, Trouble> {
        let entries = self.timeline(id, "i_comm").await?;
        let mut found = Vec::new();
        for comment in entries.iter().filter_map(|e| Comment::from_entry(id, e)) {
            // The order of the feed is not documented.
            let at = found.partition_point(|c: &Comment| c.created_at <= comment.created_at);
            found.insert(at, comment);
        }
        Ok(found)
    }

    /// The entries of one type in the timeline, in no order.
    pub async fn timeline(&self, id: &IncidentId, kind: &str) -> Result<Vec<Value>, Trouble> {
        let mut found = Vec::new();
        for page in 1..=MAX_PAGES {
            let body = object! {
                "incident_id": id.as_str(),
                "types": vec![kind],
                "p": page,
                "limit": 100,
            };
            let data = self.call("/incident/feed", body).await?;
            let items = list(&data["items"]).iter();
            found.extend(items.filter(|item| item["type"] == kind).cloned());
            if data["has_next_page"] != Value::Bool(true) {
                break;
            }
        }
        Ok(found)
    }

    /// Names of members.
    pub async fn people(&self, ids: &[i64]) -> Result<Vec<Person>, Trouble> {
        let data = self
            .call("/person/infos", object! { "person_ids": ids })
            .await?;
        let items = list(&data["items"]);
        Ok(items
            .iter()
            .filter_map(|item| json::from_value(item).ok())
            .collect())
    }

    async fn call(&self, path: &str, body: Object) -> Result<Value, Trouble> {
        let request = HttpRequest {
            method: "POST".into(),
            url: format!("{}{path}", self.side.url),
            headers: vec![("content-type".into(), "application/json".into())],
            body: json::text(&body.into()).into_bytes(),
            credential: self.side.credential.clone(),
            timeout_ms: TIMEOUT_MS,
        };
        let what = format!("Flashduty's {path}");
        let result = self.effects.http(request).await;
        self.clock_ms.set(clock_ms(&result, self.clock_ms.get()));
        let (status, mut envelope) = json_answer(result, &what)?;
        let error = &envelope["error"];
        let code = error["code"].as_str().unwrap_or_default();
        if matches!(code, "" | "0" | "OK") && (200..300).contains(&status) {
            // To index what is no object would be a panic.
            let data = envelope.get_mut("data").map(Value::take);
            return Ok(data.unwrap_or_default());
        }
        let message = said(&error["message"]);
        let why = format!("{what} answered {status} {code}: {message}");
        let kind = match (code, status) {
            ("ResourceNotFound", _) => Kind::Missing(Side::Flashduty),
            ("Unauthorized" | "RequestTooFrequently" | "RequestLocked", _)
            | (_, 401 | 423 | 429) => Kind::NotNow,
            // The account has to pay; it is no fault of an incident's.
            ("BalanceNotEnough" | "UndonedOrderExist", _) => Kind::NotNow,
            ("InternalError" | "ServiceUnavailable", _) | (_, 500..) => Kind::Unknown,
            _ => Kind::Refused,
        };
        Err(kind.because(why))
    }
}

fn incidents(data: &Value) -> Vec<Incident> {
    let items = list(&data["items"]).iter().cloned();
    items
        .filter_map(|item| Incident::try_from(item).ok())
        .collect()
}

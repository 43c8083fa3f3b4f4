//! What would be done with a captured event, and why.
//!
//! The plugin rehearses on each path that the configuration gives it, and the
//! path on which it takes the event tells whose it is. So no gateway needs an
//! idea of the systems that send events. No secret is needed, nothing is sent,
//! and no store is touched.
//!
//! What is shown are the plugin's log records. Three kinds have a place of
//! their own, see `docs/contract.md`: `trigger`, `decided` and `would send`.

use crate::Rehearsal;
use crate::Rehearsed;
use crate::Runtime;
use crate::contract::Level;
use crate::contract::LogRecord;
use crate::contract::Request;
use crate::contract::Requirements;
use crate::contract::Verdict;
use crate::line::harmless;
use crate::settings::LimitSettings;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::fmt;

/// What shall be explained.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The body of the webhook, as it was captured.
    pub body: Vec<u8>,
    /// The path on which it arrives; found out if it is not given.
    pub path: Option<String>,
    /// What the plugin shall take both systems to hold, in its own terms.
    pub pair: String,
    /// When it arrives, in Unix milliseconds.
    pub now_ms: u64,
}

/// A plugin and a configuration that it takes.
pub struct Explainer<'a, R> {
    /// Runs the plugin.
    pub runtime: &'a R,
    /// The document that the plugin's `configure` accepted.
    pub configuration: &'a str,
    /// What it returned.
    pub requirements: &'a Requirements,
    /// What a session may use.
    pub limits: &'a LimitSettings,
}

/// What would be done with an event. It is displayed for people, and
/// [`json`](Self::json) is for machines.
#[derive(Clone, Debug)]
pub struct Explanation {
    path: String,
    rehearsed: Rehearsed,
}

/// Why an event was not explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The configuration has no such path.
    #[error("no integration receives on {path}; expected one of {}", known.join(", "))]
    UnknownPath {
        /// The path that was given.
        path: String,
        /// Those of the configuration.
        known: Vec<String>,
    },
    /// It is no event of any of the paths: each with what it answered.
    #[error("no path takes the event:\n  {}", .0.join("\n  "))]
    NotTaken(Vec<String>),
    /// It may be an event of any of these paths, and none was given.
    #[error("several paths take the event; name one of them: {}", .0.join(", "))]
    Ambiguous(Vec<String>),
    /// The plugin broke, or went over a limit.
    #[error("the plugin failed on {key}: {why}")]
    Failed {
        /// The key of the work that it failed on.
        key: String,
        /// What happened, in words.
        why: String,
    },
    /// The plugin would leave it to an operator, for this reason.
    #[error("{0}")]
    Parked(String),
}

impl<R: Runtime> Explainer<'_, R> {
    /// Lets the plugin rehearse an event.
    pub async fn explain(&self, event: &Event) -> Result<Explanation, ExplainError> {
        let routes = self.requirements.routes.iter();
        let known: Vec<&str> = routes.map(|route| route.path.as_str()).collect();
        let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let mut paths = known.clone();
        if let Some(path) = &event.path {
            paths.retain(|known| known == path);
            if paths.is_empty() {
                return Err(ExplainError::UnknownPath {
                    path: path.clone(),
                    known: owned(&known),
                });
            }
        }
        let rehearsal = Rehearsal {
            runtime: self.runtime,
            configuration: self.configuration,
            limits: self.limits,
            supposed: &event.pair,
            now_ms: event.now_ms,
        };
        let (mut taken, mut refusals) = (Vec::new(), Vec::new());
        for path in paths {
            let rehearsed = rehearsal.run(request(path, &event.body)).await;
            match refusal(&rehearsed) {
                None => taken.push((path, rehearsed)),
                Some(why) => refusals.push(format!("{path}: {why}")),
            }
        }
        if taken.len() > 1 {
            let paths: Vec<&str> = taken.iter().map(|(path, _)| *path).collect();
            return Err(ExplainError::Ambiguous(owned(&paths)));
        }
        let Some((path, rehearsed)) = taken.pop() else {
            return Err(ExplainError::NotTaken(refusals));
        };
        for work in &rehearsed.work {
            match &work.ended {
                Err(why) => {
                    return Err(ExplainError::Failed {
                        key: work.key.clone(),
                        why: harmless(why),
                    });
                }
                Ok(Verdict::Park(why)) => return Err(ExplainError::Parked(harmless(why))),
                Ok(Verdict::Done | Verdict::Retry(_)) => {}
            }
        }
        Ok(Explanation {
            path: path.to_owned(),
            rehearsed,
        })
    }
}

fn request(path: &str, body: &[u8]) -> Request {
    Request {
        method: "POST".into(),
        path: path.into(),
        query: String::new(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_vec(),
    }
}

/// Why the event was not taken, if it was not.
fn refusal(rehearsed: &Rehearsed) -> Option<String> {
    if let Some(failure) = &rehearsed.failure {
        return Some(failure.clone());
    }
    match &rehearsed.response {
        Some(response) if (200..300).contains(&response.status) => None,
        Some(response) => {
            let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let error = body["error"].as_str().map(str::to_owned);
            let why = error.unwrap_or_else(|| format!("answered {}", response.status));
            Some(harmless(&why))
        }
        None => Some("the plugin gave no answer".into()),
    }
}

impl Explanation {
    /// The explanation as one JSON document, as it is printed and sent.
    pub fn document(&self) -> String {
        format!("{:#}\n", self.json())
    }

    /// The explanation as JSON.
    pub fn json(&self) -> Value {
        let of = |message: &str| -> Vec<Value> {
            let records = self
                .rehearsed
                .logged
                .iter()
                .filter(|r| r.message == message);
            records.map(fields).collect()
        };
        let is_other =
            |r: &&LogRecord| !["trigger", "decided", "would send"].contains(&&*r.message);
        let notes = self.rehearsed.logged.iter().filter(is_other);
        let notes: Vec<Value> = notes
            .map(|record| {
                let level = level(record.level);
                json!({ "level": level, "message": record.message, "fields": fields(record) })
            })
            .collect();
        json!({
            "path": self.path,
            "trigger": of("trigger").into_iter().next(),
            "decisions": of("decided"),
            "requests": of("would send"),
            "notes": notes,
            "outcome": self.outcome(),
        })
    }

    fn outcome(&self) -> Value {
        let waits = self
            .rehearsed
            .work
            .iter()
            .find_map(|work| match &work.ended {
                Ok(Verdict::Retry(retry)) => Some(retry.reason.as_str()),
                _ => None,
            });
        let sends = self
            .rehearsed
            .logged
            .iter()
            .any(|r| r.message == "would send");
        match (waits, sends) {
            (Some(reason), _) => json!({ "kind": "waits", "reason": reason }),
            (None, true) => json!({ "kind": "sends" }),
            (None, false) => json!({ "kind": "nothing" }),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "event on {}", self.path)?;
        // They repeat what anybody wrote into an incident.
        let logged: Vec<LogRecord> = self.rehearsed.logged.iter().map(in_lines).collect();
        let decisions: Vec<[&str; 2]> = logged
            .iter()
            .filter(|r| r.message == "decided")
            .map(|r| [field(r, "field"), field(r, "outcome")])
            .collect();
        let width = |at: usize| {
            decisions
                .iter()
                .map(|d| d[at].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths = (width(0), width(1));
        for record in &logged {
            match record.message.as_str() {
                "decided" => decision(f, record, widths)?,
                "would send" => sending(f, record)?,
                message => {
                    write!(f, "{message}")?;
                    for (name, value) in own_fields(record) {
                        write!(f, "  {name}: {value}")?;
                    }
                    writeln!(f)?;
                }
            }
        }
        match self.outcome() {
            outcome if outcome["kind"] == "nothing" => writeln!(f, "nothing would be sent"),
            outcome if outcome["kind"] == "waits" => {
                writeln!(
                    f,
                    "would wait  {}",
                    harmless(outcome["reason"].as_str().unwrap_or_default())
                )
            }
            _ => Ok(()),
        }
    }
}

/// A record whose texts are fit for lines of a terminal.
fn in_lines(record: &LogRecord) -> LogRecord {
    let fields = record.fields.iter();
    LogRecord {
        level: record.level,
        message: harmless(&record.message),
        fields: fields
            .map(|(name, value)| (harmless(name), harmless(value)))
            .collect(),
    }
}

/// One line: the field, what happens to it, its values, and why.
fn decision(
    f: &mut fmt::Formatter<'_>,
    record: &LogRecord,
    (names, outcomes): (usize, usize),
) -> fmt::Result {
    let (name, outcome) = (field(record, "field"), field(record, "outcome"));
    write!(f, "  {name:names$}  {outcome:outcomes$}  ")?;
    // What is written somewhere is under the name of the place.
    let place = outcome.strip_prefix("to-").unwrap_or_default();
    match (field(record, "before"), field(record, place)) {
        (_, "") => {
            let values: Vec<String> = own_fields(record)
                .filter(|(name, _)| !["field", "outcome", "why", "source"].contains(name))
                .map(|(name, value)| format!("{name} {value}"))
                .collect();
            write!(f, "{}", values.join(", "))?;
        }
        ("", after) => write!(f, "{after}")?,
        (before, after) => write!(f, "{before} -> {after}")?,
    }
    match field(record, "source") {
        "" => {}
        source => write!(f, "  from {source}")?,
    }
    writeln!(f, "  {}", field(record, "why"))
}

/// What is sent, with its body on lines of its own.
fn sending(f: &mut fmt::Formatter<'_>, record: &LogRecord) -> fmt::Result {
    writeln!(
        f,
        "would send  {} {}",
        field(record, "to"),
        field(record, "request")
    )?;
    let body = field(record, "body");
    let body = serde_json::from_str(body).map_or(body.to_owned(), |v: Value| format!("{v:#}"));
    for line in body.lines() {
        // What is escaped in JSON may stand there as it is when it is shown.
        writeln!(f, "    {}", harmless(line))?;
    }
    Ok(())
}

fn field<'a>(record: &'a LogRecord, name: &str) -> &'a str {
    let found = record.fields.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}

/// The fields that are not the same in all records of one event.
fn own_fields(record: &LogRecord) -> impl Iterator<Item = (&str, &str)> {
    let fields = record
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    fields.filter(|(name, _)| !["integration", "pair", "number"].contains(name))
}

/// The fields of a record; a body that is JSON is shown as what it is.
fn fields(record: &LogRecord) -> Value {
    let fields = record.fields.iter().map(|(name, value)| {
        let parsed = (name == "body")
            .then(|| serde_json::from_str(value).ok())
            .flatten();
        (name.clone(), parsed.unwrap_or_else(|| json!(value)))
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

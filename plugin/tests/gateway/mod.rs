//! A gateway with both far ends in memory, as small as a session can bear: one
//! Flashduty incident, one ServiceNow record, and whatever else lists show; no
//! rules of their own. The real behaviour of the two is the business of the
//! simulators.
#![allow(dead_code, unused_imports)] // Not every test needs all of it.

pub(crate) mod lists;

use serde_json::Value;
use serde_json::json;
use servicenow_sync_plugin::Context;
use servicenow_sync_plugin::Effect;
use servicenow_sync_plugin::Entry;
use servicenow_sync_plugin::HttpFailure;
use servicenow_sync_plugin::HttpRequest;
use servicenow_sync_plugin::Input;
use servicenow_sync_plugin::KeyedEntry;
use servicenow_sync_plugin::Page;
use servicenow_sync_plugin::Precondition;
use servicenow_sync_plugin::Reply;
use servicenow_sync_plugin::Request;
use servicenow_sync_plugin::Response;
use servicenow_sync_plugin::Retry;
use servicenow_sync_plugin::Schedule;
use servicenow_sync_plugin::Standing;
use servicenow_sync_plugin::Verdict;
use servicenow_sync_plugin::Work;
use servicenow_sync_plugin::Write;
use servicenow_sync_plugin::open;
use std::collections::BTreeMap;

/// The id of the one incident in Flashduty.
pub(crate) const INCIDENT: &str = "6a1d2f45c0ffee0123456789";

/// The id of a record that was opened in ServiceNow.
pub(crate) const RECORD: &str = "00000000000000000000000000000007";

/// A session of this many turns has lost its way.
const TURNS: usize = 3000;

/// Everything that a session can see and change.
#[derive(Clone)]
pub(crate) struct Gateway {
    context: Context,
    pub(crate) now_ms: u64,
    store: BTreeMap<String, Entry>,
    revision: u64,
    pub(crate) scheduled: Vec<Schedule>,
    /// The incident as Flashduty's Open API shows it.
    pub(crate) incident: Value,
    /// Flashduty's timeline, comments only.
    pub(crate) timeline: Vec<Value>,
    /// The record as the Table API shows it; null if there is none.
    pub(crate) record: Value,
    /// The rows of other tables, by the table's name.
    pub(crate) rows: BTreeMap<&'static str, Value>,
    /// What else Flashduty lists.
    pub(crate) incidents: Vec<Value>,
    /// What else ServiceNow lists.
    pub(crate) records: Vec<Value>,
    /// What was logged: the message and the values of its fields.
    pub(crate) logged: Vec<String>,
    /// What was asked of the far ends: `GET incident` or `/incident/list`.
    pub(crate) calls: Vec<String>,
    /// What the far ends answer instead: a status and a body of HTML.
    pub(crate) page: Option<u16>,
    /// By how much the far ends' clocks are ahead of the gateway's; none if
    /// their answers have no date.
    pub(crate) ahead_ms: Option<i64>,
    /// After so many steps a session is cut off, with the last step done.
    pub(crate) steps: usize,
    /// What the far ends were told: `PATCH incident` and the columns, or
    /// `/incident/ack` and the body.
    pub(crate) written: Vec<(String, Value)>,
    /// The records that an operator's query finds.
    pub(crate) in_scope: Vec<String>,
    /// How often the work on a pair has been tried before.
    pub(crate) attempt: u32,
    /// Count and time of the last change that the next write leaves.
    pub(crate) stamps: Option<(String, String)>,
    /// Every request as it left the plugin.
    pub(crate) requests: Vec<HttpRequest>,
    /// What a far end answers to requests whose method and URL hold such a text.
    pub(crate) answers: Vec<(&'static str, Vec<u8>)>,
    /// Whether the answers to writes get lost once they are carried out.
    pub(crate) loses_answers: bool,
    /// What method and URL hold of requests that are refused.
    pub(crate) refused: Option<&'static str>,
    /// The code of such an answer.
    pub(crate) refusal: &'static str,
    /// What URLs hold that bring no answer.
    pub(crate) silent: Option<&'static str>,
    /// Whether the incident is not to be seen in Flashduty.
    pub(crate) incident_is_gone: bool,
    /// Whether the record is not to be seen in ServiceNow.
    pub(crate) record_is_gone: bool,
    /// What a person makes of an incident as soon as it is created.
    pub(crate) changed_at_once: Value,
    /// Whether somebody else has acknowledged the incident too.
    pub(crate) others_acknowledged: bool,
    /// What Flashduty tells of people who are asked for by id.
    pub(crate) people: Vec<Value>,
    /// What a rule of the instance makes of a record whenever it is written.
    pub(crate) by_rule: Value,
    /// The addresses of the members whom Flashduty knows.
    pub(crate) members: Vec<&'static str>,
    /// Whether the instance drops what is written to a journal.
    pub(crate) drops_journals: bool,
    /// How long the answer to a look-up of records takes.
    pub(crate) look_up_ms: u64,
    /// Whether the instance gives new records a `sys_id` of its own.
    pub(crate) chooses_sys_ids: bool,
    /// Whether the instance ignores the conditions of queries.
    pub(crate) ignores_conditions: bool,
}

impl Gateway {
    /// With one integration, `prod`, of these settings, and a new incident in
    /// Flashduty. The store is not new.
    pub(crate) fn new(settings: &Value) -> Self {
        let mut gateway = Self::with_a_new_store(settings);
        gateway.has_looked("prod");
        gateway
    }

    /// As [`new`](Self::new), with an empty store.
    pub(crate) fn with_a_new_store(settings: &Value) -> Self {
        Self {
            context: Context {
                configuration: configuration(settings),
                rehearsal: None,
            },
            now_ms: 1_780_300_800_000,
            store: BTreeMap::new(),
            revision: 0,
            scheduled: Vec::new(),
            incident: json!({
                "incident_id": INCIDENT,
                "title": "disk full",
                "description": "on db-1",
                "incident_severity": "Critical",
                "progress": "Triggered",
                "channel_id": 1,
                "snoozed_before": 0,
            }),
            timeline: Vec::new(),
            record: Value::Null,
            rows: BTreeMap::new(),
            incidents: Vec::new(),
            records: Vec::new(),
            logged: Vec::new(),
            calls: Vec::new(),
            page: None,
            ahead_ms: Some(0),
            steps: TURNS,
            in_scope: Vec::new(),
            attempt: 0,
            stamps: None,
            written: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            loses_answers: false,
            refused: None,
            refusal: "InvalidParameter",
            silent: None,
            incident_is_gone: false,
            record_is_gone: false,
            others_acknowledged: false,
            people: Vec::new(),
            by_rule: json!({}),
            members: Vec::new(),
            drops_journals: false,
            changed_at_once: json!({}),
            look_up_ms: 0,
            chooses_sys_ids: false,
            ignores_conditions: false,
        }
    }

    /// As [`new`](Self::new), with a record that is linked and nothing to do.
    pub(crate) fn linked(settings: &Value) -> Self {
        let mut gateway = Self::new(settings);
        gateway.flashduty("i_new");
        assert_eq!(gateway.work(), Verdict::Done);
        assert!(!gateway.record.is_null(), "no record");
        gateway.written.clear();
        gateway
    }

    /// Goes on with these settings.
    pub(crate) fn configure(&mut self, settings: &Value) {
        self.context.configuration = configuration(settings);
    }

    /// Has another integration besides, with these settings and a store that is not
    /// new.
    pub(crate) fn also(&mut self, settings: &Value) {
        let mut all: Value = serde_json::from_str(&self.context.configuration).unwrap();
        let mut other = all["integration"][0].clone();
        merge(&mut other, settings);
        let id = other["id"].as_str().unwrap().to_owned();
        all["integration"].as_array_mut().unwrap().push(other);
        self.context.configuration = all.to_string();
        self.has_looked(&id);
    }

    /// An integration has looked at both sides with this store.
    fn has_looked(&mut self, integration: &str) {
        for side in ["flashduty", "servicenow"] {
            let key = format!("unbroken.first-look.{integration}.{side}");
            self.store(&key, &json!(1));
        }
    }

    /// Flashduty tells of the incident as it is.
    pub(crate) fn flashduty(&mut self, event_type: &str) {
        let event = json!({ "event_type": event_type, "incident": self.incident });
        self.receive("/flashduty/prod", &event);
    }

    /// ServiceNow tells of the record, and of these columns.
    pub(crate) fn servicenow(&mut self, columns: &Value) {
        self.servicenow_tells("prod", columns);
    }

    /// As [`servicenow`](Self::servicenow), to an integration.
    pub(crate) fn servicenow_tells(&mut self, integration: &str, columns: &Value) {
        let mut body = columns.clone();
        body["sys_id"] = self.record["sys_id"].clone();
        self.receive(&format!("/servicenow/{integration}"), &body);
    }

    /// A request comes from outside.
    pub(crate) fn receive(&mut self, path: &str, body: &Value) {
        let input = Input::Request(request(path, body));
        self.play(input);
    }

    /// An operator asks for something.
    pub(crate) fn order(&mut self, what: &str, body: &Value) {
        let input = Input::Operator(request(&format!("/prod/{what}"), body));
        self.play(input);
    }

    /// Does the work of the incident's pair.
    pub(crate) fn work(&mut self) -> Verdict {
        self.work_on(&format!("f-{INCIDENT}"))
    }

    /// Does the work of a pair.
    pub(crate) fn work_on(&mut self, pair: &str) -> Verdict {
        self.run_work(pair).expect("a verdict")
    }

    /// As [`work_on`](Self::work_on), which may be cut off.
    pub(crate) fn run_work(&mut self, pair: &str) -> Option<Verdict> {
        self.run_work_of("prod", pair)
    }

    /// As [`run_work`](Self::run_work), of an integration.
    pub(crate) fn run_work_of(&mut self, integration: &str, pair: &str) -> Option<Verdict> {
        self.now_ms += 1000;
        let work = Work {
            key: format!("{integration}.{pair}"),
            reasons: Vec::new(),
            attempt: self.attempt,
        };
        self.play(Input::Work(work))
    }

    /// Polls a side, `flashduty` or `servicenow`.
    pub(crate) fn poll(&mut self, side: &str) -> Verdict {
        self.run_poll(side).expect("a verdict")
    }

    /// As [`poll`](Self::poll), which may be cut off.
    pub(crate) fn run_poll(&mut self, side: &str) -> Option<Verdict> {
        let work = Work {
            key: format!("prod.poll-{side}"),
            reasons: Vec::new(),
            attempt: 0,
        };
        self.play(Input::Work(work))
    }

    /// The pairs that work was scheduled for since the last look.
    pub(crate) fn asked_for(&mut self) -> Vec<String> {
        let keys = self.scheduled.drain(..).map(|s| s.key);
        keys.filter(|key| !key.starts_with("prod.poll-")).collect()
    }

    /// ServiceNow has the incident's record, of which this store knows nothing.
    pub(crate) fn has_a_record_of_an_earlier_store(&mut self) {
        self.record = json!({
            "sys_id": "00000000000000000000000000000007",
            "number": "INC0010007",
            "correlation_id": format!("flashduty:prod:{INCIDENT}"),
            "sys_mod_count": "1",
        });
        self.ignores_conditions = true;
    }

    /// From now on another gateway is at work, whose clock is so far ahead of
    /// that of the one before.
    pub(crate) fn hand_over(&mut self, ahead_ms: i64) {
        self.now_ms = self.now_ms.checked_add_signed(ahead_ms).unwrap();
        self.ahead_ms = self.ahead_ms.map(|far_ms| far_ms - ahead_ms);
    }

    /// The store notices that it was set back, and both sides are looked at.
    pub(crate) fn set_back(&mut self) {
        self.store.retain(|key, _| !key.starts_with("unbroken."));
        for side in ["flashduty", "servicenow"] {
            assert_eq!(self.poll(side), Verdict::Done);
        }
        self.scheduled.clear();
    }

    /// The store is lost, and both sides have been looked at with a new one long ago.
    pub(crate) fn lose_the_store(&mut self) {
        self.store.retain(|key, _| key.starts_with("unbroken."));
    }

    /// Takes a value out of the store.
    pub(crate) fn forget(&mut self, key: &str) {
        assert!(self.store.remove(key).is_some(), "{key} is not there");
    }

    /// Puts a value into the store.
    pub(crate) fn store(&mut self, key: &str, value: &Value) {
        let write = Write {
            key: key.into(),
            precondition: Precondition::Absent,
            value: Some(value.to_string().into_bytes()),
        };
        self.write(write).unwrap();
    }

    /// The record of the incident's own pair.
    pub(crate) fn pair(&self) -> Value {
        self.pair_of(&format!("f-{INCIDENT}"))
    }

    /// What is stored of the pair of that name.
    pub(crate) fn pair_of(&self, name: &str) -> Value {
        let entry = &self.store[&format!("pair.prod.{name}")];
        serde_json::from_slice(&entry.value).unwrap()
    }

    /// The pair of the incident is stored as something else.
    pub(crate) fn amend_pair(&mut self, change: impl FnOnce(&mut Value)) {
        let mut pair = self.pair();
        change(&mut pair);
        let key = format!("pair.prod.f-{INCIDENT}");
        self.store.get_mut(&key).unwrap().value = pair.to_string().into_bytes();
    }

    /// The keys that begin so.
    pub(crate) fn stored(&self, prefix: &str) -> Vec<&str> {
        let keys = self.store.keys().map(String::as_str);
        keys.filter(|key| key.starts_with(prefix)).collect()
    }

    /// What was written by this name, in order.
    pub(crate) fn sent(&self, name: &str) -> Vec<&Value> {
        let written = self.written.iter().filter(|(sent, _)| sent == name);
        written.map(|(_, body)| body).collect()
    }

    fn play(&mut self, input: Input) -> Option<Verdict> {
        let mut session = open(input, &self.context);
        let mut replies = Vec::new();
        for turn in 0..TURNS {
            if turn == self.steps {
                return None;
            }
            let effects = session.resume(self.now_ms, replies);
            if let Some(Effect::Finish(verdict)) = effects.last() {
                let verdict = verdict.clone();
                for effect in effects {
                    self.carry_out(effect);
                }
                return Some(verdict);
            }
            if effects.is_empty() {
                return None;
            }
            // In whatever order, as the contract has it.
            let carried_out = effects.into_iter().rev().map(|e| self.carry_out(e));
            replies = carried_out.collect();
            replies.reverse();
        }
        panic!("no end after {TURNS} turns: {:?}", self.written);
    }

    fn carry_out(&mut self, effect: Effect) -> Reply {
        match effect {
            Effect::Http(request) => Reply::Http(self.http(&request)),
            Effect::Get(keys) => {
                Reply::Entries(keys.iter().map(|k| self.store.get(k).cloned()).collect())
            }
            Effect::Scan(scan) => {
                let matching = |(key, entry): (&String, &Entry)| {
                    let is_behind = scan.after.as_ref().is_none_or(|after| key > after);
                    let is_asked_for = key.starts_with(&scan.prefix) && is_behind;
                    is_asked_for.then(|| KeyedEntry {
                        key: key.clone(),
                        entry: entry.clone(),
                    })
                };
                let mut entries: Vec<_> = self.store.iter().filter_map(matching).collect();
                let limit = scan.limit as usize;
                let is_last = entries.len() <= limit;
                entries.truncate(limit);
                let next = entries.last().filter(|_| !is_last).map(|e| e.key.clone());
                Reply::Page(Page { entries, next })
            }
            Effect::Write(write) => Reply::Written(self.write(write)),
            Effect::AwaitWork(_) => Reply::Standing(Standing::UnderWay),
            Effect::Schedule(schedule) => {
                self.scheduled.push(schedule);
                Reply::Done
            }
            Effect::Log(record) => {
                let values = record.fields.iter().map(|(_, value)| value.as_str());
                let parts: Vec<_> = [record.message.as_str()]
                    .into_iter()
                    .chain(values)
                    .collect();
                self.logged.push(parts.join(" "));
                Reply::Done
            }
            Effect::Respond(_) | Effect::Finish(_) => Reply::Done,
        }
    }

    fn write(&mut self, write: Write) -> Result<u64, ()> {
        let is_of_a_key = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(write.key.chars().all(is_of_a_key), "{}", write.key);
        let held = self.store.get(&write.key).map(|entry| entry.revision);
        let holds = match write.precondition {
            Precondition::Absent => held.is_none(),
            Precondition::Revision(revision) => held == Some(revision),
        };
        if !holds {
            return Err(());
        }
        self.revision += 1;
        let revision = self.revision;
        match write.value {
            Some(value) => self.store.insert(write.key, Entry { value, revision }),
            None => self.store.remove(&write.key),
        };
        Ok(revision)
    }

    /// What every answer in JSON has.
    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("content-type".into(), "application/json".into())];
        headers.extend(self.ahead_ms.map(|ahead_ms| {
            let far_ms = self.now_ms.checked_add_signed(ahead_ms).unwrap();
            ("Date".into(), lists::http_date(far_ms))
        }));
        headers
    }

    fn http(&mut self, request: &HttpRequest) -> Result<Response, HttpFailure> {
        self.requests.push(request.clone());
        let what = format!("{} {}", request.method, request.url);
        if self.silent.is_some_and(|silent| what.contains(silent)) {
            return Err(HttpFailure::Unknown("nobody answers".into()));
        }
        if let Some((_, body)) = self.answers.iter().find(|(part, _)| what.contains(part)) {
            return Ok(Response {
                status: 200,
                headers: vec![("content-type".into(), "application/json".into())],
                body: body.clone(),
            });
        }
        if self.refused.is_some_and(|refused| what.contains(refused)) {
            let error = json!({ "error": { "code": self.refusal, "message": "no" } });
            return Ok(Response {
                status: 400,
                headers: self.headers(),
                body: error.to_string().into_bytes(),
            });
        }
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let before = self.written.len();
        let is_gone = match request.url.contains("/api/now/table/incident/") {
            true => self.record_is_gone,
            false => self.incident_is_gone && request.url.ends_with("/incident/info"),
        };
        if is_gone {
            let error = json!({ "error": { "code": "ResourceNotFound", "message": "none" } });
            return Ok(Response {
                status: 404,
                headers: self.headers(),
                body: error.to_string().into_bytes(),
            });
        }
        if let Some(status) = self.page {
            return Ok(Response {
                status,
                headers: vec![("content-type".into(), "text/html".into())],
                body: b"<title>Not today</title>".into(),
            });
        }
        if request.method == "GET" && request.url.contains("/table/incident?") {
            self.now_ms += self.look_up_ms;
        }
        let mut headers = self.headers();
        let answer = match request.url.split_once("/api/now/table/") {
            Some((_, path)) => {
                let (table, query) = path.split_once('?').unwrap_or((path, ""));
                self.calls.push(format!("{} {table}", request.method));
                if let Some((rows, total)) = self.changed(table, query) {
                    headers.push(("X-Total-Count".into(), total.to_string()));
                    json!({ "result": rows })
                } else {
                    json!({ "result": self.table(&request.method, path, &body) })
                }
            }
            None => {
                let (_, path) = match request.url.ends_with("/member/list") {
                    true => ("", "members"),
                    false => request.url.rsplit_once("/incident/").unwrap_or_default(),
                };
                self.calls.push(path.into());
                json!({ "data": self.open_api(path, &body) })
            }
        };
        if self.loses_answers && self.written.len() > before {
            return Err(HttpFailure::Unknown("the line is dead".into()));
        }
        Ok(Response {
            status: 200,
            headers,
            body: answer.to_string().into_bytes(),
        })
    }

    fn table(&mut self, method: &str, path: &str, columns: &Value) -> Value {
        let (table, query) = path.split_once('?').unwrap_or((path, ""));
        let is_asked_for = |record: &Value| {
            let id = record["sys_id"].as_str().unwrap_or_default();
            table == format!("incident/{id}")
        };
        if !is_asked_for(&self.record)
            && let Some(other) = self.records.iter_mut().find(|other| is_asked_for(other))
        {
            if let Some(told) = columns["work_notes"].as_str().filter(|_| method == "PATCH") {
                let held = other["work_notes"].as_str().unwrap_or_default();
                other["work_notes"] = json!(format!("{told}\n{held}"));
            }
            return other.clone();
        }
        if method == "GET" {
            return match table {
                "incident" if query.contains("sys_idIN") => {
                    let rows = self.in_scope.iter().map(|id| json!({ "sys_id": id }));
                    rows.collect()
                }
                // A look-up of what may be there already.
                "incident" => {
                    let id = self.record["sys_id"].as_str();
                    let is_meant = id.is_some_and(|id| query.contains(id));
                    match is_meant || self.ignores_conditions && id.is_some() {
                        true => json!([self.record]),
                        false => json!([]),
                    }
                }
                table if table.starts_with("incident/") => self.record.clone(),
                table => self.rows.get(table).cloned().unwrap_or(json!([])),
            };
        }
        if method == "POST" {
            let replaced = self.record.take();
            self.records
                .extend((!replaced.is_null()).then_some(replaced));
            self.record = json!({
                "number": "INC0010001", "state": "1", "impact": "3", "urgency": "3",
                "short_description": "", "description": "", "sys_mod_count": "0",
                "comments": "", "work_notes": "",
            });
        }
        self.written
            .push((format!("{method} incident"), columns.clone()));
        for (name, value) in columns.as_object().into_iter().flatten() {
            self.record[name] = match name.as_str() {
                "sys_id" if self.chooses_sys_ids => json!("0123456789abcdef0123456789abcdef"),
                "comments" | "work_notes" if self.drops_journals => continue,
                // A journal keeps what it holds.
                "comments" | "work_notes" => {
                    let held = self.record[name].as_str().unwrap_or_default();
                    json!(format!("{}\n{held}", value.as_str().unwrap_or_default()))
                }
                _ => value.clone(),
            };
        }
        merge(&mut self.record, &self.by_rule);
        if let Some((count, changed)) = self.stamps.take() {
            self.record["sys_mod_count"] = json!(count);
            self.record["sys_updated_on"] = json!(changed);
        }
        self.record.clone()
    }

    fn open_api(&mut self, path: &str, body: &Value) -> Value {
        match path {
            "info" => return self.incident.clone(),
            "list" => return self.listed(body),
            "list-by-ids" => return self.listed_by_ids(body),
            "feed" => {
                let wanted = |entry: &&Value| body["types"][0] == entry["type"];
                let items: Vec<_> = self.timeline.iter().filter(wanted).collect();
                return json!({ "items": items });
            }
            "" => return json!({ "items": self.people }),
            "members" => {
                let members = (1..).zip(&self.members);
                let shown = members.map(|(id, email)| json!({ "member_id": id, "email": email }));
                return json!({ "items": shown.collect::<Vec<_>>() });
            }
            "ack" => self.incident["progress"] = json!("Processing"),
            "unack" if self.others_acknowledged => {}
            "unack" | "reopen" => self.incident["progress"] = json!("Triggered"),
            "resolve" => self.incident["progress"] = json!("Closed"),
            "snooze" => {
                let minutes = body["minutes"].as_u64().unwrap_or_default();
                self.incident["snoozed_before"] = json!(self.now_ms / 1000 + minutes * 60);
            }
            "assign" => {
                let id = body["assigned_to"]["person_ids"][0].as_u64().unwrap();
                let email = self.members[usize::try_from(id).unwrap() - 1];
                self.incident["responders"] = json!([{ "person_id": id, "email": email }]);
                if self.incident["progress"] == "Processing" {
                    self.incident["progress"] = json!("Triggered");
                }
            }
            "field/reset" => {}
            "reset" => {
                for name in ["title", "description", "incident_severity"] {
                    if let Some(value) = body.get(name) {
                        self.incident[name] = value.clone();
                    }
                }
            }
            "create" => {
                self.incident = body.clone();
                self.incident["incident_id"] = json!(INCIDENT);
                self.incident["progress"] = json!("Triggered");
                self.incident["fields"] = json!({});
                self.incident["created_at"] = json!(self.now_ms / 1000);
                self.incident["updated_at"] = json!(self.now_ms / 1000);
                self.written.push((path.into(), body.clone()));
                let created = self.incident.clone();
                for (name, value) in self.changed_at_once.as_object().unwrap() {
                    self.incident[name] = value.clone();
                }
                return created;
            }
            "comment" => {
                let text = body["comment"].as_str().unwrap_or_default();
                let text = text.to_owned();
                self.comment(&text);
            }
            other => panic!("no such path: {other}"),
        }
        self.written.push((path.into(), body.clone()));
        json!({})
    }

    /// A comment appears in Flashduty's timeline.
    pub(crate) fn comment(&mut self, text: &str) {
        self.timeline.push(json!({
            "type": "i_comm",
            "creator_id": 7,
            "created_at": self.now_ms,
            "detail": { "comment": text },
        }));
    }
}

/// No settings, or no columns.
pub(crate) fn nothing() -> Value {
    json!({})
}

/// The reason why the work is to be tried again.
pub(crate) fn retried(verdict: Verdict) -> Retry {
    match verdict {
        Verdict::Retry(retry) => retry,
        other => panic!("expected another try, found {other:?}"),
    }
}

/// The one choice that an instance knows for the close code.
pub(crate) fn close_code(value: &str, label: &str) -> Value {
    json!([{ "element": "close_code", "value": value, "label": label }])
}

/// ServiceNow has told of a record that Flashduty does not have yet; and its pair.
pub(crate) fn opened_in_servicenow() -> (Gateway, String) {
    let mut gateway = Gateway::new(&nothing());
    gateway.incident = Value::Null;
    gateway.record = json!({
        "sys_id": RECORD, "number": "INC0010007", "state": "1", "impact": "1", "urgency": "1",
        "short_description": "disk full", "description": "", "sys_mod_count": "1",
    });
    gateway.servicenow(&nothing());
    (gateway, format!("s-{RECORD}"))
}

fn configuration(settings: &Value) -> String {
    let mut integration = json!({
        "id": "prod",
        "direction": "two-way",
        "flashduty": { "credential": "flashduty", "channels": [1] },
        "servicenow": { "url": "https://example.service-now.com", "credential": "servicenow" },
    });
    merge(&mut integration, settings);
    json!({ "integration": [integration] }).to_string()
}

fn merge(integration: &mut Value, settings: &Value) {
    for (name, setting) in settings.as_object().unwrap() {
        integration[name] = setting.clone();
    }
}

fn request(path: &str, body: &Value) -> Request {
    Request {
        method: "POST".into(),
        path: path.into(),
        query: String::new(),
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

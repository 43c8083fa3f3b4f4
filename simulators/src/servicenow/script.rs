//! Scripts that an administrator has pasted into the instance, run as they are.
//!
//! The script API of the platform is written in JavaScript
//! (`script/glide.js`); what touches the instance goes through one function,
//! `host`, to [`State`]. Each run has an engine of its own, so that nothing is
//! left behind.
//!
//! A script that waits for the answer to a request cannot hold the whole
//! simulator up. So the answers of the instance are noted, and the run ends
//! there; when the answer is known, the script runs from the start again, and
//! what it has asked before is answered from the notes instead of being done
//! twice.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use rquickjs::CatchResultExt as _;
use rquickjs::Context;
use rquickjs::Ctx;
use rquickjs::Function;
use rquickjs::Runtime;
use rquickjs::context::EvalOptions;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;

use super::display::DisplayMode;
use super::display::View;
use super::instance::Instance;
use super::instance::NO_LAG;
use super::instance::Record;
use super::query::Query;
use super::schema::Kind;
use super::session::Session;
use super::write::Input;
use super::write::Write;
use super::write::Written;

const GLIDE: &str = include_str!("script/glide.js");

/// How often the engine may look whether a script goes on for too long; it
/// looks every ten thousand steps.
const MOST_LOOKS: u32 = 10_000;

/// What a script works on, and who runs it.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// Who the script runs for. What it does on the server is not bound by the
    /// user's rights.
    pub(super) session: Session,
    pub(super) now_ms: u64,
    pub(super) lag_ms: u64,
    pub(super) subject: Subject,
    /// What the instance answered before the run was broken off.
    pub(super) notes: Vec<String>,
}

/// What starts a script.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// A rule, its condition, or a button that runs on the server: the script
    /// finds `current`.
    Record {
        sys_id: String,
        operation: &'static str,
        previous_is_null: bool,
        /// What was typed into the form of a button, and not saved yet.
        changes: Input,
        code: String,
    },
    /// A button that runs in the browser.
    Form {
        sys_id: String,
        /// What was typed and not saved yet.
        changes: Input,
        /// Whether the form reaches the instance after what the script asks.
        saves_late: bool,
        code: String,
        onclick: String,
    },
}

/// A request that a script sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outgoing {
    pub(super) method: String,
    pub(super) endpoint: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) timeout_ms: Option<u64>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Requests that nobody waits for.
    pub(super) sent: Vec<Outgoing>,
    /// The request whose answer the script waits for, if it does.
    pub(super) waits_for: Option<Outgoing>,
    /// What the user was shown.
    pub(super) shown: Vec<String>,
    /// Lines of the instance's log: level and text.
    pub(super) log: Vec<(String, String)>,
    /// Incidents that were written.
    pub(super) written: Vec<Written>,
    /// Whether the last expression is true: the value of a condition.
    pub(super) holds: bool,
    /// Whether the form was submitted, to run the script on the server.
    pub(super) submitted: bool,
    /// What to run again with.
    pub(super) notes: Vec<String>,
}

/// The instance while a script runs.
struct State {
    instance: Instance,
    task: Task,
    /// The user, free of access control.
    unbound: Session,
    /// How many notes this run has used.
    read: usize,
    outcome: Outcome,
    /// Writes of the form that reach the instance at the end.
    late: Option<Map<String, Value>>,
    broken_off: Rc<Cell<bool>>,
}

/// Runs a script on the instance.
pub(super) fn run(instance: &mut Instance, task: Task) -> Outcome {
    let broken_off = Rc::new(Cell::new(false));
    let state = Rc::new(RefCell::new(State {
        // Lent for the run: the engine holds only what it may keep for ever.
        instance: std::mem::take(instance),
        read: 0,
        outcome: Outcome::default(),
        late: None,
        broken_off: broken_off.clone(),
        unbound: task.session.unbound(),
        task,
    }));
    let subject = state.borrow().task.subject.clone();
    let (is_client, code) = match subject {
        Subject::Record { code, .. } => (false, code),
        Subject::Form { code, onclick, .. } => (true, format!("{code}\n{onclick}\ntakeAnswers();")),
    };
    let ended = evaluate(&state, is_client, None, &code);
    let mut state = state.borrow_mut();
    match ended {
        Ok(text) => state.outcome.holds = text.as_deref() == Some("true"),
        Err(_) if broken_off.get() => {}
        Err(error) => state.outcome.log.push(("error".to_owned(), error)),
    }
    if !broken_off.get()
        && let Some(fields) = state.late.take()
    {
        state.save(&fields);
    }
    *instance = std::mem::take(&mut state.instance);
    let mut outcome = std::mem::take(&mut state.outcome);
    outcome.notes = std::mem::take(&mut state.task.notes);
    outcome
}

/// Runs code in an engine of its own, after the script includes if on the
/// server; gives the value of its last expression as text.
fn evaluate(
    state: &Rc<RefCell<State>>,
    is_client: bool,
    parameters: Option<&Value>,
    code: &str,
) -> Result<Option<String>, String> {
    let broken = |error: rquickjs::Error| format!("the script engine: {error}");
    let runtime = Runtime::new().map_err(broken)?;
    let broken_off = state.borrow().broken_off.clone();
    let mut looks = 0;
    runtime.set_interrupt_handler(Some(Box::new(move || {
        looks += 1;
        broken_off.get() || looks > MOST_LOOKS
    })));
    let includes = state.borrow().instance.options.script_includes.clone();
    let context = Context::full(&runtime).map_err(broken)?;
    context.with(|context| {
        let start = state
            .borrow_mut()
            .noted(|state| state.start(is_client, parameters));
        let host = {
            let state = state.clone();
            move |operation: String, details: String| match operation.as_str() {
                "start" => start.clone(),
                "ajax" => ajax(&state, &details),
                _ => state.borrow_mut().answer(&operation, &details),
            }
        };
        let host = Function::new(context.clone(), host).map_err(broken)?;
        context.globals().set("host", host).map_err(broken)?;
        one(&context, "glide.js", GLIDE)?;
        if !is_client {
            for (name, code) in &includes {
                if let Err(error) = one(&context, name, code) {
                    let mut state = state.borrow_mut();
                    state.outcome.log.push(("error".to_owned(), error));
                }
            }
        }
        one(&context, "script", code)
    })
}

fn one(context: &Ctx, name: &str, code: &str) -> Result<Option<String>, String> {
    let mut options = EvalOptions::default();
    // Scripts of the platform are written for an old engine.
    options.strict = false;
    options.filename = Some(name.to_owned());
    let value = context
        .eval_with_options::<rquickjs::Value, _>(code, options)
        .catch(context)
        .map_err(|error| error.to_string().trim_end().to_owned())?;
    let is_scalar = value.is_string() || value.is_bool() || value.is_number();
    let text = is_scalar.then(|| value.get::<rquickjs::Coerced<String>>());
    Ok(text.and_then(Result::ok).map(|text| text.0))
}

/// A call from the browser to a script include. Only what that asks of the
/// instance is noted, since it has to run again with the form's script.
fn ajax(state: &Rc<RefCell<State>>, details: &str) -> String {
    let details: Value = serde_json::from_str(details).unwrap_or_default();
    let code = format!("callProcessor({})", details["processor"]);
    match evaluate(state, false, Some(&details["parameters"]), &code) {
        Ok(answer) => json!(answer).to_string(),
        Err(_) if state.borrow().broken_off.get() => "suspended".to_owned(),
        Err(error) => {
            let mut state = state.borrow_mut();
            state.outcome.log.push(("error".to_owned(), error));
            "null".to_owned()
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(details: &Value) -> Option<T> {
    serde_json::from_value(details.clone()).ok()
}

impl State {
    /// What was noted of this step in an earlier run, or else what is done
    /// now.
    fn noted(&mut self, step: impl FnOnce(&mut State) -> Value) -> String {
        let note = match self.task.notes.get(self.read) {
            Some(note) => note.clone(),
            None => {
                let note = step(self).to_string();
                self.task.notes.push(note.clone());
                note
            }
        };
        self.read += 1;
        note
    }

    /// Answers one call of the script API.
    fn answer(&mut self, operation: &str, details: &str) -> String {
        let details: Value = serde_json::from_str(details).unwrap_or_default();
        if matches!(operation, "save" | "submit") {
            self.hold_form(operation, &details);
        }
        if operation == "execute" && self.read == self.task.notes.len() {
            self.outcome.waits_for = read(&details);
            self.broken_off.set(true);
            return "suspended".to_owned();
        }
        self.noted(|state| state.perform(operation, &details))
    }

    /// What the script API has to know before the script runs.
    fn start(&self, is_client: bool, parameters: Option<&Value>) -> Value {
        let session = &self.task.session;
        let instance = &self.instance;
        let mut start = json!({
            "is_client": is_client,
            "now_ms": self.task.now_ms,
            "user_name": session.user_name,
            "user_id": session.user_id,
            "user_display_name": instance.reference_name("sys_user", &session.user_id, NO_LAG),
            "parameters": parameters,
        });
        match &self.task.subject {
            Subject::Record {
                sys_id,
                operation,
                previous_is_null,
                changes,
                ..
            } => {
                start["current"] = json!({
                    "sys_id": sys_id,
                    "changes": changes,
                    "row": instance.record("incident", sys_id),
                    "operation": operation,
                    "previous_is_null": previous_is_null,
                });
            }
            Subject::Form {
                sys_id, changes, ..
            } if is_client => {
                start["form"] = json!({
                    "sys_id": sys_id,
                    "row": instance.record("incident", sys_id),
                    "changes": changes,
                });
            }
            Subject::Form { .. } => {}
        }
        start
    }

    fn perform(&mut self, operation: &str, details: &Value) -> Value {
        let text = |name: &str| details[name].as_str().unwrap_or_default();
        match operation {
            "columns" => self.columns(text("table")),
            "query" => self.query(text("table"), text("query"), details["limit"].as_u64()),
            "raw" => {
                let row = read(&details["row"]).unwrap_or_default();
                let raw = self.instance.raw(text("table"), &row, text("path"), NO_LAG);
                json!(raw)
            }
            "shown" => {
                let row = read(&details["row"]).unwrap_or_default();
                self.display_value(text("table"), &row, text("path"))
            }
            "journal" => self.journal(text("sys_id"), text("element"), &details["count"]),
            "write" => {
                let mut fields: Input = read(&details["fields"]).unwrap_or_default();
                // The only column of a new record that its form has already.
                fields.extend(details["new_sys_id"].as_str().map(sys_id_column));
                let session = self.unbound.clone();
                self.write(&session, text("table"), details["sys_id"].as_str(), &fields)
            }
            "save" | "submit" => {
                if self.late.is_none() {
                    self.save(&read(&details["fields"]).unwrap_or_default());
                }
                Value::Null
            }
            "send" => {
                self.outcome.sent.extend(read::<Outgoing>(details));
                Value::Null
            }
            "show" => {
                self.outcome.shown.push(text("text").to_owned());
                Value::Null
            }
            "log" => {
                let line = (text("level").to_owned(), text("text").to_owned());
                self.outcome.log.push(line);
                Value::Null
            }
            "property" => json!(self.instance.options.properties.get(text("name"))),
            "has_role" => json!(self.task.session.has_any(&[text("role")])),
            "guid" => json!(self.instance.new_sys_id()),
            "base64_encode" => json!(STANDARD.encode(text("text"))),
            "base64_decode" => {
                let bytes = STANDARD.decode(text("text")).unwrap_or_default();
                json!(String::from_utf8_lossy(&bytes))
            }
            "mac" => json!(mac(text("key"), text("algorithm"), text("data"))),
            _ => Value::Null,
        }
    }

    fn columns(&self, table: &str) -> Value {
        let columns = self.instance.schema.columns(table);
        let described = columns.into_iter().flatten().map(|(name, column)| {
            let reference = match column.kind {
                Kind::Reference(target) => Some(target),
                _ => None,
            };
            let kind = column.kind.internal_type();
            (name.clone(), json!({"type": kind, "reference": reference}))
        });
        Value::Object(described.collect())
    }

    fn query(&mut self, table: &str, query: &str, limit: Option<u64>) -> Value {
        let instance = &self.instance;
        let mut query = match Query::parse(query, &|_| None) {
            Ok(query) => query,
            Err(unsupported) => {
                let text = format!("the simulator lacks {}", unsupported.0);
                self.outcome.log.push(("error".to_owned(), text));
                return json!([]);
            }
        };
        query.drop_unknown(|path| instance.schema.walk(table, path).is_some());
        let raw = |record, path: &str| instance.raw(table, record, path, NO_LAG);
        let mut found: Vec<&Record> = instance
            .records(table)
            .filter(|record| query.matches(&|path| raw(record, path)))
            .collect();
        query.sort(&mut found, |record, path| raw(record, path));
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        found.truncate(limit.unwrap_or(usize::MAX));
        json!(found)
    }

    fn view(&self, path: &str) -> View<'_> {
        View {
            instance: &self.instance,
            session: &self.unbound,
            now_ms: NO_LAG,
            base_url: "",
            mode: DisplayMode::Shown,
            exclude_reference_link: true,
            fields: Some(vec![path.to_owned()]),
        }
    }

    fn display_value(&self, table: &str, row: &Record, path: &str) -> Value {
        self.view(path).record(table, row)[path].clone()
    }

    /// `getJournalEntry`: the newest with 1, all with -1.
    fn journal(&self, sys_id: &str, element: &str, count: &Value) -> Value {
        let row = Record::from([("sys_id".to_owned(), sys_id.to_owned())]);
        let all = self.display_value("incident", &row, element);
        if count.as_i64() == Some(-1) {
            return all;
        }
        let entries = all.as_str().unwrap_or_default();
        // The blank line that ends an entry, and the head of the next.
        json!(entries.split_inclusive("\n\n").next().unwrap_or_default())
    }

    fn write(
        &mut self,
        session: &Session,
        table: &str,
        sys_id: Option<&str>,
        fields: &Input,
    ) -> Value {
        let write = Write {
            session,
            now_ms: self.task.now_ms,
            lag_ms: self.task.lag_ms,
            display_values: false,
        };
        let written = match sys_id {
            Some(sys_id) => self.instance.update(table, sys_id, fields, &write),
            None => self.instance.insert(table, fields, &write),
        };
        match written {
            Ok(written) => {
                let row = json!(self.instance.record(table, &written.sys_id));
                if table == "incident" {
                    self.outcome.written.push(written);
                }
                row
            }
            Err(refusal) => {
                let text = format!("not written: {}", refusal.body());
                self.outcome.log.push(("error".to_owned(), text));
                Value::Null
            }
        }
    }

    /// Keeps what the form sends for the end of the run, if it is late. This is
    /// done again when the script runs again.
    fn hold_form(&mut self, operation: &str, details: &Value) {
        self.outcome.submitted |= operation == "submit";
        if let Subject::Form {
            saves_late: true, ..
        } = self.task.subject
        {
            self.late = read(&details["fields"]);
        }
    }

    /// The form reaches the instance: a new record, or changes of one. It is
    /// the user who writes, with no more than the user's rights.
    fn save(&mut self, fields: &Map<String, Value>) {
        let Subject::Form { sys_id, .. } = &self.task.subject else {
            return;
        };
        let sys_id = sys_id.clone();
        let mut fields: Input = fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let session = self.task.session.clone();
        if self.instance.record("incident", &sys_id).is_some() {
            self.write(&session, "incident", Some(&sys_id), &fields);
        } else {
            fields.extend([sys_id_column(&sys_id)]);
            self.write(&session, "incident", None, &fields);
        }
    }
}

fn sys_id_column(sys_id: &str) -> (String, String) {
    ("sys_id".to_owned(), sys_id.to_owned())
}

/// The key comes in Base64, and so does the code go.
fn mac(key: &str, algorithm: &str, data: &str) -> Option<String> {
    if !algorithm.eq_ignore_ascii_case("HmacSHA256") {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).ok()?).ok()?;
    mac.update(data.as_bytes());
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

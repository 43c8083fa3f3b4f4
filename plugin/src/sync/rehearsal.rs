//! A session that changes nothing, and tells what it would do: where the
//! integration says `dry-run`, and where the gateway only rehearses.

use super::Stop;
use super::Why;
use super::case::Case;
use crate::Level;
use crate::comment;
use crate::flashduty::FlashdutyApi;
use crate::flashduty::Incident;
use crate::json;
use crate::json::object;
use crate::pair::Base;
use crate::plan::Note;
use crate::plan::Plan;
use crate::plan::Side;
use crate::servicenow::Columns;
use crate::servicenow::Record;
use alloc::string::String;
use alloc::string::ToString;
use serde_json::Value;

/// What the far ends shall be taken to hold, as far as somebody has said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Supposed {
    /// An incident as Flashduty's Open API shows it.
    pub(crate) flashduty: Option<Incident>,
    /// A record as ServiceNow's Table API shows it.
    pub(crate) servicenow: Option<Record>,
    /// What both agreed on before; nothing unless given.
    pub(crate) base: Base,
}

impl Supposed {
    /// Reads the text of a rehearsal; an empty one supposes nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let read = || -> Result<Self, String> {
            let mut given = json::parse(text.as_bytes()).map_err(|e| e.to_string())?;
            let mut supposed = Self::default();
            for (name, value) in given.as_object_mut().into_iter().flatten() {
                let value = value.take();
                match name.as_str() {
                    _ if value.is_null() => {}
                    "flashduty" => supposed.flashduty = Some(Incident::try_from(value)?),
                    "servicenow" => supposed.servicenow = Some(Record::try_from(value)?),
                    "base" => {
                        supposed.base = json::from_value(&value).map_err(|e| e.to_string())?;
                    }
                    name => return Err(format!("unknown key \"{name}\"")),
                }
            }
            Ok(supposed)
        };
        read().map_err(|e| {
            format!(
                "expected {{\"flashduty\": <incident>, \"servicenow\": <record>, \"base\": <what \
                 they agreed on>}}, each of which may be left out: {e}"
            )
        })
    }
}

/// The columns of a plan, with words for what would have to be looked up.
pub(super) fn shown_columns(plan: &Plan) -> Columns {
    let mut columns = plan.columns.clone();
    for reference in &plan.references {
        let shown = match reference.value.as_str() {
            "" => String::new(),
            value => format!(
                "<the {} whose {} is {value}>",
                reference.table, reference.by
            ),
        };
        columns.insert(reference.column.clone(), shown.into());
    }
    columns
}

impl Case<'_> {
    /// Tells which comments of webhooks would be carried.
    pub(super) fn rehearse_comments(&self) {
        if !self.integration.direction.from_servicenow() {
            return;
        }
        let id = self.incident_id().map(|id| id.to_string());
        for entry in self.comments_of_webhooks() {
            let body = object! {
                "incident_id": id.as_deref().unwrap_or("<the new incident>"),
                "comment": comment::for_flashduty(&entry),
            };
            self.would_send("Flashduty", "POST /incident/comment", &body.into());
        }
    }

    /// Tells what a plan would send.
    pub(super) fn rehearse(&self, plan: &Plan) {
        let columns = shown_columns(plan);
        if let Some(id) = self.sys_id().filter(|_| !columns.is_empty()) {
            self.would_send(
                "ServiceNow",
                &format!("PATCH incident/{id}"),
                &columns.into(),
            );
        }
        if let Some(id) = self.incident_id() {
            for step in &plan.steps {
                let (path, body) = FlashdutyApi::request(&id, step);
                self.would_send("Flashduty", &format!("POST {path}"), &body.into());
            }
        }
        if plan.successor {
            let text = "a new record, which takes the place of the one that is over";
            self.would_send("ServiceNow", "POST incident", &text.into());
        }
        for Note { to, text } in &plan.notes {
            let system = match to {
                Side::Flashduty => "Flashduty",
                Side::ServiceNow => "ServiceNow",
            };
            self.would_send(system, "a note", &text.as_str().into());
        }
    }

    /// Tells what a creation would send, and ends the session.
    pub(super) fn would_create(&self, system: &str, request: &str, columns: Columns) -> Stop {
        self.would_send(system, request, &columns.into());
        self.rehearse_comments();
        Why::Rehearsed.into()
    }

    fn would_send(&self, system: &str, request: &str, body: &Value) {
        let fields = [
            ("to", system),
            ("request", request),
            ("body", &json::text(body)),
        ];
        self.log(Level::Info, "would send", &fields);
    }
}

//! Both far ends as far as one pair needs them: answers in memory.

use integration_gateway::contract::HttpRequest;
use integration_gateway::contract::Response;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

pub(crate) const INCIDENT: &str = "6a1d2f45c0ffee0123456789";

/// One Flashduty incident, and the ServiceNow record that the plugin makes of
/// it.
pub(crate) struct FarEnds {
    pub(crate) severity: &'static str,
    record: Map<String, Value>,
    /// Changes of the record after its creation.
    pub(crate) updates: u32,
}

impl FarEnds {
    pub(crate) fn new() -> Self {
        let record = Map::from_iter([("number".into(), json!("INC0010001"))]);
        Self {
            severity: "Critical",
            record,
            updates: 0,
        }
    }

    /// The incident as Flashduty shows it, in webhooks and when asked.
    pub(crate) fn incident(&self) -> Value {
        json!({
            "incident_id": INCIDENT,
            "title": "Disk full on db-7",
            "description": "The volume /data is at 98%.",
            "incident_severity": self.severity,
            "progress": "Processing",
            "channel_id": 1,
            "channel_name": "Payments",
            "created_at": 1_700_000_000,
            "updated_at": 1_700_000_100,
            "responders": [{ "person_id": 7, "person_name": "Ana" }],
        })
    }

    pub(crate) fn answer(&mut self, request: &HttpRequest) -> Response {
        let path = request.url.split('?').next().unwrap_or_default();
        let body = match (request.method.as_str(), path.rsplit('/').next()) {
            ("POST", Some("info")) => json!({ "data": self.incident() }),
            ("POST", Some("feed")) => json!({ "data": { "items": [] } }),
            ("POST", Some("comment")) => json!({ "data": {} }),
            ("GET", Some("incident" | "sys_journal_field")) => json!({ "result": [] }),
            ("GET", _) => json!({ "result": self.shown() }),
            (method, _) => {
                self.updates += u32::from(method == "PATCH");
                let columns = serde_json::from_slice(&request.body).unwrap_or_default();
                self.record.extend::<Map<String, Value>>(columns);
                json!({ "result": self.shown() })
            }
        };
        let headers = vec![("content-type".into(), "application/json".into())];
        Response {
            status: 200,
            headers,
            body: body.to_string().into(),
        }
    }

    /// Every column with its value and what people see.
    fn shown(&self) -> Value {
        let columns = self.record.iter();
        columns
            .map(|(name, value)| {
                (
                    name.clone(),
                    json!({ "value": value, "display_value": value }),
                )
            })
            .collect::<Map<_, _>>()
            .into()
    }
}

//! `/webhook/history/…`: what became of webhooks in the last seven days.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;
use time::OffsetDateTime;
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

use super::super::Flashduty;
use super::super::delivery::Attempt;
use super::super::envelope::ApiError;
use super::super::params::required;
use super::Call;
use super::Page;
use crate::Delivery;

const KEPT_MS: u64 = 7 * 24 * 3600 * 1000;
/// Times here are milliseconds; a smaller number is surely in seconds.
const FIRST_MS: u64 = 1_000_000_000_000;

impl Flashduty {
    pub(super) fn webhook_history_list(&mut self, call: &Call) -> Result<Value, ApiError> {
        let params = &call.params;
        required("limit", params.amount("limit")?)?;
        let page = Page::read(params, 20, 100)?;
        let start_ms = required("start_time", params.amount("start_time")?)?;
        let end_ms = required("end_time", params.amount("end_time")?)?;
        for (name, time) in [("start_time", start_ms), ("end_time", end_ms)] {
            if time < FIRST_MS {
                return Err(ApiError::invalid(format!(
                    "{name}: expected Unix milliseconds, found {time}"
                )));
            }
        }
        if end_ms <= start_ms {
            return Err(ApiError::invalid(format!(
                "end_time: expected a time after start_time {start_ms}, found {end_ms}"
            )));
        }
        let integration_id = params.integer("integration_id")?.filter(|id| *id != 0);
        let ref_id = params.text("ref_id")?.filter(|id| !id.is_empty());
        let kinds = params.texts("event_types")?.unwrap_or_default();
        let status = params.text("status")?.filter(|status| !status.is_empty());
        let oldest_ms = call.now_ms.saturating_sub(KEPT_MS);
        let mut found: Vec<&Attempt> = self
            .deliveries()
            .iter()
            .filter(|it| it.event_ms >= oldest_ms && (start_ms..=end_ms).contains(&it.event_ms))
            .filter(|it| integration_id.is_none_or(|id| it.integration_id == id))
            .filter(|it| ref_id.is_none_or(|id| it.incident_id == id))
            .filter(|it| kinds.is_empty() || kinds.iter().any(|kind| kind == it.kind.as_str()))
            .filter(|it| status.is_none_or(|status| outcome(it) == status))
            .collect();
        if !params.flag("asc")?.unwrap_or(false) {
            found.reverse();
        }
        let total = found.len();
        if let Some(cursor) = params
            .text("search_after_ctx")?
            .filter(|cursor| !cursor.is_empty())
        {
            let after = found.iter().position(|it| it.history_id == cursor);
            found.drain(..after.map_or(0, |index| index + 1));
        }
        let (found, more) = page.cut(found);
        let cursor = match found.last() {
            Some(last) if more => last.history_id.as_str(),
            _ => "",
        };
        let items: Vec<Value> = found.into_iter().map(item).collect();
        Ok(json!({ "items": items, "search_after_ctx": cursor, "total": total }))
    }

    pub(super) fn webhook_history_detail(&mut self, call: &Call) -> Result<Value, ApiError> {
        let history_id = call.params.required_text("event_id")?;
        let integration_id = call.params.required_integer("integration_id")?;
        let attempt = self
            .deliveries()
            .iter()
            .find(|it| it.history_id == history_id && it.integration_id == integration_id)
            .ok_or_else(|| ApiError::not_found("webhook event", history_id))?;
        let mut detail = item(attempt);
        let incident = self.incidents.get(&attempt.incident_id);
        let channel = self.account.channels.get(&attempt.channel_id);
        detail["ref_title"] = json!(incident.map(|it| it.title.as_str()));
        detail["channel_name"] = json!(channel.map(|it| it.name.as_str()));
        Ok(detail)
    }
}

fn outcome(attempt: &Attempt) -> &'static str {
    if attempt.succeeded() {
        "success"
    } else {
        "failed"
    }
}

fn item(attempt: &Attempt) -> Value {
    let mut item = json!({
        "integration_id": attempt.integration_id,
        "event_id": attempt.history_id,
        "webhook_type": "incident",
        "event_type": attempt.kind.as_str(),
        "channel_id": attempt.channel_id,
        "ref_id": attempt.incident_id,
        "request_headers": headers(&attempt.request_headers),
        "request_body": attempt.request_body,
        "endpoint": attempt.url,
        "attempt": attempt.attempt,
        "duration": attempt.duration_ms,
        "status": outcome(attempt),
        "status_code": 0,
        "event_time": timestamp(attempt.event_ms),
    });
    match &attempt.delivery {
        Delivery::Answered(response) => {
            item["status_code"] = json!(response.status);
            item["response_headers"] = json!(headers(&response.headers));
            item["response_body"] = json!(String::from_utf8_lossy(&response.body));
        }
        Delivery::Failed(reason) => item["error_message"] = json!(reason),
        Delivery::TimedOut => {
            item["error_message"] =
                json!("context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
        }
    }
    item
}

/// A JSON object inside a string.
fn headers(headers: &[(String, String)]) -> String {
    let map: BTreeMap<_, _> = headers.iter().cloned().collect();
    json!(map).to_string()
}

/// In the time zone of the real service's home, `+08:00`.
fn timestamp(ms: u64) -> String {
    let nanos = i128::from(ms) * 1_000_000;
    UtcOffset::from_hms(8, 0, 0)
        .ok()
        .zip(OffsetDateTime::from_unix_timestamp_nanos(nanos).ok())
        .and_then(|(offset, at)| at.to_offset(offset).format(&Rfc3339).ok())
        .unwrap_or_default()
}

//! The doors: which path leads where, and who may pass.

mod history;
mod incidents;
mod list;
mod lookups;

use std::borrow::Cow;

use serde_json::Value;
use serde_json::json;

use super::Flashduty;
use super::envelope::ApiError;
use super::envelope::ErrorCode;
use super::envelope::wrap;
use super::faults::too_many_requests;
use super::params::Params;
use crate::Request;
use crate::Response;

const ALERT_PUSH: &str = "/event/push/alert/standard";

/// Those calls of the Open API that a sync makes and that change nothing. All
/// calls are `POST`, so the method does not tell.
pub const READS: [&str; 5] = [
    "/incident/info",
    "/incident/list",
    "/incident/list-by-ids",
    "/incident/feed",
    "/person/infos",
];

/// A call of the Open API, once it is known who calls.
struct Call {
    member_id: i64,
    params: Params,
    now_ms: u64,
}

type Endpoint = fn(&mut Flashduty, &Call) -> Result<Value, ApiError>;

fn endpoint(path: &str) -> Option<Endpoint> {
    let endpoint: Endpoint = match path {
        "/incident/create" => Flashduty::incident_create,
        "/incident/info" => Flashduty::incident_info_call,
        "/incident/list" => Flashduty::incident_list,
        "/incident/list-by-ids" => Flashduty::incident_list_by_ids,
        "/incident/ack" => Flashduty::incident_ack,
        "/incident/unack" => Flashduty::incident_unack,
        "/incident/resolve" => Flashduty::incident_resolve,
        "/incident/reopen" => Flashduty::incident_reopen,
        "/incident/snooze" => Flashduty::incident_snooze,
        "/incident/wake" => Flashduty::incident_wake,
        "/incident/comment" => Flashduty::incident_comment,
        "/incident/reset" => Flashduty::incident_reset,
        "/incident/field/reset" => Flashduty::incident_field_reset,
        "/incident/merge" => Flashduty::incident_merge,
        "/incident/disable-merge" => Flashduty::incident_disable_merge,
        "/incident/remove" => Flashduty::incident_remove,
        "/incident/assign" => Flashduty::incident_assign,
        "/incident/responder/add" => Flashduty::incident_responder_add,
        "/incident/feed" => Flashduty::incident_feed,
        "/incident/alert/list" => Flashduty::incident_alert_list,
        "/incident/custom-action/do" => Flashduty::incident_custom_action_do,
        "/field/list" => Flashduty::field_list,
        "/field/info" => Flashduty::field_info,
        "/channel/list" => Flashduty::channel_list,
        "/channel/info" => Flashduty::channel_info,
        "/channel/infos" => Flashduty::channel_infos,
        "/channel/escalate/rule/list" => Flashduty::escalate_rule_list,
        "/member/list" => Flashduty::member_list,
        "/member/info" => Flashduty::member_info,
        "/person/infos" => Flashduty::person_infos,
        "/webhook/history/list" => Flashduty::webhook_history_list,
        "/webhook/history/detail" => Flashduty::webhook_history_detail,
        _ => return None,
    };
    Some(endpoint)
}

impl Flashduty {
    /// Answers a request of any kind.
    pub(super) fn route(&mut self, request: &Request, now_ms: u64) -> Response {
        let path = request.path.as_str();
        if let Some(rest) = path.strip_prefix("/simulator/") {
            return self.control(rest, request, now_ms);
        }
        if request.method == "GET" && (path == "/" || path.starts_with("/incident/detail/")) {
            return self.page(path, now_ms);
        }
        let request_id = self.ids.request(now_ms);
        // A push is no call of the Open API: other key, other limits. It is
        // hit only by faults that name its path.
        if path != ALERT_PUSH
            && endpoint(path).is_some()
            && let Some(limit) = self.options.rate_limit
            && let Err(retry_after_s) = self.recent_calls.admit(limit, now_ms)
        {
            return too_many_requests(&request_id, retry_after_s);
        }
        let fault = match endpoint(path) {
            Some(_) => self.faults.strike(path, now_ms),
            None if path == ALERT_PUSH => self.faults.strike_named(path, now_ms),
            None => None,
        };
        match fault {
            None => {
                let outcome = self.answer(request, now_ms);
                wrap(&request_id, outcome)
            }
            Some(fault) => {
                if fault.commits() {
                    // Whether it was refused is not told either.
                    let _ = self.answer(request, now_ms);
                }
                fault.response(&request_id)
            }
        }
    }

    fn answer(&mut self, request: &Request, now_ms: u64) -> Result<Value, ApiError> {
        let path = request.path.as_str();
        let endpoint = endpoint(path);
        if endpoint.is_none() && path != ALERT_PUSH {
            return Err(ApiError::new(
                ErrorCode::RouteNotFound,
                format!("there is no route {path}"),
            ));
        }
        if request.method != "POST" {
            return Err(ApiError::new(
                ErrorCode::MethodNotAllowed,
                format!("expected POST, found {}", request.method),
            ));
        }
        let Some(endpoint) = endpoint else {
            let key = query_value(request, "integration_key").unwrap_or_default();
            let params = read_params(request)?;
            return self.standard_alert_push(&key, &params, now_ms);
        };
        let app_key = query_value(request, "app_key").unwrap_or_default();
        let member = self.account.member_by_key(&app_key).ok_or_else(|| {
            let what = if app_key.is_empty() {
                "is required in the query"
            } else {
                "is not valid"
            };
            ApiError::new(ErrorCode::Unauthorized, format!("app_key: {what}"))
        })?;
        let call = Call {
            member_id: member.member_id,
            params: read_params(request)?,
            now_ms,
        };
        endpoint(self, &call)
    }
}

/// A page of a list, counted by page number.
struct Page {
    number: u64,
    limit: u64,
}

impl Page {
    fn read(params: &Params, default_limit: u64, max_limit: u64) -> Result<Page, ApiError> {
        let number = params.amount("p")?.unwrap_or(1).max(1);
        let limit = match params.amount("limit")? {
            None | Some(0) => default_limit,
            Some(limit) if limit <= max_limit => limit,
            Some(limit) => {
                return Err(ApiError::invalid(format!(
                    "limit: expected 1 to {max_limit}, found {limit}"
                )));
            }
        };
        if number.saturating_mul(limit) > 10_000 {
            return Err(ApiError::invalid(format!(
                "p: page {number} of {limit} ends beyond item 10000; narrow the search or use \
                 search_after_ctx"
            )));
        }
        Ok(Page { number, limit })
    }

    /// The items of the page, and whether there is another.
    fn cut<T>(&self, items: Vec<T>) -> (Vec<T>, bool) {
        let to_index = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let start = to_index((self.number - 1) * self.limit);
        let more = items.len() > start.saturating_add(to_index(self.limit));
        let page = items
            .into_iter()
            .skip(start)
            .take(to_index(self.limit))
            .collect();
        (page, more)
    }
}

/// The data of calls that only do something.
fn nothing() -> Value {
    json!({})
}

fn read_params(request: &Request) -> Result<Params, ApiError> {
    let content_type = request
        .headers
        .iter()
        .find(|(name, _)| name == "content-type")
        .map_or("", |(_, value)| value.as_str());
    let is_json = content_type
        .to_ascii_lowercase()
        .starts_with("application/json");
    if !request.body.is_empty() && !is_json {
        return Err(ApiError::new(
            ErrorCode::InvalidContentType,
            format!("content-type: expected application/json, found {content_type:?}"),
        ));
    }
    Params::parse(&request.body)
}

fn query_value<'a>(request: &'a Request, name: &str) -> Option<Cow<'a, str>> {
    url::form_urlencoded::parse(request.query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

//! Routes under `/simulator/`, by which people and scripts steer the simulator.
//!
//! They are no part of ServiceNow: they need no credentials, and no fault
//! meets them.

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use super::ServiceNow;
use super::answer;
use super::business_rule::ManualForm;
use super::faults::Fault;
use super::faults::Span;
use super::faults::Target;
use super::faults::WebhookFault;
use super::instance::JOURNAL;
use super::parameters::Parameters;
use super::ui_action::Form;
use super::ui_action::Race;
use super::write::Input;
use crate::AWAIT;
use crate::Request;
use crate::Response;

const ROUTES: &str = "the routes are GET /simulator/state, GET, POST and DELETE \
    /simulator/faults, POST /simulator/send-to-flashduty/{sys_id}, \
    POST /simulator/press/{sys_id}, \
    DELETE /simulator/tokens, PATCH /simulator/users/{user_name}";

/// The body of `POST /simulator/faults`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultRequest {
    /// A fault of answers.
    fault: Option<Fault>,
    /// The method of the requests that it meets.
    method: Option<String>,
    /// A part of the path of the requests that it meets.
    path: Option<String>,
    /// A fault of webhooks.
    webhooks: Option<WebhookFault>,
    /// How long readers do not see what is written.
    read_lag_ms: Option<u64>,
    /// How many requests or webhooks are met; 1 if neither this is given nor
    /// `for_ms`.
    next: Option<u32>,
    /// How long requests or webhooks are met.
    for_ms: Option<u64>,
}

/// The body of `PATCH /simulator/users/{user_name}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserRequest {
    roles: Option<Vec<String>>,
    password: Option<String>,
    /// Columns of `sys_user`.
    #[serde(default)]
    fields: Input,
}

/// The body of `POST /simulator/press/{sys_id}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PressRequest {
    /// Who presses the button.
    user: String,
    /// What was typed into the form before.
    #[serde(default)]
    changes: Input,
    /// Who is quicker.
    #[serde(default)]
    race: Race,
}

impl ServiceNow {
    /// Answers a request whose path begins with `/simulator`.
    pub(super) fn control(&mut self, request: &Request, now_ms: u64) -> Response {
        let path = request.path.trim_start_matches("/simulator");
        let segments: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let outcome = match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["state"]) => Ok(self.state()),
            ("GET", ["faults"]) => Ok(self.faults.to_json()),
            ("POST", ["faults"]) => self.add_fault(&request.body, now_ms),
            ("DELETE", ["faults"]) => {
                self.faults.clear();
                Ok(self.faults.to_json())
            }
            ("POST", ["send-to-flashduty", sys_id]) => Ok(self.button(request, sys_id, now_ms)),
            ("POST", ["press", sys_id]) => match self.press_button(sys_id, &request.body, now_ms) {
                Ok(press) => return self.pressed(press),
                Err(error) => Err(error),
            },
            ("DELETE", ["tokens"]) => {
                self.tokens.revoke_all();
                Ok(json!({}))
            }
            ("PATCH", ["users", user_name]) => self.change_user(user_name, &request.body, now_ms),
            (method, _) => {
                let error = format!("no route {method} {}: {ROUTES}", request.path);
                return answer::json(404, &json!({"error": error}));
            }
        };
        match outcome {
            Ok(body) => answer::json(200, &body),
            Err(error) => answer::json(400, &json!({"error": error})),
        }
    }

    fn state(&self) -> Value {
        let instance = &self.instance;
        let incidents: Vec<_> = self.incidents().collect();
        let journal = instance.records(JOURNAL).collect::<Vec<_>>();
        let users: serde_json::Map<_, _> = instance
            .accounts
            .iter()
            .map(|(name, account)| (name.clone(), json!({"roles": account.roles})))
            .collect();
        let outbound: Vec<_> = self
            .outbound_log()
            .map(|entry| {
                let outcome = match &entry.outcome {
                    None => json!("under way"),
                    Some(Ok(status)) => json!(status),
                    Some(Err(reason)) => json!(reason),
                };
                json!({"sys_id": entry.sys_id, "at_ms": entry.at_ms, "outcome": outcome})
            })
            .collect();
        json!({
            "incidents": incidents,
            "journal": journal,
            "users": users,
            "faults": self.faults.to_json(),
            "webhooks_waiting": self.queue.waiting(),
            "webhooks_sent": outbound,
            "script_log": self.script_log().collect::<Vec<_>>(),
        })
    }

    fn add_fault(&mut self, body: &[u8], now_ms: u64) -> Result<Value, String> {
        let wanted: FaultRequest = read(body)?;
        let span = match (wanted.next, wanted.for_ms) {
            (Some(_), Some(_)) => return Err("give either next or for_ms, not both".to_owned()),
            (None, Some(for_ms)) => Span::Until(now_ms.saturating_add(for_ms)),
            (next, None) => Span::Next(next.unwrap_or(1)),
        };
        if wanted.fault.is_none() && wanted.webhooks.is_none() && wanted.read_lag_ms.is_none() {
            let error = "expected at least one of fault, webhooks and read_lag_ms; an example is {\"fault\": \"server_error\", \"next\": 3}";
            return Err(error.to_owned());
        }
        if let Some(fault) = wanted.fault {
            let target = Target {
                method: wanted.method,
                path: wanted.path,
            };
            self.faults.answer_to(target, fault, span);
        }
        if let Some(fault) = wanted.webhooks {
            self.faults.webhooks(fault, span);
        }
        if let Some(lag_ms) = wanted.read_lag_ms {
            self.faults.set_read_lag_ms(lag_ms);
        }
        Ok(self.faults.to_json())
    }

    fn button(&mut self, request: &Request, sys_id: &str, now_ms: u64) -> Value {
        let form = match Parameters::parse(&request.query).get("form") {
            Some("newer") => ManualForm::Newer,
            _ => ManualForm::Guide,
        };
        let sent = self.send_to_flashduty(sys_id, form, now_ms);
        // What the script on the form says, which knows only of the queue.
        json!({"answer": if sent { "Success" } else { "Request failed" }})
    }

    fn press_button(&mut self, sys_id: &str, body: &[u8], now_ms: u64) -> Result<u64, String> {
        let wanted: PressRequest = read(body)?;
        let form = Form {
            sys_id: sys_id.to_owned(),
            changes: wanted.changes,
            race: wanted.race,
        };
        self.press(&wanted.user, &form, now_ms)
            .map_err(|refusal| match refusal.status {
                401 => format!("no user {:?}", wanted.user),
                _ => "the instance has no button; see --ui-action-client and --ui-action-server"
                    .to_owned(),
            })
    }

    /// What the user has seen, or sees later if the script waits.
    fn pressed(&self, press: u64) -> Response {
        let shown = self.shown(press).cloned().unwrap_or_default();
        let mut response = answer::json(200, &json!({"messages": shown.messages}));
        if !shown.finished {
            let header = (AWAIT.to_owned(), press.to_string());
            response.headers.push(header);
        }
        response
    }

    /// The answer to a press whose script has waited.
    pub(super) fn pressed_in_the_end(&self, press: u64) -> Option<Response> {
        let finished = self.shown(press).is_none_or(|shown| shown.finished);
        finished.then(|| self.pressed(press))
    }

    fn change_user(&mut self, user_name: &str, body: &[u8], now_ms: u64) -> Result<Value, String> {
        let wanted: UserRequest = read(body)?;
        let Some(account) = self.instance.accounts.get_mut(user_name) else {
            let known: Vec<_> = self.instance.accounts.keys().cloned().collect();
            return Err(format!(
                "no user {user_name:?}; there are {}",
                known.join(", ")
            ));
        };
        if let Some(roles) = wanted.roles {
            account.roles = roles.into_iter().collect();
        }
        if let Some(password) = wanted.password {
            account.password = password;
        }
        for (column, text) in &wanted.fields {
            if self.instance.schema.column("sys_user", column).is_none() {
                return Err(format!("sys_user has no column {column:?}"));
            }
            self.set_user_field(user_name, column, text, now_ms);
        }
        Ok(json!({}))
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("cannot read the body: {error}"))
}

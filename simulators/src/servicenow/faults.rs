//! Faults that can be switched on while the instance runs.
//!
//! A fault of answers meets the requests to the instance itself, including
//! those for tokens and pages, but never the simulator's own control routes.
//! The oldest fault that matches a request wins.

use std::collections::VecDeque;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use super::answer;
use super::rate_limit;
use super::refusal::Refusal;
use crate::CLOSE;
use crate::DELAY_MS;
use crate::Request;
use crate::Response;

/// What goes wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 of a rate limit, with `Retry-After` if given in seconds.
    TooManyRequests(Option<u64>),
    /// 500 with a JSON body; nothing was done.
    ServerError,
    /// 500 with a JSON body, although the request was carried out.
    ServerErrorAfterCommit,
    /// 503 with an HTML body, as from a load balancer; nothing was done.
    Unavailable,
    /// 401, as if the credentials had been revoked.
    Unauthorized,
    /// 200 with the HTML page of a developer instance that sleeps.
    Hibernating,
    /// 202 without a body: the request was dropped.
    Dropped,
    /// The connection is closed without an answer; nothing was done.
    Closed,
    /// The connection is closed without an answer, although the request was
    /// carried out.
    ClosedAfterCommit,
    /// 200 with half of the list, and an `error` beside it.
    PartialList,
    /// 200 with the first half of the bytes of the list.
    BrokenList,
    /// 302 to a page where people log in.
    Redirected,
    /// 403: a business rule of the instance with this name forbids it.
    AbortedByRule(String),
    /// The request is carried out, and the answer held back so many
    /// milliseconds.
    Slow(u64),
}

/// What goes wrong with a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFault {
    /// It is never sent.
    Lost,
    /// It is sent twice.
    Doubled,
    /// It is sent so many milliseconds late, with the content that it had
    /// when it was due: later ones overtake it.
    Late(u64),
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// For the next so many requests or webhooks that match.
    Next(u32),
    /// Until a moment, in Unix milliseconds.
    Until(u64),
    /// Until it is cleared.
    Always,
}

/// Which requests a fault meets; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The method, in upper case; none for any.
    pub method: Option<String>,
    /// What the path must contain; none for any.
    pub path: Option<String>,
}

/// The faults of an instance.
#[derive(Debug, Default)]
pub struct Faults {
    answers: VecDeque<(Fault, Target, Span)>,
    webhooks: VecDeque<(WebhookFault, Span)>,
    read_lag_ms: u64,
}

impl Faults {
    /// Spoils the answers to all requests.
    pub fn answer(&mut self, fault: Fault, span: Span) {
        self.answer_to(Target::default(), fault, span);
    }

    /// Spoils the answers to some requests.
    pub fn answer_to(&mut self, target: Target, fault: Fault, span: Span) {
        self.answers.push_back((fault, target, span));
    }

    /// Spoils webhooks.
    pub fn webhooks(&mut self, fault: WebhookFault, span: Span) {
        self.webhooks.push_back((fault, span));
    }

    /// How long readers of the API do not see what is written from now on.
    pub fn set_read_lag_ms(&mut self, lag_ms: u64) {
        self.read_lag_ms = lag_ms;
    }

    /// Ends all faults.
    pub fn clear(&mut self) {
        *self = Faults::default();
    }

    pub(super) fn read_lag_ms(&self) -> u64 {
        self.read_lag_ms
    }

    pub(super) fn of_request(&mut self, request: &Request, now_ms: u64) -> Option<Fault> {
        let meets = |(_, target, _): &(Fault, Target, Span)| target.meets(request);
        self.answers.retain(|(.., span)| span.lasts(now_ms));
        let at = self.answers.iter().position(meets)?;
        let (fault, _, span) = self.answers.get_mut(at)?;
        span.use_once();
        Some(fault.clone())
    }

    pub(super) fn of_webhook(&mut self, now_ms: u64) -> Option<WebhookFault> {
        self.webhooks.retain(|(_, span)| span.lasts(now_ms));
        let (fault, span) = self.webhooks.front_mut()?;
        span.use_once();
        Some(*fault)
    }

    pub(super) fn to_json(&self) -> Value {
        let answers = self.answers.iter();
        let webhooks = self.webhooks.iter();
        json!({
            "answers": answers
                .map(|(fault, target, span)| json!({
                    "fault": fault, "method": target.method, "path": target.path, "span": span,
                }))
                .collect::<Value>(),
            "webhooks": webhooks
                .map(|(fault, span)| json!({"fault": fault, "span": span}))
                .collect::<Value>(),
            "read_lag_ms": self.read_lag_ms,
        })
    }
}

impl Target {
    fn meets(&self, request: &Request) -> bool {
        self.method
            .as_ref()
            .is_none_or(|method| *method == request.method)
            && self
                .path
                .as_ref()
                .is_none_or(|path| request.path.contains(path))
    }
}

impl Span {
    fn lasts(self, now_ms: u64) -> bool {
        match self {
            Span::Next(left) => left > 0,
            Span::Until(end_ms) => now_ms < end_ms,
            Span::Always => true,
        }
    }

    fn use_once(&mut self) {
        if let Span::Next(left) = self {
            *left = left.saturating_sub(1);
        }
    }
}

impl Fault {
    /// The answer that takes the place of carrying the request out.
    pub(super) fn instead(&self) -> Option<Response> {
        Some(match self {
            Fault::TooManyRequests(retry_after_s) => rate_limit::too_many(100, *retry_after_s),
            Fault::ServerError => server_error(),
            Fault::Unavailable => answer::html(503, UNAVAILABLE.to_owned()),
            Fault::Unauthorized => answer::refusal(&Refusal::unauthenticated()),
            Fault::Hibernating => answer::html(200, HIBERNATING.to_owned()),
            Fault::Dropped => answer::empty(202),
            Fault::Closed => answer::empty(CLOSE),
            Fault::Redirected => redirected(),
            Fault::AbortedByRule(rule) => answer::refusal(&Refusal::aborted(rule)),
            Fault::ServerErrorAfterCommit
            | Fault::ClosedAfterCommit
            | Fault::PartialList
            | Fault::BrokenList
            | Fault::Slow(_) => return None,
        })
    }

    /// Spoils the answer to a request that was carried out.
    pub(super) fn spoil(&self, response: &mut Response) {
        match self {
            Fault::ServerErrorAfterCommit => *response = server_error(),
            Fault::ClosedAfterCommit => *response = answer::empty(CLOSE),
            Fault::PartialList => halve(response),
            Fault::BrokenList => response.body.truncate(response.body.len() / 2),
            Fault::Slow(delay_ms) => {
                let header = (DELAY_MS.to_owned(), delay_ms.to_string());
                response.headers.push(header);
            }
            _ => {}
        }
    }
}

fn server_error() -> Response {
    let message = "Transaction cancelled: maximum execution time exceeded";
    let detail = format!(
        "{message} Check logs for error trace or enable glide.rest.debug property to verify REST request processing"
    );
    answer::refusal(&Refusal::new(500, message, detail))
}

fn redirected() -> Response {
    let mut response = answer::html(302, String::new());
    let header = ("location".to_owned(), "/login_redirect.do".to_owned());
    response.headers.push(header);
    response
}

fn halve(response: &mut Response) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&response.body) else {
        return;
    };
    if let Some(records) = body["result"].as_array_mut() {
        records.truncate(records.len() / 2);
        let message = "Transaction cancelled: maximum execution time exceeded";
        body["error"] = json!({"message": message, "detail": message});
        body["status"] = "failure".into();
        response.body = body.to_string().into_bytes();
    }
}

const HIBERNATING: &str = "<!DOCTYPE html><html><head><title>Instance Hibernating page</title>\
    </head><body><h1>Your instance is hibernating</h1></body></html>\n";

const UNAVAILABLE: &str = "<html><head><title>503 Service Unavailable</title></head>\
    <body><h1>Service Unavailable</h1></body></html>\n";

//! Scenarios that cross several modules, told from outside: through the Open
//! API, the console, and what the webhooks bring.

mod acting;
mod alerts;
mod assigning;
mod calling;
mod commenting;
mod fields;
mod listing;
mod pushing;
mod serving;
mod snoozing;

use serde_json::Value;
use serde_json::json;

use super::AlertEvent;
use super::Flashduty;
use super::INTEGRATION_MEMBER;
use super::Options;
use super::PAYMENTS;
use super::Status;
use super::Webhook;
use crate::Delivery;
use crate::Push;
use crate::Request;
use crate::Response;
use crate::Simulator;

/// 2026-06-01, 08:00:04 UTC.
const T0: u64 = 1_780_300_804_000;
const MINUTE: u64 = 60_000;

/// A Flashduty with one webhook for everything.
fn flashduty() -> Flashduty {
    with_options(Options::default())
}

fn with_options(options: Options) -> Flashduty {
    let mut flashduty = Flashduty::new(options);
    flashduty.add_webhook(Webhook::new("http://receiver/hook").header("Authorization", "Bearer s"));
    flashduty
}

/// An incident in Payments, opened by an alert; its webhooks are thrown away.
fn open_incident(flashduty: &mut Flashduty) -> String {
    let event = AlertEvent::new("latency", "Checkout is slow", Status::Critical)
        .label("service", "checkout");
    let pushed = flashduty.push_alert(PAYMENTS, event, T0).unwrap();
    flashduty.take_due(T0 + 1000);
    pushed.incident_id.unwrap()
}

/// Calls the Open API as the integration; returns status and body.
fn call(flashduty: &mut Flashduty, path: &str, body: &Value, now_ms: u64) -> (u16, Value) {
    let key = flashduty.app_key(INTEGRATION_MEMBER).unwrap().to_owned();
    let request = post(path, &format!("app_key={key}"), body.to_string().as_bytes());
    answer(&flashduty.handle(&request, now_ms))
}

/// The `data` of a call that has to succeed.
fn data(flashduty: &mut Flashduty, path: &str, body: &Value, now_ms: u64) -> Value {
    let (status, answer) = call(flashduty, path, body, now_ms);
    assert_eq!(status, 200, "{answer}");
    answer["data"].clone()
}

/// Code and message of a call that has to fail.
fn refusal(flashduty: &mut Flashduty, path: &str, body: &Value, now_ms: u64) -> String {
    let (status, answer) = call(flashduty, path, body, now_ms);
    assert_eq!(status, 400, "{answer}");
    let text = |name: &str| answer["error"][name].as_str().unwrap().to_owned();
    format!("{}: {}", text("code"), text("message"))
}

fn post(path: &str, query: &str, body: &[u8]) -> Request {
    Request {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_vec(),
    }
}

fn answer(response: &Response) -> (u16, Value) {
    let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    (response.status, body)
}

/// The payloads that are due.
fn payloads(flashduty: &mut Flashduty, now_ms: u64) -> Vec<Value> {
    flashduty.take_due(now_ms).iter().map(payload).collect()
}

fn payload(push: &Push) -> Value {
    serde_json::from_slice(&push.body).unwrap()
}

/// The types of the events that are due.
fn event_types(flashduty: &mut Flashduty, now_ms: u64) -> Vec<String> {
    payloads(flashduty, now_ms)
        .iter()
        .map(|payload| payload["event_type"].as_str().unwrap().to_owned())
        .collect()
}

fn answered(status: u16) -> Delivery {
    Delivery::Answered(Response {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    })
}

fn ids(incident_id: &str) -> Value {
    json!({ "incident_ids": [incident_id] })
}

//! Over real sockets: an alert comes in, a webhook goes out, a fault closes
//! the connection.

use std::time::Duration;

use serde_json::json;
use tokio::sync::broadcast;

use super::super::*;
use super::*;
use crate::DELAY_MS;
use crate::server::Exchange;
use crate::server::Server;
use crate::server::ServerOptions;

/// Remembers nothing and answers 200 to everything: a receiver of webhooks.
/// Only `/broken` is answered with 500, and `/slow` after a minute.
struct Receiver;

impl Simulator for Receiver {
    fn handle(&mut self, request: &Request, _now_ms: u64) -> Response {
        let late = (DELAY_MS.to_owned(), "60000".to_owned());
        Response {
            status: if request.path == "/broken" { 500 } else { 200 },
            headers: (request.path == "/slow")
                .then_some(late)
                .into_iter()
                .collect(),
            body: Vec::new(),
        }
    }

    fn take_due(&mut self, _now_ms: u64) -> Vec<Push> {
        Vec::new()
    }

    fn next_due(&self) -> Option<u64> {
        None
    }

    fn delivered(&mut self, _push: u64, _delivery: &Delivery, _now_ms: u64) {}
}

async fn received(exchanges: &mut broadcast::Receiver<Exchange>) -> Request {
    let exchange = tokio::time::timeout(Duration::from_secs(10), exchanges.recv())
        .await
        .expect("no webhook came within ten seconds");
    match exchange.unwrap() {
        Exchange::Handled { request, .. } => request,
        Exchange::Pushed { .. } => panic!("the receiver pushes nothing"),
    }
}

#[tokio::test]
async fn an_alert_that_is_pushed_over_http_comes_out_as_a_webhook() {
    let receiver = Server::start(Receiver, ServerOptions::default())
        .await
        .unwrap();
    let mut exchanges = receiver.exchanges();
    let server = Server::start(Flashduty::new(Options::default()), ServerOptions::default())
        .await
        .unwrap();
    let (base, webhook_url) = (server.url(), format!("{}/hook?token=t", receiver.url()));
    let (integration_key, app_key) = server.poke(|flashduty, _| {
        flashduty.set_base_url(&base);
        flashduty.add_webhook(Webhook::new(&webhook_url).header("Authorization", "Bearer s"));
        (
            flashduty.integration_key(PAYMENTS).unwrap().to_owned(),
            flashduty.app_key(INTEGRATION_MEMBER).unwrap().to_owned(),
        )
    });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |url: String, body: Value| {
        client
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
    };

    let url = format!("{base}/event/push/alert/standard?integration_key={integration_key}");
    let answer = post(url, json!({ "title": "Slow", "event_status": "Info" }))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["flashcat-request-id"].len(), 26);

    let request = received(&mut exchanges).await;
    assert_eq!(
        (request.path.as_str(), request.query.as_str()),
        ("/hook", "token=t")
    );
    let header = ("authorization".to_owned(), "Bearer s".to_owned());
    assert!(request.headers.contains(&header));
    let event: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(event["event_type"], "i_new");
    let detail_url = event["incident"]["detail_url"].as_str().unwrap();
    let page = client.get(detail_url).send().await.unwrap();
    assert_eq!(page.status(), 200);

    server
        .poke(|flashduty, _| flashduty.plan_fault(PlannedFault::next(Fault::ConnectionClosed, 1)));
    let url = format!("{base}/member/info?app_key={app_key}");
    assert!(post(url.clone(), json!({})).await.is_err());
    let answer = post(url, json!({})).await.unwrap();
    assert_eq!(answer.status(), 200);
    server.stop().await;
    receiver.stop().await;
}

#[tokio::test]
async fn a_custom_action_is_answered_with_what_its_endpoint_said() {
    let receiver = Server::start(Receiver, ServerOptions::default())
        .await
        .unwrap();
    let server = Server::start(Flashduty::new(Options::default()), ServerOptions::default())
        .await
        .unwrap();
    let (incident_id, app_key) = server.poke(|flashduty, now_ms| {
        let event = AlertEvent::new("latency", "Checkout is slow", Status::Critical);
        let pushed = flashduty.push_alert(PAYMENTS, event, now_ms).unwrap();
        let key = flashduty.app_key(INTEGRATION_MEMBER).unwrap().to_owned();
        (pushed.incident_id.unwrap(), key)
    });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let gone = "http://127.0.0.1:1/";
    let cases = [
        (format!("{}/fine", receiver.url()), Some("")),
        (
            format!("{}/broken", receiver.url()),
            Some("the endpoint answered with status 500"),
        ),
        (
            format!("{}/slow", receiver.url()),
            Some("context deadline exceeded"),
        ),
        (gone.to_owned(), None),
    ];
    for (url, expected) in cases {
        let integration_id = server.poke(|flashduty, _| {
            flashduty.add_custom_action(CustomAction::new("Create ticket", &url))
        });
        let call = format!(
            "{}/incident/custom-action/do?app_key={app_key}",
            server.url()
        );
        let body = json!({ "incident_id": incident_id, "integration_id": integration_id });
        let answer = client
            .post(call)
            .header("content-type", "application/json")
            .body(body.to_string())
            .send();
        let answer = tokio::time::timeout(Duration::from_secs(5), answer)
            .await
            .expect("the endpoint has one second")
            .unwrap();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let message = body["data"]["message"].as_str().unwrap();
        match expected {
            Some(expected) => assert_eq!(message, expected, "{url}"),
            None => assert!(message.contains("refused"), "{message}"),
        }
    }
    let simulator = server.simulator();
    let timeline = &simulator.incident(&incident_id).unwrap().timeline;
    let entries = timeline.iter().filter(|it| it.kind == EventType::Custom);
    assert_eq!(entries.count(), 1, "only what succeeded is in the timeline");
    assert_eq!(
        simulator.deliveries().len(),
        5,
        "a refused call is tried twice"
    );
}

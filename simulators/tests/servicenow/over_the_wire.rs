//! The simulator behind its HTTP server.

use std::time::Duration;

use simulators::Delivery;
use simulators::server::Exchange;
use simulators::server::Server;
use simulators::server::ServerOptions;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::Options;
use simulators::servicenow::ServiceNow;
use simulators::servicenow::UiAction;

#[tokio::test]
async fn an_incident_created_over_http_is_told_to_the_receiver() {
    let start = |options| Server::start(ServiceNow::new(options), ServerOptions::default());
    let receiver = start(Options::default()).await.unwrap();
    let server = start(Options {
        business_rule: Some(BusinessRule {
            delay_ms: 20,
            ..BusinessRule::to(format!("{}/hook", receiver.url()))
        }),
        ..Options::default()
    })
    .await
    .unwrap();
    let mut received = receiver.exchanges();
    let mut sent = server.exchanges();

    let answer = reqwest::Client::new()
        .post(format!("{}/api/now/table/incident", server.url()))
        .header("x-sn-apikey", "flashduty-api-key")
        .body(r#"{"short_description":"Disk full"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with(&server.url()), "{location}");

    let webhook = tokio::time::timeout(Duration::from_secs(5), received.recv());
    let Exchange::Handled { request, .. } = webhook.await.unwrap().unwrap() else {
        panic!("the receiver pushes nothing");
    };
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["short_description"], "Disk full");
    assert!(location.ends_with(body["sys_id"].as_str().unwrap()));

    let Exchange::Handled { .. } = sent.recv().await.unwrap() else {
        panic!("the request comes first");
    };
    let Exchange::Pushed { delivery, .. } = sent.recv().await.unwrap() else {
        panic!("the push comes second");
    };
    // The other instance has no such page behind its login.
    assert!(matches!(delivery, Delivery::Answered(answer) if answer.status == 401));
    server.stop().await;
}

#[tokio::test]
async fn a_pressed_button_shows_what_the_receiver_answered() {
    let start = |options| Server::start(ServiceNow::new(options), ServerOptions::default());
    let receiver = start(Options::default()).await.unwrap();
    let script = format!(
        "var request = new sn_ws.RESTMessageV2();
         request.setHttpMethod('POST');
         request.setEndpoint('{}/hook');
         gs.addInfoMessage('Status ' + request.execute().getStatusCode());",
        receiver.url()
    );
    let server = start(Options {
        ui_action: Some(UiAction {
            client: false,
            onclick: String::new(),
            script,
        }),
        ..Options::default()
    })
    .await
    .unwrap();
    let sys_id = server.poke(|snow, now_ms| {
        let fields = [("short_description", "Disk")];
        snow.create_incident("abel.tuter", &fields, now_ms).unwrap()
    });
    let press = |user: &str| {
        let request = reqwest::Client::new()
            .post(format!("{}/simulator/press/{sys_id}", server.url()))
            .body(format!(r#"{{"user":"{user}"}}"#))
            .send();
        async { request.await.unwrap().text().await.unwrap() }
    };
    assert_eq!(press("beth.anglin").await, r#"{"messages":["Status 401"]}"#);
    assert_eq!(press("nobody").await, r#"{"error":"no user \"nobody\""}"#);
    server.stop().await;
}

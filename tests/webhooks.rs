//! What both systems send, as they send it.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use serde_json::json;
use simulators::flashduty::Progress;
use simulators::flashduty::Severity;
use simulators::flashduty::Status;
use support::Setting;
use support::World;

/// What the business rule of Flashduty's guide makes of an incident.
fn business_rule(world: &World, sys_id: &str, action_type: &str) -> Value {
    let labels = |name: &str, labels: [&str; 3]| match world.column(sys_id, name).as_str() {
        "1" => labels[0].to_owned(),
        "2" => labels[1].to_owned(),
        _ => labels[2].to_owned(),
    };
    let grades = ["1 - High", "2 - Medium", "3 - Low"];
    let text = |name: &str| match world.column(sys_id, name) {
        text if text.is_empty() => Value::Null,
        text => json!(text),
    };
    json!({
        "action_type": action_type,
        "number": world.column(sys_id, "number"),
        "sys_id": sys_id,
        "short_description": text("short_description"),
        "description": text("description"),
        "state": labels("state", ["New", "In Progress", "On Hold"]),
        "impact": labels("impact", grades),
        "urgency": labels("urgency", grades),
        "comments": "",
    })
}

/// A world in which only the test sends webhooks for ServiceNow.
async fn silent_servicenow() -> World {
    let world = World::start(Setting::default()).await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.options_mut().business_rule = None);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_business_rules_body_creates_and_updates_one_incident() {
    let world = silent_servicenow().await;
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "2")]);
    // The script cannot tell an insert from an update, nor an early from a late.
    for action_type in ["update", "insert", "unknown"] {
        let body = business_rule(&world, &sys_id, action_type);
        let answer = world.servicenow_sends(&body).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "status": "accepted" }))
        );
    }
    let incident = world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);

    let stale = business_rule(&world, &sys_id, "update");
    world.beth(&sys_id, &[("state", "2"), ("urgency", "1")]);
    assert_eq!(world.servicenow_sends(&stale).await.status, 200);
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
    world
        .until_severity(&incident, Severity::Critical)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ui_actions_body_without_a_state_is_as_good() {
    let world = silent_servicenow().await;
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let mut body = business_rule(&world, &sys_id, "update");
    body.as_object_mut().unwrap().remove("state");
    body["urgency"] = json!("1");
    body["description"] = json!("null");
    body["personal_channels"] = json!("sms,email");
    body["notify_members"] = json!([{ "sys_id": "x", "name": "Abel", "email": "a@example.com" }]);
    assert_eq!(world.servicenow_sends(&body).await.status, 200);
    let incident = world.until_incident("VPN down").await.unwrap();
    world
        .until_severity(&incident, Severity::Critical)
        .await
        .unwrap();
}

/// The examples of Flashduty's webhook documentation, about an incident of the
/// simulator's.
fn events(incident: &Value) -> Vec<Value> {
    let person =
        json!({ "person_id": 520000000777_i64, "person_name": "Ana", "email": "ana@example.com" });
    let event = |event_type: &str, change: Value| {
        let mut incident = incident.clone();
        for (name, value) in change.as_object().unwrap() {
            incident[name] = value.clone();
        }
        json!({
            "event_id": format!("5b1f0c9e7a4d42c2a1f3e6d8{event_type:>8}"),
            "event_time": 1780300805123_i64,
            "event_type": event_type,
            "person": person,
            "incident": incident,
        })
    };
    let mut without_person = event(
        "i_rslv",
        json!({ "progress": "Closed", "end_time": 1780301900 }),
    );
    without_person.as_object_mut().unwrap().remove("person");
    vec![
        event("i_new", json!({})),
        event(
            "i_ack",
            json!({ "progress": "Processing", "ack_time": 1780301100 }),
        ),
        event("i_snooze", json!({ "snoozed_before": 1780308300 })),
        event("i_comm", json!({})),
        event(
            "i_r_field",
            json!({ "fields": { "customer_impact": "low" } }),
        ),
        event(
            "i_something_new",
            json!({ "a_field_nobody_knows": [1, { "x": null }] }),
        ),
        event(
            "i_rslv",
            json!({ "progress": "Closed", "close_time": 1780301900 }),
        ),
        without_person,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_accepted_and_none_is_believed() {
    let world = World::start(Setting::default()).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    let shown = json!({
        "incident_id": incident,
        "title": "what somebody who has the token would like to see",
        "incident_severity": "Info",
        "progress": "Triggered",
        "updated_at": 4102444800_i64,
        "labels": null,
        "responders": [],
        "detail_url": "https://console.example/incident/detail/1",
    });
    for event in events(&shown) {
        assert_eq!(world.flashduty_sends(&event).await.status, 200, "{event}");
    }
    world.settled().await.unwrap();
    // The token makes the gateway look; what it then writes is what is true.
    assert_eq!(world.column(&sys_id, "short_description"), "disk full");
    assert_eq!(world.column(&sys_id, "urgency"), "1");
    assert_eq!(world.column(&sys_id, "state"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_names_no_incident_is_refused_with_the_reason() {
    let world = World::start(Setting::default()).await.unwrap();
    let answer = world
        .flashduty_sends(&json!({ "event_type": "i_new", "incident": {} }))
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json(),
        json!({ "error": "expected \"incident.incident_id\", 24 hexadecimal digits, found none; \
                          leave the webhook's body at its default" })
    );
    let answer = world
        .servicenow_sends(&json!({ "number": "INC0010001" }))
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json(),
        json!({ "error": "expected \"sys_id\", 32 hexadecimal digits, found none; \
                          send current.getUniqueValue()" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_many_times_over_writes_once() {
    let world = World::start(Setting::default()).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    let modified = world.column(&sys_id, "sys_mod_count");
    let event = &events(&json!({ "incident_id": incident }))[0];
    for _ in 0..50 {
        assert_eq!(world.flashduty_sends(event).await.status, 200);
    }
    world.settled().await.unwrap();
    assert_eq!(world.column(&sys_id, "sys_mod_count"), modified);
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

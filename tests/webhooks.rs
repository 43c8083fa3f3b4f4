//! What both systems send, as they send it.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use serde_json::json;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::Attempt;
use simulators::flashduty::CustomAction;
use simulators::flashduty::EventIdPlace;
use simulators::flashduty::PAYMENTS;
use simulators::flashduty::Progress;
use simulators::flashduty::Severity;
use simulators::flashduty::Status;
use support::Setting;
use support::World;
use support::world::ADMIN_TOKEN;
use support::world::FLASHDUTY_TOKEN;

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

/// The id of the channel's escalation rule, and the address of Bo, whom it does
/// not call.
fn rule_and_member(world: &World) -> (String, String) {
    let flashduty = world.flashduty.simulator();
    let account = flashduty.account();
    let channel = &account.channels[&flashduty::PAYMENTS];
    let rule = channel.escalation.as_ref().unwrap().rule_id.clone();
    (rule, account.members[&flashduty::BO].email.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_keeps_nobody_from_being_called() {
    let world = silent_servicenow().await;
    let (rule, bo) = rule_and_member(&world);
    let stranger = "stranger@example.com";
    for (title, people, by_rule) in [
        ("VPN down", &[stranger][..], true),
        ("Mail down", &[stranger, &bo], false),
    ] {
        let sys_id = world.abel_opens(&[("short_description", title), ("urgency", "1")]);
        let mut body = business_rule(&world, &sys_id, "insert");
        let people = people.iter().map(|email| json!({ "email": email }));
        body["notify_members"] = people.collect();
        assert_eq!(world.servicenow_sends(&body).await.status, 200);
        let incident = world.until_incident(title).await.unwrap();
        world.settled().await.unwrap();
        let flashduty = world.flashduty.simulator();
        let incident = flashduty.incident(&incident).unwrap();
        let assigned = incident.assigned.as_ref().unwrap();
        let mut called = incident.responders.iter();
        assert_eq!(assigned.escalate_rule_id == rule, by_rule, "{title}");
        assert_eq!(called.any(|r| r.person_id == flashduty::BO), !by_rule);
        assert!(!incident.responders.is_empty(), "{title}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_kit_says_who_is_called_and_how() {
    let world = silent_servicenow().await;
    let (rule, bo) = rule_and_member(&world);
    let newer = |sys_id: &str, rule: &str| {
        json!({
            "action_type": "insert", "sys_id": sys_id, "description": "null", "impact": "1 - High",
            "urgency": "1", "comments": "null", "personal_channels": "voice,sms",
            "assignment_group": "Database", "rule_id": rule, "teams_id": "",
            "notify_members": [{ "sys_id": "x", "name": "Bo", "email": bo }],
        })
    };
    // A rule that Flashduty does not know holds nothing up.
    for (title, rule_id) in [
        ("VPN down", rule.as_str()),
        ("Mail down", "6a1d2f45c0ffee0123456789"),
    ] {
        let sys_id = world.abel_opens(&[("short_description", title), ("urgency", "1")]);
        let body = newer(&sys_id, rule_id);
        assert_eq!(world.servicenow_sends(&body).await.status, 200);
        let incident = world.until_incident(title).await.unwrap();
        world.settled().await.unwrap();
        let flashduty = world.flashduty.simulator();
        let incident = flashduty.incident(&incident).unwrap();
        let assigned = incident.assigned.as_ref().unwrap();
        let notify = assigned.notify.clone().unwrap_or_default();
        let is_called = incident
            .responders
            .iter()
            .any(|r| r.person_id == flashduty::BO);
        assert_eq!(
            assigned.escalate_rule_id, rule,
            "the channel's own otherwise"
        );
        assert_eq!(is_called, rule_id == rule);
        let expected: &[&str] = if rule_id == rule {
            &["voice", "sms"]
        } else {
            &[]
        };
        assert_eq!(notify.personal_channels, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_kits_rule_resolves_by_number_and_state_alone() {
    let world = silent_servicenow().await;
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let number = world.column(&sys_id, "number");
    let rule_update = json!({
        "action_type": "rule_update", "number": number, "sys_id": sys_id, "state": "Resolved",
    });
    assert_eq!(
        world
            .servicenow_sends(&business_rule(&world, &sys_id, "insert"))
            .await
            .status,
        200
    );
    let incident = world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    let fields = [
        ("state", "6"),
        ("close_code", "User error"),
        ("close_notes", "a cable"),
    ];
    world.beth(&sys_id, &fields);
    // It is sent again at each further edit.
    for _ in 0..3 {
        assert_eq!(world.servicenow_sends(&rule_update).await.status, 200);
    }
    world
        .until_progress(&incident, Progress::Closed)
        .await
        .unwrap();
    world.settled().await.unwrap();
    let flashduty = world.flashduty.simulator();
    assert_eq!(flashduty.incident(&incident).unwrap().resolution, "a cable");
    assert_eq!(flashduty.incidents().count(), 1);
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
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
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

/// A body of the documented script for an incident that nobody can read.
fn labelled(sys_id: &str, urgency: &str, state: &str) -> Value {
    json!({
        "action_type": "update",
        "number": "INC0010001",
        "sys_id": sys_id,
        "short_description": format!("urgency {urgency}"),
        "description": null,
        "state": state,
        "impact": urgency,
        "urgency": urgency,
        "comments": "",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_understood_in_every_form_in_which_scripts_send_them() {
    let world = World::start(Setting {
        direction: "from-servicenow",
        servicenow_access: false,
        ..Setting::default()
    })
    .await
    .unwrap();
    for (n, (urgency, severity)) in [
        ("1 - High", Severity::Critical),
        ("High", Severity::Critical),
        ("1", Severity::Critical),
        ("2 - Medium", Severity::Warning),
        ("medium", Severity::Warning),
        ("3 - Low", Severity::Info),
        ("Low", Severity::Info),
    ]
    .into_iter()
    .enumerate()
    {
        let body = labelled(&format!("{n:032x}"), urgency, "In Progress");
        assert_eq!(world.servicenow_sends(&body).await.status, 200);
        let incident = world
            .until_incident(&format!("urgency {urgency}"))
            .await
            .unwrap();
        world.until_severity(&incident, severity).await.unwrap();
        world
            .until_progress(&incident, Progress::Processing)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_means_nothing_is_parked_and_named() {
    let world = World::start(Setting {
        direction: "from-servicenow",
        servicenow_access: false,
        ..Setting::default()
    })
    .await
    .unwrap();
    let body = labelled(&"a".repeat(32), "Dringend", "New");
    assert_eq!(world.servicenow_sends(&body).await.status, 200);
    let parked = |w: &World| {
        let work = w.host.as_ref()?.gateway().status().work;
        (work.parked == 1).then_some(())
    };
    world.until("the work is parked", parked).await.unwrap();
    let work = world.admin("/work", Some(ADMIN_TOKEN)).await.json();
    let reason = work["work"][0]["parked_reason"].as_str().unwrap();
    assert!(
        reason.starts_with("INC0010001 has no urgency that"),
        "{reason}"
    );
    assert_eq!(world.flashduty.simulator().incidents().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_comment_which_every_webhook_repeats_is_carried_once() {
    let world = silent_servicenow().await;
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "2")]);
    world.beth(&sys_id, &[("comments", "looking into it")]);
    for action_type in ["insert", "update", "update"] {
        let mut body = business_rule(&world, &sys_id, action_type);
        body["comments"] = json!("looking into it");
        assert_eq!(world.servicenow_sends(&body).await.status, 200);
        world.settled().await.unwrap();
    }
    let incident = world.until_incident("VPN down").await.unwrap();
    let comments = world.comments(&incident);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("looking into it"), "{comments:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_events_lead_an_incident_through_its_life() {
    // Without access to the Open API, the webhook is all there is.
    let world = World::start(Setting {
        direction: "to-servicenow",
        flashduty_access: false,
        ..Setting::default()
    })
    .await
    .unwrap();
    let incident = "6a1d2f45c0ffee0123456789";
    let mut shown = json!({
        "account_id": 300000000777_i64, "account_name": "Example Co",
        "incident_id": incident, "num": "456789",
        "title": "Checkout latency above 2 s", "description": "p99 over 2 s for 5 min",
        "incident_severity": "Critical", "incident_status": "Critical", "progress": "Triggered",
        "created_at": 1780300804, "updated_at": 1780300804, "start_time": 1780300801,
        "last_time": 1780300801, "end_time": 0, "ack_time": 0, "close_time": 0, "snoozed_before": 0,
        "labels": { "service": "checkout", "env": "prod" }, "fields": { "customer_impact": "high" },
        "alert_cnt": 1, "channel_id": PAYMENTS, "channel_name": "Payments",
        "detail_url": format!("https://console.example/incident/detail/{incident}"),
        "group_method": "p", "impact": "", "root_cause": "", "resolution": "",
    });
    let ana =
        json!({ "person_id": 520000000777_i64, "person_name": "Ana", "email": "ana@example.com" });
    let snoozed_before = world.flashduty.now_ms() / 1000 + 7200;
    let life = [
        ("i_new", None, json!({}), ("state", "1")),
        (
            "i_ack",
            Some(&ana),
            json!({ "progress": "Processing", "ack_time": 1780301100 }),
            ("state", "2"),
        ),
        (
            "i_snooze",
            Some(&ana),
            json!({ "snoozed_before": snoozed_before }),
            ("state", "3"),
        ),
        ("i_comm", Some(&ana), json!({}), ("state", "3")),
        (
            "i_wake",
            Some(&ana),
            json!({ "snoozed_before": 0 }),
            ("state", "2"),
        ),
        (
            "i_r_field",
            Some(&ana),
            json!({ "fields": { "customer_impact": "low" } }),
            ("state", "2"),
        ),
        (
            "i_of_the_future",
            None,
            json!({ "incident_severity": "Warning", "sentiment": [1, { "x": null }] }),
            ("urgency", "2"),
        ),
        (
            "i_rslv",
            None,
            json!({ "progress": "Closed", "incident_status": "Ok", "end_time": 1780301900,
                    "close_time": 1780301900 }),
            ("state", "6"),
        ),
        (
            "i_reopen",
            Some(&ana),
            json!({ "progress": "Triggered", "incident_status": "Critical", "end_time": 0,
                    "close_time": 0 }),
            ("state", "2"),
        ),
        (
            "i_rslv",
            Some(&ana),
            json!({ "progress": "Closed", "closer": ana, "close_time": 1780302900,
                    "resolution": "rolled back" }),
            ("state", "6"),
        ),
    ];
    for (n, (event_type, person, change, (column, expected))) in life.into_iter().enumerate() {
        for (name, value) in change.as_object().unwrap() {
            shown[name] = value.clone();
        }
        shown["updated_at"] = json!(1780300804 + n);
        let mut event = json!({
            "event_id": format!("{n:032x}"),
            "event_time": 1780300805123_i64,
            "event_type": event_type,
            "incident": shown,
        });
        if let Some(person) = person {
            event["person"] = person.clone();
        }
        let answer = world.flashduty_sends(&event).await;
        assert_eq!(answer.status, 200, "{event_type}: {answer:?}");
        world.settled().await.unwrap();
        let sys_id = world.until_record(incident).await.unwrap();
        assert_eq!(world.column(&sys_id, column), expected, "{event_type}");
    }
    let sys_id = world.until_record(incident).await.unwrap();
    assert_eq!(world.column(&sys_id, "close_notes"), "rolled back");
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_action_may_carry_its_event_id_inside_the_incident() {
    let world = World::start(Setting::default()).await.unwrap();
    world
        .flashduty
        .poke(|f, _| f.account_mut().webhooks.clear());
    let url = world.webhook_url("flashduty");
    let bearer = format!("Bearer {FLASHDUTY_TOKEN}");
    let mut action = CustomAction::new("Send to ServiceNow", &url).header("authorization", &bearer);
    action.event_id_place = EventIdPlace::InIncident;
    let integration_id = world.flashduty.poke(|f, _| f.add_custom_action(action));
    let incident = world.alert("disk full", Status::Critical);
    for _ in 0..2 {
        world.ana(&incident, &Action::CustomAction { integration_id });
    }
    world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    let flashduty = world.flashduty.simulator();
    let pressed = flashduty.deliveries();
    assert_eq!(pressed.len(), 2);
    assert!(pressed.iter().all(Attempt::succeeded), "{pressed:?}");
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
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
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let modified = world.column(&sys_id, "sys_mod_count");
    let event = &events(&json!({ "incident_id": incident }))[0];
    for _ in 0..50 {
        assert_eq!(world.flashduty_sends(event).await.status, 200);
    }
    world.settled().await.unwrap();
    assert_eq!(world.column(&sys_id, "sys_mod_count"), modified);
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

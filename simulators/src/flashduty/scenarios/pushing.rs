//! Webhooks: payload, delivery, retry, mishaps, custom actions.

use serde_json::json;

use super::super::*;
use super::*;

#[test]
fn the_payload_of_i_new_has_the_documented_shape() {
    let mut flashduty = flashduty();
    let event = AlertEvent {
        description: "p99 over 2 s for 5 min".to_owned(),
        ..AlertEvent::new("latency", "Checkout latency above 2 s", Status::Critical)
            .label("service", "checkout")
            .label("env", "prod")
    };
    let id = flashduty
        .push_alert(PAYMENTS, event, T0 + 123)
        .unwrap()
        .incident_id
        .unwrap();
    let push = flashduty.take_due(T0 + 1000).remove(0);
    assert_eq!(push.url, "http://receiver/hook");
    assert_eq!(push.timeout_ms, 2000);
    assert_eq!(
        push.headers,
        [
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), "Bearer s".to_owned()),
        ]
    );
    let mut payload = payload(&push);
    let event_id = payload["event_id"].take();
    let event_id = event_id.as_str().unwrap();
    assert_eq!(event_id.len(), 32);
    assert!(event_id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let integration = flashduty.account().channels[&PAYMENTS]
        .integration
        .integration_id;
    assert_eq!(
        payload,
        json!({
            "event_id": null, "event_time": T0 + 123, "event_type": "i_new",
            "incident": {
                "account_id": ACCOUNT, "account_name": "Example Co",
                "incident_id": id, "num": id[18..].to_uppercase(),
                "title": "Checkout latency above 2 s", "description": "p99 over 2 s for 5 min",
                "impact": "", "root_cause": "", "resolution": "",
                "incident_severity": "Critical", "incident_status": "Critical",
                "progress": "Triggered",
                "created_at": T0 / 1000, "updated_at": T0 / 1000, "start_time": T0 / 1000,
                "last_time": T0 / 1000, "end_time": 0, "ack_time": 0, "close_time": 0,
                "snoozed_before": 0,
                "labels": { "service": "checkout", "env": "prod" },
                "fields": { "customer_impact": "none", "security_relevant": false },
                "alert_cnt": 1, "channel_id": PAYMENTS, "channel_name": "Payments",
                "detail_url": format!("http://127.0.0.1:8891/incident/detail/{id}"),
                "group_method": "n", "creator_id": 0, "data_source_id": integration,
                "dedup_key": "latency", "equals_md5": "",
            },
        })
    );
}

#[test]
fn acknowledging_names_the_person_and_when() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let now = T0 + 5 * MINUTE;
    flashduty.act(ANA, &id, &Action::Acknowledge, now).unwrap();
    let event = payloads(&mut flashduty, now + 1000).remove(0);
    let ana = json!({ "person_id": ANA, "person_name": "Ana", "email": "ana@example.com" });
    assert_eq!(event["event_type"], "i_ack");
    assert_eq!(event["person"], ana);
    assert_eq!(event["incident"]["progress"], "Processing");
    assert_eq!(event["incident"]["ack_time"], now / 1000);
    let mut responder = ana;
    responder["assigned_at"] = json!(T0 / 1000);
    responder["acknowledged_at"] = json!(now / 1000);
    assert_eq!(event["incident"]["responders"], json!([responder]));
}

#[test]
fn changes_through_the_api_come_back_as_events_of_the_key_s_member() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    data(&mut flashduty, "/incident/ack", &ids(&id), T0);
    let event = payloads(&mut flashduty, T0 + 1000).remove(0);
    assert_eq!(event["event_type"], "i_ack");
    assert_eq!(event["person"]["person_id"], INTEGRATION_MEMBER);
}

#[test]
fn only_ticked_types_of_chosen_channels_are_sent() {
    let mut flashduty = Flashduty::new(Options::default());
    flashduty.add_webhook(Webhook {
        channels: Some([SEARCH].into()),
        event_types: [EventType::New].into(),
        ..Webhook::new("http://receiver/")
    });
    open_incident(&mut flashduty);
    let new = NewIncident::new("Search is down", Severity::Critical, SEARCH);
    flashduty.create(BO, new, T0 + 2000).unwrap();
    let events = payloads(&mut flashduty, T0 + MINUTE);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["incident"]["channel_name"], "Search");
}

#[test]
fn a_network_fault_is_retried_once_with_the_same_event_id() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    flashduty.act(ANA, &id, &Action::Acknowledge, T0).unwrap();
    let first = flashduty.take_due(T0 + 1000).remove(0);
    let fault = Delivery::Failed("EOF".to_owned());
    flashduty.delivered(first.id, &fault, T0 + 1000);
    let second = flashduty.take_due(T0 + MINUTE).remove(0);
    assert_ne!(second.id, first.id);
    assert_eq!(second.body, first.body);
    flashduty.delivered(second.id, &fault, T0 + MINUTE);
    assert_eq!(flashduty.next_due(), None);
    let attempts: Vec<_> = flashduty.deliveries().iter().map(|it| it.attempt).collect();
    assert_eq!(attempts, [1, 2]);
}

#[test]
fn neither_an_error_status_nor_a_late_answer_is_retried() {
    for delivery in [answered(500), answered(404), Delivery::TimedOut] {
        let mut flashduty = flashduty();
        let id = open_incident(&mut flashduty);
        flashduty.act(ANA, &id, &Action::Acknowledge, T0).unwrap();
        let push = flashduty.take_due(T0 + 1000).remove(0);
        flashduty.delivered(push.id, &delivery, T0 + 3000);
        assert_eq!(flashduty.next_due(), None, "{delivery:?}");
        assert!(!flashduty.deliveries()[0].succeeded());
    }
}

#[test]
fn the_history_tells_of_success_and_failure_in_milliseconds() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    flashduty.act(ANA, &id, &Action::Acknowledge, T0).unwrap();
    flashduty.act(BO, &id, &Action::Acknowledge, T0).unwrap();
    for (push, status) in flashduty.take_due(T0 + 1000).iter().zip([200, 201]) {
        flashduty.delivered(push.id, &answered(status), T0 + 1120);
    }
    let body = json!({ "limit": 20, "start_time": T0, "end_time": T0 + 1, "status": "failed" });
    let history = data(&mut flashduty, "/webhook/history/list", &body, T0 + MINUTE);
    assert_eq!(history["total"], 1);
    let item = &history["items"][0];
    assert_eq!(item["status_code"], 201);
    assert_eq!(item["duration"], 120);
    assert_eq!(item["event_time"], "2026-06-01T16:00:04+08:00");
    let body = json!({ "event_id": item["event_id"], "integration_id": item["integration_id"] });
    let detail = data(
        &mut flashduty,
        "/webhook/history/detail",
        &body,
        T0 + MINUTE,
    );
    assert_eq!(detail["ref_title"], "Checkout is slow");
    let body = json!({ "limit": 20, "start_time": T0 / 1000, "end_time": T0 });
    let text = refusal(&mut flashduty, "/webhook/history/list", &body, T0);
    assert_eq!(
        text,
        format!(
            "InvalidParameter: start_time: expected Unix milliseconds, found {}",
            T0 / 1000
        )
    );
}

#[test]
fn webhooks_can_be_lost_doubled_overtaken_and_delayed_at_will() {
    let cases = [
        (Mishap::Lose, vec!["i_snooze", "i_wake"]),
        (
            Mishap::Duplicate,
            vec!["i_ack", "i_ack", "i_snooze", "i_wake"],
        ),
        (Mishap::Reorder, vec!["i_snooze", "i_ack", "i_wake"]),
        (Mishap::Delay, vec!["i_snooze", "i_wake", "i_ack"]),
    ];
    for (mishap, expected) in cases {
        let mut flashduty = flashduty();
        let id = open_incident(&mut flashduty);
        flashduty.set_mishaps(Mishaps {
            next: vec![mishap],
            ..Mishaps::default()
        });
        for action in [
            Action::Acknowledge,
            Action::Snooze { minutes: 5 },
            Action::Wake,
        ] {
            flashduty.act(ANA, &id, &action, T0).unwrap();
        }
        assert_eq!(
            event_types(&mut flashduty, T0 + MINUTE),
            expected,
            "{mishap:?}"
        );
    }
}

#[test]
fn an_overtaken_event_that_nothing_follows_comes_in_the_end() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    flashduty.set_mishaps(Mishaps {
        next: vec![Mishap::Reorder],
        ..Mishaps::default()
    });
    flashduty.act(ANA, &id, &Action::Acknowledge, T0).unwrap();
    assert!(flashduty.take_due(T0 + 1000).is_empty());
    let due = flashduty.next_due().unwrap();
    assert_eq!(event_types(&mut flashduty, due), ["i_ack"]);
    // The next one has nothing left to overtake.
    flashduty
        .act(ANA, &id, &Action::Unacknowledge, due)
        .unwrap();
    assert_eq!(event_types(&mut flashduty, due + 1000), ["i_unack"]);
}

#[test]
fn a_share_of_lost_webhooks_is_the_same_for_the_same_seed() {
    let run = |seed: u64| {
        let mut flashduty = with_options(Options {
            seed,
            ..Options::default()
        });
        let id = open_incident(&mut flashduty);
        flashduty.set_mishaps(Mishaps {
            lose_percent: 50,
            ..Mishaps::default()
        });
        for _ in 0..20 {
            flashduty
                .act(ANA, &id, &Action::Snooze { minutes: 1 }, T0)
                .unwrap();
            flashduty.act(ANA, &id, &Action::Wake, T0).unwrap();
        }
        event_types(&mut flashduty, T0 + 10_000)
    };
    let lucky = run(1);
    assert!((10..30).contains(&lucky.len()), "{}", lucky.len());
    assert_eq!(lucky, run(1));
    assert_ne!(lucky, run(2));
}

#[test]
fn a_custom_action_sends_the_alerts_and_writes_the_timeline_on_success() {
    for (status, entries) in [(200, 1), (500, 0)] {
        let mut flashduty = Flashduty::new(Options::default());
        let action =
            CustomAction::new("Create ticket", "http://receiver/action").header("X-Secret", "s");
        let integration_id = flashduty.add_custom_action(action);
        let id = open_incident(&mut flashduty);
        let body = json!({ "incident_id": id, "integration_id": integration_id });
        let answer = data(&mut flashduty, "/incident/custom-action/do", &body, T0);
        assert_eq!(answer, json!({ "message": "" }));
        let push = flashduty.take_due(T0).remove(0);
        assert_eq!(push.timeout_ms, 1000);
        assert!(
            push.headers
                .contains(&("x-secret".to_owned(), "s".to_owned()))
        );
        let event = payload(&push);
        assert_eq!(event["event_type"], "i_custom");
        assert_eq!(event["person"]["person_id"], INTEGRATION_MEMBER);
        assert_eq!(event["incident"]["alerts"][0]["alert_key"], "latency");
        assert_eq!(event["event_id"].as_str().unwrap().len(), 32);
        flashduty.delivered(push.id, &answered(status), T0 + 100);
        let body = json!({ "incident_id": id, "types": ["i_custom"] });
        let feed = data(&mut flashduty, "/incident/feed", &body, T0 + 100);
        let items = feed["items"].as_array().unwrap();
        assert_eq!(items.len(), entries, "status {status}");
        if let [entry] = &items[..] {
            assert_eq!(
                entry["detail"],
                json!({ "integration_id": integration_id, "integration_name": "Create ticket" })
            );
        }
    }
}

#[test]
fn a_custom_action_of_another_channel_cannot_be_pressed() {
    let mut flashduty = flashduty();
    let integration_id = flashduty.add_custom_action(CustomAction {
        channels: Some([SEARCH].into()),
        ..CustomAction::new("Create ticket", "http://receiver/action")
    });
    let id = open_incident(&mut flashduty);
    let action = Action::CustomAction { integration_id };
    let error = flashduty.act(ANA, &id, &action, T0).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "InvalidParameter: integration_id: custom action \"Create ticket\" is not available in \
             channel {PAYMENTS}"
        )
    );
}

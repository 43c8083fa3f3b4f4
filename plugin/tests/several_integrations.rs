//! What another integration brought across is not brought back by this one.
#![allow(clippy::unwrap_used)]

mod gateway;

use gateway::Gateway;
use gateway::INCIDENT;
use gateway::RECORD;
use gateway::lists::stamp;
use serde_json::Value;
use serde_json::json;
use servicenow_sync_plugin::Verdict;

/// A record with this correlation, and nothing in Flashduty.
fn with_a_record(settings: &Value, correlation: &str) -> Gateway {
    let mut gateway = Gateway::new(settings);
    gateway.incident = Value::Null;
    gateway.record = json!({
        "sys_id": RECORD, "number": "INC0010007", "state": "1", "impact": "1", "urgency": "1",
        "short_description": "disk full", "description": "", "sys_mod_count": "1",
        "sys_updated_on": stamp(gateway.now_ms), "correlation_id": correlation,
    });
    gateway
}

#[test]
fn a_record_that_another_integration_brought_is_not_created_in_flashduty() {
    for (correlation, created) in [
        (format!("flashduty:out:{INCIDENT}"), 0),
        (format!("flashduty:out:{INCIDENT}:2"), 0),
        ("flashduty:a ticket".into(), 1),
        ("another tool".into(), 1),
        (String::new(), 1),
    ] {
        for direction in ["two-way", "from-servicenow"] {
            let settings = json!({ "direction": direction });
            let mut gateway = with_a_record(&settings, &correlation);
            gateway.servicenow(&json!({}));
            assert_eq!(gateway.work_on(&format!("s-{RECORD}")), Verdict::Done);
            assert_eq!(gateway.sent("create").len(), created, "{correlation}");
            assert_eq!(gateway.stored("hint."), [""; 0], "{correlation}");
            let why = "it is in Flashduty already, by integration out";
            let is_told = gateway.logged.iter().any(|line| line.ends_with(why));
            assert_eq!(is_told, created == 0, "{:?}", gateway.logged);
        }
    }
}

#[test]
fn a_poll_leaves_what_another_integration_brought_alone() {
    for (correlation, asked) in [(format!("flashduty:out:{INCIDENT}"), 0), (String::new(), 1)] {
        let mut gateway = with_a_record(&json!({}), &correlation);
        assert_eq!(gateway.poll("servicenow"), Verdict::Done);
        assert_eq!(gateway.asked_for().len(), asked, "{correlation}");
    }
}

#[test]
fn an_incident_that_another_integration_made_of_a_record_gets_no_second_record() {
    let another = "6a1d2f45c0ffee0000000000";
    for (correlation, by) in [
        (
            format!("flashduty:in:{INCIDENT}"),
            "already, by integration in",
        ),
        // The other one has made the incident, and comes to that next.
        (String::new(), "already, by integration (unknown)"),
        (format!("flashduty:in:{another}"), ""),
        ("another tool".into(), ""),
    ] {
        let mut gateway = Gateway::new(&json!({ "direction": "to-servicenow" }));
        gateway.incident["creator_id"] = json!(7);
        gateway.incident["description"] = json!(format!("ServiceNow INC0010007 [snow:{RECORD}]"));
        gateway.record = json!({
            "sys_id": RECORD, "number": "INC0010007", "correlation_id": correlation,
        });
        gateway.flashduty("i_new");
        assert_eq!(gateway.work(), Verdict::Done);
        let sent = gateway.sent("POST incident");
        assert_eq!(sent.len(), usize::from(by.is_empty()), "{correlation}");
        let is_told = gateway.logged.iter().any(|line| line.ends_with(by));
        assert!(is_told, "{correlation} {:?}", gateway.logged);
        assert_eq!(gateway.stored("hint."), [""; 0], "{correlation}");
    }
}

#[test]
fn an_incident_that_another_integration_has_just_made_of_a_record_is_left_to_it() {
    for (maker, correlation, is_taken) in [
        ("(in) ", "", false),
        ("(prod) ", "", true),
        ("", "", true),
        // A record that another tool has opened.
        ("(in) ", "JIRA-17", false),
        ("(prod) ", "JIRA-17", true),
    ] {
        let mut gateway = Gateway::new(&json!({}));
        gateway.incident["creator_id"] = json!(7);
        let signature = format!("ServiceNow INC0010007 https://x/{RECORD} {maker}[snow:{RECORD}]");
        gateway.incident["description"] = json!(signature);
        gateway.record = json!({
            "sys_id": RECORD, "number": "INC0010007", "correlation_id": correlation,
        });
        gateway.flashduty("i_new");
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.sent("POST incident").len(), 0, "{maker}");
        let pairs = gateway.stored("pair.");
        assert_eq!(!pairs.is_empty(), is_taken, "{maker}: {pairs:?}");
    }
}

#[test]
fn an_incident_that_another_integration_made_of_a_record_is_its_own_though_that_was_deleted() {
    for (maker, created) in [("(in) ", 0), ("(prod) ", 1), ("", 1)] {
        let mut gateway = Gateway::new(&json!({ "direction": "to-servicenow" }));
        gateway.incident["creator_id"] = json!(7);
        let signature = format!("ServiceNow INC0010007 https://x/{RECORD} {maker}[snow:{RECORD}]");
        gateway.incident["description"] = json!(signature);
        gateway.record_is_gone = true;
        gateway.flashduty("i_new");
        gateway.work();
        assert_eq!(gateway.sent("POST incident").len(), created, "{maker}");
        let why = "it is in ServiceNow already, by integration in";
        let is_told = gateway.logged.iter().any(|line| line.ends_with(why));
        assert_eq!(is_told, created == 0, "{:?}", gateway.logged);
    }
}

#[test]
fn a_record_that_another_integration_has_is_left_to_it_though_it_does_not_show_that_yet() {
    let elsewhere = json!({ "url": "https://other.service-now.com", "credential": "servicenow" });
    for (settings, created, is_signed) in [
        (json!({ "id": "in" }), 1, false),
        (json!({ "id": "in" }), 1, true),
        // Instances that were cloned have records of the same `sys_id`.
        (json!({ "id": "in", "servicenow": elsewhere }), 2, false),
        (json!({ "id": "in", "servicenow": elsewhere }), 2, true),
    ] {
        let mut gateway = with_a_record(&json!({}), "");
        gateway.also(&settings);
        gateway.servicenow_tells("in", &json!({}));
        let record = format!("s-{RECORD}");
        assert_eq!(gateway.run_work_of("in", &record), Some(Verdict::Done));
        assert_eq!(gateway.sent("create").len(), 1);
        // A replica answers, and perhaps somebody has written a new description.
        gateway.record["correlation_id"] = json!("");
        if !is_signed {
            gateway.incident["description"] = json!("");
        }
        gateway.servicenow(&json!({}));
        assert_eq!(gateway.work_on(&record), Verdict::Done);
        assert_eq!(gateway.sent("create").len(), created);
        let why = "it is in Flashduty already, by integration in";
        let is_told = gateway.logged.iter().any(|line| line.ends_with(why));
        assert_eq!(is_told, created == 1, "{:?}", gateway.logged);
    }
}

#[test]
fn a_record_of_its_own_counts_whatever_another_integration_says() {
    let mut gateway = Gateway::new(&json!({ "direction": "to-servicenow" }));
    gateway.incident["creator_id"] = json!(7);
    gateway.incident["description"] = json!(format!("ServiceNow INC0010007 [snow:{RECORD}]"));
    gateway.record = json!({
        "sys_id": RECORD, "number": "INC0010007", "correlation_id": "",
    });
    let ours = json!({
        "sys_id": "00000000000000000000000000000008", "number": "INC0010008",
        "correlation_id": format!("flashduty:prod:{INCIDENT}"), "sys_mod_count": "1",
    });
    let found = json!({ "result": [ours] }).to_string().into_bytes();
    gateway.answers = vec![("/table/incident?", found)];
    gateway.flashduty("i_new");
    gateway.work();
    assert_eq!(gateway.pair()["servicenow"], ours["sys_id"]);
}

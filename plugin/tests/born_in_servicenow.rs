//! An incident that was just created for a record holds what it was given. It has
//! not moved, so nothing that it holds wins over the record.
#![allow(clippy::unwrap_used)]

mod gateway;

use gateway::Gateway;
use gateway::INCIDENT;
use serde_json::Value;
use serde_json::json;
use servicenow_sync_plugin::Verdict;

const RECORD: &str = "00000000000000000000000000000007";
const WINNERS: [&str; 4] = ["flashduty", "servicenow", "birth", "newest"];

fn who_wins(winner: &str) -> Value {
    let fields = ["title", "description", "severity", "state", "fields"];
    let fields = fields.map(|field| (field.to_owned(), json!(winner)));
    Value::Object(fields.into_iter().collect())
}

/// With a record that has no incident yet, of which ServiceNow has not told.
fn unborn(settings: &Value, columns: &Value) -> Gateway {
    let mut gateway = Gateway::new(settings);
    gateway.incident = Value::Null;
    gateway.record = json!({
        "sys_id": RECORD, "number": "INC0010007", "state": "1", "impact": "1", "urgency": "1",
        "short_description": "disk full", "description": "on db-1", "sys_mod_count": "2",
        "sys_updated_on": "2026-05-31 08:00:00", "correlation_id": "",
    });
    for (name, value) in columns.as_object().unwrap() {
        gateway.record[name] = value.clone();
    }
    gateway
}

/// With a record that ServiceNow has told of, and its incident.
fn born(settings: &Value, columns: &Value) -> Gateway {
    let mut gateway = unborn(settings, columns);
    is_told_of(&mut gateway);
    gateway
}

/// ServiceNow tells of the record, which becomes an incident.
fn is_told_of(gateway: &mut Gateway) {
    gateway.servicenow(&json!({}));
    assert_eq!(gateway.work_on(&format!("s-{RECORD}")), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 1);
}

#[test]
fn what_a_person_does_before_the_new_incident_is_read_is_not_undone() {
    let mut gateway = unborn(&json!({}), &json!({}));
    gateway.changed_at_once = json!({ "progress": "Processing" });
    is_told_of(&mut gateway);
    assert_eq!(gateway.incident["progress"], "Processing");
    assert_eq!(gateway.record["state"], "2");
}

#[test]
fn a_new_incident_takes_on_the_state_of_its_record_whoever_wins_conflicts() {
    for winner in WINNERS {
        let gateway = born(
            &json!({ "conflict": who_wins(winner) }),
            &json!({ "state": "2" }),
        );
        assert_eq!(gateway.record["state"], "2", "{winner}");
        assert_eq!(gateway.incident["progress"], "Processing", "{winner}");
    }
}

#[test]
fn what_was_cut_at_creation_is_made_whole_and_nothing_is_said_of_a_conflict() {
    let whole = "x".repeat(2000);
    for winner in WINNERS {
        let gateway = born(
            &json!({ "conflict": who_wins(winner) }),
            &json!({ "description": whole }),
        );
        assert_eq!(gateway.record["description"], whole, "{winner}");
        let told = gateway.incident["description"].as_str().unwrap();
        assert!(told.contains(&whole), "{winner}: {}", told.len());
        // The one note is the link.
        assert_eq!(gateway.timeline, [Value::Null; 0], "{winner}");
        let columns = gateway.sent("PATCH incident");
        assert_eq!(columns.len(), 1, "{winner}: {columns:?}");
        let note = columns[0]["work_notes"].as_str().unwrap();
        assert!(!note.contains("Both sides"), "{winner}: {note}");
    }
}

#[test]
fn an_empty_custom_field_of_a_new_incident_empties_no_column() {
    let rule = json!({ "custom-field": "team", "column": "u_team", "on-empty": "clear" });
    for winner in WINNERS {
        let settings = json!({ "conflict": who_wins(winner), "field": [rule] });
        let gateway = born(&settings, &json!({ "u_team": "network" }));
        assert_eq!(gateway.record["u_team"], "network", "{winner}");
        let sent = gateway.sent("field/reset");
        assert_eq!(sent.len(), 1, "{winner}");
        assert_eq!(sent[0]["field_value"], "network");
    }
}

#[test]
fn what_only_flashduty_tells_is_told_to_the_record_all_the_same() {
    let rule = json!({ "column": "u_channel", "value": "channel {{channel_id}}" });
    let narrow = json!({ "column": "u_team", "custom-field": "team", "direction": "to-servicenow",
                "on-empty": "clear" });
    let gateway = born(
        &json!({ "field": [rule, narrow] }),
        &json!({ "u_channel": "", "u_team": "network" }),
    );
    assert_eq!(gateway.record["u_channel"], "channel 1");
    assert_eq!(gateway.record["u_team"], "");
}

#[test]
fn what_only_a_new_record_tells_is_told_to_its_incident() {
    let rule = json!({ "custom-field": "ticket", "value": "{{number}}" });
    let mut gateway = Gateway::new(&json!({ "field": [rule] }));
    gateway.incident["fields"] = json!({});
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    let sent = gateway.sent("field/reset");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["field_value"], "INC0010001");
}

#[test]
fn an_incident_that_is_found_again_may_have_moved() {
    let settings = json!({ "conflict": who_wins("flashduty") });
    let mut gateway = Gateway::new(&settings);
    gateway.record = unborn(&settings, &json!({})).record;
    gateway.incident["incident_id"] = json!(INCIDENT);
    gateway.incident["creator_id"] = json!(7);
    gateway.incident["start_time"] = json!(gateway.now_ms / 1000);
    gateway.incident["description"] = json!(format!("on db-1\n\nINC0010007 [snow:{RECORD}]"));
    gateway.incident["progress"] = json!("Processing");
    gateway.servicenow(&json!({}));
    assert_eq!(gateway.work_on(&format!("s-{RECORD}")), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 0);
    assert_eq!(gateway.record["state"], "2");
}

#[test]
fn an_incident_that_cannot_be_read_once_it_is_created_is_joined_all_the_same() {
    let mut gateway = unborn(&json!({}), &json!({ "state": "2" }));
    gateway.silent = Some("/incident/info");
    gateway.servicenow(&json!({}));
    let pair = format!("s-{RECORD}");
    assert!(matches!(gateway.work_on(&pair), Verdict::Retry(_)));
    gateway.silent = None;
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 1);
    assert_eq!(gateway.incident["progress"], "Processing");
}

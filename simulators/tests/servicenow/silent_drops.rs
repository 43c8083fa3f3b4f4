//! What an instance accepts without doing it.

use std::collections::BTreeSet;

use serde_json::json;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::CustomField;
use simulators::servicenow::CustomKind;
use simulators::servicenow::Options;

use crate::desk::ADMIN;
use crate::desk::Desk;

#[test]
fn unknown_and_computed_columns_are_dropped() {
    let mut desk = Desk::new(Options::default());
    let body = json!({
        "u_nonsense": "x", "priority": "1", "sys_created_by": "somebody", "active": "false",
        "sys_mod_count": "9", "reopen_count": "9", "description": null, "order": 7,
    });
    let sys_id = desk.create(&body.to_string());
    let incident = desk.snow.incident(&sys_id).unwrap();
    assert!(!incident.contains_key("u_nonsense"));
    let kept = [
        "priority",
        "sys_created_by",
        "active",
        "sys_mod_count",
        "reopen_count",
        "order",
    ]
    .map(|column| incident[column].as_str());
    assert_eq!(kept, ["5", "flashduty", "true", "0", "0", "7"]);
}

#[test]
fn a_column_the_user_may_not_write_stays_as_it_was() {
    let mut desk = Desk::new(Options {
        read_only_fields: BTreeSet::from(["urgency".to_owned()]),
        unreadable_fields: BTreeSet::from(["description".to_owned()]),
        ..Options::default()
    });
    let sys_id = desk.create(r#"{"description":"secret"}"#);
    let answer = desk.patch(&sys_id, r#"{"urgency":"1"}"#);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.result()["urgency"], "3");
    assert_eq!(answer.result()["sys_mod_count"], "0");
    assert!(answer.result().get("description").is_none());
    desk.sit_down(ADMIN);
    let answer = desk.patch(&sys_id, r#"{"urgency":"1"}"#);
    assert_eq!(answer.result()["urgency"], "1");
    assert_eq!(answer.result()["description"], "secret");
}

#[test]
fn a_write_that_changes_nothing_is_no_update() {
    let mut desk = Desk::new(Options {
        business_rule: Some(BusinessRule::to("http://gateway.example")),
        ..Options::default()
    });
    let sys_id = desk.create(r#"{"short_description":"Disk full"}"#);
    desk.wait_ms(10_000);
    assert_eq!(desk.webhooks().len(), 1);
    let answer = desk.patch(
        &sys_id,
        r#"{"short_description":"Disk full","comments":""}"#,
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.result()["sys_mod_count"], "0");
    assert_eq!(answer.result()["sys_updated_on"], "2026-03-02 09:00:00");
    assert_eq!(desk.snow.webhooks_waiting(), 0);
    let answer = desk.patch(&sys_id, r#"{"comments":"still full"}"#);
    assert_eq!(answer.result()["sys_mod_count"], "1");
    assert_eq!(answer.result()["sys_updated_on"], "2026-03-02 09:00:10");
    assert_eq!(desk.snow.webhooks_waiting(), 1);
}

#[test]
fn text_that_is_too_long_is_cut() {
    let mut desk = Desk::new(Options {
        custom_fields: vec![CustomField::new(
            "u_service",
            "Service",
            CustomKind::Text(3),
        )],
        ..Options::default()
    });
    let long = "长".repeat(5000);
    let body = json!({
        "short_description": long, "description": long, "correlation_id": long, "u_service": long,
    });
    let sys_id = desk.create(&body.to_string());
    for (column, length) in [
        ("short_description", 160),
        ("description", 4000),
        ("correlation_id", 100),
        ("u_service", 3),
    ] {
        assert_eq!(
            desk.stored(&sys_id, column).chars().count(),
            length,
            "{column}"
        );
    }
}

#[test]
fn a_caller_may_choose_the_sys_id_once() {
    let mut desk = Desk::new(Options::default());
    let chosen = "0123456789abcdef0123456789abcdef";
    let body = json!({"sys_id": chosen}).to_string();
    assert_eq!(desk.create(&body), chosen);
    let again = desk.send("POST", "/api/now/table/incident", &body);
    assert_eq!(again.status, 403);
    assert_eq!(again.json()["error"]["message"], "Operation Failed");
    assert_eq!(desk.snow.incidents().count(), 1);
    // What is no sys_id is dropped like any other nonsense.
    let other = desk.create(r#"{"sys_id":"0123"}"#);
    assert_eq!(other.len(), 32);
}

#[test]
fn an_instance_may_insist_on_its_own_sys_ids() {
    let mut desk = Desk::new(Options {
        accept_caller_sys_id: false,
        ..Options::default()
    });
    let chosen = "0123456789abcdef0123456789abcdef";
    let body = json!({"sys_id": chosen, "correlation_id": "x"}).to_string();
    let first = desk.create(&body);
    let second = desk.create(&body);
    assert!(first != chosen && second != chosen && first != second);
}

#[test]
fn a_label_counts_as_a_value_on_some_instances_only() {
    for (labels_as_values, state) in [(false, "In Progress"), (true, "2")] {
        let mut desk = Desk::new(Options {
            labels_as_values,
            ..Options::default()
        });
        let sys_id = desk.create(r#"{"state":"In Progress"}"#);
        assert_eq!(desk.stored(&sys_id, "state"), state);
    }
}

#[test]
fn a_reference_that_leads_nowhere_is_kept_and_shows_nothing() {
    let mut desk = Desk::new(Options::default());
    let nobody = "0123456789abcdef0123456789abcdef";
    let sys_id = desk.create(&json!({"assigned_to": nobody}).to_string());
    let fields = "sysparm_display_value=all&sysparm_exclude_reference_link=true\
        &sysparm_fields=assigned_to,assigned_to.email";
    let answer = desk.get(&format!("incident/{sys_id}?{fields}"));
    assert_eq!(
        answer.result(),
        json!({
            "assigned_to": {"display_value": "", "value": nobody},
            "assigned_to.email": {"display_value": "", "value": ""},
        })
    );
}

#[test]
fn a_number_of_the_callers_is_kept_and_wastes_one_of_the_instances() {
    let mut desk = Desk::new(Options::default());
    let imported = desk.create(r#"{"number":"INC0000042"}"#);
    assert_eq!(desk.stored(&imported, "number"), "INC0000042");
    let next = desk.create("{}");
    assert_eq!(desk.stored(&next, "number"), "INC0010002");
}

#[test]
fn a_closed_incident_may_take_nothing_from_anybody_but_the_administrator() {
    let mut desk = Desk::new(Options {
        closed_is_read_only: true,
        integration_roles: ["itil_admin".to_owned(), "itil".to_owned()].into(),
        ..Options::default()
    });
    let sys_id = desk.create(r#"{"state":"8"}"#);
    let change = r#"{"short_description":"late","comments":"too late"}"#;
    let answer = desk.patch(&sys_id, change);
    assert_eq!(
        (answer.status, &answer.result()["sys_mod_count"]),
        (200, &json!("0"))
    );
    assert!(desk.snow.journal(&sys_id).is_empty());
    desk.sit_down(ADMIN);
    desk.patch(&sys_id, change);
    assert_eq!(desk.stored(&sys_id, "short_description"), "late");
}

//! What a far end declines, hides or has deleted: how far that reaches, and what
//! goes on beside it.
#![allow(clippy::unwrap_used)]

mod gateway;

use gateway::Gateway;
use gateway::INCIDENT;
use gateway::RECORD;
use gateway::close_code;
use gateway::nothing;
use gateway::opened_in_servicenow;
use gateway::retried;
use serde_json::Value;
use serde_json::json;
use servicenow_sync_plugin::Verdict;

/// Whether the record's work notes hold a text.
fn notes_hold(gateway: &Gateway, text: &str) -> bool {
    let notes = gateway.record["work_notes"].as_str().unwrap_or_default();
    notes.contains(text)
}

/// Somebody writes an additional comment in ServiceNow.
fn comments(gateway: &mut Gateway, text: &str) {
    gateway.record["comments"] = json!(format!(
        "2026-06-01 08:00:10 - Abel Tuter (Additional comments)\n{text}\n\n"
    ));
    let row = json!({
        "sys_id": "00000000000000000000000000000099",
        "element": "comments",
        "element_id": gateway.record["sys_id"],
        "value": text,
        "sys_created_by": "abel.tuter",
        "sys_created_on": "2026-06-01 08:00:10",
    });
    gateway.rows.insert("sys_journal_field", json!([row]));
    gateway.servicenow(&nothing());
}

/// A record that no try shows, and its pair.
fn unseen() -> (Gateway, String) {
    let mut gateway = Gateway::new(&nothing());
    gateway.record = json!({ "sys_id": RECORD, "number": "INC0010007" });
    gateway.record_is_gone = true;
    gateway.servicenow(&nothing());
    (gateway, format!("s-{RECORD}"))
}

#[test]
fn a_record_that_is_never_shown_is_let_go_with_the_last_try() {
    let (mut gateway, pair) = unseen();
    for attempt in 0..4 {
        gateway.attempt = attempt;
        assert!(retried(gateway.work_on(&pair)).counts, "{attempt}");
    }
    gateway.attempt = 4;
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.stored("hint."), [""; 0]);
    let let_go = "a record is let go: it was deleted, or the user may not see it prod";
    let is_told = gateway.logged.iter().any(|line| line.starts_with(let_go));
    assert!(is_told, "{:?}", gateway.logged);
    // Once it is shown it is begun as any other.
    gateway.record_is_gone = false;
    gateway.record["urgency"] = json!("1");
    gateway.record["impact"] = json!("1");
    gateway.record["state"] = json!("1");
    gateway.incident = Value::Null;
    gateway.attempt = 0;
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 1);
}

#[test]
fn no_record_is_let_go_while_the_user_sees_hardly_any() {
    let (mut gateway, pair) = unseen();
    gateway.records = (0..30)
        .map(|n| json!({ "sys_id": format!("{n:032x}"), "sys_updated_on": "2026-01-01 00:00:00", "hidden": true }))
        .collect();
    gateway.attempt = 4;
    let retry = retried(gateway.work_on(&pair));
    assert!(
        !retry.counts && retry.reason.contains("hardly any"),
        "{retry:?}"
    );
    assert_ne!(gateway.stored("hint."), [""; 0]);
}

#[test]
fn what_people_say_travels_though_the_fields_are_declined() {
    let mut gateway = Gateway::linked(&nothing());
    gateway
        .rows
        .insert("sys_choice", close_code("Fixed", "Fixed"));
    gateway.incident["progress"] = json!("Closed");
    gateway.comment("the disk is replaced");
    gateway.flashduty("i_rslv");
    comments(&mut gateway, "thank you");
    let retry = retried(gateway.work());
    assert!(
        retry.reason.starts_with("close_code has no choice"),
        "{retry:?}"
    );
    assert!(notes_hold(&gateway, "the disk is replaced"));
    let sent = gateway.sent("comment");
    assert!(
        sent.iter()
            .any(|body| body.to_string().contains("thank you")),
        "{sent:?}"
    );
    assert_ne!(gateway.stored("hint."), [""; 0]);
    // Once it is mended, the fields follow, and nothing is said again.
    gateway.rows.remove("sys_choice");
    let said = gateway.written.len();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["state"], "6");
    assert_eq!(gateway.written.len(), said + 1, "{:?}", gateway.written);
}

#[test]
fn what_is_declined_does_not_count_as_written_to_and_fro() {
    let mut gateway = Gateway::linked(&nothing());
    gateway
        .rows
        .insert("sys_choice", close_code("Fixed", "Fixed"));
    gateway.incident["progress"] = json!("Closed");
    gateway.record["short_description"] = json!("two disks");
    for n in 0..6 {
        gateway.comment(&format!("remark {n}"));
        gateway.flashduty("i_comm");
        let retry = retried(gateway.work());
        assert!(
            retry.reason.starts_with("close_code has no choice"),
            "{retry:?}"
        );
        assert!(notes_hold(&gateway, &format!("remark {n}")));
    }
}

#[test]
fn an_incident_that_flashduty_cannot_create_is_not_let_go_for_a_record_that_is_not_read() {
    let side = json!({ "url": "https://example.service-now.com" });
    let settings = json!({ "direction": "from-servicenow", "servicenow": side });
    let mut gateway = Gateway::new(&settings);
    gateway.incident = Value::Null;
    gateway.record = json!({ "sys_id": RECORD });
    gateway.servicenow(&json!({
        "number": "INC0010007", "short_description": "disk full", "urgency": "1 - High",
        "impact": "1 - High", "state": "New",
    }));
    gateway.refused = Some("/incident/create");
    gateway.refusal = "ResourceNotFound";
    gateway.attempt = 4;
    let verdict = gateway.work_on(&format!("s-{RECORD}"));
    assert!(
        matches!(&verdict, Verdict::Park(why) if why.contains("/incident/create")),
        "{verdict:?}"
    );
}

#[test]
fn a_comment_that_servicenow_declines_does_not_hold_up_those_the_other_way() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.comment("the disk is replaced");
    gateway.flashduty("i_comm");
    comments(&mut gateway, "thank you");
    gateway.refused = Some("PATCH");
    retried(gateway.work());
    let sent = gateway.sent("comment");
    assert!(
        sent.iter()
            .any(|body| body.to_string().contains("thank you")),
        "{sent:?}"
    );
    gateway.refused = None;
    assert_eq!(gateway.work(), Verdict::Done);
    assert!(notes_hold(&gateway, "the disk is replaced"));
}

#[test]
fn a_journal_that_the_user_may_not_read_is_read_by_its_rows() {
    let mut gateway = Gateway::linked(&nothing());
    comments(&mut gateway, "thank you");
    gateway.record.as_object_mut().unwrap().remove("comments");
    assert_eq!(gateway.work(), Verdict::Done);
    let sent = gateway.sent("comment");
    assert!(
        sent.iter()
            .any(|body| body.to_string().contains("thank you")),
        "{sent:?}"
    );
    // Without those, each webhook's newest counts.
    gateway.rows.remove("sys_journal_field");
    gateway.servicenow(&json!({ "comments": "and good night" }));
    assert_eq!(gateway.work(), Verdict::Done);
    let sent = gateway.sent("comment");
    assert!(
        sent.iter()
            .any(|body| body.to_string().contains("good night")),
        "{sent:?}"
    );
    let is_told = |line: &String| line.starts_with("the journal is not readable");
    assert!(gateway.logged.iter().any(is_told), "{:?}", gateway.logged);
}

#[test]
fn a_new_record_that_was_declined_is_not_made_of_an_incident_that_is_over_again() {
    let mut gateway = Gateway::linked(&json!({ "closing": { "reopen": "new" } }));
    gateway.incident["progress"] = json!("Closed");
    gateway.flashduty("i_rslv");
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.record["state"] = json!("7");
    gateway.incident["progress"] = json!("Triggered");
    gateway.flashduty("i_reopen");
    gateway.refused = Some("POST https://example.service-now.com");
    gateway.comment("what now");
    retried(gateway.work());
    assert!(!notes_hold(&gateway, "what now"), "it is for the new one");
    gateway.refused = None;
    gateway.incident["progress"] = json!("Closed");
    gateway.flashduty("i_rslv");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 0);
    assert!(notes_hold(&gateway, "what now"), "there is no new one");
}

#[test]
fn an_account_of_flashdutys_that_has_to_pay_is_waited_for() {
    for code in ["BalanceNotEnough", "UndonedOrderExist"] {
        let mut gateway = Gateway::new(&nothing());
        gateway.refused = Some("/incident/info");
        gateway.refusal = code;
        gateway.flashduty("i_new");
        assert!(!retried(gateway.work()).counts, "{code}");
    }
}

#[test]
fn an_incident_of_which_only_a_trace_is_left_counts_as_deleted() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.incident["deleted_at"] = json!(gateway.now_ms / 1000);
    gateway.flashduty("i_rslv");
    retried(gateway.work());
    gateway.now_ms += 600_000;
    assert_eq!(gateway.work(), Verdict::Done);
    let ended = &gateway.pair()["ended"];
    assert!(ended.as_str().unwrap().contains("was deleted"), "{ended}");
}

#[test]
fn a_comment_that_was_taken_back_is_not_carried() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.comment("a slip");
    let slip = gateway.timeline.last_mut().unwrap();
    slip["deleted_at"] = json!(gateway.now_ms);
    gateway.comment("the disk is replaced");
    gateway.flashduty("i_comm");
    assert_eq!(gateway.work(), Verdict::Done);
    assert!(notes_hold(&gateway, "the disk is replaced"));
    assert!(!notes_hold(&gateway, "a slip"));
}

#[test]
fn a_creation_that_was_declined_long_ago_is_not_looked_for() {
    let (mut gateway, pair) = opened_in_servicenow();
    gateway.refused = Some("/incident/create");
    retried(gateway.work_on(&pair));
    gateway.refused = None;
    gateway.now_ms += 20 * 86_400_000;
    gateway.loses_answers = true;
    retried(gateway.work_on(&pair));
    gateway.loses_answers = false;
    gateway.requests.clear();
    gateway.now_ms += 600_000;
    gateway.work_on(&pair);
    let mut lists = gateway
        .requests
        .iter()
        .filter(|r| r.url.ends_with("/incident/list"));
    let asked: Value = serde_json::from_slice(&lists.next().unwrap().body).unwrap();
    let span = asked["end_time"].as_u64().unwrap() - asked["start_time"].as_u64().unwrap();
    assert!(span < 86_400, "{span}");
}

#[test]
fn a_record_that_is_in_a_pair_is_not_taken_into_another_by_its_correlation() {
    let (mut gateway, pair) = opened_in_servicenow();
    gateway.configure(&json!({ "trigger": "manual" }));
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 1);
    // An agent hangs another incident on it.
    let other = "6a1d2f45c0ffee0123456788";
    gateway.record["correlation_id"] = json!(format!("flashduty:prod:{other}"));
    gateway.ignores_conditions = true;
    gateway.incident["incident_id"] = json!(other);
    gateway.incident["description"] = json!("on db-2");
    let pressed = json!({ "event_type": "i_custom", "incident": gateway.incident });
    gateway.receive("/trigger/prod", &pressed);
    let Verdict::Park(why) = gateway.work_on(&format!("f-{other}")) else {
        panic!("{:?} {:?}", gateway.stored("pair."), gateway.logged);
    };
    assert!(
        why.contains("already belongs to a pair of its own"),
        "{why}"
    );
    assert_eq!(gateway.pair_of(&pair)["flashduty"], INCIDENT);
}

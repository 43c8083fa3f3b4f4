//! Acknowledging, closing, reopening, assigning, merging.

use serde_json::json;

use super::super::*;
use super::*;

#[test]
fn processing_lasts_until_the_last_acknowledgement_is_withdrawn() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let now = T0 + MINUTE;
    flashduty.act(ANA, &id, &Action::Acknowledge, now).unwrap();
    flashduty.act(BO, &id, &Action::Acknowledge, now).unwrap();
    let unack = Action::Unacknowledge;
    flashduty.act(ANA, &id, &unack, now).unwrap();
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.progress, Progress::Processing);
    assert_eq!(incident.ack_time, now / 1000);
    flashduty.act(BO, &id, &unack, now).unwrap();
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.progress, Progress::Triggered);
    assert_eq!(incident.ack_time, 0);
}

#[test]
fn withdrawing_what_one_never_gave_changes_nothing() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    flashduty.act(ANA, &id, &Action::Acknowledge, T0).unwrap();
    flashduty.take_due(T0 + 1000);
    flashduty.act(BO, &id, &Action::Unacknowledge, T0).unwrap();
    assert!(event_types(&mut flashduty, T0 + 1000).is_empty());
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.progress, Progress::Processing);
}

#[test]
fn closing_by_hand_closes_the_alerts_and_leaves_the_status() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let now = T0 + MINUTE;
    let action = Action::Resolve {
        root_cause: Some("A slow query".to_owned()),
        resolution: Some("An index".to_owned()),
    };
    flashduty.act(ANA, &id, &action, now).unwrap();
    let [event] = &payloads(&mut flashduty, now + 1000)[..] else {
        panic!("expected one event");
    };
    let incident = &event["incident"];
    assert_eq!(event["event_type"], "i_rslv");
    assert_eq!(event["person"]["person_name"], "Ana");
    assert_eq!(incident["closer"]["person_id"], ANA);
    assert_eq!(incident["progress"], "Closed");
    assert_eq!(incident["incident_status"], "Critical");
    assert_eq!(incident["close_time"], now / 1000);
    assert_eq!(incident["end_time"], 0);
    assert_eq!(incident["root_cause"], "A slow query");
    let info = data(
        &mut flashduty,
        "/incident/info",
        &json!({ "incident_id": id }),
        now,
    );
    assert_eq!(info["active_alert_cnt"], 0);
}

#[test]
fn reopening_forgets_acknowledgements_and_calls_the_people_again() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    flashduty.act(ANA, &id, &Action::Acknowledge, T0).unwrap();
    let resolve = Action::Resolve {
        root_cause: None,
        resolution: None,
    };
    flashduty.act(ANA, &id, &resolve, T0).unwrap();
    flashduty.take_due(T0 + 1000);
    let reason = "not over".to_owned();
    flashduty
        .act(BO, &id, &Action::Reopen { reason }, T0 + MINUTE)
        .unwrap();
    let types = event_types(&mut flashduty, T0 + 2 * MINUTE);
    assert_eq!(types, ["i_reopen", "i_assign"]);
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.progress, Progress::Triggered);
    assert_eq!(incident.close_time, 0);
    assert_eq!(incident.closer, None);
    assert_eq!(incident.responders[0].acknowledged_at, 0);
    assert_eq!(incident.responders[0].assigned_at, (T0 + MINUTE) / 1000);
}

#[test]
fn reassigning_takes_processing_back_to_triggered_with_only_an_i_assign() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    flashduty.act(ANA, &id, &Action::Acknowledge, T0).unwrap();
    flashduty.take_due(T0 + 1000);
    let body = json!({ "incident_id": id, "assigned_to": { "person_ids": [BO] } });
    data(&mut flashduty, "/incident/assign", &body, T0);
    let [event] = &payloads(&mut flashduty, T0 + 1000)[..] else {
        panic!("expected one event");
    };
    assert_eq!(event["event_type"], "i_assign");
    assert_eq!(event["incident"]["progress"], "Triggered");
    assert_eq!(event["incident"]["responder_ids"], json!([BO]));
    assert_eq!(event["incident"]["assigned_to"]["type"], "reassign");
}

#[test]
fn merging_moves_the_alerts_and_closes_the_source_without_an_i_rslv() {
    let mut flashduty = flashduty();
    let target = open_incident(&mut flashduty);
    let event = AlertEvent::new("errors", "Checkout fails", Status::Warning);
    let pushed = flashduty.push_alert(PAYMENTS, event, T0).unwrap();
    let source = pushed.incident_id.unwrap();
    flashduty.take_due(T0 + 1000);
    let body = json!({ "source_incident_ids": [source, target], "target_incident_id": target });
    data(&mut flashduty, "/incident/merge", &body, T0);
    assert_eq!(event_types(&mut flashduty, T0 + 1000), ["i_merge"]);
    let closed = flashduty.incident(&source).unwrap();
    assert_eq!(closed.progress, Progress::Closed);
    assert!(closed.alerts.is_empty());
    assert_eq!(flashduty.incident(&target).unwrap().alerts.len(), 2);
    // The moved alert goes on in the target.
    let event = AlertEvent::new("errors", "Checkout fails", Status::Critical);
    let pushed = flashduty.push_alert(PAYMENTS, event, T0).unwrap();
    assert_eq!(pushed.incident_id, Some(target));
}

#[test]
fn a_severity_set_by_hand_wins_over_later_alerts() {
    let mut flashduty = flashduty();
    let event = AlertEvent::new("latency", "Slow", Status::Info);
    let pushed = flashduty.push_alert(PAYMENTS, event, T0).unwrap();
    let id = pushed.incident_id.unwrap();
    let body = json!({ "incident_id": id, "incident_severity": "Warning" });
    data(&mut flashduty, "/incident/reset", &body, T0);
    let event = AlertEvent::new("latency", "Slower", Status::Critical);
    flashduty.push_alert(PAYMENTS, event, T0).unwrap();
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.severity, Severity::Warning);
    assert_eq!(incident.status, Status::Critical);
    assert!(incident.manual_overrides.contains("incident_severity"));
}

#[test]
fn a_removed_incident_is_gone_and_nothing_tells() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    data(&mut flashduty, "/incident/remove", &ids(&id), T0);
    assert!(event_types(&mut flashduty, T0 + MINUTE).is_empty());
    let text = refusal(
        &mut flashduty,
        "/incident/info",
        &json!({ "incident_id": id }),
        T0,
    );
    assert_eq!(
        text,
        format!("ResourceNotFound: incident {id} does not exist")
    );
}

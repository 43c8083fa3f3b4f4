//! Incidents that follow their alerts.

use serde_json::json;

use super::super::*;
use super::*;

#[test]
fn events_with_one_key_are_one_alert_of_one_incident() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let event = AlertEvent::new("latency", "Checkout is slower", Status::Warning);
    let pushed = flashduty.push_alert(PAYMENTS, event, T0 + MINUTE).unwrap();
    assert_eq!(pushed.incident_id.as_ref(), Some(&id));
    let body = json!({ "incident_id": id, "include_events": true });
    let alerts = data(&mut flashduty, "/incident/alert/list", &body, T0 + MINUTE);
    assert_eq!(alerts["total"], 1);
    let alert = &alerts["items"][0];
    assert_eq!(alert["alert_severity"], "Critical");
    assert_eq!(alert["alert_status"], "Warning");
    assert_eq!(alert["event_cnt"], 2);
    assert_eq!(alert["events"][1]["event_status"], "Warning");
}

#[test]
fn recovery_closes_the_incident_without_a_person() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let now = T0 + MINUTE;
    let event = AlertEvent::new("latency", "Checkout is fine", Status::Ok);
    flashduty.push_alert(PAYMENTS, event, now).unwrap();
    let [event] = &payloads(&mut flashduty, now + 1000)[..] else {
        panic!("expected one event");
    };
    let incident = &event["incident"];
    assert_eq!(event["event_type"], "i_rslv");
    assert!(event.get("person").is_none());
    assert!(incident.get("closer").is_none());
    assert_eq!(incident["incident_status"], "Ok");
    assert_eq!(incident["progress"], "Closed");
    assert_eq!(incident["end_time"], now / 1000);
    assert_eq!(incident["close_time"], now / 1000);
    // The words stay those of the trouble.
    assert_eq!(incident["title"], "Checkout is slow");
    let body = json!({ "incident_id": id, "types": ["i_rslv"] });
    let feed = data(&mut flashduty, "/incident/feed", &body, now);
    assert_eq!(feed["items"][0]["detail"]["from"], "event");
}

#[test]
fn a_channel_may_leave_recovered_incidents_open() {
    let mut flashduty = flashduty();
    let channel = flashduty.account_mut().channels.get_mut(&PAYMENTS).unwrap();
    channel.close_with_alerts = false;
    let id = open_incident(&mut flashduty);
    let event = AlertEvent::new("latency", "", Status::Ok);
    let error = flashduty.push_alert(PAYMENTS, event, T0).unwrap_err();
    assert_eq!(
        error.message,
        "title: expected 1 to 512 characters, found 0"
    );
    let event = AlertEvent::new("latency", "Fine", Status::Ok);
    flashduty.push_alert(PAYMENTS, event, T0).unwrap();
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.progress, Progress::Triggered);
    assert_eq!(incident.status, Status::Ok);
}

#[test]
fn an_alert_that_fires_after_closing_opens_another_incident() {
    let mut flashduty = flashduty();
    let first = open_incident(&mut flashduty);
    data(&mut flashduty, "/incident/resolve", &ids(&first), T0);
    let second = open_incident(&mut flashduty);
    assert_ne!(first, second);
    assert_eq!(flashduty.incidents().count(), 2);
}

#[test]
fn a_channel_that_groups_puts_equal_labels_into_one_incident() {
    let mut flashduty = flashduty();
    let channel = flashduty.account_mut().channels.get_mut(&PAYMENTS).unwrap();
    channel.group_by = vec!["service".to_owned()];
    let mut push = |key: &str, service: &str| {
        let event = AlertEvent::new(key, "Trouble", Status::Info).label("service", service);
        flashduty
            .push_alert(PAYMENTS, event, T0)
            .unwrap()
            .incident_id
            .unwrap()
    };
    let first = push("a", "checkout");
    assert_eq!(push("b", "checkout"), first);
    assert_ne!(push("c", "search"), first);
    data(&mut flashduty, "/incident/disable-merge", &ids(&first), T0);
    let event = AlertEvent::new("d", "Trouble", Status::Info).label("service", "checkout");
    let pushed = flashduty.push_alert(PAYMENTS, event, T0).unwrap();
    assert_ne!(pushed.incident_id, Some(first));
}

#[test]
fn the_standard_push_raises_an_alert_with_the_key_of_the_channel() {
    let mut flashduty = flashduty();
    let key = flashduty.integration_key(PAYMENTS).unwrap().to_owned();
    assert_eq!(key.len(), 35);
    let body = json!({
        "title_rule": "$service::slow", "event_status": "Warning", "alert_key": "k1",
        "description": "p99 over 2 s", "labels": { "service": "checkout" },
    });
    let query = format!("integration_key={key}");
    let push = post(
        "/event/push/alert/standard",
        &query,
        body.to_string().as_bytes(),
    );
    let (status, body) = answer(&flashduty.handle(&push, T0));
    assert_eq!(status, 200);
    assert_eq!(body["data"], json!({ "alert_key": "k1" }));
    let incident = flashduty.incidents().next().unwrap();
    assert_eq!(incident.title, "checkout / slow");
    assert_eq!(incident.channel_id, PAYMENTS);
    assert_eq!(incident.labels["service"], "checkout");
}

#[test]
fn a_push_with_a_wrong_key_is_an_invalid_parameter() {
    let mut flashduty = flashduty();
    let push = post("/event/push/alert/standard", "integration_key=x", b"{}");
    let (status, body) = answer(&flashduty.handle(&push, T0));
    assert_eq!(status, 400);
    assert_eq!(body["error"]["code"], "InvalidParameter");
    assert_eq!(body["error"]["message"], "integration_key: is not valid");
}

#[test]
fn time_alone_closes_an_incident_in_a_channel_that_wants_it() {
    let mut flashduty = flashduty();
    let channel = flashduty.account_mut().channels.get_mut(&PAYMENTS).unwrap();
    channel.auto_resolve_s = 3600;
    let id = open_incident(&mut flashduty);
    assert_eq!(flashduty.next_due(), Some(T0 + 60 * MINUTE));
    let types = event_types(&mut flashduty, T0 + 61 * MINUTE);
    assert_eq!(types, ["i_rslv"]);
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.close_time, T0 / 1000 + 3600);
    assert_eq!(incident.closer, None);
}

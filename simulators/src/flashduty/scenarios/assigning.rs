//! Whom an incident is given to, and how they are to be told.

use serde_json::json;

use super::super::*;
use super::*;

#[test]
fn addresses_become_members_and_unknown_ones_are_ignored() {
    let mut flashduty = flashduty();
    let body = json!({
        "title": "Slow", "incident_severity": "Info", "channel_id": PAYMENTS,
        "assigned_to": {
            "person_ids": [BO],
            "emails": ["ANA@example.com", "bo@example.com", "nobody@example.com"],
        },
    });
    let id = data(&mut flashduty, "/incident/create", &body, T0)["incident_id"].clone();
    let info = data(
        &mut flashduty,
        "/incident/info",
        &json!({ "incident_id": id }),
        T0,
    );
    assert_eq!(info["assigned_to"]["person_ids"], json!([BO, ANA]));
    let responders = info["responders"].as_array().unwrap().iter();
    let people: Vec<_> = responders.map(|it| it["person_id"].clone()).collect();
    assert_eq!(people, [BO, ANA]);
}

#[test]
fn only_unknown_addresses_assign_it_to_nobody() {
    let mut flashduty = flashduty();
    let body = json!({
        "title": "Slow", "incident_severity": "Info", "channel_id": PAYMENTS,
        "assigned_to": { "emails": ["nobody@example.com"] },
    });
    let id = data(&mut flashduty, "/incident/create", &body, T0)["incident_id"].clone();
    let id = id.as_str().unwrap();
    assert!(flashduty.incident(id).unwrap().responders.is_empty());
    for assigned_to in [json!({}), json!({ "emails": ["bo@example.com"] })] {
        let body = json!({ "incident_id": id, "assigned_to": assigned_to });
        assert_eq!(
            refusal(&mut flashduty, "/incident/assign", &body, T0),
            "InvalidParameter: assigned_to: at least one of person_ids and escalate_rule_id must \
             be set"
        );
    }
}

#[test]
fn the_wish_how_to_tell_people_is_kept_and_shown() {
    let mut flashduty = flashduty();
    let channel = json!({ "channel_id": SEARCH });
    let rules = data(&mut flashduty, "/channel/escalate/rule/list", &channel, T0);
    let rule_id = &rules["items"][0]["rule_id"];
    let body = json!({
        "title": "Slow", "incident_severity": "Info", "channel_id": SEARCH,
        "assigned_to": {
            "escalate_rule_id": rule_id,
            "notify": { "personal_channels": ["sms", "voice"] },
        },
    });
    data(&mut flashduty, "/incident/create", &body, T0);
    let events = payloads(&mut flashduty, T0 + 1000);
    let assigned = &events[1]["incident"]["assigned_to"];
    assert_eq!(events[1]["event_type"], "i_assign");
    assert_eq!(assigned["escalate_rule_name"], "Search on call");
    assert_eq!(
        assigned["notify"],
        json!({ "follow_preference": false, "personal_channels": ["sms", "voice"], "template_id": "" })
    );
    let body = json!({
        "incident_ids": [events[1]["incident"]["incident_id"]],
        "assigned_to": { "person_ids": [ANA] },
    });
    data(&mut flashduty, "/incident/assign", &body, T0 + 2000);
    let event = &payloads(&mut flashduty, T0 + 3000)[0];
    assert_eq!(event["incident"]["assigned_to"].get("notify"), None);
}

#[test]
fn an_address_is_found_by_the_list_of_members() {
    let mut flashduty = flashduty();
    let body = json!({ "query": "ana@example.com" });
    let found = data(&mut flashduty, "/member/list", &body, T0);
    assert_eq!(found["total"], 1);
    assert_eq!(found["items"][0]["member_id"], ANA);
    let body = json!({ "person_ids": [BO, 7] });
    let found = data(&mut flashduty, "/person/infos", &body, T0);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(found["items"][0]["email"], "bo@example.com");
}

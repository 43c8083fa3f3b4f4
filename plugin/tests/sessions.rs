//! Whole sessions, run natively between two far ends in memory: what they
//! write, what they leave alone, and what they remember.
#![allow(clippy::unwrap_used)]

mod gateway;

use gateway::Gateway;
use gateway::INCIDENT;
use gateway::close_code;
use gateway::nothing;
use gateway::opened_in_servicenow;
use gateway::retried;
use serde_json::Value;
use serde_json::json;
use servicenow_sync_plugin::Verdict;

#[test]
fn a_new_incident_gets_one_record_which_names_it_and_its_hint_is_dropped() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    assert_eq!(gateway.stored("hint.").len(), 1);
    assert_eq!(gateway.work(), Verdict::Done);
    let created = gateway.sent("POST incident");
    assert_eq!(created.len(), 1);
    assert_eq!(
        created[0]["correlation_id"],
        format!("flashduty:prod:{INCIDENT}")
    );
    assert_eq!(created[0]["short_description"], "disk full");
    assert_eq!(gateway.stored("hint."), [""; 0]);
    gateway.written.clear();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, [], "a second look");
}

#[test]
fn a_dry_run_writes_nothing_and_remembers_nothing() {
    let mut gateway = Gateway::new(&json!({ "dry-run": true }));
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
    let known = [
        "unbroken.first-look.prod.flashduty",
        "unbroken.first-look.prod.servicenow",
    ];
    assert_eq!(gateway.stored(""), known);
}

#[test]
fn an_incident_of_another_channel_takes_no_part() {
    let mut gateway = Gateway::new(&nothing());
    gateway.incident["channel_id"] = json!(2);
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
}

#[test]
fn where_the_trigger_is_manual_only_the_button_sends_an_incident() {
    let mut gateway = Gateway::new(&json!({ "trigger": "manual" }));
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
    let pressed = json!({ "event_type": "i_custom", "incident": gateway.incident });
    gateway.receive("/trigger/prod", &pressed);
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 1);
}

#[test]
fn a_creation_whose_answer_was_lost_is_not_sent_again_while_it_may_still_happen() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    gateway.loses_answers = true;
    retried(gateway.work());
    // As if the instance had not got to it yet.
    gateway.record = Value::Null;
    let retry = retried(gateway.work());
    assert_eq!(
        retry.reason,
        "ServiceNow may still carry out a creation whose answer was lost"
    );
    assert_eq!(gateway.sent("POST incident").len(), 1);
}

#[test]
fn a_creation_whose_answer_was_lost_is_waited_for_by_a_gateway_whose_clock_is_behind() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.record = Value::Null;
    gateway.now_ms -= 600_000;
    let retry = retried(gateway.work());
    let begun_ms = gateway.now_ms;
    assert_eq!(retry.not_before_ms, Some(begun_ms + 150_000));
    gateway.now_ms = begun_ms + 140_000;
    assert_eq!(
        retried(gateway.work()).not_before_ms,
        Some(begun_ms + 150_000)
    );
    assert_eq!(gateway.sent("POST incident").len(), 1);
    gateway.now_ms = begun_ms + 150_000;
    gateway.loses_answers = false;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 2);
}

#[test]
fn a_lost_creation_is_looked_for_through_as_many_pages_as_a_session_bears() {
    let mut gateway = Gateway::new(&nothing());
    let id = format!("{:032x}", 7);
    gateway.record = json!({
        "sys_id": id, "number": "INC0010007", "state": "1", "impact": "1", "urgency": "1",
        "short_description": "disk full", "description": "", "sys_mod_count": "0",
    });
    gateway.servicenow(&nothing());
    gateway.loses_answers = true;
    retried(gateway.work_on(&format!("s-{id}")));
    assert_eq!(gateway.sent("create").len(), 1);
    let page = json!({ "items": [], "has_next_page": true, "search_after_ctx": "more" });
    let answer = json!({ "data": page }).to_string().into_bytes();
    gateway.answers = vec![("/incident/list", answer)];
    gateway.requests.clear();
    let why = "Flashduty had over 90000 incidents then, too many to look for one; link the one that \
               was created, or unlink";
    assert_eq!(
        gateway.work_on(&format!("s-{id}")),
        Verdict::Park(why.into())
    );
    let looks = gateway.requests.len();
    assert!((900..1000).contains(&looks), "{looks} requests");
    // Another channel may be the first by now.
    let look: Value = serde_json::from_slice(&gateway.requests[looks - 1].body).unwrap();
    assert_eq!(look["channel_ids"], json!([]));
    assert_eq!(gateway.sent("create").len(), 1);
}

/// With a record whose creation in Flashduty is in doubt, and was carried out.
fn in_doubt() -> (Gateway, String) {
    let mut gateway = Gateway::new(&nothing());
    let id = format!("{:032x}", 7);
    gateway.record = json!({
        "sys_id": id, "number": "INC0010007", "state": "1", "impact": "1", "urgency": "1",
        "short_description": "disk full", "description": "", "sys_mod_count": "0",
    });
    gateway.servicenow(&nothing());
    gateway.loses_answers = true;
    retried(gateway.work_on(&format!("s-{id}")));
    gateway.loses_answers = false;
    // Whoever looks for it does not find it.
    let nothing = json!({ "data": { "items": [] } }).to_string().into_bytes();
    gateway.answers = vec![("/incident/list", nothing)];
    gateway.incident["creator_id"] = json!(7);
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.written.clear();
    (gateway, id)
}

#[test]
fn an_operator_links_what_a_lost_creation_made_once_it_cannot_happen_any_more() {
    let (mut gateway, id) = in_doubt();
    let names = json!({ "flashduty": INCIDENT, "servicenow": id });
    let hints = gateway.stored("hint.").len();
    gateway.order("link", &names);
    assert_eq!(gateway.stored("hint.").len(), hints, "too early");
    gateway.now_ms += 150_000;
    gateway.order("link", &names);
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.pair()["servicenow"], id);
    assert_eq!(gateway.sent("create").len(), 0);
    is_still_in_step(&mut gateway);
}

#[test]
fn what_a_lost_creation_made_stays_alone_after_an_operator_has_given_it_up() {
    let (mut gateway, id) = in_doubt();
    gateway.now_ms += 150_000;
    gateway.order("unlink", &json!({ "servicenow": id }));
    assert_eq!(gateway.work_on(&format!("s-{id}")), Verdict::Done);
    for _ in 0..2 {
        gateway.flashduty("i_r_title");
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work_on(&format!("s-{id}")), Verdict::Done);
    }
    assert_eq!(gateway.written, []);
    // It can be joined all the same.
    gateway.order("link", &json!({ "flashduty": INCIDENT, "servicenow": id }));
    assert_eq!(gateway.work(), Verdict::Done);
    is_still_in_step(&mut gateway);
}

#[test]
fn an_order_to_take_a_pair_apart_waits_for_a_creation_that_was_sent_since() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.loses_answers = false;
    gateway.now_ms += 150_000;
    gateway.order("unlink", &json!({ "flashduty": INCIDENT }));
    // By a session that was under way.
    let now_ms = gateway.now_ms;
    gateway.amend_pair(|pair| pair["creating"]["sent_ms"] = json!(now_ms));
    let retry = retried(gateway.work());
    assert!(
        retry.reason.contains("a creation was lost"),
        "{}",
        retry.reason
    );
    gateway.now_ms = retry.not_before_ms.unwrap();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.pair()["ended"], "unlinked by an operator");
}

#[test]
fn a_creation_that_was_lost_and_is_refused_since_is_not_in_the_way_of_an_operator() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.loses_answers = false;
    gateway.record = Value::Null;
    gateway.refused = Some("POST https://example.service-now.com");
    gateway.now_ms += 150_000;
    assert!(retried(gateway.work()).counts);
    let by_hand = format!("{:032x}", 7);
    gateway.record = json!({
        "sys_id": by_hand, "number": "INC0000007", "state": "2", "sys_mod_count": "1",
    });
    gateway.refused = None;
    gateway.now_ms += 150_000;
    gateway.order(
        "link",
        &json!({ "flashduty": INCIDENT, "servicenow": by_hand }),
    );
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.pair()["servicenow"], by_hand);
    assert_eq!(gateway.sent("POST incident").len(), 1);
}

#[test]
fn a_look_that_began_before_a_lost_creation_had_settled_proves_nothing() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.record = Value::Null;
    gateway.now_ms += 145_000;
    gateway.look_up_ms = 10_000;
    retried(gateway.work());
    assert_eq!(gateway.sent("POST incident").len(), 1);
    gateway.loses_answers = false;
    gateway.look_up_ms = 0;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 2);
}

#[test]
fn an_instance_that_stops_to_honour_sys_ids_is_not_trusted_any_more() {
    let mut gateway = Gateway::linked(&nothing());
    assert_eq!(gateway.stored("instance."), ["instance.prod"]);
    gateway.chooses_sys_ids = true;
    gateway.incident["incident_id"] = json!("6a1d2f45c0ffee0123456788");
    gateway.flashduty("i_new");
    assert_eq!(gateway.work_on("f-6a1d2f45c0ffee0123456788"), Verdict::Done);
    assert_eq!(gateway.stored("instance."), [""; 0]);
}

#[test]
fn an_incident_that_a_lost_store_made_for_a_record_gets_no_second_record() {
    for (correlation, created) in [("", 0), ("another tool", 1)] {
        let mut gateway = Gateway::new(&nothing());
        gateway.incident["creator_id"] = json!(7);
        let sys_id = "00000000000000000000000000000001";
        gateway.incident["description"] = json!(format!("ServiceNow INC0000007 [snow:{sys_id}]"));
        gateway.record = json!({
            "sys_id": sys_id, "number": "INC0000007", "correlation_id": correlation,
        });
        gateway.flashduty("i_new");
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(
            gateway.sent("POST incident").len(),
            created,
            "{correlation}"
        );
    }
}

#[test]
fn an_order_that_is_turned_down_hides_no_pair_that_the_store_has_lost() {
    let mut gateway = Gateway::new(&nothing());
    gateway.incident["creator_id"] = json!(7);
    let sys_id = "00000000000000000000000000000001";
    gateway.incident["description"] = json!(format!("ServiceNow INC0000007 [snow:{sys_id}]"));
    gateway.record = json!({
        "sys_id": sys_id, "number": "INC0000007", "correlation_id": "", "state": "6",
    });
    gateway.order("sync", &json!({ "servicenow": sys_id }));
    let pair = format!("s-{sys_id}");
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.stored(&format!("pair.prod.{pair}")).len(), 1);
    gateway.flashduty("i_new");
    gateway.scheduled.clear();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 0);
    assert_eq!(gateway.asked_for(), [format!("prod.{pair}")]);
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.incident["progress"], "Closed");
}

#[test]
fn an_order_about_a_record_of_a_lost_pair_is_passed_on_and_says_so() {
    for is_there in [true, false] {
        let mut gateway = Gateway::new(&nothing());
        gateway.has_a_record_of_an_earlier_store();
        gateway.incident_is_gone = !is_there;
        let sys_id = gateway.record["sys_id"].as_str().unwrap().to_owned();
        gateway.order("sync", &json!({ "servicenow": sys_id }));
        gateway.scheduled.clear();
        let record = format!("s-{sys_id}");
        assert_eq!(gateway.work_on(&record), Verdict::Done);
        assert_eq!(gateway.asked_for(), [format!("prod.f-{INCIDENT}")]);
        let told = gateway.pair_of(&record)["history"].to_string();
        let why = format!("its pair is f-{INCIDENT}, which is looked at now");
        assert!(told.contains(&why), "{told}");
        assert_eq!(gateway.work(), Verdict::Done);
        let pair = gateway.pair();
        assert_eq!(pair["servicenow"] == sys_id, is_there, "{pair}");
        let history = pair["history"].to_string();
        assert_eq!(history.contains("answered 404"), !is_there, "{history}");
        // Nothing of it is left for later, and the record leads to its pair.
        gateway.scheduled.clear();
        assert_eq!(gateway.work_on(&record), Verdict::Done);
        let hints = gateway.stored("hint.");
        let is_order = |hint: &&str| hint.contains("-order-");
        assert!(!hints.iter().any(is_order), "{hints:?}");
        assert_eq!(gateway.asked_for(), [format!("prod.f-{INCIDENT}")]);
    }
}

#[test]
fn a_signature_in_a_new_alert_does_not_join_it_to_somebody_elses_record() {
    let mut gateway = Gateway::new(&nothing());
    gateway.incident["creator_id"] = json!(0);
    gateway.incident["alert_cnt"] = json!(1);
    let sys_id = "00000000000000000000000000000001";
    gateway.incident["description"] = json!(format!("[snow:{sys_id}]"));
    gateway.record = json!({
        "sys_id": sys_id, "number": "INC0000007", "correlation_id": "", "state": "2",
    });
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 1);
    assert_eq!(gateway.asked_for(), [format!("prod.f-{INCIDENT}")]);
    assert_eq!(gateway.stored(&format!("pair.prod.s-{sys_id}")), [""; 0]);
}

#[test]
fn a_signature_in_an_alert_is_not_taken_for_an_incident_of_our_own() {
    for (alerts, created) in [(1, 1), (0, 0)] {
        let mut gateway = Gateway::new(&nothing());
        let sys_id = format!("{:032x}", 7);
        gateway.record = json!({
            "sys_id": sys_id, "number": "INC0010007", "state": "1", "impact": "1", "urgency": "1",
            "short_description": "disk full", "description": "", "sys_mod_count": "0",
        });
        gateway.incident["creator_id"] = json!(0);
        gateway.incident["alert_cnt"] = json!(alerts);
        gateway.incident["description"] = json!(format!("[snow:{sys_id}]"));
        gateway.incident["start_time"] = json!(gateway.now_ms / 1000);
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work_on(&format!("s-{sys_id}")), Verdict::Done);
        assert_eq!(gateway.sent("create").len(), created);
    }
}

#[test]
fn a_pair_of_an_earlier_store_is_found_again_whatever_the_incident_is_now() {
    let manual = json!({ "trigger": "manual" });
    let condition = json!({ "conditions": [[
        { "key": "severity", "oper": "IN", "vals": ["Warning"] },
    ]] });
    let channel = json!({ "flashduty": { "credential": "flashduty", "channels": [2] } });
    for settings in [manual, condition, channel] {
        let mut gateway = Gateway::with_a_new_store(&settings);
        gateway.has_a_record_of_an_earlier_store();
        gateway.incident["created_at"] = json!(gateway.now_ms / 1000 - 3600);
        // Whichever of the two is heard of first.
        gateway.servicenow(&nothing());
        let record = gateway.record["sys_id"].as_str().unwrap().to_owned();
        assert_eq!(gateway.work_on(&format!("s-{record}")), Verdict::Done);
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.pair()["servicenow"], record, "{settings}");
        assert_eq!(gateway.sent("POST incident").len(), 0);
        // What was said of the record is the pair's from now on.
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.stored("hint."), [""; 0]);
    }
}

#[test]
fn of_records_that_took_each_others_place_the_last_is_found_again() {
    let mut gateway = Gateway::with_a_new_store(&nothing());
    gateway.incident["progress"] = json!("Processing");
    let record = |sys_id: u8, generation: &str, state: &str| {
        json!({
            "sys_id": format!("{sys_id:032x}"), "number": format!("INC000000{sys_id}"),
            "correlation_id": format!("flashduty:prod:{INCIDENT}{generation}"),
            "state": state, "sys_mod_count": "3", "short_description": "disk full",
        })
    };
    let (old, new) = (record(1, "", "7"), record(2, ":2", "2"));
    let found = json!({ "result": [new, old] }).to_string().into_bytes();
    gateway.answers = vec![("/table/incident?", found)];
    gateway.record = new;
    gateway.flashduty("i_r_title");
    assert_eq!(gateway.work(), Verdict::Done);
    let pair = gateway.pair();
    assert_eq!(pair["servicenow"], format!("{:032x}", 2));
    assert_eq!(pair["generation"], 1);
    assert_eq!(gateway.sent("resolve").len(), 0);
}

#[test]
fn a_creation_that_was_refused_is_not_in_the_way_of_an_operator() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    gateway.refused = Some("POST https://example.service-now.com");
    assert!(retried(gateway.work()).counts);
    let by_hand = format!("{:032x}", 7);
    gateway.record = json!({
        "sys_id": by_hand, "number": "INC0000007", "state": "2", "sys_mod_count": "1",
    });
    let mut apart = gateway.clone();
    apart.order("unlink", &json!({ "flashduty": INCIDENT }));
    assert_eq!(apart.work(), Verdict::Done);
    assert_eq!(apart.pair()["ended"], "unlinked by an operator");
    for mut gateway in [gateway, apart] {
        let names = json!({ "flashduty": INCIDENT, "servicenow": by_hand });
        gateway.order("link", &names);
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.pair()["servicenow"], by_hand);
        assert_eq!(gateway.pair()["ended"], Value::Null);
    }
}

#[test]
fn a_creation_that_may_still_happen_is_waited_for_by_an_operator_too() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    gateway.loses_answers = true;
    retried(gateway.work());
    let hints = gateway.stored("hint.").len();
    let names = json!({ "flashduty": INCIDENT, "servicenow": format!("{:032x}", 7) });
    gateway.order("unlink", &json!({ "flashduty": INCIDENT }));
    gateway.order("link", &names);
    assert_eq!(
        gateway.stored("hint.").len(),
        hints,
        "neither is left to do"
    );
}

#[test]
fn a_creation_that_was_begun_is_found_though_its_channel_takes_no_part_any_more() {
    let mut gateway = Gateway::new(&nothing());
    gateway.incident["created_at"] = json!(gateway.now_ms / 1000);
    gateway.flashduty("i_new");
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.loses_answers = false;
    let channels = json!({ "credential": "flashduty", "channels": [2] });
    gateway.configure(&json!({ "flashduty": channels }));
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.pair()["servicenow"], gateway.record["sys_id"]);
    assert_eq!(gateway.sent("POST incident").len(), 1);
}

/// Leaves more hints about the incident than a session takes.
fn crowd(gateway: &mut Gateway) {
    let hint = json!({ "flashduty": { "event_type": "i_r_title" } });
    for number in 0..201 {
        let left = json!({ "received_ms": number, "hint": hint });
        gateway.store(&format!("hint.prod.f-{INCIDENT}.{number:04}"), &left);
    }
}

#[test]
fn work_that_is_to_wait_waits_however_many_hints_there_are() {
    let mut gateway = Gateway::new(&nothing());
    gateway.flashduty("i_new");
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.record = Value::Null;
    crowd(&mut gateway);
    gateway.scheduled.clear();
    assert!(retried(gateway.work()).not_before_ms.is_some());
    assert_eq!(gateway.asked_for(), [""; 0]);
    gateway.now_ms += 200_000;
    gateway.loses_answers = false;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.asked_for(), [format!("prod.f-{INCIDENT}")]);
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.asked_for(), [""; 0]);
    assert_eq!(gateway.stored("hint."), [""; 0]);
}

#[test]
fn an_order_is_obeyed_however_many_hints_there_are() {
    let mut gateway = Gateway::linked(&nothing());
    crowd(&mut gateway);
    gateway.order("unlink", &json!({ "flashduty": INCIDENT }));
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.pair()["ended"], "unlinked by an operator");
}

#[test]
fn a_row_that_was_not_asked_for_is_not_taken_for_the_incidents_record() {
    let mut gateway = Gateway::new(&nothing());
    gateway.record = json!({
        "sys_id": "00000000000000000000000000000001",
        "number": "INC0000007",
        "correlation_id": "another tool",
    });
    gateway.ignores_conditions = true;
    gateway.flashduty("i_new");
    let retry = retried(gateway.work());
    assert!(retry.counts);
    assert!(
        retry.reason.contains("with another record"),
        "{}",
        retry.reason
    );
    assert_eq!(gateway.written, []);
}

#[test]
fn a_person_who_was_not_asked_for_is_assigned_nothing() {
    let mut gateway = Gateway::linked(&json!({ "assignee": true }));
    let somebody_else = json!([
        { "sys_id": "00000000000000000000000000000002", "email": "bo@example.com" },
    ]);
    gateway.rows.insert("sys_user", somebody_else);
    gateway.incident["responders"] = json!([{ "person_id": 1, "email": "ana@example.com" }]);
    gateway.flashduty("i_assign");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
}

#[test]
fn the_echo_of_an_own_write_writes_nothing_and_the_next_change_is_no_conflict() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.incident["title"] = json!("disk full on db-1");
    gateway.flashduty("i_r_title");
    assert_eq!(gateway.work(), Verdict::Done);
    let title = json!({ "short_description": "disk full on db-1" });
    assert_eq!(gateway.written, [("PATCH incident".into(), title.clone())]);

    gateway.written.clear();
    gateway.servicenow(&title);
    assert_eq!(
        gateway.scheduled.last().unwrap().key,
        format!("prod.f-{INCIDENT}"),
        "the record's hint goes to the pair that it belongs to"
    );
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);

    gateway.record["short_description"] = json!("renamed");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    let reset = json!({ "incident_id": INCIDENT, "title": "renamed" });
    assert_eq!(gateway.written, [("reset".into(), reset)]);
}

#[test]
fn a_record_that_is_shown_as_it_was_before_a_write_passes_for_no_change() {
    let mut gateway = Gateway::linked(&nothing());
    let before = gateway.record.clone();
    gateway.incident["title"] = json!("disk full on db-1");
    gateway.stamps = Some(("1".into(), "2026-06-01 09:00:00".into()));
    gateway.flashduty("i_r_title");
    assert_eq!(gateway.work(), Verdict::Done);

    // By a replica of the instance's database.
    gateway.record = before;
    gateway.servicenow(&nothing());
    let retry = retried(gateway.work());
    assert_eq!(
        retry.reason,
        "ServiceNow shows the record as it was before its last change"
    );
    assert_eq!(retry.not_before_ms, Some(gateway.now_ms + 2_000));
    assert_eq!(gateway.incident["title"], "disk full on db-1");

    // Nothing lags so far behind: the instance was restored.
    gateway.now_ms += 60_000;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.incident["title"], "disk full");
}

#[test]
fn what_a_webhook_says_is_not_believed_where_the_far_end_can_be_asked() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.servicenow(&json!({ "short_description": "forged", "state": "Closed" }));
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
}

#[test]
fn a_webhook_that_was_kept_is_not_believed_once_there_is_a_credential() {
    let mut gateway = Gateway::linked(&nothing());
    let true_incident = gateway.incident.clone();
    let without = json!({ "direction": "to-servicenow", "flashduty": { "channels": [1] } });
    gateway.configure(&without);
    gateway.incident["title"] = json!("forged");
    gateway.flashduty("i_r_title");
    assert_eq!(gateway.stored("hint.").len(), 1);
    gateway.incident = true_incident;
    gateway.configure(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
}

#[test]
fn without_a_user_in_servicenow_all_that_webhooks_say_counts_and_the_newest_most() {
    let side = json!({ "url": "https://example.service-now.com" });
    let settings = json!({ "direction": "from-servicenow", "servicenow": side });
    let mut gateway = Gateway::new(&settings);
    gateway.incident = Value::Null;
    let sys_id = "00000000000000000000000000000007";
    gateway.record = json!({ "sys_id": sys_id });
    let body = json!({
        "number": "INC0010007", "short_description": "disk full", "urgency": "1 - High",
        "impact": "1 - High", "state": "New",
    });
    gateway.servicenow(&body);
    let pair = format!("s-{sys_id}");
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    gateway.servicenow(&json!({ "short_description": "a disk", "state": "In Progress" }));
    gateway.now_ms += 1000;
    gateway.servicenow(&json!({ "short_description": "two disks" }));
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.incident["title"], "two disks");
    assert_eq!(gateway.incident["progress"], "Processing");
}

#[test]
fn without_a_user_in_servicenow_a_value_is_made_only_of_what_a_webhook_shows() {
    let field =
        json!({ "custom-field": "ticket", "value": "{{number}} {{assignment_group|none}}" });
    let side = json!({ "url": "https://example.service-now.com" });
    let settings = json!({ "direction": "from-servicenow", "servicenow": side, "field": [field] });
    let mut gateway = Gateway::new(&settings);
    gateway.incident = Value::Null;
    let sys_id = "00000000000000000000000000000007";
    gateway.record = json!({ "sys_id": sys_id });
    gateway.servicenow(&json!({
        "number": "INC0010007", "short_description": "disk full", "urgency": "1 - High",
        "impact": "1 - High", "state": "New", "assignment_group": "Network",
    }));
    let pair = format!("s-{sys_id}");
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    let shown = gateway.sent("field/reset").len();
    assert_eq!(shown, 1, "{:?}", gateway.written);
    gateway.incident["fields"] = json!({ "ticket": "INC0010007 Network" });
    gateway.servicenow(&json!({ "number": "INC0010007", "state": "Resolved" }));
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.incident["progress"], "Closed");
    assert_eq!(gateway.sent("field/reset").len(), shown);
}

#[test]
fn without_a_user_in_servicenow_a_comment_that_two_waiting_webhooks_repeat_is_carried_once() {
    let side = json!({ "url": "https://example.service-now.com" });
    let settings = json!({ "direction": "from-servicenow", "servicenow": side });
    let mut gateway = Gateway::new(&settings);
    gateway.incident = Value::Null;
    let sys_id = "00000000000000000000000000000007";
    gateway.record = json!({ "sys_id": sys_id });
    for state in ["New", "In Progress"] {
        gateway.now_ms += 1000;
        gateway.servicenow(&json!({
            "number": "INC0010007", "short_description": "disk full", "urgency": "1 - High",
            "impact": "1 - High", "state": state, "comments": "looking into it",
        }));
    }
    assert_eq!(gateway.work_on(&format!("s-{sys_id}")), Verdict::Done);
    let sent = gateway.sent("comment");
    let carried = sent
        .iter()
        .filter(|body| body.to_string().contains("looking into it"));
    assert_eq!(carried.count(), 1, "{sent:?}");
}

#[test]
fn without_an_app_key_a_webhook_that_comes_late_takes_nothing_back() {
    let without = json!({ "direction": "to-servicenow", "flashduty": { "channels": [1] } });
    let mut gateway = Gateway::new(&without);
    let at_s = gateway.now_ms / 1000;
    gateway.incident["updated_at"] = json!(at_s);
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    let mut events = Vec::new();
    for (after_s, progress, title) in [
        (1, "Processing", "disk full"),
        (2, "Closed", "disk full on db-1"),
        (3, "Closed", "disk full on db-2"),
        (4, "Closed", "disk full"),
        (5, "Closed", "disk full on db-2"),
    ] {
        gateway.incident["updated_at"] = json!(at_s + after_s);
        gateway.incident["progress"] = json!(progress);
        gateway.incident["title"] = json!(title);
        events.push(gateway.incident.clone());
    }
    for (event, state, title) in [
        (1, "6", "disk full on db-1"),
        (0, "6", "disk full on db-1"),
        (2, "6", "disk full on db-2"),
        // As it is already, and yet newer than what comes late.
        (4, "6", "disk full on db-2"),
        (3, "6", "disk full on db-2"),
    ] {
        gateway.incident = events[event].clone();
        gateway.now_ms += 1000;
        gateway.flashduty("i_update");
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.record["state"], state, "{event}");
        assert_eq!(gateway.record["short_description"], title, "{event}");
    }
}

#[test]
fn what_people_write_below_the_signature_is_theirs() {
    let mut gateway = Gateway::new(&nothing());
    gateway.incident = Value::Null;
    let sys_id = format!("{:032x}", 7);
    gateway.record = json!({
        "sys_id": sys_id, "number": "INC0010007", "state": "1", "impact": "1", "urgency": "1",
        "short_description": "disk full", "description": "on db-1", "sys_mod_count": "0",
        "correlation_id": "",
    });
    gateway.servicenow(&nothing());
    let pair = format!("s-{sys_id}");
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    let described = gateway.incident["description"].as_str().unwrap().to_owned();
    assert!(described.contains("[snow:"), "{described}");
    gateway.incident["description"] = json!(format!("{described}\nRunbook: step 3 failed"));
    gateway.flashduty("i_r_desc");
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    let text = "on db-1\n\nRunbook: step 3 failed";
    assert_eq!(gateway.record["description"], text);
    // Whatever is written next, it comes to rest.
    let line = described.replace("on db-1", "");
    for more in [", and 4", &format!("\nsee {}", line.trim()), ", and 5"] {
        let text = format!("{text}{more}");
        gateway.record["description"] = json!(text);
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work_on(&pair), Verdict::Done);
        assert_eq!(gateway.incident["description"], format!("{text}{line}"));
        gateway.written.clear();
        gateway.flashduty("i_r_desc");
        assert_eq!(gateway.work_on(&pair), Verdict::Done);
        assert_eq!(gateway.written, [], "{more}");
    }
}

#[test]
fn comments_whose_rows_are_refused_are_taken_from_what_the_record_shows() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.refused = Some("sys_journal_field");
    gateway.now_ms += 60_000;
    gateway.record["comments"] =
        json!("2026-06-01 09:00:01 - Bo (Additional comments)\nAny news?\n\n");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(times_asked(&gateway), 1);
}

#[test]
fn what_a_rule_of_the_instance_makes_of_a_write_is_carried_though_nobody_tells() {
    let field = json!({ "custom-field": "priority", "value": "{{priority}}" });
    let mut gateway = Gateway::linked(&json!({ "field": [field] }));
    gateway.incident["fields"] = json!({ "priority": "" });
    gateway.incident["incident_severity"] = json!("Info");
    gateway.by_rule = json!({ "priority": { "value": "4", "display_value": "4 - Low" } });
    gateway.flashduty("i_r_severity");
    gateway.scheduled.clear();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.asked_for(), [format!("prod.f-{INCIDENT}")]);
    assert_eq!(gateway.work(), Verdict::Done);
    let written = gateway.sent("field/reset");
    assert_eq!(written.len(), 1, "{written:?}");
    assert_eq!(gateway.asked_for(), [""; 0], "it is in step now");
}

#[test]
fn people_are_named_in_a_field_though_the_api_tells_their_ids_only() {
    for (value, expected) in [
        ("{{responders}}", "Ana, Cy, Bob"),
        ("{{assignee}}", "bob@example.com"),
    ] {
        let field = json!({ "column": "u_oncall", "value": value });
        let mut gateway = Gateway::new(&json!({ "field": [field] }));
        gateway.incident["responders"] = json!([
            { "person_id": 1, "assigned_at": 5, "acknowledged_at": 0 },
            { "person_id": 3, "assigned_at": 5, "acknowledged_at": 7 },
            { "person_id": 2, "assigned_at": 5, "acknowledged_at": 6 },
        ]);
        let person = |id: u32, name: &str, email: &str| json!({ "person_id": id, "person_name": name, "email": email });
        gateway.people = vec![
            person(2, "Bob", "bob@example.com"),
            person(1, "Ana", "ana@example.com"),
            person(3, "Cy", "cy@example.com"),
        ];
        gateway.flashduty("i_new");
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.record["u_oncall"], expected);
    }
}

#[test]
fn a_creation_that_was_refused_is_not_begun() {
    let (mut gateway, pair) = opened_in_servicenow();
    gateway.refused = Some("/incident/create");
    retried(gateway.work_on(&pair));
    gateway.refused = None;
    // It is over before Flashduty has heard of it.
    gateway.record["state"] = json!("6");
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 0);
}

#[test]
fn a_change_on_the_side_that_no_webhook_told_of_yet_is_not_written_over() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.incident["title"] = json!("here");
    gateway.record["short_description"] = json!("there");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.incident["title"], "here", "it was born here");
    assert_eq!(gateway.record["short_description"], "here");
    let notes = gateway.record["work_notes"].as_str().unwrap();
    assert!(notes.contains("\"here\":\nthere\n[fd:"), "{notes}");
}

#[test]
fn a_comment_whose_answer_was_lost_is_looked_for_and_not_written_twice() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    gateway.comment("restarted the pool");
    gateway.flashduty("i_comm");
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.loses_answers = false;
    gateway.now_ms += 200_000;
    assert_eq!(gateway.work(), Verdict::Done);
    let notes = gateway.sent("PATCH incident");
    assert_eq!(notes.len(), 1, "{notes:?}");
    let note = notes[0]["work_notes"].as_str().unwrap();
    assert!(note.contains("restarted the pool\n[fd:"), "{note}");
}

#[test]
fn a_comment_that_servicenow_drops_without_a_word_is_told_of_and_not_taken_for_carried() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    gateway.comment("restarted the pool");
    gateway.flashduty("i_comm");
    gateway.drops_journals = true;
    assert_eq!(gateway.work(), Verdict::Done);
    let history = gateway.pair()["history"].to_string();
    assert!(
        history.contains("ServiceNow did not take work_notes"),
        "{history}"
    );
    assert!(!history.contains("comment [fd:"), "{history}");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(
        gateway.sent("PATCH incident").len(),
        1,
        "not again and again"
    );
}

#[test]
fn a_note_that_servicenow_drops_without_a_word_is_told_of() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.drops_journals = true;
    // Both sides rename it.
    gateway.incident["title"] = json!("here");
    gateway.record["short_description"] = json!("there");
    gateway.flashduty("i_r_title");
    assert_eq!(gateway.work(), Verdict::Done);
    let history = gateway.pair()["history"].to_string();
    assert!(
        history.contains("ServiceNow did not take work_notes"),
        "{history}"
    );
}

#[test]
fn a_comment_that_came_from_servicenow_does_not_go_back() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    gateway.comment("Ana (ServiceNow, 2026-06-01 08:00 UTC):\nhello\n[snow:0123456789]");
    gateway.flashduty("i_comm");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
}

/// A row of the journal of comments, as the Table API shows it.
fn journal_row(gateway: &Gateway, number: u32, value: &str) -> Value {
    json!({
        "sys_id": format!("{number:032}"),
        "element_id": gateway.record["sys_id"],
        "element": "comments",
        "value": value,
        "sys_created_on": format!("2026-06-01 09:00:0{number}"),
        "sys_created_by": "bo",
    })
}

#[test]
fn a_comment_of_servicenow_is_carried_once_even_if_its_copy_is_deleted() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    let mut rows = Vec::new();
    for (number, value) in [(1, "the users wait"), (2, "still")] {
        rows.push(journal_row(&gateway, number, value));
        gateway.rows.insert("sys_journal_field", json!(rows));
        gateway.record["comments"] = json!(format!("{number} comments"));
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.timeline.clear();
    }
    let texts: Vec<&str> = gateway
        .sent("comment")
        .iter()
        .map(|body| body["comment"].as_str().unwrap())
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("the users wait\n[snow:"), "{texts:?}");
    assert!(texts[1].contains("still\n[snow:"), "{texts:?}");
}

/// Somebody asks in ServiceNow.
fn ask(gateway: &mut Gateway) {
    let row = journal_row(gateway, 1, "Any news?");
    gateway.rows.insert("sys_journal_field", json!([row]));
    gateway.record["comments"] = json!(format!("1 comment at {}", gateway.now_ms));
}

/// Somebody asks in ServiceNow; how many such comments have been carried by now.
fn asks(gateway: &mut Gateway, pair: &str) -> usize {
    ask(gateway);
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work_on(pair), Verdict::Done);
    times_asked(gateway)
}

/// How many such comments have been carried.
fn times_asked(gateway: &Gateway) -> usize {
    let carried = gateway.sent("comment").into_iter();
    let is_asked = |body: &&Value| body["comment"].as_str().unwrap().contains("Any news?");
    carried.filter(is_asked).count()
}

#[test]
fn a_comment_on_a_record_that_took_anothers_place_is_carried_though_the_other_had_an_equal_one() {
    let pair = format!("f-{INCIDENT}");
    let mut gateway = Gateway::linked(&json!({ "closing": { "reopen": "new" } }));
    assert_eq!(asks(&mut gateway, &pair), 1);
    gateway.record["state"] = json!("7");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.incident["progress"] = json!("Triggered");
    gateway.flashduty("i_reopen");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.pair()["generation"], 1);
    assert_eq!(asks(&mut gateway, &pair), 2);
    assert_eq!(asks(&mut gateway, &pair), 2, "it is carried once");
    gateway.lose_the_store();
    gateway.ignores_conditions = true;
    assert_eq!(asks(&mut gateway, &pair), 2, "with a lost store too");
    assert_eq!(gateway.pair()["generation"], 1);
}

#[test]
fn a_comment_that_a_record_has_when_another_takes_its_place_is_carried() {
    let mut gateway = Gateway::linked(&json!({ "closing": { "reopen": "new" } }));
    gateway.record["state"] = json!("7");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    ask(&mut gateway);
    gateway.calls.clear();
    gateway.incident["progress"] = json!("Triggered");
    gateway.flashduty("i_reopen");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.pair()["generation"], 1);
    assert_eq!(times_asked(&gateway), 1);
    // If the store is lost in between, only the new record is known.
    let first = |call: &str| gateway.calls.iter().position(|c| c == call);
    assert!(
        first("comment") < first("POST incident"),
        "{:?}",
        gateway.calls
    );
}

#[test]
fn a_comment_whose_answer_was_lost_is_in_the_record_or_in_its_successor() {
    for has_arrived in [true, false] {
        let mut gateway = Gateway::linked(&json!({ "closing": { "reopen": "new" } }));
        gateway.record["state"] = json!("7");
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work(), Verdict::Done);
        let before = gateway.record["work_notes"].clone();
        gateway.now_ms += 60_000;
        gateway.comment("restarted the pool");
        gateway.flashduty("i_comm");
        gateway.loses_answers = true;
        retried(gateway.work());
        gateway.loses_answers = false;
        if !has_arrived {
            gateway.record["work_notes"] = before;
        }
        gateway.incident["progress"] = json!("Triggered");
        gateway.flashduty("i_reopen");
        let retry = retried(gateway.work());
        assert_eq!(
            retry.reason,
            "a comment whose answer was lost may still appear"
        );
        gateway.now_ms = retry.not_before_ms.unwrap();
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.pair()["generation"], 1);
        let records = gateway.records.iter().chain([&gateway.record]);
        let holds = |record: &Value| record["work_notes"].to_string().contains("the pool");
        let holding: Vec<bool> = records.map(holds).collect();
        assert_eq!(holding, [has_arrived, !has_arrived]);
    }
}

#[test]
fn wherever_the_session_that_replaces_a_record_is_cut_off_the_new_one_is_not_taken_for_outdated() {
    let mut was_cut_off = 0;
    for steps in 1.. {
        let mut gateway = Gateway::linked(&json!({ "closing": { "reopen": "new" } }));
        gateway.record["state"] = json!("7");
        gateway.record["sys_mod_count"] = json!("9");
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.incident["progress"] = json!("Triggered");
        gateway.flashduty("i_reopen");
        let all_steps = std::mem::replace(&mut gateway.steps, steps);
        let pair = format!("f-{INCIDENT}");
        if gateway.run_work(&pair).is_some() {
            break;
        }
        was_cut_off += 1;
        gateway.steps = all_steps;
        if let Verdict::Retry(retry) = gateway.work() {
            let expected = "a comment whose answer was lost may still appear";
            assert_eq!(retry.reason, expected, "after {steps} steps");
        }
    }
    assert!(was_cut_off > 10, "{was_cut_off} times");
}

/// As if the incident had been reopened after its record was closed for good.
fn reopen(gateway: &mut Gateway) {
    gateway.record["state"] = json!("7");
    gateway.incident["progress"] = json!("Closed");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.incident["progress"] = json!("Triggered");
    gateway.flashduty("i_reopen");
}

#[test]
fn what_is_said_before_a_record_takes_anothers_place_is_not_older_than_the_pair() {
    let settings = json!({
        "closing": { "reopen": "new" }, "comments": { "before-link": false },
    });
    let mut gateway = Gateway::linked(&settings);
    gateway.now_ms += 60_000;
    reopen(&mut gateway);
    gateway.comment("it is back");
    gateway.flashduty("i_comm");
    gateway.now_ms += 60_000;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.pair()["generation"], 1);
    let notes = gateway.record["work_notes"].as_str().unwrap();
    assert!(notes.contains("it is back"), "{notes}");
}

#[test]
fn a_comment_that_readers_do_not_see_yet_is_waited_for_before_its_record_is_replaced() {
    for appears in [true, false] {
        let mut gateway = Gateway::linked(&json!({ "closing": { "reopen": "new" } }));
        gateway.record["sys_mod_count"] = json!("9");
        reopen(&mut gateway);
        // What a write is answered shows both, and the rows one of them.
        gateway.record["comments"] = json!(
            "2026-06-01 09:00:02 - Bo (Additional comments)\nAny news?\n\n\
             2026-06-01 09:00:01 - Bo (Additional comments)\nthe users wait\n\n"
        );
        let [first, second] = [(1, "the users wait"), (2, "Any news?")]
            .map(|(number, text)| journal_row(&gateway, number, text));
        gateway.rows.insert("sys_journal_field", json!([first]));
        let retry = retried(gateway.work());
        let expected = "ServiceNow shows the record as it was before its last change";
        assert_eq!(retry.reason, expected);
        if appears {
            gateway
                .rows
                .insert("sys_journal_field", json!([first, second]));
        } else {
            // Then it is something else.
            gateway.now_ms += 30_000;
        }
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.pair()["generation"], 1);
        assert_eq!(times_asked(&gateway), usize::from(appears));
    }
}

#[test]
fn a_record_that_is_joined_again_is_never_its_own_successor() {
    let mut gateway = Gateway::linked(&json!({ "closing": { "reopen": "new" } }));
    reopen(&mut gateway);
    assert_eq!(gateway.work(), Verdict::Done);
    let second = gateway.record.clone();
    join(&mut gateway, &format!("f-{INCIDENT}"), &second);
    reopen(&mut gateway);
    assert_eq!(gateway.work(), Verdict::Done);
    let correlation = format!("flashduty:prod:{INCIDENT}:3");
    assert_eq!(gateway.record["correlation_id"], correlation);
    assert_eq!(gateway.incident["progress"], "Triggered");
}

/// The pair is taken apart, and the incident joined to this record.
fn join(gateway: &mut Gateway, pair: &str, record: &Value) {
    gateway.order("unlink", &json!({ "flashduty": INCIDENT }));
    assert_eq!(gateway.work_on(pair), Verdict::Done);
    gateway.record = record.clone();
    let names = json!({ "flashduty": INCIDENT, "servicenow": record["sys_id"] });
    gateway.order("link", &names);
    assert_eq!(gateway.work(), Verdict::Done);
}

#[test]
fn a_comment_on_a_record_that_is_joined_is_carried_though_the_one_before_had_an_equal_one() {
    let pair = format!("f-{INCIDENT}");
    let mut gateway = Gateway::linked(&nothing());
    assert_eq!(asks(&mut gateway, &pair), 1);
    let mut other = gateway.record.clone();
    other["sys_id"] = json!("00000000000000000000000000000002");
    other["correlation_id"] = json!("");
    for journal in ["comments", "work_notes"] {
        other[journal] = json!("");
    }
    join(&mut gateway, &pair, &other);
    assert_eq!(asks(&mut gateway, &pair), 2);
    let other = gateway.record.clone();
    join(&mut gateway, &pair, &other);
    assert_eq!(asks(&mut gateway, &pair), 2, "it is the same record again");
    gateway.lose_the_store();
    gateway.ignores_conditions = true;
    assert_eq!(asks(&mut gateway, &pair), 2, "with a lost store too");
}

#[test]
fn a_comment_on_a_record_that_is_joined_again_to_the_incident_made_of_it_is_not_carried_again() {
    let (mut gateway, born) = opened_in_servicenow();
    assert_eq!(gateway.work_on(&born), Verdict::Done);
    assert_eq!(asks(&mut gateway, &born), 1);
    let record = gateway.record.clone();
    join(&mut gateway, &born, &record);
    assert_eq!(asks(&mut gateway, &format!("f-{INCIDENT}")), 1);
}

#[test]
fn wherever_the_session_that_joins_two_is_cut_off_the_comments_of_both_are_carried() {
    let mut was_cut_off = 0;
    for steps in 1.. {
        let mut gateway = Gateway::new(&nothing());
        gateway.has_a_record_of_an_earlier_store();
        gateway.record["comments"] = json!("1 comment");
        let row = journal_row(&gateway, 1, "the users wait");
        gateway.rows.insert("sys_journal_field", json!([row]));
        gateway.now_ms += 60_000;
        gateway.comment("restarted the pool");
        gateway.flashduty("i_new");
        gateway.steps = steps;
        let done = gateway.run_work(&format!("f-{INCIDENT}"));
        gateway.steps = usize::MAX;
        if done.is_none() {
            was_cut_off += 1;
            gateway.now_ms += 300_000;
            assert_eq!(gateway.work(), Verdict::Done, "after {steps} steps");
        }
        let carried = |name, column, text: &str| {
            let sent = gateway.sent(name);
            let texts = sent.iter().filter_map(|body| body[column].as_str());
            texts.filter(|carried| carried.contains(text)).count()
        };
        let there = carried("comment", "comment", "the users wait");
        let back = carried("PATCH incident", "work_notes", "restarted the pool");
        assert_eq!((there, back), (1, 1), "after {steps} steps");
        if done.is_some() {
            break;
        }
    }
    assert!(was_cut_off > 20, "{was_cut_off} times");
}

/// A pair of which a comment went to Flashduty, and nobody heard that it arrived.
fn with_a_comment_whose_answer_was_lost() -> Gateway {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    let row = journal_row(&gateway, 1, "the users wait");
    gateway.rows.insert("sys_journal_field", json!([row]));
    gateway.record["comments"] = json!("1 comment");
    gateway.servicenow(&nothing());
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.loses_answers = false;
    gateway
}

#[test]
fn a_comment_for_flashduty_whose_answer_was_lost_is_looked_for_and_not_written_twice() {
    let mut gateway = with_a_comment_whose_answer_was_lost();
    gateway.now_ms += 200_000;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("comment").len(), 1);
}

#[test]
fn a_lost_comment_is_waited_for_whatever_is_written_to_the_other_side() {
    let mut gateway = with_a_comment_whose_answer_was_lost();
    // As if Flashduty had not got to it yet.
    gateway.timeline.clear();
    gateway.comment("rolled back");
    gateway.flashduty("i_comm");
    for _ in 0..2 {
        let retry = retried(gateway.work());
        assert_eq!(
            retry.reason,
            "a comment whose answer was lost may still appear"
        );
        assert_eq!(gateway.sent("PATCH incident").len(), 1);
        assert_eq!(gateway.sent("comment").len(), 1);
        gateway.now_ms = retry.not_before_ms.unwrap() - 10_000;
    }
    gateway.now_ms += 10_000;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("comment").len(), 2);
}

#[test]
fn comments_from_before_the_link_are_told_by_the_systems_clocks_whatever_the_gateways_shows() {
    for ahead_ms in [-86_400_000, 86_400_000] {
        let mut gateway = Gateway::new(&json!({ "comments": { "before-link": false } }));
        gateway.now_ms += 2 * 86_400_000;
        gateway.ahead_ms = Some(ahead_ms);
        let commented = |gateway: &mut Gateway, text: &str, since_link_ms: i64| {
            gateway.comment(text);
            let at_ms = gateway.now_ms.checked_add_signed(ahead_ms + since_link_ms);
            gateway.timeline.last_mut().unwrap()["created_at"] = json!(at_ms);
        };
        commented(&mut gateway, "is it the disk?", -60_000);
        gateway.flashduty("i_new");
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.written.clear();
        commented(&mut gateway, "it is the disk", 60_000);
        gateway.flashduty("i_comm");
        assert_eq!(gateway.work(), Verdict::Done);
        let told = gateway.sent("PATCH incident");
        assert_eq!(told.len(), 1, "{ahead_ms}");
        let told = told[0].to_string();
        assert!(told.contains("it is the disk"), "{told}");
        assert!(!told.contains("is it the disk?"), "{told}");
    }
}

#[test]
fn a_comment_whose_row_is_seen_later_than_the_record_shows_it_is_carried_then() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    let shown = |number: u32| format!("2026-06-01 09:00:0{number} - bo (Comments)\nno {number}\n");
    gateway.record["comments"] = json!(format!("{}\n{}", shown(2), shown(1)));
    let first = journal_row(&gateway, 1, "no 1");
    let second = journal_row(&gateway, 2, "no 2");
    for (rows, carried) in [(json!([first]), 1), (json!([first, second]), 2)] {
        gateway.rows.insert("sys_journal_field", rows);
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.sent("comment").len(), carried);
    }
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("comment").len(), 2);
}

/// Does the work again and again, as if a webhook came every other second, until
/// it is done. Tells how many minutes that took.
fn minutes_until_done(gateway: &mut Gateway) -> u64 {
    let begun_ms = gateway.now_ms;
    while gateway.work() != Verdict::Done {
        gateway.now_ms += 1000;
        assert!(gateway.now_ms - begun_ms < 3_600_000, "no end");
    }
    (gateway.now_ms - begun_ms) / 60_000
}

#[test]
fn a_pair_ends_with_one_note_when_its_incident_is_gone_for_ten_minutes() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.incident_is_gone = true;
    gateway.flashduty("i_r_title");
    assert_eq!(minutes_until_done(&mut gateway), 10);
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    let notes = gateway.sent("PATCH incident");
    assert_eq!(notes.len(), 1, "{notes:?}");
    let note = notes[0]["work_notes"].as_str().unwrap();
    let text =
        "Not synced any more: the incident in Flashduty was deleted, or is no longer visible.";
    assert!(note.contains(text), "{note}");
}

#[test]
fn a_pair_ends_with_one_comment_when_its_record_is_gone_for_ten_minutes() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.record_is_gone = true;
    gateway.servicenow(&nothing());
    assert_eq!(minutes_until_done(&mut gateway), 10);
    // Nothing is created in its place.
    gateway.flashduty("i_ack");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 0);
    let comments = gateway.sent("comment");
    assert_eq!(comments.len(), 1, "{comments:?}");
    let comment = comments[0]["comment"].as_str().unwrap();
    assert!(
        comment.contains("in ServiceNow was deleted, or is no longer visible."),
        "{comment}"
    );
}

fn is_still_in_step(gateway: &mut Gateway) {
    gateway.incident["title"] = json!("still in step");
    gateway.flashduty("i_r_title");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["short_description"], "still in step");
}

/// With a pair that an operator took apart.
fn taken_apart() -> Gateway {
    let mut gateway = Gateway::linked(&nothing());
    gateway.order("unlink", &json!({ "flashduty": INCIDENT }));
    assert_eq!(gateway.work(), Verdict::Done);
    gateway
}

#[test]
fn a_pair_that_is_joined_again_hears_of_its_record_wherever_the_first_try_was_cut_off() {
    let mut apart = taken_apart();
    let names = json!({ "flashduty": INCIDENT, "servicenow": apart.record["sys_id"] });
    apart.order("link", &names);
    for steps in 0.. {
        let mut gateway = apart.clone();
        gateway.steps = steps;
        let is_cut_off = gateway.run_work(&format!("f-{INCIDENT}")).is_none();
        gateway.steps = usize::MAX;
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.scheduled.clear();
        gateway.servicenow(&nothing());
        assert_eq!(
            gateway.asked_for(),
            [format!("prod.f-{INCIDENT}")],
            "{steps}"
        );
        if !is_cut_off {
            break;
        }
    }
}

#[test]
fn no_order_is_found_again_after_the_next_wherever_either_was_cut_off() {
    let linked = Gateway::linked(&nothing());
    let record = linked.record["sys_id"].clone();
    let names = json!({ "flashduty": INCIDENT, "servicenow": record });
    let pair = format!("f-{INCIDENT}");
    let mut both_were_cut_off = 0;
    for (apart, joined) in (0..10).flat_map(|apart| (0..20).map(move |joined| (apart, joined))) {
        let mut gateway = linked.clone();
        let mut done = |order: &str, name: &Value, steps| {
            gateway.order(order, name);
            gateway.steps = steps;
            let done = gateway.run_work(&pair).is_some();
            gateway.steps = usize::MAX;
            done
        };
        let is_apart = done("unlink", &json!({ "servicenow": record }), apart);
        let is_joined = done("link", &names, joined);
        both_were_cut_off += usize::from(!is_apart && !is_joined);
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.scheduled.clear();
        gateway.servicenow(&nothing());
        let expected = [format!("prod.{pair}")];
        assert_eq!(gateway.asked_for(), expected, "{apart} and {joined} steps");
    }
    assert!(both_were_cut_off > 20, "{both_were_cut_off}");
}

#[test]
fn what_was_ordered_of_the_pair_that_a_record_had_before_is_not_obeyed_by_the_next() {
    let mut gateway = taken_apart();
    let record = gateway.record["sys_id"].as_str().unwrap().to_owned();
    // Of a pair with the record's name, whose session came to no end.
    let left = json!({ "received_ms": 1, "hint": "unlink" });
    gateway.store(&format!("hint.prod.s-{record}.1-order"), &left);
    let names = json!({ "flashduty": INCIDENT, "servicenow": record });
    gateway.order("link", &names);
    assert_eq!(gateway.work(), Verdict::Done);
    for _ in 0..2 {
        gateway.scheduled.clear();
        gateway.servicenow(&nothing());
        assert_eq!(gateway.asked_for(), [format!("prod.f-{INCIDENT}")]);
        assert_eq!(gateway.work(), Verdict::Done);
    }
}

#[test]
fn a_pair_is_taken_apart_by_its_records_name_wherever_that_is_cut_off_and_a_webhook_comes() {
    let linked = Gateway::linked(&nothing());
    let record = linked.record["sys_id"].as_str().unwrap();
    for steps in 0..10 {
        let mut gateway = linked.clone();
        gateway.order("unlink", &json!({ "servicenow": record }));
        gateway.steps = steps;
        gateway.run_work(&format!("f-{INCIDENT}"));
        gateway.steps = usize::MAX;
        gateway.scheduled.clear();
        gateway.servicenow(&nothing());
        for work in gateway.asked_for() {
            let pair = work.strip_prefix("prod.").unwrap();
            assert_eq!(gateway.work_on(pair), Verdict::Done);
        }
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.written.clear();
        gateway.incident["title"] = json!("disk very full");
        gateway.flashduty("i_r_title");
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.written, [], "{steps} steps");
    }
}

#[test]
fn a_record_that_is_missing_for_a_moment_ends_nothing() {
    let mut gateway = Gateway::linked(&nothing());
    for _ in 0..3 {
        gateway.record_is_gone = true;
        gateway.servicenow(&nothing());
        for _ in 0..100 {
            gateway.now_ms += 4000;
            assert_ne!(gateway.work(), Verdict::Done);
        }
        gateway.record_is_gone = false;
        assert_eq!(gateway.work(), Verdict::Done);
    }
    is_still_in_step(&mut gateway);
}

/// With incidents beside the record, of which some are shown.
fn beside_others(count: u8, shown: u8) -> Gateway {
    let mut gateway = Gateway::linked(&nothing());
    let changed = gateway::lists::stamp(gateway.now_ms);
    let incident = |number: u8| {
        json!({ "sys_id": format!("{number:032x}"), "sys_updated_on": changed,
                "hidden": number > shown })
    };
    gateway.records = (1..=count).map(incident).collect();
    gateway.record_is_gone = true;
    gateway.servicenow(&nothing());
    gateway
}

#[test]
fn a_user_that_lost_its_role_ends_no_pair() {
    for (count, shown) in [(1, 0), (100, 3)] {
        let mut gateway = beside_others(count, shown);
        let mut reason = String::new();
        for _ in 0..60 {
            reason = retried(gateway.work()).reason;
            gateway.now_ms += 60_000;
        }
        assert!(reason.contains("give it back its role"), "{reason}");
        gateway.record_is_gone = false;
        is_still_in_step(&mut gateway);
    }
}

#[test]
fn a_record_that_is_missing_ends_its_pair_though_many_others_are_not_shown_either() {
    let mut gateway = beside_others(100, 10);
    assert_eq!(minutes_until_done(&mut gateway), 10);
    assert_eq!(gateway.sent("comment").len(), 1);
}

#[test]
fn a_gateway_whose_clock_is_a_day_ahead_ends_nothing_that_was_missing_for_a_moment() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.record_is_gone = true;
    gateway.servicenow(&nothing());
    assert_ne!(gateway.work(), Verdict::Done);
    gateway.hand_over(86_400_000);
    assert_ne!(gateway.work(), Verdict::Done);
    gateway.record_is_gone = false;
    is_still_in_step(&mut gateway);
}

#[test]
fn what_was_merged_in_an_incident_that_is_gone_is_nobodys_trouble() {
    let mut gateway = taken_apart();
    gateway.incident_is_gone = true;
    gateway.flashduty("i_assign");
    assert_eq!(gateway.work(), Verdict::Done);
}

#[test]
fn what_somebody_else_has_acknowledged_stays_so_and_is_no_change_later() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.others_acknowledged = true;
    gateway.incident["progress"] = json!("Processing");
    gateway.flashduty("i_ack");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["state"], "2");
    gateway.record["state"] = json!("1");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("unack").len(), 1);
    gateway.written.clear();
    gateway.flashduty("i_r_title");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["state"], "1");
    assert_eq!(gateway.written, []);
}

#[test]
fn a_value_that_flashduty_refuses_is_not_taken_back_in_servicenow() {
    for refusal in ["InvalidParameter", "ResourceNotFound"] {
        is_not_taken_back(refusal);
    }
}

fn is_not_taken_back(refusal: &'static str) {
    let field = json!({ "custom-field": "tier", "custom-field-type": "single-select",
                        "column": "u_tier" });
    let mut gateway = Gateway::new(&json!({ "field": [field] }));
    gateway.refusal = refusal;
    gateway.incident["fields"] = json!({ "tier": "gold" });
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["u_tier"], "gold");
    gateway.record["u_tier"] = json!("platinum");
    gateway.servicenow(&nothing());
    gateway.refused = Some("field/reset");
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.refused = None;
    gateway.written.clear();
    gateway.flashduty("i_comm");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["u_tier"], "platinum");
    assert_eq!(gateway.written, []);
    // The next change is one.
    gateway.incident["fields"] = json!({ "tier": "silver" });
    gateway.flashduty("i_r_field");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["u_tier"], "silver");
}

/// With an incident that Ana has acknowledged, and her record.
fn taken_by_ana() -> Gateway {
    let mut gateway = Gateway::new(&json!({ "assignee": true }));
    gateway.members = vec!["ana@example.com", "bo@example.com"];
    let users = json!([{ "sys_id": format!("{:032x}", 1), "email": "ana@example.com" }]);
    gateway.rows.insert("sys_user", users);
    gateway.incident["responders"] = json!([{ "person_id": 1, "email": "ana@example.com" }]);
    gateway.incident["progress"] = json!("Processing");
    gateway.flashduty("i_ack");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["state"], "2");
    gateway.written.clear();
    gateway
}

/// A person takes the record, and Flashduty tells of the incident afterwards.
fn is_taken_by(gateway: &mut Gateway, email: &str) {
    gateway.record["assigned_to.email"] = json!(email);
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.flashduty("i_assign");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("PATCH incident").len(), 0);
}

#[test]
fn a_record_that_somebody_takes_who_is_no_member_is_left_to_them() {
    let mut gateway = taken_by_ana();
    is_taken_by(&mut gateway, "cy@example.com");
    // Else nobody would be called any more.
    assert_eq!(
        gateway.incident["responders"][0]["email"],
        "ana@example.com"
    );
    assert_eq!(gateway.sent("assign").len(), 0);
}

#[test]
fn whoever_was_invited_and_has_not_come_yet_is_not_assigned() {
    let mut gateway = taken_by_ana();
    let invited = json!({ "member_id": 2, "email": "bo@example.com", "status": "pending" });
    let answer = json!({ "data": { "items": [invited] } }).to_string();
    gateway.answers = vec![("/member/list", answer.into_bytes())];
    is_taken_by(&mut gateway, "bo@example.com");
    assert_eq!(gateway.sent("assign").len(), 0);
}

#[test]
fn a_record_that_goes_to_another_member_stays_in_progress() {
    let mut gateway = taken_by_ana();
    is_taken_by(&mut gateway, "bo@example.com");
    assert_eq!(gateway.sent("assign").len(), 1);
    assert_eq!(gateway.incident["progress"], "Triggered");
    assert_eq!(gateway.record["state"], "2");
    // What Bo does then is news.
    gateway.incident["progress"] = json!("Closed");
    gateway.flashduty("i_rslv");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["state"], "6");
}

#[test]
fn a_work_note_stays_in_servicenow_unless_the_operator_wants_it() {
    for (journals, carried) in [("additional-comments", 0), ("all", 1)] {
        let comments = json!({ "from-servicenow": journals });
        let mut gateway = Gateway::linked(&json!({ "comments": comments }));
        gateway.now_ms += 60_000;
        let mut row = journal_row(&gateway, 1, "the customer is wrong");
        row["element"] = json!("work_notes");
        gateway.rows.insert("sys_journal_field", json!([row]));
        gateway.record["work_notes"] = json!("a note");
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.written.len(), carried, "{journals}");
    }
}

#[test]
fn a_comment_that_came_from_flashduty_does_not_go_back() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    let row = journal_row(
        &gateway,
        1,
        "Ana (Flashduty, today):\nhello\n[fd:0123456789]",
    );
    gateway.rows.insert("sys_journal_field", json!([row]));
    gateway.record["comments"] = json!("a comment");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
}

#[test]
fn a_close_code_that_the_instance_does_not_know_is_not_sent() {
    let mut gateway = Gateway::linked(&nothing());
    gateway
        .rows
        .insert("sys_choice", close_code("Fixed", "Fixed"));
    gateway.incident["progress"] = json!("Closed");
    gateway.flashduty("i_rslv");
    let retry = retried(gateway.work());
    assert_eq!(
        retry.reason,
        "close_code has no choice \"Solution provided\" at the instance; it has Fixed"
    );
    assert_eq!(gateway.written, []);
}

#[test]
fn a_reason_for_a_hold_of_the_instances_own_is_known_by_its_label() {
    let side = json!({
        "url": "https://example.service-now.com", "credential": "servicenow",
        "hold-reason": "Awaiting Parts",
    });
    for (label, expected) in [("awaiting parts", Some("9")), ("Awaiting Caller", None)] {
        let mut gateway = Gateway::linked(&json!({ "servicenow": side }));
        let choices = json!([{ "element": "hold_reason", "value": "9", "label": label }]);
        gateway.rows.insert("sys_choice", choices);
        gateway.incident["snoozed_before"] = json!(gateway.now_ms / 1000 + 3600);
        gateway.flashduty("i_snooze");
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.record["state"], "3");
        assert_eq!(gateway.record["hold_reason"].as_str(), expected);
    }
}

#[test]
fn a_choice_that_a_new_record_has_by_another_name_does_not_come_back() {
    let field = json!({ "column": "u_environment", "custom-field": "env", "type": "choice" });
    let mut gateway = Gateway::new(&json!({ "field": [field] }));
    gateway.rows.insert(
        "sys_choice",
        json!([{ "element": "u_environment", "value": "dev", "label": "Entwicklung" }]),
    );
    gateway.incident["fields"] = json!({ "env": "Entwicklung" });
    gateway.by_rule =
        json!({ "u_environment": { "value": "dev", "display_value": "Development" } });
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(
        gateway.sent("field/reset").len(),
        0,
        "{:?}",
        gateway.written
    );
}

#[test]
fn a_choice_is_known_by_its_label_in_any_case() {
    let mut gateway = Gateway::linked(&nothing());
    let choices = close_code("solved", "SOLUTION provided");
    gateway.rows.insert("sys_choice", choices);
    gateway.incident["progress"] = json!("Closed");
    gateway.flashduty("i_rslv");
    assert_eq!(gateway.work(), Verdict::Done);
    let [columns] = gateway.sent("PATCH incident")[..] else {
        panic!("{:?}", gateway.written)
    };
    assert_eq!(columns["close_code"], "solved");
    assert_eq!(columns["state"], "6");
}

#[test]
fn a_hold_in_servicenow_is_looked_at_again_when_the_snooze_ends() {
    let mut gateway = Gateway::linked(&json!({ "snooze-minutes": 30 }));
    gateway.record["state"] = json!("3");
    gateway.servicenow(&nothing());
    gateway.scheduled.clear();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("snooze")[0]["minutes"], 30);
    let due: Vec<u64> = gateway.scheduled.iter().map(|s| s.due_ms).collect();
    assert_eq!(due, [gateway.now_ms + 30 * 60_000 + 5_000]);
}

#[test]
fn a_snooze_ends_by_the_clock_of_flashduty_whatever_the_gateways_shows() {
    for ahead_ms in [-86_400_000_i64, 86_400_000] {
        let mut gateway = Gateway::linked(&nothing());
        gateway.now_ms += 86_400_000 * 5;
        gateway.ahead_ms = Some(ahead_ms);
        let there_ms = gateway.now_ms.checked_add_signed(ahead_ms).unwrap();
        gateway.incident["snoozed_before"] = json!(there_ms / 1000 + 600);
        // A session that is told of the record alone has to wait for it, too.
        for is_told_of_the_incident in [true, false] {
            match is_told_of_the_incident {
                true => gateway.flashduty("i_snooze"),
                false => gateway.servicenow(&nothing()),
            }
            gateway.scheduled.clear();
            if !is_told_of_the_incident {
                // What time it is there has to be known.
                gateway.silent = Some("/incident/info");
                retried(gateway.work());
                gateway.silent = None;
            }
            assert_eq!(gateway.work(), Verdict::Done);
            assert_eq!(gateway.record["state"], "3", "{ahead_ms}");
        }
        let due: Vec<u64> = gateway.scheduled.iter().map(|s| s.due_ms).collect();
        let [due_ms] = due[..] else { panic!("{due:?}") };
        let left_ms = due_ms - gateway.now_ms;
        assert!((595_000..=605_000).contains(&left_ms), "{left_ms}");
        gateway.now_ms = due_ms;
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.record["state"], "1", "{ahead_ms}");
    }
}

#[test]
fn a_merge_is_told_once_whether_the_number_was_known_then_or_not() {
    let told = "Merged into Flashduty incident \"the rack\"";
    for before in [
        None,
        Some(format!("{told}.")),
        Some(format!("{told} (INC7).")),
    ] {
        let mut gateway = Gateway::linked(&nothing());
        gateway.timeline = vec![json!({ "type": "i_merge", "detail": {
            "target_incident": { "incident_id": "6a1d2f45c0ffee0000000000", "title": "the rack" },
        } })];
        gateway.record["work_notes"] = json!(before.clone().unwrap_or_default());
        gateway.flashduty("i_merge");
        assert_eq!(gateway.work(), Verdict::Done);
        let notes = gateway.record["work_notes"].as_str().unwrap();
        assert_eq!(notes.matches(told).count(), 1, "{before:?}: {notes}");
    }
}

/// Another incident than the one of the gateway.
const OTHER: &str = "6a1d2f45c0ffee0000000000";

/// The entry of the timeline of a merge of one incident into another.
fn merge(source: &str, target: &str) -> Value {
    json!({ "type": "i_merge", "detail": {
        "source_incidents": [{ "incident_id": source, "title": "a rack" }],
        "target_incident": { "incident_id": target, "title": "a rack" },
    } })
}

#[test]
fn a_merge_whose_event_was_lost_is_found_by_the_end_of_the_incident() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.timeline = vec![merge(INCIDENT, OTHER)];
    gateway.incident["progress"] = json!("Closed");
    for hears_flashduty in [true, false] {
        let mut gateway = gateway.clone();
        match hears_flashduty {
            true => gateway.flashduty("i_assign"),
            false => {
                gateway.record["urgency"] = json!("3");
                gateway.servicenow(&nothing());
            }
        }
        assert_eq!(gateway.work(), Verdict::Done);
        let notes = gateway.record["work_notes"].as_str().unwrap();
        assert!(notes.contains("Merged into"), "{notes}");
    }
}

/// A linked pair whose incident was closed a while ago.
fn closed() -> Gateway {
    let mut gateway = Gateway::linked(&nothing());
    let second = gateway.now_ms / 1000;
    gateway.incident["progress"] = json!("Closed");
    gateway.incident["close_time"] = json!(second);
    gateway.incident["updated_at"] = json!(second);
    gateway.now_ms += 60_000;
    gateway.flashduty("i_rslv");
    assert_eq!(gateway.work(), Verdict::Done);
    gateway
}

#[test]
fn an_end_that_its_event_explains_costs_no_look_at_the_timeline() {
    let mut gateway = closed();
    // Nor does another event, as long as nothing has changed since.
    gateway.flashduty("i_assign");
    assert_eq!(gateway.work(), Verdict::Done);
    let calls = &gateway.calls;
    assert!(
        !calls.iter().any(|call| call.contains("/incident/feed")),
        "{calls:?}"
    );
}

#[test]
fn a_merge_of_what_was_closed_before_is_found_by_whoever_looks_next() {
    let before = closed();
    for event in ["i_assign", "i_rslv", "servicenow opens it again"] {
        let mut gateway = before.clone();
        gateway.incident["updated_at"] = json!(gateway.now_ms / 1000);
        gateway.timeline = vec![merge(INCIDENT, OTHER)];
        gateway.now_ms += 60_000;
        if event.starts_with("i_") {
            // It is late. That of the merge was lost.
            gateway.flashduty(event);
        } else {
            gateway.record["state"] = json!("2");
            gateway.servicenow(&nothing());
        }
        assert_eq!(gateway.work(), Verdict::Done);
        let notes = gateway.record["work_notes"].as_str().unwrap();
        assert!(notes.contains("Merged into"), "{event}: {notes}");
    }
}

#[test]
fn a_merge_that_a_record_may_have_been_told_of_is_told_to_it_or_to_its_successor() {
    for has_arrived in [true, false] {
        let mut gateway = Gateway::linked(&json!({ "closing": { "reopen": "new" } }));
        gateway.incident["progress"] = json!("Closed");
        gateway.flashduty("i_rslv");
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.record["state"] = json!("7");
        gateway.servicenow(&nothing());
        assert_eq!(gateway.work(), Verdict::Done);
        gateway.timeline = vec![merge(INCIDENT, OTHER)];
        let before = gateway.record["work_notes"].clone();
        gateway.loses_answers = true;
        retried(gateway.work());
        gateway.loses_answers = false;
        if !has_arrived {
            gateway.record["work_notes"] = before;
        }
        gateway.incident["progress"] = json!("Triggered");
        gateway.flashduty("i_reopen");
        gateway.now_ms += 200_000;
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.pair()["generation"], 1);
        assert_eq!(gateway.work(), Verdict::Done);
        let records = gateway.records.iter().chain([&gateway.record]);
        let told = |record: &Value| record["work_notes"].to_string().contains("Merged into");
        let told: Vec<bool> = records.map(told).collect();
        assert_eq!(told, [has_arrived, !has_arrived]);
    }
}

#[test]
fn a_merge_is_told_by_the_session_that_finds_the_record_of_a_lost_store() {
    let mut gateway = Gateway::new(&nothing());
    gateway.has_a_record_of_an_earlier_store();
    gateway.timeline = vec![merge(INCIDENT, OTHER)];
    gateway.incident["progress"] = json!("Closed");
    gateway.flashduty("i_merge");
    assert_eq!(gateway.work(), Verdict::Done);
    let notes = gateway.record["work_notes"].as_str().unwrap();
    assert!(notes.contains("Merged into"), "{notes}");
}

#[test]
fn a_pair_that_the_store_has_lost_is_found_by_its_record_though_that_is_over() {
    // Nobody sends it again, and the store does not notice what it has lost.
    let mut gateway = Gateway::new(&json!({ "trigger": "manual" }));
    gateway.has_a_record_of_an_earlier_store();
    gateway.record["state"] = json!("6");
    gateway.record["sys_updated_on"] = json!("2026-06-01 09:00:00");
    ask(&mut gateway);
    for records in ["all", "none"] {
        let mut gateway = gateway.clone();
        let settings = json!({ "trigger": "manual", "reconcile": { "new-records": records } });
        gateway.configure(&settings);
        assert_eq!(gateway.poll("servicenow"), Verdict::Done);
        let record = gateway.record["sys_id"].as_str().unwrap().to_owned();
        assert_eq!(gateway.asked_for(), [format!("prod.s-{record}")]);
        assert_eq!(gateway.work_on(&format!("s-{record}")), Verdict::Done);
        assert_eq!(gateway.asked_for(), [format!("prod.f-{INCIDENT}")]);
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(times_asked(&gateway), 1, "{records}");
    }
}

/// Another incident is merged into this one, and that one is sent to look.
fn passes_on_a_merge(mut gateway: Gateway) {
    gateway.timeline = vec![merge(OTHER, INCIDENT)];
    gateway.flashduty("i_merge");
    gateway.scheduled.clear();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.asked_for(), [format!("prod.f-{OTHER}")]);
}

#[test]
fn a_pair_that_was_taken_apart_passes_on_what_was_merged_into_its_incident() {
    passes_on_a_merge(taken_apart());
}

#[test]
fn whoever_was_sent_passes_on_what_has_changed_since_and_nothing_else() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    gateway.flashduty("i_comm");
    assert_eq!(gateway.work(), Verdict::Done);
    // The event of this merge was lost.
    gateway.timeline = vec![merge(OTHER, INCIDENT)];
    gateway.incident["updated_at"] = json!(gateway.now_ms / 1000);
    gateway.now_ms += 60_000;
    for asked_for in [vec![format!("prod.f-{OTHER}")], vec![]] {
        gateway.flashduty("merged");
        gateway.scheduled.clear();
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.asked_for(), asked_for);
    }
}

#[test]
fn an_order_beside_a_merge_keeps_nothing_from_what_was_merged() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.order("sync", &json!({ "flashduty": INCIDENT }));
    passes_on_a_merge(gateway);
}

#[test]
fn an_order_has_both_sides_looked_at_whatever_else_is_known() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    ask(&mut gateway);
    gateway.flashduty("i_comm");
    gateway.order("sync", &json!({ "flashduty": INCIDENT }));
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(times_asked(&gateway), 1);
}

#[test]
fn incidents_that_were_merged_into_each_other_do_not_send_each_other_for_ever() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.timeline = vec![merge(OTHER, INCIDENT), merge(INCIDENT, OTHER)];
    gateway.flashduty("i_merge");
    gateway.scheduled.clear();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.asked_for(), [format!("prod.f-{OTHER}")]);
    gateway.incident["incident_id"] = json!(OTHER);
    gateway.record = Value::Null;
    assert_eq!(gateway.work_on(&format!("f-{OTHER}")), Verdict::Done);
    assert_eq!(gateway.asked_for(), [""; 0], "it was sent itself");
}

#[test]
fn an_incident_that_is_at_work_on_something_else_is_told_of_its_merge_too() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.timeline = vec![merge(INCIDENT, OTHER)];
    gateway.flashduty("i_rslv");
    gateway.incident["progress"] = json!("Closed");
    assert_eq!(gateway.work(), Verdict::Done);
    let notes = |gateway: &Gateway| gateway.record["work_notes"].to_string();
    assert!(!notes(&gateway).contains("Merged into"));
    // Now the other one hears of it, which has no record.
    let (incident, record) = (gateway.incident.clone(), gateway.record.clone());
    gateway.incident["incident_id"] = json!(OTHER);
    gateway.record = Value::Null;
    gateway.flashduty("i_merge");
    gateway.scheduled.clear();
    assert_eq!(gateway.work_on(&format!("f-{OTHER}")), Verdict::Done);
    assert_eq!(gateway.asked_for(), [format!("prod.f-{INCIDENT}")]);
    (gateway.incident, gateway.record) = (incident, record);
    gateway.flashduty("i_comm");
    assert_eq!(gateway.work(), Verdict::Done);
    assert!(notes(&gateway).contains("Merged into"));
}

#[test]
fn fields_that_something_changes_back_again_and_again_are_held_up() {
    let mut gateway = Gateway::linked(&nothing());
    for round in 0..3 {
        gateway.incident["title"] = json!(format!("here {round}"));
        gateway.record["description"] = json!(format!("there {round}"));
        assert_eq!(gateway.work(), Verdict::Done, "{round}");
    }
    gateway.written.clear();
    gateway.incident["title"] = json!("here again");
    gateway.record["description"] = json!("there again");
    let retry = retried(gateway.work());
    assert!(retry.reason.contains("to and fro"), "{}", retry.reason);
    assert_eq!(gateway.written, []);
    gateway.now_ms = retry.not_before_ms.unwrap();
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written.len(), 2);
}

#[test]
fn a_pair_that_was_taken_apart_stays_so_whatever_happens_to_the_incident() {
    let mut gateway = taken_apart();
    gateway.incident["title"] = json!("renamed");
    gateway.flashduty("i_r_title");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.written, []);
}

#[test]
fn a_record_that_cannot_be_reopened_gets_a_note_once_and_no_state() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.record["state"] = json!("7");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.written.clear();
    gateway.incident["progress"] = json!("Triggered");
    gateway.flashduty("i_reopen");
    gateway.loses_answers = true;
    retried(gateway.work());
    gateway.loses_answers = false;
    gateway.now_ms += 200_000;
    assert_eq!(gateway.work(), Verdict::Done);
    let [columns] = gateway.sent("PATCH incident")[..] else {
        panic!("{:?}", gateway.written)
    };
    assert_eq!(columns.get("state"), None);
    let note = columns["work_notes"].as_str().unwrap();
    assert!(note.starts_with("Reopened in Flashduty."), "{note}");
}

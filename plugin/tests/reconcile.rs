//! Polls: what they find, what they leave alone, and that nothing makes them
//! skip anything.
#![allow(clippy::unwrap_used)]

mod gateway;

use gateway::Gateway;
use gateway::INCIDENT;
use gateway::lists::stamp;
use gateway::nothing;
use serde_json::Value;
use serde_json::json;
use servicenow_sync_plugin::Retry;
use servicenow_sync_plugin::Verdict;
use std::collections::BTreeSet;

const PAIR: &str = "prod.f-6a1d2f45c0ffee0123456789";

/// The incident changes now, or when the far end's clock says so.
fn touch(gateway: &mut Gateway) {
    gateway.incident["updated_at"] = json!(gateway.now_ms / 1000);
}

/// With a pair that both polls know, and a minute later.
fn at_rest() -> Gateway {
    at_rest_with(&nothing())
}

/// As [`at_rest`], with these settings.
fn at_rest_with(settings: &Value) -> Gateway {
    let mut gateway = Gateway::new(settings);
    let now_s = gateway.now_ms / 1000;
    for name in ["created_at", "updated_at", "start_time"] {
        gateway.incident[name] = json!(now_s);
    }
    gateway.flashduty("i_new");
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.record["sys_updated_on"] = json!(stamp(gateway.now_ms));
    for side in ["flashduty", "servicenow"] {
        assert_eq!(gateway.poll(side), Verdict::Done);
    }
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.now_ms += 60_000;
    gateway.scheduled.clear();
    gateway.written.clear();
    gateway.calls.clear();
    gateway
}

/// A record that was changed then.
fn record(number: u32, changed_ms: u64) -> Value {
    json!({
        "sys_id": format!("{number:032x}"),
        "sys_updated_on": stamp(changed_ms),
        "sys_mod_count": "3",
        "state": "1",
    })
}

/// An incident that began and was changed then.
fn incident(number: u32, at_ms: u64) -> Value {
    let at_s = at_ms / 1000;
    json!({
        "incident_id": format!("{number:024x}"),
        "title": "disk full",
        "description": "",
        "incident_severity": "Critical",
        "progress": "Triggered",
        "channel_id": 1,
        "start_time": at_s,
        "created_at": at_s,
        "updated_at": at_s,
    })
}

#[test]
fn an_incident_that_no_webhook_told_of_is_left_to_its_pairs_work_once() {
    let mut gateway = Gateway::new(&nothing());
    gateway.incident["start_time"] = json!(gateway.now_ms / 1000);
    touch(&mut gateway);
    assert_eq!(gateway.poll("flashduty"), Verdict::Done);
    assert_eq!(gateway.written, [], "a poll writes nothing itself");
    assert_eq!(gateway.asked_for(), [PAIR]);
    gateway.now_ms += 60_000;
    assert_eq!(gateway.poll("flashduty"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [""; 0], "it waits for its work");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 1);
}

#[test]
fn where_nothing_changes_there_is_nothing_but_the_polls_calls() {
    let mut gateway = at_rest();
    for _ in 0..10 {
        for side in ["flashduty", "servicenow"] {
            assert_eq!(gateway.poll(side), Verdict::Done);
        }
        gateway.now_ms += 60_000;
    }
    assert_eq!(gateway.asked_for(), [""; 0]);
    let count = |path: &str| gateway.calls.iter().filter(|call| *call == path).count();
    assert_eq!(count("list"), 10);
    assert_eq!(count("list-by-ids"), 2);
    assert_eq!(count("GET incident"), 10);
    assert_eq!(gateway.calls.len(), 22, "{:?}", gateway.calls);
}

#[test]
fn what_a_webhook_has_brought_is_not_brought_again() {
    let mut gateway = at_rest();
    gateway.record["state"] = json!("2");
    gateway.record["sys_mod_count"] = json!("5");
    gateway.record["sys_updated_on"] = json!(stamp(gateway.now_ms));
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("ack").len(), 1);
    gateway.scheduled.clear();
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [""; 0]);
}

#[test]
fn own_writes_in_servicenow_are_no_news() {
    let mut gateway = at_rest();
    gateway.incident["title"] = json!("disk full on db-1");
    touch(&mut gateway);
    gateway.flashduty("i_r_title");
    let before = gateway.record["sys_mod_count"].as_str().unwrap();
    let after = before.parse::<u64>().unwrap() + 1;
    gateway.stamps = Some((after.to_string(), stamp(gateway.now_ms)));
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("PATCH incident").len(), 1);
    gateway.scheduled.clear();
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [""; 0]);
}

#[test]
fn a_change_of_somebody_else_between_two_own_writes_is_news() {
    let mut gateway = at_rest();
    gateway.incident["title"] = json!("disk full on db-1");
    touch(&mut gateway);
    gateway.flashduty("i_r_title");
    let before = gateway.record["sys_mod_count"].as_str().unwrap();
    let after = before.parse::<u64>().unwrap() + 2;
    gateway.stamps = Some((after.to_string(), stamp(gateway.now_ms)));
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.scheduled.clear();
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [PAIR]);
}

#[test]
fn a_comment_whose_webhook_was_lost_is_found_although_a_later_webhook_came() {
    let mut gateway = at_rest();
    gateway.comment("restarted the pool");
    gateway.incident["progress"] = json!("Processing");
    touch(&mut gateway);
    gateway.flashduty("i_ack");
    assert_eq!(gateway.work(), Verdict::Done);
    let carried = |gateway: &Gateway| {
        let notes = gateway.record["work_notes"].as_str().unwrap();
        notes.contains("restarted the pool")
    };
    assert!(carried(&gateway), "{:?}", gateway.written);
}

#[test]
fn a_change_of_an_open_pair_is_found_at_the_fifth_poll_however_old_it_is() {
    let mut gateway = at_rest();
    gateway.now_ms += 3 * 86_400_000;
    gateway.incident["progress"] = json!("Closed");
    touch(&mut gateway);
    let mut polls = 0;
    while gateway.asked_for().is_empty() {
        assert_eq!(gateway.poll("flashduty"), Verdict::Done);
        gateway.now_ms += 60_000;
        polls += 1;
        assert!(polls <= 5, "not found");
    }
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.record["state"], "6");
}

#[test]
fn more_records_of_one_second_than_a_page_holds_are_each_found_once() {
    let mut gateway = at_rest();
    let at_ms = gateway.now_ms;
    gateway.records = (1..=450).map(|n| record(n, at_ms)).collect();
    let mut found = Vec::new();
    for _ in 0..10 {
        assert_eq!(gateway.poll("servicenow"), Verdict::Done);
        found.extend(gateway.asked_for());
        gateway.now_ms += 5_000;
    }
    let distinct: BTreeSet<&String> = found.iter().collect();
    assert_eq!((found.len(), distinct.len()), (450, 450));
}

#[test]
fn a_page_of_records_that_may_not_be_seen_is_stepped_over() {
    let mut gateway = at_rest();
    let at_ms = gateway.now_ms;
    gateway.records = (1..=450).map(|n| record(n, at_ms)).collect();
    for hidden in &mut gateway.records[..430] {
        hidden["hidden"] = json!(true);
    }
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for().len(), 20);
}

#[test]
fn what_happens_in_the_second_of_a_look_is_found_by_the_next() {
    let mut gateway = at_rest();
    touch(&mut gateway);
    assert_eq!(gateway.poll("flashduty"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [PAIR]);
    // Whatever it is, no version shows it. A second look is enough.
    for asked_for in [&[PAIR][..], &[]] {
        gateway.now_ms += 60_000;
        assert_eq!(gateway.poll("flashduty"), Verdict::Done);
        assert_eq!(gateway.asked_for(), asked_for);
    }
}

#[test]
fn what_has_just_been_closed_is_looked_at_though_a_gateways_clock_was_a_day_behind() {
    const DAY_MS: i64 = 24 * 3_600_000;
    let mut gateway = at_rest();
    gateway.hand_over(-DAY_MS);
    gateway.incident["progress"] = json!("Closed");
    gateway.flashduty("i_rslv");
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.hand_over(DAY_MS + 60_000);
    // It began long ago, so it is not among what is new.
    gateway.incident["start_time"] = json!(1);
    gateway.incident["title"] = json!("disk fuller");
    gateway.incident["updated_at"] = json!(gateway.now_ms / 1000 - 10);
    gateway.scheduled.clear();
    for _ in 0..6 {
        assert_eq!(gateway.poll("flashduty"), Verdict::Done);
        gateway.now_ms += 60_000;
    }
    assert_eq!(gateway.asked_for(), [PAIR]);
}

#[test]
fn pairs_are_looked_at_however_much_is_new() {
    // Nothing but the pair takes part.
    let condition = json!({ "key": "title", "oper": "IN", "vals": ["disk full"] });
    let mut gateway = at_rest_with(&json!({ "conditions": [[condition]] }));
    gateway.incidents = (1..=999)
        .map(|n| {
            let mut incident = incident(n, gateway.now_ms);
            incident["title"] = json!("another matter");
            incident
        })
        .collect();
    gateway.now_ms += 60_000;
    for _ in 0..6 {
        assert_eq!(gateway.poll("flashduty"), Verdict::Done);
        gateway.now_ms += 60_000;
    }
    let pages = gateway.calls.iter().filter(|call| *call == "list").count();
    assert_eq!(pages, 60, "ten each time, the most there may be");
    assert!(gateway.calls.iter().any(|call| call == "list-by-ids"));
}

#[test]
fn what_has_long_been_over_is_forgotten_bit_by_bit() {
    let mut gateway = at_rest();
    let long_ago_ms = gateway.now_ms - 32 * 24 * 3_600_000;
    for n in 0..2500 {
        let id = format!("{n:024x}");
        let watch = json!({ "flashduty": id, "closed_ms": long_ago_ms });
        gateway.store(&format!("watch.prod.f-{id}"), &watch);
    }
    let mut left = gateway.stored("watch.").len();
    gateway.now_ms += 300_000;
    for _ in 0..5 {
        assert_eq!(gateway.poll("flashduty"), Verdict::Done);
        let now = gateway.stored("watch.").len();
        assert!(left - now <= 1000, "as many in one session: {}", left - now);
        left = now;
        gateway.now_ms += 5_000;
    }
    assert_eq!(left, 1);
    assert!(gateway.calls.iter().any(|call| call == "list-by-ids"));
}

#[test]
fn a_run_makes_few_calls_and_the_next_ones_go_on() {
    let mut gateway = at_rest();
    let now_ms = gateway.now_ms;
    // They are over, so none of them needs to be looked at.
    gateway.records = (1..=5000)
        .map(|n| {
            let mut record = record(n, now_ms + u64::from(n));
            record["state"] = json!("7");
            record
        })
        .collect();
    gateway.records.push(record(9999, now_ms + 60_000));
    let mut runs = 0;
    loop {
        gateway.calls.clear();
        assert_eq!(gateway.poll("servicenow"), Verdict::Done);
        assert!(gateway.calls.len() <= 10, "{}", gateway.calls.len());
        runs += 1;
        assert!(runs <= 3, "it gets nowhere");
        let soon = gateway.scheduled.iter().map(|s| s.due_ms).min().unwrap();
        if !gateway.asked_for().is_empty() {
            break;
        }
        assert_eq!(soon, gateway.now_ms + 5_000, "the next run is soon");
        gateway.now_ms = soon;
    }
    assert_eq!(runs, 3);
}

#[test]
fn wherever_a_poll_is_cut_off_nothing_is_skipped() {
    for side in ["flashduty", "servicenow"] {
        // Most steps leave one hint each, so not every one of them is tried.
        for steps in (1..).step_by(11) {
            let mut gateway = at_rest();
            let now_ms = gateway.now_ms;
            // Two pages, and a change in the pair. The records are of so long a
            // time that what is read again each time does not cover it.
            gateway.records = (1..=230)
                .map(|n| record(n, now_ms + u64::from(n) * 10_000))
                .collect();
            gateway.incidents = (1..=130).map(|n| incident(n, now_ms)).collect();
            touch(&mut gateway);
            gateway.record["sys_mod_count"] = json!("9");
            gateway.record["sys_updated_on"] = json!(stamp(now_ms));
            gateway.steps = steps;
            let verdict = gateway.run_poll(side);
            gateway.steps = usize::MAX;
            for _ in 0..6 {
                gateway.now_ms += 60_000;
                assert_eq!(gateway.poll(side), Verdict::Done);
            }
            let found: BTreeSet<String> = gateway.asked_for().into_iter().collect();
            let expected = if side == "flashduty" { 131 } else { 231 };
            assert_eq!(found.len(), expected, "{side}, cut off after {steps}");
            let hints = gateway.stored("hint.").len();
            assert_eq!(hints, expected, "{side}, cut off after {steps}");
            if verdict.is_some() {
                assert!(steps > 100, "{side} is cut off at each step before its end");
                break;
            }
        }
    }
}

#[test]
fn what_is_committed_late_is_found_by_the_overlap() {
    let mut gateway = at_rest();
    gateway.records = vec![record(1, gateway.now_ms)];
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for().len(), 1);
    let late = record(2, gateway.now_ms - 240_000);
    gateway.records.push(late);
    gateway.now_ms += 60_000;
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [format!("prod.s-{:032x}", 2)]);
}

#[test]
fn a_record_that_is_dated_in_the_future_hides_nothing_from_later_polls() {
    let mut gateway = at_rest();
    gateway.records = vec![record(8, gateway.now_ms + 1_000_000_000)];
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    gateway.now_ms += 60_000;
    gateway.scheduled.clear();
    gateway.records.push(record(9, gateway.now_ms));
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [format!("prod.s-{:032x}", 9)]);
}

#[test]
fn a_gateway_whose_clock_is_wrong_finds_what_is_new() {
    for ahead_ms in [-86_400_000_i64 * 2, 86_400_000 * 2] {
        let mut gateway = Gateway::new(&nothing());
        gateway.now_ms += 86_400_000 * 5;
        gateway.ahead_ms = Some(ahead_ms);
        for _ in 0..3 {
            gateway.poll("flashduty");
            gateway.poll("servicenow");
        }
        let far_ms = gateway.now_ms.checked_add_signed(ahead_ms).unwrap() + 30_000;
        gateway.incidents = vec![incident(1, far_ms)];
        gateway.records = vec![record(1, far_ms)];
        gateway.asked_for();
        gateway.now_ms += 60_000;
        for side in ["flashduty", "servicenow"] {
            assert_eq!(gateway.poll(side), Verdict::Done);
        }
        let found = gateway.asked_for();
        assert_eq!(found.len(), 2, "{ahead_ms}: {found:?}");
    }
}

#[test]
fn a_clock_that_is_set_skips_nothing_and_holds_nothing_up() {
    let mut gateway = at_rest();
    for step_ms in [-86_400_000_i64 * 3, 86_400_000 * 6] {
        gateway.now_ms = (gateway.now_ms + 86_400_000 * 4)
            .checked_add_signed(step_ms)
            .unwrap();
        gateway.ahead_ms = gateway.ahead_ms.map(|ahead_ms| ahead_ms - step_ms);
        let far_ms = gateway
            .now_ms
            .checked_add_signed(gateway.ahead_ms.unwrap())
            .unwrap();
        gateway.incident["title"] = json!(format!("now {step_ms}"));
        gateway.incident["updated_at"] = json!(far_ms / 1000 - 1);
        gateway.asked_for();
        for _ in 0..5 {
            assert_eq!(gateway.poll("flashduty"), Verdict::Done);
            gateway.now_ms += 60_000;
        }
        assert_eq!(gateway.asked_for(), [PAIR], "{step_ms}");
    }
}

#[test]
fn a_place_to_go_on_from_that_is_refused_is_forgotten() {
    let mut gateway = at_rest();
    gateway.incidents = (0..301).map(|n| incident(n, gateway.now_ms)).collect();
    let goes_on = |gateway: &Gateway| {
        let asked = gateway.requests.iter().rev();
        let mut lists = asked.filter(|request| request.url.ends_with("/incident/list"));
        let body: Value = serde_json::from_slice(&lists.next().unwrap().body).unwrap();
        body["search_after_ctx"].is_string()
    };
    // No more at a time than its pairs' work can take.
    assert_eq!(gateway.poll("flashduty"), Verdict::Done);
    gateway.refused = Some("/incident/list");
    assert!(matches!(gateway.poll("flashduty"), Verdict::Retry(_)));
    assert!(goes_on(&gateway));
    assert!(matches!(gateway.poll("flashduty"), Verdict::Retry(_)));
    assert!(!goes_on(&gateway));
}

#[test]
fn a_poll_that_fails_says_why_comes_again_and_is_never_parked() {
    for side in ["flashduty", "servicenow"] {
        for status in [200, 403, 500] {
            let mut gateway = at_rest();
            gateway.page = Some(status);
            let Verdict::Retry(Retry { counts, reason, .. }) = gateway.poll(side) else {
                panic!("{side} {status}");
            };
            assert!(!counts);
            assert!(reason.contains(&status.to_string()), "{reason}");
            let next = gateway.scheduled.iter().map(|s| s.due_ms).min();
            assert_eq!(next, Some(gateway.now_ms + 60_000));
            gateway.page = None;
            gateway.now_ms += 60_000;
            assert_eq!(gateway.poll(side), Verdict::Done);
        }
    }
}

#[test]
fn a_side_that_is_switched_off_or_sends_nothing_is_not_asked() {
    let off = json!({ "reconcile": { "flashduty": false, "servicenow": false } });
    let mut gateway = Gateway::with_a_new_store(&off);
    for side in ["flashduty", "servicenow"] {
        assert_eq!(gateway.poll(side), Verdict::Done);
    }
    assert_eq!(gateway.calls.len(), 2, "for when the store first looked");
    for side in ["flashduty", "servicenow"] {
        assert_eq!(gateway.poll(side), Verdict::Done);
    }
    assert_eq!(gateway.calls.len(), 2);
    assert_eq!(gateway.scheduled.len(), 0);
}

#[test]
fn a_deleted_incident_is_noticed_and_a_missing_right_is_not_taken_for_that() {
    let mut gateway = at_rest();
    gateway.incident = Value::Null;
    gateway.now_ms += 300_000;
    assert_eq!(gateway.poll("flashduty"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [PAIR]);

    let mut gateway = Gateway::new(&nothing());
    let now_ms = gateway.now_ms;
    gateway.incident = Value::Null;
    for number in 1..=10 {
        let watch = json!({ "flashduty": format!("{number:024x}") });
        gateway.store(&format!("watch.prod.f-{number:024x}"), &watch);
    }
    assert_eq!(gateway.poll("flashduty"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [""; 0]);
    gateway.incidents = (1..=8).map(|n| incident(n, now_ms - 86_400_000)).collect();
    gateway.now_ms += 300_000;
    assert_eq!(gateway.poll("flashduty"), Verdict::Done);
    let found = gateway.asked_for();
    assert_eq!(found.len(), 10, "two are gone: {found:?}");
}

#[test]
fn incidents_from_before_are_not_imported() {
    let mut gateway = Gateway::with_a_new_store(&nothing());
    let now_ms = gateway.now_ms + 86_400_000;
    gateway.now_ms = now_ms;
    gateway.incidents = vec![
        incident(1, now_ms - 2 * 3_600_000),
        incident(2, now_ms - 1_800_000),
    ];
    gateway.records = vec![record(1, now_ms - 2 * 3_600_000), record(2, now_ms - 1000)];
    for side in ["flashduty", "servicenow"] {
        assert_eq!(gateway.poll(side), Verdict::Done);
    }
    let found = BTreeSet::from_iter(gateway.asked_for());
    let expected = [format!("prod.f-{:024x}", 2), format!("prod.s-{:032x}", 2)];
    assert_eq!(found, BTreeSet::from(expected));
}

#[test]
fn an_incident_that_takes_no_part_is_no_work() {
    let conditions = json!([[{ "key": "severity", "oper": "IN", "vals": ["Info"] }]]);
    for settings in [
        json!({ "trigger": "manual" }),
        json!({ "conditions": conditions }),
    ] {
        let mut gateway = Gateway::new(&settings);
        gateway.incidents = vec![incident(1, gateway.now_ms)];
        assert_eq!(gateway.poll("flashduty"), Verdict::Done);
        assert_eq!(gateway.asked_for(), [""; 0], "{settings}");
    }
}

#[test]
fn new_records_come_only_from_where_the_operator_says() {
    for (records, expected) in [("all", 2), ("none", 0), ("category=network", 1)] {
        let mut gateway = Gateway::new(&json!({ "reconcile": { "new-records": records } }));
        let at_ms = gateway.now_ms;
        gateway.records = vec![record(1, at_ms), record(2, at_ms)];
        gateway.in_scope = vec![format!("{:032x}", 2)];
        for _ in 0..3 {
            assert_eq!(gateway.poll("servicenow"), Verdict::Done);
            gateway.now_ms += 60_000;
        }
        assert_eq!(gateway.asked_for().len(), expected, "{records}");
    }
}

#[test]
fn a_change_of_a_pair_is_found_whatever_new_records_come() {
    for records in ["none", "category=network"] {
        let mut gateway = at_rest();
        gateway.configure(&json!({ "reconcile": { "new-records": records } }));
        gateway.record["state"] = json!("2");
        gateway.record["sys_mod_count"] = json!("5");
        gateway.record["sys_updated_on"] = json!(stamp(gateway.now_ms));
        assert_eq!(gateway.poll("servicenow"), Verdict::Done);
        assert_eq!(gateway.asked_for(), [PAIR], "{records}");
    }
}

#[test]
fn a_second_record_of_one_incident_gets_a_note_and_is_left_to_itself() {
    let mut gateway = at_rest();
    let ours = gateway.record.clone();
    let second = "00000000000000000000000000000002";
    gateway.record["sys_id"] = json!(second);
    gateway.record["number"] = json!("INC0010002");
    gateway.record["sys_updated_on"] = json!(stamp(gateway.now_ms));
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [format!("prod.s-{second}")]);
    assert_eq!(gateway.work_on(&format!("s-{second}")), Verdict::Done);
    let [columns] = gateway.sent("PATCH incident")[..] else {
        panic!("{:?}", gateway.written)
    };
    let note = columns["work_notes"].as_str().unwrap();
    let number = ours["number"].as_str().unwrap();
    assert!(note.contains(&format!("belongs to {number}")), "{note}");
    assert_eq!(columns.get("state"), None, "it is not canceled");
    gateway.record["sys_updated_on"] = json!(stamp(gateway.now_ms));
    gateway.record["sys_mod_count"] = json!("7");
    gateway.asked_for();
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [""; 0]);
    assert_eq!(gateway.stored(&format!("pair.prod.f-{INCIDENT}")).len(), 1);
}

/// Somebody copies the record by hand, with its correlation and this at its end;
/// ServiceNow tells of that.
fn copy(gateway: &mut Gateway, generation: &str) {
    let second = "00000000000000000000000000000002";
    gateway.record["sys_id"] = json!(second);
    gateway.record["number"] = json!("INC0010002");
    gateway.record["sys_updated_on"] = json!(stamp(gateway.now_ms));
    gateway.record["correlation_id"] = json!(format!("flashduty:prod:{INCIDENT}{generation}"));
    gateway.record["work_notes"] = json!("");
    gateway.written.clear();
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work_on(&format!("s-{second}")), Verdict::Done);
}

/// The copy has its note, and is nobody's work any more.
fn is_left_to_itself(gateway: &mut Gateway, original: &str) {
    let [columns] = gateway.sent("PATCH incident")[..] else {
        panic!("{:?}", gateway.written)
    };
    let note = columns["work_notes"].as_str().unwrap();
    assert!(note.contains(&format!("belongs to {original}")), "{note}");
    assert_eq!(gateway.sent("create").len(), 0);
    assert_eq!(gateway.stored("hint."), [""; 0]);
    gateway.now_ms += 60_000;
    gateway.record["sys_updated_on"] = json!(stamp(gateway.now_ms));
    gateway.record["sys_mod_count"] = json!("7");
    gateway.asked_for();
    assert_eq!(gateway.poll("servicenow"), Verdict::Done);
    assert_eq!(gateway.asked_for(), [""; 0]);
}

/// With a pair that was born in ServiceNow, and its name.
fn born_in_servicenow() -> (Gateway, String) {
    let mut gateway = Gateway::new(&nothing());
    gateway.incident = Value::Null;
    gateway.record = record(7, gateway.now_ms);
    gateway.record["number"] = json!("INC0010007");
    gateway.record["correlation_id"] = json!("");
    for column in ["impact", "urgency"] {
        gateway.record[column] = json!("1");
    }
    let pair = format!("s-{:032x}", 7);
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    let correlation = format!("flashduty:prod:{INCIDENT}");
    assert_eq!(gateway.record["correlation_id"], correlation);
    (gateway, pair)
}

#[test]
fn a_copy_of_a_record_that_was_born_in_servicenow_gets_a_note_too() {
    for generation in ["", ":2"] {
        let (mut gateway, _) = born_in_servicenow();
        copy(&mut gateway, generation);
        is_left_to_itself(&mut gateway, "INC0010007");
    }
}

/// The signature names the first record for ever.
#[test]
fn with_a_lost_store_the_signature_is_no_part_of_what_the_successor_is_told() {
    let (mut gateway, pair) = born_in_servicenow();
    gateway.configure(&json!({ "closing": { "reopen": "new" } }));
    gateway.record["state"] = json!("7");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    gateway.incident["progress"] = json!("Triggered");
    gateway.flashduty("i_reopen");
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    let second = format!("flashduty:prod:{INCIDENT}:2");
    assert_eq!(gateway.record["correlation_id"], second);
    let created = gateway.sent("POST incident").pop().unwrap().to_string();
    assert!(!created.contains("[snow:"), "{created}");
    gateway.lose_the_store();
    gateway.ignores_conditions = true;
    gateway.flashduty("i_comm");
    gateway.work();
    let described = gateway.record["description"].as_str().unwrap();
    assert!(!described.contains("[snow:"), "{described}");
    assert_eq!(gateway.pair()["generation"], 1);
}

#[test]
fn a_pair_that_the_store_has_lost_is_made_again_of_the_way_to_it() {
    let (mut gateway, pair) = born_in_servicenow();
    gateway.forget(&format!("pair.prod.{pair}"));
    gateway.scheduled.clear();
    gateway.written.clear();
    gateway.record["short_description"] = json!("disk full again");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.incident["title"], "disk full again");
    assert_eq!(gateway.sent("create").len(), 0);
    assert_eq!(gateway.stored("hint."), [""; 0]);
}

#[test]
fn a_copy_of_a_record_whose_pair_has_ended_gets_a_note_too() {
    let apart = json!({ "flashduty": INCIDENT });
    let mut gateway = at_rest();
    gateway.order("unlink", &apart);
    assert_eq!(gateway.work(), Verdict::Done);
    copy(&mut gateway, "");
    is_left_to_itself(&mut gateway, "INC0010001");
    let (mut gateway, pair) = born_in_servicenow();
    gateway.order("unlink", &apart);
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    copy(&mut gateway, "");
    is_left_to_itself(&mut gateway, "another record");
}

#[test]
fn a_copy_of_a_record_that_replaced_another_gets_a_note_too() {
    let mut gateway = at_rest();
    gateway.configure(&json!({ "closing": { "reopen": "new" } }));
    gateway.record["state"] = json!("7");
    gateway.servicenow(&nothing());
    assert_eq!(gateway.work(), Verdict::Done);
    gateway.incident["progress"] = json!("Triggered");
    gateway.flashduty("i_reopen");
    assert_eq!(gateway.work(), Verdict::Done);
    let second = format!("flashduty:prod:{INCIDENT}:2");
    assert_eq!(gateway.record["correlation_id"], second);
    gateway.record["number"] = json!("INC0010005");
    copy(&mut gateway, ":2");
    is_left_to_itself(&mut gateway, "INC0010001");
}

/// Whether a creation waits, since an earlier store may have begun it.
fn waits_for_an_earlier_store(verdict: Verdict) -> Option<u64> {
    match verdict {
        Verdict::Done => None,
        Verdict::Retry(retry)
            if retry
                .reason
                .contains("this store is new or was set back, and may have begun this before") =>
        {
            retry.not_before_ms
        }
        other => panic!("{other:?}"),
    }
}

/// A new store that polls have looked with, and an incident that began so much
/// later.
fn new_store(later_ms: i64) -> Gateway {
    let mut gateway = Gateway::with_a_new_store(&nothing());
    gateway.incident = Value::Null;
    for side in ["flashduty", "servicenow"] {
        gateway.poll(side);
    }
    let at_ms = gateway.now_ms.checked_add_signed(later_ms).unwrap();
    gateway.incident = incident(1, at_ms);
    gateway.incident["incident_id"] = json!(INCIDENT);
    gateway.now_ms += 5_000;
    gateway.flashduty("i_new");
    gateway
}

#[test]
fn a_new_store_waits_before_it_creates_what_an_earlier_one_may_have_begun() {
    let mut gateway = new_store(-1000);
    let first_ms = gateway.now_ms - 5_000;
    let until_ms = waits_for_an_earlier_store(gateway.work()).expect("it waits");
    assert_eq!(until_ms, first_ms + 150_000);
    assert_eq!(gateway.written, []);
    gateway.now_ms = until_ms;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 1);
}

#[test]
fn how_long_a_new_store_waits_does_not_depend_on_which_gateways_clock_tells() {
    let mut gateway = new_store(-1000);
    let first_ms = gateway.now_ms - 5_000;
    for ahead_ms in [120_000, -240_000] {
        gateway.hand_over(ahead_ms);
        let until_ms = waits_for_an_earlier_store(gateway.work()).expect("it waits");
        let far_ms = until_ms.checked_add_signed(gateway.ahead_ms.unwrap());
        assert_eq!(far_ms, Some(first_ms + 150_000));
        assert_eq!(gateway.written, []);
    }
}

#[test]
fn what_the_earlier_store_had_in_the_air_is_found_and_not_created_again() {
    let mut gateway = new_store(-1000);
    let until_ms = waits_for_an_earlier_store(gateway.work()).expect("it waits");
    gateway.has_a_record_of_an_earlier_store();
    gateway.record["sys_mod_count"] = json!("0");
    gateway.now_ms = until_ms;
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 0);
}

#[test]
fn what_began_after_the_first_look_waits_for_nothing() {
    let mut gateway = new_store(1000);
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 1);
}

#[test]
fn where_the_instance_takes_chosen_ids_nothing_waits() {
    let mut gateway = new_store(-1000);
    gateway.store("instance.prod", &json!("honours sys_id"));
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("POST incident").len(), 1);
}

#[test]
fn a_first_look_whose_age_a_set_clock_hides_counts_as_now() {
    let mut gateway = new_store(-1000);
    gateway.now_ms -= 3_600_000;
    gateway.incident["created_at"] = json!(gateway.now_ms / 1000 - 6);
    let until_ms = waits_for_an_earlier_store(gateway.work()).expect("it waits");
    assert_eq!(until_ms, gateway.now_ms + 150_000);
    gateway.now_ms = until_ms;
    assert_eq!(gateway.work(), Verdict::Done);
}

#[test]
fn without_a_poll_the_first_session_is_the_first_look() {
    let mut gateway = Gateway::with_a_new_store(&nothing());
    gateway.incident["created_at"] = json!(gateway.now_ms / 1000 - 1);
    gateway.flashduty("i_new");
    let until_ms = waits_for_an_earlier_store(gateway.work()).expect("it waits");
    assert_eq!(until_ms, gateway.now_ms + 150_000);
}

/// With a store that was set back a second after a comment in Flashduty.
fn set_back_after_a_comment() -> Gateway {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    gateway.comment("the disk is replaced");
    gateway.now_ms += 1_000;
    gateway.set_back();
    gateway.written.clear();
    gateway
}

#[test]
fn a_comment_that_was_perhaps_sent_before_the_store_was_set_back_waits_to_appear() {
    let mut text = Value::Null;
    for arrives in [false, true] {
        let mut gateway = set_back_after_a_comment();
        let first_ms = gateway.now_ms;
        gateway.now_ms += 5_000;
        gateway.flashduty("i_comm");
        let until_ms = waits_for_an_earlier_store(gateway.work()).expect("it waits");
        assert_eq!(until_ms, first_ms + 150_000);
        assert_eq!(gateway.written, []);
        if arrives {
            gateway.record["work_notes"] = text.clone();
        }
        gateway.now_ms = until_ms;
        assert_eq!(gateway.work(), Verdict::Done);
        let sent = gateway.sent("PATCH incident");
        assert_eq!(sent.len(), usize::from(!arrives), "{sent:?}");
        if let [columns] = sent[..] {
            text = columns["work_notes"].clone();
        }
    }
}

#[test]
fn the_gateways_clock_does_not_count_where_a_far_end_tells_nothing_for_once() {
    for wrong_ms in [86_400_000, -86_400_000] {
        let mut gateway = set_back_after_a_comment();
        gateway.flashduty("i_comm");
        gateway.silent = Some("/person/infos");
        // First a gateway whose clock is wrong, then one whose clock is not.
        for ahead_ms in [wrong_ms, -wrong_ms] {
            gateway.hand_over(ahead_ms);
            waits_for_an_earlier_store(gateway.work()).expect("it waits");
            assert_eq!(gateway.written, [], "{ahead_ms}");
        }
    }
}

#[test]
fn a_comment_from_after_the_store_was_set_back_waits_for_nothing() {
    let mut gateway = Gateway::linked(&nothing());
    gateway.now_ms += 60_000;
    gateway.set_back();
    gateway.written.clear();
    gateway.now_ms += 5_000;
    gateway.comment("the disk is replaced");
    gateway.flashduty("i_comm");
    assert_eq!(gateway.work(), Verdict::Done);
    assert_eq!(gateway.sent("PATCH incident").len(), 1);
}

/// ServiceNow holds a comment that was written then.
fn servicenow_has_a_comment(gateway: &mut Gateway, written_ms: u64) {
    let row = json!({
        "sys_id": format!("{:032}", 1),
        "element_id": gateway.record["sys_id"],
        "element": "comments",
        "value": "the users wait",
        "sys_created_on": stamp(written_ms),
        "sys_created_by": "bo",
    });
    gateway.rows.insert("sys_journal_field", json!([row]));
    gateway.record["comments"] = json!("1 comment");
}

#[test]
fn a_comment_to_flashduty_waits_after_the_store_was_set_back_too() {
    for (age_ms, waits) in [(1_000, true), (0, false)] {
        let mut gateway = Gateway::linked(&nothing());
        gateway.now_ms += 60_000;
        gateway.set_back();
        let first_ms = gateway.now_ms;
        gateway.now_ms += 5_000;
        let written_ms = gateway.now_ms - 5_000 * u64::from(waits) - age_ms;
        servicenow_has_a_comment(&mut gateway, written_ms);
        gateway.servicenow(&nothing());
        let until_ms = waits_for_an_earlier_store(gateway.work());
        assert_eq!(until_ms, waits.then_some(first_ms + 150_000));
        assert_eq!(gateway.sent("comment").len(), usize::from(!waits));
        gateway.now_ms = until_ms.unwrap_or(gateway.now_ms);
        assert_eq!(gateway.work(), Verdict::Done);
        assert_eq!(gateway.sent("comment").len(), 1);
    }
}

/// A record that ServiceNow tells of, which began so much later than a new
/// store first looked.
fn new_record(later_ms: i64) -> (Gateway, String) {
    let mut gateway = Gateway::with_a_new_store(&nothing());
    gateway.incident = Value::Null;
    for side in ["flashduty", "servicenow"] {
        gateway.poll(side);
    }
    let at_ms = gateway.now_ms.checked_add_signed(later_ms).unwrap();
    gateway.record = record(1, at_ms);
    gateway.record["sys_created_on"] = json!(stamp(at_ms));
    gateway.record["urgency"] = json!("1");
    gateway.now_ms += 5_000;
    gateway.servicenow(&nothing());
    (gateway, format!("s-{:032x}", 1))
}

#[test]
fn towards_flashduty_a_new_store_waits_too_and_finds_what_came_of_it() {
    let (mut gateway, pair) = new_record(-1000);
    let first_ms = gateway.now_ms - 5_000;
    let until_ms = waits_for_an_earlier_store(gateway.work_on(&pair)).expect("it waits");
    assert_eq!(until_ms, first_ms + 120_000);
    gateway.now_ms = until_ms;
    gateway.incident = incident(1, first_ms + 60_000);
    gateway.incident["description"] = json!(format!("ServiceNow INC1 [snow:{:032x}]", 1));
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 0);

    let (mut gateway, pair) = new_record(1000);
    gateway.work_on(&pair);
    assert_eq!(gateway.sent("create").len(), 1);
}

#[test]
fn a_comment_that_may_still_appear_is_waited_for_by_whoever_is_joined_again() {
    let flashduty_born = || (Gateway::linked(&nothing()), format!("f-{INCIDENT}"));
    let servicenow_born = || {
        let (mut gateway, pair) = new_record(1000);
        assert_eq!(gateway.work_on(&pair), Verdict::Done);
        (gateway, pair)
    };
    for (mut gateway, pair) in [flashduty_born(), servicenow_born()] {
        gateway.now_ms += 60_000;
        gateway.comment("the disk is replaced");
        gateway.flashduty("i_comm");
        gateway.silent = Some("PATCH");
        assert_ne!(gateway.work_on(&pair), Verdict::Done);
        gateway.silent = None;
        let incident = gateway.incident["incident_id"].clone();
        gateway.order("unlink", &json!({ "flashduty": incident }));
        assert_eq!(gateway.work_on(&pair), Verdict::Done);
        let names = json!({ "flashduty": incident, "servicenow": gateway.record["sys_id"] });
        gateway.order("link", &names);
        gateway.written.clear();
        let joined = format!("f-{}", incident.as_str().unwrap());
        let Verdict::Retry(retry) = gateway.work_on(&joined) else {
            panic!("it does not wait")
        };
        assert!(
            retry.reason.contains("may still appear"),
            "{}",
            retry.reason
        );
        gateway.now_ms = retry.not_before_ms.unwrap();
        assert_eq!(gateway.work_on(&joined), Verdict::Done);
        let sent = json!(gateway.sent("PATCH incident")).to_string();
        assert_eq!(sent.matches("the disk is replaced").count(), 1, "{sent}");
    }
}

#[test]
fn a_pair_that_is_found_again_from_flashduty_looks_at_both_sides() {
    let (mut before, pair) = new_record(1000);
    assert_eq!(before.work_on(&pair), Verdict::Done);
    let mut gateway = Gateway::new(&nothing());
    gateway.now_ms = before.now_ms + 60_000;
    (gateway.incident, gateway.record) = (before.incident, before.record);
    let now_ms = gateway.now_ms;
    servicenow_has_a_comment(&mut gateway, now_ms);
    let incident = gateway.incident["incident_id"].as_str().unwrap().to_owned();
    gateway.flashduty("i_assign");
    assert_eq!(gateway.work_on(&format!("f-{incident}")), Verdict::Done);
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.sent("comment").len(), 1);
}

#[test]
fn a_store_that_was_set_back_finds_what_it_created_in_flashduty() {
    let (mut gateway, pair) = new_record(1000);
    gateway.incident = incident(1, gateway.now_ms);
    gateway.incident["description"] = json!(format!("ServiceNow INC1 [snow:{:032x}]", 1));
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 0);
}

#[test]
fn a_store_that_was_set_back_to_an_earlier_try_waits_for_the_later_one() {
    let (mut gateway, pair) = new_record(1000);
    gateway.loses_answers = true;
    assert_ne!(gateway.work_on(&pair), Verdict::Done);
    gateway.loses_answers = false;
    gateway.incident = Value::Null;
    gateway.now_ms += 200_000;
    gateway.set_back();
    gateway.written.clear();
    let first_ms = gateway.now_ms;
    let until_ms = waits_for_an_earlier_store(gateway.work_on(&pair)).expect("it waits");
    assert_eq!(until_ms, first_ms + 120_000);
    assert_eq!(gateway.sent("create").len(), 0);
    gateway.now_ms = until_ms;
    assert_eq!(gateway.work_on(&pair), Verdict::Done);
    assert_eq!(gateway.sent("create").len(), 1);
}

/// A new store's first poll of ServiceNow ends after so many steps, and a second
/// later a record is opened of which no webhook tells. Polls reach ServiceNow
/// only two hours later.
fn first_poll_ends_early(steps: usize, ahead_ms: i64) -> Vec<String> {
    let mut gateway = Gateway::with_a_new_store(&nothing());
    gateway.incident = Value::Null;
    gateway.ahead_ms = Some(ahead_ms);
    gateway.steps = steps;
    gateway.run_poll("servicenow");
    gateway.steps = usize::MAX;
    gateway.page = Some(503);
    gateway.now_ms += 1000;
    let far_ms = gateway.now_ms.checked_add_signed(ahead_ms).unwrap();
    gateway.records = vec![record(1, far_ms - 3_600_000), record(2, far_ms)];
    for _ in 0..120 {
        gateway.poll("servicenow");
        gateway.now_ms += 60_000;
    }
    gateway.page = None;
    gateway.poll("servicenow");
    gateway.asked_for()
}

#[test]
fn what_happens_before_a_first_poll_comes_to_its_end_is_found() {
    let expected = [format!("prod.s-{:032x}", 2)];
    for ahead_ms in [0, 2 * 86_400_000, -4 * 3_600_000] {
        for steps in 2..12 {
            let found = first_poll_ends_early(steps, ahead_ms);
            assert_eq!(found, expected, "{steps} steps, {ahead_ms} ms ahead");
        }
    }
}

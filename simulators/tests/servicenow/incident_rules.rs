//! Priority, states, resolution and closing.

use simulators::Simulator as _;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::CloseCodes;
use simulators::servicenow::ForbiddenState;
use simulators::servicenow::Options;

use crate::desk::ADMIN;
use crate::desk::Desk;

const RESOLVE: &str = r#"{"state":"6","close_code":"Solution provided","close_notes":"restarted"}"#;
const CLOSE: &str = r#"{"state":"7","close_code":"Solution provided","close_notes":"restarted"}"#;
const MANDATORY: &str =
    "Data Policy Exception: \n\tThe following fields are mandatory: Resolution code, Close notes";
const UPDATE_REFUSED: &str = "ACL Exception Update Failed due to security constraints";

#[test]
fn priority_follows_impact_and_urgency() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create("{}");
    for (impact, urgencies) in [
        ("1", ["1", "2", "3"]),
        ("2", ["2", "3", "4"]),
        ("3", ["3", "4", "5"]),
    ] {
        for (urgency, priority) in ["1", "2", "3"].iter().zip(urgencies) {
            desk.patch(
                &sys_id,
                &format!(r#"{{"impact":"{impact}","urgency":"{urgency}","priority":"1"}}"#),
            );
            assert_eq!(
                desk.stored(&sys_id, "priority"),
                priority,
                "{impact} {urgency}"
            );
        }
    }
}

#[test]
fn resolving_needs_code_and_notes() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create("{}");
    let answer = desk.patch(&sys_id, r#"{"state":"6"}"#);
    answer.assert_refused(403, "Operation Failed", Some(MANDATORY));
    let answer = desk.patch(
        &sys_id,
        r#"{"state":"6","close_notes":"x","close_code":"Fixed"}"#,
    );
    // An unknown code counts as none.
    let code = "Data Policy Exception: \n\tThe following fields are mandatory: Resolution code";
    answer.assert_refused(403, "Operation Failed", Some(code));
    assert_eq!(desk.stored(&sys_id, "state"), "1");
    let answer = desk.patch(&sys_id, RESOLVE);
    assert_eq!(answer.status, 200);
    assert_eq!(desk.stored(&sys_id, "incident_state"), "6");
    assert_eq!(desk.stored(&sys_id, "active"), "true");
    assert_eq!(desk.stored(&sys_id, "resolved_at"), "2026-03-02 09:00:00");
    let flashduty = desk.snow.user_id("flashduty").unwrap();
    assert_eq!(desk.stored(&sys_id, "resolved_by"), flashduty);
    // The policy holds for as long as the incident is resolved.
    let answer = desk.patch(&sys_id, r#"{"close_notes":""}"#);
    assert_eq!(answer.status, 403);
}

#[test]
fn older_instances_know_other_codes() {
    let mut desk = Desk::new(Options {
        close_codes: CloseCodes::Legacy,
        ..Options::default()
    });
    let sys_id = desk.create("{}");
    assert_eq!(desk.patch(&sys_id, RESOLVE).status, 403);
    let legacy = r#"{"state":"6","close_code":"Solved (Permanently)","close_notes":"x"}"#;
    assert_eq!(desk.patch(&sys_id, legacy).status, 200);
}

#[test]
fn reopening_is_counted() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create("{}");
    desk.patch(&sys_id, RESOLVE);
    desk.wait_ms(1000);
    desk.patch(&sys_id, r#"{"state":"2"}"#);
    assert_eq!(desk.stored(&sys_id, "reopen_count"), "1");
    assert_eq!(desk.stored(&sys_id, "reopened_time"), "2026-03-02 09:00:01");
    assert_eq!(desk.stored(&sys_id, "resolved_at"), "");
    assert_eq!(desk.stored(&sys_id, "close_code"), "Solution provided");
}

#[test]
fn closing_needs_a_role_that_itil_lacks() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create("{}");
    let answer = desk.patch(&sys_id, CLOSE);
    answer.assert_refused(403, "Operation Failed", Some(UPDATE_REFUSED));
    desk.snow.set_roles("flashduty", &["itil", "itil_admin"]);
    assert_eq!(desk.patch(&sys_id, CLOSE).status, 200);
    assert_eq!(desk.stored(&sys_id, "active"), "false");
    assert_eq!(desk.stored(&sys_id, "closed_at"), "2026-03-02 09:00:00");
}

#[test]
fn a_closed_incident_stays_closed_for_everybody() {
    let mut desk = Desk::new(Options::default());
    desk.sit_down(ADMIN);
    for close in [CLOSE, r#"{"state":"8"}"#] {
        let sys_id = desk.create("{}");
        assert_eq!(desk.patch(&sys_id, close).status, 200);
        let answer = desk.patch(&sys_id, r#"{"state":"2"}"#);
        answer.assert_refused(403, "Operation Failed", Some(UPDATE_REFUSED));
    }
}

#[test]
fn an_instance_may_drop_a_forbidden_state_and_write_the_rest() {
    let mut desk = Desk::new(Options {
        forbidden_state: ForbiddenState::Dropped,
        ..Options::default()
    });
    let sys_id = desk.create("{}");
    let answer = desk.patch(&sys_id, CLOSE);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.result()["state"], "1");
    assert_eq!(answer.result()["incident_state"], "1");
    assert_eq!(answer.result()["close_notes"], "restarted");
}

#[test]
fn leaving_on_hold_clears_its_reason() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create(r#"{"state":"3","hold_reason":"4"}"#);
    desk.patch(&sys_id, r#"{"urgency":"1"}"#);
    assert_eq!(desk.stored(&sys_id, "hold_reason"), "4");
    desk.patch(&sys_id, r#"{"incident_state":"2"}"#);
    assert_eq!(desk.stored(&sys_id, "state"), "2");
    assert_eq!(desk.stored(&sys_id, "hold_reason"), "");
}

#[test]
fn an_instance_may_ask_for_the_reason_of_a_hold() {
    let mut desk = Desk::new(Options {
        hold_reason_mandatory: true,
        ..Options::default()
    });
    let sys_id = desk.create("{}");
    let refused =
        |fields| format!("Data Policy Exception: \n\tThe following fields are mandatory: {fields}");
    let answer = desk.patch(&sys_id, r#"{"state":"3"}"#);
    answer.assert_refused(403, "Operation Failed", Some(&refused("On hold reason")));
    let answer = desk.patch(&sys_id, r#"{"state":"3","hold_reason":"1"}"#);
    answer.assert_refused(
        403,
        "Operation Failed",
        Some(&refused("Additional comments")),
    );
    let answer = desk.patch(
        &sys_id,
        r#"{"state":"3","hold_reason":"1","comments":"which disk?"}"#,
    );
    assert_eq!(answer.status, 200);
}

#[test]
fn an_answer_of_the_caller_ends_the_wait_for_it() {
    let mut desk = Desk::new(Options::default());
    let abel = desk.snow.user_id("abel.tuter").unwrap().to_owned();
    let sys_id = desk.create(&format!(
        r#"{{"state":"3","hold_reason":"1","caller_id":"{abel}"}}"#
    ));
    desk.patch(&sys_id, r#"{"comments":"any news?"}"#);
    assert_eq!(desk.stored(&sys_id, "state"), "3");
    desk.snow
        .update_incident("abel.tuter", &sys_id, &[("comments", "sda1")], desk.now_ms)
        .unwrap();
    assert_eq!(desk.stored(&sys_id, "state"), "2");
    assert_eq!(desk.stored(&sys_id, "hold_reason"), "");
}

#[test]
fn an_instance_may_make_more_columns_mandatory() {
    let mut desk = Desk::new(Options {
        mandatory_fields: ["caller_id".to_owned(), "u_service".to_owned()].into(),
        ..Options::default()
    });
    let create = |desk: &mut Desk, body: &str| desk.send("POST", "/api/now/table/incident", body);
    let detail =
        "Data Policy Exception: \n\tThe following fields are mandatory: Caller, Business service";
    create(&mut desk, "{}").assert_refused(403, "Operation Failed", Some(detail));
    assert_eq!(desk.snow.incidents().count(), 0);
    let abel = desk.snow.user_id("abel.tuter").unwrap();
    let body = format!(r#"{{"caller_id":"{abel}","u_service":"Checkout"}}"#);
    let sys_id = desk.create(&body);
    let detail = "Data Policy Exception: \n\tThe following fields are mandatory: Business service";
    desk.patch(&sys_id, r#"{"u_service":""}"#).assert_refused(
        403,
        "Operation Failed",
        Some(detail),
    );
}

#[test]
fn children_follow_their_parent_in_a_burst_of_webhooks() {
    let mut desk = Desk::new(Options {
        business_rule: Some(BusinessRule::to("http://gateway.example/hook")),
        ..Options::default()
    });
    let parent = desk.create("{}");
    let child = |desk: &mut Desk, state: &str| {
        desk.create(&format!(
            r#"{{"parent_incident":"{parent}","state":"{state}"}}"#
        ))
    };
    let (open, canceled) = (child(&mut desk, "1"), child(&mut desk, "8"));
    let grandchild = desk.create(&format!(r#"{{"parent_incident":"{open}"}}"#));
    desk.wait_ms(5000);
    desk.webhooks();
    let states = |desk: &Desk| [&open, &canceled, &grandchild].map(|it| desk.stored(it, "state"));

    desk.patch(&parent, r#"{"state":"3","hold_reason":"4"}"#);
    assert_eq!(states(&desk), ["3", "8", "3"]);
    assert_eq!(desk.stored(&open, "hold_reason"), "4");
    desk.patch(&parent, RESOLVE);
    assert_eq!(states(&desk), ["6", "8", "6"]);
    assert_eq!(desk.stored(&grandchild, "close_notes"), "restarted");
    desk.wait_ms(5000);
    assert_eq!(desk.webhooks().len(), 6);

    desk.patch(&parent, r#"{"state":"2"}"#);
    assert_eq!(states(&desk), ["2", "8", "2"]);
    assert_eq!(desk.stored(&open, "reopen_count"), "1");
    assert_eq!(desk.stored(&open, "sys_updated_by"), "flashduty");
}

#[test]
fn what_is_resolved_is_closed_by_itself_after_some_days() {
    const DAY_MS: u64 = 86_400_000;
    let mut desk = Desk::new(Options {
        autoclose_after_days: Some(7),
        business_rule: Some(BusinessRule::to("http://gateway.example/hook")),
        ..Options::default()
    });
    let sys_id = desk.create(RESOLVE);
    desk.wait_ms(10_000);
    desk.webhooks();
    let due_ms = desk.now_ms - 10_000 + 7 * DAY_MS;
    assert_eq!(desk.snow.next_due(), Some(due_ms));
    desk.wait_ms(7 * DAY_MS - 10_001);
    assert!(desk.webhooks().is_empty());
    assert_eq!(desk.stored(&sys_id, "state"), "6");
    desk.wait_ms(1);
    desk.webhooks();
    assert_eq!(desk.stored(&sys_id, "state"), "7");
    assert_eq!(desk.stored(&sys_id, "active"), "false");
    assert_eq!(desk.stored(&sys_id, "sys_updated_by"), "system");
    // The rule tells of it like of any other write.
    desk.wait_ms(3000);
    assert!(desk.webhooks()[0].contains(r#""state":"Closed""#));
    assert_eq!(desk.snow.next_due(), None);
}

//! Webhooks of the business rule and of the form button.

use serde_json::Value;
use simulators::Delivery;
use simulators::Simulator as _;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::ManualForm;
use simulators::servicenow::Options;
use simulators::servicenow::Span;
use simulators::servicenow::WebhookFault;

use crate::desk::Desk;

fn desk(rule: BusinessRule) -> Desk {
    Desk::new(Options {
        business_rule: Some(rule),
        ..Options::default()
    })
}

fn rule() -> BusinessRule {
    BusinessRule::to("http://gateway.example/hook")
}

fn actions(bodies: &[String]) -> Vec<String> {
    let field = |body: &String| {
        let body: Value = serde_json::from_str(body).unwrap();
        format!(
            "{} {}",
            body["action_type"].as_str().unwrap(),
            body["state"].as_str().unwrap()
        )
    };
    bodies.iter().map(field).collect()
}

#[test]
fn the_body_is_that_of_the_published_script() {
    let mut desk = desk(rule());
    let sys_id =
        desk.create(r#"{"short_description":"Disk \"full\"","urgency":"1","comments":"hello"}"#);
    desk.wait_ms(3000);
    assert_eq!(
        desk.webhooks(),
        [format!(
            r#"{{"action_type":"insert","number":"INC0010001","sys_id":"{sys_id}","short_description":"Disk \"full\"","description":null,"state":"New","impact":"3 - Low","urgency":"1 - High","comments":"hello"}}"#
        )]
    );
}

#[test]
fn a_webhook_is_an_anonymous_post_after_the_delay() {
    let mut desk = desk(BusinessRule {
        headers: vec![("authorization".to_owned(), "Bearer x".to_owned())],
        ..rule()
    });
    desk.create("{}");
    assert_eq!(desk.snow.next_due(), Some(desk.now_ms + 3000));
    desk.wait_ms(2999);
    assert!(desk.snow.take_due(desk.now_ms).is_empty());
    desk.wait_ms(1);
    let pushes = desk.snow.take_due(desk.now_ms);
    assert_eq!(pushes[0].url, "http://gateway.example/hook");
    let headers = pushes[0].headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        headers,
        [
            ("content-type", "application/json"),
            ("user-agent", "ServiceNow/1.0"),
            ("authorization", "Bearer x"),
        ]
    );
    assert_eq!(desk.snow.next_due(), None);
}

#[test]
fn quick_writes_send_the_final_state_several_times() {
    let mut desk = desk(rule());
    let sys_id = desk.create("{}");
    desk.wait_ms(1500);
    desk.patch(&sys_id, r#"{"state":"2"}"#);
    desk.wait_ms(1500);
    desk.patch(&sys_id, r#"{"state":"3"}"#);
    desk.wait_ms(10_000);
    // The create is never told of: the record is no longer untouched.
    assert_eq!(actions(&desk.webhooks()), ["update On Hold"; 3]);
}

#[test]
fn two_writes_within_the_second_of_the_insert_are_two_inserts() {
    let mut desk = desk(rule());
    let sys_id = desk.create("{}");
    desk.wait_ms(900);
    desk.patch(&sys_id, r#"{"state":"2"}"#);
    desk.wait_ms(10_000);
    assert_eq!(actions(&desk.webhooks()), ["insert In Progress"; 2]);
}

#[test]
fn an_engine_with_a_previous_record_never_says_insert() {
    let mut desk = desk(BusinessRule {
        previous_is_null: false,
        ..rule()
    });
    desk.create("{}");
    desk.wait_ms(3000);
    assert_eq!(actions(&desk.webhooks()), ["update New"]);
}

#[test]
fn the_newest_comment_is_repeated_whoever_wrote_it() {
    let mut desk = desk(rule());
    let sys_id = desk.create("{}");
    desk.wait_ms(5000);
    desk.patch(&sys_id, r#"{"comments":"lost"}"#);
    desk.patch(&sys_id, r#"{"comments":"ours","work_notes":"internal"}"#);
    desk.wait_ms(5000);
    desk.webhooks();
    desk.patch(&sys_id, r#"{"urgency":"2"}"#);
    desk.wait_ms(5000);
    let bodies = desk.webhooks();
    let body: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(body["comments"], "ours");
}

#[test]
fn writes_of_the_skipped_user_send_nothing() {
    let mut desk = desk(BusinessRule {
        skip_user: Some("flashduty".to_owned()),
        ..rule()
    });
    let sys_id = desk.create("{}");
    assert_eq!(desk.snow.webhooks_waiting(), 0);
    desk.snow
        .update_incident("beth.anglin", &sys_id, &[("state", "2")], desk.now_ms)
        .unwrap();
    assert_eq!(desk.snow.webhooks_waiting(), 1);
}

#[test]
fn added_columns_come_as_display_values() {
    let mut desk = desk(BusinessRule {
        extra_fields: ["opened_by", "category", "nonsense"]
            .map(str::to_owned)
            .into(),
        ..rule()
    });
    desk.create("{}");
    desk.wait_ms(3000);
    let body: Value = serde_json::from_str(&desk.webhooks()[0]).unwrap();
    assert_eq!(body["opened_by"], "Flashduty Integration");
    assert_eq!(body["category"], "Inquiry / Help");
    assert_eq!(body["nonsense"], Value::Null);
}

#[test]
fn a_signed_webhook_proves_its_id_time_and_body() {
    let mut desk = desk(BusinessRule {
        signing_key: Some(b"0123456789abcdef".to_vec()),
        ..rule()
    });
    desk.create(r#"{"sys_id":"0123456789abcdef0123456789abcdef","short_description":"磁盘"}"#);
    desk.wait_ms(3000);
    let push = desk.snow.take_due(desk.now_ms).remove(0);
    let header = |name: &str| {
        let found = push.headers.iter().find(|(other, _)| other == name);
        found.unwrap().1.as_str()
    };
    assert_eq!(header("webhook-timestamp"), "1772442003");
    // Computed independently over the same key, id, time and body.
    assert_eq!(header("webhook-id"), "msg_83535915234443fcd23832db");
    assert_eq!(
        header("webhook-signature"),
        "v1,PxCb9J4W9ZnM04bLGSoTLvfPB8ckK6R7JdppnUisB04="
    );
}

#[test]
fn a_doubled_webhook_has_one_webhook_id() {
    let mut desk = desk(BusinessRule {
        signing_key: Some(b"0123456789abcdef".to_vec()),
        ..rule()
    });
    desk.snow
        .faults()
        .webhooks(WebhookFault::Doubled, Span::Next(1));
    desk.create("{}");
    desk.create("{}");
    desk.wait_ms(3000);
    let pushes = desk.snow.take_due(desk.now_ms);
    let [first, copy, other] = pushes.as_slice() else {
        panic!("expected three webhooks, not {}", pushes.len());
    };
    assert_eq!(first.headers, copy.headers);
    assert_ne!(first.headers, other.headers);
    assert_ne!(first.id, copy.id);
}

#[test]
fn nothing_is_sent_again_or_of_a_deleted_incident() {
    let mut desk = desk(rule());
    let sys_id = desk.create("{}");
    desk.wait_ms(3000);
    let push = desk.snow.take_due(desk.now_ms).remove(0);
    desk.snow
        .delivered(push.id, &Delivery::TimedOut, desk.now_ms);
    assert_eq!(desk.snow.next_due(), None);
    let log: Vec<_> = desk.snow.outbound_log().collect();
    assert_eq!(log[0].outcome, Some(Err("no answer in time".to_owned())));
    desk.patch(&sys_id, r#"{"state":"2"}"#);
    desk.snow.delete_incident(&sys_id);
    desk.wait_ms(3000);
    assert!(desk.webhooks().is_empty());
}

#[test]
fn webhooks_can_be_lost_doubled_and_late() {
    let mut desk = desk(rule());
    let faults = desk.snow.faults();
    faults.webhooks(WebhookFault::Late(10_000), Span::Next(1));
    faults.webhooks(WebhookFault::Lost, Span::Next(1));
    faults.webhooks(WebhookFault::Doubled, Span::Next(1));
    let sys_id = desk.create("{}");
    let mut sent = Vec::new();
    for state in ["2", "3", "2"] {
        desk.wait_ms(4000);
        sent.extend(desk.webhooks());
        desk.patch(&sys_id, &format!(r#"{{"state":"{state}"}}"#));
    }
    desk.wait_ms(4000);
    sent.extend(desk.webhooks());
    // The late one is overtaken and tells of a state that is long gone.
    assert_eq!(
        actions(&sent),
        [
            "update On Hold",
            "update On Hold",
            "insert New",
            "update In Progress"
        ]
    );
}

#[test]
fn the_button_always_says_update() {
    let mut desk = desk(BusinessRule {
        skip_user: Some("flashduty".to_owned()),
        ..rule()
    });
    let sys_id = desk.create(r#"{"urgency":"2"}"#);
    let now_ms = desk.now_ms;
    assert!(
        desk.snow
            .send_to_flashduty(&sys_id, ManualForm::Guide, now_ms)
    );
    assert_eq!(actions(&desk.webhooks()), ["update New"]);
    assert!(
        desk.snow
            .send_to_flashduty(&sys_id, ManualForm::Newer, now_ms)
    );
    let body: Value = serde_json::from_str(&desk.webhooks()[0]).unwrap();
    assert!(body.get("state").is_none());
    assert_eq!(body["urgency"], "2");
    assert_eq!(body["impact"], "3 - Low");
    assert_eq!(body["description"], "null");
    assert!(
        !desk
            .snow
            .send_to_flashduty("nonsense", ManualForm::Guide, now_ms)
    );
}

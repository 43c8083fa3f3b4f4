//! Comments: in the timeline at once, never in a webhook.

use serde_json::json;

use super::super::*;
use super::*;

#[test]
fn a_comment_is_trimmed_and_only_the_timeline_has_its_text() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let now = T0 + 123;
    let body = json!({ "incident_ids": [id], "comment": "  Looking at it \n", "mute_reply": true });
    data(&mut flashduty, "/incident/comment", &body, now);
    let feed = json!({ "incident_id": id, "types": ["i_comm"], "limit": 100 });
    let feed = data(&mut flashduty, "/incident/feed", &feed, now);
    assert_eq!(
        feed["items"],
        json!([{
            "ref_id": id, "type": "i_comm", "account_id": ACCOUNT,
            "detail": { "comment": "Looking at it", "mute_reply": true },
            "creator_id": INTEGRATION_MEMBER, "created_at": now, "updated_at": now,
        }])
    );
    let [push] = &flashduty.take_due(now + 1000)[..] else {
        panic!("expected one event");
    };
    assert_eq!(payload(push)["event_type"], "i_comm");
    assert_eq!(payload(push)["person"]["person_id"], INTEGRATION_MEMBER);
    assert!(!String::from_utf8_lossy(&push.body).contains("Looking"));
}

#[test]
fn a_comment_has_1_to_1024_characters_after_trimming() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let body = |comment: &str| json!({ "incident_ids": [id], "comment": comment });
    let limit = format!(" {} ", "é".repeat(1024));
    data(&mut flashduty, "/incident/comment", &body(&limit), T0);
    for (comment, found) in [(" \n", 0), ("x".repeat(1025).as_str(), 1025)] {
        let text = refusal(&mut flashduty, "/incident/comment", &body(comment), T0);
        assert_eq!(
            text,
            format!("InvalidParameter: comment: expected 1 to 1024 characters, found {found}")
        );
    }
}

#[test]
fn muted_comments_fire_no_webhook_if_the_option_says_so() {
    let mut flashduty = with_options(Options {
        mute_reply_silences_webhook: true,
        ..Options::default()
    });
    let id = open_incident(&mut flashduty);
    for mute_reply in [true, false] {
        let comment = "hello".to_owned();
        let action = Action::Comment {
            comment,
            mute_reply,
        };
        flashduty.act(ANA, &id, &action, T0).unwrap();
    }
    assert_eq!(event_types(&mut flashduty, T0 + 1000), ["i_comm"]);
}

#[test]
fn the_timeline_comes_in_pages_newest_first_unless_asked_otherwise() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    for number in 1..=5 {
        let comment = format!("comment {number}");
        let action = Action::Comment {
            comment,
            mute_reply: false,
        };
        flashduty.act(ANA, &id, &action, T0 + number).unwrap();
    }
    let mut texts = |p: u64, asc: bool| {
        let body =
            json!({ "incident_id": id, "types": ["i_comm"], "p": p, "limit": 2, "asc": asc });
        let feed = data(&mut flashduty, "/incident/feed", &body, T0 + MINUTE);
        let items = feed["items"].as_array().unwrap().clone();
        let texts: Vec<_> = items
            .iter()
            .map(|item| item["detail"]["comment"].as_str().unwrap().to_owned())
            .collect();
        (texts, feed["has_next_page"] == true)
    };
    let owned = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(1, false), (owned(&["comment 5", "comment 4"]), true));
    assert_eq!(texts(3, false), (owned(&["comment 1"]), false));
    assert_eq!(texts(1, true), (owned(&["comment 1", "comment 2"]), true));
}

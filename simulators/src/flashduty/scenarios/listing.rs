//! `/incident/list`: window, filters, pages, cursor, lag.

use serde_json::json;

use super::super::*;
use super::*;

const DAY_S: u64 = 24 * 3600;

fn window() -> Value {
    json!({ "start_time": T0 / 1000 - DAY_S, "end_time": T0 / 1000 + DAY_S })
}

fn with(extra: &Value) -> Value {
    let mut body = window();
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn titles(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["title"].as_str().unwrap())
        .collect()
}

/// Five incidents, a second apart.
fn five() -> Flashduty {
    let mut flashduty = flashduty();
    for number in 0..5 {
        let channel = if number % 2 == 0 { PAYMENTS } else { SEARCH };
        let new = NewIncident::new(&format!("Incident {number}"), Severity::Info, channel);
        flashduty.create(ANA, new, T0 + number * 1000).unwrap();
    }
    flashduty
}

#[test]
fn pages_go_on_until_has_next_page_is_false() {
    let mut flashduty = five();
    let first = data(
        &mut flashduty,
        "/incident/list",
        &with(&json!({ "limit": 2 })),
        T0,
    );
    assert_eq!(titles(&first), ["Incident 4", "Incident 3"]);
    assert_eq!(first["total"], 5);
    assert_eq!(first["has_next_page"], true);
    let body = with(&json!({ "limit": 2, "p": 3, "search_after_ctx": null }));
    let last = data(&mut flashduty, "/incident/list", &body, T0);
    assert_eq!(titles(&last), ["Incident 0"]);
    assert_eq!(last["has_next_page"], false);
}

#[test]
fn the_cursor_goes_on_after_the_last_incident_of_a_page() {
    let mut flashduty = five();
    let mut seen = Vec::new();
    let mut cursor = json!(null);
    loop {
        let body = with(&json!({ "limit": 2, "asc": true, "search_after_ctx": cursor }));
        let page = data(&mut flashduty, "/incident/list", &body, T0);
        seen.extend(titles(&page).into_iter().map(str::to_owned));
        cursor = page["search_after_ctx"].clone();
        if page["has_next_page"] == false {
            break;
        }
        // The cursor holds even if what it names is gone.
        let remove = json!({ "incident_ids": [cursor] });
        data(&mut flashduty, "/incident/remove", &remove, T0);
    }
    assert_eq!(
        seen,
        [
            "Incident 0",
            "Incident 1",
            "Incident 2",
            "Incident 3",
            "Incident 4"
        ]
    );
}

#[test]
fn a_window_of_more_than_31_days_is_refused() {
    let mut flashduty = five();
    let start = T0 / 1000;
    for (end, message) in [
        (
            start + 31 * DAY_S + 1,
            "end_time: expected at most 31 days after start_time, found 2678401 seconds".to_owned(),
        ),
        (
            start,
            format!("end_time: expected a time after start_time {start}, found {start}"),
        ),
    ] {
        let body = json!({ "start_time": start, "end_time": end });
        let text = refusal(&mut flashduty, "/incident/list", &body, T0);
        assert_eq!(text, format!("InvalidParameter: {message}"));
    }
    let body = json!({ "start_time": start, "end_time": start + 31 * DAY_S });
    assert_eq!(
        data(&mut flashduty, "/incident/list", &body, T0)["total"],
        5
    );
    let text = refusal(
        &mut flashduty,
        "/incident/list",
        &json!({ "end_time": 5 }),
        T0,
    );
    assert_eq!(text, "InvalidParameter: start_time: is required");
}

#[test]
fn paging_ends_at_item_10000_and_limits_at_100() {
    let mut flashduty = five();
    let body = with(&json!({ "limit": 100, "p": 101 }));
    let text = refusal(&mut flashduty, "/incident/list", &body, T0);
    assert!(text.contains("ends beyond item 10000"), "{text}");
    let body = with(&json!({ "limit": 101 }));
    let text = refusal(&mut flashduty, "/incident/list", &body, T0);
    assert_eq!(
        text,
        "InvalidParameter: limit: expected 1 to 100, found 101"
    );
}

#[test]
fn each_filter_leaves_out_what_does_not_match() {
    let mut flashduty = five();
    let now = T0 + MINUTE;
    let all: Vec<_> = flashduty.incidents().cloned().collect();
    flashduty
        .act(BO, &all[1].incident_id, &Action::Acknowledge, now)
        .unwrap();
    flashduty
        .act(BO, &all[1].incident_id, &Action::Snooze { minutes: 5 }, now)
        .unwrap();
    let resolve = Action::Resolve {
        root_cause: None,
        resolution: None,
    };
    flashduty
        .act(ANA, &all[2].incident_id, &resolve, now)
        .unwrap();
    let event = AlertEvent::new("k", "By an alert", Status::Critical).label("host", "db7");
    flashduty.push_alert(SEARCH, event, T0).unwrap();
    let cases = [
        (json!({ "progress": "Processing" }), vec!["Incident 1"]),
        (
            json!({ "progress": "Processing, Closed" }),
            vec!["Incident 2", "Incident 1"],
        ),
        (
            json!({ "incident_severity": "Critical,Warning" }),
            vec!["By an alert"],
        ),
        (json!({ "creator_ids": [0] }), vec!["By an alert"]),
        (json!({ "closer_ids": [ANA] }), vec!["Incident 2"]),
        (json!({ "closer_ids": [0] }), vec![]),
        (json!({ "acker_ids": [BO] }), vec!["Incident 1"]),
        (json!({ "is_snoozed": true }), vec!["Incident 1"]),
        (json!({ "query": "DB7" }), vec!["By an alert"]),
        (json!({ "query": "incident 3" }), vec!["Incident 3"]),
        (
            json!({ "nums": [all[4].num.to_lowercase()] }),
            vec!["Incident 4"],
        ),
        (
            json!({ "incident_ids": [all[0].incident_id] }),
            vec!["Incident 0"],
        ),
        (
            json!({ "channel_ids": [PAYMENTS] }),
            vec!["Incident 4", "Incident 2", "Incident 0"],
        ),
    ];
    for (filter, expected) in cases {
        let found = data(&mut flashduty, "/incident/list", &with(&filter), now);
        assert_eq!(titles(&found), expected, "{filter}");
    }
    let body = with(&json!({ "progress": "Open" }));
    let text = refusal(&mut flashduty, "/incident/list", &body, now);
    assert_eq!(text, r#"InvalidParameter: progress: "Open" is unknown"#);
}

#[test]
fn a_lagging_list_shows_the_past_while_info_shows_the_present() {
    let mut flashduty = flashduty();
    flashduty.set_list_lag(10_000);
    let id = open_incident(&mut flashduty);
    let list = |flashduty: &mut Flashduty, now| data(flashduty, "/incident/list", &window(), now);
    assert_eq!(list(&mut flashduty, T0 + 9_000)["total"], 0);
    flashduty
        .act(ANA, &id, &Action::Acknowledge, T0 + 20_000)
        .unwrap();
    let then = list(&mut flashduty, T0 + 29_999);
    assert_eq!(then["items"][0]["progress"], "Triggered");
    let info = json!({ "incident_id": id });
    let info = data(&mut flashduty, "/incident/info", &info, T0 + 29_999);
    assert_eq!(info["progress"], "Processing");
    let now = list(&mut flashduty, T0 + 30_000);
    assert_eq!(now["items"][0]["progress"], "Processing");
}

#[test]
fn list_by_ids_leaves_out_what_does_not_exist() {
    let mut flashduty = five();
    let id = flashduty.incidents().next().unwrap().incident_id.clone();
    let body = json!({ "incident_ids": ["000000000000000000000000", id] });
    let found = data(&mut flashduty, "/incident/list-by-ids", &body, T0);
    assert_eq!(found["total"], 1);
    assert_eq!(found["items"][0]["incident_id"], id);
    assert_eq!(found["has_next_page"], false);
}

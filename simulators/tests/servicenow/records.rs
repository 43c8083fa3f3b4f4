//! Reading and writing records: answers, display modes, paging, errors.

use serde_json::json;
use simulators::servicenow::Options;

use crate::desk::ADMIN;
use crate::desk::Desk;

#[test]
fn a_new_incident_has_the_values_of_a_fresh_instance() {
    let mut desk = Desk::new(Options::default());
    let answer = desk.send(
        "POST",
        "/api/now/table/incident",
        r#"{"short_description":"Disk full"}"#,
    );
    let incident = answer.result();
    let sys_id = incident["sys_id"].as_str().unwrap();
    assert_eq!(
        answer.header("location").unwrap(),
        format!("http://acme.example/api/now/table/incident/{sys_id}")
    );
    let expected = json!({
        "number": "INC0010001", "state": "1", "incident_state": "1", "impact": "3",
        "urgency": "3", "priority": "5", "severity": "3", "active": "true",
        "sys_mod_count": "0", "approval": "not requested", "category": "inquiry",
        "made_sla": "true", "notify": "1", "knowledge": "false", "comments": "",
        "sys_class_name": "incident", "sys_domain_path": "/", "reopen_count": "0",
        "opened_at": "2026-03-02 09:00:00", "sys_created_on": "2026-03-02 09:00:00",
        "sys_created_by": "flashduty", "description": "", "assigned_to": "",
        "sys_domain": {
            "link": "http://acme.example/api/now/table/sys_user_group/global",
            "value": "global",
        },
    });
    for (column, value) in expected.as_object().unwrap() {
        assert_eq!(&incident[column], value, "{column}");
    }
    // Every scalar is a string, and nothing is null.
    for (column, value) in incident.as_object().unwrap() {
        assert!(value.is_string() || value.is_object(), "{column}: {value}");
    }
}

#[test]
fn each_display_mode_has_its_shape() {
    let mut desk = Desk::new(Options::default());
    let abel = desk.snow.user_id("abel.tuter").unwrap().to_owned();
    let sys_id = desk.create(&json!({"caller_id": abel, "state": "2"}).to_string());
    let link = format!("http://acme.example/api/now/table/sys_user/{abel}");
    let cases = [
        (
            "sysparm_display_value=False",
            json!({"state": "2", "assigned_to": "", "caller_id": {"link": link, "value": abel}}),
        ),
        (
            "sysparm_display_value=true",
            json!({
                "state": "In Progress",
                "assigned_to": "",
                "caller_id": {"display_value": "Abel Tuter", "link": link},
            }),
        ),
        (
            "sysparm_display_value=all",
            json!({
                "state": {"display_value": "In Progress", "value": "2"},
                "assigned_to": {"display_value": "", "value": ""},
                "caller_id": {"display_value": "Abel Tuter", "value": abel, "link": link},
            }),
        ),
        (
            "sysparm_exclude_reference_link=true",
            json!({"state": "2", "assigned_to": "", "caller_id": abel}),
        ),
        (
            "sysparm_display_value=true&sysparm_exclude_reference_link=true",
            json!({"state": "In Progress", "assigned_to": "", "caller_id": "Abel Tuter"}),
        ),
        (
            "sysparm_display_value=all&sysparm_exclude_reference_link=true",
            json!({
                "state": {"display_value": "In Progress", "value": "2"},
                "assigned_to": {"display_value": "", "value": ""},
                "caller_id": {"display_value": "Abel Tuter", "value": abel},
            }),
        ),
    ];
    for (parameters, expected) in cases {
        let fields = "sysparm_fields=state,assigned_to,caller_id";
        let answer = desk.get(&format!("incident/{sys_id}?{fields}&{parameters}"));
        assert_eq!(answer.result(), expected, "{parameters}");
    }
}

#[test]
fn fields_may_lead_through_references_and_unknown_ones_are_missing() {
    let mut desk = Desk::new(Options::default());
    let abel = desk.snow.user_id("abel.tuter").unwrap().to_owned();
    let sys_id = desk.create(&json!({"caller_id": abel}).to_string());
    let answer = desk.get(&format!(
        "incident/{sys_id}?sysparm_fields=number,caller_id.name,assigned_to.name,nonsense,caller_id.nonsense"
    ));
    assert_eq!(
        answer.result(),
        json!({"number": "INC0010001", "caller_id.name": "Abel Tuter", "assigned_to.name": ""})
    );
    let all = desk.get(&format!("incident/{sys_id}?sysparm_fields=&sysparm_view="));
    assert!(all.result().as_object().unwrap().len() > 80);
}

#[test]
fn labels_come_in_the_language_of_the_instance() {
    let mut desk = Desk::new(Options {
        language: "de".to_owned(),
        ..Options::default()
    });
    let sys_id = desk.create(r#"{"state":"2","urgency":"1"}"#);
    let show = "sysparm_display_value=true&sysparm_fields=state,urgency";
    let answer = desk.get(&format!("incident/{sys_id}?{show}"));
    assert_eq!(
        answer.result(),
        json!({"state": "In Bearbeitung", "urgency": "1 - Hoch"})
    );
    desk.snow.rename_choice("state", "2", "Dran", desk.now_ms);
    let answer = desk.get(&format!("incident/{sys_id}?{show}"));
    assert_eq!(answer.result()["state"], "Dran");
}

#[test]
fn put_changes_only_the_fields_that_it_names() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create(r#"{"short_description":"Disk full","description":"sda1"}"#);
    let target = format!("/api/now/v2/table/incident/{sys_id}");
    let answer = desk.send("PUT", &target, r#"{"short_description":"Disk"}"#);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.result()["short_description"], "Disk");
    assert_eq!(answer.result()["description"], "sda1");
    assert_eq!(answer.result()["sys_mod_count"], "1");
}

#[test]
fn a_list_is_paged_with_links_in_their_usual_order() {
    let mut desk = Desk::new(Options::default());
    for _ in 0..5 {
        desk.create("{}");
    }
    let answer = desk.get(
        "incident?sysparm_query=ORDERBYnumber&sysparm_limit=2&sysparm_offset=2&sysparm_fields=number",
    );
    assert_eq!(answer.column("number"), ["INC0010003", "INC0010004"]);
    assert_eq!(answer.header("x-total-count"), Some("5"));
    let page = "http://acme.example/api/now/table/incident?sysparm_query=ORDERBYnumber&sysparm_fields=number&sysparm_limit=2&sysparm_offset=";
    assert_eq!(
        answer.header("link").unwrap(),
        format!(
            "<{page}0>;rel=\"first\",<{page}0>;rel=\"prev\",<{page}4>;rel=\"next\",<{page}4>;rel=\"last\""
        )
    );
    let last = desk.get("incident?sysparm_limit=2&sysparm_offset=4");
    assert!(!last.header("link").unwrap().contains("rel=\"next\""));
    let bare = desk.get("incident?sysparm_no_count=true&sysparm_suppress_pagination_header=true");
    assert_eq!(bare.header("x-total-count"), None);
    assert_eq!(bare.header("link"), None);
    let negative = desk.get("incident?sysparm_offset=-1");
    assert_eq!(negative.status, 400);
}

#[test]
fn a_page_may_hold_fewer_rows_than_its_limit_because_of_hidden_ones() {
    let mut desk = Desk::new(Options::default());
    let hidden = desk.create("{}");
    desk.create("{}");
    desk.create("{}");
    desk.snow.hide_incident(&hidden);
    let answer = desk.get("incident?sysparm_query=ORDERBYnumber&sysparm_limit=2");
    assert_eq!(answer.column("number"), ["INC0010002"]);
    assert_eq!(answer.header("x-total-count"), Some("3"));
    // Hidden and absent look the same.
    let detail = Some("Record doesn't exist or ACL restricts the record retrieval");
    let answer = desk.get(&format!("incident/{hidden}"));
    answer.assert_refused(404, "No Record found", detail);
    let answer = desk.patch(&hidden, r#"{"state":"2"}"#);
    answer.assert_refused(404, "No Record found", detail);
    desk.sit_down(ADMIN);
    assert_eq!(desk.get(&format!("incident/{hidden}")).status, 200);
}

#[test]
fn an_empty_list_is_not_found_in_the_first_version_only() {
    let mut desk = Desk::new(Options::default());
    for target in ["/api/now/table/incident", "/api/now/v2/table/incident"] {
        let answer = desk.send("GET", target, "");
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (200, r#"{"result":[]}"#)
        );
    }
    let answer = desk.send("GET", "/api/now/v1/table/incident", "");
    assert_eq!(answer.status, 404);
}

#[test]
fn only_the_first_of_several_records_is_created() {
    let mut desk = Desk::new(Options::default());
    desk.create(r#"[{"short_description":"first"},{"short_description":"second"}]"#);
    let titles = desk.get("incident").column("short_description");
    assert_eq!(titles, ["first"]);
}

#[test]
fn display_values_are_read_when_asked_for() {
    let mut desk = Desk::new(Options::default());
    desk.snow
        .set_user_field("flashduty", "time_zone", "Asia/Shanghai", desk.now_ms);
    let body =
        r#"{"state":"In Progress","caller_id":"Beth Anglin","due_date":"2026-03-03 08:00:00"}"#;
    let answer = desk.send(
        "POST",
        "/api/now/table/incident?sysparm_input_display_value=true&sysparm_exclude_reference_link=true",
        body,
    );
    let incident = answer.result();
    assert_eq!(incident["state"], "2");
    assert_eq!(
        incident["caller_id"],
        desk.snow.user_id("beth.anglin").unwrap()
    );
    assert_eq!(incident["due_date"], "2026-03-03 00:00:00");
}

#[test]
fn only_an_administrator_deletes() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create("{}");
    let target = format!("/api/now/table/incident/{sys_id}");
    desk.send("DELETE", &target, "").assert_refused(
        403,
        "Operation Failed",
        Some("ACL Exception Delete Failed due to security constraints"),
    );
    desk.sit_down(ADMIN);
    let answer = desk.send("DELETE", &target, "");
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(desk.send("DELETE", &target, "").status, 404);
}

#[test]
fn errors_have_the_words_of_an_instance() {
    let mut desk = Desk::new(Options::default());
    desk.get("incidents")
        .assert_refused(400, "Invalid table incidents", None);
    desk.send("GET", "/api/now/tables/incident", "")
        .assert_refused(
            400,
            "Requested URI does not represent any resource",
            Some("/api/now/tables/incident"),
        );
    let large = format!(r#"{{"description":"{}"}}"#, "x".repeat(10_485_760));
    let detail = format!(
        "Rejected large REST payload with content-length = {} bytes. Max allowed: 10485760 bytes.",
        large.len()
    );
    desk.send("POST", "/api/now/table/incident", &large)
        .assert_refused(400, "Exception while reading request", Some(&detail));
    let malformed = desk.send("POST", "/api/now/table/incident", "{");
    assert_eq!(malformed.status, 400);
    assert_eq!(
        malformed.json()["error"]["message"],
        "Exception while reading request"
    );
    assert_eq!(
        desk.send("DELETE", "/api/now/table/incident", "").status,
        405
    );
    desk.headers
        .push(("accept".to_owned(), "text/csv".to_owned()));
    assert_eq!(desk.get("incident").status, 406);
    desk.headers.pop();
    desk.headers
        .push(("content-type".to_owned(), "text/plain".to_owned()));
    assert_eq!(
        desk.send("POST", "/api/now/table/incident", "{}").status,
        415
    );
}

#[test]
fn a_user_without_the_role_neither_reads_nor_writes_incidents() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create("{}");
    desk.snow
        .set_roles("flashduty", &["snc_platform_rest_api_access"]);
    assert_eq!(desk.get("incident").text, r#"{"result":[]}"#);
    assert_eq!(desk.get(&format!("incident/{sys_id}")).status, 404);
    desk.send("POST", "/api/now/table/incident", "{}")
        .assert_refused(
            403,
            "Operation Failed",
            Some("ACL Exception Insert Failed due to security constraints"),
        );
}

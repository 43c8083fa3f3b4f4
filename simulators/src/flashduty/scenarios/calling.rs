//! The Open API as such: keys, envelope, limits, faults.

use serde_json::json;

use super::super::*;
use super::*;

#[test]
fn a_call_without_a_valid_key_is_unauthorized() {
    let mut flashduty = flashduty();
    for (query, message) in [
        ("", "app_key: is required in the query"),
        ("app_key=wrong", "app_key: is not valid"),
    ] {
        let (status, body) = answer(&flashduty.handle(&post("/member/info", query, b""), T0));
        assert_eq!(status, 401);
        assert_eq!(body["error"]["code"], "Unauthorized");
        assert_eq!(body["error"]["message"], message);
    }
}

#[test]
fn the_key_tells_who_calls_even_without_a_body() {
    let mut flashduty = flashduty();
    let query = format!("app_key={}", flashduty.app_key(BO).unwrap());
    let mut request = post("/member/info", &query, b"");
    request.headers.clear();
    let (status, body) = answer(&flashduty.handle(&request, T0));
    assert_eq!(status, 200);
    assert_eq!(body["data"]["member_id"], BO);
    assert_eq!(body["data"]["account_id"], ACCOUNT);
}

#[test]
fn unknown_routes_are_404_and_other_methods_405() {
    let mut flashduty = flashduty();
    let (status, body) = call(&mut flashduty, "/incident/nothing", &json!({}), T0);
    assert_eq!(status, 404);
    assert_eq!(body["error"]["code"], "RouteNotFound");
    let mut request = post("/incident/info", "", b"");
    request.method = "GET".to_owned();
    let (status, body) = answer(&flashduty.handle(&request, T0));
    assert_eq!(status, 405);
    assert_eq!(body["error"]["code"], "MethodNotAllowed");
}

#[test]
fn a_created_incident_is_there_with_default_fields_and_no_labels() {
    let mut flashduty = flashduty();
    let body = json!({
        "title": "Cards are refused", "incident_severity": "Warning", "channel_id": PAYMENTS,
        "fields": { "regions": ["eu"] }, "unknown": 1,
    });
    let created = data(&mut flashduty, "/incident/create", &body, T0);
    assert_eq!(created["title"], "Cards are refused");
    let info = data(&mut flashduty, "/incident/info", &created, T0);
    assert_eq!(info["labels"], json!({}));
    assert_eq!(
        info["fields"],
        json!({ "customer_impact": "none", "regions": ["eu"], "security_relevant": false })
    );
    assert_eq!(info["creator_id"], INTEGRATION_MEMBER);
    assert_eq!(info["responders"][0]["person_id"], ANA);
    assert_eq!(info["assigned_to"]["type"], "escalate");
    let by_num = data(
        &mut flashduty,
        "/incident/info",
        &json!({ "num": info["num"] }),
        T0,
    );
    assert_eq!(by_num["incident_id"], info["incident_id"]);
    assert_eq!(
        event_types(&mut flashduty, T0 + 1000),
        ["i_new", "i_assign"]
    );
}

#[test]
fn limits_of_length_and_type_name_the_field() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let long = "x".repeat(1025);
    let create = |title: &str| json!({ "title": title, "incident_severity": "Info" });
    let reset = |name: &str, text: &str| json!({ "incident_id": id, name: text });
    let cases = [
        (
            "/incident/create",
            json!({ "title": "t" }),
            "incident_severity: is required",
        ),
        (
            "/incident/create",
            json!({ "title": "t", "incident_severity": "critical" }),
            r#"incident_severity: expected Critical, Warning or Info, found "critical""#,
        ),
        (
            "/incident/create",
            create(&"x".repeat(513)),
            "title: expected 1 to 512 characters, found 513",
        ),
        (
            "/incident/reset",
            reset("title", "ab"),
            "title: expected 3 to 200 characters, found 2",
        ),
        (
            "/incident/reset",
            reset("title", &"x".repeat(201)),
            "title: expected 3 to 200 characters, found 201",
        ),
        (
            "/incident/reset",
            reset("impact", "ab"),
            "impact: expected 3 to 6144 characters, found 2",
        ),
        (
            "/incident/resolve",
            json!({ "incident_ids": [id], "resolution": long }),
            "resolution: expected 0 to 1024 characters, found 1025",
        ),
        (
            "/incident/field/reset",
            json!({ "incident_id": id, "field_name": "regions", "field_value": "eu" }),
            r#"field_value: field "regions" expects an array of strings, found a string"#,
        ),
        (
            "/incident/field/reset",
            json!({ "incident_id": id, "field_name": "region", "field_value": "eu" }),
            "field_name: there is no custom field \"region\"; there are customer_impact, regions, \
             security_relevant, service_owner, ticket_number",
        ),
        (
            "/incident/snooze",
            json!({ "incident_ids": [id], "minutes": 1441 }),
            "minutes: expected 1 to 1440, found 1441",
        ),
        (
            "/incident/snooze",
            json!({ "incident_ids": [id], "minutes": 0 }),
            "minutes: expected 1 to 1440, found 0",
        ),
        (
            "/incident/ack",
            json!({ "incident_ids": [] }),
            "incident_ids: expected 1 to 100 ids, found 0",
        ),
    ];
    for (path, body, message) in cases {
        let text = refusal(&mut flashduty, path, &body, T0);
        assert_eq!(
            text,
            format!("InvalidParameter: {message}"),
            "{path} {body}"
        );
    }
    assert!(event_types(&mut flashduty, T0 + MINUTE).is_empty());
}

#[test]
fn an_empty_text_is_ignored_so_a_field_cannot_be_cleared() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let reset =
        |impact: &str, title: &str| json!({ "incident_id": id, "impact": impact, "title": title });
    data(
        &mut flashduty,
        "/incident/reset",
        &reset("No payments", ""),
        T0,
    );
    data(
        &mut flashduty,
        "/incident/reset",
        &reset("", "New title"),
        T0,
    );
    let incident = flashduty.incident(&id).unwrap();
    assert_eq!(incident.impact, "No payments");
    assert_eq!(incident.title, "New title");
    let text = refusal(&mut flashduty, "/incident/reset", &reset("", ""), T0);
    assert!(
        text.starts_with("InvalidParameter: expected at least one of title"),
        "{text}"
    );
}

#[test]
fn leaving_the_value_of_a_custom_field_out_deletes_it() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let body = json!({ "incident_id": id, "field_name": "customer_impact", "field_value": "low" });
    data(&mut flashduty, "/incident/field/reset", &body, T0);
    let events = payloads(&mut flashduty, T0 + 1000);
    assert_eq!(events[0]["event_type"], "i_r_field");
    assert_eq!(
        events[0]["incident"]["fields"],
        json!({ "customer_impact": "low", "security_relevant": false })
    );
    let body = json!({ "incident_id": id, "field_name": "customer_impact" });
    data(&mut flashduty, "/incident/field/reset", &body, T0);
    let incident = flashduty.incident(&id).unwrap();
    assert!(!incident.fields.contains_key("customer_impact"));
}

#[test]
fn one_unknown_id_among_several_stops_the_whole_call() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let body = json!({ "incident_ids": [id, "000000000000000000000000"] });
    let text = refusal(&mut flashduty, "/incident/ack", &body, T0);
    assert!(text.starts_with("ResourceNotFound"), "{text}");
    assert_eq!(
        flashduty.incident(&id).unwrap().progress,
        Progress::Triggered
    );
}

#[test]
fn a_create_that_is_committed_and_then_fails_leaves_an_incident_behind() {
    let mut flashduty = flashduty();
    let fault = PlannedFault::next(Fault::CommitThenConnectionClosed, 1).on("/incident/create");
    flashduty.plan_fault(fault);
    let body = json!({ "title": "Twice", "incident_severity": "Info" });
    let (status, _) = call(&mut flashduty, "/incident/create", &body, T0);
    assert_eq!(status, 0);
    assert_eq!(flashduty.incidents().count(), 1);
    data(&mut flashduty, "/incident/create", &body, T0);
    assert_eq!(flashduty.incidents().count(), 2);
}

#[test]
fn faults_hold_for_so_many_calls_or_until_a_time() {
    let mut flashduty = flashduty();
    let body = json!({});
    let status = |flashduty: &mut Flashduty, now| call(flashduty, "/member/info", &body, now).0;
    flashduty.plan_fault(PlannedFault::next(Fault::ServiceUnavailable, 2));
    let answers = [0, 0, 0].map(|_| status(&mut flashduty, T0));
    assert_eq!(answers, [503, 503, 200]);
    flashduty.plan_fault(PlannedFault::until(Fault::Unauthorized, T0 + 1000));
    assert_eq!(status(&mut flashduty, T0 + 999), 401);
    assert_eq!(status(&mut flashduty, T0 + 1000), 200);
}

#[test]
fn the_rate_limit_answers_429_with_retry_after() {
    let mut flashduty = with_options(Options {
        rate_limit: Some(RateLimit::default()),
        ..Options::default()
    });
    let key = flashduty.app_key(ANA).unwrap().to_owned();
    let request = post("/member/info", &format!("app_key={key}"), b"");
    for _ in 0..50 {
        assert_eq!(flashduty.handle(&request, T0).status, 200);
    }
    let response = flashduty.handle(&request, T0);
    assert_eq!(response.status, 429);
    assert!(
        response
            .headers
            .contains(&("retry-after".to_owned(), "1".to_owned()))
    );
    assert_eq!(answer(&response).1["error"]["code"], "RequestTooFrequently");
}

#[test]
fn look_ups_find_what_is_set_up() {
    let mut flashduty = flashduty();
    let fields = data(&mut flashduty, "/field/list", &json!({}), T0);
    let types: Vec<_> = fields["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["field_name"].clone(), field["field_type"].clone()))
        .collect();
    assert!(types.contains(&(json!("security_relevant"), json!("checkbox"))));
    let field_id = &fields["items"][0]["field_id"];
    let field = data(
        &mut flashduty,
        "/field/info",
        &json!({ "field_id": field_id }),
        T0,
    );
    assert_eq!(field, fields["items"][0]);
    let channels = data(
        &mut flashduty,
        "/channel/list",
        &json!({ "query": "pay" }),
        T0,
    );
    assert_eq!(channels["total"], 1);
    assert_eq!(channels["items"][0]["channel_id"], PAYMENTS);
    let members = data(
        &mut flashduty,
        "/member/list",
        &json!({ "query": "ana@" }),
        T0,
    );
    assert_eq!(members["items"][0]["member_id"], ANA);
    let people = data(
        &mut flashduty,
        "/person/infos",
        &json!({ "person_ids": [BO, 5] }),
        T0,
    );
    assert_eq!(people["items"].as_array().unwrap().len(), 1);
    assert_eq!(people["items"][0]["person_name"], "Bo");
}

#[test]
fn a_person_can_act_over_http() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let body = json!({ "person": "ana", "incident": id, "action": "snooze", "minutes": 5 });
    let request = post("/simulator/act", "", body.to_string().as_bytes());
    let (status, body) = answer(&flashduty.handle(&request, T0));
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["data"]["snoozed_before"], T0 / 1000 + 300);
    for (action, field, expected) in [
        (
            json!({ "action": "reset", "impact": "No payments" }),
            "impact",
            json!("No payments"),
        ),
        (
            json!({ "action": "assign", "emails": ["bo@example.com"] }),
            "responders",
            json!([{ "person_id": BO, "assigned_at": T0 / 1000, "acknowledged_at": 0 }]),
        ),
    ] {
        let mut body = action;
        body["person"] = json!(BO);
        body["incident"] = json!(id[18..]);
        let request = post("/simulator/act", "", body.to_string().as_bytes());
        let (status, body) = answer(&flashduty.handle(&request, T0));
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["data"][field], expected);
    }
    let mut request = post("/simulator/state", "", b"");
    request.method = "GET".to_owned();
    let (_, state) = answer(&flashduty.handle(&request, T0));
    assert_eq!(state["data"]["incidents"][0]["incident_id"], id);
    assert_eq!(state["data"]["pushes_waiting"], 3);
}

#[test]
fn detail_url_leads_to_a_page_that_escapes_what_it_shows() {
    let mut flashduty = flashduty();
    flashduty.set_base_url("http://127.0.0.1:8891/");
    let new = NewIncident::new("<script>", Severity::Info, SEARCH);
    let id = flashduty.create(BO, new, T0).unwrap();
    let info = data(
        &mut flashduty,
        "/incident/info",
        &json!({ "incident_id": id }),
        T0,
    );
    let url = info["detail_url"].as_str().unwrap();
    let path = url.strip_prefix("http://127.0.0.1:8891").unwrap();
    let mut request = post(path, "", b"");
    request.method = "GET".to_owned();
    let response = flashduty.handle(&request, T0);
    let page = String::from_utf8(response.body).unwrap();
    assert_eq!(response.status, 200);
    assert!(page.contains("<h1>&lt;script&gt;</h1>"), "{page}");
    assert!(!page.contains("<script>"));
}

//! Custom fields of all types, from definition to webhook.

use serde_json::json;

use super::super::*;
use super::*;

#[test]
fn the_list_tells_type_and_options_of_each() {
    let mut flashduty = flashduty();
    let list = data(&mut flashduty, "/field/list", &json!({}), T0);
    let brief: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            json!([
                it["field_name"],
                it["field_type"],
                it["value_type"],
                it["options"]
            ])
        })
        .collect();
    assert_eq!(
        brief,
        [
            json!([
                "customer_impact",
                "single_select",
                "string",
                ["none", "low", "high"]
            ]),
            json!(["regions", "multi_select", "string", ["eu", "us", "ap"]]),
            json!(["security_relevant", "checkbox", "bool", null]),
            json!(["service_owner", "text", "string", null]),
            json!(["ticket_number", "text", "string", null]),
        ]
    );
}

#[test]
fn an_incident_is_created_with_values_of_every_type() {
    let mut flashduty = flashduty();
    let create = |fields: Value| {
        json!({
            "title": "Slow", "incident_severity": "Info", "channel_id": PAYMENTS,
            "fields": fields,
        })
    };
    let fields = json!({
        "customer_impact": "high", "regions": ["eu", "us"], "security_relevant": true,
        "service_owner": "Dana",
    });
    data(
        &mut flashduty,
        "/incident/create",
        &create(fields.clone()),
        T0,
    );
    let events = payloads(&mut flashduty, T0 + 1000);
    assert_eq!(events[0]["incident"]["fields"], fields);
    for (fields, message) in [
        (
            json!({ "security_relevant": "true" }),
            r#"field_value: field "security_relevant" expects true or false, found a string"#,
        ),
        (
            json!({ "regions": "eu" }),
            r#"field_value: field "regions" expects an array of strings, found a string"#,
        ),
        (
            json!({ "customer_impact": "huge" }),
            r#"field_value: field "customer_impact" has no option "huge"; it has none, low, high"#,
        ),
    ] {
        let text = refusal(&mut flashduty, "/incident/create", &create(fields), T0);
        assert_eq!(text, format!("InvalidParameter: {message}"));
    }
    assert_eq!(flashduty.incidents().count(), 1);
}

#[test]
fn each_change_tells_the_complete_map_and_not_which_field() {
    let mut flashduty = flashduty();
    let id = open_incident(&mut flashduty);
    let mut expected = json!({ "customer_impact": "none", "security_relevant": false });
    for (name, value) in [
        ("service_owner", json!("Dana")),
        ("regions", json!(["ap"])),
        ("security_relevant", json!(true)),
        ("customer_impact", json!("low")),
    ] {
        let body = json!({ "incident_id": id, "field_name": name, "field_value": value });
        data(&mut flashduty, "/incident/field/reset", &body, T0);
        expected[name] = value;
        let events = payloads(&mut flashduty, T0 + 1000);
        assert_eq!(events[0]["event_type"], "i_r_field");
        assert_eq!(events[0]["incident"]["fields"], expected);
        assert_eq!(events[0].get("field_name"), None);
    }
    // `null` counts as left out: the field is gone from the incident.
    let body = json!({ "incident_id": id, "field_name": "regions", "field_value": null });
    data(&mut flashduty, "/incident/field/reset", &body, T0);
    let events = payloads(&mut flashduty, T0 + 1000);
    assert_eq!(events[0]["incident"]["fields"].get("regions"), None);
}

//! What an integration looks up beside the incidents themselves: people,
//! groups, configuration items, choices; and custom columns of every kind.

use serde_json::Value;
use serde_json::json;
use simulators::servicenow::Options;

use crate::desk::ADMIN;
use crate::desk::Desk;

/// One column of the records that a query finds, in its order.
fn found(desk: &mut Desk, table: &str, query: &str, column: &str) -> Vec<String> {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    desk.get(&format!("{table}?sysparm_query={query}"))
        .column(column)
}

#[test]
fn people_are_found_by_address_and_by_name() {
    let mut desk = Desk::new(Options::default());
    let by_address = "emailINana@example.com,BO@example.com,nobody@example.com^ORDERBYuser_name";
    assert_eq!(
        found(&mut desk, "sys_user", by_address, "user_name"),
        ["ana.silva", "bo.chen"]
    );
    let either = "user_name=beth.anglin^ORemail=beth.anglin^ORname=beth.anglin";
    assert_eq!(
        found(&mut desk, "sys_user", either, "name"),
        ["Beth Anglin"]
    );
    let begins = "nameSTARTSWITHa^nameLIKEtuter^active=true";
    assert_eq!(found(&mut desk, "sys_user", begins, "name"), ["Abel Tuter"]);
    let former = "active=false";
    assert_eq!(
        found(&mut desk, "sys_user", former, "user_name"),
        ["fred.luddy"]
    );
}

#[test]
fn groups_and_configuration_items_are_found_by_name() {
    let mut desk = Desk::new(Options::default());
    let some = "nameINNetwork,Database,Service Desk^ORDERBYDESCname";
    assert_eq!(
        found(&mut desk, "sys_user_group", some, "name"),
        ["Service Desk", "Network", "Database"]
    );
    let supported = "support_group.name=Database";
    assert_eq!(
        found(&mut desk, "cmdb_ci", supported, "name"),
        ["checkout-db-01"]
    );
}

#[test]
fn fields_lead_through_references_in_every_display_mode() {
    let mut desk = Desk::new(Options::default());
    let ana = desk.snow.user_id("ana.silva").unwrap().to_owned();
    let network = desk.snow.group_id("Network").unwrap().to_owned();
    let item = found(&mut desk, "cmdb_ci", "name=edge-router-7", "sys_id").remove(0);
    let body = json!({
        "assigned_to": ana, "caller_id": ana, "assignment_group": network, "cmdb_ci": item,
        "u_owner": ana,
    });
    let sys_id = desk.create(&body.to_string());
    let paths = [
        "assigned_to.email",
        "caller_id.user_name",
        "assignment_group.name",
        "cmdb_ci.support_group.name",
        "cmdb_ci.support_group",
        "u_owner.active",
        "resolved_by.email",
    ];
    let link = format!("http://acme.example/api/now/table/sys_user_group/{network}");
    let words = ["ana@example.com", "ana.silva", "Network", "Network"];
    let both = |text: &str| json!({"display_value": text, "value": text});
    let row = |words: Vec<Value>, group: Value, active: Value, none: Value| {
        let values = words.into_iter().chain([group, active, none]);
        Value::Object(paths.map(str::to_owned).into_iter().zip(values).collect())
    };
    let plain: Vec<Value> = words.map(Value::from).into();
    let cases = [
        (
            "",
            row(
                plain.clone(),
                json!({"link": link, "value": network}),
                json!("true"),
                json!(""),
            ),
        ),
        (
            "&sysparm_display_value=true",
            row(
                plain.clone(),
                json!({"link": link, "display_value": "Network"}),
                json!("true"),
                json!(""),
            ),
        ),
        (
            "&sysparm_display_value=all",
            row(
                words.map(both).into(),
                json!({"link": link, "display_value": "Network", "value": network}),
                both("true"),
                both(""),
            ),
        ),
        (
            "&sysparm_exclude_reference_link=true",
            row(plain, json!(network), json!("true"), json!("")),
        ),
    ];
    for (parameters, expected) in cases {
        let fields = paths.join(",");
        let answer = desk.get(&format!(
            "incident/{sys_id}?sysparm_fields={fields}{parameters}"
        ));
        assert_eq!(answer.result(), expected, "{parameters}");
    }
    let query = "u_owner.email=ana@example.com^assignment_group.name=Network";
    assert_eq!(
        found(&mut desk, "incident", query, "number"),
        ["INC0010001"]
    );
}

#[test]
fn choices_are_there_in_both_languages_with_their_order() {
    let mut desk = Desk::new(Options::default());
    let answer = desk.get(
        "sys_choice?sysparm_query=name=incident^element=u_environment^language=de^ORDERBYsequence\
         &sysparm_fields=element,value,label,language,inactive",
    );
    assert_eq!(
        answer.result()[0],
        json!({
            "element": "u_environment", "value": "prod", "label": "Produktion",
            "language": "de", "inactive": "false",
        })
    );
    assert_eq!(answer.column("value"), ["prod", "test", "dev"]);
    let dependent = "element=subcategory^dependent_value=network^language=en^ORDERBYlabel";
    assert_eq!(
        found(&mut desk, "sys_choice", dependent, "label"),
        ["DNS", "VPN"]
    );
}

#[test]
fn choices_may_be_those_of_task_with_states_that_are_not_an_incidents() {
    let mut desk = Desk::new(Options {
        choices_of_task: true,
        ..Options::default()
    });
    let of = |element: &str| format!("element={element}^value=1^language=en^ORDERBYname");
    for (element, names, labels) in [
        ("urgency", vec!["task"], vec!["1 - High"]),
        ("category", vec![], vec![]),
        ("state", vec!["incident", "task"], vec!["New", "Open"]),
    ] {
        assert_eq!(found(&mut desk, "sys_choice", &of(element), "name"), names);
        assert_eq!(
            found(&mut desk, "sys_choice", &of(element), "label"),
            labels
        );
    }
    let sys_id = desk.create("{}");
    let fields = "sysparm_fields=state,urgency&sysparm_display_value=true";
    let answer = desk.get(&format!("incident/{sys_id}?{fields}"));
    assert_eq!(
        answer.result(),
        json!({"state": "New", "urgency": "3 - Low"})
    );
}

#[test]
fn labels_are_in_the_language_that_the_user_prefers() {
    let mut desk = Desk::new(Options::default());
    let sys_id = desk.create(r#"{"state":"2","comments":"hello"}"#);
    desk.snow
        .set_user_field("admin", "preferred_language", "de", desk.now_ms);
    let fields = "sysparm_fields=state,comments&sysparm_display_value=true";
    desk.sit_down(ADMIN);
    let german = desk.get(&format!("incident/{sys_id}?{fields}")).result();
    assert_eq!(german["state"], "In Bearbeitung");
    let comments = german["comments"].as_str().unwrap();
    assert!(comments.contains("(Zusätzliche Anmerkungen)"), "{comments}");
    desk.sit_down(crate::desk::FLASHDUTY);
    let english = desk.get(&format!("incident/{sys_id}?{fields}")).result();
    assert_eq!(english["state"], "In Progress");
}

#[test]
fn a_custom_column_of_each_kind_holds_what_is_of_its_kind() {
    let mut desk = Desk::new(Options::default());
    let beth = desk.snow.user_id("beth.anglin").unwrap().to_owned();
    let good = json!({
        "u_service": "Checkout", "u_environment": "prod", "u_customer_impact": true,
        "u_affected": 1200, "u_detected_at": "2026-03-02 08:58:00", "u_owner": beth,
        "due_date": "2026-03-03 18:00:00",
    });
    let sys_id = desk.create(&good.to_string());
    let columns: Vec<_> = good.as_object().unwrap().keys().cloned().collect();
    let shown = desk.get(&format!(
        "incident/{sys_id}?sysparm_display_value=true&sysparm_exclude_reference_link=true\
         &sysparm_fields={}",
        columns.join(",")
    ));
    assert_eq!(
        shown.result(),
        json!({
            "u_service": "Checkout", "u_environment": "Production", "u_customer_impact": "true",
            "u_affected": "1200", "u_detected_at": "2026-03-02 08:58:00",
            "u_owner": "Beth Anglin", "due_date": "2026-03-03 18:00:00",
        })
    );
    // What is not of a column's kind empties it, and nobody says so.
    let bad = r#"{"u_affected":"many","u_detected_at":"2026-03-02T08:58:00Z","u_customer_impact":"perhaps"}"#;
    assert_eq!(desk.patch(&sys_id, bad).status, 200);
    for (column, expected) in [
        ("u_affected", ""),
        ("u_detected_at", ""),
        ("u_customer_impact", "false"),
        ("u_environment", "prod"),
    ] {
        assert_eq!(desk.stored(&sys_id, column), expected, "{column}");
    }
}

#[test]
fn the_dictionary_tells_the_kind_of_a_custom_column() {
    let mut desk = Desk::new(Options::default());
    let answer = desk.get(
        "sys_dictionary?sysparm_query=name=incident^elementSTARTSWITHu_^ORDERBYelement\
         &sysparm_fields=element,internal_type,reference,choice",
    );
    let rows: Vec<_> = answer
        .result()
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ["element", "internal_type", "reference", "choice"].map(|it| row[it].clone()))
        .collect();
    assert_eq!(
        rows,
        [
            ["u_affected", "integer", "", "0"],
            ["u_customer_impact", "boolean", "", "0"],
            ["u_detected_at", "glide_date_time", "", "0"],
            ["u_environment", "string", "", "1"],
            ["u_owner", "reference", "sys_user", "0"],
            ["u_service", "string", "", "0"],
        ]
        .map(|row| row.map(Value::from))
    );
}

#[test]
fn a_poll_pages_through_what_changed_since_in_a_stable_order() {
    let mut desk = Desk::new(Options::default());
    let mut ids: Vec<_> = (0..3).map(|_| desk.create("{}")).collect();
    desk.wait_ms(1500);
    ids.extend((0..3).map(|_| desk.create("{}")));
    desk.wait_ms(60_000);
    desk.patch(&ids[0], r#"{"work_notes":"a look at it"}"#);
    let since = "sys_updated_on>=2026-03-02 09:00:01^ORDERBYsys_updated_on^ORDERBYsys_id";
    let mut polled = Vec::new();
    for offset in [0, 2, 4] {
        let query: String = url::form_urlencoded::byte_serialize(since.as_bytes()).collect();
        let page = desk.get(&format!(
            "incident?sysparm_query={query}&sysparm_limit=2&sysparm_offset={offset}"
        ));
        polled.extend(page.column("sys_id"));
    }
    let mut expected = ids.split_off(3);
    expected.sort();
    // A note counts as a change too, and moves the incident to the end.
    expected.push(ids[0].clone());
    assert_eq!(polled, expected);
}

//! Fields of the operator's own, people and groups, from system to system.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use serde_json::json;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::Status;
use simulators::servicenow;
use simulators::servicenow::CloseCodes;
use support::Setting;
use support::World;

/// One line of settings for each field.
const FIELDS: &str = r#"
field = [
    { column = "u_service", value = "{{labels.service}} ({{channel}})", write = "once" },
    { column = "u_environment", custom-field = "ticket_number", type = "choice" },
    { column = "u_customer_impact", custom-field = "security_relevant", type = "boolean", custom-field-type = "checkbox" },
    { column = "u_detected_at", value = "{{start_time}}", type = "date-time" },
    { column = "u_owner", custom-field = "service_owner", type = "reference", table = "sys_user", by = "email" },
    { column = "assignment_group", value = "Database", type = "reference", table = "sys_user_group" },
    { column = "cmdb_ci", value = "{{labels.host|checkout-db-01}}", type = "reference", table = "cmdb_ci" },
    { column = "caller_id", value = "abel.tuter", type = "reference", table = "sys_user", by = "user_name" },
]
"#;

async fn world(settings: &str) -> (World, String, String) {
    let setting = Setting {
        integration: settings.into(),
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    (world, incident, sys_id)
}

fn set(world: &World, incident: &str, field: &str, value: Value) {
    world.ana(
        incident,
        &Action::ResetField {
            field_name: field.into(),
            field_value: Some(value),
        },
    );
}

fn custom_field(world: &World, incident: &str, field: &str) -> Value {
    let flashduty = world.flashduty.simulator();
    let fields = &flashduty.incident(incident).unwrap().fields;
    fields.get(field).cloned().unwrap_or_default()
}

/// What people see in a column of a record.
fn shown(world: &World, sys_id: &str, table: &str, column: &str) -> String {
    let id = world.column(sys_id, column);
    let servicenow = world.servicenow.simulator();
    let record = servicenow.record(table, &id);
    let name = record.and_then(|r| r.get("name"));
    name.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_record_has_what_labels_constants_and_look_ups_say() {
    let (world, _, sys_id) = world(FIELDS).await;
    assert_eq!(world.column(&sys_id, "u_service"), "checkout (Payments)");
    assert_eq!(world.column(&sys_id, "u_detected_at").len(), 19);
    let shown = |table, column| shown(&world, &sys_id, table, column);
    assert_eq!(shown("sys_user_group", "assignment_group"), "Database");
    assert_eq!(shown("cmdb_ci", "cmdb_ci"), "checkout-db-01");
    assert_eq!(shown("sys_user", "caller_id"), "Abel Tuter");
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_fields_and_columns_follow_each_other_in_every_language() {
    let (world, incident, sys_id) = world(FIELDS).await;
    // The German label of a choice, and the address of a person.
    set(&world, &incident, "ticket_number", json!("Entwicklung"));
    world
        .until_column(&sys_id, "u_environment", "dev")
        .await
        .unwrap();
    set(&world, &incident, "service_owner", json!("BO@example.com"));
    world
        .until("the owner is Bo", |w| {
            (shown(w, &sys_id, "sys_user", "u_owner") == "Bo Chen").then_some(())
        })
        .await
        .unwrap();
    set(&world, &incident, "security_relevant", json!(true));
    world
        .until_column(&sys_id, "u_customer_impact", "true")
        .await
        .unwrap();
    // And back.
    world.beth(
        &sys_id,
        &[("u_environment", "prod"), ("u_customer_impact", "false")],
    );
    world
        .until("both fields are back", |w| {
            let label = custom_field(w, &incident, "ticket_number");
            let checked = custom_field(w, &incident, "security_relevant");
            (label == json!("Production") && checked == json!(false)).then_some(())
        })
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.column(&sys_id, "u_environment"), "prod");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_leaves_the_column_alone_and_everything_else_goes_on() {
    let (world, incident, sys_id) = world(FIELDS).await;
    set(
        &world,
        &incident,
        "service_owner",
        json!("nobody@example.com"),
    );
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.column(&sys_id, "u_owner"), "");
    let work = world.host.as_ref().unwrap().gateway().status().work;
    assert_eq!((work.waiting, work.parked), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_on_it_travels_by_address_both_ways() {
    let (world, incident, sys_id) = world("assignee = true").await;
    let give = |person: i64| {
        Action::Assign(flashduty::Assignment {
            person_ids: vec![person],
            ..Default::default()
        })
    };
    world.ana(&incident, &give(flashduty::ANA));
    world
        .until("Ana is on it in ServiceNow", |w| {
            (shown(w, &sys_id, "sys_user", "assigned_to") == "Ana Silva").then_some(())
        })
        .await
        .unwrap();
    world.settled().await.unwrap();
    let bo = world
        .servicenow
        .simulator()
        .user_id("bo.chen")
        .map(str::to_owned)
        .unwrap();
    world.beth(&sys_id, &[("assigned_to", &bo)]);
    world
        .until("Bo is on it in Flashduty", |w| {
            let flashduty = w.flashduty.simulator();
            let responders = &flashduty.incident(&incident)?.responders;
            let is_bo = |r: &flashduty::Responder| r.person_id == flashduty::BO;
            responders.iter().any(is_bo).then_some(())
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_of_flashduty_keeps_the_record_and_flashduty_whom_it_calls() {
    let (world, incident, sys_id) = world("assignee = true").await;
    let called = |w: &World| {
        let flashduty = w.flashduty.simulator();
        flashduty.incident(&incident).unwrap().responders.clone()
    };
    let abel = world
        .servicenow
        .simulator()
        .user_id("abel.tuter")
        .unwrap()
        .to_owned();
    let before = called(&world);
    world.beth(&sys_id, &[("assigned_to", &abel)]);
    world.settled().await.unwrap();
    assert_eq!(called(&world), before);
    assert!(!before.is_empty());
    set(&world, &incident, "ticket_number", json!("7"));
    world.settled().await.unwrap();
    assert_eq!(world.column(&sys_id, "assigned_to"), abel);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolution_code_comes_from_a_field_and_may_be_a_label() {
    let setting = Setting {
        integration: String::new(),
        servicenow: servicenow::Options {
            close_codes: CloseCodes::Both,
            ..Default::default()
        },
        servicenow_side: r#"close-code = "{{fields.ticket_number|User error}}""#,
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    set(&world, &incident, "ticket_number", json!("known ERROR"));
    world.ana(
        &incident,
        &Action::Resolve {
            root_cause: Some("a leak".into()),
            resolution: Some("restarted".into()),
        },
    );
    world.until_column(&sys_id, "state", "6").await.unwrap();
    assert_eq!(world.column(&sys_id, "close_code"), "Known error");
    let notes = world.column(&sys_id, "close_notes");
    assert_eq!(notes, "restarted\n\nRoot cause: a leak");
}

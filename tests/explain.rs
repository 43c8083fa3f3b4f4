//! What would be done with a captured event: offline with `explain`, and on
//! live traffic with `dry-run`.
#![allow(clippy::unwrap_used)]

use integration_gateway::explain::Event;
use integration_gateway::explain::Explanation;
use serde_json::Value;
use serde_json::json;
use servicenow_sync::config::Draft;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use simulators::flashduty::Action;
use simulators::flashduty::Status;
use std::fs;
use std::path::Path;
use support::Setting;
use support::World;
use support::world::component;

/// Neither of the secrets exists.
const CONFIGURATION: &str = r#"
    [[webhook]]
    path = "/flashduty/prod"
    bearer = [{ env = "NOT_SET" }]

    [[webhook]]
    path = "/servicenow/prod"
    bearer = [{ env = "NOT_SET" }]

    [credential.servicenow]
    kind = "basic"
    origin = "https://example.service-now.com"
    user = "flashduty"
    password = { file = "none" }

    [[integration]]
    id = "prod"
    name = "Production"
    direction = "two-way"
    conditions = [[{ key = "labels.env", oper = "IN", vals = ["prod"] }]]
    flashduty = { channels = [410000000777], credential = "flashduty" }
    servicenow = { url = "https://example.service-now.com", credential = "servicenow" }

    [[integration.field]]
    column = "u_service"
    value = "{{labels.service}}"

    [[integration.field]]
    column = "u_team"
    value = "{{labels.team}}"

    [[integration.field]]
    column = "u_tier"
    value = "{{labels.env}}"
    map = { staging = "2" }

    [[integration.field]]
    column = "assignment_group"
    value = "{{labels.service}}"
    type = "reference"
    table = "sys_user_group"
    by = "name"
"#;

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    fs::read(folder.join(name)).unwrap()
}

async fn explain(configuration: &str, event: Event) -> Result<Explanation, String> {
    let component = component();
    let options = RuntimeOptions {
        cache_directory: Some(component.with_file_name("cache")),
        ..RuntimeOptions::default()
    };
    let runtime = WasmRuntime::from_file(&component, &options).unwrap();
    let draft = Draft::parse(Path::new("sync.toml"), configuration).unwrap();
    let explained = draft.explain(&runtime, &event).await;
    explained.map_err(|error| error.to_string())
}

async fn explained(name: &str) -> Explanation {
    explain(CONFIGURATION, event(fixture(name))).await.unwrap()
}

fn event(body: Vec<u8>) -> Event {
    Event {
        body,
        now_ms: 1_780_300_806_000,
        ..Event::default()
    }
}

/// The lines in which something is decided or would be sent, without bodies.
fn lines(explanation: &Explanation) -> Vec<String> {
    let text = explanation.to_string();
    let lines = text.lines().filter(|line| !line.starts_with("    "));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_new_incident_is_explained_by_trigger_fields_and_the_record_that_would_be_created() {
    let explanation = explained("i_new.json").await;
    assert_eq!(
        lines(&explanation),
        [
            "event on /flashduty/prod",
            "trigger  conditions: labels.env IN [prod] found \"prod\": holds",
            "  title             to-servicenow  \"Checkout latency above 2 s\"  changed in Flashduty",
            "  description       to-servicenow  \"p99 over 2 s for 5 min\"  changed in Flashduty",
            "  severity          to-servicenow  \"impact 1 urgency 1\"  changed in Flashduty",
            "  u_service         to-servicenow  \"checkout\"  from {{labels.service}}  changed in Flashduty",
            "  u_team            kept           flashduty \"\", servicenow \"unknown\"  \
             from {{labels.team}}  changed in Flashduty; it is empty in Flashduty, and on-empty is keep",
            "  u_tier            kept           flashduty \"prod\", servicenow \"unknown\"  \
             from {{labels.env}}  changed in Flashduty; map has no entry for \"prod\", and no default",
            "  assignment_group  to-servicenow  \"checkout\"  from {{labels.service}}  changed in Flashduty",
            "would send  ServiceNow POST incident",
        ]
    );
    let json = explanation.json();
    let body = &json["requests"][0]["body"];
    assert_eq!(json["requests"][0]["request"], "POST incident");
    assert_eq!(body["short_description"], "Checkout latency above 2 s");
    assert_eq!(body["u_service"], "checkout");
    assert_eq!(
        body["assignment_group"],
        "<the sys_user_group whose name is checkout>"
    );
    assert_eq!(json["outcome"], json!({ "kind": "sends" }));
}

#[tokio::test]
async fn an_acknowledgement_of_a_pair_tells_what_the_record_holds_before_and_after() {
    let event = Event {
        pair: String::from_utf8(fixture("pair.json")).unwrap(),
        ..event(fixture("i_ack.json"))
    };
    let explanation = explain(CONFIGURATION, event).await.unwrap();
    let lines = lines(&explanation);
    assert_eq!(
        lines[1],
        "  title             unmoved        flashduty \"Checkout latency above 2 s\", \
         servicenow \"Checkout latency above 2 s\"  no change since they agreed"
    );
    assert_eq!(
        lines[8..],
        [
            "  state             to-servicenow  \"New\" -> \"In Progress\"  changed in Flashduty",
            "would send  ServiceNow PATCH incident/1c741bd70b2322007518478d83673af3",
        ]
    );
    assert_eq!(explanation.json()["requests"][0]["body"]["state"], "2");
}

#[tokio::test]
async fn what_servicenow_pushes_is_explained_as_the_incident_that_would_be_created() {
    for name in ["business_rule.json", "ui_action.json"] {
        let explanation = explained(name).await;
        let json = explanation.json();
        assert_eq!(json["path"], "/servicenow/prod", "{name}");
        assert_eq!(json["requests"][0]["request"], "POST /incident/create");
        let body = &json["requests"][0]["body"];
        assert_eq!(body["title"], "VPN down in Shanghai");
        assert_eq!(body["incident_severity"], "Critical");
        // The button's body brings a comment along.
        let comments: Vec<&Value> = json["requests"].as_array().unwrap()[1..].iter().collect();
        match name {
            "business_rule.json" => assert_eq!(comments.len(), 0),
            _ => {
                let comment = comments[0]["body"]["comment"].as_str().unwrap();
                assert!(comment.contains("Still down"), "{comment}");
                // Nobody is asked here whether that is a member.
                let called = &body["assigned_to"]["emails"];
                assert_eq!(*called, json!(["abel@example.com"]));
            }
        }
    }
}

#[tokio::test]
async fn an_incident_that_the_conditions_refuse_is_told_why() {
    let body = String::from_utf8(fixture("i_new.json")).unwrap();
    let body = body.replace("\"prod\"", "\"staging\"");
    let explanation = explain(CONFIGURATION, event(body.into_bytes()))
        .await
        .unwrap();
    assert_eq!(
        lines(&explanation),
        [
            "event on /flashduty/prod",
            "trigger  conditions: labels.env IN [prod] found \"staging\": fails",
            "not synced  reason: no conditions hold: labels.env IN [prod] found \"staging\"",
            "nothing would be sent",
        ]
    );
}

#[tokio::test]
async fn an_event_that_no_path_takes_is_refused_with_what_each_expected() {
    let Err(error) = explain(CONFIGURATION, event(b"{}".into())).await else {
        panic!("an empty event was explained");
    };
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert_eq!(lines[0], "no path takes the event:");
    assert!(lines[1].starts_with("  /flashduty/prod: expected \"event_type\", found none"));
    assert!(lines[2].starts_with("  /servicenow/prod: expected \"sys_id\""));
}

#[tokio::test]
async fn an_event_that_two_integrations_take_needs_a_path() {
    let second = "[[integration]]\nid = \"test\"\nname = \"Test\"\ndirection = \"two-way\"\n\
         flashduty = { channels = [410000000777], credential = \"flashduty\" }\n\
         servicenow = { url = \"https://example.service-now.com\", credential = \"servicenow\" }\n";
    let configuration = format!("{CONFIGURATION}\n{second}");
    let Err(error) = explain(&configuration, event(fixture("i_new.json"))).await else {
        panic!("nobody said which integration");
    };
    assert_eq!(
        error,
        "several paths take the event; name one with --path: /flashduty/prod, /flashduty/test"
    );
    let event = Event {
        path: Some("/flashduty/test".into()),
        ..event(fixture("i_new.json"))
    };
    let explanation = explain(&configuration, event).await.unwrap();
    assert_eq!(explanation.json()["path"], "/flashduty/test");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_keeps_nothing_and_syncs_once_it_is_off() {
    let setting = Setting {
        integration: "dry-run = true".into(),
        ..Setting::default()
    };
    let mut world = World::start(setting).await.unwrap();
    let mut writes = world.writes();
    let incident = world.alert("disk full", Status::Critical);
    world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
    assert_eq!(world.stored_keys().await.unwrap(), [""; 0]);

    let text = fs::read_to_string(world.configuration()).unwrap();
    fs::write(world.configuration(), text.replace("dry-run = true", "")).unwrap();
    world.start_host().await.unwrap();
    world.connect(&Setting::default());
    world.ana(&incident, &Action::Acknowledge);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.until_column(&sys_id, "state", "2").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_leaves_a_pair_as_it_is() {
    let (mut world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let before = world.stored_keys().await.unwrap();
    let text = fs::read_to_string(world.configuration()).unwrap();
    let dry = text.replace("id = \"demo\"", "id = \"demo\"\ndry-run = true");
    fs::write(world.configuration(), dry).unwrap();
    world.start_host().await.unwrap();
    world.connect(&Setting::default());
    let mut writes = world.writes();
    world.ana(&incident, &Action::Acknowledge);
    world.beth(&sys_id, &[("urgency", "3"), ("comments", "on it")]);
    world.settled().await.unwrap();
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
    assert_eq!(world.column(&sys_id, "state"), "1");
    assert_eq!(world.stored_keys().await.unwrap(), before);

    fs::write(world.configuration(), text).unwrap();
    world.start_host().await.unwrap();
    world.connect(&Setting::default());
    world.ana_comments(&incident, "back again");
    world.until_column(&sys_id, "state", "2").await.unwrap();
}

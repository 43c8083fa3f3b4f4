//! A person sends an incident to ServiceNow with a custom action of Flashduty,
//! and is told at once what came of it.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use simulators::flashduty::Action;
use simulators::flashduty::EventIdPlace;
use simulators::flashduty::Status;
use simulators::servicenow::Fault;
use simulators::servicenow::Span;
use simulators::servicenow::Target;
use support::Setting;
use support::World;
use support::wire::bearer;
use support::world::FLASHDUTY_TOKEN;

async fn manual(integration: &str) -> World {
    let setting = Setting {
        manual: true,
        integration: integration.into(),
        ..Setting::default()
    };
    World::start(setting).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_an_incident_is_told_its_number_within_a_second() {
    let world = manual("").await;
    for place in [EventIdPlace::TopLevel, EventIdPlace::InIncident] {
        let incident = world.alert(&format!("disk full {place:?}"), Status::Critical);
        let (answer, took_ms) = world.ana_sends_with(&incident, place).await.unwrap();
        let sys_id = world.records_of(&incident).pop().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(took_ms < 800, "{took_ms}");
        let told = answer.json();
        assert_eq!(told["status"], "synced");
        assert_eq!(told["number"], world.column(&sys_id, "number"));
        let link = told["link"].as_str().unwrap();
        assert!(link.starts_with(&world.servicenow.url()) && link.contains(&sys_id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_stays_in_flashduty_until_somebody_sends_it() {
    let world = manual("").await;
    let incident = world.alert("disk full", Status::Critical);
    world.ana(&incident, &Action::Acknowledge);
    world.ana_comments(&incident, "looking");
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 0);

    assert_eq!(world.ana_sends(&incident).await.unwrap().0.status, 200);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    let notes = world.journal(&sys_id, "work_notes");
    assert!(notes.iter().any(|n| n.contains("looking")), "{notes:?}");
    // From then on everything syncs, both ways.
    world.beth(&sys_id, &[("urgency", "3")]);
    let severity = simulators::flashduty::Severity::Info;
    world.until_severity(&incident, severity).await.unwrap();
}

/// An update by correlation id made a second incident, elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn sending_twice_and_twice_at_once_makes_one_record() {
    let world = manual("").await;
    let incident = world.alert("disk full", Status::Critical);
    let (first, second) = tokio::join!(world.ana_sends(&incident), world.ana_sends(&incident));
    let third = world.ana_sends(&incident).await.unwrap().0;
    for answer in [first.unwrap().0, second.unwrap().0, third] {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_an_incident_in_a_dry_run_is_told_so() {
    let world = manual("dry-run = true").await;
    let incident = world.alert("disk full", Status::Critical);
    let answer = world.ana_sends(&incident).await.unwrap().0;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(
        answer.json()["error"],
        "not synced: dry-run is on, so nothing is written"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_what_takes_no_part_is_told_why() {
    let world =
        manual("conditions = [[{ key = \"severity\", oper = \"IN\", vals = [\"Critical\"] }]]")
            .await;
    let incident = world.alert("disk full", Status::Warning);
    let answer = world.ana_sends(&incident).await.unwrap().0;
    assert_eq!(answer.status, 409, "{answer:?}");
    let why = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(
        why.starts_with("not synced: ") && why.contains("severity"),
        "{why}"
    );
    // Nor later, by itself, once it fits.
    let event = simulators::flashduty::Reset {
        incident_severity: Some(simulators::flashduty::Severity::Critical),
        ..Default::default()
    };
    world.ana(&incident, &Action::Reset(event));
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 0);
    assert_eq!(world.ana_sends(&incident).await.unwrap().0.status, 200);
}

/// An asynchronous rule swallows its exception: the user sees a success.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_is_told_of_a_failure_and_it_is_tried_again() {
    let world = manual("").await;
    let incident = world.alert("disk full", Status::Critical);
    // Its own webhook would make the second try come at once.
    world.settled().await.unwrap();
    world.servicenow.poke(|s, _| {
        let post = Target {
            method: Some("POST".into()),
            path: None,
        };
        let fault = Fault::AbortedByRule("No entry".into());
        s.faults().answer_to(post, fault, Span::Always);
    });
    let answer = world.ana_sends(&incident).await.unwrap().0;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.text.contains("No entry"), "{answer:?}");
    // Whatever happens next, it is not forgotten that somebody sent it.
    world.settled().await.unwrap();
    world.servicenow.poke(|s, _| s.faults().clear());
    world.ana(&incident, &Action::Acknowledge);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.until_column(&sys_id, "state", "2").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_servicenow_is_answered_for_in_time() {
    let world = manual("").await;
    world
        .servicenow
        .poke(|s, _| s.faults().answer(Fault::Slow(1500), Span::Always));
    let incident = world.alert("disk full", Status::Critical);
    let (answer, took_ms) = world.ana_sends(&incident).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(took_ms < 900, "{took_ms}");
    assert_eq!(answer.json(), json!({ "status": "under way" }));
    world.servicenow.poke(|s, _| s.faults().clear());
    world.until_record(&incident).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_webhook_that_calls_the_action_is_told_of_its_mistake() {
    let world = manual("").await;
    let body = json!({
        "event_type": "i_new",
        "incident": { "incident_id": "6a1d2f45c0ffee0123456789" },
    });
    let body = body.to_string();
    let headers = [bearer(FLASHDUTY_TOKEN)];
    let answer = world.send("/trigger/demo", &headers, body.as_bytes()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["error"],
        "expected \"i_custom\", found \"i_new\"; this path is for a custom action"
    );
}

//! What no webhook tells of is found all the same: both systems are asked.
#![allow(clippy::unwrap_used)]

use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::AlertEvent;
use simulators::flashduty::Progress;
use simulators::flashduty::Status;
use std::time::Duration;
use support::Setting;
use support::World;

/// No webhook comes, and both sides are asked each second.
fn silent() -> Setting {
    Setting {
        reconcile: "poll-seconds = 1",
        webhooks: false,
        ..Setting::default()
    }
}

/// A world in which no webhook comes, with a pair that an alert began.
async fn silent_pair() -> (World, String, String) {
    let world = World::start(silent()).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    (world, incident, sys_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_webhook_flashdutys_changes_arrive() {
    let (world, incident, sys_id) = silent_pair().await;
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.ana_comments(&incident, "rolling back");
    let look = |w: &World| {
        let notes = w.journal(&sys_id, "work_notes");
        notes
            .iter()
            .any(|n| n.contains("rolling back"))
            .then_some(())
    };
    world
        .until("the comment is in ServiceNow", look)
        .await
        .unwrap();
    let resolve = Action::Resolve {
        root_cause: None,
        resolution: Some("rolled back".into()),
    };
    world.ana(&incident, &resolve);
    world.until_column(&sys_id, "state", "6").await.unwrap();
    let reopen = Action::Reopen {
        reason: "again".into(),
    };
    world.ana(&incident, &reopen);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    assert_eq!(world.records_of(&incident).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_webhook_servicenows_changes_arrive() {
    let world = World::start(silent()).await.unwrap();
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let incident = world.until_incident("VPN down").await.unwrap();
    world.beth(&sys_id, &[("state", "2")]);
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
    world.beth(&sys_id, &[("comments", "who is on it?")]);
    let look = |w: &World| {
        let comments = w.comments(&incident);
        comments
            .iter()
            .any(|c| c.contains("who is on it?"))
            .then_some(())
    };
    world
        .until("the comment is in Flashduty", look)
        .await
        .unwrap();
    let over = [
        ("state", "6"),
        ("close_code", "Solution provided"),
        ("close_notes", "rebooted"),
    ];
    world.beth(&sys_id, &over);
    world
        .until_progress(&incident, Progress::Closed)
        .await
        .unwrap();
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_write_nothing_of_what_webhooks_bring() {
    let setting = Setting {
        reconcile: "poll-seconds = 1",
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.ana_comments(&incident, "rolling back");
    world.beth(&sys_id, &[("comments", "thank you")]);
    let both = |w: &World| {
        let notes = w.journal(&sys_id, "work_notes").concat();
        let comments = w.comments(&incident).concat();
        (notes.contains("rolling back") && comments.contains("thank you")).then_some(())
    };
    world.until("both comments crossed", both).await.unwrap();
    world.settled().await.unwrap();
    let mut writes = world.writes();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
    assert_eq!(world.records_of(&incident).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_store_makes_old_incidents_wait_and_new_ones_not() {
    let setting = Setting {
        new_store: true,
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    world.settled().await.unwrap();
    let old = world.flashduty.poke(|f, now| {
        let event = AlertEvent::new("old", "old", Status::Critical);
        let pushed = f.push_alert(flashduty::PAYMENTS, event, now - 60_000);
        pushed.unwrap().incident_id.unwrap()
    });
    // Whole seconds are all that Flashduty tells.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let new = world.alert("new", Status::Critical);
    world.until_record(&new).await.unwrap();
    assert_eq!(world.records_of(&old), [""; 0]);
    let host = world.host.as_ref().unwrap();
    let work = host.gateway().work(None).await.unwrap().work;
    let waits = work.iter().find(|item| item.key.ends_with(&old)).unwrap();
    assert_eq!(
        waits.last_failure.as_deref(),
        Some("this store is new or was set back, and may have begun this before")
    );
}

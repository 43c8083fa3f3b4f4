//! What people complain about elsewhere, with both systems: docs/pains.md.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::AlertEvent;
use simulators::flashduty::Progress;
use simulators::flashduty::Reset;
use simulators::flashduty::Status;
use simulators::servicenow;
use std::fs;
use std::time::Duration;
use support::Setting;
use support::World;
use support::world::ADMIN_TOKEN;

fn with(integration: &str) -> Setting {
    Setting {
        integration: integration.into(),
        ..Setting::default()
    }
}

/// A field that a label fills: the column, the label, and the rest of the rule.
fn labelled(column: &str, label: &str, rest: &str) -> Setting {
    with(&format!(
        "field = [{{ column = \"{column}\", value = \"{{{{labels.{label}}}}}\"{rest} }}]"
    ))
}

const GROUP: &str = r#", type = "reference", table = "sys_user_group""#;

/// An alert with a label opens an incident.
fn alert(world: &World, title: &str, label: (&str, &str)) -> String {
    world.flashduty.poke(|f, now| {
        let event = AlertEvent::new(title, title, Status::Critical).label(label.0, label.1);
        let pushed = f.push_alert(flashduty::PAYMENTS, event, now);
        pushed.unwrap().incident_id.unwrap()
    })
}

/// 2025-06-01 08:00:01 UTC.
const LONG_AGO_MS: u64 = 1_748_764_801_000;

/// An alert opened an incident long ago.
fn old_alert(world: &World) -> String {
    world.flashduty.poke(|f, _| {
        let event = AlertEvent::new("disk full", "disk full", Status::Critical);
        let pushed = f.push_alert(flashduty::PAYMENTS, event, LONG_AGO_MS);
        pushed.unwrap().incident_id.unwrap()
    })
}

fn retitle(world: &World, incident: &str, title: &str) {
    let reset = Reset {
        title: Some(title.into()),
        ..Reset::default()
    };
    world.ana(incident, &Action::Reset(reset));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_recovers_resolves_its_record() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    world.flashduty.poke(|f, now| {
        let recovery = AlertEvent::new("disk full", "disk full", Status::Ok);
        f.push_alert(flashduty::PAYMENTS, recovery, now).unwrap()
    });
    world.until_column(&sys_id, "state", "6").await.unwrap();
    assert_eq!(world.records_of(&incident), [sys_id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_outlives_its_correlation_id() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    world.beth(&sys_id, &[("correlation_id", "")]);
    world.settled().await.unwrap();
    retitle(&world, &incident, "two disks full");
    let title = "two disks full";
    world
        .until_column(&sys_id, "short_description", title)
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_makes_no_duplicates() {
    let (mut world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let other = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let born_there = world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    let host = world.host.take().unwrap();
    host.shutdown(Duration::from_secs(30)).await;
    fs::remove_file(world.configuration().with_file_name("sync.redb")).unwrap();
    world.start_host().await.unwrap();
    world.connect(&Setting::default());

    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.beth(&other, &[("state", "2")]);
    world
        .until_progress(&born_there, Progress::Processing)
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 2);
    assert_eq!(world.flashduty.simulator().incidents().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_long_ago_still_syncs() {
    let world = World::start(Setting::default()).await.unwrap();
    let incident = old_alert(&world);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_one_field_leaves_every_other_column_alone() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let fields = [
        ("category", "hardware"),
        ("description", "mine"),
        ("caller_id", "abel.tuter"),
    ];
    world.beth(&sys_id, &fields);
    world.settled().await.unwrap();
    let record = |w: &World| w.servicenow.simulator().incident(&sys_id).unwrap().clone();
    let before = record(&world);
    retitle(&world, &incident, "two disks full");
    let title = "two disks full";
    world
        .until_column(&sys_id, "short_description", title)
        .await
        .unwrap();
    world.settled().await.unwrap();
    let after = record(&world);
    let changed: Vec<_> = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(*value))
        .map(|(name, _)| name.as_str())
        .filter(|name| !name.starts_with("sys_"))
        .collect();
    assert_eq!(changed, ["short_description"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_keeps_changing_back_is_stopped_and_the_reason_told() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    // Two rules of others, which each want a title of their own.
    let mut rounds = 0;
    let reason = loop {
        assert!(rounds < 10, "nothing stopped them");
        rounds += 1;
        let (a, b) = (
            format!("of monitoring {rounds}"),
            format!("of triage {rounds}"),
        );
        retitle(&world, &incident, &a);
        world.settled().await.unwrap();
        if world.column(&sys_id, "short_description") == a {
            world.beth(&sys_id, &[("short_description", &b)]);
            world.settled().await.unwrap();
        }
        let work = world.admin("/work", Some(ADMIN_TOKEN)).await.json();
        if let Some(reason) = work["work"][0]["last_failure"].as_str() {
            break reason.to_owned();
        }
    };
    assert!(rounds > 2, "people may change a title three times");
    assert_eq!(
        reason,
        "fields were written to and fro within ten minutes; look for a rule on either side that \
         changes them back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_hundred_comments_all_cross() {
    let world = World::start(Setting::default()).await.unwrap();
    let incident = world.flashduty.poke(|f, now| {
        let event = AlertEvent::new("disk full", "disk full", Status::Critical);
        let pushed = f.push_alert(flashduty::PAYMENTS, event, now).unwrap();
        let incident = pushed.incident_id.unwrap();
        for n in 0..120 {
            let comment = Action::Comment {
                comment: format!("comment {n:03}"),
                mute_reply: false,
            };
            f.act(flashduty::ANA, &incident, &comment, now).unwrap();
        }
        incident
    });
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    let notes = world.journal(&sys_id, "work_notes");
    for n in 0..120 {
        let comment = format!("comment {n:03}");
        let times = notes.iter().filter(|note| note.contains(&comment)).count();
        assert_eq!(times, 1, "{comment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_may_be_named_in_any_language_of_the_instance() {
    let setting = labelled("u_environment", "env", r#", type = "choice""#);
    let world = World::start(setting).await.unwrap();
    for named in ["prod", "Production", "Produktion"] {
        let incident = alert(&world, named, ("env", named));
        let sys_id = world.until_record(&incident).await.unwrap();
        assert_eq!(world.column(&sys_id, "u_environment"), "prod", "{named}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_is_none_is_told_and_left_alone() {
    let setting = labelled("u_environment", "env", r#", type = "choice""#);
    let world = World::start(setting).await.unwrap();
    let incident = alert(&world, "disk full", ("env", "moon"));
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.column(&sys_id, "u_environment"), "");
    let pair = json!({ "flashduty": incident });
    let shown = world.operate("show", &pair).await.text;
    let why = "u_environment has no choice \\\"moon\\\" at the instance; it has prod, dev, test";
    assert!(shown.contains(why), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_instance_wants_filled_is_filled() {
    let servicenow = servicenow::Options {
        mandatory_fields: ["assignment_group".to_owned()].into(),
        ..Default::default()
    };
    let setting = Setting {
        servicenow,
        ..labelled("assignment_group", "team", GROUP)
    };
    let world = World::start(setting).await.unwrap();
    let incident = alert(&world, "disk full", ("team", "Database"));
    world.until_record(&incident).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_is_told_and_holds_nothing_up() {
    let world = World::start(labelled("assignment_group", "team", GROUP))
        .await
        .unwrap();
    let incident = alert(&world, "disk full", ("team", "Nobody"));
    let sys_id = world.until_record(&incident).await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    assert_eq!(world.column(&sys_id, "assignment_group"), "");
    let pair = json!({ "flashduty": incident });
    let shown = world.operate("show", &pair).await.text;
    let why = "assignment_group is left alone: no sys_user_group has name \\\"Nobody\\\"";
    assert!(shown.contains(why), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_zone_of_the_integration_user_shifts_no_time() {
    let integration =
        r#"field = [{ column = "u_detected_at", value = "{{start_time}}", type = "date-time" }]"#;
    let world = World::start(with(integration)).await.unwrap();
    world.servicenow.poke(|s, now| {
        s.set_user_field("flashduty", "time_zone", "Asia/Shanghai", now);
        s.set_user_field("flashduty", "date_format", "dd.MM.yyyy", now);
    });
    let incident = old_alert(&world);
    let sys_id = world.until_record(&incident).await.unwrap();
    assert_eq!(
        world.column(&sys_id, "u_detected_at"),
        "2025-06-01 08:00:01"
    );
    world.servicenow.poke(|s, _| {
        let fields = [("comments", "thank you")];
        s.update_incident("beth.anglin", &sys_id, &fields, LONG_AGO_MS)
            .unwrap();
    });
    let comment = |w: &World| {
        let comments = w.comments(&incident);
        comments.into_iter().find(|c| c.contains("thank you"))
    };
    let comment = world.until("it crosses", comment).await.unwrap();
    let head = "beth.anglin (ServiceNow, 2025-06-01 08:00 UTC):";
    assert!(comment.starts_with(head), "{comment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_to_the_incident_that_they_name() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let notes = world.journal(&sys_id, "work_notes").join("\n");
    let there = format!("{}/", world.flashduty.url());
    assert!(
        notes.contains(&there) && notes.contains(&incident),
        "{notes}"
    );
    let comments = world.comments(&incident).join("\n");
    let there = format!(
        "{}/nav_to.do?uri=incident.do%3Fsys_id%3D{sys_id}",
        world.servicenow.url()
    );
    assert!(comments.contains(&there), "{comments}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_again_and_again_is_reopened_each_time() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    for _ in 0..2 {
        world.ana(&incident, &Action::Acknowledge);
        world.until_column(&sys_id, "state", "2").await.unwrap();
        let resolve = Action::Resolve {
            root_cause: None,
            resolution: None,
        };
        world.ana(&incident, &resolve);
        world.until_column(&sys_id, "state", "6").await.unwrap();
        let reason = "again".to_owned();
        world.ana(&incident, &Action::Reopen { reason });
        world.until_column(&sys_id, "state", "2").await.unwrap();
        world.settled().await.unwrap();
    }
}

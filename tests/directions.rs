//! What goes which way, and what becomes of states, texts and comments that do
//! not fit.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::Progress;
use simulators::flashduty::Severity;
use simulators::flashduty::Status;
use simulators::servicenow;
use support::Setting;
use support::World;

#[tokio::test(flavor = "multi_thread")]
async fn to_servicenow_writes_nothing_but_the_link_to_flashduty() {
    let setting = Setting {
        direction: "to-servicenow",
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    let mut writes = world.writes();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.beth(&sys_id, &[("urgency", "3"), ("comments", "on it")]);
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    let severity = world
        .flashduty
        .simulator()
        .incident(&incident)
        .map(|i| i.severity);
    assert_eq!(severity, Some(Severity::Critical));
    assert!(
        !world
            .comments(&incident)
            .iter()
            .any(|comment| comment.contains("on it"))
    );
    assert_eq!(writes.in_flashduty(), ["POST /incident/comment"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_servicenow_sends_no_incident_of_flashdutys() {
    let setting = Setting {
        direction: "from-servicenow",
        ..Setting::default()
    };
    let world = World::start(setting).await.unwrap();
    let mut writes = world.writes();
    world.alert("stays here", Status::Critical);
    let sys_id = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let incident = world.until_incident("VPN down").await.unwrap();
    world.beth(&sys_id, &[("state", "2")]);
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
    // The link to Flashduty.
    let link = format!("PATCH /api/now/table/incident/{sys_id}");
    assert_eq!(writes.in_servicenow(), [link]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_for_each_direction_brings_nothing_back() {
    let setting = Setting {
        direction: "to-servicenow",
        ..Setting::default()
    };
    let mut world = World::start(setting.clone()).await.unwrap();
    let (payments, search) = (flashduty::PAYMENTS, flashduty::SEARCH);
    let out = std::fs::read_to_string(world.configuration()).unwrap();
    let (_, back) = out.split_once("[[integration]]").unwrap();
    let back = back
        .replace("\"demo\"", "\"back\"")
        .replace("to-servicenow", "from-servicenow")
        .replace(&payments.to_string(), &search.to_string());
    let out = out.replace(&payments.to_string(), &format!("{payments}, {search}"));
    let both = format!(
        "{out}\n[[webhook]]\npath = \"/servicenow/back\"\n{}\n\n[[integration]]{back}",
        setting.servicenow_proof
    );
    world.restart_with(&both).await.unwrap();
    world.connect(&setting);
    let address = world.webhook_url("servicenow").replace("demo", "back");
    let mut rule = servicenow::BusinessRule::to(address);
    let bearer = format!("Bearer {}", support::world::SERVICENOW_TOKEN);
    rule.headers = vec![("authorization".into(), bearer)];
    rule.delay_ms = setting.business_rule_delay_ms;
    world
        .servicenow
        .poke(|s, _| s.options_mut().business_rule = Some(rule));
    world.settled().await.unwrap();
    // What begins in the second in which the new integration first looked waits.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;

    let incident = world.alert("disk full", Status::Critical);
    world.until_record(&incident).await.unwrap();
    world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    let records = world.servicenow.simulator().incidents().count();
    let incidents = world.flashduty.simulator().incidents().count();
    assert_eq!((records, incidents), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_hold_is_snoozed_and_back_again() {
    let world = World::start(Setting::default()).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    world.beth(&sys_id, &[("state", "3"), ("hold_reason", "1")]);
    let snoozed = |w: &World| {
        let flashduty = w.flashduty.simulator();
        flashduty
            .incident(&incident)
            .filter(|i| i.snoozed_before > 0)
            .map(|i| i.snoozed_before)
    };
    let until = world.until("it is snoozed", snoozed).await.unwrap();
    let minutes = (until * 1000).saturating_sub(world.flashduty.now_ms()) / 60_000;
    assert!((118..=120).contains(&minutes), "{minutes}");
    world.settled().await.unwrap();
    world.ana(&incident, &Action::Wake);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.ana(&incident, &Action::Snooze { minutes: 30 });
    world.until_column(&sys_id, "state", "3").await.unwrap();
    assert_eq!(world.column(&sys_id, "hold_reason"), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_incident_is_reopened_on_the_other_side() {
    let world = World::start(Setting::default()).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    let resolution = Some("grew the volume".to_owned());
    world.ana(
        &incident,
        &Action::Resolve {
            root_cause: None,
            resolution,
        },
    );
    world.until_column(&sys_id, "state", "6").await.unwrap();
    assert_eq!(world.column(&sys_id, "close_notes"), "grew the volume");
    world.settled().await.unwrap();
    world.ana(
        &incident,
        &Action::Reopen {
            reason: "full again".into(),
        },
    );
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    let progress = world
        .flashduty
        .simulator()
        .incident(&incident)
        .map(|i| i.progress);
    assert_eq!(
        progress,
        Some(Progress::Triggered),
        "nobody has taken it yet"
    );
    world.beth(
        &sys_id,
        &[
            ("state", "6"),
            ("close_code", "User error"),
            ("close_notes", "n/a"),
        ],
    );
    world
        .until_progress(&incident, Progress::Closed)
        .await
        .unwrap();
    world.settled().await.unwrap();
    world.beth(&sys_id, &[("state", "2")]);
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_journal_loses_no_comment_to_a_webhook_that_came_too_early() {
    let servicenow = servicenow::Options {
        hide_journal: true,
        ..Default::default()
    };
    let world = World::start(Setting {
        servicenow,
        ..Setting::default()
    })
    .await
    .unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.options_mut().business_rule = None);
    world.beth(&sys_id, &[("comments", "the first")]);
    // Sent before the comment was written, worked on after it.
    for comments in ["", "the first", "the first"] {
        let body = json!({ "sys_id": sys_id, "comments": comments });
        assert_eq!(world.servicenow_sends(&body).await.status, 200);
        world.settled().await.unwrap();
    }
    let comments = world.comments(&incident);
    let carried = comments.iter().filter(|c| c.contains("the first"));
    assert_eq!(carried.count(), 1, "{comments:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_user_in_servicenow_the_labels_of_webhooks_are_the_source() {
    let world = World::start(Setting {
        direction: "from-servicenow",
        servicenow_access: false,
        ..Setting::default()
    })
    .await
    .unwrap();
    let mut writes = world.writes();
    let sys_id = world.abel_opens(&[
        ("short_description", "VPN down"),
        ("urgency", "2"),
        ("comments", "please hurry"),
    ]);
    let incident = world.until_incident("VPN down").await.unwrap();
    world
        .until_severity(&incident, Severity::Warning)
        .await
        .unwrap();
    world.beth(&sys_id, &[("state", "2"), ("urgency", "1")]);
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
    world
        .until_severity(&incident, Severity::Critical)
        .await
        .unwrap();
    world.settled().await.unwrap();
    // A script that leaves the state out says nothing about it.
    let body = json!({ "sys_id": sys_id, "short_description": "VPN down in Shanghai" });
    assert_eq!(world.servicenow_sends(&body).await.status, 200);
    assert_eq!(
        world.until_incident("VPN down in Shanghai").await.unwrap(),
        incident
    );
    world.settled().await.unwrap();
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
    let comments = world.comments(&incident);
    let carried = comments.iter().filter(|c| c.contains("please hurry"));
    assert_eq!(carried.count(), 1, "{comments:?}");
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
    assert_eq!(writes.in_servicenow(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_to_flashduty_the_webhook_is_the_source() {
    let world = World::start(Setting {
        direction: "to-servicenow",
        flashduty_access: false,
        ..Setting::default()
    })
    .await
    .unwrap();
    let mut writes = world.writes();
    let incident = world.alert("disk full", Status::Warning);
    let sys_id = world.until_record(&incident).await.unwrap();
    assert_eq!(world.column(&sys_id, "urgency"), "2");
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    let resolution = Some("grew the volume".to_owned());
    world.ana(
        &incident,
        &Action::Resolve {
            root_cause: None,
            resolution,
        },
    );
    world.until_column(&sys_id, "state", "6").await.unwrap();
    assert_eq!(world.column(&sys_id, "close_notes"), "grew the volume");
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
    assert_eq!(writes.in_flashduty(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_record_is_final_and_is_told_of_a_reopening() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let closing = [
        ("state", "7"),
        ("close_code", "User error"),
        ("close_notes", "it was nothing"),
    ];
    let closed = world
        .servicenow
        .poke(|s, now| s.update_incident("admin", &sys_id, &closing, now));
    closed.unwrap();
    world
        .until_progress(&incident, Progress::Closed)
        .await
        .unwrap();
    world.settled().await.unwrap();
    let mut writes = world.writes();
    let reason = "not so sure".to_owned();
    world.ana(&incident, &Action::Reopen { reason });
    world.ana(&incident, &Action::Acknowledge);
    world.settled().await.unwrap();
    assert_eq!(world.column(&sys_id, "state"), "7");
    assert_eq!(writes.in_servicenow().len(), 1);
    let notes = world.journal(&sys_id, "work_notes");
    let told = notes
        .iter()
        .filter(|n| n.starts_with("Reopened in Flashduty."))
        .count();
    assert_eq!(told, 1, "{notes:?}");
    // Nor is Flashduty's incident closed again behind Ana's back.
    assert_eq!(writes.in_flashduty(), [""; 0]);
    let work = world.host.as_ref().unwrap().gateway().status().work;
    assert_eq!((work.waiting, work.parked), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_is_too_long_is_cut_and_then_left_alone() {
    let world = World::start(Setting::default()).await.unwrap();
    let title = "disk full ".repeat(40);
    let incident = world.alert(title.trim(), Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    let short = world.column(&sys_id, "short_description");
    assert_eq!(short.chars().count(), 160);
    assert!(short.starts_with("disk full ") && short.ends_with('…'));
    world.settled().await.unwrap();
    let mut writes = world.writes();
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.beth(&sys_id, &[("urgency", "2")]);
    world
        .until_severity(&incident, Severity::Warning)
        .await
        .unwrap();
    world.settled().await.unwrap();
    let flashduty = world.flashduty.simulator();
    assert_eq!(flashduty.incident(&incident).unwrap().title, title.trim());
    assert_eq!(writes.in_servicenow().len(), 1);
    assert_eq!(writes.in_flashduty(), ["POST /incident/reset"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_of_both_sides_cross_once_and_do_not_come_back() {
    let world = World::start(Setting::default()).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    for n in 0..3 {
        world.ana_comments(&incident, &format!("from Flashduty {n}"));
        world.beth(&sys_id, &[("comments", &format!("from ServiceNow {n}"))]);
    }
    let count = |texts: Vec<String>, part: &str| texts.iter().filter(|t| t.contains(part)).count();
    for n in 0..3 {
        let (f, s) = (
            format!("from Flashduty {n}"),
            format!("from ServiceNow {n}"),
        );
        world
            .until("both are carried", |w| {
                let there =
                    count(w.journal(&sys_id, "work_notes"), &f) + count(w.comments(&incident), &s);
                (there == 2).then_some(())
            })
            .await
            .unwrap();
    }
    world.settled().await.unwrap();
    for n in 0..3 {
        assert_eq!(
            count(world.comments(&incident), &format!("from Flashduty {n}")),
            1
        );
        assert_eq!(
            count(
                world.journal(&sys_id, "comments"),
                &format!("from ServiceNow {n}")
            ),
            1
        );
        assert_eq!(
            count(world.comments(&incident), &format!("from ServiceNow {n}")),
            1
        );
        assert_eq!(
            count(
                world.journal(&sys_id, "work_notes"),
                &format!("from Flashduty {n}")
            ),
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_snooze_is_watched_whatever_comes_in_between() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    world.ana(&incident, &Action::Snooze { minutes: 10 });
    world.until_column(&sys_id, "state", "3").await.unwrap();
    // ServiceNow's webhook about our own On Hold says nothing of the deadline.
    world.settled().await.unwrap();
    let work = world
        .admin("/work", Some(support::world::ADMIN_TOKEN))
        .await
        .json();
    let item = &work["work"][0];
    assert_eq!(item["reasons"][0], "snooze ends", "{work}");
    let minutes = item["due_ms"]
        .as_u64()
        .unwrap()
        .saturating_sub(world.flashduty.now_ms())
        / 60_000;
    assert!((9..=10).contains(&minutes), "{minutes}");
}

//! How incidents end, come back, merge and vanish, and what that does on the
//! other side.
#![allow(clippy::unwrap_used)]

use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::Assignment;
use simulators::flashduty::Merge;
use simulators::flashduty::MergeEvent;
use simulators::flashduty::Progress;
use simulators::flashduty::Status;
use simulators::servicenow::Fault;
use simulators::servicenow::Span;
use simulators::servicenow::Target;
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

async fn pair(setting: Setting) -> (World, String, String) {
    let world = World::start(setting).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    (world, incident, sys_id)
}

/// Closes a record for good, as an administrator may.
async fn close(world: &World, incident: &str, sys_id: &str) {
    let closing = [
        ("state", "7"),
        ("close_code", "User error"),
        ("close_notes", "it was nothing"),
    ];
    let closed = world
        .servicenow
        .poke(|s, now| s.update_incident("admin", sys_id, &closing, now));
    closed.unwrap();
    world
        .until_progress(incident, Progress::Closed)
        .await
        .unwrap();
    world.settled().await.unwrap();
}

fn resolve(world: &World, incident: &str, resolution: &str) {
    let action = Action::Resolve {
        root_cause: None,
        resolution: Some(resolution.into()),
    };
    world.ana(incident, &action);
}

fn reopen(world: &World, incident: &str) {
    let reason = "not so sure".to_owned();
    world.ana(incident, &Action::Reopen { reason });
}

/// The records that took the place of the first one of an incident.
fn successors(world: &World, incident: &str, generation: u32) -> Vec<String> {
    let correlation = format!("flashduty:demo:{incident}:{generation}");
    let servicenow = world.servicenow.simulator();
    let records = servicenow.incidents();
    records
        .filter(|r| r.get("correlation_id") == Some(&correlation))
        .map(|r| r["sys_id"].clone())
        .collect()
}

async fn until_successor(world: &World, incident: &str, generation: u32) -> String {
    world
        .until("a new record takes its place", |w| {
            successors(w, incident, generation).pop()
        })
        .await
        .unwrap()
}

fn notes_with(world: &World, sys_id: &str, part: &str) -> usize {
    let notes = world.journal(sys_id, "work_notes");
    notes.iter().filter(|note| note.contains(part)).count()
}

fn comments_with(world: &World, incident: &str, part: &str) -> usize {
    let comments = world.comments(incident);
    comments.iter().filter(|c| c.contains(part)).count()
}

/// A recurring alert kept updating the closed ticket, elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn reopen_new_lets_a_new_record_take_the_place_of_a_closed_one() {
    let setting = with("closing = { reopen = \"new\" }");
    let (world, incident, old) = pair(setting).await;
    world.ana_comments(&incident, "the first time");
    world.settled().await.unwrap();
    close(&world, &incident, &old).await;
    reopen(&world, &incident);
    let new = until_successor(&world, &incident, 2).await;
    world.settled().await.unwrap();

    let number = world.column(&new, "number");
    assert_eq!(world.column(&old, "state"), "7");
    assert_eq!(notes_with(&world, &old, &number), 1);
    assert_eq!(notes_with(&world, &new, &incident), 1);
    assert_eq!(comments_with(&world, &incident, &number), 1);
    assert_eq!(world.column(&new, "short_description"), "disk full");
    assert_eq!(world.column(&new, "state"), "1");
    assert_eq!(notes_with(&world, &new, "the first time"), 0);

    // The pair goes on with the new record, and the old one is left alone.
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&new, "state", "2").await.unwrap();
    world.beth(&new, &[("comments", "here again")]);
    world
        .until("the comment crosses", |w| {
            (comments_with(w, &incident, "here again") == 1).then_some(())
        })
        .await
        .unwrap();
    let late = [("comments", "still here?"), ("short_description", "old")];
    let changed = world
        .servicenow
        .poke(|s, now| s.update_incident("admin", &old, &late, now));
    changed.unwrap();
    world.settled().await.unwrap();
    assert_eq!(comments_with(&world, &incident, "still here?"), 0);
    assert_eq!(world.column(&new, "short_description"), "disk full");

    // And a third, when the second is over.
    close(&world, &incident, &new).await;
    reopen(&world, &incident);
    let third = until_successor(&world, &incident, 3).await;
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&third, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
    assert_eq!(world.servicenow.simulator().incidents().count(), 3);
    let mut world = world;
    let keys = world.stored_keys().await.unwrap();
    assert!(!keys.iter().any(|key| key.starts_with("hint.")), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reopen_new_works_for_an_incident_that_was_born_in_servicenow() {
    let world = World::start(with("closing = { reopen = \"new\" }"))
        .await
        .unwrap();
    let old = world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let incident = world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    close(&world, &incident, &old).await;
    reopen(&world, &incident);
    let new = until_successor(&world, &incident, 2).await;
    world.settled().await.unwrap();
    let number = world.column(&new, "number");
    assert_eq!(notes_with(&world, &old, &number), 1);
    assert_eq!(comments_with(&world, &incident, &number), 1);
    let description = world.column(&new, "description");
    assert!(!description.contains("[snow:"), "{description}");
    world.beth(&new, &[("urgency", "2"), ("state", "2")]);
    world
        .until_severity(&incident, flashduty::Severity::Warning)
        .await
        .unwrap();
    world
        .until_progress(&incident, Progress::Processing)
        .await
        .unwrap();
    let late = [("comments", "still here?")];
    let changed = world
        .servicenow
        .poke(|s, now| s.update_incident("admin", &old, &late, now));
    changed.unwrap();
    world.settled().await.unwrap();
    assert_eq!(comments_with(&world, &incident, "still here?"), 0);
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
    assert_eq!(world.servicenow.simulator().incidents().count(), 2);
    let mut world = world;
    let keys = world.stored_keys().await.unwrap();
    assert!(!keys.iter().any(|key| key.starts_with("hint.")), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_point_of_a_replacement_leaves_one_new_record_and_one_note() {
    let setting = with("closing = { reopen = \"new\" }");
    for pause_ms in [0, 50, 100, 150, 200, 250, 300, 350] {
        let (mut world, incident, old) = pair(setting.clone()).await;
        close(&world, &incident, &old).await;
        // Each answer takes its time, so that there is something to interrupt.
        world
            .servicenow
            .poke(|s, _| s.faults().answer(Fault::Slow(40), Span::Always));
        reopen(&world, &incident);
        world
            .until("the work has begun", |w| {
                let work = w.host.as_ref()?.gateway().status().work;
                (work.running > 0).then_some(())
            })
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        world.crash_and_restart(&setting).await.unwrap();
        world.servicenow.poke(|s, _| s.faults().clear());
        let new = until_successor(&world, &incident, 2).await;
        world.ana(&incident, &Action::Acknowledge);
        world.settled().await.unwrap();
        assert_eq!(successors(&world, &incident, 2).len(), 1, "{pause_ms}");
        let told = notes_with(&world, &old, &world.column(&new, "number"));
        if world.host.as_ref().unwrap().gateway().status().work.waiting == 0 {
            assert_eq!(told, 1, "{pause_ms}");
            assert_eq!(world.column(&new, "state"), "2", "{pause_ms}");
        } else {
            // The crash fell between the note and its answer, which is waited
            // for in full, and longer than a test can.
            let work = world.admin("/work", Some(ADMIN_TOKEN)).await.json();
            let why = work["work"][0]["last_failure"].as_str().unwrap();
            assert_eq!(why, "a comment whose answer was lost may still appear");
            assert!(told <= 1, "{pause_ms}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_successor() {
    let (world, incident, old) = pair(with("closing = { reopen = \"new\" }")).await;
    close(&world, &incident, &old).await;
    let post = Target {
        method: Some("POST".into()),
        path: None,
    };
    world.servicenow.poke(|s, _| {
        s.faults()
            .answer_to(post, Fault::ClosedAfterCommit, Span::Next(1));
    });
    reopen(&world, &incident);
    let new = until_successor(&world, &incident, 2).await;
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&new, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.servicenow.simulator().incidents().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn reopen_new_reopens_what_can_be_reopened_unless_it_is_too_old() {
    for (days, replaced) in [(1, false), (0, true)] {
        let closing = format!("closing = {{ reopen = \"new\", reopen-within-days = {days} }}");
        let (world, incident, sys_id) = pair(with(&closing)).await;
        resolve(&world, &incident, "grew the volume");
        world.until_column(&sys_id, "state", "6").await.unwrap();
        world.settled().await.unwrap();
        // Times are in whole seconds.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        reopen(&world, &incident);
        if replaced {
            until_successor(&world, &incident, 2).await;
            world.settled().await.unwrap();
            assert_eq!(world.column(&sys_id, "state"), "6");
        } else {
            world.until_column(&sys_id, "state", "2").await.unwrap();
            world.settled().await.unwrap();
            assert_eq!(world.servicenow.simulator().incidents().count(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_not_to_be_reopened_is_told_once() {
    for closing in [
        "closing = { reopen = \"note\" }",
        "closing = { reopen-within-days = 0 }",
    ] {
        let (world, incident, sys_id) = pair(with(closing)).await;
        resolve(&world, &incident, "grew the volume");
        world.until_column(&sys_id, "state", "6").await.unwrap();
        world.settled().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        reopen(&world, &incident);
        world.ana(&incident, &Action::Acknowledge);
        world.settled().await.unwrap();
        assert_eq!(world.column(&sys_id, "state"), "6", "{closing}");
        assert_eq!(notes_with(&world, &sys_id, "Reopened in Flashduty."), 1);
        assert_eq!(world.servicenow.simulator().incidents().count(), 1);
    }
}

/// Some want the recovery as a comment only, not as a resolve.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_in_flashduty_can_be_a_note_or_nothing_in_servicenow() {
    for (ending, notes) in [("comment", 1), ("ignore", 0)] {
        let closing = format!("closing = {{ to-servicenow = \"{ending}\" }}");
        let (world, incident, sys_id) = pair(with(&closing)).await;
        resolve(&world, &incident, "grew the volume");
        world.settled().await.unwrap();
        assert_eq!(world.column(&sys_id, "state"), "1", "{ending}");
        // Close notes were written to incidents that were not closing, elsewhere.
        assert_eq!(world.column(&sys_id, "close_code"), "");
        assert_eq!(world.column(&sys_id, "close_notes"), "");
        let told = notes_with(&world, &sys_id, "Closed in Flashduty.\ngrew the volume");
        assert_eq!(told, notes, "{ending}");
        // Other fields go on.
        world.beth(&sys_id, &[("urgency", "3")]);
        world
            .until_severity(&incident, flashduty::Severity::Info)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_in_servicenow_can_be_a_comment_or_nothing_in_flashduty() {
    for (ending, comments) in [("comment", 1), ("ignore", 0)] {
        let closing = format!("closing = {{ from-servicenow = \"{ending}\" }}");
        let (world, incident, sys_id) = pair(with(&closing)).await;
        let fields = [
            ("state", "6"),
            ("close_code", "User error"),
            ("close_notes", "it was nothing"),
        ];
        world.beth(&sys_id, &fields);
        world.settled().await.unwrap();
        world
            .until_progress(&incident, Progress::Triggered)
            .await
            .unwrap();
        let told = comments_with(&world, &incident, "Resolved in ServiceNow.\nit was nothing");
        assert_eq!(told, comments, "{ending}");
        assert_eq!(world.column(&sys_id, "state"), "6");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_an_incident_that_was_merged_is_resolved_and_names_the_target() {
    for merge_event in [MergeEvent::Target, MergeEvent::Sources] {
        let mut setting = Setting::default();
        setting.flashduty.merge_event = merge_event;
        let (world, source, sys_id) = pair(setting).await;
        let target = world.alert("the whole rack is down", Status::Critical);
        let target_id = world.until_record(&target).await.unwrap();
        world.settled().await.unwrap();
        let merge = Merge {
            source_incident_ids: vec![source.clone()],
            ..Merge::default()
        };
        world.ana(&target, &Action::Merge(merge.clone()));
        world.until_column(&sys_id, "state", "6").await.unwrap();
        // Told again, it is not written again.
        world.ana(&target, &Action::Merge(merge));
        world.settled().await.unwrap();
        let number = world.column(&target_id, "number");
        let text = format!("Merged into Flashduty incident \"the whole rack is down\" ({number}).");
        assert_eq!(notes_with(&world, &sys_id, &text), 1, "{merge_event:?}");
        assert_eq!(notes_with(&world, &target_id, "Merged"), 0);
        assert_ne!(world.column(&target_id, "state"), "6");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_that_is_given_to_somebody_else_is_new_again() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    world.ana(&incident, &Action::Acknowledge);
    world.until_column(&sys_id, "state", "2").await.unwrap();
    world.settled().await.unwrap();
    let assignment = Assignment {
        person_ids: vec![flashduty::BO],
        ..Assignment::default()
    };
    world.ana(&incident, &Action::Assign(assignment));
    world.until_column(&sys_id, "state", "1").await.unwrap();
    world.settled().await.unwrap();
    world
        .until_progress(&incident, Progress::Triggered)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawing_the_acknowledgement_makes_the_record_new_and_waking_it_takes_it_off_hold() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    for (action, state) in [
        (Action::Acknowledge, "2"),
        (Action::Unacknowledge, "1"),
        (Action::Snooze { minutes: 1440 }, "3"),
        (Action::Wake, "1"),
    ] {
        world.ana(&incident, &action);
        world.until_column(&sys_id, "state", state).await.unwrap();
        world.settled().await.unwrap();
    }
}

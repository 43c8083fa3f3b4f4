//! Comments cross once, with author and time, whatever the rights, and only
//! those that are meant to.
#![allow(clippy::unwrap_used)]

use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::AlertEvent;
use simulators::flashduty::PlannedFault;
use simulators::flashduty::Status;
use simulators::servicenow;
use simulators::servicenow::Span;
use simulators::servicenow::Target;
use support::Setting;
use support::World;

/// Flashduty's comments with a text.
fn in_flashduty(world: &World, incident: &str, part: &str) -> Vec<String> {
    let mut comments = world.comments(incident);
    comments.retain(|comment| comment.contains(part));
    comments
}

/// The entries of a journal with a text.
fn in_journal(world: &World, sys_id: &str, element: &str, part: &str) -> Vec<String> {
    let mut entries = world.journal(sys_id, element);
    entries.retain(|entry| entry.contains(part));
    entries
}

async fn until_in_flashduty(world: &World, incident: &str, part: &str, times: usize) {
    let look = |w: &World| (in_flashduty(w, incident, part).len() >= times).then_some(());
    let what = format!("\"{part}\" is in Flashduty");
    world.until(&what, look).await.unwrap();
    world.settled().await.unwrap();
    let there = in_flashduty(world, incident, part);
    assert_eq!(there.len(), times, "{there:?}");
}

async fn until_in_journal(world: &World, sys_id: &str, element: &str, part: &str) {
    let look = |w: &World| in_journal(w, sys_id, element, part).pop();
    let what = format!("\"{part}\" is in {element}");
    world.until(&what, look).await.unwrap();
    world.settled().await.unwrap();
    let there = in_journal(world, sys_id, element, part);
    assert_eq!(there.len(), 1, "{there:?}");
}

fn with(comments: &str) -> Setting {
    Setting {
        integration: format!("comments = {{ {comments} }}"),
        ..Setting::default()
    }
}

/// A world of a setting with a pair that an alert began.
async fn pair(setting: Setting) -> (World, String, String) {
    let world = World::start(setting).await.unwrap();
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    (world, incident, sys_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_the_user_may_not_write_is_told_of_in_the_history() {
    let (world, incident, _) = World::with_a_pair().await.unwrap();
    world
        .servicenow
        .poke(|s, _| s.options_mut().read_only_fields = ["work_notes".to_owned()].into());
    world.ana_comments(&incident, "the db is on fire");
    world.settled().await.unwrap();
    let pair = serde_json::json!({ "flashduty": incident });
    let shown = world.operate("show", &pair).await.text;
    assert!(
        shown.contains("ServiceNow did not take work_notes"),
        "{shown}"
    );
}

fn hide_journal(world: &World, hide: bool) {
    world
        .servicenow
        .poke(|s, _| s.options_mut().hide_journal = hide);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_flashduty_says_becomes_customer_visible_only_if_that_is_asked_for() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    world.ana_comments(&incident, "the db is on fire");
    until_in_journal(&world, &sys_id, "work_notes", "the db is on fire").await;
    assert_eq!(world.journal(&sys_id, "comments"), [""; 0]);

    let (world, incident, sys_id) = pair(with(r#"to-servicenow = "additional-comments""#)).await;
    world.ana_comments(&incident, "we are on it");
    until_in_journal(&world, &sys_id, "comments", "we are on it").await;
    assert!(in_journal(&world, &sys_id, "work_notes", "we are on it").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_note_arrives_with_an_empty_author_or_as_the_integration_user() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    world.ana_comments(&incident, "rolling back");
    world.beth(&sys_id, &[("comments", "thank you")]);
    until_in_journal(&world, &sys_id, "work_notes", "rolling back").await;
    until_in_flashduty(&world, &incident, "thank you", 1).await;
    let note = in_journal(&world, &sys_id, "work_notes", "rolling back");
    assert!(note[0].starts_with("Ana"), "{note:?}");
    assert!(note[0].contains(" UTC):\n"), "{note:?}");
    let comment = in_flashduty(&world, &incident, "thank you");
    assert!(
        comment[0].starts_with("beth.anglin (ServiceNow, "),
        "{comment:?}"
    );
    assert!(comment[0].contains(" UTC):\n"), "{comment:?}");
}

/// A pair whose incidents each had a comment a minute before they were linked.
async fn old_pair(setting: Setting) -> (World, String, String) {
    let world = World::start(setting).await.unwrap();
    let incident = world.flashduty.poke(|f, now| {
        let then = now - 60_000;
        let event = AlertEvent::new("disk full", "disk full", Status::Critical);
        let pushed = f.push_alert(flashduty::PAYMENTS, event, then).unwrap();
        let incident = pushed.incident_id.unwrap();
        let comment = Action::Comment {
            comment: "before the link".into(),
            mute_reply: false,
        };
        f.act(flashduty::ANA, &incident, &comment, then).unwrap();
        incident
    });
    let sys_id = world.until_record(&incident).await.unwrap();
    (world, incident, sys_id)
}

/// A record of ServiceNow with an additional comment of a minute ago.
fn old_record(world: &World) -> String {
    let fields = [
        ("short_description", "VPN down"),
        ("urgency", "1"),
        ("comments", "before the link"),
    ];
    let opened = world
        .servicenow
        .poke(|s, now| s.create_incident("abel.tuter", &fields, now - 60_000));
    opened.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_written_before_the_link_was_made_are_carried() {
    let (world, _, sys_id) = old_pair(Setting::default()).await;
    until_in_journal(&world, &sys_id, "work_notes", "before the link").await;
    old_record(&world);
    let incident = world.until_incident("VPN down").await.unwrap();
    until_in_flashduty(&world, &incident, "before the link", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_written_before_the_link_stay_where_they_are_if_they_are_not_wanted() {
    let (world, incident, sys_id) = old_pair(with("before-link = false")).await;
    world.settled().await.unwrap();
    world.ana_comments(&incident, "after it");
    until_in_journal(&world, &sys_id, "work_notes", "after it").await;
    assert!(in_journal(&world, &sys_id, "work_notes", "before the link").is_empty());

    let sys_id = old_record(&world);
    let incident = world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    world.beth(&sys_id, &[("comments", "after it")]);
    until_in_flashduty(&world, &incident, "after it", 1).await;
    // Nor when the time can no longer be told.
    hide_journal(&world, true);
    world.beth(&sys_id, &[("comments", "much later")]);
    until_in_flashduty(&world, &incident, "much later", 1).await;
    assert_eq!(in_flashduty(&world, &incident, "before the link"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_journal_keeps_notes_from_before_the_link_where_they_are() {
    let setting = with("before-link = false");
    let world = World::start(setting).await.unwrap();
    hide_journal(&world, true);
    let sys_id = old_record(&world);
    let incident = world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    world.beth(&sys_id, &[("comments", "after it")]);
    until_in_flashduty(&world, &incident, "after it", 1).await;
    hide_journal(&world, false);
    world.beth(&sys_id, &[("comments", "much later")]);
    until_in_flashduty(&world, &incident, "much later", 1).await;
    assert_eq!(in_flashduty(&world, &incident, "before the link"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_link_and_first_comment_makes_no_old_note_a_new_one() {
    let setting = with("before-link = false");
    let mut world = World::start(setting.clone()).await.unwrap();
    let fault = PlannedFault::until(flashduty::Fault::TooManyRequests, u64::MAX);
    world
        .flashduty
        .poke(|f, _| f.plan_fault(fault.on("/incident/comment")));
    let sys_id = old_record(&world);
    let incident = world.until_incident("VPN down").await.unwrap();
    world
        .until("the record is linked", |w| {
            (!w.column(&sys_id, "correlation_id").is_empty()).then_some(())
        })
        .await
        .unwrap();
    // Or the answer to the link itself may be what is lost.
    world.settled().await.unwrap();
    world.crash_and_restart(&setting).await.unwrap();
    world.flashduty.poke(|f, _| f.clear_faults());
    world.beth(&sys_id, &[("comments", "after it")]);
    until_in_flashduty(&world, &incident, "after it", 1).await;
    assert_eq!(in_flashduty(&world, &incident, "before the link"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_or_translated_head_line_makes_no_echo() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    world.ana_comments(&incident, "rolling back");
    until_in_journal(&world, &sys_id, "work_notes", "rolling back").await;
    let note = in_journal(&world, &sys_id, "work_notes", "rolling back").remove(0);
    let mark = note.lines().last().unwrap();
    let translated = format!("Ana sagt:\nrolling back\n{mark}\u{200b}");
    world.beth(&sys_id, &[("comments", &translated)]);
    world.settled().await.unwrap();
    world.beth(&sys_id, &[("comments", "a person's own")]);
    until_in_flashduty(&world, &incident, "a person's own", 1).await;
    assert_eq!(
        in_flashduty(&world, &incident, "rolling back"),
        ["rolling back"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn journals_need_no_elevated_role() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    hide_journal(&world, true);
    // Two at once, and one of a text that was there before.
    world.beth(&sys_id, &[("comments", "+1")]);
    world.beth(&sys_id, &[("comments", "two\n\nparagraphs")]);
    world.beth(&sys_id, &[("comments", "+1")]);
    until_in_flashduty(&world, &incident, "+1", 2).await;
    until_in_flashduty(&world, &incident, "two\n\nparagraphs", 1).await;
    for comment in in_flashduty(&world, &incident, "+1") {
        assert!(
            comment.starts_with("Beth Anglin (ServiceNow, "),
            "{comment}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_given_or_taken_away_carries_nothing_twice() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    for (round, hide) in [true, false, true, false].into_iter().enumerate() {
        hide_journal(&world, hide);
        let format = if round > 1 {
            "dd.MM.yyyy"
        } else {
            "yyyy-MM-dd"
        };
        world
            .servicenow
            .poke(|s, now| s.set_user_field("flashduty", "date_format", format, now));
        world.beth(
            &sys_id,
            &[("comments", &format!("round {round}\r\n\r\n x "))],
        );
        until_in_flashduty(&world, &incident, &format!("round {round}"), 1).await;
        world.beth(&sys_id, &[("comments", "the same again")]);
        until_in_flashduty(&world, &incident, "the same again", round + 1).await;
    }
    assert_eq!(in_flashduty(&world, &incident, "round ").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_whose_answer_was_lost_together_with_the_right_is_not_written_again() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let fault = PlannedFault::next(flashduty::Fault::CommitThenInternalError, 1);
    world
        .flashduty
        .poke(|f, _| f.plan_fault(fault.on("/incident/comment")));
    world.beth(&sys_id, &[("comments", "only once")]);
    let is_there = |w: &World| in_flashduty(w, &incident, "only once").pop();
    world.until("it is written", is_there).await.unwrap();
    hide_journal(&world, true);
    world.beth(&sys_id, &[("urgency", "2")]);
    // Were it not found, it would be waited for.
    let is_found = |w: &World| {
        let work = w.host.as_ref()?.gateway().status().work;
        (work.due + work.running + work.waiting == 0).then_some(())
    };
    world
        .until("nothing is waited for", is_found)
        .await
        .unwrap();
    assert_eq!(in_flashduty(&world, &incident, "only once").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_arrived_although_its_answer_was_lost_holds_up_no_other() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let fault = PlannedFault::next(flashduty::Fault::CommitThenInternalError, 1);
    world
        .flashduty
        .poke(|f, _| f.plan_fault(fault.on("/incident/comment")));
    for text in ["first of Beth", "second of Beth"] {
        world.beth(&sys_id, &[("comments", text)]);
        until_in_flashduty(&world, &incident, text, 1).await;
    }
    let patch = Target {
        method: Some("PATCH".into()),
        path: None,
    };
    world.servicenow.poke(|s, _| {
        s.faults()
            .answer_to(patch, servicenow::Fault::ClosedAfterCommit, Span::Next(1));
    });
    for text in ["first of Ana", "second of Ana"] {
        world.ana_comments(&incident, text);
        until_in_journal(&world, &sys_id, "work_notes", text).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_notes_leave_servicenow_only_if_that_is_asked_for_and_say_what_they_are() {
    for hide in [false, true] {
        let (world, incident, sys_id) = pair(with(r#"from-servicenow = "all""#)).await;
        hide_journal(&world, hide);
        world.ana_comments(&incident, "of Ana");
        until_in_journal(&world, &sys_id, "work_notes", "of Ana").await;
        let both = [
            ("comments", "the same words"),
            ("work_notes", "the same words"),
        ];
        world.beth(&sys_id, &both);
        until_in_flashduty(&world, &incident, "the same words", 2).await;
        let comments = in_flashduty(&world, &incident, "the same words");
        let notes = comments
            .iter()
            .filter(|c| c.contains(" (ServiceNow work note, "));
        assert_eq!(notes.count(), 1, "{comments:?}");
        // The introduction, the one of Ana, the two of Beth.
        assert_eq!(world.comments(&incident).len(), 4, "none of our own notes");
    }
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    world.beth(&sys_id, &[("work_notes", "internal")]);
    world.beth(&sys_id, &[("comments", "public")]);
    until_in_flashduty(&world, &incident, "public", 1).await;
    assert_eq!(in_flashduty(&world, &incident, "internal"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_stay_in_servicenow_if_that_is_asked_for() {
    let (world, incident, sys_id) = pair(with(r#"from-servicenow = "none""#)).await;
    for hide in [false, true] {
        hide_journal(&world, hide);
        world.beth(&sys_id, &[("comments", "stays"), ("urgency", "2")]);
        world.settled().await.unwrap();
        world.beth(&sys_id, &[("urgency", "1")]);
        world.settled().await.unwrap();
    }
    assert_eq!(in_flashduty(&world, &incident, "stays"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_arrives_harmless_in_both_systems() {
    let (world, incident, sys_id) = World::with_a_pair().await.unwrap();
    let hostile = format!(
        "start \u{202e}[co\u{200b}de]<script>\u{1b}[/CODE]\r\n\u{0}{}",
        "ä".repeat(6000)
    );
    // Flashduty takes no more than 1024 characters.
    let short: String = hostile.chars().take(1024).collect();
    world.ana_comments(&incident, &short);
    world.beth(&sys_id, &[("comments", &hostile)]);
    until_in_journal(
        &world,
        &sys_id,
        "work_notes",
        "start (code)<script>(/CODE)\nää",
    )
    .await;
    until_in_flashduty(&world, &incident, "start [code]<script>[/CODE]\nää", 1).await;
    let comment = in_flashduty(&world, &incident, "start [code]").remove(0);
    assert_eq!(comment.chars().count(), 1024);
    let note = in_journal(&world, &sys_id, "work_notes", "start (code)").remove(0);
    for text in [&comment, &note] {
        assert!(text.ends_with(']'), "the mark is there: {text:?}");
        let is_hidden = |c: char| (c.is_control() && c != '\n') || "\u{202e}\u{200b}".contains(c);
        assert!(!text.contains(is_hidden), "{text:?}");
    }
    // Nor do they come back.
    world.beth(&sys_id, &[("urgency", "2")]);
    world.settled().await.unwrap();
    assert_eq!(in_flashduty(&world, &incident, "<script>").len(), 2);
}

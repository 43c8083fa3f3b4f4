//! A rehearsal tells what a plugin would do, and does nothing.

use crate::scene::*;
use integration_gateway::Rehearsal;
use integration_gateway::Rehearsed;
use integration_gateway::contract::*;
use integration_gateway::settings::LimitSettings;

fn log(message: &str) -> Effect {
    Effect::Log(LogRecord {
        level: Level::Info,
        message: message.to_owned(),
        fields: vec![],
    })
}

async fn rehearse(plugin: &Scripted, limits: &LimitSettings) -> Rehearsed {
    let rehearsal = Rehearsal {
        runtime: plugin,
        configuration: "{}",
        limits,
        supposed: "both hold nothing",
        now_ms: NOW,
    };
    let request = Request {
        method: "POST".to_owned(),
        path: "/hook".to_owned(),
        query: String::new(),
        headers: vec![],
        body: b"{}".to_vec(),
    };
    rehearsal.run(request).await
}

#[tokio::test]
async fn a_request_and_the_work_that_is_due_are_run_and_told_of() {
    let plugin = Scripted::default();
    plugin.next_request(vec![vec![
        write("hint", "x"),
        schedule("pair", 0, "event"),
        schedule("later", NOW + 1, "snooze ends"),
        schedule("pair", 0, "again"),
        respond(200),
    ]]);
    plugin.next(vec![
        vec![Effect::Get(vec!["hint".to_owned()])],
        vec![Effect::Http(get("https://api.example.com/x", Some("key")))],
        vec![log("decided"), finish(Verdict::Done)],
    ]);
    let rehearsed = rehearse(&plugin, &LimitSettings::default()).await;
    assert_eq!(rehearsed.response.unwrap().status, 200);
    assert_eq!(rehearsed.failure, None);
    assert_eq!(rehearsed.logged.len(), 1);
    assert_eq!(rehearsed.work.len(), 1);
    assert_eq!(rehearsed.work[0].key, "pair");
    assert_eq!(rehearsed.work[0].ended, Ok(Verdict::Done));
    assert_eq!(plugin.keys(), ["pair"]);
    let seen = plugin.seen.lock().unwrap();
    let entry = Entry {
        value: b"x".to_vec(),
        revision: 1,
    };
    let refused = HttpFailure::Refused("a rehearsal sends nothing".to_owned());
    assert_eq!(seen[seen.len() - 2], [Reply::Entries(vec![Some(entry)])]);
    assert_eq!(seen[seen.len() - 1], [Reply::Http(Err(refused))]);
}

#[tokio::test]
async fn work_that_schedules_itself_is_run_once() {
    let plugin = Scripted::default();
    plugin.next_request(vec![vec![schedule("pair", 0, "event"), respond(200)]]);
    let again = || vec![vec![schedule("pair", 0, "more"), finish(Verdict::Done)]];
    plugin.next(again());
    plugin.next(again());
    let rehearsed = rehearse(&plugin, &LimitSettings::default()).await;
    assert_eq!(rehearsed.work.len(), 1);
}

#[tokio::test]
async fn a_session_that_goes_over_a_limit_or_traps_is_told_of() {
    let limits = LimitSettings {
        effects: 2,
        ..LimitSettings::default()
    };
    let plugin = Scripted::default();
    plugin.next_request(vec![vec![schedule("pair", 0, "event"), respond(200)]]);
    plugin.next(vec![vec![log("a"), log("b"), log("c")]]);
    let rehearsed = rehearse(&plugin, &limits).await;
    let failed = "the session asked for more than 2 effects (limits.effects)";
    assert_eq!(rehearsed.work[0].ended, Err(failed.to_owned()));
    assert_eq!(rehearsed.logged, []);
}

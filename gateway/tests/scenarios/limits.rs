//! A session that goes over a limit ends; the gateway goes on.

use crate::scene::*;
use integration_gateway::contract::*;

/// Runs one session of work with a small limit, and returns why it failed.
async fn failure(limits: &str, steps: Vec<Vec<Effect>>) -> Option<String> {
    let scene = Scene::with_settings(&format!("{SETTINGS}\n[limits]\n{limits}"));
    failure_in(&scene, steps).await
}

async fn failure_in(scene: &Scene, steps: Vec<Vec<Effect>>) -> Option<String> {
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(steps);
    scene.gateway.run_next().await;
    let page = scene.gateway.work(None).await.unwrap();
    page.work
        .into_iter()
        .next()
        .and_then(|item| item.last_failure)
}

fn done() -> Vec<Effect> {
    vec![finish(Verdict::Done)]
}

#[tokio::test]
async fn effects_are_counted_over_the_whole_session() {
    let step = || vec![write("a", "1"), write("b", "1")];
    assert_eq!(
        failure("effects = 5", vec![step(), step(), done()]).await,
        None
    );
    assert_eq!(
        failure("effects = 4", vec![step(), step(), done()])
            .await
            .unwrap(),
        "the session asked for more than 4 effects (limits.effects)"
    );
}

#[tokio::test]
async fn bytes_are_counted_in_both_directions() {
    let value = "12345678901234567890";
    let out = || vec![write("a", value)];
    assert_eq!(failure("step-bytes = 21", vec![out(), done()]).await, None);
    assert_eq!(
        failure("step-bytes = 20", vec![out(), done()])
            .await
            .unwrap(),
        "one step of the session moved 21 bytes, more than 20 (limits.step-bytes)"
    );
    let back = || vec![Effect::Get(vec!["a".to_owned(); 4])];
    assert_eq!(
        failure("step-bytes = 30", vec![out(), back(), done()])
            .await
            .unwrap(),
        "one step of the session moved 80 bytes, more than 30 (limits.step-bytes)"
    );
}

#[tokio::test]
async fn what_comes_back_is_counted_as_it_comes_and_no_more_is_asked_for() {
    let limits = "step-bytes = 10000\nconcurrency = 8";
    let scene = Scene::with_settings(&format!("{SETTINGS}\n[limits]\n{limits}"));
    let keys = vec!["a".to_owned(); 1000];
    let reads = vec![Effect::Get(keys); 5];
    let value = "v".repeat(100);
    let failed = failure_in(&scene, vec![vec![write("a", &value)], reads, done()]).await;
    assert_eq!(
        failed.unwrap(),
        "one step of the session moved 11200 bytes, more than 10000 (limits.step-bytes)"
    );
    let read = scene.store.keys_read();
    assert!(read < 100 + 8 * 16, "{read}");

    let scene = Scene::with_settings(&format!("{SETTINGS}\n[limits]\n{limits}"));
    scene.far.always(Response {
        body: vec![b'x'; 1000],
        ..response(200)
    });
    let request = Effect::Http(get("https://other.example.com/", None));
    let failed = failure_in(&scene, vec![vec![request; 100], done()]).await;
    let why = failed.unwrap();
    let expected = "bytes, more than 10000 (limits.step-bytes)";
    assert!(why.ends_with(expected), "{why}");
    let sent = scene.far.take_sent().len();
    assert!(sent < 10 + 8, "{sent}");
}

#[tokio::test]
async fn the_reason_of_a_verdict_is_counted_and_kept_no_longer_than_others() {
    let reason = "x".repeat(501);
    let retry = Verdict::Retry(Retry {
        not_before_ms: None,
        counts: true,
        reason: reason.clone(),
    });
    for verdict in [Verdict::Park(reason.clone()), retry] {
        let steps = || vec![vec![finish(verdict.clone())]];
        assert_eq!(
            failure("step-bytes = 501", steps()).await.as_deref(),
            Some(&reason[..500])
        );
        assert_eq!(
            failure("step-bytes = 500", steps()).await.unwrap(),
            "one step of the session moved 501 bytes, more than 500 (limits.step-bytes)"
        );
    }
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene
        .plugin
        .next(vec![vec![finish(Verdict::Park(reason.clone()))]]);
    scene.gateway.run_next().await;
    let page = scene.gateway.work(None).await.unwrap();
    assert_eq!(page.work[0].parked_reason.as_deref(), Some(&reason[..500]));
}

#[tokio::test]
async fn wall_time_ends_a_session_and_bounds_its_requests() {
    let scene = Scene::with_settings(&format!("{SETTINGS}\n[limits]\nsession-seconds = 2"));
    let results = scene
        .exchange(vec![get("https://other.example.com/", None)])
        .await;
    assert!(results[0].is_ok());
    assert_eq!(scene.far.take_sent()[0].timeout_ms, 2000);

    scene.schedule("pair", 0, "event").await;
    let clock = scene.clock.clone();
    let hold = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    *scene.plugin.hold.lock().unwrap() = Some(hold.clone());
    scene
        .plugin
        .next(vec![vec![write("a", "1")], vec![write("never", "1")]]);
    let gateway = scene.gateway.clone();
    let running = tokio::spawn(async move { gateway.run_next().await });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    clock.advance(2001);
    hold.add_permits(1);
    running.await.unwrap();
    let page = scene.gateway.work(None).await.unwrap();
    assert_eq!(
        page.work[0].last_failure.as_deref(),
        Some("the session took longer than 2 s (limits.session-seconds)")
    );
}

#[tokio::test]
async fn a_clock_that_is_set_forward_ends_no_session_and_shortens_no_request() {
    let scene = Scene::with_settings(&format!("{SETTINGS}\n[limits]\nsession-seconds = 2"));
    let request = || Effect::Http(get("https://other.example.com/", None));
    let clock = scene.clock.clone();
    scene.far.then(move || clock.set(NOW + 600_000));
    let failed = failure_in(&scene, vec![vec![request()], vec![request()], done()]).await;
    assert_eq!(failed, None);
    let sent = scene.far.take_sent();
    let timeouts: Vec<u32> = sent.iter().map(|sent| sent.timeout_ms).collect();
    assert_eq!(timeouts, [2000, 2000]);
}

#[tokio::test]
async fn what_the_contract_does_not_know_ends_the_session_before_any_of_the_step() {
    let long = "k".repeat(201);
    let huge = "v".repeat((1 << 20) + 1);
    for (bad, reason) in [
        (
            write("a b", "1"),
            "expected a key of 1 to 200 of A-Z a-z 0-9 . _ -, found \"a b\"",
        ),
        (
            schedule("", 0, "x"),
            "expected a key of 1 to 200 of A-Z a-z 0-9 . _ -, found \"\"",
        ),
        (
            Effect::Get(vec![long.clone()]),
            "expected a key of 1 to 200 of A-Z a-z 0-9 . _ -, found",
        ),
        (
            write("a", &huge),
            "the value for \"a\" is 1048577 bytes long; at most 1048576 are kept",
        ),
        (
            respond(200),
            "the plugin responded in a work session, where nobody is waiting",
        ),
    ] {
        let scene = Scene::new();
        scene.schedule("pair", 0, "event").await;
        let writes = scene.store.writes();
        scene.plugin.next(vec![vec![bad]]);
        scene.gateway.run_next().await;
        let page = scene.gateway.work(None).await.unwrap();
        let failure = page.work[0].last_failure.clone().unwrap();
        assert!(failure.starts_with(reason), "{failure}");
        assert_eq!(
            scene.store.writes(),
            writes + 1,
            "only the outcome was written"
        );
    }
}

#[tokio::test]
async fn nothing_is_carried_out_after_a_verdict() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(vec![
        vec![
            write("before", "1"),
            finish(Verdict::Done),
            write("after", "1"),
        ],
        vec![write("later", "1")],
    ]);
    scene.run_all().await;
    assert_eq!(scene.store.keys().await, ["p.before"]);
}

#[tokio::test]
async fn a_write_whose_precondition_does_not_hold_is_a_reply() {
    let scene = Scene::new();
    let at = |revision| {
        Effect::Write(Write {
            key: "a".to_owned(),
            precondition: Precondition::Revision(revision),
            value: Some(b"x".to_vec()),
        })
    };
    scene.schedule("pair", 0, "event").await;
    scene.plugin.seen.lock().unwrap().clear();
    scene.plugin.next(vec![
        vec![at(0)],
        vec![at(7)],
        vec![write("a", "1")],
        done(),
    ]);
    scene.run_all().await;
    let seen = scene.plugin.seen.lock().unwrap().concat();
    assert!(matches!(
        seen[..],
        [
            Reply::Written(Err(())),
            Reply::Written(Err(())),
            Reply::Written(Ok(_))
        ]
    ));
}

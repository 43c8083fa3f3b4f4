//! Requests to one account keep a pace, over all work and whatever comes in.

use crate::scene::*;
use integration_gateway::Environment;
use integration_gateway::contract::*;
use std::sync::atomic::Ordering;

const API: &str = "https://api.example.com/incident/list";
const OTHER: &str = "https://other.example.com/";

/// The scene's settings with a pace for the credential `key`.
fn paced(pace: &str) -> Scene {
    let credential = "value = { env = \"CANARY_KEY\" }";
    Scene::with_settings(&SETTINGS.replacen(credential, &format!("{credential}\n{pace}"), 1))
}

#[tokio::test]
async fn a_quiet_account_has_a_burst_and_nobody_waits() {
    let scene = paced("pace = { per-minute = 60, burst = 3 }");
    let results = scene.exchange(vec![get(API, Some("key")); 3]).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(scene.clock.now_ms(), NOW);
}

#[tokio::test]
async fn what_has_begun_waits_for_its_turns_and_comes_to_its_end() {
    let scene = paced("pace = { per-minute = 60, burst = 3 }");
    let results = scene.exchange(vec![get(API, Some("key")); 10]).await;
    assert!(results.iter().all(Result::is_ok));
    // Three at once, and seven a second each.
    assert_eq!(scene.clock.now_ms(), NOW + 7000);
}

#[tokio::test]
async fn what_would_wait_long_is_put_off_and_counts_as_no_attempt() {
    let scene = paced("pace = { per-minute = 6, burst = 1 }");
    *scene.plugin.asks.lock().unwrap() = vec![get(API, Some("key"))];
    for key in ["a", "b", "c"] {
        scene.schedule(key, 0, "event").await;
    }
    assert_eq!(scene.run_all().await, 3);
    assert_eq!(scene.far.take_sent().len(), 1);
    let work = scene.gateway.work(None).await.unwrap().work;
    let keys: Vec<_> = work.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys, ["b", "c"]);
    for item in &work {
        assert_eq!((item.state, item.attempt), ("waiting", 0));
    }
    assert_eq!(scene.gateway.status().work.waiting, 2);
    // Whoever runs the work is told when, and in the meantime nothing runs.
    let until = scene.idle_until().await.unwrap();
    assert!((NOW + 8000..=NOW + 10_000).contains(&until), "{until}");
    scene.clock.advance(9000);
    assert_eq!(scene.run_all().await, 1);
    scene.clock.advance(10_000);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.far.take_sent().len(), 2);
    assert_eq!(scene.store.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_slow_account_does_not_slow_another() {
    let scene = paced("pace = { per-minute = 1, burst = 1 }");
    *scene.plugin.asks.lock().unwrap() = vec![get(API, Some("key"))];
    for n in 0..20 {
        scene.schedule(&format!("slow-{n}"), 0, "event").await;
    }
    scene.run_all().await;
    scene.far.take_sent();
    *scene.plugin.asks.lock().unwrap() = vec![get(OTHER, None)];
    for n in 0..20 {
        scene.schedule(&format!("quick-{n}"), 0, "event").await;
    }
    assert_eq!(scene.run_all().await, 20);
    assert_eq!(scene.far.take_sent().len(), 20);
    assert_eq!(scene.clock.now_ms(), NOW);
}

#[tokio::test]
async fn only_so_many_are_under_way_at_a_time() {
    let scene = paced("pace = { per-minute = 60000, burst = 1000, at-once = 2 }");
    scene.ask_together(&get(API, Some("key")), 8).await;
    assert_eq!(scene.far.take_sent().len(), 8, "the others have waited");
    assert_eq!(scene.far.most_at_once.load(Ordering::SeqCst), 2);
}

/// A rate limit that is over in so many seconds.
fn limit(seconds: u32) -> Response {
    Response {
        headers: vec![("retry-after".to_owned(), seconds.to_string())],
        ..response(429)
    }
}

#[tokio::test]
async fn a_rate_limit_halves_the_rate() {
    let scene = paced("pace = { per-minute = 60, burst = 5 }");
    scene.far.next(Ok(limit(1)));
    scene.exchange(vec![get(API, Some("key"))]).await;
    scene.clock.advance(1000);
    // The burst is gone, and each after the probe takes two seconds.
    let results = scene.exchange(vec![get(API, Some("key")); 5]).await;
    assert!(results.iter().all(Result::is_ok));
    let took = scene.clock.now_ms() - NOW - 1000;
    assert!((5000..=8000).contains(&took), "{took}");
}

/// Asks as often at once as there are answers, the last of them in force for four
/// seconds, and then that the rate was halved no more than once.
async fn is_halved_once(answers: [Response; 4]) {
    let scene = paced("pace = { per-minute = 60, burst = 5 }");
    for answer in answers {
        scene.far.next(Ok(answer));
    }
    scene.ask_together(&get(API, Some("key")), 4).await;
    scene.clock.advance(4000);
    let before = scene.clock.now_ms();
    let results = scene.exchange(vec![get(API, Some("key")); 5]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let took = scene.clock.now_ms() - before;
    assert!((4000..=8000).contains(&took), "{took}");
}

#[tokio::test]
async fn several_requests_that_meet_one_rate_limit_halve_the_rate_once() {
    is_halved_once([1, 2, 3, 4].map(limit)).await;
}

#[tokio::test]
async fn a_rate_limit_halves_the_rate_once_if_the_gate_was_closed_for_anything_else() {
    let mut answers = [1, 2, 3, 4].map(limit);
    answers[0].status = 503;
    is_halved_once(answers).await;
}

#[tokio::test]
async fn a_changed_pace_is_in_force_at_once() {
    let scene = paced("pace = { per-minute = 1, burst = 1 }");
    let ask = || vec![get(API, Some("key"))];
    assert!(scene.exchange(ask()).await[0].is_ok());
    let held = scene.exchange(ask()).await.remove(0);
    assert!(matches!(held, Err(HttpFailure::Held(_))), "{held:?}");
    scene.reconfigure(SETTINGS).await;
    assert!(scene.exchange(ask()).await[0].is_ok());
}

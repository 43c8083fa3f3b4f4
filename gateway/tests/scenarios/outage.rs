//! A far end that is down for long, limits for long or rejects the credential:
//! it sees few requests, nothing is given up, and everything is done soon after
//! it is back.

use crate::scene::*;
use futures_util::future::join_all;
use futures_util::future::select;
use integration_gateway::Environment;
use integration_gateway::Next;
use integration_gateway::SendFailure;
use integration_gateway::Store;
use integration_gateway::contract::*;
use std::pin::pin;
use std::sync::atomic::Ordering;

const API: &str = "https://api.example.com/incident/list";
const SNOW: &str = "https://snow.example.com/api/now/table/incident";
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// Lets gateways work side by side, with so many workers each, for so long.
/// Time jumps to when there is something to do, by `grain` at least.
async fn go_on(scenes: &[&Scene], workers: usize, ms: u64, grain: u64) {
    for scene in scenes {
        scene.clock.stands.store(true, Ordering::SeqCst);
    }
    let end = scenes[0].clock.now_ms() + ms;
    let over = || scenes[0].clock.now_ms() >= end;
    let all = scenes.iter().flat_map(|scene| {
        (0..workers).map(|_| async {
            while !over() {
                let alarms = scene.clock.due.lock().unwrap().len();
                let rung = || scene.clock.due.lock().unwrap().len() != alarms;
                if let Next::Idle { until_ms } = scene.gateway.run_next().await {
                    let wait = until_ms.map(|until| until.saturating_sub(scene.clock.now_ms()));
                    let wait = wait.unwrap_or(ms);
                    scene.clock.wait(wait, || rung() || over()).await;
                }
            }
        })
    });
    let work = pin!(join_all(all));
    let time = pin!(async {
        loop {
            // Whoever does not sleep gets on meanwhile.
            for _ in 0..30 {
                tokio::task::yield_now().await;
            }
            let wakes = scenes.iter().filter_map(|scene| scene.clock.next_wake());
            let left = end.saturating_sub(scenes[0].clock.now_ms()).max(1);
            // If nobody sleeps, somebody is busy.
            let step = wakes.min().unwrap_or(grain).max(grain).min(left);
            for scene in scenes {
                scene.clock.advance(step);
            }
        }
    });
    select(work, time).await;
    for scene in scenes {
        scene.clock.stands.store(false, Ordering::SeqCst);
    }
}

async fn alone() -> Scene {
    let scene = Scene::new();
    scene.gateway.recover().await.unwrap();
    scene
}

fn asks(scenes: &[&Scene], requests: &[HttpRequest]) {
    for scene in scenes {
        *scene.plugin.asks.lock().unwrap() = requests.to_vec();
    }
}

async fn schedule(scene: &Scene, count: usize) {
    for n in 0..count {
        scene.schedule(&format!("pair-{n:04}"), 0, "event").await;
    }
}

fn limit(name: &str, value: &str) -> Response {
    Response {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..response(429)
    }
}

/// Nothing was given up, and nothing counts as an attempt.
async fn nothing_is_lost(scene: &Scene, count: usize) {
    let mut after = None;
    let mut found = 0;
    loop {
        let page = scene.gateway.work(after.as_deref()).await.unwrap();
        for item in &page.work {
            assert_eq!((item.attempt, &item.parked_reason), (0, &None), "{item:?}");
        }
        found += page.work.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, count);
}

#[tokio::test]
async fn a_day_of_rejected_credentials_is_few_log_ins_over_all_gateways() {
    let calls = calls_of_a_rejected_day(0).await;
    assert!((100..=150).contains(&calls), "{calls}");
}

#[tokio::test]
async fn a_clock_that_is_ahead_adds_no_more_than_a_log_in_to_each() {
    let calls = calls_of_a_rejected_day(HOUR).await;
    assert!((100..=300).contains(&calls), "{calls}");
}

async fn calls_of_a_rejected_day(ahead_ms: u64) -> usize {
    let (first, second) = Scene::pair().await;
    let both = [&first, &second];
    first.clock.set(NOW + ahead_ms);
    asks(&both, &[get(API, Some("key"))]);
    schedule(&first, 20).await;
    for scene in both {
        scene.far.always(response(401));
    }
    go_on(&both, 8, 24 * HOUR, 60_000).await;
    let calls: Vec<_> = both.map(|scene| scene.far.take_sent().len()).into();
    nothing_is_lost(&first, 20).await;
    for scene in both {
        assert_eq!(scene.gateway.status().closed_gates[0].why, "rejected");
        // What waits for the gate is not run again and again.
        let sessions = scene.plugin.works().len();
        assert!(sessions < 400, "{sessions} sessions");
    }
    calls.iter().sum()
}

#[tokio::test]
async fn a_token_that_opens_nothing_costs_one_log_in_a_probe() {
    let scene = alone().await;
    asks(&[&scene], &[get(SNOW, Some("snow"))]);
    schedule(&scene, 20).await;
    for _ in 0..1000 {
        scene.far.next_json(r#"{"access_token":"CANARY_T1"}"#);
        scene.far.next_status(401);
    }
    // The first request asks for another token, and is rejected again.
    go_on(&[&scene], 1, 24 * HOUR, 1000).await;
    let sent = scene.far.take_sent();
    let log_ins = sent.iter().filter(|s| s.url.ends_with("oauth_token.do"));
    let log_ins = log_ins.count();
    assert!((100..=150).contains(&log_ins), "{log_ins}");
    assert!(sent.len() <= 2 * log_ins + 1, "{}", sent.len());
    nothing_is_lost(&scene, 20).await;
}

#[tokio::test]
async fn a_new_secret_makes_the_waiting_work_due_at_once_at_every_gateway() {
    let (first, second) = Scene::pair().await;
    let both = [&first, &second];
    asks(&both, &[get(API, Some("key"))]);
    schedule(&first, 30).await;
    for scene in both {
        scene.far.always(response(401));
    }
    go_on(&both, 8, HOUR, 5000).await;
    for scene in both {
        scene.far.always(response(200));
        scene.far.take_sent();
    }
    first
        .reconfigure(&SETTINGS.replace("CANARY_KEY", "NEXT_KEY"))
        .await;
    go_on(&both, 8, 3000, 1).await;
    nothing_is_lost(&first, 0).await;
    for scene in both {
        assert_eq!(scene.gateway.status().closed_gates, []);
    }
    assert_eq!(first.store.keys().await, [""; 0]);
}

#[tokio::test]
async fn an_old_secret_that_is_still_on_its_way_closes_nothing() {
    let scene = alone().await;
    scene.schedule("pair", 0, "event").await;
    let request = Effect::Http(get(API, Some("key")));
    scene.plugin.next(vec![vec![request], vec![retry(false)]]);
    let hold = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    *scene.plugin.hold.lock().unwrap() = Some(hold.clone());
    let gateway = scene.gateway.clone();
    let running = tokio::spawn(async move { gateway.run_next().await });
    while scene.plugin.works().is_empty() {
        tokio::task::yield_now().await;
    }
    scene
        .reconfigure(&SETTINGS.replace("CANARY_KEY", "NEXT_KEY"))
        .await;
    scene.far.next_status(401);
    hold.add_permits(1);
    running.await.unwrap();
    assert_eq!(scene.gateway.status().closed_gates, []);
}

#[tokio::test]
async fn a_restart_forgets_no_gate() {
    let scene = alone().await;
    asks(&[&scene], &[get(API, Some("key"))]);
    schedule(&scene, 10).await;
    scene.far.always(limit("retry-after", "3600"));
    go_on(&[&scene], 4, 50 * MINUTE, 1000).await;
    scene.far.take_sent();
    let before = scene.gateway.status().closed_gates;
    let next = scene.restarted().await;
    asks(&[&next], &[get(API, Some("key"))]);
    assert_eq!(next.gateway.status().closed_gates, before);
    assert_eq!(next.run_all().await, 0);
    assert_eq!(next.far.take_sent().len(), 0);
    next.far.always(response(200));
    go_on(&[&next], 4, 11 * MINUTE, 1).await;
    nothing_is_lost(&next, 0).await;
}

#[tokio::test]
async fn a_restart_asks_anew_about_a_credential_once() {
    let scene = alone().await;
    asks(&[&scene], &[get(API, Some("key"))]);
    schedule(&scene, 10).await;
    scene.far.always(response(401));
    go_on(&[&scene], 4, 50 * MINUTE, 1000).await;
    scene.far.take_sent();
    let next = scene.restarted().await;
    asks(&[&next], &[get(API, Some("key"))]);
    next.run_all().await;
    assert_eq!(next.far.take_sent().len(), 1);
    // With another secret everything is done at the next start.
    let again = next.restarted().await;
    asks(&[&again], &[get(API, Some("key"))]);
    again.far.always(response(200));
    assert_eq!(again.run_all().await, 0, "not within the minute");
    go_on(&[&again], 4, MINUTE + 5000, 1).await;
    nothing_is_lost(&again, 0).await;
}

#[tokio::test]
async fn a_process_that_starts_again_and_again_does_not_hammer() {
    let mut scene = alone().await;
    asks(&[&scene], &[get(API, Some("key"))]);
    schedule(&scene, 10).await;
    scene.far.always(response(401));
    for _ in 0..600 {
        scene.run_all().await;
        scene.clock.advance(1000);
        scene = scene.restarted().await;
        asks(&[&scene], &[get(API, Some("key"))]);
    }
    let calls = scene.far.take_sent().len();
    assert!((8..=12).contains(&calls), "{calls} in ten minutes");
}

#[tokio::test]
async fn what_one_gateway_found_out_the_others_go_by() {
    let (first, second) = Scene::pair().await;
    let both = [&first, &second];
    asks(&both, &[get(API, Some("key"))]);
    schedule(&first, 1).await;
    first.far.always(limit("retry-after", "600"));
    first.run_all().await;
    second.clock.advance(2000);
    assert_eq!(second.run_all().await, 0);
    assert_eq!(second.gateway.status().closed_gates[0].why, "limited");
    second.schedule("other", 0, "event").await;
    assert_eq!(second.run_all().await, 1);
    assert_eq!(second.far.take_sent().len(), 0, "it was held back");
    // One of them probes, and both go on.
    second.clock.advance(600_000);
    second.run_all().await;
    assert_eq!(second.gateway.status().closed_gates, []);
    first.clock.advance(602_000);
    first.run_all().await;
    assert_eq!(first.gateway.status().closed_gates, []);
    assert_eq!(first.far.take_sent().len(), 1);
    assert_eq!(first.store.keys().await, [""; 0]);
}

#[tokio::test]
async fn two_gateways_close_a_gate_for_no_longer_because_one_has_a_clock_that_is_ahead() {
    let (first, second) = Scene::pair().await;
    // It does not look around again before its request.
    second.run_all().await;
    first.clock.set(NOW + HOUR);
    for scene in [&first, &second] {
        scene.far.next(Ok(limit("retry-after", "1")));
        scene.exchange(vec![get(API, Some("key"))]).await;
    }
    let closed = second.gateway.status().closed_gates;
    assert_eq!(closed[0].until_ms, NOW + 1000);
    second.clock.advance(1000);
    let answered = second.exchange(vec![get(API, Some("key"))]).await;
    assert!(answered[0].is_ok(), "{answered:?}");
}

#[tokio::test]
async fn only_one_gateway_probes_and_one_that_dies_at_it_is_waited_for() {
    let (first, second) = Scene::pair().await;
    let both = [&first, &second];
    asks(&both, &[get(API, Some("key"))]);
    schedule(&first, 2).await;
    for scene in both {
        scene.far.always(limit("retry-after", "600"));
    }
    go_on(&both, 2, 5000, 1).await;
    for scene in both {
        scene.far.take_sent();
        scene.clock.advance(600_000);
    }
    // It asks, and is gone before it hears the answer.
    let clock = first.clock.clone();
    let gateway = first.gateway.clone();
    let sent = first.far.clone();
    let dying = tokio::spawn(async move { gateway.run_next().await });
    while sent.sent.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    dying.abort();
    let _ = dying.await;
    drop(clock);
    second.run_all().await;
    second.clock.advance(100_000);
    second.run_all().await;
    assert_eq!(second.far.take_sent().len(), 0);
    second.clock.advance(25_000);
    second.run_all().await;
    assert_eq!(second.far.take_sent().len(), 1);
}

#[tokio::test]
async fn a_day_of_rate_limits_is_one_call_for_each_time_that_was_named() {
    let scene = alone().await;
    asks(&[&scene], &[get(API, Some("key"))]);
    schedule(&scene, 200).await;
    scene.far.always(limit("retry-after", "1800"));
    go_on(&[&scene], 8, 24 * HOUR, 1000).await;
    let calls = scene.far.take_sent().len();
    // At first there are as many as go at once.
    assert!((48..=52).contains(&calls), "{calls}");
    nothing_is_lost(&scene, 200).await;
    scene.far.always(response(200));
    go_on(&[&scene], 8, 32 * MINUTE, 1).await;
    nothing_is_lost(&scene, 0).await;
}

/// `OUTAGE_INCIDENTS` says how many there are.
#[tokio::test]
#[allow(clippy::print_stdout, reason = "figures, where they are asked for")]
async fn after_three_days_down_all_incidents_are_done_about_once_each_at_the_pace() {
    let incidents = std::env::var("OUTAGE_INCIDENTS").map_or(600, |n| n.parse().unwrap());
    let scene = alone().await;
    asks(
        &[&scene],
        &[
            get("https://other.example.com/", None),
            get(API, Some("key")),
        ],
    );
    let down = SendFailure::Unreachable("refused".to_owned());
    let far = scene.far.clone();
    far.only("https://api.example.com", Err(down));
    for _ in 0..4 {
        schedule(&scene, incidents).await;
        go_on(&[&scene], 16, 18 * HOUR, 1).await;
    }
    nothing_is_lost(&scene, incidents).await;
    let sessions = scene.plugin.works().len();
    let calls = far.take_sent().len();
    // Once each to find out, and then a probe every five minutes.
    println!("down: {sessions} sessions, {calls} calls");
    assert!(
        (850..1200).contains(&(sessions - incidents)),
        "{sessions} sessions"
    );
    assert!(calls < incidents + 2400, "{calls} calls");

    far.recovers();
    scene.plugin.inputs.lock().unwrap().clear();
    let mut minutes = 0;
    while scene.gateway.status().work.waiting > 0 {
        go_on(&[&scene], 16, MINUTE, 1).await;
        let sent = far.take_sent();
        let calls = sent.iter().filter(|sent| sent.url.starts_with(API)).count();
        assert!(calls <= 930, "{calls} in a minute");
        minutes += 1;
    }
    // Five minutes until the probe, and then 900 of them each minute.
    assert!(minutes <= 5 + 2 + incidents / 900, "{minutes} minutes");
    let sessions = scene.plugin.works().len();
    println!("back: {minutes} minutes, {sessions} sessions");
    assert!(sessions <= incidents * 5 / 4, "{sessions} sessions");
    nothing_is_lost(&scene, 0).await;
}

#[tokio::test]
async fn a_system_that_works_costs_the_store_nothing() {
    let scene = alone().await;
    asks(&[&scene], &[get(API, Some("key"))]);
    scene.schedule("pair", 0, "event").await;
    let before = scene.store.writes();
    scene.run_all().await;
    // The outcome of the session.
    assert_eq!(scene.store.writes(), before + 1);
}

#[tokio::test]
async fn a_gate_is_kept_without_a_word_of_the_secret() {
    let scene = alone().await;
    scene.far.next_status(401);
    scene.exchange(vec![get(API, Some("key"))]).await;
    let keys = scene.store.keys().await;
    assert_eq!(keys.len(), 1);
    assert!(keys[0].starts_with("g.gate."), "{keys:?}");
    let found = scene.store.get(&keys).await.unwrap().remove(0).unwrap();
    let text = String::from_utf8(found.value).unwrap();
    assert!(!text.contains("CANARY"), "{text}");
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    let place = serde_json::json!({
        "origin": "https://api.example.com",
        "credential": "key",
        "token-endpoint": false,
    });
    assert_eq!(kept["place"], place);
    assert_eq!(kept["closed"]["why"], "rejected");
}

#[tokio::test]
async fn a_store_that_fails_neither_opens_nor_closes_a_gate() {
    let scene = alone().await;
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(vec![
        vec![Effect::Http(get(API, Some("key")))],
        vec![Effect::Http(get(API, Some("key")))],
        vec![retry(false)],
    ]);
    scene.far.next_status(401);
    let store = scene.store.clone();
    scene.far.then(move || store.breaks());
    scene.gateway.run_next().await;
    assert_eq!(scene.far.take_sent().len(), 1);
    scene.store.recovers();
    scene.clock.advance(MINUTE);
    let answered = scene.exchange(vec![get(API, Some("key"))]).await;
    assert!(answered[0].is_ok());
    assert_eq!(scene.gateway.status().closed_gates, []);
}

#[tokio::test]
async fn work_that_is_awaited_and_held_back_is_told_as_waiting() {
    let scene = alone().await;
    asks(&[&scene], &[get(API, Some("key"))]);
    scene.far.always(response(401));
    schedule(&scene, 1).await;
    scene.run_all().await;
    // An event that comes meanwhile runs nothing.
    schedule(&scene, 1).await;
    assert_eq!(scene.run_all().await, 0);
    let awaiting = Awaiting {
        key: "pair-0000".to_owned(),
        timeout_ms: 1000,
    };
    let steps = vec![vec![Effect::AwaitWork(awaiting)], vec![respond(200)]];
    scene.plugin.next_request(steps);
    scene.plugin.seen.lock().unwrap().clear();
    scene.post().await;
    let seen = scene.plugin.seen.lock().unwrap().clone();
    let waiting = Reply::Standing(Standing::Waiting("not now".to_owned()));
    assert_eq!(seen[0], [waiting]);
}

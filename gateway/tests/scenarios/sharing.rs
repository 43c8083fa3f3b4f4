//! Gateways that share a store work on different items at a time, and take over
//! from one that fell silent.

use crate::scene::*;
use crate::working::park;
use crate::working::start_waiting;
use crate::working::yields;
use integration_gateway::Next;
use integration_gateway::Store;
use integration_gateway::WorkCounts;
use integration_gateway::contract::*;
use std::sync::Arc;
use tokio::sync::Semaphore;

const DAY: u64 = 86_400_000;
/// What `lease-seconds` is unless given.
pub(crate) const TERM: u64 = 20_000;
/// A gateway looks around at least this often.
pub(crate) const LOOK: u64 = 2000;

/// The work record as it stands.
async fn record(scene: &Scene, key: &str) -> Option<String> {
    let found = scene.store.get(&[format!("g.work.{key}")]).await.unwrap();
    let entry = found.into_iter().next().unwrap()?;
    Some(String::from_utf8(entry.value).unwrap())
}

#[tokio::test]
async fn what_one_gateway_received_another_may_do() {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    second.clock.advance(LOOK);
    assert_eq!(second.run_all().await, 1);
    assert_eq!(second.plugin.keys(), ["pair"]);
    assert_eq!(first.run_all().await, 0, "it is done");
    assert_eq!(first.store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_gateway_with_nothing_to_do_looks_around_within_two_seconds() {
    let (first, _) = Scene::pair().await;
    let until = first.idle_until().await.unwrap();
    assert!((NOW + 1..=NOW + LOOK).contains(&until), "{until}");
}

#[tokio::test]
async fn an_item_that_one_gateway_works_on_is_left_alone_by_the_others() {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    let (hold, running) = start_waiting(&first).await;
    for _ in 0..30 {
        first.clock.advance(LOOK);
        second.clock.advance(LOOK);
        yields().await;
        assert_eq!(second.run_all().await, 0);
    }
    assert_eq!(second.gateway.status().work.running, 1);
    let page = second.gateway.work(None).await.unwrap();
    assert_eq!(page.work[0].state, "running");
    hold.add_permits(1);
    assert_eq!(running.await.unwrap(), Next::Ran);
    assert_eq!(first.store.keys().await, Vec::<String>::new());
    second.clock.advance(LOOK);
    assert_eq!(second.run_all().await, 0);
    assert_eq!(second.gateway.status().work, WorkCounts::default());
}

#[tokio::test]
async fn a_gateway_that_died_is_taken_over_from_after_a_term_on_the_watchers_clock() {
    let (first, second) = Scene::pair().await;
    // Its wall clock is of no account, not even when it is set meanwhile.
    second.clock.set(NOW + DAY);
    first.schedule("pair", 0, "event").await;
    let (_hold, running) = start_waiting(&first).await;
    running.abort();

    second.clock.advance(LOOK);
    assert_eq!(second.run_all().await, 0);
    second.clock.set(NOW + 2 * DAY);
    second.clock.advance(TERM - 1);
    assert_eq!(second.run_all().await, 0);
    second.clock.advance(1);
    assert_eq!(second.run_all().await, 1);
    assert_eq!(second.plugin.works()[0].reasons, ["event"]);
    assert_eq!(second.plugin.works()[0].attempt, 0);
    assert_eq!(second.store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_lease_is_not_taken_for_one_of_before_on_work_that_was_done_since() {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    let (hold, running) = start_waiting(&first).await;
    second.clock.advance(LOOK);
    assert_eq!(second.run_all().await, 0);
    hold.add_permits(1);
    assert_eq!(running.await.unwrap(), Next::Ran);
    first.schedule("pair", 0, "event").await;
    let (_hold, _running) = start_waiting(&first).await;
    // It was paused while that went on.
    second.clock.advance(TERM);
    assert_eq!(second.run_all().await, 0);
}

#[tokio::test]
async fn work_that_a_gateway_put_off_whose_clock_is_ahead_is_done_when_it_would_have_been() {
    let (first, second) = Scene::pair().await;
    first.clock.set(NOW + DAY);
    first.schedule("pair", 0, "event").await;
    first.plugin.next(vec![vec![retry(true)]]);
    assert_eq!(first.run_all().await, 1);
    second.clock.advance(LOOK);
    assert_eq!(second.run_all().await, 0);
    second.clock.advance(LOOK);
    assert_eq!(second.run_all().await, 1);
}

#[tokio::test]
async fn a_sign_of_life_at_the_last_moment_counts() {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    let (_hold, _running) = start_waiting(&first).await;
    second.clock.advance(LOOK);
    second.run_all().await;
    // From here on it does not look around before the time is up.
    second.clock.advance(TERM - 500);
    second.run_all().await;
    first.clock.advance(TERM / 4);
    yields().await;
    second.clock.advance(500);
    assert_eq!(second.run_all().await, 0);
}

#[tokio::test]
async fn the_wait_is_told_to_whoever_runs_the_work() {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    let (_hold, _running) = start_waiting(&first).await;
    second.clock.advance(LOOK);
    second.run_all().await;
    second.clock.advance(TERM - 10);
    second.run_all().await;
    let until = second.idle_until().await;
    assert_eq!(until, Some(NOW + LOOK + TERM));
}

#[tokio::test]
async fn a_gateway_that_was_started_again_waits_for_its_own_old_lease() {
    let (first, _) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    let (_hold, running) = start_waiting(&first).await;
    running.abort();
    let again = first.neighbour().await;
    again.clock.advance(TERM - 1);
    assert_eq!(again.run_all().await, 0);
    again.clock.advance(1);
    assert_eq!(again.run_all().await, 1);
}

#[tokio::test]
async fn a_session_that_is_dropped_leaves_the_work_to_its_own_gateway_at_once() {
    let (first, _) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    let (_hold, running) = start_waiting(&first).await;
    running.abort();
    let _ = running.await;
    assert_eq!(first.run_all().await, 1);
    assert_eq!(first.store.keys().await, Vec::<String>::new());
}

/// Starts a session that sends, and stops the clock of its gateway for longer
/// than the lease; the other gateway takes over and finishes.
async fn paused_for_too_long() -> (Scene, Scene) {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    first.plugin.next(vec![
        vec![Effect::Http(get("https://other.example.com/", None))],
        vec![finish(Verdict::Park("the paused one".to_owned()))],
    ]);
    let (hold, running) = start_waiting(&first).await;
    second.clock.advance(LOOK);
    second.run_all().await;
    second.clock.advance(TERM);
    second.plugin.next(vec![vec![finish(Verdict::Park(
        "the other one".to_owned(),
    ))]]);
    assert_eq!(second.run_all().await, 1);
    // It comes to itself.
    first.clock.advance(TERM);
    hold.add_permits(1);
    assert_eq!(running.await.unwrap(), Next::Ran);
    (first, second)
}

#[tokio::test]
async fn a_gateway_that_was_paused_for_too_long_sends_nothing_and_decides_nothing() {
    let (first, second) = paused_for_too_long().await;
    assert_eq!(first.far.take_sent().len(), 0);
    let text = record(&first, "pair").await.unwrap();
    assert!(text.contains("the other one"), "{text}");
    assert!(!text.contains("lease"), "{text}");
    for scene in [&first, &second] {
        let parked = WorkCounts {
            parked: 1,
            ..WorkCounts::default()
        };
        assert_eq!(scene.gateway.status().work, parked);
    }
}

#[tokio::test]
async fn a_token_that_came_too_late_is_not_used() {
    let (first, _) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    let request = get("https://snow.example.com/api", Some("snow"));
    first.plugin.next(vec![vec![Effect::Http(request)]]);
    // The clock jumps while the token is fetched, and no renewal comes between.
    first.far.next_json(r#"{"access_token":"t"}"#);
    let clock = first.clock.clone();
    first.far.then(move || clock.advance(TERM));
    assert_eq!(first.gateway.run_next().await, Next::Ran);
    let sent = first.far.take_sent();
    assert_eq!(sent.len(), 1, "only for the token: {sent:?}");
    assert!(sent[0].url.ends_with("oauth_token.do"));
}

#[tokio::test]
async fn a_pause_that_nobody_noticed_is_no_attempt() {
    let (first, _) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    first.plugin.next(vec![
        vec![write("a", "1")],
        vec![finish(Verdict::Park("not reached".to_owned()))],
    ]);
    let (hold, running) = start_waiting(&first).await;
    // Renewals get no answer for a while, and then it is too late.
    first.store.breaks();
    for _ in 0..4 {
        first.clock.advance(TERM / 4);
        yields().await;
    }
    first.store.recovers();
    hold.add_permits(1);
    assert_eq!(running.await.unwrap(), Next::Ran);
    let text = record(&first, "pair").await.unwrap();
    assert!(
        text.contains("the lease on this work lapsed before it could be renewed"),
        "{text}"
    );
    assert!(text.contains(r#""attempt":0"#), "{text}");
    first.clock.advance(1000);
    assert_eq!(first.run_all().await, 1);
    assert_eq!(first.store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_another_gateway_schedules_during_a_session_runs_once_more_at_its_time() {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "first").await;
    let (hold, running) = start_waiting(&first).await;
    second.schedule("pair", NOW + 60_000, "later").await;
    second
        .schedule("pair", NOW + 50_000, "a little sooner")
        .await;
    assert_eq!(second.run_all().await, 0);
    hold.add_permits(1);
    running.await.unwrap();
    assert_eq!(first.run_all().await, 0);
    for scene in [&first, &second] {
        scene.clock.advance(50_000);
    }
    assert_eq!(first.run_all().await, 1);
    assert_eq!(second.run_all().await, 0);
    assert_eq!(
        first.plugin.works()[1].reasons,
        ["later", "a little sooner"]
    );
}

#[tokio::test]
async fn what_is_put_off_by_one_gateway_is_put_off_for_all() {
    let (first, second) = Scene::pair().await;
    // The other has seen it due, and its clock is a second behind.
    second.clock.set(NOW - 1000);
    first.schedule("pair", 0, "event").await;
    second.schedule("pair", 0, "event").await;
    first.plugin.next(vec![vec![finish(Verdict::Retry(Retry {
        not_before_ms: Some(NOW + 60_000),
        counts: false,
        reason: "held".to_owned(),
    }))]]);
    assert_eq!(first.run_all().await, 1);
    assert_eq!(second.run_all().await, 0);
    second.clock.advance(61_000);
    assert_eq!(second.run_all().await, 1);
}

#[tokio::test]
async fn an_operator_may_release_at_any_gateway() {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    first.plugin.next(park("no such group"));
    first.run_all().await;
    second.gateway.release("pair").await.unwrap();
    assert_eq!(second.run_all().await, 1);
    first.clock.advance(LOOK);
    assert_eq!(first.run_all().await, 0);
    assert_eq!(first.gateway.status().work, WorkCounts::default());
}

#[tokio::test]
async fn work_is_awaited_wherever_it_is_done() {
    let (first, second) = Scene::pair().await;
    first.schedule("pair", 0, "event").await;
    let (hold, running) = start_waiting(&first).await;
    second
        .clock
        .stands
        .store(false, std::sync::atomic::Ordering::SeqCst);
    let awaiting = Awaiting {
        key: "pair".to_owned(),
        timeout_ms: 1000,
    };
    let ask = || {
        vec![
            vec![Effect::AwaitWork(awaiting.clone())],
            vec![respond(200)],
        ]
    };
    second.plugin.next_request(ask());
    second.post().await;
    hold.add_permits(1);
    running.await.unwrap();
    second.plugin.next_request(ask());
    second.post().await;
    let seen = second.plugin.seen.lock().unwrap().clone();
    let expected = [
        vec![Reply::Standing(Standing::UnderWay)],
        vec![Reply::Done],
        vec![Reply::Standing(Standing::None)],
        vec![Reply::Done],
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_record_of_a_newer_gateway_is_left_alone_and_the_rest_goes_on() {
    let (first, second) = Scene::pair().await;
    let value = b"{\"schema\":3}".to_vec();
    let newer = Write {
        key: "g.work.newer".to_owned(),
        precondition: Precondition::Absent,
        value: Some(value.clone()),
    };
    first.store.write(newer).await.unwrap().unwrap();
    first.schedule("pair", 0, "event").await;
    second.clock.advance(LOOK);
    assert_eq!(second.run_all().await, 1);
    assert_eq!(record(&first, "newer").await.unwrap().into_bytes(), value);
}

#[tokio::test]
async fn a_queue_of_many_pages_is_seen_bit_by_bit() {
    let (first, second) = Scene::pair().await;
    for n in 0..5000 {
        let key = format!("pair-{n:04}");
        first.schedule(&key, NOW + DAY, "event").await;
    }
    first.schedule("quick", 0, "event").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        second.clock.advance(LOOK);
        second.run_all().await;
        seen.push(second.gateway.status().work.waiting);
    }
    assert_eq!(seen, [4000, 5000, 5000]);
    assert_eq!(second.plugin.keys(), ["quick"]);
}

#[tokio::test]
async fn gateways_that_want_the_same_item_do_not_want_the_next_one_too() {
    const MANY: usize = 8;
    let (first, second) = Scene::pair().await;
    for n in 0..64 {
        first.schedule(&format!("pair-{n:02}"), 0, "event").await;
    }
    let mut scenes = vec![first, second];
    while scenes.len() < MANY {
        scenes.push(scenes[0].neighbour().await);
    }
    for scene in &scenes {
        scene.clock.advance(LOOK);
        *scene.plugin.hold.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    }
    let store = scenes[0].store.clone();
    let (before, permits) = (store.writes(), store.blocks());
    let gateways = scenes.iter().map(|scene| scene.gateway.clone());
    let running: Vec<_> = gateways
        .map(|gateway| tokio::spawn(async move { gateway.run_next().await }))
        .collect();
    let sessions = || scenes.iter().map(|s| s.plugin.works().len()).sum::<usize>();
    while sessions() < MANY {
        yields().await;
        permits.add_permits(MANY);
    }
    let writes = store.writes() - before;
    assert!(writes <= 20, "{writes} writes for {MANY} leases");
    drop(running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_gateways_lose_nothing_and_never_run_a_key_twice_at_once() {
    let (first, second) = Scene::pair().await;
    let third = first.neighbour().await;
    let scenes: Vec<Arc<Scene>> = [first, second, third].map(Arc::new).into();
    let running = scenes[0].plugin.clone();
    for scene in &scenes[1..] {
        scene.plugin.watch_together(&running);
    }
    let senders: Vec<_> = (0..9)
        .map(|sender| {
            let scene = scenes[sender % 3].clone();
            tokio::spawn(async move {
                for n in 0..40 {
                    scene.schedule(&format!("pair-{}", n % 5), 0, "event").await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let workers: Vec<_> = (0..9)
        .map(|worker| {
            let scene = scenes[worker % 3].clone();
            tokio::spawn(async move {
                for _ in 0..1000 {
                    // Never so far that a lease could lapse.
                    scene.clock.advance(2);
                    scene.gateway.run_next().await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in senders.into_iter().chain(workers) {
        task.await.unwrap();
    }
    for scene in &scenes {
        scene.clock.advance(LOOK);
        scene.run_all().await;
    }
    assert_eq!(scenes[0].store.keys().await, Vec::<String>::new());
}

//! Work is done at least once, one session of a key at a time, and stays until
//! it is done.

use crate::scene::*;
use integration_gateway::Environment;
use integration_gateway::Next;
use integration_gateway::ParkedError;
use integration_gateway::RecoverError;
use integration_gateway::Store;
use integration_gateway::Trap;
use integration_gateway::WorkCounts;
use integration_gateway::contract::*;
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(crate) async fn yields() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Starts a session of work that waits, and returns what lets it go on.
pub(crate) async fn start_waiting(
    scene: &Scene,
) -> (Arc<Semaphore>, tokio::task::JoinHandle<Next>) {
    let hold = Arc::new(Semaphore::new(0));
    *scene.plugin.hold.lock().unwrap() = Some(hold.clone());
    let gateway = scene.gateway.clone();
    let running = tokio::spawn(async move { gateway.run_next().await });
    yields().await;
    *scene.plugin.hold.lock().unwrap() = None;
    (hold, running)
}

pub(crate) fn park(reason: &str) -> Vec<Vec<Effect>> {
    vec![vec![finish(Verdict::Park(reason.to_owned()))]]
}

#[tokio::test]
async fn finished_work_is_gone() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    assert_eq!(scene.clock.due.lock().unwrap().clone(), [0]);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(
        scene.plugin.works(),
        [Work {
            key: "pair".to_owned(),
            reasons: vec!["event".to_owned()],
            attempt: 0
        }]
    );
    assert_eq!(scene.store.keys().await, Vec::<String>::new());
    assert_eq!(scene.idle_until().await, None);
}

#[tokio::test]
async fn a_crash_before_the_outcome_was_recorded_runs_it_again() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    // The session finishes; the delete never becomes durable.
    scene.store.blocks();
    let gateway = scene.gateway.clone();
    let killed = tokio::spawn(async move { gateway.run_next().await });
    yields().await;
    assert_eq!(scene.plugin.works().len(), 1);
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());

    scene.store.blocks().add_permits(100);
    let next = scene.restarted().await;
    assert_eq!(next.run_all().await, 1);
    assert_eq!(next.plugin.keys(), ["pair"]);
    assert_eq!(next.store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_worker_that_is_dropped_leaves_the_work_due() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    let (_hold, running) = start_waiting(&scene).await;
    running.abort();
    let _ = running.await;
    assert_eq!(scene.run_all().await, 1);
}

#[tokio::test]
async fn a_flood_of_hints_is_one_item_and_one_write() {
    let scene = Scene::new();
    for _ in 0..100 {
        scene.schedule("pair", 0, "event").await;
    }
    assert_eq!(scene.store.writes(), 1);
    assert_eq!(scene.run_all().await, 1);
}

#[tokio::test]
async fn two_schedules_while_it_runs_make_it_run_once_more() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "first").await;
    let (hold, running) = start_waiting(&scene).await;
    scene.schedule("pair", 0, "second").await;
    scene.schedule("pair", 0, "third").await;
    assert_eq!(
        scene.idle_until().await,
        None,
        "one session of a key at a time"
    );
    hold.add_permits(1);
    assert_eq!(running.await.unwrap(), Next::Ran);
    assert_eq!(scene.run_all().await, 1);
    let reasons: Vec<Vec<String>> = scene
        .plugin
        .works()
        .into_iter()
        .map(|w| w.reasons)
        .collect();
    assert_eq!(reasons, [vec!["first"], vec!["second", "third"]]);
    assert_eq!(scene.store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_scheduled_while_it_ran_survives_a_crash() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "first").await;
    let (_hold, _running) = start_waiting(&scene).await;
    scene.schedule("pair", 0, "second").await;
    let next = scene.restarted().await;
    assert_eq!(next.run_all().await, 1);
    assert_eq!(next.plugin.works()[0].reasons, ["first", "second"]);
}

#[tokio::test]
async fn a_schedule_whose_confirmation_was_lost_is_work_all_the_same() {
    let scene = Scene::new();
    let schedule_unconfirmed = async || {
        scene.store.falls_silent();
        scene
            .plugin
            .next_request(vec![vec![schedule("pair", 0, "second"), respond(200)]]);
        assert_eq!(scene.post().await.status, 503);
        scene.store.recovers();
    };
    // Alone.
    schedule_unconfirmed().await;
    assert_eq!(scene.run_all().await, 1);
    // While a session of the key is running.
    scene.schedule("pair", 0, "first").await;
    let (hold, running) = start_waiting(&scene).await;
    schedule_unconfirmed().await;
    hold.add_permits(1);
    running.await.unwrap();
    assert_eq!(scene.run_all().await, 1);
    let works = scene.plugin.works();
    assert_eq!(works.last().unwrap().reasons, ["second"]);
    assert_eq!(scene.store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_session_may_put_its_own_key_off_without_spinning() {
    let scene = Scene::new();
    scene.schedule("poll", 0, "start").await;
    scene.plugin.next(vec![vec![
        schedule("poll", NOW + 60_000, "again"),
        finish(Verdict::Done),
    ]]);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.idle_until().await, Some(NOW + 60_000));
    scene.clock.advance(60_000);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[1].reasons, ["again"]);
}

#[tokio::test]
async fn the_earlier_due_time_counts_and_reasons_add_up() {
    let scene = Scene::new();
    scene.schedule("pair", NOW + 5000, "late").await;
    scene.schedule("pair", NOW + 9000, "later").await;
    assert_eq!(scene.idle_until().await, Some(NOW + 5000));
    scene.schedule("pair", NOW + 1000, "sooner").await;
    assert_eq!(scene.idle_until().await, Some(NOW + 1000));
    scene.clock.advance(1000);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[0].reasons, ["late", "later", "sooner"]);
}

#[tokio::test]
async fn sixteen_reasons_are_kept() {
    let scene = Scene::new();
    for n in 0..20 {
        scene.schedule("pair", 0, &format!("reason {n}")).await;
    }
    scene.run_all().await;
    let reasons = &scene.plugin.works()[0].reasons;
    assert_eq!(reasons.len(), 16);
    assert_eq!(reasons[0], "reason 0");
}

#[tokio::test]
async fn what_has_been_due_for_longest_goes_first() {
    let scene = Scene::new();
    // What is due at once is due from now on.
    for (key, due) in [("d", 0), ("a", NOW + 2), ("b", NOW + 1), ("e", NOW + 9)] {
        scene.schedule(key, due, "event").await;
    }
    scene.clock.set(NOW + 3);
    scene.schedule("c", 0, "event").await;
    assert_eq!(scene.run_all().await, 4);
    assert_eq!(scene.plugin.keys(), ["d", "b", "a", "c"]);
}

#[tokio::test]
async fn what_is_being_scheduled_does_not_go_before_what_is_due_already() {
    let scene = Scene::new();
    scene.schedule("b-old", NOW, "event").await;
    scene.clock.advance(1);
    let permits = scene.store.blocks();
    let (gateway, request) = (scene.gateway.clone(), scheduling(&scene, "a-new", "event"));
    let writing = tokio::spawn(async move { gateway.receive(request, drop).await });
    yields().await;
    let gateway = scene.gateway.clone();
    let running = tokio::spawn(async move { gateway.run_next().await });
    yields().await;
    assert_eq!(scene.plugin.keys(), ["b-old"]);
    permits.add_permits(100);
    writing.await.unwrap();
    assert_eq!(running.await.unwrap(), Next::Ran);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.keys(), ["b-old", "a-new"]);
}

#[tokio::test]
async fn what_releases_parked_work_does_not_put_it_before_what_is_due_already() {
    let scene = Scene::new();
    scene.schedule("p", 0, "event").await;
    scene.plugin.next(park("no such group"));
    assert_eq!(scene.run_all().await, 1);
    scene.schedule("a", NOW, "event").await;
    scene.clock.advance(3);
    scene.schedule("p", 0, "event").await;
    assert_eq!(scene.run_all().await, 2);
    assert_eq!(scene.plugin.keys(), ["p", "a", "p"]);
}

#[tokio::test]
async fn different_keys_run_side_by_side() {
    let scene = Scene::new();
    scene.schedule("slow", 0, "event").await;
    let (hold, running) = start_waiting(&scene).await;
    scene.schedule("quick", 0, "event").await;
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.keys(), ["slow", "quick"]);
    hold.add_permits(1);
    running.await.unwrap();
}

/// Runs the item that is due, and returns for how long it was then put off.
async fn put_off_ms(scene: &Scene) -> u64 {
    assert_eq!(scene.run_all().await, 1);
    let before = scene.clock.now_ms();
    let due = scene.idle_until().await.unwrap();
    scene.clock.set(due);
    due - before
}

#[tokio::test]
async fn a_counted_retry_is_an_attempt_and_waits_longer_each_time() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    let mut delays = Vec::new();
    for _ in 0..11 {
        scene.plugin.next(vec![vec![retry(true)]]);
        delays.push(put_off_ms(&scene).await / 1000);
    }
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    let attempts: Vec<u32> = scene.plugin.works().iter().map(|w| w.attempt).collect();
    assert_eq!(attempts, (0..11).collect::<Vec<u32>>());
}

#[tokio::test]
async fn events_in_a_row_do_not_use_up_the_attempts() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(vec![vec![retry(true)]]);
    scene.run_all().await;
    // While it waits for its next attempt, it is done at once and as if for the first time.
    scene.schedule("pair", 0, "another").await;
    scene.plugin.next(vec![vec![retry(true)]]);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[1].attempt, 0);
    // While it is being done, it waits as long as that attempt asks for.
    scene.clock.advance(1000);
    scene.plugin.next(vec![vec![retry(true)]]);
    let (hold, running) = start_waiting(&scene).await;
    scene.schedule("pair", 0, "a third").await;
    hold.add_permits(1);
    assert_eq!(running.await.unwrap(), Next::Ran);
    assert_eq!(scene.idle_until().await, Some(NOW + 3000));
    scene.clock.advance(2000);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[3].attempt, 2);
}

#[tokio::test]
async fn waiting_for_a_far_end_grows_too_and_is_no_attempt() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    let mut delays = Vec::new();
    for _ in 0..100 {
        scene.plugin.next(vec![vec![retry(false)]]);
        delays.push(put_off_ms(&scene).await / 1000);
    }
    assert_eq!(delays[..4], [1, 2, 4, 8]);
    assert_eq!(delays[99], 300);
    assert!(scene.plugin.works().iter().all(|work| work.attempt == 0));
}

#[tokio::test]
async fn a_retry_is_not_before_the_time_it_names() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(vec![vec![finish(Verdict::Retry(Retry {
        not_before_ms: Some(NOW + 3_600_000),
        counts: false,
        reason: "held".to_owned(),
    }))]]);
    assert_eq!(put_off_ms(&scene).await, 3_600_000);
}

#[tokio::test]
async fn a_session_that_fails_eight_times_is_parked_with_the_reason() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.schedule("good", NOW + 1, "event").await;
    for n in 1..=8 {
        // Each way to fail from outside is an attempt.
        scene.plugin.next_steps(match n % 3 {
            0 => vec![Err(Trap("unreachable".to_owned()))],
            1 => vec![Ok(vec![])],
            _ => vec![Ok(vec![respond(200)])],
        });
        assert_eq!(scene.gateway.run_next().await, Next::Ran);
        scene.clock.advance(300_000);
        // Other work goes on.
        if n == 1 {
            scene.gateway.run_next().await;
            assert_eq!(scene.plugin.keys(), ["pair", "good"]);
        }
    }
    assert_eq!(scene.idle_until().await, None);
    let page = scene.gateway.work(None).await.unwrap();
    assert_eq!(page.work[0].state, "parked");
    assert_eq!(
        page.work[0].parked_reason.as_deref(),
        Some(
            "tried 8 times in vain; the plugin responded in a work session, where nobody is waiting"
        )
    );
}

#[tokio::test]
async fn parked_work_stays_parked_over_a_restart_until_something_is_scheduled() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(park("no such group"));
    scene.run_all().await;
    scene.clock.advance(86_400_000);
    assert_eq!(scene.idle_until().await, None);

    let scene = scene.restarted().await;
    assert_eq!(scene.idle_until().await, None);
    assert_eq!(
        scene.gateway.status().work,
        WorkCounts {
            parked: 1,
            ..WorkCounts::default()
        }
    );
    scene.schedule("pair", 0, "new event").await;
    assert_eq!(scene.run_all().await, 1);
    let work = &scene.plugin.works()[0];
    assert_eq!(work.reasons, ["event", "new event"]);
    assert_eq!(work.attempt, 0);
}

#[tokio::test]
async fn what_was_scheduled_while_it_was_being_parked_releases_it() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "first").await;
    scene.plugin.next(park("no such group"));
    let (hold, running) = start_waiting(&scene).await;
    scene.schedule("pair", 0, "second").await;
    hold.add_permits(1);
    running.await.unwrap();
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[1].reasons, ["first", "second"]);
}

#[tokio::test]
async fn an_operator_releases_parked_work_and_nothing_else() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(park("no such group"));
    scene.run_all().await;
    scene.gateway.release("pair").await.unwrap();
    assert_eq!(
        scene.gateway.release("pair").await,
        Err(ParkedError::NotParked("pair".to_owned()))
    );
    assert_eq!(
        scene
            .gateway
            .release("other")
            .await
            .unwrap_err()
            .to_string(),
        "no parked work has the key \"other\"; GET /work lists what is there"
    );
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[1].attempt, 0);
}

#[tokio::test]
async fn an_operator_drops_parked_work_and_nothing_else() {
    let scene = Scene::new();
    scene.schedule("due", 0, "event").await;
    scene.schedule("pair", 0, "event").await;
    for key in ["due", "pair", "other"] {
        let expected = Err(ParkedError::NotParked(key.to_owned()));
        assert_eq!(scene.gateway.drop_work(key).await, expected);
    }
    scene.plugin.next(vec![vec![finish(Verdict::Done)]]);
    scene.plugin.next(park("no such group"));
    assert_eq!(scene.run_all().await, 2);
    scene.gateway.drop_work("pair").await.unwrap();
    assert_eq!(scene.store.keys().await, [""; 0]);
    assert_eq!(scene.gateway.status().work, WorkCounts::default());
    assert_eq!(scene.idle_until().await, None);
    // What comes later begins without what was dropped.
    scene.schedule("pair", 0, "another").await;
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[2].reasons, ["another"]);
}

#[tokio::test]
async fn parked_work_whose_end_was_not_confirmed_is_gone_all_the_same() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(park("no such group"));
    scene.run_all().await;
    // It was not dropped, and is parked still; and then it was.
    scene.store.fills_up();
    scene.gateway.drop_work("pair").await.unwrap_err();
    assert_eq!(scene.run_all().await, 0);
    assert_eq!(scene.gateway.status().work.parked, 1);
    scene.store.recovers();
    scene.store.falls_silent();
    scene.gateway.drop_work("pair").await.unwrap_err();
    assert_eq!(scene.run_all().await, 0);
    assert_eq!(scene.gateway.status().work, WorkCounts::default());
}

#[tokio::test]
async fn a_plugin_that_schedules_itself_and_traps_comes_to_rest() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    for _ in 0..20 {
        scene.plugin.next_steps(vec![
            Ok(vec![schedule("pair", 0, "myself")]),
            Err(Trap("unreachable".to_owned())),
        ]);
    }
    let mut delays = Vec::new();
    for _ in 0..20 {
        delays.push(put_off_ms(&scene).await / 1000);
    }
    assert_eq!(delays[..3], [1, 2, 4]);
    assert_eq!(delays[19], 300);
}

#[tokio::test]
async fn a_store_that_fails_in_a_session_is_nobodys_attempt() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    let (hold, running) = start_waiting(&scene).await;
    scene.store.breaks();
    hold.add_permits(1);
    assert_eq!(running.await.unwrap(), Next::Ran);
    // The outcome could not be recorded, so it runs again, after a pause.
    scene.store.recovers();
    let due = scene.idle_until().await.unwrap();
    scene.clock.set(due);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[1].attempt, 0);
}

#[tokio::test]
async fn while_no_outcome_can_be_recorded_sessions_become_rare() {
    let scene = Scene::new();
    let put_off_ms = async || {
        assert_eq!(scene.run_all().await, 1);
        let ms = scene.idle_until().await.unwrap() - scene.clock.now_ms();
        scene.clock.advance(ms);
        ms
    };
    scene.schedule("pair", 0, "event").await;
    scene.schedule("other", NOW + 3_600_000, "event").await;
    scene.store.fills_up();
    let mut delays = Vec::new();
    for _ in 0..12 {
        delays.push(put_off_ms().await / 1000);
    }
    assert_eq!(delays, [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert!(scene.plugin.works().iter().all(|work| work.attempt == 0));
    // One that can be is the end of it.
    scene.store.recovers();
    assert_eq!(scene.run_all().await, 1);
    scene.store.fills_up();
    scene.clock.set(NOW + 3_600_000);
    assert_eq!(put_off_ms().await, 1000);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_left_alone_for_a_second() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.store.breaks();
    assert_eq!(scene.idle_until().await, Some(NOW + 1000));
    assert!(scene.gateway.recover().await.is_err());
    scene.store.recovers();
    scene.clock.advance(1000);
    assert_eq!(scene.run_all().await, 1);
}

#[tokio::test]
async fn a_clock_that_was_set_back_puts_nothing_off() {
    const DAY: u64 = 86_400_000;
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(vec![vec![retry(true)]]);
    scene.run_all().await;
    assert_eq!(scene.idle_until().await, Some(NOW + 1000));
    // While it runs, and over a restart.
    scene.clock.set(NOW - DAY);
    assert_eq!(scene.idle_until().await, Some(NOW - DAY + 1000));
    let next = scene.restarted().await;
    assert_eq!(next.idle_until().await, Some(NOW - DAY + 1000));
    for scene in [&scene, &next] {
        scene.clock.set(NOW - DAY + 1000);
    }
    assert_eq!(next.run_all().await, 1);
    // A new hint is not put off either.
    next.schedule("pair", 0, "event").await;
    assert_eq!(next.run_all().await, 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_during_a_session_puts_nothing_off() {
    const DAY: u64 = 86_400_000;
    let scene = Scene::new();
    scene.schedule("poll", 0, "event").await;
    let (hold, running) = start_waiting(&scene).await;
    scene.schedule("poll", NOW + 60_000, "the next").await;
    scene.clock.set(NOW - DAY);
    hold.add_permits(1);
    assert_eq!(running.await.unwrap(), Next::Ran);
    assert_eq!(scene.idle_until().await, Some(NOW - DAY + 60_000));
}

#[tokio::test]
async fn a_crash_after_the_clock_was_set_back_puts_nothing_off() {
    const DAY: u64 = 86_400_000;
    let scene = Scene::new();
    scene.run_all().await;
    scene.schedule("pair", 0, "first").await;
    scene.clock.set(NOW - DAY);
    let (_hold, _running) = start_waiting(&scene).await;
    assert_eq!(scene.plugin.keys(), ["pair"]);
    scene.schedule("pair", 0, "second").await;
    let next = scene.restarted().await;
    assert_eq!(next.run_all().await, 1);
    assert_eq!(next.plugin.works()[0].reasons, ["first", "second"]);
}

#[tokio::test]
async fn what_was_to_follow_by_a_clock_that_was_ahead_does_not_wait_for_it() {
    const DAY: u64 = 86_400_000;
    let scene = Scene::new();
    scene.clock.set(NOW + DAY);
    scene.run_all().await;
    scene.schedule("pair", 0, "first").await;
    let (_hold, _running) = start_waiting(&scene).await;
    scene.schedule("pair", 0, "second").await;
    let next = scene.restarted().await;
    next.clock.set(NOW);
    next.schedule("pair", 0, "third").await;
    assert_eq!(next.run_all().await, 1);
    assert_eq!(next.store.keys().await, [""; 0], "all of it is done");
}

#[tokio::test]
async fn work_of_an_unknown_schema_is_refused_and_left_as_it_is() {
    let scene = Scene::new();
    let value = b"{\"schema\":3,\"lease\":\"x\"}".to_vec();
    let record = Write {
        key: "g.work.pair".to_owned(),
        precondition: Precondition::Absent,
        value: Some(value.clone()),
    };
    scene.store.write(record).await.unwrap().unwrap();
    let error = scene.gateway.recover().await.unwrap_err();
    assert!(matches!(error, RecoverError::Record { .. }));
    assert_eq!(
        error.to_string(),
        "work \"pair\": expected a record of schema 1 to 2, found 3; it was written by another \
         version of the gateway, which must be used to finish it"
    );
    assert!(!scene.gateway.status().recovered);
    let found = scene.store.get(&["g.work.pair".to_owned()]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().value, value);
}

#[tokio::test]
async fn work_of_the_first_schema_is_done_and_written_anew() {
    let scene = Scene::new();
    let value = format!(
        r#"{{"schema":1,"due":{NOW},"written":{NOW},"reasons":["event"],"attempt":3,"waits":0,"generation":7}}"#
    );
    let record = Write {
        key: "g.work.pair".to_owned(),
        precondition: Precondition::Absent,
        value: Some(value.into_bytes()),
    };
    scene.store.write(record).await.unwrap().unwrap();
    scene.gateway.recover().await.unwrap();
    scene.plugin.next(vec![vec![retry(true)]]);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[0].attempt, 3);
    let found = scene.store.get(&["g.work.pair".to_owned()]).await.unwrap();
    let text = String::from_utf8(found[0].clone().unwrap().value).unwrap();
    assert!(text.starts_with(r#"{"schema":2,"#), "{text}");
    assert!(text.contains(r#""attempt":4"#), "{text}");
}

#[tokio::test]
async fn a_crash_does_not_bring_forward_what_was_scheduled_for_later() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "first").await;
    let (_hold, _running) = start_waiting(&scene).await;
    scene.schedule("pair", NOW + 60_000, "later").await;
    let next = scene.restarted().await;
    assert_eq!(next.run_all().await, 1);
    assert_eq!(next.idle_until().await, Some(NOW + 60_000));
}

#[tokio::test]
async fn a_gateway_that_has_the_store_to_itself_writes_no_lease() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.store.writes(), 2, "the schedule and the outcome");
}

#[tokio::test]
async fn three_thousand_items_survive_a_restart() {
    let scene = Scene::new();
    for n in 0..3000 {
        scene.schedule(&format!("pair-{n:04}"), 0, "event").await;
    }
    let next = scene.restarted().await;
    assert_eq!(next.gateway.status().work.due, 3000);
    let first = next.gateway.work(None).await.unwrap();
    let second = next.gateway.work(first.next.as_deref()).await.unwrap();
    assert_eq!(first.work.last().unwrap().key, "pair-0499");
    assert_eq!(second.work[0].key, "pair-0500");
}

#[tokio::test]
async fn many_workers_and_senders_lose_nothing_and_never_run_a_key_twice_at_once() {
    let scene = Arc::new(Scene::new());
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let scene = scene.clone();
            tokio::spawn(async move {
                for n in 0..50 {
                    let key = format!("pair-{}", n % 5);
                    let reason = format!("{sender}-{n}");
                    scene
                        .gateway
                        .receive(scheduling(&scene, &key, &reason), |r| {
                            assert_eq!(r.status, 200);
                        })
                        .await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let scene = scene.clone();
            tokio::spawn(async move {
                for _ in 0..2000 {
                    scene.gateway.run_next().await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in senders.into_iter().chain(workers) {
        task.await.unwrap();
    }
    scene.run_all().await;
    assert_eq!(scene.store.keys().await, Vec::<String>::new());
    assert_eq!(scene.gateway.status().work, WorkCounts::default());
}

/// A request whose session schedules work.
fn scheduling(scene: &Scene, key: &str, reason: &str) -> integration_gateway::Incoming {
    scene
        .plugin
        .next_request(vec![vec![schedule(key, 0, reason), respond(200)]]);
    webhook(&[("authorization", "Bearer HOOK_NEW")])
}

//! Requests that wait for work, and work that is never forgotten.

use crate::scene::*;
use integration_gateway::Environment;
use integration_gateway::Policy;
use integration_gateway::Store;
use integration_gateway::contract::*;
use std::sync::atomic::Ordering;

fn await_work(timeout_ms: u32) -> Effect {
    Effect::AwaitWork(Awaiting {
        key: "pair".to_owned(),
        timeout_ms,
    })
}

/// A request that schedules work, waits for it and answers; beside a worker.
async fn awaited(scene: &Scene, ends: Vec<Effect>) -> Reply {
    scene.plugin.next_request(vec![
        vec![schedule("pair", 0, "event")],
        vec![await_work(5_000)],
        vec![respond(200)],
    ]);
    scene.plugin.next(vec![ends]);
    let worker = async {
        // Not before the request has scheduled it.
        while scene.gateway.run_next().await != integration_gateway::Next::Ran {
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(scene.post(), worker);
    assert_eq!(answer.status, 200);
    let seen = scene.plugin.seen.lock().unwrap();
    let standing = |reply: &&Reply| matches!(reply, Reply::Standing(_));
    seen.iter().flatten().find(standing).unwrap().clone()
}

#[tokio::test]
async fn a_request_hears_how_the_work_that_it_waits_for_ended() {
    for (verdict, expected) in [
        (Verdict::Done, Standing::None),
        (
            Verdict::Park("no rights".into()),
            Standing::Parked("no rights".into()),
        ),
    ] {
        let reply = awaited(&Scene::new(), vec![finish(verdict)]).await;
        assert_eq!(reply, Reply::Standing(expected));
    }
    let reply = awaited(&Scene::new(), vec![retry(true)]).await;
    assert!(
        matches!(&reply, Reply::Standing(Standing::Waiting(why)) if !why.is_empty()),
        "{reply:?}"
    );
}

#[tokio::test]
async fn waiting_ends_when_its_time_is_up_and_the_work_goes_on() {
    let scene = Scene::new();
    let before = scene.clock.now_ms();
    scene.plugin.next_request(vec![
        vec![schedule("pair", 0, "event")],
        vec![await_work(700)],
        vec![respond(202)],
    ]);
    assert_eq!(scene.post().await.status, 202);
    let waited = scene.clock.now_ms() - before;
    assert!((700..800).contains(&waited), "{waited} ms");
    let seen = scene.plugin.seen.lock().unwrap().concat();
    assert!(
        seen.contains(&Reply::Standing(Standing::UnderWay)),
        "{seen:?}"
    );
    drop(seen);
    assert_eq!(scene.run_all().await, 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_prolongs_no_waiting() {
    let scene = Scene::new();
    scene.plugin.next_request(vec![
        vec![schedule("pair", 0, "event")],
        vec![await_work(700)],
        vec![respond(202)],
    ]);
    let set_back = async {
        while scene.clock.steady_ms() == 0 {
            tokio::task::yield_now().await;
        }
        scene.clock.set(NOW - 600_000);
    };
    let (answer, ()) = tokio::join!(scene.post(), set_back);
    assert_eq!(answer.status, 202);
    let waited = scene.clock.steady_ms();
    assert!((700..800).contains(&waited), "{waited} ms");
}

#[tokio::test]
async fn work_does_not_wait_for_work() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(vec![vec![await_work(10)]]);
    scene.gateway.run_next().await;
    let page = scene.gateway.work(None).await.unwrap();
    let failure = page.work[0].last_failure.clone().unwrap();
    assert!(failure.contains("work does not wait for work"), "{failure}");
}

/// A plugin with a poll.
fn polling() -> Policy {
    let needs = Requirements {
        standing: vec!["poll".to_owned()],
        ..requirements()
    };
    let settings = toml::from_str(SETTINGS).unwrap();
    Policy::build(&settings, "test", &needs, &resolve).unwrap()
}

/// Removes a record behind the gateway's back.
async fn remove(scene: &Scene, key: &str) {
    let found = scene.store.get(&[key.to_owned()]).await.unwrap();
    let revision = found[0].as_ref().unwrap().revision;
    let write = Write {
        key: key.to_owned(),
        precondition: Precondition::Revision(revision),
        value: None,
    };
    scene.store.write(write).await.unwrap().unwrap();
}

#[tokio::test]
async fn standing_work_is_due_at_every_start() {
    let scene = Scene::new().with_policy(polling()).await;
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.keys(), ["poll"]);
}

#[tokio::test]
async fn standing_work_is_due_at_every_change_of_the_configuration() {
    let scene = Scene::new();
    let (plugin, far) = (scene.plugin.clone(), scene.far.clone());
    scene
        .gateway
        .reconfigure(polling(), "{}".to_owned(), plugin, far)
        .await
        .unwrap();
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.keys(), ["poll"]);
    assert_eq!(
        scene.plugin.works()[0].reasons,
        ["the configuration changed"]
    );
}

#[tokio::test]
async fn standing_work_that_a_session_finished_is_begun_anew_after_a_minute() {
    let scene = Scene::new();
    scene.clock.stands.store(true, Ordering::SeqCst);
    let scene = scene.with_policy(polling()).await;
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.idle_until().await, Some(NOW + 60_000));
    scene.clock.advance(59_999);
    assert_eq!(scene.run_all().await, 0);
    scene.clock.advance(1);
    assert_eq!(scene.run_all().await, 1);
    assert_eq!(scene.plugin.works()[1].reasons, ["there was none"]);
}

#[tokio::test]
async fn a_gateway_that_resumes_begins_standing_work_only_if_there_is_none() {
    let scene = Scene::new().with_policy(polling()).await;
    scene.plugin.next(vec![vec![retry(false)]]);
    assert_eq!(scene.run_all().await, 1);
    for (is_there, ran) in [(true, 0), (false, 1)] {
        if !is_there {
            remove(&scene, "g.work.poll").await;
        }
        let (store, far, clock) = (&scene.store, &scene.far, &scene.clock);
        let next = Scene::under(polling(), store.clone(), far.clone(), clock.clone());
        next.gateway.resume().await.unwrap();
        assert_eq!(next.run_all().await, ran, "{is_there}");
    }
}

#[tokio::test]
async fn standing_work_comes_back_if_the_store_is_wiped_below_running_gateways() {
    let (first, _) = Scene::pair().await;
    let first = first.with_policy(polling()).await;
    first.plugin.next(vec![vec![retry(false)]]);
    assert_eq!(first.run_all().await, 1);
    remove(&first, "g.work.poll").await;
    first.clock.advance(59_999);
    assert_eq!(first.run_all().await, 0);
    first.clock.advance(1);
    assert_eq!(first.run_all().await, 1);
    assert_eq!(first.plugin.keys(), ["poll", "poll"]);
}

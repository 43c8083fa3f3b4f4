//! A gateway that lives no longer than a request, and no longer than a session
//! that traps: it starts all the time, and shares its store with the next one.

use crate::scene::*;
use crate::sharing::LOOK;
use crate::sharing::TERM;
use futures_util::FutureExt as _;
use integration_gateway::Gateway;
use integration_gateway::Next;
use integration_gateway::Runtime;
use integration_gateway::Trap;
use integration_gateway::WorkItem;
use integration_gateway::contract::*;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The scripted plugin, in the same instance as its gateway.
struct Inside(Scripted);

impl Runtime for Inside {
    type Session = ScriptedSession;
    const OUTLIVES_TRAPS: bool = false;

    async fn open(&self, input: Input, context: Context) -> Result<ScriptedSession, Trap> {
        self.0.open(input, context).await
    }
}

type ShortLived = Gateway<Inside, TestStore, FarEnd, Clock>;

/// The next one on the scene's store, whose clock goes on.
async fn next(scene: &Scene) -> ShortLived {
    let gateway = Gateway::new(
        policy(SETTINGS),
        "{}".to_owned(),
        Inside(scene.plugin.clone()),
        scene.store.clone(),
        scene.far.clone(),
        scene.clock.clone(),
    );
    gateway.resume().await.unwrap();
    gateway
}

/// One that leaves to others what others scheduled.
async fn attending(scene: &Scene) -> Scene {
    let (store, far) = (scene.store.clone(), scene.far.clone());
    let next = Scene::on(SETTINGS, store, far, scene.clock.clone());
    next.gateway.attend().await.unwrap();
    next
}

/// One that dies in the session that it begins.
async fn dies(scene: &Scene) {
    let gateway = next(scene).await;
    scene.clock.advance(LOOK);
    let before = scene.plugin.works().len();
    *scene.plugin.hold.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    assert_eq!(
        gateway.run_next().now_or_never(),
        None,
        "it waits in the session"
    );
    *scene.plugin.hold.lock().unwrap() = None;
    assert_eq!(scene.plugin.works().len(), before + 1);
}

/// One that waits until the lease of a dead one has lapsed.
async fn takes_over(scene: &Scene) -> WorkItem {
    let gateway = next(scene).await;
    assert!(matches!(gateway.run_next().await, Next::Idle { .. }));
    scene.clock.advance(TERM);
    assert!(matches!(gateway.run_next().await, Next::Idle { .. }));
    gateway.work(None).await.unwrap().work.remove(0)
}

#[tokio::test]
async fn a_session_with_which_its_gateway_died_is_a_try_in_vain() {
    let (scene, _) = Scene::pair().await;
    scene.schedule("pair", 0, "event").await;
    dies(&scene).await;
    let item = takes_over(&scene).await;
    assert_eq!((item.state, item.attempt), ("waiting", 1));
    assert_eq!(
        item.last_failure.as_deref(),
        Some("the instance that ran it came to no end; it trapped, or was stopped")
    );
    let gateway = next(&scene).await;
    scene.clock.set(item.due_ms);
    assert_eq!(gateway.run_next().await, Next::Ran);
    let session = scene.plugin.works().pop().unwrap();
    assert_eq!(
        (session.attempt, session.reasons),
        (1, vec!["event".to_owned()])
    );
    assert_eq!(scene.store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn work_with_which_every_gateway_dies_is_parked() {
    let (scene, _) = Scene::pair().await;
    scene.schedule("pair", 0, "event").await;
    for attempt in 1..=8 {
        dies(&scene).await;
        let item = takes_over(&scene).await;
        assert_eq!(item.attempt, attempt);
        scene.clock.set(item.due_ms);
        assert_eq!(item.state == "parked", attempt == 8, "{item:?}");
    }
    let gateway = next(&scene).await;
    assert!(matches!(gateway.run_next().await, Next::Idle { .. }));
    let item = gateway.work(None).await.unwrap().work.remove(0);
    assert_eq!(
        item.parked_reason.as_deref(),
        Some(
            "tried 8 times in vain; the instance that ran it came to no end; it trapped, or was \
             stopped"
        )
    );
}

#[tokio::test]
async fn one_that_attends_does_what_it_scheduled_and_leaves_the_rest() {
    let (scene, _) = Scene::pair().await;
    scene.schedule("others", 0, "event").await;
    let next = attending(&scene).await;
    let scheduled = vec![schedule("own.next", 0, "event"), finish(Verdict::Done)];
    next.schedule("own", 0, "event").await;
    next.plugin.next(vec![scheduled]);
    for _ in 0..3 {
        next.run_all().await;
        scene.clock.advance(TERM);
    }
    assert_eq!(next.plugin.keys(), ["own", "own.next"]);
    assert_eq!(next.idle_until().await, None, "it waits for nothing");
    assert_eq!(scene.store.keys().await, ["g.work.others"]);
}

#[tokio::test]
async fn one_that_attends_knows_which_gates_are_closed() {
    let (scene, _) = Scene::pair().await;
    scene.far.next_status(429);
    let ask = get("https://api.example.com/a", Some("key"));
    scene.ask_together(&ask, 1).await;
    assert_eq!(scene.gateway.status().closed_gates.len(), 1);
    let next = attending(&scene).await;
    assert_eq!(
        next.gateway.status().closed_gates,
        scene.gateway.status().closed_gates
    );
}

#[tokio::test]
async fn what_falls_due_in_a_time_is_known_without_a_look_at_the_store() {
    let (scene, _) = Scene::pair().await;
    let next = attending(&scene).await;
    next.schedule("own", NOW + 3000, "event").await;
    let gateway = &next.gateway;
    assert!(gateway.falls_due(NOW, NOW + 3000));
    assert!(gateway.falls_due(NOW + 3000, NOW + 3000));
    assert!(!gateway.falls_due(NOW, NOW + 2999));
    assert!(
        !gateway.falls_due(NOW + 3001, NOW + 9000),
        "it was due before"
    );
}

//! A webhook is answered with success when what it asked for is durable, and
//! not before.

use crate::scene::*;
use integration_gateway::Trap;
use integration_gateway::contract::*;
use std::sync::Arc;
use std::sync::Mutex;

fn body(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

#[tokio::test]
async fn success_waits_for_every_write_and_schedule_before_it() {
    let scene = Scene::new();
    scene.plugin.next(vec![vec![
        write("inbox", "event"),
        schedule("pair", 0, "event"),
        respond(202),
    ]]);
    let permits = scene.store.blocks();
    let answered = Arc::new(Mutex::new(None));
    let (gateway, slot) = (scene.gateway.clone(), answered.clone());
    let receiving = tokio::spawn(async move {
        let incoming = webhook(&[("authorization", "Bearer HOOK_NEW")]);
        gateway
            .receive(incoming, move |r| *slot.lock().unwrap() = Some(r.status))
            .await;
    });
    for permit in 0..2 {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(*answered.lock().unwrap(), None, "after {permit} writes");
        permits.add_permits(1);
    }
    receiving.await.unwrap();
    assert_eq!(*answered.lock().unwrap(), Some(202));
    assert_eq!(scene.store.keys().await, ["g.work.pair", "p.inbox"]);
}

#[tokio::test]
async fn the_answer_does_not_wait_for_what_comes_after_it() {
    let scene = Scene::new();
    scene
        .plugin
        .next(vec![vec![respond(200), write("later", "x")]]);
    let permits = scene.store.blocks();
    let answered = Arc::new(Mutex::new(None));
    let (gateway, slot) = (scene.gateway.clone(), answered.clone());
    let receiving = tokio::spawn(async move {
        let incoming = webhook(&[("authorization", "Bearer HOOK_NEW")]);
        gateway
            .receive(incoming, move |r| *slot.lock().unwrap() = Some(r.status))
            .await;
    });
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*answered.lock().unwrap(), Some(200));
    assert!(!receiving.is_finished());
    permits.add_permits(1);
    receiving.await.unwrap();
    assert_eq!(scene.store.keys().await, ["p.later"]);
}

#[tokio::test]
async fn replies_come_in_the_order_asked_whatever_was_carried_out_first() {
    let scene = Scene::new();
    scene.plugin.next(vec![vec![
        Effect::Get(vec!["a".to_owned(), "b".to_owned()]),
        write("a", "1"),
        Effect::Http(get("https://other.example.com/", None)),
        respond(200),
        write("a", "2"),
    ]]);
    scene.post().await;
    let seen = scene.plugin.seen.lock().unwrap();
    let kinds: Vec<&str> = seen[0]
        .iter()
        .map(|reply| match reply {
            Reply::Entries(entries) if entries.len() == 2 => "two entries",
            Reply::Written(Ok(revision)) if *revision != 0 => "written",
            Reply::Written(Err(())) => "refused",
            Reply::Http(Ok(_)) => "http",
            Reply::Done => "done",
            _ => "something else",
        })
        .collect();
    assert_eq!(kinds, ["two entries", "written", "http", "done", "refused"]);
}

#[tokio::test]
async fn a_failing_store_is_answered_503_and_nothing_is_acknowledged() {
    let scene = Scene::new();
    scene
        .plugin
        .next(vec![vec![schedule("pair", 0, "event"), respond(200)]]);
    scene.store.breaks();
    let response = scene.post().await;
    assert_eq!(response.status, 503);
    assert_eq!(
        body(&response),
        "{\"error\":\"the store failed and nothing was acknowledged; send it again\"}\n"
    );
    scene.store.recovers();
    assert_eq!(scene.store.keys().await, Vec::<String>::new());
    // The write might have happened, so the queue looks, and finds nothing.
    assert_eq!(scene.run_all().await, 0);
}

#[tokio::test]
async fn a_session_that_gives_no_answer_is_answered_for() {
    for (steps, error) in [
        (vec![Ok(vec![write("a", "1")])], "the plugin gave no answer"),
        (
            vec![Err(Trap("unreachable".to_owned()))],
            "the plugin failed; the gateway's log says why",
        ),
        (
            vec![Ok(vec![respond(99)])],
            "the plugin failed; the gateway's log says why",
        ),
        (
            vec![Ok(vec![write("a/b", "1"), respond(200)])],
            "the plugin failed; the gateway's log says why",
        ),
    ] {
        let scene = Scene::new();
        scene.plugin.next_steps(steps);
        let response = scene.post().await;
        assert_eq!(response.status, 500);
        assert_eq!(body(&response), format!("{{\"error\":\"{error}\"}}\n"));
    }
}

#[tokio::test]
async fn a_second_answer_ends_the_session_and_changes_nothing_for_the_caller() {
    let scene = Scene::new();
    scene.plugin.next(vec![
        vec![respond(200)],
        vec![respond(500)],
        vec![write("never", "x")],
    ]);
    assert_eq!(scene.post().await.status, 200);
    assert_eq!(scene.store.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_cannot_carry_headers_that_change_the_connection() {
    let scene = Scene::new();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    scene.plugin.next(vec![vec![Effect::Respond(Response {
        headers: vec![
            header("Content-Type", "application/json"),
            header("content-length", "0"),
            header("transfer-encoding", "chunked"),
            header("set-cookie", "a=b"),
            header("x-bad", "a\r\nset-cookie: a=b"),
        ],
        ..response(200)
    })]]);
    let answer = scene.post().await;
    assert_eq!(answer.headers, [header("content-type", "application/json")]);
}

#[tokio::test]
async fn a_plugin_cannot_touch_the_records_of_the_gateway() {
    let scene = Scene::new();
    scene.schedule("pair", NOW + 1, "event").await;
    scene.plugin.seen.lock().unwrap().clear();
    scene.plugin.next(vec![vec![
        Effect::Scan(Scan {
            prefix: "g.".to_owned(),
            after: None,
            limit: 10,
        }),
        Effect::Get(vec!["g.work.pair".to_owned()]),
        write("g.work.pair", "mine"),
        respond(200),
    ]]);
    scene.post().await;
    let seen = scene.plugin.seen.lock().unwrap().concat();
    assert!(matches!(&seen[0], Reply::Page(page) if page.entries.len() <= 1));
    assert!(matches!(&seen[2], Reply::Written(Ok(_))));
    drop(seen);
    assert_eq!(
        scene.store.keys().await,
        ["g.work.pair", "p.g.work.pair"],
        "the plugin wrote a key of its own"
    );
}

//! A gateway takes another configuration while it runs, all at once; what has
//! begun ends on the old one, and what was gathered stays.

use crate::proving::signed;
use crate::scene::*;
use integration_gateway::contract::*;
use std::sync::Arc;
use tokio::sync::Semaphore;

const API: &str = "https://api.example.com/incident/list";

async fn status_with(scene: &Scene, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    let request = webhook(&[("authorization", &authorization)]);
    scene.receive(request).await.status
}

#[tokio::test]
async fn a_token_is_changed_without_a_moment_at_which_neither_opens() {
    let scene = Scene::new();
    let with = |tokens: &str| SETTINGS.replace("{ env = \"HOOK_OLD\" }, ", tokens);
    for (tokens, statuses) in [
        ("{ env = \"HOOK_OLD\" }, ", [200, 200]),
        ("", [401, 200]),
        ("{ env = \"HOOK_OLD\" }, ", [200, 200]),
    ] {
        scene.reconfigure(&with(tokens)).await;
        let old = status_with(&scene, "HOOK_OLD").await;
        let new = status_with(&scene, "HOOK_NEW").await;
        assert_eq!([old, new], statuses, "{tokens}");
    }
}

#[tokio::test]
async fn a_session_under_way_ends_on_the_configuration_that_it_began_with() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    let steps = || {
        vec![
            vec![Effect::Http(get(API, Some("key")))],
            vec![finish(Verdict::Done)],
        ]
    };
    scene.plugin.next(steps());
    let hold = Arc::new(Semaphore::new(0));
    *scene.plugin.hold.lock().unwrap() = Some(hold.clone());
    let gateway = scene.gateway.clone();
    let running = tokio::spawn(async move { gateway.run_next().await });
    while scene.plugin.works().is_empty() {
        tokio::task::yield_now().await;
    }
    *scene.plugin.hold.lock().unwrap() = None;
    scene
        .reconfigure(&SETTINGS.replace("CANARY_KEY", "NEXT_KEY"))
        .await;
    hold.add_permits(1);
    running.await.unwrap();

    scene.schedule("pair", 0, "event").await;
    scene.plugin.next(steps());
    assert_eq!(scene.run_all().await, 1);
    let sent = scene.far.take_sent();
    let urls: Vec<_> = sent.iter().map(|sent| sent.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://api.example.com/incident/list?app_key=CANARY_KEY",
            "https://api.example.com/incident/list?app_key=NEXT_KEY",
        ]
    );
}

#[tokio::test]
async fn work_and_accepted_messages_outlive_the_configuration() {
    let scene = Scene::new();
    scene.schedule("pair", 0, "event").await;
    let accepted = scene.receive(signed("1", NOW, "SIGN_NEW")).await;
    assert_eq!(accepted.status, 200);
    scene
        .reconfigure(&SETTINGS.replace("{ env = \"SIGN_OLD\" }, ", ""))
        .await;
    let replayed = scene.receive(signed("1", NOW, "SIGN_NEW")).await;
    assert_eq!(replayed.status, 409);
    assert_eq!(scene.run_all().await, 1);
}

#[tokio::test]
async fn a_gate_that_a_rejected_credential_closed_opens_when_it_is_replaced() {
    let scene = Scene::new();
    let ask = || vec![get(API, Some("key"))];
    scene.far.next_status(401);
    assert_eq!(scene.exchange(ask()).await[0].as_ref().unwrap().status, 401);
    // The same secret once more proves nothing new.
    scene.reconfigure(SETTINGS).await;
    let held = scene.exchange(ask()).await.remove(0);
    assert!(matches!(held, Err(HttpFailure::Held(_))), "{held:?}");
    scene
        .reconfigure(&SETTINGS.replace("CANARY_KEY", "NEXT_KEY"))
        .await;
    assert_eq!(scene.exchange(ask()).await[0].as_ref().unwrap().status, 200);
}

#[tokio::test]
async fn a_gate_of_a_credential_that_is_no_more_is_forgotten_at_a_reload_and_at_a_start() {
    let without = SETTINGS.replace("[credential.snow]", "[credential.other]");
    for is_started_anew in [false, true] {
        let scene = Scene::new();
        scene.far.next_status(401);
        scene
            .exchange(vec![get("https://snow.example.com/x", Some("snow"))])
            .await;
        assert_eq!(scene.gateway.status().closed_gates.len(), 1);
        let scene = match is_started_anew {
            true => scene.with_policy(policy(&without)).await,
            false => {
                scene.reconfigure(&without).await;
                scene
            }
        };
        assert_eq!(scene.gateway.status().closed_gates, []);
    }
}

#[tokio::test]
async fn a_rate_limit_is_obeyed_whatever_the_configuration() {
    let scene = Scene::new();
    let ask = || vec![get(API, Some("key"))];
    scene.far.next_status(429);
    assert_eq!(scene.exchange(ask()).await[0].as_ref().unwrap().status, 429);
    scene
        .reconfigure(&SETTINGS.replace("CANARY_KEY", "NEXT_KEY"))
        .await;
    let held = scene.exchange(ask()).await.remove(0);
    assert!(matches!(held, Err(HttpFailure::Held(_))), "{held:?}");
}

#[tokio::test]
async fn operators_see_how_often_and_when_it_was_exchanged() {
    let scene = Scene::new();
    let assert_shown = |lines: &[&str]| {
        let text = scene.gateway.metrics().encode();
        for line in lines {
            assert!(text.lines().any(|shown| shown == *line), "{line}\n{text}");
        }
    };
    let count =
        |outcome, n| format!("gateway_configuration_reloads_total{{outcome=\"{outcome}\"}} {n}");
    assert_shown(&[
        &count("applied", 0),
        &count("refused", 0),
        "gateway_configuration_timestamp_seconds 1700000000",
    ]);
    scene.clock.advance(60_000);
    scene.reconfigure(SETTINGS).await;
    scene.clock.advance(60_000);
    scene.gateway.count_refused_configuration();
    assert_shown(&[
        &count("applied", 1),
        &count("refused", 1),
        "gateway_configuration_timestamp_seconds 1700000060",
    ]);
}

#[tokio::test]
async fn a_gate_of_another_gateways_origin_is_shown_as_long_as_it_is_closed() {
    let (first, second) = Scene::pair().await;
    let without = SETTINGS.replace("allow = [\"https://other.example.com\"]", "");
    let second = second.with_policy(policy(&without)).await;
    let other = || vec![get("https://other.example.com/", None)];
    first.far.next(Ok(Response {
        headers: vec![("retry-after".to_owned(), "1".to_owned())],
        ..response(429)
    }));
    for (status, is_shown) in [(429, true), (200, false)] {
        let answer = first.exchange(other()).await.remove(0).unwrap();
        assert_eq!(answer.status, status);
        // It looks around.
        second.clock.advance(2000);
        assert_eq!(second.run_all().await, 0);
        let text = second.gateway.metrics().encode();
        let gauge = "gateway_gates_closed{origin=\"https://other.example.com\",why=\"limited\"} 1";
        assert_eq!(text.contains(gauge), is_shown, "{text}");
        first.clock.advance(1000);
    }
}

#[tokio::test]
async fn an_origin_that_is_used_no_more_has_no_gate() {
    let scene = Scene::new();
    let other = || vec![get("https://other.example.com/", None)];
    scene.far.next_status(429);
    scene.exchange(other()).await.remove(0).unwrap();
    let gauge = "gateway_gates_closed{origin=\"https://other.example.com\",why=\"limited\"} 1";
    assert!(scene.gateway.metrics().encode().contains(gauge));
    scene
        .reconfigure(&SETTINGS.replace("allow = [\"https://other.example.com\"]", ""))
        .await;
    assert_eq!(scene.gateway.status().closed_gates, []);
    let text = scene.gateway.metrics().encode();
    assert!(!text.contains("other.example.com\",why"), "{text}");
    assert!(
        text.contains("gateway_gates_closed{origin=\"https://api.example.com\",why=\"limited\"} 0")
    );
}

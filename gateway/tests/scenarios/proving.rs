//! Only who proves itself is heard, and the same signed message is heard once.

use crate::scene::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use integration_gateway::Environment;
use integration_gateway::Incoming;
use integration_gateway::Sender;
use integration_gateway::contract::*;
use sha2::Sha256;

pub(crate) fn signed(id: &str, sent_ms: u64, secret: &str) -> Incoming {
    let timestamp = (sent_ms / 1000).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{id}.{timestamp}.{{}}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    webhook(&[
        ("webhook-id", id),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signature),
    ])
}

fn body(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

#[tokio::test]
async fn a_signed_message_is_heard_once() {
    let scene = Scene::new();
    assert_eq!(
        scene.receive(signed("1", NOW, "SIGN_NEW")).await.status,
        200
    );
    let replayed = scene.receive(signed("1", NOW, "SIGN_NEW")).await;
    assert_eq!(replayed.status, 409);
    assert_eq!(
        body(&replayed),
        "{\"error\":\"a message with this webhook-id was already accepted; expected a new id for \
         every event\"}\n"
    );
    assert_eq!(scene.plugin.inputs.lock().unwrap().len(), 1);
    assert_eq!(
        scene.receive(signed("2", NOW, "SIGN_NEW")).await.status,
        200
    );
}

#[tokio::test]
async fn a_message_that_is_signed_anew_is_heard_when_its_first_signature_has_expired() {
    let scene = Scene::new();
    for (after_ms, status) in [(0, 200), (300_000, 409), (1, 200)] {
        scene.clock.advance(after_ms);
        let signed = signed("1", scene.clock.now_ms(), "SIGN_NEW");
        assert_eq!(scene.receive(signed).await.status, status, "{after_ms}");
    }
}

#[tokio::test]
async fn an_honest_retry_after_a_failure_is_heard() {
    let scene = Scene::new();
    for status in [503, 400] {
        scene.plugin.next(vec![vec![respond(status)]]);
        let first = scene.receive(signed("1", NOW, "SIGN_NEW")).await;
        assert_eq!(first.status, status);
    }
    scene.store.breaks();
    scene
        .plugin
        .next(vec![vec![schedule("pair", 0, "event"), respond(200)]]);
    assert_eq!(
        scene.receive(signed("1", NOW, "SIGN_NEW")).await.status,
        503
    );
    scene.store.recovers();
    assert_eq!(
        scene.receive(signed("1", NOW, "SIGN_NEW")).await.status,
        200
    );
    assert_eq!(
        scene.receive(signed("1", NOW, "SIGN_NEW")).await.status,
        409
    );
}

#[tokio::test]
async fn forged_and_expired_messages_reach_nobody() {
    let scene = Scene::new();
    let mut tampered = signed("1", NOW, "SIGN_NEW");
    tampered.body = b"{\"a\":1}".to_vec();
    for (incoming, error) in [
        (signed("1", NOW, "WRONG"), "no valid proof of the sender"),
        (tampered, "no valid proof of the sender"),
        (webhook(&[]), "no valid proof of the sender"),
        (
            webhook(&[("authorization", "Bearer WRONG")]),
            "no valid proof of the sender",
        ),
        (
            signed("1", NOW - 301_000, "SIGN_NEW"),
            "webhook-timestamp is more than 300 s away",
        ),
        (
            signed("1", NOW + 301_000, "SIGN_NEW"),
            "webhook-timestamp is more than 300 s away",
        ),
    ] {
        let response = scene.receive(incoming).await;
        assert_eq!(response.status, 401);
        let body = body(&response);
        assert!(
            body.starts_with(&format!("{{\"error\":\"{error}")),
            "{body}"
        );
        assert_eq!(body.matches('\n').count(), 1);
    }
    assert_eq!(scene.plugin.inputs.lock().unwrap().len(), 0);
    assert_eq!(scene.store.writes(), 0);
}

#[tokio::test]
async fn the_old_and_the_new_secret_are_both_alive() {
    let scene = Scene::new();
    for secret in ["SIGN_OLD", "SIGN_NEW"] {
        assert_eq!(scene.receive(signed(secret, NOW, secret)).await.status, 200);
    }
    for token in ["HOOK_OLD", "HOOK_NEW"] {
        let incoming = webhook(&[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(scene.receive(incoming).await.status, 200);
    }
}

#[tokio::test]
async fn a_bearer_token_may_come_with_the_same_id_as_often_as_it_likes() {
    let scene = Scene::new();
    for _ in 0..2 {
        let incoming = webhook(&[("authorization", "Bearer HOOK_NEW"), ("webhook-id", "1")]);
        assert_eq!(scene.receive(incoming).await.status, 200);
    }
}

#[tokio::test]
async fn the_plugin_sees_the_request_without_the_proof() {
    let scene = Scene::new();
    let mut incoming = signed("1", NOW, "SIGN_NEW");
    incoming.query = "a=1".to_owned();
    scene.receive(incoming).await;
    let inputs = scene.plugin.inputs.lock().unwrap();
    let Input::Request(request) = &inputs[0] else {
        panic!("expected a request");
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        request.headers,
        [
            header("webhook-id", "1"),
            header("webhook-timestamp", "1700000000")
        ]
    );
    assert_eq!(
        (request.path.as_str(), request.query.as_str()),
        ("/hook", "a=1")
    );
}

#[test]
fn the_head_tells_whether_a_body_can_change_anything() {
    let unsigned = SETTINGS.replace("    signature = ", "    # signature = ");
    for (settings, stranger) in [(SETTINGS, Sender::Unproven), (&unsigned, Sender::Refused)] {
        let scene = Scene::with_settings(settings);
        let sender = |head: Incoming| scene.gateway.sender(&head);
        let proven = || webhook(&[("authorization", "Bearer HOOK_NEW")]);
        let guess = webhook(&[("authorization", "Bearer HOOK")]);
        assert_eq!(sender(proven()), Sender::Proven);
        assert_eq!(sender(guess), stranger);
        assert_eq!(sender(webhook(&[])), stranger);
        let elsewhere = Incoming {
            path: "/elsewhere".to_owned(),
            ..proven()
        };
        assert_eq!(sender(elsewhere), Sender::Refused);
        let get = Incoming {
            method: "GET".to_owned(),
            ..proven()
        };
        assert_eq!(sender(get), Sender::Refused);
    }
}

#[tokio::test]
async fn an_unknown_path_and_a_body_that_is_too_long_are_refused() {
    let settings = SETTINGS.replace("path = \"/hook\"", "path = \"/hook\"\nmax-body-bytes = 2");
    let scene = Scene::with_settings(&settings);
    let mut unknown = webhook(&[("authorization", "Bearer HOOK_NEW")]);
    unknown.path = "/elsewhere".to_owned();
    assert_eq!(scene.receive(unknown).await.status, 404);
    assert_eq!(scene.gateway.body_limit("/hook"), 2);
    assert_eq!(scene.post().await.status, 200);
    let mut long = webhook(&[("authorization", "Bearer HOOK_NEW")]);
    long.body = b"{ }".to_vec();
    assert_eq!(scene.receive(long).await.status, 413);
}

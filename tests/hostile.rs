//! Whoever is not who they should be, or sends what they should not, gets a
//! short answer and leaves nothing behind.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use support::Setting;
use support::World;
use support::wire::Answer;
use support::wire::bearer;
use support::world::ADMIN_TOKEN;
use support::world::FLASHDUTY_TOKEN;

fn token() -> String {
    bearer(FLASHDUTY_TOKEN)
}

/// Nothing was stored and nothing was sent anywhere; and all still works.
async fn nothing_happened(world: &World) {
    world.settled().await.unwrap();
    let work = world.admin("/work", Some(ADMIN_TOKEN)).await;
    assert_eq!(work.json()["work"], json!([]), "{work:?}");
    assert_eq!(world.servicenow.simulator().incidents().count(), 0);
    let incident = world.alert("disk full", simulators::flashduty::Status::Critical);
    world.until_record(&incident).await.unwrap();
}

fn refused(answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.json()["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(error.contains(reason), "{answer:?}");
    assert!(!answer.text.trim_end().contains('\n'), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_token_nothing_is_looked_at() {
    let world = World::start(Setting::default()).await.unwrap();
    let body = br#"{"event_type":"i_new","incident":{"incident_id":"6a1d2f45c0ffee0123456789"}}"#;
    let expected = "authorization: Bearer";
    refused(
        &world.send("/flashduty/demo", &[], body).await,
        401,
        expected,
    );
    refused(
        &world
            .send("/flashduty/demo", &[bearer("wrong")], body)
            .await,
        401,
        expected,
    );
    let almost = format!("{FLASHDUTY_TOKEN}x");
    refused(
        &world
            .send("/flashduty/demo", &[bearer(&almost)], body)
            .await,
        401,
        expected,
    );
    // The token of the one side does not open the other.
    refused(
        &world.send("/servicenow/demo", &[token()], body).await,
        401,
        expected,
    );
    nothing_happened(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asked_for_is_refused() {
    let world = World::start(Setting::default()).await.unwrap();
    refused(
        &world.send("/flashduty/other", &[token()], b"{}").await,
        404,
        "",
    );
    refused(
        &world
            .send("/flashduty/demo/../demo", &[token()], b"{}")
            .await,
        404,
        "",
    );
    refused(&world.send("/", &[token()], b"{}").await, 404, "");
    let get = format!(
        "GET /flashduty/demo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}\r\n\r\n",
        token()
    );
    refused(&world.raw(get.as_bytes()).await, 405, "POST");
    let text = ["content-type: text/xml".to_owned(), token()];
    refused(
        &world.send("/flashduty/demo", &text, b"<a/>").await,
        415,
        "application/json",
    );
    nothing_happened(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_no_ids_go_nowhere() {
    let world = World::start(Setting::default()).await.unwrap();
    for id in [
        "../../etc/passwd",
        "6a1d2f45c0ffee01234567%2e",
        "6a1d2f45c0ffee012345678\r",
        "",
    ] {
        let body = json!({ "event_type": "i_new", "incident": { "incident_id": id } });
        refused(
            &world.flashduty_sends(&body).await,
            400,
            "incident.incident_id",
        );
        let body = json!({ "sys_id": id });
        refused(&world.servicenow_sends(&body).await, 400, "sys_id");
    }
    nothing_happened(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_do_not_go_off() {
    let world = World::start(Setting::default()).await.unwrap();
    let deep = "[".repeat(100_000);
    refused(
        &world
            .send("/flashduty/demo", &[token()], deep.as_bytes())
            .await,
        400,
        "JSON",
    );
    let wide: Vec<_> = (0..15_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let wide = format!("{{{}}}", wide.join(","));
    refused(
        &world
            .send("/flashduty/demo", &[token()], wide.as_bytes())
            .await,
        400,
        "event_type",
    );
    let number = format!("{{\"event_type\":{}}}", "9".repeat(100_000));
    refused(
        &world
            .send("/flashduty/demo", &[token()], number.as_bytes())
            .await,
        400,
        "",
    );
    for broken in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "\u{feff}{}",
        "{\"event_type\":\"\\ud800\"}",
    ] {
        refused(
            &world
                .send("/flashduty/demo", &[token()], broken.as_bytes())
                .await,
            400,
            "expected",
        );
    }
    nothing_happened(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_cut_short() {
    let world = World::start(Setting::default()).await.unwrap();
    let huge = format!(
        "POST /flashduty/demo HTTP/1.1\r\nhost: x\r\n{}\r\ncontent-type: application/json\r\n\
         content-length: 1073741824\r\n\r\n{{",
        token()
    );
    refused(&world.raw(huge.as_bytes()).await, 413, "");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked = [token(), "transfer-encoding: chunked".into()];
    let endless = chunk.repeat(64);
    refused(
        &world
            .send("/flashduty/demo", &chunked, endless.as_bytes())
            .await,
        413,
        "",
    );
    nothing_happened(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_shows_its_health_to_all_and_the_rest_to_whoever_has_the_token() {
    let world = World::start(Setting::default()).await.unwrap();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(world.admin(path, None).await.status, 200, "{path}");
    }
    for path in ["/metrics", "/work"] {
        assert_eq!(world.admin(path, None).await.status, 401, "{path}");
        assert_eq!(world.admin(path, Some("wrong")).await.status, 401, "{path}");
        assert_eq!(
            world.admin(path, Some(ADMIN_TOKEN)).await.status,
            200,
            "{path}"
        );
    }
}

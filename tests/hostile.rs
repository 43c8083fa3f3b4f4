//! Whoever is not who they should be, or sends what they should not, gets a
//! short answer and leaves nothing behind.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use simulators::flashduty::Status;
use simulators::server::Exchange;
use simulators::servicenow::ManualForm;
use support::Setting;
use support::World;
use support::wire::Answer;
use support::wire::bearer;
use support::world::ADMIN_TOKEN;
use support::world::FLASHDUTY_TOKEN;
use support::world::SIGNATURE;
use support::writes::Writes;
use tokio::sync::broadcast::Receiver;

fn token() -> String {
    bearer(FLASHDUTY_TOKEN)
}

/// Nothing was stored and nothing was written anywhere, and all still works.
async fn nothing_happened(mut world: World, mut writes: Writes) {
    world.settled().await.unwrap();
    let work = world.admin("/work", Some(ADMIN_TOKEN)).await;
    assert_eq!(work.json()["work"], json!([]), "{work:?}");
    assert_eq!(writes.in_servicenow(), [""; 0]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
    let incident = world.alert("disk full", Status::Critical);
    let sys_id = world.until_record(&incident).await.unwrap();
    world.settled().await.unwrap();
    let keys = world.stored_keys().await.unwrap();
    assert!(!keys.is_empty(), "the good incident is stored");
    for key in keys {
        let about_it = [&incident, &sys_id].iter().any(|id| key.contains(*id));
        assert!(about_it || key == "p.instance.demo", "{key}");
    }
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
    let writes = world.writes();
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
    nothing_happened(world, writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asked_for_is_refused() {
    let world = World::start(Setting::default()).await.unwrap();
    let writes = world.writes();
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
    nothing_happened(world, writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_no_ids_go_nowhere() {
    let world = World::start(Setting::default()).await.unwrap();
    let writes = world.writes();
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
    nothing_happened(world, writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_do_not_go_off() {
    let world = World::start(Setting::default()).await.unwrap();
    let writes = world.writes();
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
    nothing_happened(world, writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_cut_short() {
    let world = World::start(Setting::default()).await.unwrap();
    let writes = world.writes();
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
    let metrics = world.admin("/metrics", Some(ADMIN_TOKEN)).await.text;
    let count = "gateway_webhooks_total{path=\"/flashduty/demo\",outcome=\"too_large\"} 2";
    assert!(metrics.contains(count), "{metrics}");
    nothing_happened(world, writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_trickles_is_hung_up_on() {
    let world = World::start(Setting {
        server: "header-timeout-seconds = 1\nbody-timeout-seconds = 1",
        ..Setting::default()
    })
    .await
    .unwrap();
    let writes = world.writes();
    // Each returns only because the gateway closes the connection.
    for header in ["", "POST /flashduty/demo HTTP/1.1\r\nhost: x\r\n"] {
        let answer = world.raw(header.as_bytes()).await;
        assert_eq!(answer.status, 0, "{answer:?}");
    }
    let body = format!(
        "POST /flashduty/demo HTTP/1.1\r\nhost: x\r\n{}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        token()
    );
    refused(&world.raw(body.as_bytes()).await, 408, "in time");
    nothing_happened(world, writes).await;
}

/// The webhooks that ServiceNow has sent: header lines and body.
fn sent(exchanges: &mut Receiver<Exchange>) -> Vec<(Vec<String>, Vec<u8>)> {
    let mut sent = Vec::new();
    while let Ok(exchange) = exchanges.try_recv() {
        if let Exchange::Pushed { push, .. } = exchange {
            let lines = push
                .headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}"));
            sent.push((lines.collect(), push.body));
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_is_taken_once_and_not_with_another_body() {
    let world = World::start(Setting {
        servicenow_proof: SIGNATURE,
        ..Setting::default()
    })
    .await
    .unwrap();
    let mut exchanges = world.servicenow.exchanges();
    world.abel_opens(&[("short_description", "VPN down"), ("urgency", "1")]);
    let incident = world.until_incident("VPN down").await.unwrap();
    world.settled().await.unwrap();
    let (headers, body) = sent(&mut exchanges).swap_remove(0);
    let mut writes = world.writes();
    let again = world.send("/servicenow/demo", &headers, &body).await;
    refused(&again, 409, "webhook-id");
    let other = String::from_utf8(body.clone())
        .unwrap()
        .replace("VPN", "LAN");
    let forged = world
        .send("/servicenow/demo", &headers, other.as_bytes())
        .await;
    refused(&forged, 401, "webhook-signature");
    let unsigned: Vec<_> = headers
        .iter()
        .filter(|line| !line.starts_with("webhook-signature"))
        .cloned()
        .collect();
    let unsigned = world.send("/servicenow/demo", &unsigned, &body).await;
    refused(&unsigned, 401, "webhook-signature");
    world.settled().await.unwrap();
    assert_eq!(writes.in_flashduty(), [""; 0]);
    assert_eq!(world.flashduty.simulator().incidents().count(), 1);
    assert!(world.comments(&incident).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_has_expired_proves_nothing() {
    let mut world = World::start(Setting {
        servicenow_proof: SIGNATURE,
        ..Setting::default()
    })
    .await
    .unwrap();
    let mut writes = world.writes();
    // The button sends a webhook that then takes ten minutes to arrive.
    world.servicenow.poke(|s, now| {
        let rule = s.options_mut().business_rule.take();
        let created = s.create_incident("abel.tuter", &[("urgency", "1")], now);
        s.options_mut().business_rule = rule;
        s.send_to_flashduty(&created.unwrap(), ManualForm::Guide, now - 600_000);
    });
    world.settled().await.unwrap();
    let outcomes: Vec<_> = {
        let servicenow = world.servicenow.simulator();
        servicenow
            .outbound_log()
            .map(|o| o.outcome.clone())
            .collect()
    };
    assert_eq!(outcomes, [Some(Ok(401))]);
    assert_eq!(writes.in_flashduty(), [""; 0]);
    assert_eq!(world.stored_keys().await.unwrap(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn line_breaks_in_names_and_texts_break_nothing() {
    let world = World::start(Setting::default()).await.unwrap();
    let title = "disk full\r\nx-injected: yes\r\n\r\nGET / HTTP/1.1";
    let incident = world.alert(title, Status::Critical);
    let event = json!({
        "event_type": "i_new\r\nx-injected: yes",
        "event_id": "a\r\nb",
        "incident": { "incident_id": incident, "title": title },
    });
    let answer = world.flashduty_sends(&event).await;
    assert_eq!((answer.status, answer.text.lines().count()), (200, 1));
    let sys_id = world.until_record(&incident).await.unwrap();
    assert_eq!(
        world.column(&sys_id, "short_description"),
        "disk full x-injected: yes GET / HTTP/1.1"
    );
    world.settled().await.unwrap();
    let event = json!({ "event_type": "i_new", "incident": { "incident_id": "x\r\ny: z" } });
    let answer = world.flashduty_sends(&event).await;
    refused(&answer, 400, "incident.incident_id");
    assert_eq!(world.servicenow.simulator().incidents().count(), 1);
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

//! The component that Spin's cron trigger calls, and a gateway that it calls.

use crate::application::Build;
use crate::application::MEMORY;
use crate::application::dist;
use crate::contract::place;
use crate::contract::probe;
use conformance::OPERATOR_TOKEN;
use conformance::WEBHOOK_TOKEN;
use conformance::site::FarEnds;
use conformance::site::PATIENCE;
use conformance::wire;
use serde_json::json;
use spin_like::cron;
use spin_like::manifest::Application;
use spin_like::server::Server;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::join;

/// The example's application.
fn application(origin: &str, token: &str) -> Application {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/tick-cron.toml");
    let given = [("gateway_origin", origin), ("admin_token", token)];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Application::read(&manifest, &BTreeMap::from(given)).unwrap()
}

async fn fire(origin: &str, token: &str) -> Result<(), String> {
    let application = application(origin, token);
    cron::fire(&application, &dist().join("cache"))
        .await
        .unwrap()
}

#[test]
fn the_example_is_for_each_minute() {
    let application = application("http://127.0.0.1:3000", "token");
    assert_eq!(application.schedule.as_deref(), Some("0 * * * * *"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_makes_a_gateway_do_what_is_due() {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(Build::P2, &far_ends, None);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    let key = &far_ends.key("by-the-clock");
    let schedule = json!([[{ "schedule": { "key": key, "in-ms": 4000, "reason": "later" } }]]);
    let url = format!("{}/probe", place(&server).url);
    let body = schedule.to_string().into_bytes();
    let answer = wire::send("POST", &url, WEBHOOK_TOKEN, body, PATIENCE).await;
    assert_eq!(answer.unwrap().status, 200);
    // Too long for the instance that was asked, which does not wait for it.
    tokio::time::sleep(Duration::from_millis(4200)).await;
    let session = async {
        let asked = far_ends.far_end.asked(key, PATIENCE).await.unwrap();
        asked.done();
    };
    let url = server.url();
    let (fired, ()) = join!(fire(&url, OPERATOR_TOKEN), session);
    assert_eq!(fired, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_what_to_do() {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(Build::P2, &far_ends, None);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    let url = server.url();
    let expected = format!(
        "POST {url}/tick: 401: the Spin variable admin_token is not a token of [admin] there"
    );
    assert_eq!(fire(&url, WEBHOOK_TOKEN).await, Err(expected));
    drop(server);
    let told = fire(&url, OPERATOR_TOKEN).await.unwrap_err();
    let expected = format!("POST {url}/tick: ");
    assert!(told.starts_with(&expected), "{told}");
}

//! `POST /tick`: bounded, authenticated, and harmless however often it comes.

use crate::application::Build;
use crate::application::MEMORY;
use crate::contract::place;
use crate::contract::probe;
use conformance::OPERATOR_TOKEN;
use conformance::WEBHOOK_TOKEN;
use conformance::site::FarEnds;
use conformance::wire;
use serde_json::json;
use spin_like::server::Server;
use std::time::Duration;
use std::time::Instant;
use tokio::join;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn ticks_at_the_same_time_do_what_is_due_once_and_end_in_time() {
    ticks_at_the_same_time(Build::P2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_at_the_same_time_do_so_for_wasi_0_3_too() {
    ticks_at_the_same_time(Build::P3).await;
}

/// Work is scheduled for later, so that it is the tick that does it.
async fn ticks_at_the_same_time(build: Build) {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(build, &far_ends, None);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    let place = place(&server);
    let tick = format!("{}?seconds=2", place.tick.unwrap());
    let tick = tick.as_str();
    for token in ["", WEBHOOK_TOKEN] {
        let answer = wire::send("POST", tick, token, vec![], PATIENCE)
            .await
            .unwrap();
        assert_eq!(answer.status, 401, "with {token:?}");
    }
    let key = &far_ends.key("ticked");
    let schedule = json!([[{ "schedule": { "key": key, "in-ms": 4000, "reason": "later" } }]]);
    let body = schedule.to_string().into_bytes();
    let url = format!("{}/probe", place.url);
    let answer = wire::send("POST", &url, WEBHOOK_TOKEN, body, PATIENCE)
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    tokio::time::sleep(Duration::from_millis(4200)).await;

    let start = Instant::now();
    let ticks = async {
        let tick = || wire::send("POST", tick, OPERATOR_TOKEN, vec![], PATIENCE);
        let (one, two, three) = join!(tick(), tick(), tick());
        for answer in [one, two, three] {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        start.elapsed()
    };
    let session = async {
        let asked = far_ends.far_end.asked(key, PATIENCE).await.unwrap();
        // It is held up for longer than the ticks are allowed to take.
        tokio::time::sleep(Duration::from_secs(5)).await;
        asked.done();
    };
    let (took, ()) = join!(ticks, session);
    assert!(took < Duration::from_secs(5), "a tick of 2 s took {took:?}");
    let last = wire::send("POST", tick, OPERATOR_TOKEN, vec![], PATIENCE)
        .await
        .unwrap();
    assert_eq!(last.status, 200, "{}", last.text);
    assert!(far_ends.far_end.is_quiet(key, Duration::from_secs(1)).await);
    assert_eq!(far_ends.far_end.most_at_once(key), 1);
}

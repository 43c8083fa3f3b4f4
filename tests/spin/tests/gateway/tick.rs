//! `POST /tick`: bounded, authenticated, and harmless however often it comes.

use crate::application::Build;
use crate::application::MEMORY;
use crate::contract::place;
use crate::contract::probe;
use crate::postgres::Postgres;
use crate::waiting;
use conformance::OPERATOR_TOKEN;
use conformance::WEBHOOK_TOKEN;
use conformance::site::FarEnds;
use conformance::site::PATIENCE;
use conformance::wire;
use serde_json::json;
use spin_like::server::Server;
use std::time::Duration;
use std::time::Instant;
use tokio::join;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_ends_in_time_while_it_reads_the_queue_too() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let far_ends = FarEnds::somewhere().await.unwrap();
    for build in [Build::P2, Build::P3] {
        let loaded = probe(build, &far_ends, Some(&postgres.url()));
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
        let tick = format!("{}?seconds=1", place(&server).tick.unwrap());
        let ticked = async || wire::send("POST", &tick, OPERATOR_TOKEN, vec![], PATIENCE).await;
        assert_eq!(ticked().await.unwrap().status, 200);
        waiting::add(&postgres, 10_000);
        // The cost has the server look at no more than a page has.
        postgres.sql(
            "CREATE FUNCTION slowly(key text) RETURNS bool LANGUAGE plpgsql COST 1000000 AS $$ BEGIN \
                 IF key LIKE 'g.work.%' THEN PERFORM pg_sleep(0.001); END IF; RETURN true; \
             END $$; \
             ALTER TABLE servicenow_sync_keys RENAME TO keys; \
             CREATE VIEW servicenow_sync_keys AS SELECT * FROM keys WHERE slowly(key)",
        );
        let start = Instant::now();
        let answer = ticked().await.unwrap();
        let took = start.elapsed();
        assert_eq!(answer.status, 503, "{build:?}: {}", answer.text);
        let expected = "the work queue was not read in 1 s, and nothing was done; a tick may have \
                        seconds=300";
        assert!(answer.text.contains(expected), "{}", answer.text);
        assert!(took < Duration::from_secs(6), "{build:?}: {took:?} of 1 s");
        server.at_rest().await;
        postgres.sql(
            "DROP VIEW servicenow_sync_keys; DROP FUNCTION slowly; \
             ALTER TABLE keys RENAME TO servicenow_sync_keys; DELETE FROM servicenow_sync_keys",
        );
    }
}

//! Many senders at once: each is answered. Many sessions that wait: they are in
//! nobody's way.

use crate::application::Build;
use crate::application::MEMORY;
use crate::contract::probe;
use crate::postgres::Postgres;
use crate::waiting;
use bytes::Bytes;
use conformance::WEBHOOK_TOKEN;
use conformance::site::FarEnds;
use conformance::site::PATIENCE;
use conformance::wire;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::json;
use spin_like::server::Server;
use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

const CLIENTS: usize = 64;
const REQUESTS: usize = 5;
const SESSIONS: usize = 10;
/// Far more than anybody scheduled for whom a gateway is asked.
const OTHERS: usize = 3000;
/// A look at the server and at its history, a write, and what a piece of work
/// takes to be scheduled, leased and done. An instance that waited for a while
/// looks at the server again.
const STATEMENTS: usize = 14;
const A_WHILE: Duration = Duration::from_secs(3);

async fn connect(address: &str) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn post(sender: &mut SendRequest<Full<Bytes>>, body: String) -> anyhow::Result<u16> {
    let request = Request::post("/probe")
        .header("host", "gateway")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {WEBHOOK_TOKEN}"))
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await?;
    Ok(status)
}

/// A write, a piece of work and an answer; what came of each request.
async fn client(
    address: String,
    keep_alive: bool,
    key: String,
    requests: usize,
) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    let mut kept = None;
    for n in 0..requests {
        let write = json!({ "write": { "key": format!("{key}-{n}"), "value": { "text": "" } } });
        let schedule = json!({ "schedule": { "key": key, "reason": "load" } });
        let body = json!([[write, schedule, { "respond": 200 }]]).to_string();
        let outcome = async {
            let mut sender = match kept.take() {
                Some(sender) => sender,
                None => connect(&address).await?,
            };
            let status = post(&mut sender, body).await?;
            if keep_alive {
                kept = Some(sender);
            }
            anyhow::Ok(status)
        };
        let outcome = match outcome.await {
            Ok(status) => status.to_string(),
            Err(error) => format!("{error:#}"),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

async fn sixty_four_senders(build: Build, database: Option<&str>) {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(build, &far_ends, database);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    sixty_four_senders_are_answered(&server.url()).await;
}

/// Puts a gateway to the test that has the probe.
pub(crate) async fn sixty_four_senders_are_answered(url: &str) {
    let address = url.replace("http://", "");
    for keep_alive in [true, false] {
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            // Of another run, so the far end says at once that it is done.
            let key = format!("conformance-load.{keep_alive}.{n}");
            clients.spawn(client(address.clone(), keep_alive, key, REQUESTS));
        }
        let mut outcomes = BTreeMap::new();
        for (outcome, count) in clients.join_all().await.into_iter().flatten() {
            *outcomes.entry(outcome).or_insert(0) += count;
        }
        let expected = BTreeMap::from([("200".to_owned(), CLIENTS * REQUESTS)]);
        assert_eq!(outcomes, expected, "keep-alive: {keep_alive}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_senders_at_once_are_all_answered() {
    sixty_four_senders(Build::P2, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_senders_at_once_are_all_answered_for_wasi_0_3() {
    sixty_four_senders(Build::P3, None).await;
}

async fn with_postgres(build: Build) {
    if let Some(postgres) = Postgres::start() {
        sixty_four_senders(build, Some(&postgres.url())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_senders_at_once_are_all_answered_with_postgres() {
    with_postgres(Build::P2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_senders_at_once_are_all_answered_with_postgres_for_wasi_0_3() {
    with_postgres(Build::P3).await;
}

/// A webhook is about its own work, whatever else is to be done.
async fn a_webhook_takes_few_statements(build: Build) {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(build, &far_ends, Some(&postgres.url()));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    let address = server.url().replace("http://", "");
    // This one creates the tables.
    client(address.clone(), true, "conformance-few.0".to_owned(), 1).await;
    waiting::add(&postgres, OTHERS);
    for at_once in [1, 16] {
        server.at_rest().await;
        let before = server.statements();
        let mut clients = JoinSet::new();
        for n in 0..at_once {
            let key = format!("conformance-few.{at_once}.{n}");
            clients.spawn(client(address.clone(), true, key, 1));
        }
        clients.join_all().await;
        server.at_rest().await;
        let statements = server.statements() - before;
        let most = STATEMENTS * at_once;
        assert!(statements <= most, "{at_once} at once took {statements}");
    }
    assert_eq!(waiting::count(&postgres), OTHERS, "they are not its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_takes_few_statements_however_much_is_to_be_done() {
    a_webhook_takes_few_statements(Build::P2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_takes_few_statements_for_wasi_0_3_too() {
    a_webhook_takes_few_statements(Build::P3).await;
}

async fn sessions_that_wait_hold_no_connection(build: Build) {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(build, &far_ends, Some(&postgres.url()));
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    let url = format!("{}/probe", server.url());
    let mut waiting = Vec::new();
    for n in 0..SESSIONS {
        let key = far_ends.key(&n.to_string());
        let schedule = json!([[{ "schedule": { "key": key, "reason": "to wait" } }]]);
        let body = schedule.to_string().into_bytes();
        let answer = wire::send("POST", &url, WEBHOOK_TOKEN, body, PATIENCE).await;
        assert_eq!(answer.unwrap().status, 200, "session {n}");
        waiting.push(far_ends.far_end.asked(&key, PATIENCE).await.unwrap());
    }
    // Their leases are renewed now and then.
    let begin = Instant::now();
    while server.held_connections() > 0 {
        assert!(begin.elapsed() < A_WHILE, "they hold on to connections");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(waiting.len(), SESSIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_wait_for_a_far_end_hold_no_connection_to_the_database() {
    sessions_that_wait_hold_no_connection(Build::P2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_wait_for_a_far_end_hold_none_for_wasi_0_3_either() {
    sessions_that_wait_hold_no_connection(Build::P3).await;
}

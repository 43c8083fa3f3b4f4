//! Many senders at once: each is answered.

use crate::application::Build;
use crate::application::MEMORY;
use crate::contract::probe;
use bytes::Bytes;
use conformance::WEBHOOK_TOKEN;
use conformance::site::FarEnds;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::json;
use spin_like::server::Server;
use std::collections::BTreeMap;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CLIENTS: usize = 64;
const REQUESTS: usize = 5;

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
async fn client(address: String, keep_alive: bool, key: String) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    let mut kept = None;
    for n in 0..REQUESTS {
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

async fn sixty_four_senders_are_answered(build: Build) {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(build, &far_ends, None);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    let address = server.url().replace("http://", "");
    for keep_alive in [true, false] {
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            // Of another run, so the far end says at once that it is done.
            let key = format!("conformance-load.{keep_alive}.{n}");
            clients.spawn(client(address.clone(), keep_alive, key));
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
    sixty_four_senders_are_answered(Build::P2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_senders_at_once_are_all_answered_for_wasi_0_3() {
    sixty_four_senders_are_answered(Build::P3).await;
}

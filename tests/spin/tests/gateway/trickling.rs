//! Whoever sends a head and next to nothing of a body: an instance waits for that
//! where a body is wanted, and not for long.

use crate::application::Build;
use crate::application::MEMORY;
use crate::contract::probe;
use conformance::OPERATOR_TOKEN;
use conformance::WEBHOOK_TOKEN;
use conformance::site::FarEnds;
use spin_like::server::Server;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Twice as long as a body may take, and some time to answer: without a limit
/// there would be no answer at all.
const PATIENCE: Duration = Duration::from_secs(25);
/// Less than any body is waited for.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The first byte of a hundred, which is all that comes.
async fn trickle(server: &Server, line: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\
         content-length: 100\r\n\r\n{{"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The status of the answer; the connection stays as it is.
async fn status(stream: &mut TcpStream) -> String {
    let mut head = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut head).await.unwrap();
    String::from_utf8_lossy(&head["HTTP/1.1 ".len()..]).into_owned()
}

async fn whoever_trickles_is_answered(build: Build) {
    let far_ends = FarEnds::somewhere().await.unwrap();
    let loaded = probe(build, &far_ends, None);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&loaded, folder.path(), MEMORY).await.unwrap();
    let mut answers = JoinSet::new();
    for (line, token, expected) in [
        ("POST /nowhere", "", "404"),
        ("POST /tick", "", "401"),
        ("GET /status", WEBHOOK_TOKEN, "401"),
        ("POST /plugin/a", "", "401"),
        ("POST /readyz", "", "405"),
        ("GET /readyz", "", "200"),
        ("GET /probe", WEBHOOK_TOKEN, "405"),
        ("POST /probe", "", "401"),
        ("POST /probe", WEBHOOK_TOKEN, "408"),
        ("POST /plugin/a", OPERATOR_TOKEN, "408"),
        ("POST /tick", OPERATOR_TOKEN, "408"),
    ] {
        let mut stream = trickle(&server, line, token).await;
        answers.spawn(async move {
            let what = format!("{build:?}: {line} with {token:?}");
            let start = Instant::now();
            let answer = timeout(PATIENCE, status(&mut stream)).await;
            let took = start.elapsed();
            assert_eq!(answer.as_deref(), Ok(expected), "{what}");
            let is_late = took > AT_ONCE;
            assert_eq!(is_late, expected == "408", "{what}: after {took:?}");
            stream
        });
    }
    let connections = answers.join_all().await;
    let ended = timeout(PATIENCE, server.at_rest()).await;
    assert!(ended.is_ok(), "{build:?}: an instance is still held");
    drop(connections);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_trickles_holds_no_instance_for_long() {
    whoever_trickles_is_answered(Build::P2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_trickles_holds_no_instance_for_wasi_0_3_either() {
    whoever_trickles_is_answered(Build::P3).await;
}

//! What a stranger can take from the server is bounded.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use http::Request;
use http::Response;
use http::request::Parts;
use integration_gateway::Sender;
use servicenow_sync::server::Handler;
use servicenow_sync::server::Server;
use servicenow_sync::server::ServerLimits;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Answers with the path and the length of the body; `/close` not at all, and
/// `/slow` after a while.
struct Echo;

impl Handler for Echo {
    fn body_limit(&self, _path: &str) -> usize {
        1000
    }

    async fn handle(&self, request: Request<Bytes>, _peer: SocketAddr) -> Option<Response<Bytes>> {
        match request.uri().path() {
            "/close" => return None,
            "/slow" => tokio::time::sleep(Duration::from_millis(400)).await,
            _ => {}
        }
        Some(Response::new(
            format!("{} {}", request.uri(), request.body().len()).into(),
        ))
    }
}

fn limits() -> ServerLimits {
    ServerLimits {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        connections: 100,
    }
}

async fn server(limits: ServerLimits) -> Server {
    Server::start(([127, 0, 0, 1], 0).into(), limits, Echo)
        .await
        .unwrap()
}

/// Sends bytes and reads until the server closes the connection.
async fn exchange(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after an early refusal is as good as an end.
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer))
        .await
        .expect("the server did not close the connection");
    String::from_utf8(answer).unwrap()
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_request_is_answered() {
    let server = server(limits()).await;
    let answer = exchange(&server, &post("/a?b=c", b"123")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n/a?b=c 3"), "{answer}");
}

#[tokio::test]
async fn no_answer_closes_the_connection() {
    assert_eq!(
        exchange(&server(limits()).await, &post("/close", b"")).await,
        ""
    );
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_refused_before_it_comes() {
    let server = server(limits()).await;
    let head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n";
    let answer = exchange(&server, head).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"),
        "{answer}"
    );
    assert!(
        answer.to_lowercase().contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
    assert!(
        answer.ends_with("\r\n\r\n{\"error\":\"the body is longer than 1000 bytes\"}\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let server = server(limits()).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let sending = tokio::spawn(async move {
        let chunk = [b"100\r\n".as_slice(), &[b'x'; 256], b"\r\n"].concat();
        let mut sent = 0;
        while write.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sent
    });
    let mut answer = Vec::new();
    let _ = read.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(sending.await.unwrap() < 1 << 20);
}

#[tokio::test]
async fn a_header_that_trickles_is_cut_off_in_time() {
    let server = server(limits()).await;
    let start = Instant::now();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"POST /a HTTP/1.1\r\nhost: x\r\nx-a")
        .await
        .unwrap();
    rest(&mut stream).await;
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_in_time() {
    let server = server(limits()).await;
    let start = Instant::now();
    let head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n123";
    let answer = exchange(&server, head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_huge_header_is_refused() {
    let server = server(limits()).await;
    let head = format!(
        "GET /a HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n",
        "a".repeat(300 << 10)
    );
    let answer = exchange(&server, head.as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_trickling_sockets_keeps_nobody_out() {
    let limits = ServerLimits {
        header_timeout: Duration::from_secs(60),
        ..limits()
    };
    let server = server(limits).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(b"POST /a HTTP/1.1\r\n").await.unwrap();
        crowd.push(stream);
    }
    let start = Instant::now();
    let answer = exchange(&server, &post("/a", b"1")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

/// Takes long bodies of senders that have proved nothing yet.
struct Unproven;

impl Handler for Unproven {
    fn body_limit(&self, _path: &str) -> usize {
        512 << 10
    }

    fn sender(&self, _head: &Parts) -> Sender {
        Sender::Unproven
    }

    async fn handle(&self, request: Request<Bytes>, _peer: SocketAddr) -> Option<Response<Bytes>> {
        Some(Response::new(request.body().len().to_string().into()))
    }
}

/// Reads one answer, whose body ends with `end`, of a connection that stays open.
async fn answer(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    while !answer.ends_with(end) {
        let mut some = [0; 1000];
        let reading = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut some));
        match reading.await.expect("no answer") {
            Ok(length @ 1..) => answer.push_str(std::str::from_utf8(&some[..length]).unwrap()),
            ended => panic!("{ended:?} after {answer:?}"),
        }
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_connection_is_not_the_first_that_a_flood_of_bodies_closes() {
    let limits = ServerLimits {
        body_timeout: Duration::from_secs(60),
        header_timeout: Duration::from_secs(60),
        connections: 1000,
    };
    let server = Server::start(([127, 0, 0, 1], 0).into(), limits, Unproven);
    let server = server.await.unwrap();
    let strand = async || {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 400000\r\n\r\n";
        // It may be closed before all is sent.
        let _ = stream
            .write_all(&[&head[..], &[b'x'; 200_000]].concat())
            .await;
        stream
    };
    let mut sender = TcpStream::connect(server.address()).await.unwrap();
    let head = |length| format!("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    let short = head(1) + "x";
    sender.write_all(short.as_bytes()).await.unwrap();
    let first = answer(&mut sender, "\r\n\r\n1").await;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");

    // More than may be kept, if of each no more is kept than it sent.
    let mut flood = Vec::new();
    for _ in 0..400 {
        flood.push(strand().await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    sender.write_all(head(400_000).as_bytes()).await.unwrap();
    sender.write_all(&[b'x'; 200_000]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    flood.push(strand().await);
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Fails if it was closed, now or below.
    let _ = sender.write_all(&[b'x'; 200_000]).await;
    let second = answer(&mut sender, "\r\n\r\n400000").await;
    assert!(second.starts_with("HTTP/1.1 200 OK\r\n"), "{second}");
    let closed = |stream: &&TcpStream| !matches!(stream.try_read(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock);
    assert!(flood.iter().filter(closed).count() > 50);
    drop(flood);
}

#[tokio::test]
async fn shutting_down_lets_a_request_in_progress_finish_and_takes_no_more() {
    let server = server(limits()).await;
    let address = server.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&post("/slow", b"")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.shutdown(Duration::from_secs(5)).await;
    assert!(rest(&mut stream).await.ends_with("/slow 0"));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutting_down_does_not_wait_for_an_idle_connection() {
    let limits = ServerLimits {
        header_timeout: Duration::from_secs(60),
        ..limits()
    };
    let server = server(limits).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    server.shutdown(Duration::from_secs(5)).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(rest(&mut stream).await.ends_with("/a 0"));
}

//! Webhooks from many clients, each on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Sends webhooks of ever new incidents for a time, and returns how long each
/// answer took and how long all took together.
pub(crate) async fn webhooks(
    address: SocketAddr,
    clients: usize,
    time: Duration,
) -> (Vec<Duration>, Duration) {
    let started = Instant::now();
    let running: Vec<_> = (0..clients)
        .map(|client| tokio::spawn(one(address, clients, client, started + time)))
        .collect();
    let mut took = Vec::new();
    for client in running {
        took.extend(client.await.unwrap());
    }
    (took, started.elapsed())
}

async fn one(address: SocketAddr, clients: usize, client: usize, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut took, mut answer) = (Vec::new(), vec![0; 4096]);
    for n in 0_u64.. {
        let started = Instant::now();
        if started > end {
            break;
        }
        let id = format!("{clients:04x}{client:04x}{n:016x}");
        let body = format!(
            r#"{{"event_id":"{id}","event_type":"i_new","incident":{{"incident_id":"{id}","title":"disk full"}}}}"#
        );
        let request = format!(
            "POST /flashduty/demo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(
            answer[..read].starts_with(b"HTTP/1.1 200"),
            "{:?}",
            String::from_utf8_lossy(&answer[..read])
        );
        took.push(started.elapsed());
    }
    took
}

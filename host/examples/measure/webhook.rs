//! Webhooks over sockets: answered when they are durable.

use crate::TOKEN;
use crate::table::heading;
use crate::table::line;
use crate::table::spread;
use anyhow::Context as _;
use anyhow::ensure;
use servicenow_sync::Host;
use servicenow_sync::config::Draft;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long one number of clients keeps on sending.
const ROUND: Duration = Duration::from_secs(5);

/// How many clients send at a time.
const CLIENTS: [u32; 2] = [1, 32];

/// What took how long, for each of [`CLIENTS`].
pub(crate) type Medians = [Duration; CLIENTS.len()];

pub(crate) async fn measure(component: &Path, configuration: &Path) -> anyhow::Result<Medians> {
    heading("a webhook over loopback, durable before it is answered");
    let draft = Draft::read(configuration)?;
    let options = RuntimeOptions {
        cache_directory: Some(draft.cache_directory()),
        ..RuntimeOptions::default()
    };
    let runtime = WasmRuntime::from_file(component, &options)?;
    let host = Host::start(draft.check(&runtime)?, runtime).await?;
    let medians = rounds(host.webhook_addr()).await?;
    host.shutdown(Duration::from_secs(5)).await;
    Ok(medians)
}

/// Sends webhooks to a gateway, and tells how long each took to be answered.
pub(crate) async fn rounds(gateway: SocketAddr) -> anyhow::Result<Medians> {
    let mut medians = Medians::default();
    for (median, clients) in medians.iter_mut().zip(CLIENTS) {
        let deadline = Instant::now() + ROUND;
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            tasks.spawn(send_until(deadline, gateway, clients * 100 + client));
        }
        let mut taken = Vec::new();
        while let Some(done) = tasks.join_next().await {
            taken.extend(done??);
        }
        let rate = taken.len() as f64 / ROUND.as_secs_f64();
        *median = spread(&format!("answered, {clients} at a time"), taken);
        line("so many a second", format!("{rate:.0}"));
    }
    Ok(medians)
}

/// One sender with one connection; every webhook is about another incident.
async fn send_until(
    deadline: Instant,
    address: SocketAddr,
    client: u32,
) -> anyhow::Result<Vec<Duration>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut taken = Vec::new();
    for number in 0_u32.. {
        let body = format!(
            r#"{{"event_type":"i_new","incident":{{"incident_id":"{client:012x}{number:012x}",
            "title":"Disk full on db-7","channel_id":2,"incident_severity":"Critical",
            "progress":"Triggered"}}}}"#
        );
        let request = format!(
            "POST /flashduty/demo HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len(),
        );
        let start = Instant::now();
        if start > deadline {
            break;
        }
        stream.write_all(request.as_bytes()).await?;
        let status = read_answer(&mut stream).await?;
        taken.push(start.elapsed());
        ensure!(status == "200", "a webhook was answered {status}");
    }
    Ok(taken)
}

async fn read_answer(stream: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).context("no answer")?.to_owned();
    let mut length = 0;
    while line.trim() != "" {
        line.clear();
        stream.read_line(&mut line).await?;
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse()?;
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    Ok(status)
}

//! What a session, a start, a commit and an idle gateway cost on this machine.
//!
//! `cargo run --release -p servicenow-sync --example measure -- dist/servicenow_sync.wasm`
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use anyhow::Context as _;
use integration_gateway::Runtime;
use integration_gateway::Session;
use integration_gateway::Store;
use integration_gateway::contract::Context;
use integration_gateway::contract::Effect;
use integration_gateway::contract::Input;
use integration_gateway::contract::Page;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Reply;
use integration_gateway::contract::Request;
use integration_gateway::contract::Write;
use servicenow_sync::Host;
use servicenow_sync::config::Draft;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use servicenow_sync::store::FileStore;
use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;
use tokio::task::JoinSet;

/// Where the child finds its files; set, it makes this program the child.
const CHILD: &str = "MEASURE_FOLDER";

const CONFIGURATION: &str = r#"
server.listen = "127.0.0.1:0"
admin.listen = "127.0.0.1:0"
[[webhook]]
path = "/flashduty/demo"
bearer = [{ file = "token" }]
[credential.flashduty]
kind = "query"
origin = "https://api.flashcat.cloud"
name = "app_key"
value = { file = "token" }
[credential.servicenow]
kind = "bearer"
origin = "https://dev1.service-now.com"
token = { file = "token" }
[[integration]]
id = "demo"
name = "Demo"
direction = "to-servicenow"
flashduty = { url = "https://api.flashcat.cloud", credential = "flashduty" }
servicenow = { url = "https://dev1.service-now.com", credential = "servicenow" }
"#;

const BODY: &[u8] =
    br#"{"event_type":"i_new","incident":{"incident_id":"6a1d2f45c0ffee0123456789"}}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let component = std::env::args()
        .nth(1)
        .context("usage: measure <component>")?;
    let component = Path::new(&component);
    if let Some(folder) = std::env::var_os(CHILD) {
        return idle(component, Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("sync.toml"), CONFIGURATION)?;
    std::fs::write(
        folder.path().join("token"),
        "a token of thirty-two characters",
    )?;
    starts(component, folder.path())?;
    sessions(component, folder.path()).await?;
    commits(folder.path()).await
}

/// The whole gateway in a process of its own, from `exec` to listening; then
/// what it holds in memory when nothing happens.
fn starts(component: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut warm = Vec::new();
    for run in 0..6 {
        let start = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .arg(component)
            .env(CHILD, folder)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        lines.next().context("the child did not start")??;
        let taken = start.elapsed();
        if run == 0 {
            println!("start, compiling the plugin    {:8.0} ms", millis(taken));
        } else {
            warm.push(taken);
        }
        let resident = lines.next().context("the child ended early")??;
        child.wait()?;
        if run == 5 {
            println!(
                "start, compiled code kept      {:8.0} ms   (median of 5)",
                millis(at(&mut warm, 0.5))
            );
            println!("resident memory when idle      {resident:>8}");
        }
    }
    Ok(())
}

async fn idle(component: &Path, folder: &Path) -> anyhow::Result<()> {
    let draft = Draft::read(&folder.join("sync.toml"))?;
    let options = RuntimeOptions {
        cache_directory: Some(draft.cache_directory()),
        ..RuntimeOptions::default()
    };
    let runtime = WasmRuntime::from_file(component, &options)?;
    let host = Host::start(draft.check(&runtime)?, runtime).await?;
    println!("ready");
    // The cache is written behind one's back; the child before this one did it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    println!("{}", resident.unwrap_or("unknown").trim());
    host.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

/// One webhook through the plugin, with a store that is empty and in memory.
async fn sessions(component: &Path, folder: &Path) -> anyhow::Result<()> {
    let runtime = WasmRuntime::from_file(component, &RuntimeOptions::default())?;
    let config = Draft::read(&folder.join("sync.toml"))?.check(&runtime)?;
    let mut taken = Vec::new();
    let mut resumes = 0;
    for _ in 0..2200 {
        let start = Instant::now();
        resumes = session(&runtime, &config.configuration).await?;
        taken.push(start.elapsed());
    }
    // The first touch of each memory slot is not what goes on later.
    let mut taken = taken.split_off(200);
    println!(
        "a webhook's session            {:8.0} µs   p99 {:.0} µs, {resumes} resumes, instance included",
        micros(at(&mut taken, 0.5)),
        micros(at(&mut taken, 0.99)),
    );
    let mut taken = Vec::new();
    for _ in 0..2000 {
        let start = Instant::now();
        runtime.describe()?;
        taken.push(start.elapsed());
    }
    println!(
        "of that, an instance           {:8.0} µs   p99 {:.0} µs, with one call",
        micros(at(&mut taken, 0.5)),
        micros(at(&mut taken, 0.99)),
    );
    Ok(())
}

async fn session(runtime: &WasmRuntime, configuration: &str) -> anyhow::Result<u32> {
    let request = Request {
        method: "POST".into(),
        path: "/flashduty/demo".into(),
        query: String::new(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: BODY.into(),
    };
    let context = Context {
        configuration: configuration.into(),
    };
    let mut session = runtime.open(Input::Request(request), context).await?;
    let (mut replies, mut resumes) = (Vec::new(), 0);
    loop {
        let effects = session.resume(1_700_000_000_000, replies).await?;
        resumes += 1;
        if effects.is_empty() {
            return Ok(resumes);
        }
        replies = effects
            .into_iter()
            .map(|effect| match effect {
                Effect::Get(keys) => Reply::Entries(vec![None; keys.len()]),
                Effect::Scan(_) => Reply::Page(Page {
                    entries: vec![],
                    next: None,
                }),
                Effect::Write(_) => Reply::Written(Ok(1)),
                _ => Reply::Done,
            })
            .collect();
    }
}

/// Durable writes alone and in groups, beside what the disk does without us.
async fn commits(folder: &Path) -> anyhow::Result<()> {
    let value = vec![b'x'; 512];
    let mut file = File::create(folder.join("raw"))?;
    let mut taken = Vec::new();
    for _ in 0..300 {
        let start = Instant::now();
        file.write_all(&value)?;
        file.sync_data()?;
        taken.push(start.elapsed());
    }
    println!(
        "raw fsync of 512 bytes         {:8.2} ms   p99 {:.2} ms",
        millis(at(&mut taken, 0.5)),
        millis(at(&mut taken, 0.99)),
    );
    let store = FileStore::open(&folder.join("commits.redb"))?;
    let write = |key: String| Write {
        key,
        precondition: Precondition::Absent,
        value: Some(value.clone()),
    };
    let mut taken = Vec::new();
    for i in 0..300 {
        let start = Instant::now();
        let _ = store.write(write(format!("alone-{i}"))).await?;
        taken.push(start.elapsed());
    }
    println!(
        "a durable write alone          {:8.2} ms   p99 {:.2} ms",
        millis(at(&mut taken, 0.5)),
        millis(at(&mut taken, 0.99)),
    );
    for writers in [16, 128] {
        let before = store.commits();
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            let (store, value) = (store.clone(), value.clone());
            tasks.spawn(async move {
                for i in 0..64 {
                    let key = format!("of-{writers}-{writer}-{i}");
                    let precondition = Precondition::Absent;
                    let value = Some(value.clone());
                    let _ = store
                        .write(Write {
                            key,
                            precondition,
                            value,
                        })
                        .await;
                }
            });
        }
        tasks.join_all().await;
        let writes = f64::from(writers * 64);
        println!(
            "durable writes, {writers:3} at a time {:10.0} /s   {:.1} to a commit",
            writes / start.elapsed().as_secs_f64(),
            writes / (store.commits() - before) as f64,
        );
    }
    Ok(())
}

fn at(taken: &mut [Duration], share: f64) -> Duration {
    taken.sort();
    taken[((taken.len() - 1) as f64 * share) as usize]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

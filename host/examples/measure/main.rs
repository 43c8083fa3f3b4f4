//! The figures of the host, each printed with what it was measured beside:
//! `cargo xtask bench`.
//!
//! Machines differ and are noisy, so nothing here passes or fails. Compare
//! figures of one run only.
#![allow(clippy::print_stdout)] // The figures are its output.
#![allow(clippy::unwrap_used)] // It stops at whatever is not as it should be.

mod far_end;
mod load;

use far_end::OurClient;
use integration_gateway::Gateway;
use integration_gateway::Incoming;
use integration_gateway::MemoryStore;
use integration_gateway::Next;
use integration_gateway::Policy;
use integration_gateway::Secret;
use servicenow_sync::environment::SystemEnvironment;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

const SYNC: &str = include_str!("sync.json");
const SETTINGS: &str = include_str!("settings.json");

#[tokio::main]
async fn main() {
    let plugin = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "dist/servicenow_sync.wasm".into());
    let plugin = PathBuf::from(plugin);
    let size = std::fs::metadata(&plugin).unwrap().len();
    println!(
        "component                           {:.1} kB",
        size as f64 / 1e3
    );
    let folder = tempfile::tempdir().unwrap();
    let runtime = start_up(&plugin, &folder.path().join("code"));
    sessions(runtime).await;
    fsync(folder.path());
    serve(&plugin, folder.path()).await;
}

/// Compiling against loading what was compiled.
fn start_up(plugin: &Path, code: &Path) -> WasmRuntime {
    let options = RuntimeOptions {
        cache_directory: Some(code.into()),
        ..RuntimeOptions::default()
    };
    let load = |what: &str| {
        let started = Instant::now();
        let runtime = WasmRuntime::from_file(plugin, &options).unwrap();
        println!("{what:35} {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
        runtime
    };
    load("load the plugin, compiling it");
    load("load the plugin, compiled before")
}

/// Whole sessions, each in a new instance, without a disk or a network.
async fn sessions(plugin: WasmRuntime) {
    let needs = plugin.configure(SYNC).unwrap().unwrap();
    let settings = serde_json::from_str(SETTINGS).unwrap();
    let secret = |_: &_| Ok(Secret::new("our secret"));
    let policy = Policy::build(&settings, "servicenow-sync", &needs, &secret).unwrap();
    let clock = SystemEnvironment::default();
    let gateway = Gateway::new(
        policy,
        SYNC.into(),
        plugin,
        MemoryStore::new(),
        OurClient,
        clock,
    );
    gateway.recover().await.unwrap();
    let webhook = || Incoming {
        method: "POST".into(),
        path: "/flashduty/demo".into(),
        query: String::new(),
        headers: vec![("authorization".into(), "Bearer our secret".into())],
        body: br#"{"event_type":"i_new","incident":{"incident_id":"6a1d2f45c0ffee0123456789"}}"#
            .into(),
    };
    let (mut intake, mut work) = (Vec::new(), Vec::new());
    for round in 0..3000 {
        let started = Instant::now();
        gateway
            .receive(webhook(), |answer| assert_eq!(answer.status, 200))
            .await;
        let received = Instant::now();
        while gateway.run_next().await == Next::Ran {}
        // The first rounds create the pair and warm the caches.
        if round >= 500 {
            intake.push(received - started);
            work.push(received.elapsed());
        }
    }
    println!(
        "session: a webhook, to its answer   {}",
        quantiles(&mut intake)
    );
    println!(
        "session: read, compare, decide      {}",
        quantiles(&mut work)
    );
}

/// What the disk can do at best, to hold the next figures against.
fn fsync(folder: &Path) {
    let mut file = File::create(folder.join("fsync")).unwrap();
    let mut took = Vec::new();
    for _ in 0..300 {
        file.write_all(&[7; 4096]).unwrap();
        let started = Instant::now();
        file.sync_data().unwrap();
        took.push(started.elapsed());
    }
    println!(
        "the disk: one fsync of 4 KiB        {}",
        quantiles(&mut took)
    );
}

/// The real process, as an operator starts it.
async fn serve(plugin: &Path, folder: &Path) {
    let program = std::env::current_exe().unwrap();
    let program = program
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("servicenow-sync");
    if !program.exists() {
        println!("(build the program as well to measure it: cargo build --release)");
        return;
    }
    std::fs::write(folder.join("secret"), "secret").unwrap();
    let configuration = folder.join("sync.toml");
    std::fs::write(&configuration, CONFIGURATION).unwrap();
    let start = || {
        let started = Instant::now();
        let mut process = Command::new(&program)
            .args(["serve", "--config"])
            .arg(&configuration)
            .arg("--plugin")
            .arg(plugin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        (Running(process), ready, started.elapsed())
    };
    drop(start());
    let (process, ready, took) = start();
    println!(
        "serve: from start to ready          {:.1} ms",
        took.as_secs_f64() * 1e3
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!(
        "serve: resident memory when idle    {:.1} MiB",
        process.resident_mib()
    );
    let address = ready
        .split("webhooks on http://")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    let address = address.unwrap().parse().unwrap();
    for clients in [1, 32] {
        let (mut took, elapsed) = load::webhooks(address, clients, Duration::from_secs(5)).await;
        let rate = took.len() as f64 / elapsed.as_secs_f64();
        println!(
            "serve: webhooks, {clients:2} at a time       {}  {rate:.0}/s",
            quantiles(&mut took)
        );
    }
    println!(
        "serve: resident memory afterwards   {:.1} MiB",
        process.resident_mib()
    );
}

/// Nothing answers on port 9, so all work waits: the figures are of receiving.
const CONFIGURATION: &str = r#"
server.listen = "127.0.0.1:0"
admin.listen = "127.0.0.1:0"
log.level = "error"
egress.private = ["127.0.0.0/8"]

[[webhook]]
path = "/flashduty/demo"
bearer = [{ file = "secret" }]

[credential.flashduty]
kind = "query"
origin = "http://127.0.0.1:9"
name = "app_key"
value = { file = "secret" }

[credential.servicenow]
kind = "bearer"
origin = "http://127.0.0.1:9"
token = { file = "secret" }

[[integration]]
id = "demo"
direction = "to-servicenow"
flashduty = { url = "http://127.0.0.1:9", credential = "flashduty" }
servicenow = { url = "http://127.0.0.1:9", credential = "servicenow" }
"#;

/// A process that ends with its handle.
struct Running(Child);

impl Running {
    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn quantiles(took: &mut [Duration]) -> String {
    took.sort_unstable();
    let at = |permille: usize| {
        let micros = took[(took.len() * permille / 1000).min(took.len() - 1)].as_secs_f64() * 1e6;
        if micros < 1000.0 {
            format!("{micros:.0} us")
        } else {
            format!("{:.2} ms", micros / 1e3)
        }
    };
    format!("p50 {}  p99 {}  p99.9 {}", at(500), at(990), at(999))
}

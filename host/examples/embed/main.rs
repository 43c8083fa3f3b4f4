//! Runs the plugin inside a program of one's own, with that program's HTTP
//! client and store: `cargo run -p servicenow-sync --example embed`.
#![allow(clippy::print_stdout)] // An example shows what it does.

mod far_end;

use far_end::OurClient;
use integration_gateway::*;
use servicenow_sync::{environment::SystemEnvironment, runtime::*};

/// What the plugin shall do.
const SYNC: &str = include_str!("sync.json");

/// What it may do, and how those who call prove themselves.
const SETTINGS: &str = include_str!("settings.json");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plugin = WasmRuntime::from_file(
        "dist/servicenow_sync.wasm".as_ref(),
        &RuntimeOptions::default(),
    )?;
    let needs = plugin.configure(SYNC)?.expect("SYNC is right");
    // The secret that `{ "env": "SECRET" }` stands for may come from anywhere.
    let policy = Policy::build(
        &serde_json::from_str(SETTINGS)?,
        "servicenow-sync",
        &needs,
        &|_| Ok(Secret::new("our secret")),
    );
    let policy = policy.expect("SETTINGS fit what the plugin needs");
    let (store, clock) = (MemoryStore::new(), SystemEnvironment::default());
    let gateway = Gateway::new(policy, SYNC.into(), plugin, store, OurClient, clock);
    gateway.recover().await?;

    // A webhook comes in and is answered; then the work that it led to is done.
    let body =
        r#"{ "event_type": "i_new", "incident": { "incident_id": "6a1d2f45c0ffee0123456789" } }"#;
    let headers = vec![("authorization".into(), "Bearer our secret".into())];
    let (method, path) = ("POST".into(), "/flashduty/demo".into());
    let webhook = Incoming {
        method,
        path,
        query: String::new(),
        headers,
        body: body.into(),
    };
    gateway
        .receive(webhook, |answer| println!("answered {}", answer.status))
        .await;
    while gateway.run_next().await == Next::Ran {}
    println!(
        "left to do: {}",
        serde_json::to_string(&gateway.status().work)?
    );
    Ok(())
}

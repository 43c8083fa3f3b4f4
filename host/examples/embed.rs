//! Runs the plugin inside a program of one's own: no listener, no file, no
//! network. `cargo run -p servicenow-sync --example embed`
#![allow(clippy::print_stdout, reason = "it is there to be watched")]

use anyhow::anyhow;
use integration_gateway::{Client, Gateway, Incoming, MemoryStore, Next, Policy, Secret};
use integration_gateway::{OutgoingRequest, SendFailure, contract::Response};
use servicenow_sync::environment::SystemEnvironment;
use servicenow_sync::runtime::{RuntimeOptions, WasmRuntime};

/// All that the plugin wants to send passes here. This one shows it, and sends
/// nothing; `servicenow_sync::client::HttpClient` is the real one.
struct Show;

impl Client for Show {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        println!("the plugin asks for {}", request.url);
        Err(SendFailure::Unreachable("nothing is sent here".into()))
    }
}

/// What the plugin is told: names of credentials, and no secret.
const CONFIGURATION: &str = r#"{ "integration": [{
    "id": "demo", "name": "Demo", "direction": "to-servicenow",
    "flashduty": { "url": "https://api.flashcat.cloud", "credential": "fd" },
    "servicenow": { "url": "https://dev1.service-now.com", "credential": "snow" } }] }"#;

/// What the gateway is told: who may send, and what to attach where.
const SETTINGS: &str = r#"{
    "webhook": [{ "path": "/flashduty/demo", "bearer": [{ "env": "HOOK" }] }], "credential": {
    "fd": { "kind": "bearer", "origin": "https://api.flashcat.cloud", "token": { "env": "FD" } },
    "snow": { "kind": "bearer", "origin": "https://dev1.service-now.com", "token": { "env": "SN" } }
}}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let component = std::path::Path::new("dist/servicenow_sync.wasm");
    let plugin = WasmRuntime::from_file(component, &RuntimeOptions::default())?;
    let (name, needs) = (plugin.describe()?.name, plugin.configure(CONFIGURATION)?);
    let needs = needs.map_err(|problems| anyhow!("{problems:?}"))?;
    // A real program looks up the variable that it is asked for.
    let secrets = |_: &_| Ok(Secret::new("thirty-two characters of secrecy"));
    let policy = Policy::build(&serde_json::from_str(SETTINGS)?, &name, &needs, &secrets);
    let policy = policy.map_err(|problems| anyhow!("{problems:?}"))?;
    let (store, clock) = (MemoryStore::new(), SystemEnvironment::default());
    let gateway = Gateway::new(policy, CONFIGURATION.into(), plugin, store, Show, clock);
    gateway.recover().await?;

    let bearer = "Bearer thirty-two characters of secrecy";
    let body = br#"{"event_type":"i_new","incident":{"incident_id":"6a1d2f45c0ffee0123456789"}}"#;
    let webhook = Incoming {
        method: "POST".into(),
        path: "/flashduty/demo".into(),
        query: String::new(),
        headers: vec![("authorization".into(), bearer.into())],
        body: body.into(),
    };
    let show = |answer: Response| println!("the webhook is answered {}", answer.status);
    gateway.receive(webhook, show).await;
    // Answered first; the work that the answer promised is done now.
    while gateway.run_next().await == Next::Ran {}
    println!("{:?}", gateway.status().work);
    Ok(())
}

//! Runs the plugin inside a program of one's own: no listener, no file, no
//! network. `cargo run -p servicenow-sync --example embed`
#![allow(clippy::print_stdout, reason = "it is there to be watched")]

use integration_gateway::{Client, Gateway, Incoming, MemoryStore, Next, OutgoingRequest, Policy};
use integration_gateway::{Secret, SendFailure, contract::Response};
use servicenow_sync::environment::SystemEnvironment;
use servicenow_sync::runtime::{RuntimeOptions, WasmRuntime};

/// The plugin's part: what is kept in step. It names a credential.
const CONFIGURATION: &str = r#"{ "integration": [{ "id": "demo", "direction": "to-servicenow",
    "flashduty": {}, "servicenow": { "url": "https://snow.example", "credential": "snow" } }] }"#;
/// The gateway's part: who may call, and what the credential is.
const SETTINGS: &str = r#"{ "webhook": [{ "path": "/flashduty/demo", "bearer": [{ "env": "T" }] }],
    "credential": { "snow": { "kind": "bearer", "origin": "https://snow.example",
                              "token": { "env": "T" } } } }"#;
const BODY: &str = r#"{ "event_type": "i_new", "incident": { "title": "Disk full",
    "incident_severity": "Critical", "incident_id": "6a1d2f45c0ffee0123456789",
    "created_at": 4102444800 } }"#;
const NONE: &str = r#"{ "result": [] }"#;
const RECORD: &str = r#"{ "result": { "sys_id": "00000000000000000000000000000001" } }"#;

/// Every request passes here. This one shows it, and plays a ServiceNow that
/// knows no incident; `servicenow_sync::client::HttpClient` is a real one.
struct Show;

impl Client for Show {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        let (path, body) = (request.url.path(), String::from_utf8_lossy(&request.body));
        println!("the plugin asks: {} {path} {body}", request.method);
        let is_search = request.method == "GET";
        let body = if is_search { NONE } else { RECORD }.into();
        let headers = vec![("content-type".into(), "application/json".into())];
        #[rustfmt::skip]
        return Ok(Response { status: 200, headers, body });
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/servicenow_sync.wasm");
    let plugin = WasmRuntime::from_file(file.as_ref(), &RuntimeOptions::default())?;
    let needs = plugin.configure(CONFIGURATION)?.expect("it is good");
    // A real program looks up the variable or the file that is named.
    let secret = |_: &_| Ok(Secret::new("a-token-that-nobody-guesses"));
    let policy = Policy::build(&serde_json::from_str(SETTINGS)?, "sync", &needs, &secret)
        .expect("it is good");
    let (store, clock) = (MemoryStore::new(), SystemEnvironment::default());
    let gateway = Gateway::new(policy, CONFIGURATION.into(), plugin, store, Show, clock);
    gateway.recover().await?;

    #[rustfmt::skip]
    let webhook = Incoming { method: "POST".into(), path: "/flashduty/demo".into(), body: BODY.into(),
        query: String::new(), headers: vec![("authorization".into(), "Bearer a-token-that-nobody-guesses".into())] };
    let show = |r: Response| println!("the webhook is answered: {}", r.status);
    gateway.receive(webhook, show).await;
    // The answer has promised work, which is done now.
    while gateway.run_next().await == Next::Ran {}
    Ok(())
}

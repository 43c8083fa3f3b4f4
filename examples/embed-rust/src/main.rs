//! A gateway in miniature: the plugin in a program of one's own. In Rust nothing
//! of the contract need be written again: `integration-gateway` keeps it, and
//! `servicenow-sync` has a runtime, a client and a server to choose. Only the
//! store is left, here a map. `examples/README.md` tells how to run it, and what a
//! real one must add.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it is there to be watched")]

use anyhow::anyhow;
use bytes::Bytes;
use http::{Request, Response};
use integration_gateway::settings::{SecretRef, Settings};
use integration_gateway::{Gateway, Incoming, MemoryStore, Next, Policy, Secret};
use serde_json::Map;
use servicenow_sync::client::HttpClient;
use servicenow_sync::environment::SystemEnvironment;
use servicenow_sync::runtime::{RuntimeOptions, WasmRuntime};
use servicenow_sync::server::{Handler, Server, ServerLimits};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

type Miniature = Gateway<WasmRuntime, MemoryStore, HttpClient, SystemEnvironment>;

/// What comes in goes to the gateway, which demands the proof and takes it away.
struct Webhooks(Arc<Miniature>);

impl Handler for Webhooks {
    fn body_limit(&self, path: &str) -> usize {
        self.0.body_limit(path)
    }

    async fn handle(&self, request: Request<Bytes>, _: SocketAddr) -> Option<Response<Bytes>> {
        let (head, body) = request.into_parts();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into();
        let headers = head.headers.iter();
        let incoming = Incoming {
            method: head.method.to_string(),
            path: head.uri.path().into(),
            query: head.uri.query().unwrap_or_default().into(),
            headers: headers.map(|(n, v)| (n.to_string(), text(v))).collect(),
            body: body.into(),
        };
        let (answer, answered) = oneshot::channel();
        let gateway = Arc::clone(&self.0);
        // The session goes on behind its answer, also if the caller goes away.
        tokio::spawn(async move {
            let respond = |response| drop(answer.send(response));
            gateway.receive(incoming, respond).await;
        });
        let plugins = answered.await.ok()?;
        let mut response = Response::builder().status(plugins.status);
        for (name, value) in plugins.headers {
            response = response.header(name, value);
        }
        response.body(plugins.body.into()).ok()
    }
}

/// The plugin never gets here: the gateway attaches secrets to what it asks for.
fn secret(reference: &SecretRef) -> Result<Secret, String> {
    match reference {
        SecretRef::Env(name) => std::env::var(name).map(Secret::new),
        SecretRef::File(path) => return Err(format!("{path}: no secret is in a file here")),
    }
    .map_err(|error| format!("{reference}: {error}"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, plugin, settings] = arguments.as_slice() else {
        anyhow::bail!("expected the plugin's file and the settings' file");
    };
    let mut plugins: Map<_, _> = serde_json::from_str(&std::fs::read_to_string(settings)?)?;
    let ours = ["webhook", "credential", "egress"].into_iter();
    let ours: Map<_, _> = ours.filter_map(|key| plugins.remove_entry(key)).collect();
    let settings: Settings = serde_json::from_value(ours.into())?;
    // The rest is the plugin's, without any secret.
    let configuration = serde_json::to_string(&plugins)?;

    let plugin = WasmRuntime::from_file(plugin.as_ref(), &RuntimeOptions::default())?;
    let wrong = |problems| anyhow!("{problems:#?}");
    let needs = plugin.configure(&configuration)?.map_err(wrong)?;
    let policy = Policy::build(&settings, "sync", &needs, &secret).map_err(wrong)?;
    let client = HttpClient::new(policy.addresses().clone())?;
    let (store, environment) = (MemoryStore::new(), SystemEnvironment::default());
    let gateway = Gateway::new(policy, configuration, plugin, store, client, environment);
    let gateway = Arc::new(gateway);
    gateway.recover().await?;

    let port = std::env::var("PORT")?.parse()?;
    let limits = ServerLimits {
        header_timeout: Duration::from_secs(5),
        body_timeout: Duration::from_secs(5),
        connections: 100,
    };
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let server = Server::start(address, limits, Webhooks(Arc::clone(&gateway))).await?;
    println!("listening on {}", server.address().port());
    loop {
        // `SystemEnvironment::alarm` tells when, for those who cannot poll.
        if gateway.run_next().await != Next::Ran {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

//! What the gateway costs on this machine: starts, sessions, webhooks, commits.
//!
//! `cargo run --release -p servicenow-sync --example measure -- dist/servicenow_sync.wasm`
//!
//! Everything happens in a folder of its own and on loopback; nothing is sent
//! elsewhere. Figures from one run can be compared with each other, those from
//! two machines cannot: what a webhook takes is for the most part what the disk
//! takes, which is why that is measured beside it.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

mod commit;
mod far_ends;
mod session;
mod spin;
mod start;
mod table;
mod webhook;

use anyhow::Context as _;
use std::fs;
use std::path::PathBuf;

/// The token with which webhooks are proven.
const TOKEN: &str = "a-token-of-thirty-two-characters";

/// Both ways, so that a work session has everything to do. Incidents of other
/// channels take no part, so that webhooks can be measured without far ends.
const CONFIGURATION: &str = r#"
server.listen = "127.0.0.1:0"
admin.listen = "127.0.0.1:0"
log.level = "warn"

[[webhook]]
path = "/flashduty/demo"
bearer = [{ file = "token" }]

[[webhook]]
path = "/servicenow/demo"
bearer = [{ file = "token" }]

[credential.flashduty]
kind = "query"
origin = "https://flashduty.example"
name = "app_key"
value = { file = "token" }

[credential.servicenow]
kind = "bearer"
origin = "https://servicenow.example"
token = { file = "token" }

[[integration]]
id = "demo"
direction = "two-way"
flashduty = { url = "https://flashduty.example", credential = "flashduty", channels = [1] }
servicenow = { url = "https://servicenow.example", credential = "servicenow" }
"#;

/// Webhooks alone: what they say is all that is known of an incident, and no
/// request follows.
const WITHOUT_REQUESTS: [(&str, &str); 3] = [
    (
        "[[webhook]]\npath = \"/servicenow/demo\"\nbearer = [{ file = \"token\" }]\n",
        "",
    ),
    ("direction = \"two-way\"", "direction = \"to-servicenow\""),
    ("credential = \"flashduty\", ", ""),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let component = std::env::args_os().nth(1).map(PathBuf::from);
    let component = component.context("usage: measure COMPONENT")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("sync.toml");
    fs::write(folder.path().join("token"), TOKEN)?;
    fs::write(&file, CONFIGURATION)?;

    start::measure(&component, &file).await?;
    session::measure(&component, &file).await?;
    let mut text = CONFIGURATION.to_owned();
    for (from, to) in WITHOUT_REQUESTS {
        text = text.replacen(from, to, 1);
    }
    fs::write(&file, &text)?;
    let host = webhook::measure(&component, &file).await?;
    spin::measure(&text, host).await?;
    commit::measure(folder.path()).await
}

//! `servicenow-sync pair`: what an operator does to a pair by hand, through the
//! admin listener of the running gateway.

use crate::config::Draft;
use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use integration_gateway::harmless;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than the plugin waits for the pair's work.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do to a pair, and where.
#[derive(Debug, Parser)]
#[command(name = "pair")]
pub struct Pair {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Makes a pair of two incidents that exist.
    ///
    /// Neither may belong to another pair. Where they differ, the rules for
    /// conflicts decide; from then on they are kept in step.
    Link(Incidents),
    /// Takes a pair apart.
    ///
    /// Both incidents stay as they are. Nothing is synced or created for them
    /// any more until they are linked again.
    Unlink(Incidents),
    /// Looks at a pair again, both sides in full.
    Sync(Incidents),
    /// Tells what is remembered of a pair: ids, what both sides last agreed on,
    /// what was done lately and why, and how its work stands.
    Show(Incidents),
}

#[derive(Debug, Args)]
struct Incidents {
    /// The Flashduty incident, by its id of 24 hexadecimal digits.
    #[arg(long, value_name = "ID", required_unless_present = "servicenow")]
    flashduty: Option<String>,
    /// The ServiceNow incident, by its number or sys_id.
    #[arg(long, value_name = "NUMBER")]
    servicenow: Option<String>,
    /// The integration's id; may be left out if there is only one.
    #[arg(long, value_name = "ID")]
    integration: Option<String>,
    /// The configuration of the gateway that runs on this machine, for the
    /// address and the token of its admin listener.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "sync.toml",
        env = "SERVICENOW_SYNC_CONFIG"
    )]
    config: PathBuf,
}

impl Pair {
    /// Asks the gateway, and returns what it says in plain sentences.
    pub fn run(&self) -> anyhow::Result<String> {
        let (path, incidents) = match &self.what {
            What::Link(incidents) => ("link", incidents),
            What::Unlink(incidents) => ("unlink", incidents),
            What::Sync(incidents) => ("sync", incidents),
            What::Show(incidents) => ("show", incidents),
        };
        if path == "link" && (incidents.flashduty.is_none() || incidents.servicenow.is_none()) {
            bail!("expected --flashduty and --servicenow, found one of them; to link takes both");
        }
        let answer = incidents.ask(path)?;
        if answer["status"] == "under way" {
            return Ok("under way; `pair show` tells how it stands\n".into());
        }
        let text = |name: &str| harmless(answer[name].as_str().unwrap_or("none"));
        Ok(match path {
            "link" => format!(
                "linked: {} and {}, {}\n",
                incidents.flashduty.as_deref().unwrap_or_default(),
                text("number"),
                text("link")
            ),
            "unlink" => {
                "unlinked: both incidents stay as they are, and are synced no more\n".into()
            }
            "sync" => format!("looked at pair {}: {}\n", text("pair"), text("work")),
            _ => shown(&answer),
        })
    }
}

impl Incidents {
    fn ask(&self, what: &str) -> anyhow::Result<Value> {
        let draft = Draft::read(&self.config)?;
        let (mut address, token) = draft.admin().map_err(anyhow::Error::msg)?;
        // Where it listens on all addresses, it listens on this machine's own.
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let ids = draft.integrations();
        let integration = match (&self.integration, &ids[..]) {
            (Some(id), _) => id,
            (None, [id]) => id,
            (None, ids) => bail!(
                "expected --integration, one of {}, found none",
                ids.join(", ")
            ),
        };
        let mut body = json!({});
        for (side, name) in [
            ("flashduty", &self.flashduty),
            ("servicenow", &self.servicenow),
        ] {
            if let Some(name) = name {
                body[side] = json!(name);
            }
        }
        let url = format!("http://{address}/plugin/{integration}/{what}");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exchange = async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .build()?;
            let answer = client
                .post(url)
                .bearer_auth(token.reveal())
                .header("content-type", "application/json")
                .body(body.to_string())
                .send()
                .await?;
            let status = answer.status();
            anyhow::Ok((status, answer.text().await?))
        };
        let (status, text) = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(exchange)
            .with_context(|| format!("no gateway answers at http://{address}; does it run?"))?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if !status.is_success() {
            let why = answer["error"].as_str().unwrap_or(&text);
            bail!("{} (status {})", harmless(why), status.as_u16());
        }
        Ok(answer)
    }
}

/// A pair for people.
fn shown(pair: &Value) -> String {
    let text = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => harmless(text),
        other => harmless(&other.to_string()),
    };
    let mut lines = String::new();
    for name in [
        "pair",
        "flashduty",
        "servicenow",
        "number",
        "link",
        "work",
        "ended",
    ] {
        if !pair[name].is_null() {
            let _ = writeln!(lines, "{name:<12}{}", text(&pair[name]));
        }
    }
    let _ = writeln!(lines, "last agreed on:");
    let base = &pair["base"];
    let (flashduty, servicenow) = (&base["flashduty_fields"], &base["servicenow_fields"]);
    let members = base.as_object().into_iter().flatten();
    let mut agreed: Vec<(&str, &Value, &Value)> = members
        .filter(|(name, _)| !name.ends_with("_fields"))
        .map(|(field, agreed)| (field.as_str(), &agreed["flashduty"], &agreed["servicenow"]))
        .collect();
    // Of the operator's own fields, each side remembers those that it held.
    let held = [flashduty, servicenow].map(Value::as_object);
    let own: BTreeSet<&String> = held.into_iter().flatten().flat_map(Map::keys).collect();
    agreed.extend(
        own.into_iter()
            .map(|key| (key.as_str(), &flashduty[key], &servicenow[key])),
    );
    let longest = agreed.iter().map(|(field, ..)| field.len()).max();
    let width = longest.unwrap_or_default().max(11);
    for (field, flashduty, servicenow) in agreed {
        let (flashduty, servicenow) = (text(flashduty), text(servicenow));
        let _ = writeln!(lines, "  {field:<width$} {flashduty} | {servicenow}");
    }
    let _ = writeln!(lines, "lately:");
    for event in pair["history"].as_array().into_iter().flatten() {
        let _ = writeln!(lines, "  {} {}", text(&event["at"]), text(&event["what"]));
    }
    lines
}

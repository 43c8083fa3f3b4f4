//! `servicenow-sync pair`: what an operator does to a pair by hand, through the
//! admin listener of the running gateway.

use crate::config::Draft;
use anyhow::anyhow;
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
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than the gateway takes while the systems are slow: the plugin gives
/// ServiceNow 65 s and Flashduty 30 s for an answer, and then waits 20 s for the
/// pair's work.
const PATIENCE: Duration = Duration::from_secs(120);

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
    Link(Both),
    /// Takes a pair apart.
    ///
    /// Both incidents stay as they are. Nothing is synced or created for them
    /// any more until they are linked again.
    Unlink(Any),
    /// Looks at a pair again, both sides in full.
    Sync(Any),
    /// Tells what is remembered of a pair: ids, what both sides last agreed on,
    /// what was done lately and why, and how its work stands.
    Show(Any),
}

/// Two incidents.
#[derive(Debug, Args)]
struct Both {
    /// The Flashduty incident, by its id of 24 hexadecimal digits.
    #[arg(long, value_name = "ID")]
    flashduty: String,
    /// The ServiceNow incident, by its number or sys_id.
    #[arg(long, value_name = "NUMBER")]
    servicenow: String,
    #[command(flatten)]
    place: Place,
}

/// A pair, by one of its incidents or by both.
#[derive(Debug, Args)]
#[group(skip)]
struct Any {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Names {
    /// The Flashduty incident, by its id of 24 hexadecimal digits.
    #[arg(long, value_name = "ID")]
    flashduty: Option<String>,
    /// The ServiceNow incident, by its number or sys_id.
    #[arg(long, value_name = "NUMBER")]
    servicenow: Option<String>,
}

/// Where the gateway is.
#[derive(Debug, Args)]
struct Place {
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
        let answer = match &self.what {
            What::Link(both) => both.ask("link"),
            What::Unlink(any) => any.ask("unlink"),
            What::Sync(any) => any.ask("sync"),
            What::Show(any) => any.ask("show"),
        }?;
        if answer["status"] == "under way" {
            return Ok("under way; `pair show` tells how it stands\n".into());
        }
        let text = |name: &str| harmless(answer[name].as_str().unwrap_or("none"));
        Ok(match &self.what {
            What::Link(both) => format!(
                "linked: {} and {}, {}\n",
                both.flashduty,
                text("number"),
                text("link")
            ),
            What::Unlink(_) => {
                "unlinked: both incidents stay as they are, and are synced no more\n".into()
            }
            What::Sync(_) => format!("looked at pair {}: {}\n", text("pair"), text("work")),
            What::Show(_) => shown(&answer),
        })
    }
}

impl Both {
    fn ask(&self, what: &str) -> anyhow::Result<Value> {
        let body = json!({ "flashduty": self.flashduty, "servicenow": self.servicenow });
        self.place.ask(what, &body)
    }
}

impl Any {
    fn ask(&self, what: &str) -> anyhow::Result<Value> {
        let mut body = json!({});
        for (side, name) in [
            ("flashduty", &self.names.flashduty),
            ("servicenow", &self.names.servicenow),
        ] {
            if let Some(name) = name {
                body[side] = json!(name);
            }
        }
        self.place.ask(what, &body)
    }
}

impl Place {
    fn ask(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
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
            .map_err(|error| unanswered(address, error))?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        if !status.is_success() {
            let why = answer["error"].as_str().unwrap_or(&text);
            bail!("{} (status {})", harmless(why), status.as_u16());
        }
        Ok(answer)
    }
}

/// Why there is no answer.
fn unanswered(address: SocketAddr, error: anyhow::Error) -> anyhow::Error {
    let is_timeout = error
        .downcast_ref::<reqwest::Error>()
        .is_some_and(reqwest::Error::is_timeout);
    if is_timeout {
        return anyhow!(
            "the gateway did not answer within {} s; it waits for ServiceNow or Flashduty, see \
             /status",
            PATIENCE.as_secs()
        );
    }
    error.context(format!(
        "no gateway answers at http://{address}; does it run?"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[tokio::test]
    #[allow(clippy::unwrap_used)]
    async fn a_gateway_that_is_slow_is_told_from_one_that_does_not_run() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ask = async || {
            let client = reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_millis(100))
                .build()
                .unwrap();
            let answer = client.post(format!("http://{address}/")).send().await;
            format!("{:#}", unanswered(address, answer.unwrap_err().into()))
        };
        assert_eq!(
            ask().await,
            "the gateway did not answer within 120 s; it waits for ServiceNow or Flashduty, see \
             /status"
        );
        drop(listener);
        let refused = ask().await;
        let expected = format!("no gateway answers at http://{address}; does it run?: ");
        assert!(refused.starts_with(&expected), "{refused}");
    }
}

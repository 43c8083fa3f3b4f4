//! Runs a simulated Flashduty on a port, for demonstrations and for trying an
//! integration out without an account.

#![expect(
    clippy::print_stdout,
    reason = "a program for people, who have to learn the keys"
)]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use clap::ValueEnum;
use simulators::flashduty::ANA;
use simulators::flashduty::CustomAction;
use simulators::flashduty::Flashduty;
use simulators::flashduty::INTEGRATION_MEMBER;
use simulators::flashduty::MergeEvent;
use simulators::flashduty::Options;
use simulators::flashduty::PAYMENTS;
use simulators::flashduty::RateLimit;
use simulators::flashduty::SEARCH;
use simulators::flashduty::SnoozeExpiryEvent;
use simulators::flashduty::Webhook;
use simulators::server::Server;
use simulators::server::ServerOptions;

/// A simulated Flashduty: Open API, alert push, incident webhooks and custom
/// actions of one account with the channels Payments and Search.
///
/// Everything is kept in memory and gone at the end. Raise alerts with the
/// curl command that is printed at the start, act as a person through
/// POST /simulator/act, and watch at GET /.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes any free port
    #[arg(long, default_value = "127.0.0.1:8891", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// The address that `detail_url` shows, if not the one listened on
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,

    /// Key of the Open API for the integration's member [default: made from the
    /// seed]
    #[arg(long, value_name = "KEY")]
    app_key: Option<String>,

    /// Sends every incident event to this URL
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,

    /// Sent along with incident events, such as 'authorization: Bearer secret';
    /// may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, requires = "webhook_url")]
    webhook_header: Vec<(String, String)>,

    /// Adds a custom action that calls this URL when it is pressed
    #[arg(long, value_name = "URL")]
    custom_action_url: Option<String>,

    /// The name of the custom action
    #[arg(long, default_value = "Create ticket", value_name = "TEXT")]
    custom_action_name: String,

    /// Sent along by the custom action; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, requires = "custom_action_url")]
    custom_action_header: Vec<(String, String)>,

    /// All ids and keys follow from it
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// Time from a change to its webhook
    #[arg(long, default_value_t = 50, value_name = "MILLISECONDS")]
    webhook_delay_ms: u64,

    /// Holds every answer back by this time
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    latency_ms: u64,

    /// Which event tells that a snooze has run out
    #[arg(long, value_enum, default_value_t = SnoozeExpiry::Wake)]
    snooze_expiry: SnoozeExpiry,

    /// Whose incident the event of a merge shows
    #[arg(long, value_enum, default_value_t = MergedIncident::Target)]
    merge_event: MergedIncident,

    /// Refuses more than 50 calls a second or 1000 a minute, as the real one
    #[arg(long)]
    rate_limit: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum SnoozeExpiry {
    /// i_wake
    Wake,
    /// i_assign
    Assign,
    /// none
    Silent,
}

#[derive(Clone, Copy, ValueEnum)]
enum MergedIncident {
    /// The one that the others were merged into
    Target,
    /// Each of those that were merged
    Sources,
    /// An event for each of them
    Both,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("expected 'name: value', found no colon")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn flashduty(arguments: &Arguments) -> anyhow::Result<Flashduty> {
    let mut flashduty = Flashduty::new(Options {
        seed: arguments.seed,
        webhook_delay_ms: arguments.webhook_delay_ms,
        snooze_expiry: match arguments.snooze_expiry {
            SnoozeExpiry::Wake => SnoozeExpiryEvent::Wake,
            SnoozeExpiry::Assign => SnoozeExpiryEvent::Assign,
            SnoozeExpiry::Silent => SnoozeExpiryEvent::Silent,
        },
        merge_event: match arguments.merge_event {
            MergedIncident::Target => MergeEvent::Target,
            MergedIncident::Sources => MergeEvent::Sources,
            MergedIncident::Both => MergeEvent::Both,
        },
        rate_limit: arguments.rate_limit.then(RateLimit::default),
        ..Options::default()
    });
    if let Some(app_key) = &arguments.app_key {
        flashduty
            .account_mut()
            .members
            .get_mut(&INTEGRATION_MEMBER)
            .context("the account lacks the integration's member")?
            .app_key = Some(app_key.clone());
    }
    if let Some(url) = &arguments.webhook_url {
        flashduty.add_webhook(Webhook {
            headers: arguments.webhook_header.clone(),
            ..Webhook::new(url)
        });
    }
    if let Some(url) = &arguments.custom_action_url {
        flashduty.add_custom_action(CustomAction {
            headers: arguments.custom_action_header.clone(),
            ..CustomAction::new(&arguments.custom_action_name, url)
        });
    }
    Ok(flashduty)
}

fn greeting(flashduty: &Flashduty, url: &str) -> String {
    let app_key = flashduty.app_key(INTEGRATION_MEMBER).unwrap_or_default();
    let payments = flashduty.integration_key(PAYMENTS).unwrap_or_default();
    let search = flashduty.integration_key(SEARCH).unwrap_or_default();
    let mut text = format!(
        "\
Flashduty is simulated at {url}

app_key (Open API)           {app_key}
integration_key of Payments  {payments}
integration_key of Search    {search}
"
    );
    for action in flashduty.account().custom_actions.values() {
        text += &format!(
            "custom action {:?} has integration_id {}\n",
            action.name, action.integration_id
        );
    }
    text += &format!(
        r#"
Raise an alert (repeat with "event_status":"Ok" to recover it):
  curl -s '{url}/event/push/alert/standard?integration_key={payments}' \
    -H 'content-type: application/json' -d '{{"alert_key":"latency","title":"Checkout is slow",
    "event_status":"Critical","labels":{{"service":"checkout"}}}}'

List incidents, then acknowledge one as Ana ({ANA}):
  curl -s {url}/simulator/state
  curl -s {url}/simulator/act -d '{{"person":"Ana","incident":"<id or num>","action":"acknowledge"}}'

Ctrl-C ends it.
"#
    );
    text
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = ServerOptions {
        listen: arguments.listen,
        latency: Duration::from_millis(arguments.latency_ms),
    };
    let server = Server::start(flashduty(&arguments)?, options).await?;
    let url = server.url();
    let public_url = arguments.public_url.unwrap_or_else(|| url.clone());
    let text = server.poke(|flashduty, _| {
        flashduty.set_base_url(&public_url);
        greeting(flashduty, &url)
    });
    println!("{text}");
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}

//! `cargo xtask conformance`: puts a gateway that runs the probe to the test.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use anyhow::Context as _;
use anyhow::ensure;
use clap::Parser;
use conformance::OPERATOR_TOKEN;
use conformance::promises::Outcome;
use conformance::promises::PROMISES;
use conformance::site::FarEnds;
use conformance::site::Options;
use conformance::site::PATIENCE;
use conformance::site::Place;
use conformance::site::Restart;
use conformance::site::Site;
use conformance::wire;
use std::net::SocketAddr;
use std::process::Command;
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

/// Puts a gateway that runs the probe to the test of the contract. How to
/// configure it is in docs/gateways.md.
#[derive(Parser)]
#[command(name = "cargo xtask conformance")]
struct Arguments {
    /// Origin of the gateway, for example `http://127.0.0.1:8080`. More than
    /// one for gateways that share a store.
    #[arg(long, required = true)]
    url: Vec<String>,
    /// Origin of its operator's surface, if that is another; one for each URL.
    #[arg(long)]
    operator: Vec<String>,
    /// What makes it look for work that is due, if it has to be told; one for
    /// each URL.
    #[arg(long)]
    tick: Vec<String>,
    /// The operator's token.
    #[arg(long, default_value = OPERATOR_TOKEN)]
    token: String,
    /// Where the far end of the credential `probe` listens.
    #[arg(long, default_value = "127.0.0.1:9701")]
    far_end: SocketAddr,
    /// Where the far end of the credential `other` listens.
    #[arg(long, default_value = "127.0.0.1:9702")]
    other: SocketAddr,
    /// A command for the shell that kills the gateway and starts it again on the
    /// same store.
    #[arg(long)]
    restart: Option<String>,
    /// Check only what has such a name.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every promise that could be checked is kept.
async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let places = places(&arguments)?;
    let far_ends = FarEnds::start(arguments.far_end, arguments.other).await?;
    let restart = arguments
        .restart
        .map(|command| restart(command, places.clone()));
    let options = Options {
        places,
        token: arguments.token,
        restart,
    };
    let site = Site::new(options, far_ends);
    site.run(serde_json::json!([]))
        .await
        .context("the probe does not answer; docs/gateways.md shows how to configure a gateway")?;
    let (mut kept, mut broken, mut unseen) = (0, 0, 0);
    for promise in PROMISES {
        let name = promise.sentence();
        let filters = &arguments.filters;
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter)) {
            continue;
        }
        let start = Instant::now();
        let outcome = promise.check(&site).await;
        let took = start.elapsed().as_secs_f32();
        let guarantee = promise.guarantee;
        match outcome {
            Outcome::Kept => {
                kept += 1;
                println!("{guarantee}  kept         {name} ({took:.1} s)");
            }
            Outcome::Broken(error) => {
                broken += 1;
                println!("{guarantee}  BROKEN       {name}: {error:#}");
            }
            Outcome::NotChecked(why) => {
                unseen += 1;
                println!("{guarantee}  not checked  {name}: {why}");
            }
        }
    }
    println!("{kept} kept, {broken} broken, {unseen} not checked");
    Ok(broken == 0)
}

fn places(arguments: &Arguments) -> anyhow::Result<Vec<Place>> {
    let gateways = arguments.url.len();
    for (name, given) in [
        ("--operator", &arguments.operator),
        ("--tick", &arguments.tick),
    ] {
        ensure!(
            given.is_empty() || given.len() == gateways,
            "expected one {name} for each --url, or none; found {} for {gateways}",
            given.len()
        );
    }
    let urls = arguments.url.iter().enumerate();
    Ok(urls
        .map(|(n, url)| {
            let origin = |url: &String| url.trim_end_matches('/').to_owned();
            Place {
                url: origin(url),
                operator: origin(arguments.operator.get(n).unwrap_or(url)),
                tick: arguments.tick.get(n).cloned(),
            }
        })
        .collect())
}

fn restart(command: String, places: Vec<Place>) -> Restart {
    Box::new(move || {
        let (command, places) = (command.clone(), places.clone());
        Box::pin(async move {
            let run = move || (Command::new("sh").args(["-c", &command]).status(), command);
            let (status, command) = spawn_blocking(run).await?;
            let status = status?;
            ensure!(status.success(), "{command:?} failed: {status}");
            for place in &places {
                until_it_answers(&place.url).await?;
            }
            Ok(places)
        })
    })
}

/// Any answer will do.
async fn until_it_answers(url: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        match wire::send("GET", url, "", vec![], PATIENCE).await {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > PATIENCE => {
                return Err(error.context("the gateway did not come back"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

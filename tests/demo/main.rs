//! `cargo xtask demo`: the main job, with both simulators, on this machine.
#![allow(clippy::print_stdout)] // Telling a story is what this program is for.

use clap::Parser;
use simulators::Delivery;
use simulators::server::Exchange;
use std::io::IsTerminal as _;
use std::time::Duration;
use support::Setting;
use support::World;
use support::story;
use support::story::Line;
use support::story::Row;
use support::world::ADMIN_TOKEN;
use tokio::sync::broadcast::Receiver;

/// Plays an incident's life between a Flashduty and a ServiceNow simulator,
/// with the real gateway and the real plugin in between.
#[derive(Parser)]
#[command(name = "cargo xtask demo")]
struct Demo {
    /// Show every HTTP exchange with its body.
    #[arg(short, long)]
    verbose: bool,
    /// Stop at the end of the story instead of staying up for exploring.
    #[arg(long)]
    exit: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let demo = Demo::parse();
    let setting = Setting {
        business_rule_delay_ms: 1000,
        ..Setting::default()
    };
    let world = World::start(setting).await?;
    let bold = Style::new();
    println!(
        "\n{}",
        bold.on("ServiceNow Sync: one incident, two systems")
    );
    println!("  Flashduty simulator   {}", world.flashduty.url());
    println!("  ServiceNow simulator  {}", world.servicenow.url());
    let host = world
        .host
        .as_ref()
        .map(|host| (host.webhook_addr(), host.admin_addr()));
    if let Some((webhooks, admin)) = host {
        println!("  gateway               http://{webhooks} (webhooks), http://{admin} (admin)");
    }
    println!(
        "  its configuration     {}",
        world.configuration().display()
    );
    if demo.verbose {
        tokio::spawn(show("Flashduty", world.flashduty.exchanges()));
        tokio::spawn(show("ServiceNow", world.servicenow.exchanges()));
    }

    let rows = story::play(&world, &mut |line| match line {
        Line::Does(text) => println!("\n{}", bold.on(&text)),
        Line::Sees(text) => println!("  -> {text}"),
    })
    .await?;
    // Let the last exchanges be shown before the table.
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("\n{}", bold.on("What is in both systems now"));
    print!("{}", table(&rows));

    if !demo.exit {
        println!("\nEverything stays up until you press Ctrl-C:");
        println!(
            "  look      {}/  and  {}/",
            world.flashduty.url(),
            world.servicenow.url()
        );
        if let Some((_, admin)) = host {
            println!(
                "  metrics   curl -H 'authorization: Bearer {ADMIN_TOKEN}' http://{admin}/metrics"
            );
            println!(
                "  work      curl -H 'authorization: Bearer {ADMIN_TOKEN}' http://{admin}/work"
            );
        }
        println!("  as Beth   {}", as_beth(&world, &rows));
        tokio::signal::ctrl_c().await?;
    }
    if let Some(host) = world.host {
        host.shutdown(Duration::from_secs(5)).await;
    }
    Ok(())
}

/// A command that changes the incident that is still open.
fn as_beth(world: &World, rows: &[Row]) -> String {
    let url = world.servicenow.url();
    let number = rows.last().map_or("", |row| row.servicenow[0].as_str());
    let servicenow = world.servicenow.simulator();
    let sys_id = servicenow
        .incidents()
        .find(|record| record.get("number").is_some_and(|n| n == number))
        .and_then(|record| record.get("sys_id").cloned())
        .unwrap_or_default();
    format!(
        "curl -u beth.anglin:people-password -X PATCH -H 'content-type: application/json' \
         -d '{{\"state\":\"2\"}}' {url}/api/now/table/incident/{sys_id}"
    )
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        [
            "born in",
            "title",
            "Flashduty",
            "",
            "",
            "ServiceNow",
            "",
            "",
        ]
        .map(str::to_owned),
    ];
    for row in rows {
        let [f, s] =
            [&row.flashduty, &row.servicenow].map(|side| side.each_ref().map(|t| t.as_str()));
        lines
            .push([row.born_in, &row.title, f[0], f[1], f[2], s[0], s[1], s[2]].map(str::to_owned));
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..8)
        .map(|column| width(column).unwrap_or_default())
        .collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<_> = line
            .iter()
            .zip(&widths)
            .map(|(cell, w)| format!("{cell:w$}"))
            .collect();
        text += format!("  {}", cells.join("  ")).trim_end();
        text += "\n";
    }
    text
}

/// Prints what a simulator received and sent.
async fn show(system: &str, mut exchanges: Receiver<Exchange>) {
    while let Ok(exchange) = exchanges.recv().await {
        match exchange {
            Exchange::Handled {
                request, response, ..
            } => {
                println!("  | {system} <- {} {}", request.method, request.path);
                body("request", &request.body);
                body(&format!("{}", response.status), &response.body);
            }
            Exchange::Pushed { push, delivery, .. } => {
                println!("  | {system} -> POST {}", push.url);
                body("webhook", &push.body);
                match delivery {
                    Delivery::Answered(answer) => body(&format!("{}", answer.status), &answer.body),
                    Delivery::Failed(why) => println!("  |   failed: {why}"),
                    Delivery::TimedOut => println!("  |   no answer in time"),
                }
            }
        }
    }
}

fn body(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    println!(
        "  |   {what:8} {}",
        if text.is_empty() { "(empty)" } else { &text }
    );
}

/// Bold where somebody looks, plain where a file does.
struct Style(bool);

impl Style {
    fn new() -> Self {
        Self(std::io::stdout().is_terminal())
    }

    fn on(&self, text: &str) -> String {
        if self.0 {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

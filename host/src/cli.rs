//! The command line.

use crate::config::Config;
use crate::config::Draft;
use crate::config::LogFormat;
use crate::config::LogSection;
use crate::host::Host;
use crate::runtime::LoadError;
use crate::runtime::RuntimeOptions;
use crate::runtime::WasmRuntime;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use std::fmt::Write as _;
use std::io;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tracing_subscriber::EnvFilter;

/// How long sessions in flight may take to end after a signal.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps ServiceNow and Flashduty incidents in step.
#[derive(Debug, Parser)]
#[command(name = "servicenow-sync", version, after_long_help = ENVIRONMENT)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway: receives webhooks, and does the work they lead to.
    ///
    /// One line on standard output tells when it is ready and where it
    /// listens; logs go to standard error. SIGTERM and SIGINT stop it: it
    /// receives no more, lets running sessions end for up to 30 seconds, and
    /// exits with 0. What was not finished goes on at the next start. A second
    /// signal stops it at once, which loses nothing either.
    #[command(after_long_help = SERVE_EXAMPLES)]
    Serve(Files),
    /// Checks a configuration without running it.
    ///
    /// Reads the file, loads the plugin, looks up every secret, and prints
    /// what `serve` would listen on and where it would send requests. Nothing
    /// is sent and no file is changed. Exits with 0 if all is well, else with 1
    /// after printing every problem with its line.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Files),
}

#[derive(Debug, Args)]
struct Files {
    /// The configuration. Paths in it are relative to its folder.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "sync.toml",
        env = "SERVICENOW_SYNC_CONFIG"
    )]
    config: PathBuf,
    /// The plugin, a WebAssembly component [default: `path` in `[plugin]`, else
    /// servicenow_sync.wasm beside this program, else in dist/].
    #[arg(long, value_name = "FILE", env = "SERVICENOW_SYNC_PLUGIN")]
    plugin: Option<PathBuf>,
}

const ENVIRONMENT: &str = "\
Environment:
  SERVICENOW_SYNC_CONFIG  stands in for --config
  SERVICENOW_SYNC_PLUGIN  stands in for --plugin
  SSL_CERT_FILE           CA certificates to trust instead of the system's
  and whatever variables the configuration names for its secrets";

const SERVE_EXAMPLES: &str = "\
Examples:
  servicenow-sync serve --config /etc/servicenow-sync/sync.toml
  SERVICENOW_PASSWORD=... servicenow-sync serve --plugin dist/servicenow_sync.wasm";

const CHECK_EXAMPLES: &str = "\
Examples:
  servicenow-sync check --config sync.toml
  servicenow-sync check --config sync.toml && systemctl restart servicenow-sync";

impl Cli {
    /// Does what the command line says, and returns how it went.
    pub fn run(self) -> ExitCode {
        let done = match &self.command {
            Command::Serve(files) => serve(files),
            Command::Check(files) => check(files),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "{error}");
                ExitCode::FAILURE
            }
        }
    }
}

fn check(files: &Files) -> anyhow::Result<()> {
    let (config, _) = load(files, false, |_| {})?;
    write!(io::stdout(), "{}", summary(&config))?;
    Ok(())
}

fn serve(files: &Files) -> anyhow::Result<()> {
    let (config, runtime) = load(files, true, start_logging)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            // From the start on, so that a signal during it is not lost.
            let mut stop = Signals::new()?;
            let manifest = &config.manifest;
            let name = format!("{} {}", manifest.name, manifest.version);
            let host = Host::start(config, runtime).await?;
            let (webhooks, admin) = (host.webhook_addr(), host.admin_addr());
            writeln!(
                io::stdout(),
                "ready: {name}, webhooks on http://{webhooks}, admin on http://{admin}"
            )?;
            io::stdout().flush()?;
            let signal = stop.next().await;
            tracing::info!(signal, "stopping; a second signal stops at once");
            tokio::select! {
                () = host.shutdown(PATIENCE) => tracing::info!("stopped"),
                signal = stop.next() => tracing::warn!(signal, "stopped at once"),
            }
            Ok(())
        })
}

/// Reads the configuration, loads the plugin, and checks one with the other.
/// Without `keep` compiled code is not kept, and no file is touched.
fn load(
    files: &Files,
    keep: bool,
    log: impl FnOnce(LogSection),
) -> anyhow::Result<(Config, WasmRuntime)> {
    let draft = Draft::read(&files.config)?;
    log(draft.log());
    let options = RuntimeOptions {
        cache_directory: keep.then(|| draft.cache_directory()),
        ..RuntimeOptions::default()
    };
    let plugin = files.plugin.clone().unwrap_or_else(|| draft.plugin());
    let runtime = match WasmRuntime::from_file(&plugin, &options) {
        Ok(runtime) => runtime,
        Err(error) => {
            let hint = match error {
                LoadError::Unreadable { .. } => {
                    "; name the plugin with --plugin or with `path` in `[plugin]`"
                }
                _ => "",
            };
            // Whoever has both kinds of trouble should learn of both.
            let problems = draft.into_problems().to_string();
            let lines = problems
                .lines()
                .map(str::to_owned)
                .chain([format!("{error}{hint}")]);
            anyhow::bail!(lines.collect::<Vec<_>>().join("\n"));
        }
    };
    let config = draft.check(&runtime)?;
    Ok((config, runtime))
}

fn summary(config: &Config) -> String {
    let mut text = String::new();
    let manifest = &config.manifest;
    let _ = writeln!(
        text,
        "{} {}: {}",
        manifest.name, manifest.version, manifest.description
    );
    let _ = writeln!(text, "receives on http://{}:", config.server.listen);
    for route in &config.requirements.routes {
        let _ = writeln!(text, "  {}  {}", route.path, route.summary);
    }
    let _ = writeln!(text, "sends to:");
    for destination in &config.requirements.destinations {
        let credential = match &destination.credential {
            Some(name) => format!("credential {name:?}"),
            None => "no credential".into(),
        };
        let _ = writeln!(
            text,
            "  {}  {}, {credential}",
            destination.origin, destination.purpose
        );
    }
    let _ = writeln!(text, "admin on http://{}", config.admin);
    let _ = writeln!(text, "store in {}", config.store.display());
    let _ = writeln!(text, "the configuration is good");
    text
}

/// Only this program's own records: those of the HTTP libraries hold headers,
/// and so credentials, at their lower levels.
fn start_logging(log: LogSection) {
    let level = format!("{:?}", log.level).to_lowercase();
    let filter = format!("warn,servicenow_sync={level},integration_gateway={level},plugin={level}");
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr);
    // An embedder may have set one up before.
    let _ = match log.format {
        LogFormat::Human => subscriber
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

//! The command line.

mod log;
mod store;

use crate::config::Config;
use crate::config::schema;
use crate::config::usual_plugin;
use crate::descriptors;
use crate::environment::SystemEnvironment;
use crate::host::Host;
use crate::loader::Loader;
use crate::pair::Pair;
use crate::reload::Reload;
use crate::runtime::RuntimeOptions;
use crate::runtime::WasmRuntime;
use crate::watch::Watch;
use anyhow::Context as _;
use anyhow::anyhow;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use integration_gateway::Environment as _;
use integration_gateway::explain::Event;
use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

/// How long sessions in flight may take to end after a signal.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait then for what cannot be cut short.
const AT_ONCE: Duration = Duration::from_secs(1);

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
    ///
    /// SIGHUP, or a change of the configuration or of a file with a secret,
    /// makes it read and check everything anew. If all is well it is in force
    /// at once, else the log tells every problem and the old one stays.
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
    /// Tells what would be done with a captured event, and why.
    ///
    /// Prints each decision on a line and then what would be sent. Nothing is
    /// sent, no secret is looked up, and the store is not opened. Exits with 0
    /// if the event was explained, else with 1 after telling what is wrong with
    /// it or with the configuration.
    #[command(after_long_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// Links, unlinks, looks at and shows pairs, in the running gateway.
    #[command(after_long_help = PAIR_EXAMPLES)]
    Pair(Pair),
    /// Looks into the store of a configuration, and moves it.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Prints the JSON Schema of the configuration, for editors.
    ///
    /// It tells every key that this program and the plugin take. An editor that
    /// knows TOML schemas completes and checks keys by it when the first line of
    /// the configuration names it: `#:schema ./sync.schema.json`.
    #[command(after_long_help = SCHEMA_EXAMPLES)]
    Schema {
        /// The plugin, a WebAssembly component [default: servicenow_sync.wasm
        /// beside this program, else in dist/].
        #[arg(long, value_name = "FILE", env = "SERVICENOW_SYNC_PLUGIN")]
        plugin: Option<PathBuf>,
    },
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

#[derive(Debug, Args)]
struct Explain {
    #[command(flatten)]
    files: Files,
    /// The body of a webhook, as it was captured; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// The path on which it arrives, as `check` lists them. Needed only if
    /// several paths take the event.
    #[arg(long)]
    path: Option<String>,
    /// What both systems shall be taken to hold, as JSON. Without it the event
    /// is about something new.
    #[arg(long, value_name = "FILE")]
    pair: Option<PathBuf>,
    /// Prints one JSON document.
    #[arg(long)]
    json: bool,
}

impl Files {
    fn loader(&self, keeps_compiled: bool) -> Loader {
        Loader {
            file: self.config.clone(),
            plugin: self.plugin.clone(),
            keeps_compiled,
        }
    }
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

const PAIR_EXAMPLES: &str = "\
Examples:
  servicenow-sync pair link --flashduty 6a1d2f45c0ffee0123456789 --servicenow INC0010001
  servicenow-sync pair show --servicenow INC0010001
  servicenow-sync pair unlink --servicenow INC0010001";

const CHECK_EXAMPLES: &str = "\
Examples:
  servicenow-sync check --config sync.toml
  servicenow-sync check --config sync.toml && systemctl reload servicenow-sync";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  servicenow-sync explain --config sync.toml --event i_new.json
  servicenow-sync explain --event i_ack.json --pair pair.json --json | jq .decisions";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  servicenow-sync schema > /etc/servicenow-sync/sync.schema.json";

impl Cli {
    /// Does what the command line says, and returns how it went.
    pub fn run(self) -> ExitCode {
        let done = match &self.command {
            Command::Serve(files) => serve(files),
            Command::Pair(pair) => pair
                .run()
                .and_then(|text| Ok(write!(io::stdout(), "{text}")?)),
            Command::Check(files) => check(files),
            Command::Explain(explain) => print_explanation(explain),
            Command::Store(command) => command.run(),
            Command::Schema { plugin } => print_schema(plugin.clone()),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "{error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

fn check(files: &Files) -> anyhow::Result<()> {
    let loader = files.loader(false);
    let watch = Watch::default();
    let draft = loader.read(&watch)?;
    let (config, _) = loader.complete(draft, &watch, None)?;
    write!(io::stdout(), "{}", summary(&config))?;
    Ok(())
}

fn print_explanation(explain: &Explain) -> anyhow::Result<()> {
    let read = |file: &Path| {
        let content = match file.to_str() {
            Some("-") => {
                let mut content = Vec::new();
                io::stdin().read_to_end(&mut content).map(|_| content)
            }
            _ => fs::read(file),
        };
        content.with_context(|| format!("{} cannot be read", file.display()))
    };
    let loader = explain.files.loader(false);
    let draft = loader.read(&Watch::default())?;
    let (draft, plugin) = loader.load(draft, None)?;
    let pair = explain.pair.as_deref().map(read).transpose()?;
    let event = Event {
        body: read(&explain.event)?,
        path: explain.path.clone(),
        pair: String::from_utf8(pair.unwrap_or_default()).context("the pair is not UTF-8")?,
        now_ms: SystemEnvironment::default().now_ms(),
    };
    let explanation = tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(draft.explain(&plugin.runtime, &event))?;
    match explain.json {
        true => write!(io::stdout(), "{}", explanation.document())?,
        false => write!(io::stdout(), "{explanation}")?,
    }
    Ok(())
}

fn print_schema(plugin: Option<PathBuf>) -> anyhow::Result<()> {
    let plugin = plugin.unwrap_or_else(usual_plugin);
    let runtime = WasmRuntime::from_file(&plugin, &RuntimeOptions::default())
        .map_err(|error| anyhow!(error.of(&plugin)))?;
    let schema = schema(&runtime.describe()?.configuration_schema)
        .context("the plugin does not tell its configuration as JSON")?;
    writeln!(io::stdout(), "{schema:#}")?;
    Ok(())
}

fn serve(files: &Files) -> anyhow::Result<()> {
    let executor = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = executor.block_on(serve_until_stopped(files.loader(true)));
    // The system may look up a name for half a minute, and cannot be told to
    // stop; nor can a compilation.
    executor.shutdown_timeout(AT_ONCE);
    ended
}

async fn serve_until_stopped(loader: Loader) -> anyhow::Result<()> {
    // Before all else: until then a signal ends the process, even SIGHUP.
    let mut signals = Signals::new()?;
    let hung_up = Cell::new(false);
    let (host, reload) = tokio::select! {
        started = start(loader) => started?,
        signal = signals.stop_or(|| hung_up.set(true)) => {
            tracing::info!(signal, "stopped before the start was complete");
            return Ok(());
        }
    };
    let reloader = reload.start()?;
    // What was changed then may have been read before.
    if hung_up.get() {
        reloader.reload();
    }
    let signal = signals.stop_or(|| reloader.reload()).await;
    drop(reloader);
    tracing::info!(signal, "stopping; a second signal stops at once");
    tokio::select! {
        () = host.shutdown(PATIENCE) => tracing::info!("stopped"),
        signal = signals.stop_or(|| {}) => tracing::warn!(signal, "stopped at once"),
    }
    Ok(())
}

/// Starts the gateway and tells where it listens; returns it with what it takes
/// to reload it.
async fn start(loader: Loader) -> anyhow::Result<(Host, Reload)> {
    let watch = Watch::default();
    let draft = loader.read(&watch)?;
    let set_level = log::start(draft.log());
    let settled = draft.settled();
    // In a thread of its own, since the compilation takes seconds, and signals
    // shall be heard meanwhile.
    let load = move || {
        let loaded = loader.complete(draft, &watch, None);
        loaded.map(|(config, plugin)| (loader, watch, config, plugin))
    };
    let (loader, watch, config, plugin) = tokio::task::spawn_blocking(load).await??;
    descriptors::make_room_for(config.server.max_connections);
    let manifest = &config.manifest;
    let name = format!("{} {}", manifest.name, manifest.version);
    let store = config.store.clone();
    let host = Host::start(config, plugin.runtime.clone()).await?;
    let (webhooks, admin) = (host.webhook_addr(), host.admin_addr());
    writeln!(
        io::stdout(),
        "ready: {name}, webhooks on http://{webhooks}, admin on http://{admin}"
    )?;
    io::stdout().flush()?;
    let reload = Reload {
        loader,
        watch,
        settled,
        store,
        plugin,
        gateway: Arc::clone(host.gateway()),
        set_level,
        executor: Handle::current(),
    };
    Ok((host, reload))
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
    let _ = writeln!(text, "store in {}", config.store);
    let _ = writeln!(text, "the configuration is good");
    text
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop, and calls `hung_up` at each SIGHUP until then.
    async fn stop_or(&mut self, hung_up: impl Fn()) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => hung_up(),
            }
        }
    }
}

//! Brings a changed configuration into force while the gateway runs: all of it,
//! or nothing.
//!
//! A thread of its own, since all that it does is to read files, to compile, and
//! to exchange one pointer at the end.

use crate::client::HttpClient;
use crate::config::LogLevel;
use crate::config::Settled;
use crate::host::HostGateway;
use crate::loader::Loader;
use crate::loader::Plugin;
use crate::store::Location;
use crate::watch::Looks;
use crate::watch::Watch;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Everything that reading a configuration anew needs.
pub(crate) struct Reload {
    pub(crate) loader: Loader,
    pub(crate) watch: Watch,
    /// What cannot change while the process runs.
    pub(crate) settled: Settled,
    /// Where the store was when it was opened.
    pub(crate) store: Location,
    /// The plugin in force.
    pub(crate) plugin: Plugin,
    pub(crate) gateway: Arc<HostGateway>,
    pub(crate) set_level: Box<dyn Fn(LogLevel) + Send>,
    /// Of the gateway, whose store may need it.
    pub(crate) executor: Handle,
}

/// Asks for the configuration to be read anew. When it is dropped, nothing is
/// read any more.
pub(crate) struct Reloader(Sender<()>);

impl Reloader {
    /// Reads the configuration anew, whether a file has changed or not.
    pub(crate) fn reload(&self) {
        // There is someone to hear it for as long as the process runs.
        let _ = self.0.send(());
    }
}

impl Reload {
    /// Waits, in a thread, until it is asked to reload or a file changes.
    pub(crate) fn start(self) -> io::Result<Reloader> {
        let (ask, asked) = mpsc::channel();
        thread::Builder::new()
            .name("reload".into())
            .spawn(move || self.wait(&asked))?;
        Ok(Reloader(ask))
    }

    fn wait(mut self, asked: &Receiver<()>) {
        let mut unsettled: Option<Looks> = None;
        loop {
            match asked.recv_timeout(LOOK) {
                Ok(()) => tracing::info!("reading the configuration anew: SIGHUP"),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    // Several files are often changed one after the other, and
                    // long ones piece by piece: so not before all is quiet.
                    let changes = self.watch.changes();
                    if changes.is_none() || changes != unsettled {
                        unsettled = changes;
                        continue;
                    }
                    tracing::info!("reading the configuration anew: a file has changed");
                }
            }
            unsettled = None;
            let before = self.watch.begin();
            match self.reload() {
                Ok(()) => tracing::info!("the new configuration is in force"),
                Err(error) => {
                    for line in error.to_string().lines() {
                        tracing::error!("{line}");
                    }
                    tracing::error!("the old configuration stays in force");
                    // And so do its secrets, which may change.
                    self.watch.keep(&before);
                    // Last: whoever sees it counted finds the reason in the log.
                    self.gateway.count_refused_configuration();
                }
            }
        }
    }

    fn reload(&mut self) -> anyhow::Result<()> {
        let mut draft = self.loader.read(&self.watch)?;
        draft.must_keep(&self.settled);
        let level = draft.log().level;
        let (config, plugin) = self
            .loader
            .complete(draft, &self.watch, Some(&self.plugin))?;
        if self.store.is_elsewhere(&config.store) {
            tracing::warn!(
                "the URL of the store is another one; it is used from the next start on, and the \
                 old one till then"
            );
        }
        let client = HttpClient::new(config.policy.addresses().clone())?;
        let runtime = plugin.runtime.clone();
        (self.set_level)(level);
        self.plugin = plugin;
        let taken = self
            .gateway
            .reconfigure(config.policy, config.configuration, runtime, client);
        if let Err(error) = self.executor.block_on(taken) {
            tracing::error!(%error, "standing work is not begun before the next start or reload");
        }
        Ok(())
    }
}

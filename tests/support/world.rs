//! Both simulators and the gateway between them.

use crate::network::Network;
use crate::quiet::Quiet;
use anyhow::Context as _;
use anyhow::bail;
use integration_gateway::Store as _;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use serde_json::Value;
use servicenow_sync::Host;
use servicenow_sync::config::Draft;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use servicenow_sync::store::FileStore;
use simulators::flashduty;
use simulators::flashduty::Flashduty;
use simulators::server::Server;
use simulators::server::ServerOptions;
use simulators::servicenow;
use simulators::servicenow::BusinessRule;
use simulators::servicenow::ServiceNow;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// How long anything that should happen may take. Generous: it is only ever
/// waited for in full when it does not happen. Tries that fail one after the
/// other grow apart, at random.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where the plugin keeps when the store first looked at a side.
const FIRST_LOOK: &str = "p.unbroken.first-look.";

/// The token with which Flashduty proves itself to the gateway.
pub const FLASHDUTY_TOKEN: &str = "flashduty-webhook-token-0123456789";
/// The token with which ServiceNow proves itself to the gateway.
pub const SERVICENOW_TOKEN: &str = "servicenow-webhook-token-0123456789";
/// For [`Setting::servicenow_proof`]: ServiceNow signs, and has no token.
pub const SIGNATURE: &str = r#"signature = { secrets = [{ file = "signing-key" }] }"#;
const SIGNING_KEY: &str = "signing-key-0123456789-0123456789";
/// The token that opens the admin listener.
pub const ADMIN_TOKEN: &str = "admin-token-0123456789";

/// What is special about a world.
#[derive(Clone, Debug)]
pub struct Setting {
    /// `to-servicenow`, `from-servicenow` or `two-way`.
    pub direction: &'static str,
    /// Lines for `[server]`.
    pub server: &'static str,
    /// The line that says how ServiceNow proves itself to the gateway.
    pub servicenow_proof: &'static str,
    /// Whether incidents go to ServiceNow only when a person sends them.
    pub manual: bool,
    /// Lines for `[[integration]]`, before its tables.
    pub integration: String,
    /// Lines for `[integration.servicenow]`.
    pub servicenow_side: &'static str,
    /// Lines for `[integration.reconcile]`: nothing is polled unless they say so.
    pub reconcile: &'static str,
    /// Whether the systems send webhooks.
    pub webhooks: bool,
    /// Whether the gateway's store is a new one, which may have followed one
    /// that was lost.
    pub new_store: bool,
    /// Whether the gateway has a key to Flashduty's Open API.
    pub flashduty_access: bool,
    /// Whether the gateway has a user in ServiceNow.
    pub servicenow_access: bool,
    /// The ServiceNow instance.
    pub servicenow: servicenow::Options,
    /// The Flashduty account.
    pub flashduty: flashduty::Options,
    /// How long ServiceNow waits before it runs a business rule.
    pub business_rule_delay_ms: u64,
    /// Whether a network that can fail is between the gateway and the systems.
    pub network: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            direction: "two-way",
            server: "",
            servicenow_proof: r#"bearer = [{ file = "servicenow-token" }]"#,
            manual: false,
            integration: String::new(),
            servicenow_side: "",
            reconcile: "flashduty = false\nservicenow = false",
            webhooks: true,
            new_store: false,
            flashduty_access: true,
            servicenow_access: true,
            servicenow: servicenow::Options::default(),
            flashduty: flashduty::Options::default(),
            business_rule_delay_ms: 100,
            network: false,
        }
    }
}

/// Both simulators, and the gateway with its files in a folder of its own.
pub struct World {
    /// A ServiceNow instance that runs the documented business rule.
    pub servicenow: Server<ServiceNow>,
    /// A Flashduty account that sends its incident webhook.
    pub flashduty: Server<Flashduty>,
    /// The gateway, unless it is stopped or another one stands in its place.
    pub host: Option<Host>,
    /// Where another gateway receives webhooks, if one does.
    other: Option<SocketAddr>,
    /// What shows of another gateway's work.
    quiet: Option<Quiet>,
    /// What is between the gateway and Flashduty, and ServiceNow, if anything.
    pub networks: Vec<Network>,
    folder: TempDir,
    runtime: WasmRuntime,
}

/// The component that `cargo xtask build` makes.
pub fn component() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/servicenow_sync.wasm")
}

impl World {
    /// Starts everything and connects it.
    pub async fn start(setting: Setting) -> anyhow::Result<Self> {
        let mut world = Self::without_gateway(&setting).await?;
        if !setting.new_store {
            world.age_store().await?;
        }
        // Ours says itself whether it has work.
        world.quiet = None;
        world.start_host().await?;
        // What the gateway does by itself at its start is done.
        world.settled().await?;
        world.connect(&setting);
        Ok(world)
    }

    /// Starts both systems, with nothing between them.
    pub async fn without_gateway(setting: &Setting) -> anyhow::Result<Self> {
        let component = component();
        let options = RuntimeOptions {
            // Shared by all tests: compiling the component takes most of a start.
            cache_directory: Some(component.with_file_name("cache")),
            ..RuntimeOptions::default()
        };
        let runtime = WasmRuntime::from_file(&component, &options)
            .context("the tests run the built component; run `cargo xtask build` first")?;
        let servicenow = ServiceNow::new(setting.servicenow.clone());
        let servicenow = Server::start(servicenow, ServerOptions::default()).await?;
        let flashduty = Flashduty::new(setting.flashduty.clone());
        let flashduty = Server::start(flashduty, ServerOptions::default()).await?;
        flashduty.poke(|f, _| f.set_base_url(&flashduty.url()));

        let mut networks = Vec::new();
        if setting.network {
            for far_end in [flashduty.addr(), servicenow.addr()] {
                networks.push(Network::start(far_end).await?);
            }
        }
        let folder = tempfile::tempdir()?;
        let world = Self {
            quiet: Some(Quiet::between(&servicenow, &flashduty)),
            servicenow,
            flashduty,
            host: None,
            other: None,
            networks,
            folder,
            runtime,
        };
        world.write_configuration(setting)?;
        Ok(world)
    }

    /// Connects both systems with another gateway than ours, which receives
    /// webhooks at that address, once it has done what it does at its start.
    pub async fn through(&mut self, gateway: SocketAddr, setting: &Setting) -> anyhow::Result<()> {
        self.other = Some(gateway);
        self.settled().await?;
        self.connect(setting);
        Ok(())
    }

    /// Where this world may have files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration of the gateway.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("sync.toml")
    }

    /// Makes a store that is so old that whatever happens is later.
    async fn age_store(&self) -> anyhow::Result<()> {
        let store = FileStore::open(&self.store())?;
        for side in ["flashduty", "servicenow"] {
            let look = Write {
                key: format!("{FIRST_LOOK}demo.{side}"),
                precondition: Precondition::Absent,
                value: Some(b"1".into()),
            };
            let written = store.write(look).await?;
            written.map_err(|_| anyhow::anyhow!("the store is not empty"))?;
        }
        Ok(())
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("sync.redb")
    }

    /// Starts the gateway, at first or again. It takes a new port each time.
    pub async fn start_host(&mut self) -> anyhow::Result<()> {
        let config = Draft::read(&self.configuration())?.check(&self.runtime)?;
        self.host = Some(Host::start(config, self.runtime.clone()).await?);
        Ok(())
    }

    /// Everything that `check` would find wrong with another configuration;
    /// nothing if it is good.
    pub fn problems(&self, configuration: &str) -> anyhow::Result<Option<String>> {
        let file = self.folder.path().join("other.toml");
        fs::write(&file, configuration)?;
        let checked = Draft::read(&file).and_then(|draft| draft.check(&self.runtime));
        Ok(checked.err().map(|problems| problems.to_string()))
    }

    /// Stops the gateway, and starts it with another configuration.
    pub async fn restart_with(&mut self, configuration: &str) -> anyhow::Result<()> {
        if let Some(host) = self.host.take() {
            host.shutdown(PATIENCE).await;
        }
        fs::write(self.configuration(), configuration)?;
        self.start_host().await
    }

    /// Drops the gateway in the middle of whatever it does, and starts it again
    /// on the same store.
    pub async fn crash_and_restart(&mut self, setting: &Setting) -> anyhow::Result<()> {
        drop(self.host.take());
        let deadline = Instant::now() + PATIENCE;
        // Its tasks are only told to end; the last one closes the store.
        while let Err(error) = self.start_host().await {
            if Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.connect(setting);
        Ok(())
    }

    pub(crate) fn webhooks(&self) -> Option<SocketAddr> {
        let ours = self.host.as_ref().map(Host::webhook_addr);
        ours.or(self.other)
    }

    /// Where the gateway receives webhooks of that side.
    pub fn webhook_url(&self, side: &str) -> String {
        self.webhooks().map_or_else(String::new, |address| {
            format!("http://{address}/{side}/demo")
        })
    }

    fn write_configuration(&self, setting: &Setting) -> anyhow::Result<()> {
        let app_key = {
            let flashduty = self.flashduty.simulator();
            flashduty
                .app_key(flashduty::INTEGRATION_MEMBER)
                .unwrap_or_default()
                .to_owned()
        };
        for (name, secret) in [
            ("app-key", app_key.as_str()),
            ("user", "flashduty"),
            ("password", "flashduty-password"),
            ("flashduty-token", FLASHDUTY_TOKEN),
            ("servicenow-token", SERVICENOW_TOKEN),
            ("signing-key", SIGNING_KEY),
            ("admin-token", ADMIN_TOKEN),
        ] {
            fs::write(self.folder.path().join(name), secret)?;
        }
        let (flashduty, servicenow) = match self.networks.as_slice() {
            [to_flashduty, to_servicenow] => (to_flashduty.url(), to_servicenow.url()),
            _ => (self.flashduty.url(), self.servicenow.url()),
        };
        let Setting {
            direction,
            server,
            servicenow_proof,
            manual,
            integration,
            servicenow_side,
            reconcile,
            flashduty_access,
            servicenow_access,
            ..
        } = setting;
        let channel = flashduty::PAYMENTS;
        let webhook =
            |side: &str, proof: &str| format!("[[webhook]]\npath = \"/{side}/demo\"\n{proof}\n\n");
        let mut text = format!(
            r#"[server]
listen = "127.0.0.1:0"
{server}

[admin]
listen = "127.0.0.1:0"
token = [{{ file = "admin-token" }}]

# The simulators are on this machine, which is not a public address.
[egress]
private = ["127.0.0.0/8"]

"#
        );
        if *direction != "from-servicenow" {
            text += &webhook("flashduty", r#"bearer = [{ file = "flashduty-token" }]"#);
        }
        if *direction != "to-servicenow" {
            text += &webhook("servicenow", servicenow_proof);
        }
        let mut trigger = "";
        if *manual {
            trigger = "trigger = \"manual\"";
            text += &webhook("trigger", r#"bearer = [{ file = "flashduty-token" }]"#);
        }
        let (mut flashduty_credential, mut servicenow_credential) = ("", "");
        if *flashduty_access {
            flashduty_credential = r#"credential = "flashduty""#;
            text += &format!(
                r#"[credential.flashduty]
kind = "query"
origin = "{flashduty}"
name = "app_key"
value = {{ file = "app-key" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}

"#
            );
        }
        if *servicenow_access {
            servicenow_credential = r#"credential = "servicenow""#;
            text += &format!(
                r#"[credential.servicenow]
kind = "basic"
origin = "{servicenow}"
user = {{ file = "user" }}
password = {{ file = "password" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}

"#
            );
        }
        text += &format!(
            r#"[[integration]]
id = "demo"
name = "Demo"
direction = "{direction}"
{trigger}
{integration}
[integration.reconcile]
{reconcile}

[integration.flashduty]
url = "{flashduty}"
channels = [{channel}]
{flashduty_credential}

[integration.servicenow]
url = "{servicenow}"
{servicenow_credential}
{servicenow_side}
"#
        );
        fs::write(self.configuration(), text)?;
        Ok(())
    }

    /// Tells both systems where to send their webhooks.
    pub fn connect(&self, setting: &Setting) {
        if !setting.webhooks {
            return;
        }
        let to_flashduty = self.webhook_url("servicenow");
        let to_servicenow = self.webhook_url("flashduty");
        if setting.direction != "from-servicenow" {
            let bearer = format!("Bearer {FLASHDUTY_TOKEN}");
            let webhook = flashduty::Webhook::new(&to_servicenow).header("authorization", &bearer);
            self.flashduty.poke(|f, _| f.account_mut().webhooks.clear());
            self.flashduty.poke(|f, _| f.add_webhook(webhook));
        }
        if setting.direction != "to-servicenow" {
            let mut rule = BusinessRule::to(to_flashduty);
            let bearer = format!("Bearer {SERVICENOW_TOKEN}");
            if setting.servicenow_proof == SIGNATURE {
                rule.signing_key = Some(SIGNING_KEY.into());
            } else {
                rule.headers = vec![("authorization".into(), bearer)];
            }
            rule.delay_ms = setting.business_rule_delay_ms;
            self.servicenow
                .poke(|s, _| s.options_mut().business_rule = Some(rule));
        }
    }

    /// Waits until `look` finds something.
    pub async fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                let status = match &self.host {
                    Some(host) => serde_json::to_value(host.gateway().work(None).await?)?,
                    None => Value::Null,
                };
                bail!("waited {PATIENCE:?} in vain until {what}; the gateway: {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no work is due and neither system has a webhook to send or
    /// on the way. Whether a gateway that is not ours has work due shows in what
    /// it asks of the systems.
    pub async fn settled(&self) -> anyhow::Result<()> {
        self.until("all is quiet", |world| {
            let idle = || {
                let Some(host) = &world.host else {
                    return world.quiet.as_ref()?.for_long().then_some(());
                };
                let counts = host.gateway().status().work;
                (counts.due == 0 && counts.running == 0).then_some(())
            };
            // Before and after: what comes of a webhook that arrives in
            // between is seen on one of the two looks.
            idle()?;
            let servicenow = world.servicenow.simulator().webhooks_pending();
            let flashduty = world.flashduty.simulator().webhooks_pending();
            (servicenow == 0 && flashduty == 0).then_some(())?;
            idle()
        })
        .await
    }

    /// Stops the gateway and tells which keys it has stored, beside the age of
    /// the store.
    pub async fn stored_keys(&mut self) -> anyhow::Result<Vec<String>> {
        if let Some(host) = self.host.take() {
            host.shutdown(PATIENCE).await;
        }
        let store = FileStore::open(&self.store())?;
        let everything = Scan {
            prefix: String::new(),
            after: None,
            limit: 1000,
        };
        let page = store.scan(&everything).await?;
        let keys = page.entries.into_iter().map(|entry| entry.key);
        Ok(keys.filter(|key| !key.starts_with(FIRST_LOOK)).collect())
    }
}

//! A machine on which a gateway runs: it starts, crashes, and starts again.

use crate::chance::Chance;
use crate::clock::Clock;
use crate::clock::WallClock;
use crate::far_ends::FLASHDUTY_URL;
use crate::far_ends::SERVICENOW_URL;
use crate::network::Network;
use crate::network::Wire;
use crate::operator::TOKEN;
use crate::plugin::Watched;
use crate::setup::Setup;
use crate::stage::Stage;
use crate::store::Connection;
use crate::store::SharedStore;
use integration_gateway::Environment as _;
use integration_gateway::Gateway;
use integration_gateway::Next;
use integration_gateway::Policy;
use integration_gateway::Runtime;
use integration_gateway::Secret;
use integration_gateway::settings::SecretRef;
use integration_gateway::settings::Settings;
use serde_json::Value;
use serde_json::json;
use servicenow_sync_native::requirements;
use servicenow_sync_plugin::configuration::Configuration;
use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;

/// How many sessions one gateway runs at a time.
const WORKERS: usize = 4;

/// The gateway of the simulation.
pub type SimulatedGateway<R> = Gateway<Watched<R>, Connection, Wire, Clock>;

/// What all machines of a run share.
pub struct Site<R> {
    /// Where it happens.
    pub stage: Rc<Stage>,
    /// The store of both.
    pub store: Rc<SharedStore>,
    /// The network of both.
    pub network: Rc<Network>,
    /// What runs the plugin.
    pub runtime: R,
    /// Follows from it: whatever the gateways roll dice for.
    pub seed: u64,
    /// The key of an app in Flashduty.
    pub app_key: String,
    /// Whether tokens are fetched for ServiceNow.
    pub oauth: bool,
    /// How the plugin is configured.
    pub setup: Setup,
}

/// A machine.
pub struct Machine<R> {
    site: Rc<Site<R>>,
    process: usize,
    /// Its clock.
    pub wall: Rc<WallClock>,
    starts: Cell<u64>,
    /// Whether it was started since it stopped; it may not have read the queue.
    is_up: Cell<bool>,
    gateway: RefCell<Option<Rc<SimulatedGateway<R>>>>,
}

impl<R: Runtime + Clone + 'static> Machine<R> {
    /// A machine on which nothing runs yet.
    pub fn new(site: Rc<Site<R>>, process: usize) -> Rc<Self> {
        Rc::new(Self {
            site,
            process,
            wall: Rc::default(),
            starts: Cell::new(0),
            is_up: Cell::new(false),
            gateway: RefCell::default(),
        })
    }

    /// The gateway, if it runs and has read the queue.
    pub fn gateway(&self) -> Option<Rc<SimulatedGateway<R>>> {
        self.gateway.borrow().clone()
    }

    /// The process is gone.
    pub fn stopped(&self) {
        self.is_up.set(false);
        self.gateway.borrow_mut().take();
    }

    /// Starts the gateway, unless it runs.
    pub fn start(self: &Rc<Self>) {
        if self.is_up.replace(true) {
            return;
        }
        let Site {
            stage,
            store,
            network,
            runtime,
            seed,
            app_key,
            oauth,
            setup,
        } = &*self.site;
        let process = self.process;
        let start = self.starts.get();
        self.starts.set(start + 1);
        stage.note(format_args!("gateway {process}: starts"));
        let dice = Chance::of(
            *seed,
            &[u64::from_be_bytes(*b"gateways"), process as u64, start],
        );
        let clock = Clock::new(Rc::clone(stage), Rc::clone(&self.wall), dice);
        let configuration = setup.configuration();
        let signer = clock.clone();
        let gateway = Rc::new(Gateway::new(
            policy(setup, &configuration, app_key, *oauth),
            configuration,
            Watched::new(runtime.clone(), Rc::clone(stage), process),
            store.connect(process),
            network.connect(process, move || signer.holder()),
            clock.clone(),
        ));
        let this = Rc::clone(self);
        stage.spawn(process, async move {
            let stage = &this.site.stage;
            while gateway.recover().await.is_err() {
                // The process ends, and is started again.
                stage.sleep(1000).await;
            }
            for _ in 0..WORKERS {
                stage.spawn(process, work(Rc::clone(&gateway), clock.clone()));
            }
            this.gateway.replace(Some(gateway));
        });
    }
}

async fn work<R: Runtime>(gateway: Rc<SimulatedGateway<R>>, clock: Clock) {
    loop {
        let alarms = clock.alarms();
        if let Next::Idle { until_ms } = gateway.run_next().await {
            clock.until(until_ms, alarms).await;
        }
        let _ = clock.now_ms();
    }
}

fn policy(setup: &Setup, configuration: &str, app_key: &str, oauth: bool) -> Policy {
    let secret = |name: &str| json!({ "env": name });
    let servicenow: Value = match oauth {
        true => json!({
            "kind": "oauth2-password",
            "origin": SERVICENOW_URL,
            "token-url": format!("{SERVICENOW_URL}/oauth_token.do"),
            "client-id": secret("flashduty-client"),
            "client-secret": secret("flashduty-client-secret"),
            "user": secret("flashduty"),
            "password": secret("flashduty-password"),
        }),
        false => json!({
            "kind": "basic",
            "origin": SERVICENOW_URL,
            "user": secret("flashduty"),
            "password": secret("flashduty-password"),
        }),
    };
    let webhook = |id: &str, side: &str, token: &str| {
        let path = format!("/{side}/{id}");
        json!({ "path": path, "bearer": [secret(token)] })
    };
    let mut webhooks = Vec::new();
    for id in setup.integrations() {
        webhooks.push(webhook(id, "flashduty", "flashduty-token"));
        webhooks.push(webhook(id, "servicenow", "servicenow-token"));
        if setup.manual {
            webhooks.push(webhook(id, "trigger", "flashduty-token"));
        }
    }
    let settings = json!({
        "webhook": webhooks,
        "admin": { "token": [secret(TOKEN)] },
        "credential": {
            "flashduty": {
                "kind": "query",
                "origin": FLASHDUTY_URL,
                "name": "app_key",
                "value": secret(app_key),
            },
            "servicenow": servicenow,
        },
    });
    let settings: Settings = serde_json::from_value(settings).unwrap_or_else(|e| panic!("{e}"));
    // Each secret is what it is called.
    let resolve = |reference: &SecretRef| match reference {
        SecretRef::Env(name) => Ok(Secret::new(name.as_str())),
        SecretRef::File(path) => Err(format!("there are no files: {path}")),
    };
    let configuration =
        Configuration::parse(configuration).unwrap_or_else(|problems| panic!("{problems:?}"));
    let requirements = requirements(&configuration);
    Policy::build(&settings, "servicenow-sync", &requirements, &resolve)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

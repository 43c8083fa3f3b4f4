//! A gateway with a clock that jumps, a store in memory, and far ends that
//! answer what they were told to.

use integration_gateway::Client;
use integration_gateway::Environment;
use integration_gateway::Gateway;
use integration_gateway::Incoming;
use integration_gateway::MemoryStore;
use integration_gateway::Next;
use integration_gateway::OutgoingRequest;
use integration_gateway::Policy;
use integration_gateway::Secret;
use integration_gateway::SendFailure;
use integration_gateway::Store as _;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Response;
use integration_gateway::contract::Write;
use integration_gateway::settings::SecretRef;
use integration_gateway::settings::Settings;
use servicenow_sync_native::Native;
use servicenow_sync_native::requirements;
use servicenow_sync_plugin::configuration::Configuration;
use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

/// What opens each webhook, and the operator's surface.
pub(crate) const TOKEN: &str = "correct-horse-battery-staple";

/// 2026-06-01T08:00:00Z.
const NOW_MS: u64 = 1_780_300_800_000;

/// A plain integration, to start with.
pub(crate) const CONFIGURATION: &str = r#"{"integration":[{
    "id":"prod","direction":"two-way","trigger":"manual",
    "flashduty":{"credential":"flashduty","channels":[1]},
    "servicenow":{"url":"https://example.service-now.com","credential":"servicenow"}
}]}"#;

const SETTINGS: &str = r#"
        [[webhook]]
        path = "/flashduty/prod"
        bearer = [{ env = "TOKEN" }]

        [[webhook]]
        path = "/servicenow/prod"
        url-token = [{ env = "TOKEN" }]
        signature = { secrets = [{ env = "TOKEN" }] }

        [[webhook]]
        path = "/trigger/prod"
        header = { name = "x-token", values = [{ env = "TOKEN" }] }

        [credential.flashduty]
        kind = "query"
        origin = "https://api.flashcat.cloud"
        name = "app_key"
        value = { env = "KEY" }

        [credential.servicenow]
        kind = "basic"
        origin = "https://example.service-now.com"
        user = { env = "USER" }
        password = { env = "PASSWORD" }

        [admin]
        token = [{ env = "TOKEN" }]
    "#;

static PLAIN: LazyLock<Settings> = LazyLock::new(|| settings(SETTINGS));

/// The same, but ServiceNow wants a token, which its token endpoint gives.
static WITH_TOKENS: LazyLock<Settings> = LazyLock::new(|| {
    let password = "kind = \"basic\"";
    let tokens = "kind = \"oauth2-password\"\n\
                  token-url = \"https://example.service-now.com/oauth_token.do\"\n\
                  client-id = { env = \"CLIENT\" }\nclient-secret = { env = \"SECRET\" }";
    settings(&SETTINGS.replace(password, tokens))
});

fn settings(text: &str) -> Settings {
    toml::from_str(text).unwrap_or_else(|error| panic!("the scene's settings: {error}"))
}

/// One answer of a far end.
pub(crate) type Answer = Result<Response, SendFailure>;

/// Answers with what is on the list, whatever was asked; then the line is dead.
#[derive(Clone, Default)]
struct FarEnd {
    answers: Rc<RefCell<VecDeque<Answer>>>,
    asked: Rc<Cell<usize>>,
}

impl Client for FarEnd {
    async fn send(&self, _: OutgoingRequest) -> Answer {
        self.asked.set(self.asked.get() + 1);
        let answer = self.answers.borrow_mut().pop_front();
        answer.unwrap_or_else(|| Err(SendFailure::Unknown("the line is dead".into())))
    }
}

#[derive(Clone)]
struct Clock(Rc<Cell<u64>>);

impl Environment for Clock {
    fn now_ms(&self) -> u64 {
        self.0.get()
    }

    fn steady_ms(&self) -> u64 {
        self.0.get()
    }

    fn random(&self) -> u64 {
        0x5eed
    }

    async fn sleep(&self, ms: u64) {
        self.0.set(self.0.get().saturating_add(ms));
    }

    fn work_due(&self, _: u64) {}
}

pub(crate) struct Scene {
    gateway: Gateway<Native, MemoryStore, FarEnd, Clock>,
    far_end: FarEnd,
    clock: Clock,
}

impl Scene {
    /// With this configuration, if it is one for which the settings do.
    pub(crate) fn new(configuration: &str, store: MemoryStore) -> Option<Self> {
        Self::set(&PLAIN, configuration, store)
    }

    fn set(settings: &Settings, configuration: &str, store: MemoryStore) -> Option<Self> {
        let parsed = Configuration::parse(configuration).ok()?;
        let requirements = requirements(&parsed);
        let policy = Policy::build(settings, "fuzz", &requirements, &resolve).ok()?;
        let far_end = FarEnd::default();
        let clock = Clock(Rc::new(Cell::new(NOW_MS)));
        let gateway = Gateway::new(
            policy,
            configuration.to_owned(),
            Native,
            store,
            far_end.clone(),
            clock.clone(),
        );
        now(gateway.recover()).ok()?;
        Some(Self {
            gateway,
            far_end,
            clock,
        })
    }

    /// With a token endpoint, and nothing that is asked for by itself.
    pub(crate) fn with_tokens() -> Self {
        let quiet = "\"direction\":\"two-way\",\
                     \"reconcile\":{\"flashduty\":false,\"servicenow\":false}";
        let configuration = CONFIGURATION.replace("\"direction\":\"two-way\"", quiet);
        let Some(scene) = Self::set(&WITH_TOKENS, &configuration, MemoryStore::new()) else {
            panic!("the scene's settings for tokens are refused");
        };
        scene
    }

    pub(crate) fn plain() -> Self {
        let Some(scene) = Self::new(CONFIGURATION, MemoryStore::new()) else {
            panic!("the scene's own configuration is refused");
        };
        scene
    }

    /// Receives a request, which is answered once.
    pub(crate) fn receive(&self, incoming: Incoming) -> Response {
        let answer = Cell::new(None);
        now(self.gateway.receive(incoming, |response| {
            assert!(answer.replace(Some(response)).is_none(), "answered twice");
        }));
        let Some(answer) = answer.take() else {
            panic!("no answer");
        };
        answer
    }

    /// Answers an operator.
    pub(crate) fn operate(&self, incoming: Incoming) -> Response {
        now(self.gateway.operate(incoming))
    }

    /// What the far ends answer from now on.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.far_end.answers.borrow_mut() = answers.into_iter().collect();
    }

    /// How many requests were sent.
    pub(crate) fn asked(&self) -> usize {
        self.far_end.asked.get()
    }

    pub(crate) fn wait(&self, ms: u64) {
        let now_ms = self.clock.0.get();
        self.clock.0.set(now_ms.saturating_add(ms));
    }

    /// Runs what is due and falls due, for so many sessions at most.
    pub(crate) fn work(&self, sessions: usize) {
        let mut ran = 0;
        // Each wait is followed by a session, or there is nothing to wait for.
        for _ in 0..2 * sessions {
            match now(self.gateway.run_next()) {
                Next::Ran => ran += 1,
                Next::Idle { until_ms: None } => break,
                Next::Idle {
                    until_ms: Some(until_ms),
                } => self.clock.0.set(until_ms.max(self.clock.0.get())),
            }
            if ran == sessions {
                break;
            }
        }
        let metrics = self.gateway.metrics().encode();
        for verdict in ["failed", "store_failed"] {
            let broken = format!("verdict=\"{verdict}\"");
            let told = metrics.lines().find(|line| line.contains(&broken));
            assert_eq!(told, None, "a session broke");
        }
    }
}

/// Every variable holds the token, and no file can be read.
pub(crate) fn resolve(reference: &SecretRef) -> Result<Secret, String> {
    match reference {
        SecretRef::Env(_) => Ok(Secret::new(TOKEN)),
        SecretRef::File(path) => Err(format!("cannot read {path}")),
    }
}

/// Puts a value into a store as it is.
pub(crate) fn put(store: &MemoryStore, key: &str, value: &[u8]) {
    let key = key.to_owned();
    let held = now(store.get(std::slice::from_ref(&key)));
    let revision = held.ok().and_then(|mut held| Some(held.pop()??.revision));
    let precondition = revision.map_or(Precondition::Absent, Precondition::Revision);
    let write = Write {
        key,
        precondition,
        value: Some(value.to_vec()),
    };
    assert!(matches!(now(store.write(write)), Ok(Ok(_))), "not written");
}

/// Runs what never waits for anything but itself.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("waits for something that never happens");
}

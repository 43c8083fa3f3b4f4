//! A gateway between the suite and its far ends.

use crate::OPERATOR_TOKEN;
use crate::OTHER_SECRET;
use crate::PROBE_SECRET;
use crate::WEBHOOK_TOKEN;
use crate::far_end::Asked;
use crate::far_end::FarEnd;
use crate::wire;
use crate::wire::Answer;
use anyhow::Context as _;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;
use tokio::task::JoinHandle;

/// Nothing that should happen takes as long.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Within this time what should not happen would have happened.
pub const A_WHILE: Duration = Duration::from_millis(400);
/// How often a gateway is told to look for work that is due, if it has to be.
const TICK: Duration = Duration::from_millis(200);

/// The secrets that a configuration names, by their names.
pub const SECRETS: [(&str, &str); 4] = [
    ("webhook", WEBHOOK_TOKEN),
    ("operator", OPERATOR_TOKEN),
    ("probe", PROBE_SECRET),
    ("other", OTHER_SECRET),
];

/// Where a gateway is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its origin, where it receives on `/probe`.
    pub url: String,
    /// Where it serves its operator: what is below `/plugin` there opens
    /// operator's sessions.
    pub operator: String,
    /// What makes it look for work that is due, if it does not do so by itself.
    pub tick: Option<String>,
}

/// Ends the gateways without a warning and starts them again on the same store;
/// tells where they are now.
pub type Restart =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<Vec<Place>>> + Send>> + Send + Sync>;

/// What to put to the test.
pub struct Options {
    /// One gateway, or several on one store.
    pub places: Vec<Place>,
    /// The operator's token.
    pub token: String,
    /// How to end and start them, if the suite may.
    pub restart: Option<Restart>,
}

/// The far ends that a gateway's configuration names.
pub struct FarEnds {
    /// The suite's keys begin with it.
    run: String,
    /// Of the credential `probe`.
    pub far_end: FarEnd,
    /// Of the credential `other`.
    pub other: FarEnd,
    /// Of no credential, and named nowhere.
    pub elsewhere: FarEnd,
}

impl FarEnds {
    /// Listens on the two addresses; port 0 takes a free one.
    pub async fn start(far_end: SocketAddr, other: SocketAddr) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let run = format!("conformance-{:x}.", now.as_millis());
        let somewhere = (Ipv4Addr::LOCALHOST, 0).into();
        Ok(Self {
            far_end: FarEnd::start(far_end, &run).await?,
            other: FarEnd::start(other, &run).await?,
            elsewhere: FarEnd::start(somewhere, &run).await?,
            run,
        })
    }

    /// The part of a gateway's configuration that is the same for every gateway,
    /// in the form that ours takes: to be put behind what is not. Secrets stand in
    /// files that [`SECRETS`] names.
    pub fn configuration(&self) -> String {
        let far_end = self.far_end.origin();
        let other = self.other.origin();
        format!(
            r#"
admin.token = [{{ file = "operator" }}]
egress.private = ["127.0.0.0/8"]

[[webhook]]
path = "/probe"
bearer = [{{ file = "webhook" }}]

[credential.probe]
kind = "bearer"
origin = "{far_end}"
token = {{ file = "probe" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}

[credential.other]
kind = "header"
origin = "{other}"
name = "x-key"
value = {{ file = "other" }}

[probe]
far-end = "{far_end}"
other = "{other}"
"#
        )
    }

    /// A key that no other run of the suite uses.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.run)
    }

    /// On loopback, wherever there is a free port.
    pub async fn somewhere() -> anyhow::Result<Self> {
        let somewhere = (Ipv4Addr::LOCALHOST, 0).into();
        Self::start(somewhere, somewhere).await
    }
}

/// Everything that a check needs.
pub struct Site {
    far_ends: FarEnds,
    places: Arc<Mutex<Vec<Place>>>,
    next: AtomicUsize,
    token: String,
    restart: Option<Restart>,
    ticking: JoinHandle<()>,
}

impl Site {
    /// Puts a gateway between the far ends.
    pub fn new(options: Options, far_ends: FarEnds) -> Self {
        let places = Arc::new(Mutex::new(options.places));
        let ticking = tokio::spawn(tick(Arc::clone(&places), options.token.clone()));
        Self {
            far_ends,
            places,
            next: AtomicUsize::new(0),
            token: options.token,
            restart: options.restart,
            ticking,
        }
    }

    /// The far end of the credential `probe`.
    pub fn far_end(&self) -> &FarEnd {
        &self.far_ends.far_end
    }

    /// The far end of the credential `other`.
    pub fn other(&self) -> &FarEnd {
        &self.far_ends.other
    }

    /// A server that no configuration names.
    pub fn elsewhere(&self) -> &FarEnd {
        &self.far_ends.elsewhere
    }

    /// What all keys of this run begin with.
    pub fn prefix(&self) -> &str {
        &self.far_ends.run
    }

    /// A key that no other run of the suite uses.
    pub fn key(&self, name: &str) -> String {
        self.far_ends.key(name)
    }

    /// The operator's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The gateways, one after the other.
    pub fn place(&self) -> Place {
        let places = lock(&self.places);
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        places[turn % places.len()].clone()
    }

    /// Runs a program in a request session.
    pub async fn post(&self, steps: &Value) -> anyhow::Result<Answer> {
        self.post_with(WEBHOOK_TOKEN, steps.to_string().into_bytes(), PATIENCE)
            .await
    }

    /// Sends any body with any proof.
    pub async fn post_with(
        &self,
        token: &str,
        body: Vec<u8>,
        patience: Duration,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}/probe", self.place().url);
        wire::send("POST", &url, token, body, patience).await
    }

    /// Runs a program that ends well, and returns its replies: a list for each
    /// step.
    pub async fn run(&self, steps: Value) -> anyhow::Result<Value> {
        Ok(self.findings(steps).await?["replies"].take())
    }

    /// As [`run`](Self::run), with all that the session was given.
    pub async fn findings(&self, steps: Value) -> anyhow::Result<Value> {
        let answer = self.post(&steps).await?;
        ensure!(
            answer.status == 200,
            "the program {} was answered {}: {}",
            short(&steps.to_string()),
            answer.status,
            short(&answer.text)
        );
        Ok(answer.json())
    }

    /// Runs a program of one action, and returns its reply.
    pub async fn ask(&self, action: Value) -> anyhow::Result<Value> {
        let mut replies = self.run(json!([[action]])).await?;
        Ok(replies[0][0].take())
    }

    /// Sends a request to the operator's surface.
    pub async fn operate(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.place().operator);
        wire::send(method, &url, token, body, PATIENCE).await
    }

    /// The value and revision of a key, or null.
    pub async fn read(&self, key: &str) -> anyhow::Result<Value> {
        let mut entries = self.ask(json!({ "get": [key] })).await?;
        Ok(entries[0].take())
    }

    /// Writes a key that is absent, or at a revision; the new revision, or none
    /// if that was refused.
    pub async fn write(
        &self,
        key: &str,
        revision: Option<u64>,
        value: Option<&str>,
    ) -> anyhow::Result<Option<u64>> {
        let value = value.map(|text| json!({ "text": text }));
        let write = json!({ "write": { "key": key, "revision": revision, "value": value } });
        let reply = self.ask(write).await?;
        if reply == "refused" {
            return Ok(None);
        }
        let written = reply["written"].as_u64();
        let written = written.with_context(|| format!("a write was answered {reply}"))?;
        Ok(Some(written))
    }

    /// Schedules work.
    pub async fn schedule(
        &self,
        key: &str,
        in_ms: Option<u64>,
        reason: &str,
    ) -> anyhow::Result<()> {
        let schedule = json!({ "schedule": { "key": key, "in-ms": in_ms, "reason": reason } });
        let reply = self.ask(schedule).await?;
        ensure!(reply == "done", "a schedule was answered {reply}");
        Ok(())
    }

    /// Waits until nothing of that key is due or running, and tells how it stands.
    pub async fn standing(&self, key: &str) -> anyhow::Result<Value> {
        self.ask(json!({ "await": { "key": key, "timeout-ms": 10_000 } }))
            .await
    }

    /// The next session of this work.
    pub async fn asked(&self, key: &str) -> anyhow::Result<Asked> {
        self.far_end().asked(key, PATIENCE).await
    }

    /// Fails if a session of this work begins within a while.
    pub async fn is_quiet(&self, key: &str, what: &str) -> anyhow::Result<()> {
        ensure!(self.far_end().is_quiet(key, A_WHILE).await, "{what}");
        Ok(())
    }

    /// Whether the gateways can be ended and started.
    pub fn can_restart(&self) -> bool {
        self.restart.is_some()
    }

    /// Ends the gateways without a warning, and starts them again.
    pub async fn restart(&self) -> anyhow::Result<()> {
        if let Some(restart) = &self.restart {
            let places = restart().await?;
            *lock(&self.places) = places;
        }
        Ok(())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

/// The beginning of a text.
pub fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the gateways to look, whether they are still busy with the last look or
/// not: a session that is held up must not hold up the others.
async fn tick(places: Arc<Mutex<Vec<Place>>>, token: String) {
    loop {
        let urls: Vec<String> = {
            let places = lock(&places);
            places.iter().filter_map(|p| p.tick.clone()).collect()
        };
        for url in urls {
            let token = token.clone();
            tokio::spawn(async move { wire::send("POST", &url, &token, vec![], PATIENCE).await });
        }
        tokio::time::sleep(TICK).await;
    }
}

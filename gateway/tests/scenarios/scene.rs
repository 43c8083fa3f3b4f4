//! A gateway with a scripted plugin, a store that can be made to fail, a far
//! end that answers as told and a clock that stands still.

use integration_gateway::Client;
use integration_gateway::Environment;
use integration_gateway::Gateway;
use integration_gateway::Incoming;
use integration_gateway::MemoryStore;
use integration_gateway::Next;
use integration_gateway::OutgoingRequest;
use integration_gateway::Policy;
use integration_gateway::Refused;
use integration_gateway::Runtime;
use integration_gateway::Secret;
use integration_gateway::SendFailure;
use integration_gateway::Session;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::Trap;
use integration_gateway::contract::*;
use integration_gateway::settings::SecretRef;
use integration_gateway::settings::Settings;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// 2023-11-14T22:13:20Z.
pub(crate) const NOW: u64 = 1_700_000_000_000;

pub(crate) type TestGateway = Gateway<Scripted, TestStore, FarEnd, Clock>;

/// The settings of most scenarios: one route, two credentials, one more
/// origin.
pub(crate) const SETTINGS: &str = r#"
    [[webhook]]
    path = "/hook"
    bearer = [{ env = "HOOK_OLD" }, { env = "HOOK_NEW" }]
    signature = { secrets = [{ env = "SIGN_OLD" }, { env = "SIGN_NEW" }] }

    [credential.key]
    kind = "query"
    origin = "https://api.example.com"
    name = "app_key"
    value = { env = "CANARY_KEY" }

    [credential.snow]
    kind = "oauth2-password"
    origin = "https://snow.example.com"
    token-url = "https://snow.example.com/oauth_token.do"
    client-id = { env = "CANARY_ID" }
    client-secret = { env = "CANARY_SECRET" }
    user = { env = "CANARY_USER" }
    password = { env = "CANARY_PASSWORD" }

    [egress]
    allow = ["https://other.example.com"]

    [admin]
    token = [{ env = "CANARY_ADMIN" }]
"#;

/// Each reference is its own secret.
pub(crate) fn resolve(reference: &SecretRef) -> Result<Secret, String> {
    match reference {
        SecretRef::Env(name) => Ok(Secret::new(name.as_str())),
        SecretRef::File(path) => Err(format!("cannot read {path}")),
    }
}

pub(crate) fn requirements() -> Requirements {
    Requirements {
        routes: vec![Route {
            path: "/hook".to_owned(),
            summary: "events".to_owned(),
        }],
        destinations: vec![Destination {
            origin: "https://api.example.com".to_owned(),
            credential: Some("key".to_owned()),
            purpose: "reads".to_owned(),
        }],
        standing: vec![],
    }
}

pub(crate) fn policy(settings: &str) -> Policy {
    let settings: Settings = toml::from_str(settings).unwrap();
    Policy::build(&settings, "test", &requirements(), &resolve)
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// All parts of a gateway, by their handles.
pub(crate) struct Scene {
    pub(crate) gateway: Arc<TestGateway>,
    pub(crate) store: TestStore,
    pub(crate) far: FarEnd,
    pub(crate) clock: Clock,
    pub(crate) plugin: Scripted,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with_settings(SETTINGS)
    }

    pub(crate) fn with_settings(settings: &str) -> Self {
        let parts = (TestStore::default(), FarEnd::default(), Clock::default());
        Self::on(settings, parts.0, parts.1, parts.2)
    }

    /// One more gateway on the same store, with a far end, a clock and a
    /// plugin of its own.
    pub(crate) async fn neighbour(&self) -> Self {
        let clock = Clock::default();
        clock.stands.store(true, Ordering::SeqCst);
        let dice = self.clock.dice.fetch_sub(1 << 32, Ordering::SeqCst);
        clock.dice.store(dice - (1 << 31), Ordering::SeqCst);
        let next = Self::on(SETTINGS, self.store.clone(), FarEnd::default(), clock);
        next.gateway.recover().await.unwrap();
        next
    }

    /// Two gateways on one store.
    pub(crate) async fn pair() -> (Self, Self) {
        let first = Self::on(
            SETTINGS,
            TestStore::shared(),
            FarEnd::default(),
            Clock::default(),
        );
        first.clock.stands.store(true, Ordering::SeqCst);
        first.gateway.recover().await.unwrap();
        let second = first.neighbour().await;
        (first, second)
    }

    pub(crate) fn on(settings: &str, store: TestStore, far: FarEnd, clock: Clock) -> Self {
        Self::under(policy(settings), store, far, clock)
    }

    /// The same parts under another policy, from a new start.
    pub(crate) async fn with_policy(self, policy: Policy) -> Self {
        let next = Self::under(policy, self.store, self.far, self.clock);
        next.gateway.recover().await.unwrap();
        next
    }

    pub(crate) fn under(policy: Policy, store: TestStore, far: FarEnd, clock: Clock) -> Self {
        let plugin = Scripted::default();
        let gateway = Arc::new(Gateway::new(
            policy,
            "{}".to_owned(),
            plugin.clone(),
            store.clone(),
            far.clone(),
            clock.clone(),
        ));
        Self {
            gateway,
            store,
            far,
            clock,
            plugin,
        }
    }

    /// What a process finds that starts after this one was killed.
    pub(crate) async fn restarted(&self) -> Self {
        let next = Self::on(
            SETTINGS,
            self.store.clone(),
            self.far.clone(),
            self.clock.clone(),
        );
        next.gateway.recover().await.unwrap();
        next
    }

    /// Exchanges the settings of the running gateway.
    pub(crate) async fn reconfigure(&self, settings: &str) {
        let (plugin, far) = (self.plugin.clone(), self.far.clone());
        self.gateway
            .reconfigure(policy(settings), "{}".to_owned(), plugin, far)
            .await
            .unwrap();
    }

    /// Sends an authentic webhook, and takes the answer.
    pub(crate) async fn post(&self) -> Response {
        self.receive(webhook(&[("authorization", "Bearer HOOK_NEW")]))
            .await
    }

    pub(crate) async fn receive(&self, incoming: Incoming) -> Response {
        let answer = Mutex::new(Vec::new());
        self.gateway
            .receive(incoming, |response| answer.lock().unwrap().push(response))
            .await;
        let mut answers = answer.into_inner().unwrap();
        assert_eq!(answers.len(), 1, "a request is answered once");
        answers.remove(0)
    }

    /// Puts work into the queue as a plugin does: in a request session.
    pub(crate) async fn schedule(&self, key: &str, due_ms: u64, reason: &str) {
        self.plugin
            .next_request(vec![vec![schedule(key, due_ms, reason), respond(200)]]);
        assert_eq!(self.post().await.status, 200);
    }

    /// Runs all that is due, and counts it.
    pub(crate) async fn run_all(&self) -> usize {
        let mut ran = 0;
        while self.gateway.run_next().await == Next::Ran {
            ran += 1;
            assert!(ran < 1000, "the queue never comes to rest");
        }
        ran
    }

    /// When the next work falls due, if nothing is due now.
    pub(crate) async fn idle_until(&self) -> Option<u64> {
        match self.gateway.run_next().await {
            Next::Idle { until_ms } => until_ms,
            Next::Ran => panic!("something was due"),
        }
    }

    /// Runs a session of work that asks for the same request so many times at
    /// once.
    pub(crate) async fn ask_together(&self, request: &HttpRequest, times: usize) {
        let together = vec![Effect::Http(request.clone()); times];
        self.schedule("pair", 0, "event").await;
        self.plugin
            .next(vec![together, vec![finish(Verdict::Done)]]);
        self.run_all().await;
    }

    /// Runs one session of work that asks for the given requests, one a step,
    /// and returns what came of each.
    pub(crate) async fn exchange(
        &self,
        requests: Vec<HttpRequest>,
    ) -> Vec<Result<Response, HttpFailure>> {
        let mut steps: Vec<Vec<Effect>> = requests
            .into_iter()
            .map(|r| vec![Effect::Http(r)])
            .collect();
        steps.push(vec![finish(Verdict::Done)]);
        self.schedule("exchange", 0, "test").await;
        self.plugin.seen.lock().unwrap().clear();
        self.plugin.next(steps);
        assert_eq!(self.gateway.run_next().await, Next::Ran);
        let seen = self.plugin.seen.lock().unwrap();
        seen.iter()
            .flatten()
            .map(|reply| match reply {
                Reply::Http(result) => result.clone(),
                other => panic!("expected an answer to a request, found {other:?}"),
            })
            .collect()
    }
}

pub(crate) fn webhook(headers: &[(&str, &str)]) -> Incoming {
    Incoming {
        method: "POST".to_owned(),
        path: "/hook".to_owned(),
        query: String::new(),
        headers: headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        body: b"{}".to_vec(),
    }
}

pub(crate) fn respond(status: u16) -> Effect {
    Effect::Respond(response(status))
}

pub(crate) fn response(status: u16) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

pub(crate) fn schedule(key: &str, due_ms: u64, reason: &str) -> Effect {
    Effect::Schedule(Schedule {
        key: key.to_owned(),
        due_ms,
        reason: reason.to_owned(),
    })
}

pub(crate) fn write(key: &str, value: &str) -> Effect {
    Effect::Write(Write {
        key: key.to_owned(),
        precondition: Precondition::Absent,
        value: Some(value.as_bytes().to_vec()),
    })
}

pub(crate) fn finish(verdict: Verdict) -> Effect {
    Effect::Finish(verdict)
}

pub(crate) fn retry(counts: bool) -> Effect {
    finish(Verdict::Retry(Retry {
        not_before_ms: None,
        counts,
        reason: "not yet".to_owned(),
    }))
}

pub(crate) fn get(url: &str, credential: Option<&str>) -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        credential: credential.map(str::to_owned),
        timeout_ms: 5000,
    }
}

// ------------------------------------------------------------------ the plugin

type Steps = Vec<Result<Vec<Effect>, Trap>>;

/// A plugin whose sessions are written down beforehand. A session for which
/// nothing is written down is done at once.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    sessions: Arc<Mutex<VecDeque<Steps>>>,
    requests: Arc<Mutex<VecDeque<Steps>>>,
    running: Arc<Mutex<Arc<Mutex<BTreeSet<String>>>>>,
    /// What each session of work asks for that is not written down, one after
    /// the other. What goes wrong puts it off as the gateway says, and does not
    /// count.
    pub(crate) asks: Arc<Mutex<Vec<HttpRequest>>>,
    /// What opened each session.
    pub(crate) inputs: Arc<Mutex<Vec<Input>>>,
    /// The replies that each resume got, without the empty first ones.
    pub(crate) seen: Arc<Mutex<Vec<Vec<Reply>>>>,
    /// While set, the first resume of a work session waits for a permit.
    pub(crate) hold: Arc<Mutex<Option<Arc<tokio::sync::Semaphore>>>>,
}

impl Scripted {
    /// Writes down the steps of the next session.
    pub(crate) fn next(&self, steps: Vec<Vec<Effect>>) {
        self.next_steps(steps.into_iter().map(Ok).collect());
    }

    /// As `next`, for sessions that trap.
    pub(crate) fn next_steps(&self, steps: Steps) {
        self.sessions.lock().unwrap().push_back(steps);
    }

    /// Writes down the steps of the next session that a request opens.
    pub(crate) fn next_request(&self, steps: Vec<Vec<Effect>>) {
        let steps = steps.into_iter().map(Ok).collect();
        self.requests.lock().unwrap().push_back(steps);
    }

    /// From now on, no key may run here and there at the same time.
    pub(crate) fn watch_together(&self, other: &Self) {
        let running = other.running.lock().unwrap().clone();
        *self.running.lock().unwrap() = running;
    }

    /// The work items that opened sessions so far.
    pub(crate) fn works(&self) -> Vec<Work> {
        let inputs = self.inputs.lock().unwrap();
        inputs
            .iter()
            .filter_map(|input| match input {
                Input::Work(work) => Some(work.clone()),
                Input::Request(_) | Input::Operator(_) => None,
            })
            .collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.works().into_iter().map(|work| work.key).collect()
    }
}

impl Runtime for Scripted {
    type Session = ScriptedSession;

    async fn open(&self, input: Input, _: Context) -> Result<ScriptedSession, Trap> {
        let hold = match &input {
            Input::Work(_) => self.hold.lock().unwrap().clone(),
            Input::Request(_) | Input::Operator(_) => None,
        };
        self.inputs.lock().unwrap().push(input.clone());
        let mut written = None;
        if let Input::Request(_) | Input::Operator(_) = input {
            written = self.requests.lock().unwrap().pop_front();
        }
        let written = written.or_else(|| self.sessions.lock().unwrap().pop_front());
        let running = match &input {
            Input::Work(work) => Some(Running::of(&self.running.lock().unwrap(), &work.key)),
            Input::Request(_) | Input::Operator(_) => None,
        };
        let unwritten = written.is_none();
        let asks = match &input {
            Input::Work(_) if unwritten => self.asks.lock().unwrap().clone(),
            _ => Vec::new(),
        };
        let steps = written.unwrap_or_else(|| match input {
            Input::Request(_) | Input::Operator(_) => vec![Ok(vec![respond(200)])],
            Input::Work(_) => vec![Ok(vec![finish(Verdict::Done)])],
        });
        Ok(ScriptedSession {
            puts_off: unwritten,
            asks: asks.into(),
            steps: steps.into(),
            seen: self.seen.clone(),
            hold,
            _running: running,
        })
    }
}

/// Panics if two sessions of one key run at the same time.
struct Running(Arc<Mutex<BTreeSet<String>>>, String);

impl Running {
    fn of(all: &Arc<Mutex<BTreeSet<String>>>, key: &str) -> Self {
        assert!(
            all.lock().unwrap().insert(key.to_owned()),
            "{key} runs twice"
        );
        Self(all.clone(), key.to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().remove(&self.1);
    }
}

pub(crate) struct ScriptedSession {
    steps: VecDeque<Result<Vec<Effect>, Trap>>,
    asks: VecDeque<HttpRequest>,
    puts_off: bool,
    seen: Arc<Mutex<Vec<Vec<Reply>>>>,
    hold: Option<Arc<tokio::sync::Semaphore>>,
    _running: Option<Running>,
}

impl Session for ScriptedSession {
    async fn resume(&mut self, _: u64, replies: Vec<Reply>) -> Result<Vec<Effect>, Trap> {
        if let Some(hold) = self.hold.take() {
            hold.acquire().await.unwrap().forget();
        }
        tokio::task::yield_now().await;
        let wrong = match replies.first() {
            Some(Reply::Http(Err(HttpFailure::Held(hold)))) => Some(Some(hold.until_ms)),
            Some(Reply::Http(Ok(answer))) if answer.status < 300 => None,
            Some(Reply::Http(_)) => Some(None),
            _ => None,
        };
        if let (Some(not_before_ms), true) = (wrong, self.puts_off) {
            return Ok(vec![finish(Verdict::Retry(Retry {
                not_before_ms,
                counts: false,
                reason: "not now".to_owned(),
            }))]);
        }
        if let Some(request) = self.asks.pop_front() {
            return Ok(vec![Effect::Http(request)]);
        }
        if !replies.is_empty() {
            self.seen.lock().unwrap().push(replies);
        }
        self.steps.pop_front().unwrap_or(Ok(Vec::new()))
    }
}

// ------------------------------------------------------------------- the store

/// A store in memory that can be made to wait and to fail.
#[derive(Clone, Default)]
pub(crate) struct TestStore(Arc<StoreState>);

#[derive(Default)]
pub(crate) struct StoreState {
    memory: MemoryStore,
    broken: AtomicBool,
    full: AtomicBool,
    silent: AtomicBool,
    writes: AtomicU64,
    keys_read: AtomicU64,
    blocked: Mutex<Option<Arc<tokio::sync::Semaphore>>>,
    shared: AtomicBool,
}

impl TestStore {
    /// A store that gateways share.
    pub(crate) fn shared() -> Self {
        let store = Self::default();
        store.0.shared.store(true, Ordering::SeqCst);
        store
    }

    /// From now on, every call fails.
    pub(crate) fn breaks(&self) {
        self.0.broken.store(true, Ordering::SeqCst);
    }

    /// From now on, every write fails, and what is there can be read.
    pub(crate) fn fills_up(&self) {
        self.0.full.store(true, Ordering::SeqCst);
    }

    /// From now on, every write happens, and is reported as a failure.
    pub(crate) fn falls_silent(&self) {
        self.0.silent.store(true, Ordering::SeqCst);
    }

    pub(crate) fn recovers(&self) {
        self.0.broken.store(false, Ordering::SeqCst);
        self.0.full.store(false, Ordering::SeqCst);
        self.0.silent.store(false, Ordering::SeqCst);
    }

    /// From now on, each write waits for a permit.
    pub(crate) fn blocks(&self) -> Arc<tokio::sync::Semaphore> {
        let permits = Arc::new(tokio::sync::Semaphore::new(0));
        *self.0.blocked.lock().unwrap() = Some(permits.clone());
        permits
    }

    /// Keys whose values were asked for so far.
    pub(crate) fn keys_read(&self) -> u64 {
        self.0.keys_read.load(Ordering::SeqCst)
    }

    /// Writes so far.
    pub(crate) fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::SeqCst)
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let scan = Scan {
            prefix: String::new(),
            after: None,
            limit: 1000,
        };
        let page = self.0.memory.scan(&scan).await.unwrap();
        page.entries.into_iter().map(|e| e.key).collect()
    }

    fn check(&self) -> Result<(), StoreError> {
        fails_if(&self.0.broken)
    }
}

fn fails_if(trouble: &AtomicBool) -> Result<(), StoreError> {
    match trouble.load(Ordering::SeqCst) {
        true => Err(StoreError("the disk is full".to_owned())),
        false => Ok(()),
    }
}

impl Store for TestStore {
    fn is_shared(&self) -> bool {
        self.0.shared.load(Ordering::SeqCst)
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.check()?;
        let count = u64::try_from(keys.len()).unwrap();
        self.0.keys_read.fetch_add(count, Ordering::SeqCst);
        self.0.memory.get(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        self.check()?;
        self.0.memory.scan(scan).await
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        self.check()?;
        fails_if(&self.0.full)?;
        let blocked = self.0.blocked.lock().unwrap().clone();
        if let Some(permits) = blocked {
            permits.acquire().await.unwrap().forget();
        }
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        let written = self.0.memory.write(write).await;
        if self.0.silent.load(Ordering::SeqCst) {
            return Err(StoreError("the connection was lost".to_owned()));
        }
        written
    }
}

// ----------------------------------------------------------------- the far end

/// A request as the far end saw it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Headers,
    pub(crate) body: String,
    pub(crate) timeout_ms: u32,
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name)?;
        Some(&found.1)
    }
}

type Act = Box<dyn FnOnce() + Send>;
type Answered = Result<Response, SendFailure>;

/// Far ends that give the answers written down, in order, and else 200.
#[derive(Clone, Default)]
pub(crate) struct FarEnd {
    answers: Arc<Mutex<VecDeque<Result<Response, SendFailure>>>>,
    /// What it answers when nothing is written down.
    pub(crate) always: Arc<Mutex<Option<Result<Response, SendFailure>>>>,
    then: Arc<Mutex<Option<Act>>>,
    /// What one origin answers, whatever else is said.
    only: Arc<Mutex<Option<(String, Answered)>>>,
    at_once: Arc<AtomicU64>,
    /// The most requests that were under way at a time.
    pub(crate) most_at_once: Arc<AtomicU64>,
    pub(crate) sent: Arc<Mutex<Vec<Sent>>>,
}

impl FarEnd {
    pub(crate) fn next(&self, answer: Result<Response, SendFailure>) {
        self.answers.lock().unwrap().push_back(answer);
    }

    /// Does something while the next answer is on its way.
    pub(crate) fn then(&self, act: impl FnOnce() + Send + 'static) {
        *self.then.lock().unwrap() = Some(Box::new(act));
    }

    /// From now on, one origin answers only this.
    pub(crate) fn only(&self, origin: &str, answer: Result<Response, SendFailure>) {
        *self.only.lock().unwrap() = Some((origin.to_owned(), answer));
    }

    pub(crate) fn recovers(&self) {
        *self.only.lock().unwrap() = None;
    }

    pub(crate) fn always(&self, answer: Response) {
        *self.always.lock().unwrap() = Some(Ok(answer));
    }

    pub(crate) fn next_status(&self, status: u16) {
        self.next(Ok(response(status)));
    }

    pub(crate) fn next_json(&self, json: &str) {
        self.next(Ok(Response {
            body: json.as_bytes().to_vec(),
            ..response(200)
        }));
    }

    /// What was sent since this was last asked.
    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl Client for FarEnd {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        let url = request.url.to_string();
        self.sent.lock().unwrap().push(Sent {
            method: request.method,
            url: url.clone(),
            headers: request.headers,
            body: String::from_utf8(request.body).unwrap(),
            timeout_ms: request.timeout_ms,
        });
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        // Others get a turn while the answer is on its way.
        tokio::task::yield_now().await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if let Some((origin, answer)) = &*self.only.lock().unwrap()
            && url.starts_with(origin)
        {
            return answer.clone();
        }
        if let Some(act) = self.then.lock().unwrap().take() {
            act();
        }
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.or_else(|| self.always.lock().unwrap().clone());
        answer.unwrap_or(Ok(response(200)))
    }
}

// ------------------------------------------------------------------- the clock

/// A clock that moves when it is told to, and dice that always fall the same.
#[derive(Clone)]
pub(crate) struct Clock {
    now: Arc<AtomicU64>,
    steady: Arc<AtomicU64>,
    /// Whether whoever sleeps waits until the clock is moved.
    pub(crate) stands: Arc<AtomicBool>,
    /// When somebody wants to be woken, on the steady clock.
    wakes: Arc<Mutex<BTreeMap<u64, u64>>>,
    dice: Arc<AtomicU64>,
    /// What the gateway announced.
    pub(crate) due: Arc<Mutex<Vec<u64>>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            now: Arc::new(AtomicU64::new(NOW)),
            steady: Arc::default(),
            stands: Arc::default(),
            wakes: Arc::default(),
            dice: Arc::new(AtomicU64::new(u64::MAX)),
            due: Arc::default(),
        }
    }
}

impl Clock {
    /// Only what it shows; nobody's waiting gets shorter.
    pub(crate) fn set(&self, now_ms: u64) {
        self.now.store(now_ms, Ordering::SeqCst);
    }

    /// In how many milliseconds the first wants to be woken.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        let wakes = self.wakes.lock().unwrap();
        let next = wakes.values().min()?;
        Some(next.saturating_sub(self.steady_ms()))
    }

    /// Waits for so long, or until `enough`.
    pub(crate) async fn wait(&self, ms: u64, enough: impl Fn() -> bool) {
        struct Wake<'a>(&'a Clock, u64);
        impl Drop for Wake<'_> {
            fn drop(&mut self) {
                self.0.wakes.lock().unwrap().remove(&self.1);
            }
        }
        let wake = Wake(self, self.random());
        let until = self.steady_ms().saturating_add(ms);
        self.wakes.lock().unwrap().insert(wake.1, until);
        while self.steady_ms() < until && !enough() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
        self.steady.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Environment for Clock {
    fn now_ms(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    fn steady_ms(&self) -> u64 {
        self.steady.load(Ordering::SeqCst)
    }

    /// Close to the highest, so that delays are the longest possible; and
    /// never the same twice.
    fn random(&self) -> u64 {
        self.dice.fetch_sub(1, Ordering::SeqCst)
    }

    /// Lets others run, and moves the clock unless somebody else does.
    async fn sleep(&self, ms: u64) {
        if self.stands.load(Ordering::SeqCst) {
            self.wait(ms, || false).await;
        } else {
            self.advance(ms);
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
    }

    fn work_due(&self, due_ms: u64) {
        self.due.lock().unwrap().push(due_ms);
    }
}

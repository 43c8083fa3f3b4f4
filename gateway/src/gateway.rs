use crate::Client;
use crate::Environment;
use crate::Metrics;
use crate::Policy;
use crate::Runtime;
use crate::Store;
use crate::StoreError;
use crate::authentication::Authentic;
use crate::authentication::Refusal;
use crate::authentication::Sender;
use crate::authentication::authenticate;
use crate::authentication::error_response;
use crate::authentication::route;
use crate::authentication::sender;
use crate::contract::Input;
use crate::contract::Request;
use crate::contract::Response;
use crate::contract::Schedule;
use crate::contract::Verdict;
use crate::contract::Work;
use crate::gate::Why;
use crate::gates::ClosedGate;
use crate::gates::Gates;
use crate::gates::Place;
use crate::line::one_line;
use crate::queue;
use crate::queue::Finished;
use crate::queue::Now;
use crate::queue::Outcome;
use crate::queue::Queue;
use crate::queue::WorkCounts;
use crate::queue::WorkPage;
use crate::replay::Replays;
use crate::session::End;
use crate::session::Run;
use crate::setup::Setup;
use futures_util::future::Either;
use futures_util::future::select;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use tracing::Instrument as _;

/// What an embedder reads of a body on a path that nobody serves.
const UNKNOWN_BODY_BYTES: usize = 64 << 10;
/// How long to leave a store alone that failed.
const STORE_PAUSE_MS: u64 = 1000;
/// How often to see whether the plugin's standing work is still there. A plugin
/// whose work looks back a few minutes misses nothing if it was gone.
const STANDING_LOOK_MS: u64 = 60_000;

/// A gateway for one configured plugin. Share it behind an `Arc`.
///
/// It spawns nothing. Whoever embeds it calls [`recover`](Self::recover) once,
/// keeps one or more workers calling [`run_next`](Self::run_next), and calls
/// [`receive`](Self::receive) for each request.
pub struct Gateway<R, S, C, E> {
    setup: RwLock<Arc<Setup<R, C>>>,
    pub(crate) store: S,
    pub(crate) environment: E,
    pub(crate) metrics: Metrics,
    pub(crate) queue: Queue,
    pub(crate) gates: Gates,
    replays: Replays,
    recovered: AtomicBool,
    /// When to look for standing work, on the steady clock; never before the
    /// queue was loaded.
    standing_look_ms: AtomicU64,
    /// The standing work that was there at the last look. Some may be over as
    /// soon as it is begun, which is nothing to warn of.
    standing_seen: Mutex<Vec<String>>,
}

/// A request as it reached the gateway, before anything is known of it.
#[derive(Clone)]
pub struct Incoming {
    /// As sent.
    pub method: String,
    /// The path as sent, still percent-encoded, without the query.
    pub path: String,
    /// Without the question mark; empty if there is none.
    pub query: String,
    /// Names in any case.
    pub headers: Vec<(String, String)>,
    /// What was read of the body. An embedder stops reading behind
    /// [`Gateway::body_limit`] bytes: one byte more is enough to be refused.
    pub body: Vec<u8>,
}

/// What [`Gateway::run_next`] found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A session was run; there may be more to do at once.
    Ran,
    /// Nothing is due. Look again at the given Unix time in milliseconds, or
    /// when [`Environment::work_due`] is called.
    Idle {
        /// When the next item falls due, if there is one; or, in a store that
        /// other gateways use too, when to see what they put there.
        until_ms: Option<u64>,
    },
}

/// How a gateway stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// Whether the work queue was loaded.
    pub recovered: bool,
    /// Numbers of work items.
    pub work: WorkCounts,
    /// Places that nothing is sent to for now.
    pub closed_gates: Vec<ClosedGate>,
}

/// Why the work queue could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is not one that this version can read. Nothing was changed.
    #[error("work {key:?}: {problem}")]
    Record {
        /// Key of the work.
        key: String,
        /// What was expected and found.
        problem: String,
    },
}

/// Why nothing became of an order about parked work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParkedError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No parked work has this key.
    #[error("no parked work has the key {0:?}; GET /work lists what is there")]
    NotParked(String),
}

impl<R: Runtime, S: Store, C: Client, E: Environment> Gateway<R, S, C, E> {
    /// Puts a gateway together. `configuration` is the plugin's document, as
    /// JSON text that its `configure` accepted.
    pub fn new(
        policy: Policy,
        configuration: String,
        runtime: R,
        store: S,
        client: C,
        environment: E,
    ) -> Self {
        let metrics = Metrics::new();
        metrics.set_configured(environment.now_ms());
        let setup = Setup {
            policy,
            configuration,
            runtime,
            client,
        };
        let holder = environment.random();
        Self {
            queue: Queue::new(holder),
            setup: RwLock::new(Arc::new(setup)),
            store,
            environment,
            metrics,
            gates: Gates::new(holder),
            replays: Replays::default(),
            recovered: AtomicBool::new(false),
            standing_look_ms: AtomicU64::new(u64::MAX),
            standing_seen: Mutex::default(),
        }
    }

    /// Exchanges everything that a configuration decides, at once. What has
    /// begun ends on the configuration that it began with; queue, gates,
    /// accepted messages and metrics stay.
    ///
    /// A gate that was closed because of a credential opens if that credential
    /// is another one now, and the work that waits for it is due at once. The
    /// plugin's standing work is made due, as at the start; an error means that
    /// this could not be recorded, and that the new configuration is in force
    /// all the same.
    pub async fn reconfigure(
        &self,
        policy: Policy,
        configuration: String,
        runtime: R,
        client: C,
    ) -> Result<(), StoreError> {
        let before = self.setup();
        let replaced = |name: &str| match (before.policy.credential(name), policy.credential(name))
        {
            (Some(before), Some(now)) => !before.proves_the_same_as(now),
            _ => true,
        };
        let names = policy.credentials.iter().map(|c| c.name.clone());
        let replaced: Vec<String> = names.filter(|name| replaced(name)).collect();
        let setup = Arc::new(Setup {
            policy,
            configuration,
            runtime,
            client,
        });
        *self.setup.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&setup);
        self.metrics.count_reload("applied");
        self.metrics.set_configured(self.environment.now_ms());
        // Another gateway may have closed one that this one has not heard of.
        if let Err(error) = self.gates.look(&self.store, &self.environment, false).await {
            tracing::warn!(%error, "cannot look which gates are closed");
        }
        let used = |place: &Place| setup.policy.leads_to(place);
        let replaced = |name: &str| replaced.iter().any(|replaced| replaced == name);
        let now_ms = self.environment.now_ms();
        self.gates.forget(used, replaced, &self.store, now_ms).await;
        self.begin_standing_work("the configuration changed")
            .await?;
        self.environment.work_due(self.environment.now_ms());
        Ok(())
    }

    /// Counts a configuration that was meant for [`reconfigure`] and did not
    /// pass the checks before it.
    ///
    /// [`reconfigure`]: Self::reconfigure
    pub fn count_refused_configuration(&self) {
        self.metrics.count_reload("refused");
    }

    /// What is in force now. Whoever takes it keeps it to the end.
    pub(crate) fn setup(&self) -> Arc<Setup<R, C>> {
        let setup = self.setup.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&setup)
    }

    /// How many bytes of a body on this path are worth reading.
    pub fn body_limit(&self, path: &str) -> usize {
        route(&self.setup().policy.webhooks, path)
            .map_or(UNKNOWN_BODY_BYTES, |(webhook, _)| webhook.max_body_bytes)
    }

    /// What the head of a request tells of its sender: of strangers an embedder
    /// keeps little. The body need not be there, and one that is refused is
    /// received without it, to be answered.
    pub fn sender(&self, head: &Incoming) -> Sender {
        sender(&self.setup().policy.webhooks, head)
    }

    /// Takes down that a caller's body was longer than [`body_limit`](Self::body_limit)
    /// and was not read: for whoever answers that before the gateway sees it.
    pub fn refused_a_long_body(&self, path: &str) {
        let setup = self.setup();
        self.refused(label(&setup.policy, path), "too_large");
    }

    /// Takes down that a caller's body did not arrive in time, which an embedder
    /// answers too.
    pub fn refused_a_slow_body(&self, path: &str) {
        let setup = self.setup();
        self.refused(label(&setup.policy, path), "timeout");
    }

    fn refused(&self, path: &str, outcome: &str) {
        tracing::info!(path, outcome, "refused a request");
        self.metrics.count_webhook(path, outcome);
    }

    /// Receives a request: authenticates it, runs the plugin's session, and
    /// calls `answer` exactly once.
    ///
    /// `answer` is called as soon as the session responds, when everything
    /// that it wrote and scheduled before is durable; or with the gateway's
    /// own refusal. The session then goes on to its end, so the future must be
    /// run to completion even if the caller went away.
    pub async fn receive(&self, request: Incoming, answer: impl FnOnce(Response)) {
        let started = Now::of(&self.environment);
        let setup = self.setup();
        let policy = &setup.policy;
        let path = label(policy, &request.path);
        let answer = |response: Response| {
            let now_ms = self.environment.steady_ms();
            let waited_ms = now_ms.saturating_sub(started.steady_ms);
            self.metrics.observe_answer(waited_ms);
            answer(response);
        };
        match self.admit(policy, path, request, started.ms) {
            Err(refusal) => {
                self.refused(path, refusal.outcome());
                answer(refusal.response());
            }
            Ok(Authentic { request, once }) => {
                let (mut answer, mut status) = (Some(answer), None);
                let mut give = |response: Response| {
                    status = Some(response.status);
                    if let (Some(once), 200..300) = (&once, response.status) {
                        self.replays.remember(path, once, self.environment.now_ms());
                    }
                    if let Some(answer) = answer.take() {
                        answer(response);
                    }
                };
                let span = tracing::info_span!("request", plugin = policy.plugin, path);
                let end = Run::new(self, &setup)
                    .finish(Input::Request(request), &mut give)
                    .instrument(span.clone())
                    .await;
                span.in_scope(|| self.note(&end));
                self.count_session("request", &end, started.steady_ms);
                let outcome = match (status, &end) {
                    (Some(200..300), _) => "accepted",
                    (Some(_), _) => "rejected_by_plugin",
                    (None, End::Store(_)) => "store_failed",
                    (None, _) => "plugin_failed",
                };
                self.metrics.count_webhook(path, outcome);
                if let Some(answer) = answer {
                    answer(unanswered(&end));
                }
            }
        }
    }

    fn admit(
        &self,
        policy: &Policy,
        path: &str,
        request: Incoming,
        now_ms: u64,
    ) -> Result<Authentic, Refusal> {
        let authentic = authenticate(&policy.webhooks, request, now_ms)?;
        match &authentic.once {
            Some(once) if self.replays.contains(path, once, now_ms) => Err(Refusal::Replayed),
            _ => Ok(authentic),
        }
    }

    /// Runs a session for a request of an operator, who has been authenticated.
    pub(crate) async fn receive_operator(&self, request: Request) -> Response {
        let started_ms = self.environment.steady_ms();
        let mut given = None;
        let setup = self.setup();
        let span = tracing::info_span!(
            "operator",
            plugin = setup.policy.plugin,
            path = request.path
        );
        let end = Run::new(self, &setup)
            .finish(Input::Operator(request), |response| given = Some(response))
            .instrument(span.clone())
            .await;
        span.in_scope(|| self.note(&end));
        self.count_session("operator", &end, started_ms);
        given.unwrap_or_else(|| unanswered(&end))
    }

    /// Loads the work queue from the store, and makes the plugin's standing
    /// work due. Call it once, before the workers.
    pub async fn recover(&self) -> Result<(), RecoverError> {
        self.load(true).await?;
        // The configuration may be another one than when gates were closed.
        let setup = self.setup();
        let used = |place: &Place| setup.policy.leads_to(place);
        let now_ms = self.environment.now_ms();
        let replaced = |_: &str| false;
        self.gates.forget(used, replaced, &self.store, now_ms).await;
        self.begin_standing_work("the gateway started").await?;
        self.recovered.store(true, Ordering::Release);
        Ok(())
    }

    /// As [`recover`](Self::recover), for a gateway that is started anew for
    /// every request: standing work is begun only if there is none, and a start
    /// is no reason to try a rejected secret sooner.
    pub async fn resume(&self) -> Result<(), RecoverError> {
        self.load(false).await?;
        self.standing_look_ms.store(0, Ordering::Relaxed);
        self.recovered.store(true, Ordering::Release);
        Ok(())
    }

    /// Looks which gates are closed, for a gateway that lives as long as one
    /// request. [`run_next`](Self::run_next) then does what was scheduled here,
    /// and all else only after [`resume`](Self::resume): where each of many
    /// requests did the work of all, they would be in each other's way.
    pub async fn attend(&self) -> Result<(), StoreError> {
        self.gates.look(&self.store, &self.environment, false).await
    }

    async fn load(&self, starting: bool) -> Result<(), RecoverError> {
        self.gates
            .look(&self.store, &self.environment, starting)
            .await?;
        self.queue.recover(&self.store, &self.environment).await
    }

    async fn begin_standing_work(&self, reason: &str) -> Result<(), StoreError> {
        for key in &self.setup().policy.standing {
            self.begin_work(key, reason).await?;
        }
        let now_ms = self.environment.steady_ms();
        let look_ms = now_ms + STANDING_LOOK_MS;
        self.standing_look_ms.store(look_ms, Ordering::Relaxed);
        Ok(())
    }

    async fn begin_work(&self, key: &str, reason: &str) -> Result<(), StoreError> {
        let schedule = Schedule {
            key: key.to_owned(),
            due_ms: 0,
            reason: reason.to_owned(),
        };
        self.queue
            .schedule(&self.store, &self.environment, &schedule)
            .await
    }

    /// Now and then begins standing work anew that is gone: the store was
    /// exchanged below running gateways, or a session finished it. Returns the
    /// time in Unix milliseconds at which to do it again, if there is any.
    async fn keep_standing_work(&self) -> Option<u64> {
        let setup = self.setup();
        let standing = &setup.policy.standing;
        let look_ms = self.standing_look_ms.load(Ordering::Relaxed);
        if standing.is_empty() || look_ms == u64::MAX {
            return None;
        }
        let steady_ms = self.environment.steady_ms();
        if steady_ms < look_ms {
            return Some(self.environment.now_ms() + (look_ms - steady_ms));
        }
        let next_ms = steady_ms + STANDING_LOOK_MS;
        self.standing_look_ms.store(next_ms, Ordering::Relaxed);
        let (there, gone): (Vec<_>, Vec<_>) = standing
            .iter()
            .cloned()
            .partition(|key| self.queue.knows(key));
        let before = {
            let mut seen = self
                .standing_seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, there)
        };
        for key in &gone {
            match self.begin_work(key, "there was none").await {
                Ok(()) if before.contains(key) => {
                    tracing::warn!(key, "the standing work is gone; it begins anew");
                }
                Ok(()) => tracing::debug!(key, "standing work begins anew"),
                Err(error) => tracing::error!(key, %error, "cannot begin standing work"),
            }
        }
        Some(self.environment.now_ms() + STANDING_LOOK_MS)
    }

    /// Runs the session of the work that has been due for longest, if any is
    /// due, and records what came of it. Several workers may call it at once.
    ///
    /// A future that is dropped before its end leaves the work due again.
    pub async fn run_next(&self) -> Next {
        let started = Now::of(&self.environment);
        let look_ms = self.keep_standing_work().await;
        let limits = self.setup().policy.limits.clone();
        let term_ms = u64::from(limits.lease_seconds) * 1000;
        let most_failures = (!R::OUTLIVES_TRAPS).then_some(limits.failures);
        let Self {
            store,
            environment,
            gates,
            ..
        } = self;
        let claim = self
            .queue
            .claim(store, environment, gates, term_ms, most_failures)
            .await;
        let claim = match claim {
            Ok(queue::Next::Work(claim)) => claim,
            Ok(queue::Next::Idle { until_ms }) => {
                let until_ms = [until_ms, look_ms].into_iter().flatten().min();
                return Next::Idle { until_ms };
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the next work");
                return Next::Idle {
                    until_ms: Some(started.ms + STORE_PAUSE_MS),
                };
            }
        };
        let setup = self.setup();
        let span = tracing::info_span!("work", plugin = setup.policy.plugin, key = claim.key);
        let input = Input::Work(Work {
            key: claim.key.clone(),
            reasons: claim.record.reasons.clone(),
            attempt: claim.record.attempt,
        });
        let mut run = Run::new(self, &setup);
        let end = {
            let session = pin!(run.finish(input, drop).instrument(span.clone()));
            if self.store.is_shared() {
                let keep = pin!(claim.keep_lease(&self.store, &self.environment, term_ms));
                match select(session, keep).await {
                    Either::Left((end, _)) => end,
                    // It notices by itself, after what it has sent was heard out.
                    Either::Right(((), session)) => session.await,
                }
            } else {
                session.await
            }
        };
        span.in_scope(|| self.note(&end));
        self.count_session("work", &end, started.steady_ms);
        let outcome = match end {
            End::Verdict(Verdict::Retry(retry)) => match run.waits_for(&retry) {
                Some(held) => Outcome::Held(held, retry.reason),
                None => Outcome::Verdict(Verdict::Retry(retry)),
            },
            End::Verdict(verdict) => Outcome::Verdict(verdict),
            End::Quiet => Outcome::Failed("the session ended without a verdict".to_owned()),
            End::Failed(why) => Outcome::Failed(why),
            End::Store(error) => Outcome::Interrupted(error.to_string()),
        };
        let most_failures = setup.policy.limits.failures;
        let finished = claim
            .finish(&self.store, &self.environment, &outcome, most_failures)
            .await;
        match finished {
            Ok(Finished::Recorded { due_ms: None }) => {}
            Ok(Finished::Recorded {
                due_ms: Some(due_ms),
            }) => self.environment.work_due(due_ms),
            Ok(Finished::Lost) => span.in_scope(|| {
                tracing::warn!("another gateway took over the work; what it does is what counts");
            }),
            Err(error) => span.in_scope(|| {
                tracing::error!(%error, "cannot record how a session ended; it will run again");
            }),
        }
        Next::Ran
    }

    /// Brings the gauges up to date, and returns all metrics.
    pub fn metrics(&self) -> &Metrics {
        let counts = self.queue.counts(self.environment.now_ms());
        self.metrics.set_work("due", counts.due);
        self.metrics.set_work("waiting", counts.waiting);
        self.metrics.set_work("running", counts.running);
        self.metrics.set_work("parked", counts.parked);
        let setup = self.setup();
        let closed = self.gates.closed();
        let mut gauges = Vec::new();
        for origin in setup.policy.egress.origins() {
            gauges.extend(Why::ALL.map(|why| (origin, why.word(), 0)));
        }
        for gate in &closed {
            gauges.push((gate.origin.as_str(), gate.why, 1));
        }
        self.metrics.set_gates(&gauges);
        &self.metrics
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        Status {
            recovered: self.recovered.load(Ordering::Acquire),
            work: self.queue.counts(self.environment.now_ms()),
            closed_gates: self.gates.closed(),
        }
    }

    /// Whether work falls due in this time, both ends included, in Unix
    /// milliseconds; as far as this gateway has heard.
    pub fn falls_due(&self, from_ms: u64, to_ms: u64) -> bool {
        self.queue.falls_due(from_ms, to_ms)
    }

    /// Lists work in the order of keys, behind the key `after`.
    pub async fn work(&self, after: Option<&str>) -> Result<WorkPage, StoreError> {
        let now_ms = self.environment.now_ms();
        self.queue.list(&self.store, after, now_ms).await
    }

    /// Makes parked work due at once, with a clean slate of attempts.
    pub async fn release(&self, key: &str) -> Result<(), ParkedError> {
        let now_ms = self.environment.now_ms();
        self.unpark(key, true).await?;
        tracing::info!(key, "released parked work");
        self.environment.work_due(now_ms);
        Ok(())
    }

    /// Drops parked work, which is then as if it had never been scheduled. The
    /// plugin's standing work is begun anew within minutes.
    pub async fn drop_work(&self, key: &str) -> Result<(), ParkedError> {
        self.unpark(key, false).await?;
        tracing::info!(key, "dropped parked work");
        Ok(())
    }

    async fn unpark(&self, key: &str, is_kept: bool) -> Result<(), ParkedError> {
        let (store, environment) = (&self.store, &self.environment);
        match self.queue.unpark(store, environment, key, is_kept).await? {
            true => Ok(()),
            false => Err(ParkedError::NotParked(key.to_owned())),
        }
    }

    fn note(&self, end: &End) {
        match end {
            End::Quiet | End::Verdict(Verdict::Done) => {}
            End::Verdict(Verdict::Retry(retry)) => {
                tracing::info!(
                    counts = retry.counts,
                    reason = one_line(&retry.reason),
                    "will try again"
                );
            }
            End::Verdict(Verdict::Park(reason)) => {
                tracing::warn!(reason = one_line(reason), "parked");
            }
            End::Failed(reason) => {
                tracing::error!(reason = one_line(reason), "the session failed");
            }
            End::Store(error) => tracing::error!(%error, "the session was interrupted"),
        }
    }

    /// `started_ms` is on the steady clock.
    fn count_session(&self, kind: &str, end: &End, started_ms: u64) {
        let verdict = match end {
            End::Quiet => "none",
            End::Verdict(Verdict::Done) => "done",
            End::Verdict(Verdict::Retry(retry)) if retry.counts => "retry",
            End::Verdict(Verdict::Retry(_)) => "wait",
            End::Verdict(Verdict::Park(_)) => "park",
            End::Failed(_) => "failed",
            End::Store(_) => "store_failed",
        };
        let took_ms = self.environment.steady_ms().saturating_sub(started_ms);
        self.metrics.observe_session(kind, verdict, took_ms);
    }
}

/// What metrics and logs call a path: never what a stranger made up.
fn label<'p>(policy: &'p Policy, path: &str) -> &'p str {
    route(&policy.webhooks, path).map_or("unknown", |(webhook, _)| webhook.path.as_str())
}

/// The answer to a caller whose session ended without one.
fn unanswered(end: &End) -> Response {
    match end {
        End::Store(_) => {
            let error = "the store failed and nothing was acknowledged; send it again";
            let mut response = error_response(503, error);
            let retry_after = ("retry-after".to_owned(), "1".to_owned());
            response.headers.push(retry_after);
            response
        }
        End::Failed(_) => error_response(500, "the plugin failed; the gateway's log says why"),
        End::Quiet | End::Verdict(_) => error_response(500, "the plugin gave no answer"),
    }
}

use crate::Client;
use crate::Environment;
use crate::Metrics;
use crate::Policy;
use crate::Runtime;
use crate::Store;
use crate::StoreError;
use crate::contract::Response;

/// A gateway for one configured plugin. Share it behind an `Arc`.
///
/// It spawns nothing. Whoever embeds it calls [`recover`](Self::recover) once,
/// keeps one or more workers calling [`run_next`](Self::run_next), and calls
/// [`receive`](Self::receive) for each request.
pub struct Gateway<R, S, C, E> {
    policy: Policy,
    configuration: String,
    runtime: R,
    store: S,
    client: C,
    environment: E,
    metrics: Metrics,
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
        /// When the next item falls due, if there is one.
        until_ms: Option<u64>,
    },
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

/// Why a release did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
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
        Self {
            policy,
            configuration,
            runtime,
            store,
            client,
            environment,
            metrics: Metrics::new(),
        }
    }

    /// How many bytes of a body on this path are worth reading.
    pub fn body_limit(&self, path: &str) -> usize {
        todo!("{path}")
    }

    /// Receives a request: authenticates it, runs the plugin's session, and
    /// calls `answer` exactly once.
    ///
    /// `answer` is called as soon as the session responds, when everything
    /// that it wrote and scheduled before is durable; or with the gateway's
    /// own refusal. The session then goes on to its end, so the future must be
    /// run to completion even if the caller went away.
    pub async fn receive(&self, request: Incoming, answer: impl FnOnce(Response)) {
        let _ = request;
        answer(todo!())
    }

    /// Loads the work queue from the store. Call it once, before the workers.
    pub async fn recover(&self) -> Result<(), RecoverError> {
        todo!()
    }

    /// Runs the session of the work that has been due for longest, if any is
    /// due, and records what came of it. Several workers may call it at once.
    pub async fn run_next(&self) -> Next {
        todo!()
    }

    /// Brings the gauges up to date, and returns all metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Makes parked work due at once, with a clean slate of attempts.
    pub async fn release(&self, key: &str) -> Result<(), ReleaseError> {
        todo!("{key}")
    }

    /// Answers a request on the operator's surface; see the module `admin`.
    pub async fn operate(&self, request: Incoming) -> Response {
        todo!("{}", request.path)
    }
}

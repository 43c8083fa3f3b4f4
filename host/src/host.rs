//! A running gateway: listeners, workers, store and plugin put together.

use crate::client::HttpClient;
use crate::config::Config;
use crate::environment::SystemEnvironment;
use crate::runtime::WasmRuntime;
use crate::server::Handler;
use crate::server::Server;
use crate::server::ServerLimits;
use crate::store::HostStore;
use crate::store::OpenError;
use crate::worker::work;
use bytes::Bytes;
use http::HeaderName;
use http::HeaderValue;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header::CONNECTION;
use http::request::Parts;
use integration_gateway::Gateway;
use integration_gateway::Incoming;
use integration_gateway::RecoverError;
use integration_gateway::Sender;
use integration_gateway::contract;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The gateway as this host puts it together.
pub type HostGateway = Gateway<WasmRuntime, HostStore, HttpClient, SystemEnvironment>;

/// A body on the admin listener carries next to nothing.
const ADMIN_BODY_BYTES: usize = 64 << 10;

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The work queue in the store.
    #[error("the work queue cannot be loaded: {0}")]
    Recover(#[from] RecoverError),
    /// The HTTP client.
    #[error(
        "no HTTPS: {0}; install the system's CA certificates, or name a file of them in \
         SSL_CERT_FILE"
    )]
    Client(io::Error),
    /// A port.
    #[error("cannot listen on {address}: {error}; set `listen` in `[{section}]` to a free port")]
    Listen {
        /// `server` or `admin`.
        section: &'static str,
        /// As configured.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
}

/// A running gateway. Dropping it is like a crash: nothing that was answered is
/// lost, and what was going on is done again. Better [`shutdown`](Self::shutdown).
pub struct Host {
    gateway: Arc<HostGateway>,
    webhooks: Server,
    admin: Server,
    stop: watch::Sender<bool>,
    workers: JoinSet<()>,
    sessions: Sessions,
}

impl Host {
    /// Opens the store, listens, and starts to work.
    pub async fn start(config: Config, runtime: WasmRuntime) -> Result<Self, StartError> {
        let store = config.store.open().await?;
        let client =
            HttpClient::new(config.policy.addresses().clone()).map_err(StartError::Client)?;
        let environment = SystemEnvironment::default();
        let gateway = Arc::new(Gateway::new(
            config.policy,
            config.configuration,
            runtime,
            store,
            client,
            environment.clone(),
        ));
        gateway.recover().await?;

        let limits = ServerLimits {
            header_timeout: Duration::from_secs(config.server.header_timeout_seconds.into()),
            body_timeout: Duration::from_secs(config.server.body_timeout_seconds.into()),
            connections: config.server.max_connections as usize,
        };
        let sessions = Sessions::default();
        let webhooks = Webhooks {
            gateway: Arc::clone(&gateway),
            sessions: Arc::clone(&sessions),
        };
        let address = config.server.listen;
        let webhooks = Server::start(address, limits.clone(), webhooks)
            .await
            .map_err(|error| StartError::Listen {
                section: "server",
                address,
                error,
            })?;
        let address = config.admin;
        let admin = Admin {
            gateway: Arc::clone(&gateway),
            sessions: Arc::clone(&sessions),
        };
        let admin = Server::start(address, limits, admin)
            .await
            .map_err(|error| StartError::Listen {
                section: "admin",
                address,
                error,
            })?;

        let (stop, stopped) = watch::channel(false);
        let mut workers = JoinSet::new();
        for _ in 0..config.server.workers {
            workers.spawn(work(
                Arc::clone(&gateway),
                environment.clone(),
                stopped.clone(),
            ));
        }
        Ok(Self {
            gateway,
            webhooks,
            admin,
            stop,
            workers,
            sessions,
        })
    }

    /// Where webhooks are received.
    pub fn webhook_addr(&self) -> SocketAddr {
        self.webhooks.address()
    }

    /// Where health, metrics and work are served to the operator.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The gateway itself, for embedders.
    pub fn gateway(&self) -> &Arc<HostGateway> {
        &self.gateway
    }

    /// Receives no more, finishes the sessions that are running, and closes the
    /// store. What is not finished after `patience` is left in the store, and
    /// goes on at the next start.
    pub async fn shutdown(mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        let _ = self.stop.send(true);
        self.webhooks.shutdown(left()).await;
        let mut sessions = std::mem::take(&mut *lock(&self.sessions));
        let finish = async {
            while sessions.join_next().await.is_some() {}
            while self.workers.join_next().await.is_some() {}
        };
        if tokio::time::timeout(left(), finish).await.is_err() {
            tracing::warn!("stopped before all sessions had ended; they will be run again");
        }
        sessions.shutdown().await;
        self.workers.shutdown().await;
        // At the end, so that an operator can watch until then.
        self.admin.shutdown(LAST_ORDERS).await;
        // What an operator has begun since, and may not have waited for.
        let mut orders = std::mem::take(&mut *lock(&self.sessions));
        let finish = async { while orders.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_ORDERS, finish).await;
        orders.shutdown().await;
    }
}

/// How long an operator's last requests have while everything stops.
const LAST_ORDERS: Duration = Duration::from_millis(500);

/// Request sessions, which go on after their callers have been answered, or have
/// gone.
type Sessions = Arc<Mutex<JoinSet<()>>>;

fn lock(sessions: &Sessions) -> MutexGuard<'_, JoinSet<()>> {
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

fn begin(sessions: &Sessions, session: impl Future<Output = ()> + Send + 'static) {
    let mut sessions = lock(sessions);
    while sessions.try_join_next().is_some() {}
    sessions.spawn(session);
}

struct Webhooks {
    gateway: Arc<HostGateway>,
    sessions: Sessions,
}

impl Handler for Webhooks {
    fn body_limit(&self, path: &str) -> usize {
        self.gateway.body_limit(path)
    }

    fn refused_a_long_body(&self, path: &str) {
        self.gateway.refused_a_long_body(path);
    }

    fn refused_a_slow_body(&self, path: &str) {
        self.gateway.refused_a_slow_body(path);
    }

    fn sender(&self, head: &Parts) -> Sender {
        self.gateway.sender(&incoming(head, Bytes::new()))
    }

    async fn handle(&self, request: Request<Bytes>, _peer: SocketAddr) -> Option<Response<Bytes>> {
        let (answer, answered) = oneshot::channel();
        let gateway = Arc::clone(&self.gateway);
        let (head, body) = request.into_parts();
        begin(&self.sessions, async move {
            let respond = |response| {
                let _ = answer.send(response);
            };
            gateway.receive(incoming(&head, body), respond).await;
        });
        // Without an answer the session came to a bad end.
        answered.await.ok().map(outgoing)
    }
}

struct Admin {
    gateway: Arc<HostGateway>,
    sessions: Sessions,
}

impl Handler for Admin {
    fn body_limit(&self, _path: &str) -> usize {
        ADMIN_BODY_BYTES
    }

    async fn handle(&self, request: Request<Bytes>, _peer: SocketAddr) -> Option<Response<Bytes>> {
        let (answer, answered) = oneshot::channel();
        let gateway = Arc::clone(&self.gateway);
        let (head, body) = request.into_parts();
        let request = incoming(&head, body);
        // A stranger's takes no more than its connection.
        let route = gateway.operator_route(&request);
        if !route.is_ok_and(|route| !route.is_open) {
            return Some(outgoing(gateway.operate(request).await));
        }
        // As a webhook's: an order is stored and then scheduled, also for an operator
        // who does not wait for the answer.
        begin(&self.sessions, async move {
            let _ = answer.send(gateway.operate(request).await);
        });
        answered.await.ok().map(outgoing)
    }
}

fn incoming(head: &Parts, body: Bytes) -> Incoming {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Incoming {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|(n, v)| (n.to_string(), text(v)))
            .collect(),
        body: body.into(),
    }
}

fn outgoing(response: contract::Response) -> Response<Bytes> {
    let mut outgoing = Response::new(Bytes::from(response.body));
    // A plugin may have made them up.
    *outgoing.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        let header = HeaderName::try_from(name)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        if let Some((name, value)) = header {
            outgoing.headers_mut().append(name, value);
        }
    }
    // Who has proved nothing gets one answer a connection, and cannot keep one
    // busy by asking on.
    if matches!(outgoing.status().as_u16(), 401 | 404 | 405) {
        let close = HeaderValue::from_static("close");
        outgoing.headers_mut().insert(CONNECTION, close);
    }
    outgoing
}

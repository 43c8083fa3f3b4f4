//! Instances, and which of them takes a request: the machinery that Spin uses
//! for WASI 0.3 and `wasmtime serve` for both.

use crate::manifest::Application;
use crate::postgres::Pools;
use crate::state::State;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::watch;
use tokio::time::Sleep;
use tokio::time::sleep;
use wasmtime::Engine;
use wasmtime::Store;
use wasmtime::StoreContextMut;
use wasmtime::component::GuestTaskId;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::handler::HandlerState;
use wasmtime_wasi_http::handler::Instance;
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::handler::ShouldAccept;
use wasmtime_wasi_http::handler::WorkerExpiration;
use wasmtime_wasi_http::handler::WorkerState;
use wasmtime_wasi_http::handler::WorkerStatus;

/// Requests that an instance of a WASI 0.3 component takes, in its life and at
/// the same time.
const REQUESTS: usize = 128;
const AT_ONCE: usize = 16;
/// How long an instance is kept that has nothing to do.
const IDLE: Duration = Duration::from_secs(1);

/// Makes instances.
pub(crate) struct Workers {
    pub(crate) application: Arc<Application>,
    pub(crate) engine: Engine,
    pub(crate) component: Arc<ProxyPre<State>>,
    /// Where databases are.
    pub(crate) folder: PathBuf,
    pub(crate) memory_bytes: usize,
    pub(crate) pools: Arc<Pools>,
    /// Closed when the process that this stands for is killed.
    pub(crate) killed: watch::Receiver<()>,
}

impl HandlerState for Workers {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Reuse;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Reuse>> {
        let state = State::new(
            &self.application,
            self.folder.clone(),
            Arc::clone(&self.pools),
            self.memory_bytes,
        );
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let proxy = self.component.instantiate_async(&mut store).await?;
        let mut killed = self.killed.clone();
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Expiration {
                killed: Box::pin(async move { drop(killed.changed().await) }),
                idle: Box::pin(sleep(IDLE)),
            },
            state: match *self.component {
                ProxyPre::P2(_) => Reuse(1, 1),
                ProxyPre::P3(_) => Reuse(REQUESTS, AT_ONCE),
            },
        })
    }
}

/// How many requests an instance takes, in its life and at the same time.
pub(crate) struct Reuse(usize, usize);

impl WorkerState for Reuse {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, at_once: usize, before: usize) -> ShouldAccept {
        match self {
            Self(in_its_life, _) if before >= *in_its_life => ShouldAccept::Never,
            Self(_, most) if at_once >= *most => ShouldAccept::No,
            Self(..) => ShouldAccept::Yes,
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, State>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    /// Tells what Spin would write to its log.
    #[allow(clippy::print_stderr, reason = "tests show it where they fail")]
    fn drop(&self, _: Store<State>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            eprintln!("an instance ended: {error:?}");
        }
    }
}

/// When an instance ends that did not trap.
pub(crate) struct Expiration {
    killed: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    idle: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        if self.killed.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        match status {
            WorkerStatus::Idle => {
                self.idle.as_mut().reset((start + IDLE).into());
                self.idle.as_mut().poll(context)
            }
            WorkerStatus::Requests | WorkerStatus::PostReturn => Poll::Pending,
        }
    }
}

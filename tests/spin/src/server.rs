//! The HTTP trigger.

use crate::manifest::Application;
use crate::postgres::Pools;
use crate::state::State;
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::Full;
use hyper::Request;
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use wasmtime::Cache;
use wasmtime::CacheConfig;
use wasmtime::Config;
use wasmtime::Engine;
use wasmtime::Store;
use wasmtime::component::Component;
use wasmtime::component::Linker;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// How often an instance that calculates lets others go on.
const TICK: Duration = Duration::from_millis(10);

/// A component that is compiled and linked.
#[derive(Clone)]
pub struct Loaded {
    application: Arc<Application>,
    component: ProxyPre<State>,
}

impl Loaded {
    /// Compiles the component and links it; what Spin does not offer is an error.
    /// Compiled code is kept in the folder.
    pub fn new(application: Application, cache: &Path) -> anyhow::Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let mut kept = CacheConfig::new();
        kept.with_directory(std::path::absolute(cache)?);
        config.cache(Some(Cache::new(kept).map_err(anyhow_of)?));
        let engine = Engine::new(&config).map_err(anyhow_of)?;
        let source = &application.source;
        let component = Component::from_file(&engine, source).map_err(anyhow_of);
        let component = component
            .with_context(|| format!("{}; `cargo xtask dist` makes it", source.display()))?;
        let mut linker = Linker::new(&engine);
        State::link(&mut linker).map_err(anyhow_of)?;
        let component = linker
            .instantiate_pre(&component)
            .and_then(ProxyPre::new)
            .map_err(anyhow_of)?;
        let weak = engine.weak();
        thread::spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        });
        Ok(Self {
            application: Arc::new(application),
            component,
        })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed over")]
fn anyhow_of(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

/// A server that runs one component. Dropped, it ends as a killed process does:
/// in the middle of whatever its instances do.
pub struct Server {
    address: SocketAddr,
    // Before the tasks that it stands for.
    tasks: Arc<Mutex<JoinSet<()>>>,
}

struct Shared {
    loaded: Loaded,
    /// Where databases are.
    folder: PathBuf,
    memory_bytes: usize,
    pools: Arc<Pools>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Server {
    /// Listens on a free port of this machine. Databases are in the folder;
    /// an instance gets so much memory.
    pub async fn start(
        loaded: &Loaded,
        folder: &Path,
        memory_bytes: usize,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let tasks = Arc::<Mutex<JoinSet<()>>>::default();
        let shared = Arc::new(Shared {
            loaded: loaded.clone(),
            folder: folder.to_owned(),
            memory_bytes,
            pools: Arc::default(),
            tasks: Arc::clone(&tasks),
        });
        spawn(&tasks, async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let served = Arc::clone(&shared);
                let service = service_fn(move |request| handle(Arc::clone(&served), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // Whoever hangs up is gone.
                spawn(&shared.tasks, async { drop(connection.await) });
            }
        });
        Ok(Self { address, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its origin.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        lock(&self.tasks).abort_all();
    }
}

fn lock(tasks: &Mutex<JoinSet<()>>) -> std::sync::MutexGuard<'_, JoinSet<()>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(tasks: &Mutex<JoinSet<()>>, task: impl Future<Output = ()> + Send + 'static) {
    let mut tasks = lock(tasks);
    while tasks.try_join_next().is_some() {}
    tasks.spawn(task);
}

/// Runs an instance. It goes on to its end after the answer.
async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<HyperOutgoingBody>, Infallible> {
    let (answer, answered) = oneshot::channel();
    let instance = Arc::clone(&shared);
    spawn(&shared.tasks, async move {
        if let Err(error) = run(&instance, request, answer).await {
            tell(&error);
        }
    });
    Ok(match answered.await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) | Err(_) => {
            let nothing = Full::new(Bytes::new()).map_err(|never: Infallible| match never {});
            let mut response = Response::new(nothing.boxed_unsync());
            *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    })
}

/// What Spin would write to its log.
#[allow(clippy::print_stderr, reason = "tests show it where they fail")]
fn tell(error: &wasmtime::Error) {
    eprintln!("an instance ended: {error:?}");
}

type Answer = oneshot::Sender<
    Result<Response<HyperOutgoingBody>, wasmtime_wasi_http::p2::bindings::http::types::ErrorCode>,
>;

async fn run(shared: &Shared, request: Request<Incoming>, answer: Answer) -> wasmtime::Result<()> {
    let Loaded {
        application,
        component,
    } = &shared.loaded;
    let folder = shared.folder.clone();
    let pools = Arc::clone(&shared.pools);
    let state = State::new(application, folder, pools, shared.memory_bytes);
    let mut store = Store::new(component.engine(), state);
    store.limiter(|state| &mut state.limits);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let request = store
        .data_mut()
        .http()
        .new_incoming_request(Scheme::Http, request)?;
    let answer = store.data_mut().http().new_response_outparam(answer)?;
    let instance = component.instantiate_async(&mut store).await?;
    instance
        .wasi_http_incoming_handler()
        .call_handle(&mut store, request, answer)
        .await
}

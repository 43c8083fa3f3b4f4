//! The HTTP trigger.

use crate::engine::anyhow_of;
use crate::engine::compile;
use crate::manifest::Application;
use crate::p3;
use crate::postgres::Pools;
use crate::state::State;
use crate::worker::Workers;
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
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::Linker;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::handler::ProxyHandler;
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::p2::bindings as p2;
use wasmtime_wasi_http::p3::bindings::ServicePre;

/// Who has the pools when there is no instance: a server, and what makes instances.
const POOLS_AT_REST: usize = 2;
const A_MOMENT: Duration = Duration::from_millis(5);

/// A component that is compiled and linked.
#[derive(Clone)]
pub struct Loaded {
    application: Arc<Application>,
    engine: Engine,
    component: Arc<ProxyPre<State>>,
}

impl Loaded {
    /// Compiles the component and links it; what Spin does not offer is an error.
    /// Compiled code is kept in the folder.
    pub fn new(application: Application, cache: &Path) -> anyhow::Result<Self> {
        Self::linked(application, cache, link)
    }

    /// The same in a runtime that has WASI 0.2 with HTTP and environment
    /// variables, and nothing else.
    pub fn on_wasi_alone(application: Application, cache: &Path) -> anyhow::Result<Self> {
        Self::linked(application, cache, link_wasi_alone)
    }

    fn linked(application: Application, cache: &Path, link: Link) -> anyhow::Result<Self> {
        let component = compile(&application.source, cache)?;
        let engine = component.engine().clone();
        let component = link(&engine, &component).map_err(anyhow_of)?;
        Ok(Self {
            application: Arc::new(application),
            engine,
            component: Arc::new(component),
        })
    }
}

type Link = fn(&Engine, &Component) -> wasmtime::Result<ProxyPre<State>>;

fn link_wasi_alone(engine: &Engine, component: &Component) -> wasmtime::Result<ProxyPre<State>> {
    let mut linker = Linker::new(engine);
    State::link_wasi_alone(&mut linker)?;
    Ok(ProxyPre::P2(p2::ProxyPre::new(
        linker.instantiate_pre(component)?,
    )?))
}

/// Links a component with what Spin has for the WASI of its handler.
fn link(engine: &Engine, component: &Component) -> wasmtime::Result<ProxyPre<State>> {
    let mut linker = Linker::new(engine);
    let is_p3 = component
        .get_export(None, "wasi:http/handler@0.3.0")
        .is_some();
    Ok(if is_p3 {
        p3::link(&mut linker)?;
        ProxyPre::P3(ServicePre::new(linker.instantiate_pre(component)?)?)
    } else {
        State::link(&mut linker)?;
        ProxyPre::P2(p2::ProxyPre::new(linker.instantiate_pre(component)?)?)
    })
}

/// A server that runs one component. Dropped, it ends as a killed process does:
/// in the middle of whatever its instances do.
pub struct Server {
    address: SocketAddr,
    tasks: Arc<Mutex<JoinSet<()>>>,
    pools: Arc<Pools>,
    /// Closed with the server, which ends its instances.
    _alive: watch::Sender<()>,
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
        let pools = Arc::<Pools>::default();
        let (alive, killed) = watch::channel(());
        let handler = ProxyHandler::new(Workers {
            application: Arc::clone(&loaded.application),
            engine: loaded.engine.clone(),
            component: Arc::clone(&loaded.component),
            folder: folder.to_owned(),
            memory_bytes,
            pools: Arc::clone(&pools),
            killed,
        });
        let connections = Arc::clone(&tasks);
        spawn(&tasks, async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let handler = handler.clone();
                let service = service_fn(move |request| handle(handler.clone(), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // Whoever hangs up is gone.
                spawn(&connections, async { drop(connection.await) });
            }
        });
        Ok(Self {
            address,
            tasks,
            pools,
            _alive: alive,
        })
    }

    /// How many connections to PostgreSQL its instances hold at this moment.
    pub fn held_connections(&self) -> usize {
        self.pools.held()
    }

    /// Waits until all its instances have come to their end.
    pub async fn at_rest(&self) {
        while Arc::strong_count(&self.pools) > POOLS_AT_REST {
            sleep(A_MOMENT).await;
        }
    }

    /// How many statements its instances have sent to PostgreSQL.
    pub fn statements(&self) -> usize {
        self.pools.statements()
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

/// Has an instance answer a request. It goes on afterwards.
async fn handle(
    handler: ProxyHandler<Workers>,
    request: Request<Incoming>,
) -> Result<Response<WasiBody>, Infallible> {
    let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
    Ok(match handler.handle((), request).await {
        Ok(response) => response,
        Err(_) => {
            let nothing = Full::new(Bytes::new()).map_err(|never: Infallible| match never {});
            let mut response = Response::new(nothing.boxed_unsync());
            *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    })
}

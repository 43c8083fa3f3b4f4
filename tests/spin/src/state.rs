//! What belongs to one instance.

use crate::manifest::Application;
use crate::outbound::Outbound;
use crate::postgres::Pools;
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime::StoreLimits;
use wasmtime::StoreLimitsBuilder;
use wasmtime::component::HasSelf;
use wasmtime::component::Linker;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::WasiCtxView;
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::WasiCli;
use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::p2::bindings::cli::environment;
use wasmtime_wasi_http::WasiHttpCtx;
use wasmtime_wasi_http::WasiHttpCtxView;
use wasmtime_wasi_http::WasiHttpView;

pub(crate) struct State {
    pub(crate) application: Arc<Application>,
    /// Where databases are.
    pub(crate) folder: PathBuf,
    pub(crate) pools: Arc<Pools>,
    pub(crate) table: ResourceTable,
    pub(crate) limits: StoreLimits,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
}

impl State {
    pub(crate) fn new(
        application: &Arc<Application>,
        folder: PathBuf,
        pools: Arc<Pools>,
        memory_bytes: usize,
    ) -> Self {
        Self {
            application: Arc::clone(application),
            folder,
            pools,
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(memory_bytes).build(),
            wasi: wasi(application),
            http: WasiHttpCtx::new(),
            outbound: Outbound::new(application),
        }
    }

    /// What every runtime of WASI 0.2 with HTTP has: the world `wasi:http/proxy`,
    /// and environment variables. It is less than what `wasmtime serve -S cli`
    /// links, as files and sockets are missing.
    pub(crate) fn link_wasi_alone(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        wasmtime_wasi_http::p2::add_to_linker_async(linker)?;
        environment::add_to_linker::<_, WasiCli>(linker, Self::cli)
    }

    /// Everything that a WASI 0.2 component can import in Spin.
    pub(crate) fn link(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        wasmtime_wasi::p2::add_to_linker_async(linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
        crate::bindings::Host_::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

/// What is told of the program that it runs as.
fn wasi(application: &Application) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.inherit_stderr();
    for (name, value) in &application.environment {
        builder.env(name, value);
    }
    builder.build()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outbound,
        }
    }
}

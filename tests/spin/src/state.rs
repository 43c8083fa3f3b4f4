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
            wasi: WasiCtx::builder().inherit_stderr().build(),
            http: WasiHttpCtx::new(),
            outbound: Outbound::new(application),
        }
    }

    /// Everything that a WASI 0.2 component can import.
    pub(crate) fn link(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        wasmtime_wasi::p2::add_to_linker_async(linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
        crate::bindings::Host_::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
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

//! What Spin 4.1 links for a WASI 0.3 component beside WASI itself: its own
//! interfaces whose functions are asynchronous. They lead to where those of
//! WASI 0.2 lead.

mod postgres;
mod sqlite;
mod variables;

use crate::state::State;
use wasmtime::component::Accessor;
use wasmtime::component::FutureReader;
use wasmtime::component::HasSelf;
use wasmtime::component::Lift;
use wasmtime::component::Linker;
use wasmtime::component::Lower;
use wasmtime::component::Resource;
use wasmtime::component::StreamReader;

#[allow(missing_docs, unreachable_pub)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/p3",
        world: "host",
        imports: { default: async | store | trappable },
        with: {
            "spin:sqlite/sqlite.connection": crate::sqlite::Connection,
            "spin:postgres/postgres.connection": crate::postgres::Connection,
        },
    });
}

/// All of it, and WASI 0.3.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p3::add_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    bindings::Host_::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// What is behind a handle.
fn held<T, C: Clone + 'static>(
    accessor: &Accessor<T, HasSelf<State>>,
    handle: &Resource<C>,
) -> wasmtime::Result<C> {
    accessor.with(|mut access| Ok(access.get().table.get(handle)?.clone()))
}

/// Rows, and behind them whether one is missing.
type Streamed<R, E> = (StreamReader<R>, FutureReader<Result<(), E>>);

/// Rows one after the other, and that none of them is missing.
fn streamed<T, R, E>(
    accessor: &Accessor<T, HasSelf<State>>,
    rows: Vec<R>,
) -> wasmtime::Result<Streamed<R, E>>
where
    R: Lower + Lift + Send + Sync + Unpin + 'static,
    E: Lower + Lift + Send + Sync + 'static,
{
    accessor.with(|mut access| {
        let rows = StreamReader::new(&mut access, rows)?;
        let end = FutureReader::new(&mut access, async { wasmtime::error::Ok(Ok(())) })?;
        Ok((rows, end))
    })
}

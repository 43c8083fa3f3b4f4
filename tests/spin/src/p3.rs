//! What Spin 4.1 links for a WASI 0.3 component beside WASI itself: its own
//! interfaces whose functions are asynchronous. They lead to where those of
//! WASI 0.2 lead.

mod postgres;
mod sqlite;
mod variables;

use crate::state::State;
use wasmtime::component::HasSelf;
use wasmtime::component::Linker;

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

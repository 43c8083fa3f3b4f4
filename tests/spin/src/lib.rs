//! A host that stands in for Spin where there is none: it reads `spin.toml`,
//! links what Spin 3 links for a WASI 0.2 component, or what Spin 4.1 links for a
//! WASI 0.3 one, and nothing else.
//!
//! What it has in common with Spin, since a gateway depends on it:
//!
//! * every request to a WASI 0.2 component gets an instance of its own, which
//!   lives until its handler returns, also after the answer;
//! * an instance of a WASI 0.3 component takes up to 128 requests, 16 of them at
//!   the same time, and ends a second after it has nothing more to do;
//! * variables come from `spin.toml` and from whoever starts it, and a component
//!   sees those that are mapped to it;
//! * requests and connections go where `allowed_outbound_hosts` lets them;
//! * it opens the SQLite databases that the component may have, in files that all
//!   instances share;
//! * what an instance traps on ends that instance, and whoever waits for it gets
//!   500.
//!
//! It can also link WASI 0.2 alone, for a component that is to run in other
//! runtimes too.
//!
//! Of the other triggers it knows that for the clock, as far as calling what it
//! calls. It knows no other store and no TLS.

#![forbid(unsafe_code)]

pub mod allowed;
pub mod cron;
mod engine;
pub mod manifest;
mod outbound;
mod p3;
mod postgres;
pub mod server;
mod sqlite;
mod state;
mod variables;
mod worker;

#[allow(missing_docs, unreachable_pub)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit/p2",
        world: "host",
        imports: { default: async | trappable },
        with: {
            "fermyon:spin/sqlite.connection": crate::sqlite::Connection,
            "fermyon:spin/postgres.connection": crate::postgres::Connection,
        },
    });
}

//! A host that stands in for Spin where there is none: it reads `spin.toml`,
//! links what Spin links for a WASI 0.2 component, and nothing else.
//!
//! What it has in common with Spin, since a gateway depends on it:
//!
//! * every request gets an instance of its own, which lives until its handler
//!   returns, also after the answer;
//! * variables come from `spin.toml` and from whoever starts it, and a component
//!   sees those that are mapped to it;
//! * requests and connections go where `allowed_outbound_hosts` lets them;
//! * `fermyon:spin/sqlite` opens the databases that the component may have, in
//!   files that all instances share;
//! * what an instance traps on ends that instance, and the caller gets 500.
//!
//! It knows no other trigger, no other store and no TLS.

#![forbid(unsafe_code)]

pub mod allowed;
pub mod manifest;
mod outbound;
mod postgres;
pub mod server;
mod sqlite;
mod state;
mod variables;

#[allow(missing_docs, unreachable_pub)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "host",
        imports: { default: async | trappable },
        with: {
            "fermyon:spin/sqlite.connection": crate::sqlite::Connection,
            "fermyon:spin/postgres.connection": crate::postgres::Connection,
        },
    });
}

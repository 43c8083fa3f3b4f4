//! The wasmtime gateway for integration plugins: server, store, HTTP client and
//! command line around the crate `integration-gateway`.

pub mod address;
pub mod client;
pub mod environment;
pub mod runtime;
pub mod server;
pub mod store;

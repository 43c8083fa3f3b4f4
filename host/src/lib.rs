//! The wasmtime gateway for integration plugins: server, store, HTTP client and
//! command line around the crate `integration-gateway`.
//!
//! A program that wants to run a plugin inside itself takes what it needs:
//! [`Host`] is the whole gateway with its listeners, while
//! [`WasmRuntime`](runtime::WasmRuntime) with a store and a client of the
//! program's own makes an `integration_gateway::Gateway` that listens nowhere
//! (see `examples/embed.rs`).

#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
pub mod config;
mod descriptors;
pub mod environment;
mod explain;
mod host;
mod loader;
pub mod pair;
mod reload;
pub mod runtime;
pub mod server;
pub mod store;
mod watch;
mod worker;

pub use host::Host;
pub use host::HostGateway;
pub use host::StartError;

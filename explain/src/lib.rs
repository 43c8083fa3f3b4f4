//! The explain service: a component that tells over HTTP what would be done with
//! a captured event, and why, and that cannot do it.
//!
//! It is a WASI 0.2 component of the world `wit/world.wit`, on the crate
//! `integration-gateway`, and imports the plugin as the contract's WIT says: the
//! two are composed into one file. It has no store and no way to send anything,
//! so it runs where no gateway can: in `wasmtime serve`, in wasmCloud, in `jco
//! serve`.
//!
//! ```text
//! request -> token -> configuration -> body -> rehearsal -> answer
//! ```
//!
//! Everything that it waits for is the body of the request, so it blocks.

// A test that meets something unexpected should stop right there.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bindings;
mod component;
mod environment;
mod form;
mod plugin;
mod question;
mod service;

/// A fifth of the size of the standard library's allocator.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

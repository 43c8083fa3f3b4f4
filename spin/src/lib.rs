//! The Spin gateway for integration plugins.
//!
//! It is a component on the crate `integration-gateway`, and imports the plugin
//! as the contract's WIT says: the two are composed into one file, or Spin joins
//! them when it loads them. Everything else that it asks of Spin is in `p2`, for
//! WASI 0.2, or with the feature `p3` in `p3`, for WASI 0.3 and Spin's own SDK;
//! nothing else knows which of them it is.
//!
//! Spin makes an instance for each request of a WASI 0.2 component and drops it
//! afterwards; it keeps one of a WASI 0.3 component for several requests, also
//! at the same time. In both, whatever a request needs it makes for itself. So
//! this gateway starts all the time, shares its store with itself, and works
//! after the answer only as long as the instance lives. What is left then is
//! picked up by `POST /tick`, which somebody has to call now and then.

// A test that meets something unexpected should stop right there.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod client;
mod configuration;
mod environment;
mod handler;
mod log;
mod message;
#[cfg(not(feature = "p3"))]
mod p2;
#[cfg(feature = "p3")]
mod p3;
mod runtime;
mod store;
mod variables;
mod work;

#[cfg(not(feature = "p3"))]
use p2 as wasi;
#[cfg(feature = "p3")]
use p3 as wasi;

/// A fifth of the size of the standard library's allocator.
#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

//! The Spin gateway for integration plugins.
//!
//! It is a WASI 0.2 component on the crate `integration-gateway`, and imports
//! the plugin as the contract's WIT says: the two are composed into one file,
//! or Spin joins them when it loads them. `wit/world.wit` lists everything else
//! that it asks of Spin.
//!
//! Spin makes an instance for each request and drops it afterwards. So this
//! gateway starts all the time, shares its store with itself, and works after
//! the answer only as long as the instance lives. What is left then is picked
//! up by `POST /tick`, which somebody has to call now and then.

// A test that meets something unexpected should stop right there.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bindings;
mod body;
mod client;
mod configuration;
mod document;
mod environment;
mod handler;
mod incoming;
mod log;
mod reactor;
mod runtime;
mod store;
mod toml;
mod variables;
mod work;

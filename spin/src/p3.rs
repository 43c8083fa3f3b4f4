//! What Spin has for a WASI 0.3 component, by its SDK. The module `p2` has the
//! same for WASI 0.2, item by item, so that whoever uses one of them uses the
//! other.
//!
//! The SDK's functions for HTTP are not used: they spawn who writes a body, and
//! its executor polls what was spawned by something spawned only at the next
//! event. Here a body is written beside whatever waits for it.

mod bindings;
mod body;
mod clocks;
mod exchange;
mod incoming;
pub(crate) mod postgres;
pub(crate) mod sqlite;
mod stderr;
mod turn;
pub(crate) mod variables;

pub(crate) use clocks::now;
pub(crate) use clocks::sleep;
pub(crate) use clocks::steady_ns;
pub(crate) use exchange::exchange;
pub(crate) use incoming::Caller;
pub(crate) use incoming::answer;
pub(crate) use incoming::head;
pub(crate) use incoming::read;
pub(crate) use spin_sdk::wasip3::http::types as http;
pub(crate) use spin_sdk::wasip3::http::types::Request;
pub(crate) use spin_sdk::wasip3::http::types::Request as Outgoing;
pub(crate) use spin_sdk::wasip3::random::random::get_random_u64 as random;
pub(crate) use stderr::write;
pub(crate) use turn::turn;

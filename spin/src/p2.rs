//! What Spin has for a WASI 0.2 component. The module `p3` has the same for
//! WASI 0.3, item by item, so that whoever uses one of them uses the other.

mod bindings;
mod body;
mod clocks;
mod exchange;
mod incoming;
pub(crate) mod postgres;
mod reactor;
pub(crate) mod sqlite;
mod stderr;
pub(crate) mod variables;

pub(crate) use bindings::http;
pub(crate) use bindings::http::OutgoingRequest as Outgoing;
pub(crate) use bindings::random::get_random_u64 as random;
pub(crate) use clocks::now;
pub(crate) use clocks::sleep;
pub(crate) use clocks::steady_ns;
pub(crate) use exchange::exchange;
pub(crate) use incoming::Caller;
pub(crate) use incoming::Request;
pub(crate) use incoming::answer;
pub(crate) use incoming::head;
pub(crate) use incoming::read;
pub(crate) use stderr::write;

/// Lets an answer go that was given. Here it has gone when it is given.
pub(crate) async fn turn() {}

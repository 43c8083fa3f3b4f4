//! What `wit/p2/world.wit` names, as Rust. The plugin's functions are in
//! [`integration_gateway::contract`].

// The generated imports and exports read and write what lies in linear memory,
// which is the one thing here that needs `unsafe`.
#[allow(unsafe_code)]
#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::needless_pass_by_value
)]
mod generated {
    wit_bindgen::generate!({ path: "wit/p2", world: "spin", generate_all });

    #[cfg(target_family = "wasm")]
    use crate::p2::incoming::Component;

    #[cfg(target_family = "wasm")]
    export!(Component);
}

pub(crate) use generated::exports::wasi::http::incoming_handler::Guest;
pub(crate) use generated::fermyon::spin::postgres;
pub(crate) use generated::fermyon::spin::rdbms_types;
pub(crate) use generated::fermyon::spin::sqlite;
pub(crate) use generated::fermyon::spin::variables;
pub(crate) use generated::wasi::cli::stderr;
pub(crate) use generated::wasi::clocks::monotonic_clock;
pub(crate) use generated::wasi::clocks::wall_clock;
pub(crate) use generated::wasi::http::outgoing_handler;
pub(crate) use generated::wasi::http::types as http;
pub(crate) use generated::wasi::io::poll;
pub(crate) use generated::wasi::io::streams;
pub(crate) use generated::wasi::random::random;

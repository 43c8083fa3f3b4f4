//! What `wit/world.wit` names, as Rust. The plugin's functions are in
//! [`integration_gateway::contract`].

// The generated imports and exports read and write what lies in linear memory,
// which is the one thing here that needs `unsafe`.
#[allow(unsafe_code)]
#[allow(missing_docs, unreachable_pub, dead_code, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        path: ["../spin/wit/p2", "wit"],
        world: "servicenow-sync:explain/service",
        generate_all,
    });

    #[cfg(target_family = "wasm")]
    use crate::component::Component;

    #[cfg(target_family = "wasm")]
    export!(Component);
}

pub(crate) use generated::exports::wasi::http::incoming_handler::Guest;
pub(crate) use generated::wasi::cli::environment::get_environment;
pub(crate) use generated::wasi::cli::stderr::get_stderr;
pub(crate) use generated::wasi::clocks::wall_clock;
pub(crate) use generated::wasi::http::types as http;
pub(crate) use generated::wasi::io::poll::poll;
pub(crate) use generated::wasi::io::streams::OutputStream;
pub(crate) use generated::wasi::io::streams::StreamError;

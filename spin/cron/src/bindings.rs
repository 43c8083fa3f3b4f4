//! What `wit/world.wit` names, as Rust.

// The generated imports and exports read and write what lies in linear memory,
// which is the one thing here that needs `unsafe`.
#[allow(unsafe_code)]
#[allow(missing_docs, unreachable_pub, dead_code, clippy::all)]
mod generated {
    wit_bindgen::generate!({
        path: ["../wit/p2", "wit"],
        world: "servicenow-sync:spin-cron/cron",
        generate_all,
    });

    #[cfg(target_family = "wasm")]
    use crate::Component;

    #[cfg(target_family = "wasm")]
    export!(Component);
}

pub(crate) use generated::Error;
pub(crate) use generated::Guest;
pub(crate) use generated::Metadata;
pub(crate) use generated::fermyon::spin::variables;
pub(crate) use generated::wasi::http::outgoing_handler;
pub(crate) use generated::wasi::http::types as http;
pub(crate) use generated::wasi::io::poll::poll;

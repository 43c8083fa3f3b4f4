//! What the SDK has no bindings for, and what is exported.
//!
//! The SDK's own module for PostgreSQL needs a crate that on this target needs
//! JavaScript, so the interface is in `wit/p3`.

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
    spin_sdk::wit_bindgen::generate!({
        path: "wit/p3",
        world: "spin",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });

    #[cfg(target_family = "wasm")]
    use crate::p3::incoming::Component;
    #[cfg(target_family = "wasm")]
    use spin_sdk::wasip3;

    #[cfg(target_family = "wasm")]
    wasip3::http::service::export!(Component with_types_in wasip3);
}

pub(crate) use generated::spin::postgres::postgres;

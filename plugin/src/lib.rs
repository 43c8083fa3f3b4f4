//! Skeleton.
#[allow(missing_docs, unsafe_code, clippy::all, unreachable_pub)]
mod contract {
    wit_bindgen::generate!({
        path: "../wit",
        world: "plugin",
        additional_derives: [PartialEq, Clone],
        pub_export_macro: true,
    });
}
pub use contract::exports::integration::plugin::integration::*;

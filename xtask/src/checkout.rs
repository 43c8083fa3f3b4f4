//! Where things are in this checkout.

use std::path::Path;
use std::path::PathBuf;

/// The folder that holds the workspace's `Cargo.toml`.
///
/// Cargo tells it at run time; the path of build time is for a binary that was
/// started by hand.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where what is built for others is put.
pub(crate) fn dist() -> PathBuf {
    root().join("dist")
}

/// The component that every gateway loads.
pub(crate) fn component() -> PathBuf {
    dist().join("servicenow_sync.wasm")
}

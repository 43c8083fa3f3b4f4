//! The examples of gateways in other languages tell the demo's story, and what
//! they write in both systems is to the byte what our own gateway writes.
//!
//! `cargo xtask test --all-gateways` installs below `target/` what they need.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use support::program::example;
use support::program::story_through;
use support::program::story_through_host;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python with wasmtime: `cargo xtask test --all-gateways`"]
async fn the_gateway_in_python_writes_what_ours_writes() {
    let Some(python) = installed("embed-python/bin/python") else {
        return;
    };
    let mut program = Command::new(python);
    program.arg(example("embed-python/gateway.py"));
    assert_eq!(
        story_through(program).await.unwrap(),
        story_through_host().await.unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Node.js with jco: `cargo xtask test --all-gateways`"]
async fn the_gateway_in_node_writes_what_ours_writes() {
    let Some(packages) = installed("embed-node/node_modules") else {
        return;
    };
    // Node looks for packages beside the program.
    let gateway = packages.with_file_name("gateway.js");
    fs::copy(example("embed-node/gateway.js"), &gateway).unwrap();
    let mut program = Command::new("node");
    program.arg(gateway);
    assert_eq!(
        story_through(program).await.unwrap(),
        story_through_host().await.unwrap()
    );
}

/// What was installed for an example; says so if it could not be.
fn installed(file: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target")
        .join(file);
    if !file.exists() {
        let why = format!("skipped: there is no {}\n", file.display());
        // Not captured, unlike what is printed.
        let _ = std::io::stderr().write_all(why.as_bytes());
        return None;
    }
    Some(file)
}

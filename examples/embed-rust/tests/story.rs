//! The example tells the demo's story, and what it writes in both systems is to
//! the byte what our own gateway writes.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use support::program::story_through;
use support::program::story_through_host;

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_in_rust_writes_what_ours_writes() {
    let program = Command::new(env!("CARGO_BIN_EXE_embed-rust"));
    assert_eq!(
        story_through(program).await.unwrap(),
        story_through_host().await.unwrap()
    );
}

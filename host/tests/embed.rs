//! The example that shows how to embed the plugin runs, and does what it says.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

#[test]
fn the_embedding_example_receives_a_webhook_and_does_the_work() {
    // Cargo builds the examples of a package beside its tests.
    let test = std::env::current_exe().unwrap();
    let example = test
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/embed");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let run = Command::new(example).current_dir(root).output();
    let run = run.expect("`cargo test` builds it, but not when told to run this test alone");
    assert!(
        run.status.success(),
        "run `cargo xtask build` first; {run:?}"
    );
    let shown = String::from_utf8(run.stdout).unwrap();
    let expected = "\
answered 200
POST api.flashcat.cloud/incident/info
GET acme.service-now.com/api/now/table/incident
POST acme.service-now.com/api/now/table/incident
POST api.flashcat.cloud/incident/feed
POST api.flashcat.cloud/incident/comment
POST api.flashcat.cloud/incident/feed
left to do: {\"due\":0,\"waiting\":0,\"running\":0,\"parked\":0}
";
    assert_eq!(shown, expected);
}

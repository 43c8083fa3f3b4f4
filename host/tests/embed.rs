//! The example that embeds the plugin does what its reader is promised.
#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_example_shows_what_the_plugin_asks_for() {
    // `cargo test` builds the examples beside the tests.
    let folder = std::env::current_exe().unwrap();
    let example = folder.ancestors().nth(2).unwrap().join("examples/embed");
    let output = Command::new(&example).output();
    let output = output.expect("run `cargo build -p servicenow-sync --example embed` first");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let lines: Vec<_> = stdout.lines().collect();
    let expected = [
        "the webhook is answered: 200",
        "the plugin asks: GET /api/now/table/incident ",
        "the plugin asks: POST /api/now/table/incident {",
        "the plugin asks: PATCH /api/now/table/incident/00000000000000000000000000000001 {",
    ];
    assert_eq!(lines.len(), expected.len(), "{stdout}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{stdout}");
    }
    assert!(lines[2].contains("\"short_description\":\"Disk full\""));
    assert!(!stdout.contains("nobody-guesses"));
}

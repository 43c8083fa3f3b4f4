//! A signal while the program starts does what it does later.

use super::FarEnd;
use super::Gateway;
use super::PATIENCE;
use super::folder;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/servicenow_sync.wasm");

/// Begins to start a gateway whose plugin comes through a pipe; returns when it
/// waits for the bytes.
fn begun(folder: &Path) -> (Gateway, File) {
    let pipe = folder.join("plugin.wasm");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let text = fs::read_to_string(folder.join("sync.toml")).unwrap();
    let text = text.replace(COMPONENT, "plugin.wasm");
    fs::write(folder.join("sync.toml"), text).unwrap();
    let command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
    let gateway = Gateway::spawn(command, folder);
    // It opens when both ends are there.
    let end = OpenOptions::new().write(true).open(pipe).unwrap();
    (gateway, end)
}

#[test]
fn a_hang_up_during_the_start_leads_to_a_reload_after_it() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let folder = folder.path();
    let (mut gateway, mut plugin) = begun(folder);
    gateway.signal("-HUP");
    // From the next time on it is a file.
    let file = folder.join("file.wasm");
    fs::copy(COMPONENT, &file).unwrap();
    fs::rename(file, folder.join("plugin.wasm")).unwrap();
    plugin.write_all(&fs::read(COMPONENT).unwrap()).unwrap();
    drop(plugin);
    gateway.wait_until_ready(folder);
    gateway.wait_for_reloads((1, 0));
    gateway.signal("-TERM");
    assert_eq!(gateway.end(), Some(0));
}

#[test]
fn a_signal_to_stop_ends_a_start_that_loads_the_plugin() {
    for signal in ["-TERM", "-INT"] {
        let far_end = FarEnd::new();
        let folder = folder(&far_end, "", "");
        let (mut gateway, _plugin) = begun(folder.path());
        gateway.signal(signal);
        assert_eq!(gateway.end(), Some(0), "{signal}");
    }
}

#[test]
fn a_signal_to_stop_ends_a_start_that_waits_for_the_database() {
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    let far_end = FarEnd::new();
    let settings = "store.url = { file = \"url\" }";
    let folder = folder(&far_end, "", settings);
    let folder = folder.path();
    let address = database.local_addr().unwrap();
    let url = format!("postgresql://somebody:canary@{address}/sync");
    fs::write(folder.join("url"), url).unwrap();
    let command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
    let mut gateway = Gateway::spawn(command, folder);
    // It is connected to something that never answers.
    let _connection = database.accept().unwrap();
    let begin = Instant::now();
    gateway.signal("-TERM");
    assert_eq!(gateway.end(), Some(0));
    assert!(begin.elapsed() < PATIENCE / 3, "{:?}", begin.elapsed());
    let log = fs::read_to_string(folder.join("log")).unwrap();
    assert!(
        log.contains("stopped before the start was complete"),
        "{log}"
    );
}

//! The program as an operator meets it.
#![allow(clippy::unwrap_used)]

mod plugin;

use plugin::Plugin;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use tempfile::TempDir;
use tempfile::tempdir;

const CONFIGURATION: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
     token = [{ file = \"token\" }]\n[plugin]\npath = \"plugin.wasm\"\n";

fn folder(configuration: &str) -> TempDir {
    let folder = tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("sync.toml", configuration.as_bytes());
    write("plugin.wasm", &Plugin::default().component());
    write("token", b"canary-canary-canary-canary-canary");
    folder
}

fn command(folder: &Path, what: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
    command
        .args([what, "--config"])
        .arg(folder.join("sync.toml"));
    command
}

fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn check_tells_what_would_be_done_and_changes_nothing() {
    let folder = folder(CONFIGURATION);
    let path = folder.path().display();
    let (code, stdout, stderr) = run(command(folder.path(), "check"));
    assert_eq!(stderr, "");
    assert_eq!(
        stdout,
        format!(
            " : \nreceives on http://127.0.0.1:0:\nsends to:\nadmin on http://127.0.0.1:0\n\
             store in {path}/sync.redb\nthe configuration is good\n"
        ),
    );
    assert_eq!(code, Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn check_fails_with_every_problem() {
    let folder =
        folder("[server]\nworker = 1\n[store]\nfile = 2\n[plugin]\npath = \"none.wasm\"\n");
    let path = folder.path().display();
    let (code, stdout, stderr) = run(command(folder.path(), "check"));
    assert_eq!(code, Some(1));
    assert_eq!(stdout, "");
    assert_eq!(
        stderr.lines().collect::<Vec<_>>(),
        [
            format!(
                "{path}/sync.toml:2: server.worker: no such key; expected one of \"listen\", \
                 \"header-timeout-seconds\", \"body-timeout-seconds\", \"max-connections\", \
                 \"workers\", found \"worker\"; did you mean \"workers\"?"
            ),
            format!(
                "{path}/sync.toml:4: store.file: no such key; expected \"path\" or \"url\", found \"file\""
            ),
            format!(
                "plugin {path}/none.wasm: No such file or directory (os error 2); name the plugin \
                 with --plugin or with `path` in `[plugin]`"
            ),
        ],
    );
}

#[test]
fn a_file_that_is_no_plugin_is_named() {
    let folder = folder("");
    let file = folder.path().join("notes.wasm");
    fs::write(&file, "not a plugin").unwrap();
    let is_none = format!(
        "{}: the plugin is no WebAssembly component that runs here: ",
        file.display()
    );
    for what in ["check", "serve", "schema"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
        command.args([what, "--plugin"]).arg(&file);
        if what != "schema" {
            command.arg("--config").arg(folder.path().join("sync.toml"));
        }
        let (code, _, stderr) = run(command);
        assert_eq!(code, Some(1), "{stderr}");
        let line = stderr.lines().find(|line| line.starts_with(&is_none));
        assert!(line.is_some(), "{what}: {stderr}");
    }
}

#[test]
fn every_help_shows_an_example_or_the_environment() {
    for (arguments, words) in [
        (&["--help"] as &[&str], "SSL_CERT_FILE"),
        (
            &["serve", "--help"],
            "servicenow-sync serve --config /etc/servicenow-sync/sync.toml",
        ),
        (
            &["check", "--help"],
            "servicenow-sync check --config sync.toml",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
        command.args(arguments);
        let (code, stdout, _) = run(command);
        assert_eq!(code, Some(0));
        assert!(stdout.contains(words), "{stdout}");
    }
}

#[test]
fn a_pair_is_named_by_either_incident_and_linked_by_both() {
    for (what, missing) in [
        ("show", "<--flashduty <ID>|--servicenow <NUMBER>>"),
        ("unlink", "<--flashduty <ID>|--servicenow <NUMBER>>"),
        ("link", "--flashduty <ID>\n  --servicenow <NUMBER>\n"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
        command.args(["pair", what]);
        let (code, _, stderr) = run(command);
        assert_eq!(code, Some(2));
        assert!(stderr.contains(missing), "{what}: {stderr}");
    }
    for names in [
        &["--flashduty", "a"] as &[_],
        &["--servicenow", "b"],
        &["--flashduty", "a", "--servicenow", "b"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
        command.args(["pair", "show", "--config", "/nowhere/sync.toml"]);
        command.args(names);
        let (code, _, stderr) = run(command);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.contains("name another file with --config"),
            "{stderr}"
        );
    }
}

/// A gateway that is ready, and where its two listeners are.
fn serve(folder: &Path) -> (Child, String, String) {
    let mut child = command(folder, "serve")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let mut addresses = ready.split("http://").skip(1);
    let mut address = || {
        addresses
            .next()
            .expect(&ready)
            .trim_end_matches([',', '\n'])
    };
    let webhooks = address().split(',').next().unwrap().to_owned();
    let admin = address().to_owned();
    (child, webhooks, admin)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn terminate(child: &Child) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn serve_listens_until_a_signal_and_starts_again_on_the_same_store() {
    let folder = folder(&format!(
        "{CONFIGURATION}[log]\nformat = \"json\"\nlevel = \"trace\"\n"
    ));
    for _ in 0..2 {
        let (mut child, webhooks, admin) = serve(folder.path());
        assert!(get(&webhooks, "/nothing/here").starts_with("HTTP/1.1 404 "));
        assert!(get(&admin, "/metrics").starts_with("HTTP/1.1 401 "));

        // One store, one gateway.
        let (code, stdout, stderr) = run(command(folder.path(), "serve"));
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(
            stderr.contains("another process has this file open"),
            "{stderr}"
        );

        terminate(&child);
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let mut log = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        for line in log.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect(line);
        }
        assert!(log.contains("\"signal\":\"SIGTERM\""), "{log}");
        assert!(!log.contains("canary"), "{log}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_its_section() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = folder(&CONFIGURATION.replacen("127.0.0.1:0", &address.to_string(), 1));
    let (code, _, stderr) = run(command(folder.path(), "serve"));
    assert_eq!(code, Some(1));
    assert_eq!(
        stderr,
        format!(
            "cannot listen on {address}: Address already in use (os error 98); set `listen` in \
             `[server]` to a free port\n"
        ),
    );
}

//! The program, as a process.

use crate::systems::Systems;
use serde_json::Value;
use simulators::flashduty;
use std::fs;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

/// Everybody's proof to the gateway.
pub(crate) const TOKEN: &str = "token-0123456789-0123456789";
/// The ports from which none is chosen for an outgoing connection, which could
/// take the gateway's while that is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The folder of a gateway, and the process while it runs.
pub(crate) struct Gateway {
    /// Where it receives webhooks, in each of its lives.
    pub(crate) address: SocketAddr,
    folder: TempDir,
    process: Option<Child>,
    admin: Option<SocketAddr>,
}

impl Gateway {
    /// Writes the configuration. `store` is a line for the file's beginning.
    pub(crate) fn new(systems: &Systems, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("token", TOKEN);
        write("app-key", &systems.app_key());
        write("user", "flashduty");
        write("password", "flashduty-password");
        let address = free_address();
        let (flashduty, servicenow) = (systems.flashduty.url(), systems.servicenow.url());
        let channel = flashduty::PAYMENTS;
        let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist");
        let text = format!(
            r#"
plugin = {{ path = "{dist}/servicenow_sync.wasm", cache-directory = "{dist}/cache" }}
server.listen = "{address}"
admin = {{ listen = "127.0.0.1:0", token = [{{ file = "token" }}] }}
egress.private = ["127.0.0.0/8"]
{settings}
[[webhook]]
path = "/flashduty/demo"
bearer = [{{ file = "token" }}]
[[webhook]]
path = "/servicenow/demo"
bearer = [{{ file = "token" }}]
[credential.flashduty]
kind = "query"
origin = "{flashduty}"
name = "app_key"
value = {{ file = "app-key" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}
[credential.servicenow]
kind = "basic"
origin = "{servicenow}"
user = {{ file = "user" }}
password = {{ file = "password" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}
[[integration]]
id = "demo"
direction = "two-way"
flashduty = {{ url = "{flashduty}", channels = [{channel}], credential = "flashduty" }}
servicenow = {{ url = "{servicenow}", credential = "servicenow" }}
# It would bring what was acknowledged and then lost.
reconcile = {{ flashduty = false, servicenow = false }}
"#
        );
        write("sync.toml", &text);
        Self {
            address,
            folder,
            process: None,
            admin: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the process.
    pub(crate) fn spawn(&mut self) {
        let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/servicenow_sync.wasm");
        let hint = "run `cargo xtask build` first";
        assert!(Path::new(component).exists(), "{hint}");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"));
        // Where files have a limit, writing beyond it is an error then, as on a
        // full disk, and not the end. The log has no limit, since it is written
        // out here.
        let process = Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
            .arg(env!("CARGO_BIN_EXE_servicenow-sync"))
            .args(["serve", "--config"])
            .arg(self.folder.path().join("sync.toml"))
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = process.unwrap();
        let (mut said, mut log) = (process.stderr.take().unwrap(), log.unwrap());
        thread::spawn(move || io::copy(&mut said, &mut log));
        self.process = Some(process);
        self.admin = None;
    }

    /// Waits until the process says that it is ready.
    pub(crate) fn wait_until_ready(&mut self) {
        let process = self.process.as_mut().expect("it runs");
        let mut ready = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut ready).unwrap();
        assert!(
            ready.starts_with("ready: servicenow-sync "),
            "it did not start: {}",
            self.log()
        );
        let (_, admin) = ready.trim().rsplit_once("http://").unwrap();
        self.admin = Some(admin.parse().unwrap());
    }

    /// Starts it; tells after how long it was ready.
    pub(crate) fn start(&mut self) -> Duration {
        let begin = Instant::now();
        self.spawn();
        self.wait_until_ready();
        begin.elapsed()
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let process = self.id().to_string();
        let kill = Command::new("kill").args([signal, &process]).status();
        assert!(kill.unwrap().success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Asks the admin listener.
    fn ask(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.admin.expect("it is ready")).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\
             authorization: Bearer {TOKEN}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// All work there is.
    pub(crate) fn work(&self) -> Vec<Value> {
        let (mut work, mut path) = (Vec::new(), "/work".to_owned());
        loop {
            let page = self.ask(&path);
            work.extend_from_slice(page["work"].as_array().unwrap());
            match page["next"].as_str() {
                Some(next) => path = format!("/work?after={next}"),
                None => return work,
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(PORTS)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

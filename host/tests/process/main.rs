//! The program with the real plugin, as a process: what is in flight when it is
//! stopped, what is left when it is killed, what it takes on while it runs, and
//! what it never says.
#![allow(clippy::unwrap_used)]
// Figures, for whoever runs one with `--nocapture`.
#![allow(clippy::print_stdout)]

mod flooding;
mod log;
#[path = "../postgres/mod.rs"]
mod postgres;
mod reloading;
mod rotating;
mod secrets;
mod sharing;
mod starting;
mod tls;
mod trickling;

use serde_json::Value;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::LazyLock;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use tempfile::TempDir;

/// Nothing that should happen takes as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Within this time what should not happen would have happened.
const A_WHILE: Duration = Duration::from_millis(500);

/// It begins after everything else: a new store waits before it creates what an
/// earlier one may have known.
const INCIDENT: &str = r#"{"incident_id":"6a1d2f45c0ffee0123456789","title":"Disk full",
    "incident_severity":"Critical","progress":"Triggered","created_at":4102444800}"#;

/// What editors know of the configuration: it must take what the program takes.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../docs/sync.schema.json");
    serde_json::from_str(text).unwrap()
});

/// A request that a far end has received, and that waits for its answer.
struct Asked {
    /// For example `GET /api/now/table/incident`.
    what: String,
    head: String,
    body: String,
    stream: TcpStream,
}

impl Asked {
    fn answer(mut self, status: &str, body: &str) {
        // Whoever asked may be gone.
        let _ = write!(
            self.stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len(),
        );
    }

    /// Answers as a system that works: there is nothing, or it is done.
    fn succeed(self) {
        let what = self.what.as_str();
        let body = if what == "GET /api/now/table/incident" {
            r#"{"result":[]}"#.to_owned()
        } else if what == "POST /incident/info" {
            format!(r#"{{"data":{INCIDENT}}}"#)
        } else if what.starts_with("POST /incident/") {
            r#"{"data":{"items":[]}}"#.to_owned()
        } else {
            // A record gets the id that was asked for.
            let asked = serde_json::from_str::<Value>(&self.body).unwrap_or_default();
            let id = asked["sys_id"].as_str();
            let id = id.unwrap_or("00000000000000000000000000000001");
            format!(r#"{{"result":{{"sys_id":"{id}"}}}}"#)
        };
        self.answer("200 OK", &body);
    }
}

/// A system at the other end, whose answers the test gives one by one.
struct FarEnd {
    address: SocketAddr,
    asked: Receiver<Asked>,
}

impl FarEnd {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let sender: Sender<Asked> = sender.clone();
                thread::spawn(move || sender.send(receive(stream.unwrap())));
            }
        });
        Self { address, asked }
    }

    fn next(&self) -> Asked {
        self.asked
            .recv_timeout(PATIENCE)
            .expect("nothing was asked")
    }

    /// Answers everything until nothing has been asked for a while.
    fn succeed_at_all(&self) -> Vec<String> {
        let mut what = Vec::new();
        while let Ok(asked) = self.asked.recv_timeout(A_WHILE) {
            what.push(asked.what.clone());
            asked.succeed();
        }
        what
    }
}

fn receive(stream: TcpStream) -> Asked {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let what = head.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
    Asked {
        what,
        head,
        body: String::from_utf8(body).unwrap(),
        stream: reader.into_inner(),
    }
}

/// The folder of a gateway that sends to one far end, and nowhere else.
fn folder(far_end: &FarEnd, flashduty: &str, settings: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("password", "canary-password\n");
    write("webhook-token", "canary-webhook-token\n");
    write("admin-token", "canary-admin-token\n");
    let url = format!("http://{}", far_end.address);
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist");
    let text = format!(
        r#"
plugin = {{ path = "{dist}/servicenow_sync.wasm", cache-directory = "{dist}/cache" }}
server.listen = "127.0.0.1:0"
admin = {{ listen = "127.0.0.1:0", token = [{{ file = "admin-token" }}] }}
egress.private = ["127.0.0.0/8"]
{settings}
[[webhook]]
path = "/flashduty/demo"
bearer = [{{ file = "webhook-token" }}]
url-token = [{{ env = "SYNC_TEST_URL_TOKEN" }}]
[credential.flashduty]
kind = "query"
origin = "{url}"
name = "app_key"
value = {{ env = "SYNC_TEST_APP_KEY" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}
[credential.servicenow]
kind = "basic"
origin = "{url}"
user = {{ env = "SYNC_TEST_USER" }}
password = {{ file = "password" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}
[[integration]]
id = "demo"
direction = "to-servicenow"
flashduty = {{ url = "{url}"{flashduty} }}
servicenow = {{ url = "{url}", credential = "servicenow" }}
# What is asked is what webhooks lead to.
reconcile = {{ flashduty = false, servicenow = false }}
"#
    );
    write("sync.toml", &text);
    folder
}

/// A gateway in a process of its own.
struct Gateway {
    process: Child,
    ready: String,
}

impl Gateway {
    fn start(folder: &Path) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_servicenow-sync")), folder)
    }

    /// Starts the program by a command that takes its arguments.
    fn start_by(command: Command, folder: &Path) -> Self {
        let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/servicenow_sync.wasm");
        assert!(
            Path::new(component).exists(),
            "run `cargo xtask build` first"
        );
        let text = fs::read_to_string(folder.join("sync.toml")).unwrap();
        jsonschema::validate(&SCHEMA, &toml::from_str(&text).unwrap()).unwrap();
        Self::start_unchecked(command, folder)
    }

    /// As [`start_by`](Self::start_by), with a plugin of any kind.
    fn start_unchecked(command: Command, folder: &Path) -> Self {
        let mut gateway = Self::spawn(command, folder);
        gateway.wait_until_ready(folder);
        gateway
    }

    /// Begins to start the program.
    fn spawn(mut command: Command, folder: &Path) -> Self {
        let process = command
            .args(["serve", "--config"])
            .arg(folder.join("sync.toml"))
            .env("SYNC_TEST_URL_TOKEN", "canary-url-token")
            .env("SYNC_TEST_APP_KEY", "canary-app-key")
            .env("SYNC_TEST_USER", "canary-user")
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let ready = String::new();
        Self { process, ready }
    }

    fn wait_until_ready(&mut self, folder: &Path) {
        let stdout = self.process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut self.ready).unwrap();
        let hint = "it did not start; `cargo xtask build` makes the component";
        let log = || fs::read_to_string(folder.join("log")).unwrap();
        assert!(self.ready.starts_with("ready: "), "{hint}: {}", log());
    }

    /// Sends a request to the first or the second listener.
    fn send(&self, listener: usize, request: &str, headers: &str, body: &str) -> String {
        let address = self.ready.split("http://").nth(listener + 1).unwrap();
        let mut stream = TcpStream::connect(address.split([',', '\n']).next().unwrap()).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{headers}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len(),
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends Flashduty's webhook, which must be taken.
    fn receive(&self) {
        let proof = "authorization: Bearer canary-webhook-token\r\n";
        let body = format!(r#"{{"event_type":"i_new","incident":{INCIDENT}}}"#);
        let answer = self.send(0, "POST /flashduty/demo", proof, &body);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    /// How much work there is in the given state.
    fn work(&self, state: &str) -> u64 {
        let proof = "authorization: Bearer canary-admin-token\r\n";
        let answer = self.send(1, "GET /status", proof, "");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let status: Value = serde_json::from_str(body).unwrap();
        status["work"][state].as_u64().unwrap()
    }

    fn signal(&self, signal: &str) {
        let process = self.process.id().to_string();
        let kill = Command::new("kill").args([signal, &process]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for the end; returns the exit code.
    fn end(&mut self) -> Option<i32> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(begin.elapsed() < PATIENCE, "the process did not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const CREATED: [&str; 2] = [
    "POST /api/now/table/incident",
    "PATCH /api/now/table/incident/3e9ff78ce33f0073a2e39455e1174645",
];

#[test]
fn what_is_in_flight_at_a_signal_is_heard_out_and_its_session_ends() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let mut gateway = Gateway::start(folder.path());
    gateway.receive();
    let asked = far_end.next();
    assert_eq!(asked.what, "GET /api/now/table/incident");
    gateway.signal("-TERM");
    thread::sleep(A_WHILE);
    assert_eq!(gateway.process.try_wait().unwrap(), None, "it did not wait");
    asked.succeed();
    assert_eq!(far_end.succeed_at_all(), CREATED);
    assert_eq!(gateway.end(), Some(0));

    // Nothing is left to do, and nothing is done twice.
    let gateway = Gateway::start(folder.path());
    assert_eq!(far_end.succeed_at_all(), [""; 0]);
    for state in ["due", "waiting", "running", "parked"] {
        assert_eq!(gateway.work(state), 0, "{state}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once_and_the_work_goes_on_after_the_next_start() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let mut gateway = Gateway::start(folder.path());
    gateway.receive();
    let never_answered = far_end.next();
    gateway.signal("-TERM");
    thread::sleep(A_WHILE);
    gateway.signal("-INT");
    assert_eq!(gateway.end(), Some(0));
    drop(never_answered);

    let _gateway = Gateway::start(folder.path());
    let asked = far_end.next();
    assert_eq!(asked.what, "GET /api/now/table/incident");
    asked.succeed();
    assert_eq!(far_end.succeed_at_all(), CREATED);
}

#[test]
fn a_killed_process_has_kept_the_work_of_every_webhook_that_it_answered() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, "", "");
    let mut gateway = Gateway::start(folder.path());
    gateway.receive();
    gateway.signal("-KILL");
    assert_eq!(gateway.end(), None);

    let gateway = Gateway::start(folder.path());
    let mut asked = far_end.succeed_at_all();
    while gateway.work("due") + gateway.work("running") > 0 {
        asked.extend(far_end.succeed_at_all());
    }
    assert!(asked.ends_with(&CREATED.map(str::to_owned)), "{asked:?}");
    assert_eq!((gateway.work("waiting"), gateway.work("parked")), (0, 0));
}

/// The order is stored, and then scheduled.
#[test]
fn what_an_operator_orders_is_done_though_he_does_not_wait_for_the_answer() {
    let far_end = FarEnd::new();
    let folder = folder(&far_end, ", credential = \"flashduty\"", "");
    let gateway = Gateway::start(folder.path());
    let body = r#"{"flashduty":"6a1d2f45c0ffee0123456789"}"#;
    let request = format!(
        "POST /plugin/demo/sync HTTP/1.1\r\nhost: gateway\r\n\
         authorization: Bearer canary-admin-token\r\ncontent-length: {}\r\n\r\n{body}",
        body.len(),
    );
    let mut stream = gateway.connect(1);
    stream.write_all(request.as_bytes()).unwrap();
    drop(stream);
    // Only its work asks for anything.
    far_end.next();
}

/// Proofs that hold and proofs that do not, requests that succeed and requests
/// that fail: at the lowest level of the log no secret is in it.
#[test]
fn no_secret_is_ever_written_to_the_log_or_the_output() {
    for format in ["human", "json"] {
        let far_end = FarEnd::new();
        let settings = format!("log = {{ level = \"trace\", format = \"{format}\" }}");
        let folder = folder(&far_end, ", credential = \"flashduty\"", &settings);
        let mut gateway = Gateway::start(folder.path());
        let body = format!(r#"{{"event_type":"i_new","incident":{INCIDENT}}}"#);
        let wrong = "authorization: Bearer canary-guess\r\nx-a: canary-guess\r\n";
        for (request, headers, status) in [
            ("POST /flashduty/demo?token=canary-guess", "", "401"),
            ("POST /flashduty/demo/canary-guess", "", "401"),
            ("POST /flashduty/demo", wrong, "401"),
            ("POST /flashduty/demo?token=canary-url-token", "", "200"),
            ("POST /flashduty/demo/canary-url-token", "", "200"),
        ] {
            let answer = gateway.send(0, request, headers, &body);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
            assert!(!answer.contains("canary"), "{answer}");
        }
        // A request with each of the credentials: one fails, one is refused, and
        // then all go well.
        let asked = loop {
            let asked = far_end.next();
            if asked.what.contains("/api/now/") {
                break asked;
            }
            let key = "app_key=canary-app-key";
            assert!(asked.head.contains(key), "{}", asked.head);
            asked.succeed();
        };
        let basic = "authorization: Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXBhc3N3b3Jk";
        assert!(asked.head.contains(basic), "{}", asked.head);
        asked.answer(
            "401 Unauthorized",
            r#"{"error":{"message":"User Not Authenticated"}}"#,
        );
        far_end.succeed_at_all();
        gateway.signal("-TERM");
        assert_eq!(gateway.end(), Some(0));

        let mut output = gateway.ready.clone();
        let stdout = gateway.process.stdout.as_mut().unwrap();
        stdout.read_to_string(&mut output).unwrap();
        output += &fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(output.contains("User Not Authenticated"), "{output}");
        for secret in ["canary", "Y2FuYXJ5"] {
            assert!(!output.contains(secret), "{output}");
        }
    }
}

//! Every secret is exchanged while events flow, and none of them fails.

use crate::A_WHILE;
use crate::Asked;
use crate::Gateway;
use crate::PATIENCE;
use crate::receive;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// What both far ends take as proof, and what they were asked with.
#[derive(Default)]
struct FarEnds {
    accepted: Mutex<BTreeSet<String>>,
    seen: Mutex<BTreeSet<String>>,
    rejected: AtomicU64,
    created: AtomicU64,
    records: Mutex<BTreeSet<String>>,
}

impl FarEnds {
    fn start(secrets: &[&str]) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accepted = secrets.iter().map(|&s| s.to_owned()).collect();
        let this = Arc::new(Self {
            accepted: Mutex::new(accepted),
            ..Self::default()
        });
        let shared = Arc::clone(&this);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let this = Arc::clone(&shared);
                thread::spawn(move || this.answer(receive(stream.unwrap())));
            }
        });
        (this, url)
    }

    /// A key, a password or a client's secret; a token is the secret that it was
    /// given for.
    fn proof(asked: &Asked) -> String {
        let header = |name: &str| asked.head.lines().find_map(|l| l.strip_prefix(name));
        if let Some(basic) = header("authorization: Basic ") {
            return String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
        }
        if let Some(token) = header("authorization: Bearer ") {
            // It outlives the secret that it was given for.
            return format!("token of {token}");
        }
        let (form, query) = (
            asked.body.as_str(),
            asked.head.lines().next().unwrap_or_default(),
        );
        let value = |text: &str, name: &str| {
            let (_, rest) = text.split_once(name)?;
            Some(rest.split(['&', ' ']).next()?.to_owned())
        };
        value(form, "client_secret=")
            .or_else(|| value(query, "app_key="))
            .unwrap_or_default()
    }

    fn answer(&self, asked: Asked) {
        let proof = Self::proof(&asked);
        self.seen.lock().unwrap().insert(proof.clone());
        let is_token = proof.starts_with("token of client-");
        if !is_token && !self.accepted.lock().unwrap().contains(&proof) {
            self.rejected.fetch_add(1, Ordering::SeqCst);
            return asked.answer("401 Unauthorized", "{}");
        }
        let what = asked.what.as_str();
        let sent: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let body = if what.ends_with("/oauth_token.do") {
            // So short a life that each session fetches one.
            json!({ "access_token": proof, "expires_in": 1 })
        } else if what == "POST /incident/info" {
            json!({ "data": incident(sent["incident_id"].as_str().unwrap()) })
        } else if what.starts_with("POST /incident/") {
            json!({ "data": { "items": [] } })
        } else if what == "GET /api/now/table/incident" {
            json!({ "result": [] })
        } else {
            if what == "POST /api/now/table/incident" {
                let sys_id = sent["sys_id"].to_string();
                if self.records.lock().unwrap().insert(sys_id) {
                    self.created.fetch_add(1, Ordering::SeqCst);
                }
            }
            let id = sent["sys_id"].as_str();
            json!({ "result": { "sys_id": id.unwrap_or("00000000000000000000000000000001") } })
        };
        asked.answer("200 OK", &body.to_string());
    }

    /// From now on only the new one is taken, as soon as the old one is no
    /// longer in use.
    fn retire(&self, old: &str) {
        let begin = Instant::now();
        loop {
            self.seen.lock().unwrap().clear();
            thread::sleep(4 * A_WHILE);
            if !self.seen.lock().unwrap().contains(old) {
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "{old} is still in use");
        }
        assert!(self.accepted.lock().unwrap().remove(old));
    }
}

fn incident(id: &str) -> Value {
    json!({
        "incident_id": id, "title": "Disk full", "incident_severity": "Critical",
        "progress": "Triggered", "created_at": 4_102_444_800_u64,
    })
}

/// Two integrations, which between them use every kind of secret.
fn configuration(url: &str) -> String {
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist");
    format!(
        r#"
plugin = {{ path = "{dist}/servicenow_sync.wasm", cache-directory = "{dist}/cache" }}
server.listen = "127.0.0.1:0"
admin = {{ listen = "127.0.0.1:0", token = [{{ file = "admin-token" }}, {{ file = "next-admin-token" }}] }}
egress.private = ["127.0.0.0/8"]
[[webhook]]
path = "/flashduty/token"
bearer = [{{ file = "webhook-token" }}, {{ file = "next-webhook-token" }}]
[[webhook]]
path = "/flashduty/signed"
signature = {{ secrets = [{{ file = "signing-key" }}, {{ file = "next-signing-key" }}] }}
[credential.flashduty]
kind = "query"
origin = "{url}"
name = "app_key"
value = {{ file = "app-key" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}
[credential.basic]
kind = "basic"
origin = "{url}"
user = "user"
password = {{ file = "password" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}
[credential.oauth]
kind = "oauth2-client-credentials"
origin = "{url}"
token-url = "{url}/oauth_token.do"
client-id = "id"
client-secret = {{ file = "client-secret" }}
pace = {{ per-minute = 600000, burst = 1000, at-once = 100 }}
[[integration]]
id = "token"
direction = "to-servicenow"
flashduty = {{ url = "{url}", credential = "flashduty" }}
servicenow = {{ url = "{url}", credential = "basic" }}
reconcile = {{ flashduty = false, servicenow = false }}
[[integration]]
id = "signed"
direction = "to-servicenow"
flashduty = {{ url = "{url}", credential = "flashduty" }}
servicenow = {{ url = "{url}", credential = "oauth" }}
reconcile = {{ flashduty = false, servicenow = false }}
"#
    )
}

/// What the senders prove themselves with.
#[derive(Clone)]
struct Sender {
    token: String,
    key: String,
}

impl Sender {
    fn send(&self, gateway: &Gateway, number: u64) {
        let id = format!("{number:024x}");
        let body = json!({ "event_type": "i_new", "incident": incident(&id) }).to_string();
        let (path, proof) = if number.is_multiple_of(2) {
            ("token", format!("authorization: Bearer {}\r\n", self.token))
        } else {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_secs();
            let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).unwrap();
            mac.update(format!("{id}.{now}.{body}").as_bytes());
            let signature = STANDARD.encode(mac.finalize().into_bytes());
            let proof = format!(
                "webhook-id: {id}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: v1,{signature}\r\n"
            );
            ("signed", proof)
        };
        let answer = gateway.send(0, &format!("POST /flashduty/{path}"), &proof, &body);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
}

impl Gateway {
    fn operator(&self, token: &str, what: &str) -> String {
        let proof = format!("authorization: Bearer {token}\r\n");
        self.send(1, what, &proof, "")
    }
}

#[test]
fn every_secret_is_exchanged_under_load_and_no_event_fails() {
    let all = [
        "app-key-1",
        "app-key-2",
        "user:password-1",
        "user:password-2",
        "client-1",
        "client-2",
    ];
    let (far_ends, url) = FarEnds::start(&all);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("sync.toml", &configuration(&url));
    for (name, secret) in [
        ("app-key", "app-key-1"),
        ("password", "password-1"),
        ("client-secret", "client-1"),
        ("webhook-token", "token-1"),
        ("next-webhook-token", "none-yet-1"),
        ("signing-key", "key-1"),
        ("next-signing-key", "none-yet-2"),
        ("admin-token", "canary-admin-token"),
        ("next-admin-token", "none-yet-3"),
    ] {
        write(name, secret);
    }
    let gateway = Gateway::start(folder.path());
    let sender = Mutex::new(Sender {
        token: "token-1".into(),
        key: "key-1".into(),
    });
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let now = sender.lock().unwrap().clone();
                    now.send(&gateway, sent.fetch_add(1, Ordering::SeqCst));
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
        let rotating = scope.spawn(|| {
            let admin = Mutex::new("canary-admin-token");
            let reload = |name: &str, secret: &str| {
                let applied = || {
                    let text = gateway.operator(*admin.lock().unwrap(), "GET /metrics");
                    let name = "gateway_configuration_reloads_total{outcome=\"applied\"}";
                    let line = text.lines().find_map(|line| line.strip_prefix(name));
                    line.expect(&text).trim().parse::<u64>().unwrap()
                };
                let before = applied();
                write(name, secret);
                gateway.signal("-HUP");
                let begin = Instant::now();
                while applied() == before {
                    assert!(begin.elapsed() < PATIENCE, "{name} is not taken");
                    thread::sleep(Duration::from_millis(20));
                }
            };
            // Outbound: the far end knows both, the file changes, the old one ends.
            for (name, new, old) in [
                ("app-key", "app-key-2", "app-key-1"),
                ("password", "password-2", "user:password-1"),
                ("client-secret", "client-2", "client-1"),
            ] {
                reload(name, new);
                far_ends.retire(old);
            }
            // Inbound: the gateway knows both, the sender changes, the old one ends.
            reload("next-webhook-token", "token-2");
            reload("next-signing-key", "key-2");
            *sender.lock().unwrap() = Sender {
                token: "token-2".into(),
                key: "key-2".into(),
            };
            thread::sleep(A_WHILE);
            reload("webhook-token", "token-3");
            reload("signing-key", "key-3");
            reload("next-admin-token", "admin-2");
            *admin.lock().unwrap() = "admin-2";
            reload("admin-token", "admin-3");
            stop.store(true, Ordering::SeqCst);
        });
        // A failure must end the senders too.
        let outcome = rotating.join();
        stop.store(true, Ordering::SeqCst);
        outcome.unwrap();
    });
    let begin = Instant::now();
    let status = || {
        let answer = gateway.operator("admin-2", "GET /status");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()
    };
    let work = |token| gateway.operator(token, "GET /work");
    while status()["work"]["due"] != 0 || status()["work"]["running"] != 0 {
        assert!(begin.elapsed() < PATIENCE, "{:?}", work("admin-2"));
        thread::sleep(Duration::from_millis(50));
    }
    let done = json!({ "due": 0, "waiting": 0, "running": 0, "parked": 0 });
    assert_eq!(status()["work"], done, "{}", work("admin-2"));
    let sent = sent.load(Ordering::SeqCst);
    assert_eq!(far_ends.rejected.load(Ordering::SeqCst), 0);
    assert_eq!(far_ends.created.load(Ordering::SeqCst), sent);
    println!("{sent} events, none failed");
    // What was replaced opens nothing any more.
    let answer = gateway.operator("canary-admin-token", "GET /status");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    for (token, status) in [("token-1", 401), ("token-2", 200), ("token-3", 200)] {
        let proof = format!("authorization: Bearer {token}\r\n");
        let body = json!({ "event_type": "i_new", "incident": incident(&format!("{:024x}", 0)) });
        let answer = gateway.send(0, "POST /flashduty/token", &proof, &body.to_string());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

//! Secrets of every kind, and a plugin that keeps all it is ever given: none of
//! them is in its memory, nor in anything that the gateway writes or answers.

#[path = "../plugin/mod.rs"]
mod plugin;

use super::Asked;
use super::FarEnd;
use super::Gateway;
use plugin::Plugin;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Each secret holds this word, and the kinds of credentials that carry them.
const CANARY: &str = "canary";
const CREDENTIALS: [&str; 6] = ["query", "basic", "bearer", "header", "oauth", "owner"];

/// Ways to write the word that a careless encoding would leave: as it is, and
/// in base64 at each of the three places where it may begin.
const FORMS: [&str; 5] = ["canary", "Canary", "Y2FuYXJ5", "NhbmFye", "jYW5hcn"];

/// Asks with each credential at once, keeps its whole memory, and answers.
fn hoarder(origin: &str) -> Vec<u8> {
    let mut ask = String::new();
    // One route: /x.
    let mut fields = format!(
        "(data (i32.const 516) \"\\00\\03\\00\\00\\01\")
         (data (i32.const 768) \"\\00\\05\\00\\00\\02\")
         (data (i32.const 1280) \"/x\")
         (data (i32.const 3000) \"POSTdump\") (data (i32.const 3100) \"{origin}/echo\")"
    );
    for (n, name) in CREDENTIALS.iter().enumerate() {
        let (at, name_at) = (4608 + 56 * n, 3200 + 16 * n);
        let mut store = |offset: usize, value: usize| {
            let _ = write!(
                ask,
                "(i32.store (i32.const {}) (i32.const {value}))",
                at + offset
            );
        };
        store(0, 1);
        store(8, 3000);
        store(12, 4);
        store(16, 3100);
        store(20, origin.len() + 5);
        store(40, 1);
        store(44, name_at);
        store(48, name.len());
        store(52, 5000);
        let _ = write!(fields, "(data (i32.const {name_at}) \"{name}\")");
    }
    let resume = format!(
        "(if (i32.eq (global.get $calls) (i32.const 1)) (then {ask}
            (i32.store (i32.const 1024) (i32.const 4608))
            (i32.store (i32.const 1028) (i32.const {}))
            (return (i32.const 1024))))
        (if (i32.eq (global.get $calls) (i32.const 2)) (then
            ;; Write `dump`, which must be absent, with all of the memory.
            (i32.store (i32.const 2048) (i32.const 4))
            (i32.store (i32.const 2056) (i32.const 3004))
            (i32.store (i32.const 2060) (i32.const 4))
            (i32.store (i32.const 2080) (i32.const 1))
            (i32.store (i32.const 2088) (i32.const 1048576))
            (i32.store16 (i32.const 2112) (i32.const 200))
            (i32.store (i32.const 1024) (i32.const 2048))
            (i32.store (i32.const 1028) (i32.const 2))
            (return (i32.const 1024))))
        (i32.const 0)",
        CREDENTIALS.len()
    );
    // What is passed is kept behind the effects.
    let realloc = "
        (if (i32.lt_u (global.get $heap) (i32.const 8192)) (then (global.set $heap (i32.const 8192))))
        (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
        (global.get $heap)
        (global.set $heap (i32.add (global.get $heap) (local.get 3)))";
    let plugin = Plugin {
        pages: 16,
        fields: &fields,
        configure: "(i32.const 512)",
        realloc,
        resume: &resume,
        ..Plugin::default()
    };
    plugin.component()
}

/// Answers with all that it was sent, as debugging proxies and error pages do.
fn repeat(asked: Asked) {
    if asked.what == "POST /token" {
        let token = r#"{"access_token":"canary-access-token","refresh_token":"canary-refresh"}"#;
        return asked.answer("200 OK", token);
    }
    let body = format!("control-answer {} {}", asked.head, asked.body);
    asked.answer("500 Internal Server Error", &body);
}

fn configuration(origin: &str) -> String {
    format!(
        r#"
plugin = {{ path = "hoarder.wasm" }}
log = {{ level = "trace" }}
server.listen = "127.0.0.1:0"
admin = {{ listen = "127.0.0.1:0", token = [{{ file = "admin" }}] }}
egress.private = ["127.0.0.0/8"]
[[webhook]]
path = "/x"
bearer = [{{ file = "bearer-in" }}]
url-token = [{{ file = "url-token" }}]
[credential.query]
kind = "query"
origin = "{origin}"
name = "app_key"
value = {{ file = "query" }}
[credential.basic]
kind = "basic"
origin = "{origin}"
user = "ana"
password = {{ file = "password" }}
[credential.bearer]
kind = "bearer"
origin = "{origin}"
token = {{ file = "bearer-out" }}
[credential.header]
kind = "header"
origin = "{origin}"
name = "x-key"
value = {{ file = "header" }}
[credential.oauth]
kind = "oauth2-client-credentials"
origin = "{origin}"
token-url = "{origin}/token"
client-id = "id"
client-secret = {{ file = "client-secret" }}
[credential.owner]
kind = "oauth2-password"
origin = "{origin}"
token-url = "{origin}/token"
client-id = "id"
client-secret = {{ file = "client-secret" }}
user = "ana"
password = {{ file = "password" }}
"#
    )
}

/// A command of the operator, and all that it prints.
fn told(folder: &Path, command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"))
        .args(command)
        .arg("--config")
        .arg(folder.join("sync.toml"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[track_caller]
fn assert_no_canary(place: &str, bytes: &[u8]) {
    for form in FORMS {
        let found = bytes
            .windows(form.len())
            .position(|part| part == form.as_bytes());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(80)..(at + 80).min(bytes.len())];
            panic!("{form} in {place}: {}", String::from_utf8_lossy(around));
        }
    }
}

#[test]
fn a_plugin_that_keeps_all_it_is_given_has_no_secret() {
    let far_end = FarEnd::new();
    let origin = format!("http://{}", far_end.address);
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "admin",
        "bearer-in",
        "url-token",
        "query",
        "password",
        "bearer-out",
        "header",
        "client-secret",
    ] {
        let secret = format!("{CANARY}/{name}-0123456789");
        let secret = match name {
            // It stands in a path.
            "url-token" => secret.replace('/', "-"),
            _ => secret,
        };
        fs::write(folder.path().join(name), secret).unwrap();
    }
    fs::write(folder.path().join("hoarder.wasm"), hoarder(&origin)).unwrap();
    fs::write(folder.path().join("sync.toml"), configuration(&origin)).unwrap();
    let mut gateway = Gateway::start_unchecked(
        Command::new(env!("CARGO_BIN_EXE_servicenow-sync")),
        folder.path(),
    );

    let answering = thread::spawn(move || {
        let mut asked = Vec::new();
        while let Ok(next) = far_end.asked.recv_timeout(Duration::from_secs(3)) {
            asked.push(format!("{} {}", next.head, next.body));
            repeat(next);
        }
        asked
    });
    let proof = "authorization: Bearer canary/bearer-in-0123456789\r\nx-known: control-header\r\n";
    let mut answers = gateway.send(0, "POST /x?a=control-query", proof, "control-body");
    assert!(answers.starts_with("HTTP/1.1 200 "), "{answers}");
    // Proofs that do not hold, and one in the path, whose dump is refused.
    answers += &gateway.send(0, "POST /x", "authorization: Bearer canary-guess\r\n", "{}");
    answers += &gateway.send(0, "POST /x/canary-url-token-0123456789", "", "{}");
    let admin = "authorization: Bearer canary/admin-0123456789\r\n";
    for path in [
        "/status", "/work", "/metrics", "/healthz", "/readyz", "/nothing",
    ] {
        answers += &gateway.send(1, &format!("GET {path}"), admin, "");
    }
    // A reload that fails, and one that does not.
    let good = configuration(&origin);
    for text in [
        good.replace("\"header\"\norigin", "\"heder\"\norigin"),
        good,
    ] {
        fs::write(folder.path().join("sync.toml"), text).unwrap();
        gateway.signal("-HUP");
        thread::sleep(Duration::from_millis(700));
    }
    answers += &told(folder.path(), &["check"]);
    let sent = answering.join().unwrap().join("\n");
    gateway.signal("-TERM");
    assert_eq!(gateway.end(), Some(0));
    answers += &told(folder.path(), &["store", "export"]);

    // Each secret was in use, and what is no secret did reach the plugin.
    for secret in [
        "app_key=canary%2Fquery",
        "YW5hOmNhbmFyeS9wYXNzd29yZC0wMTIzNDU2Nzg5",
        "Bearer canary/bearer-out",
        "x-key: canary/header",
        "Bearer canary-access-token",
        "client_secret=canary%2Fclient-secret",
        "password=canary%2Fpassword",
    ] {
        assert!(sent.contains(secret), "{secret} is not in {sent}");
    }
    let store = fs::read(folder.path().join("sync.redb")).unwrap();
    for control in [
        "control-body",
        "control-header",
        "control-query",
        "control-answer",
        "[secret]",
    ] {
        let is_there = store
            .windows(control.len())
            .any(|part| part == control.as_bytes());
        assert!(is_there, "{control} did not reach the plugin");
    }
    assert_no_canary("the store, with the plugin's memory", &store);
    assert_no_canary("the answers", answers.as_bytes());
    assert_no_canary("the log", &fs::read(folder.path().join("log")).unwrap());
}

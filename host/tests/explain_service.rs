//! `dist/servicenow_sync_explain.wasm` in a runtime that has WASI 0.2 with HTTP
//! and nothing else: it answers what `servicenow-sync explain --json` prints.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use spin_like::manifest::Application;
use spin_like::server::Loaded;
use spin_like::server::Server;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use tempfile::tempdir;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const TOKEN: &str = "canary-operator-0123456789";
const MEMORY: usize = 64 << 20;
/// The longest body that is taken.
const MOST: usize = 512 << 10;

/// None of the secrets exists.
const CONFIGURATION: &str = r#"
    [server]
    listen = "127.0.0.1:8080"
    [admin]
    listen = "127.0.0.1:8081"
    token = [{ file = "secrets/admin-token" }]
    [store]
    url = { env = "STORE_URL" }
    [[webhook]]
    path = "/flashduty/prod"
    bearer = [{ env = "NOT_SET" }]
    [[webhook]]
    path = "/servicenow/prod"
    bearer = [{ env = "NOT_SET" }]
    [credential.servicenow]
    kind = "basic"
    origin = "https://example.service-now.com"
    user = "flashduty"
    password = { file = "none" }
    [[integration]]
    id = "prod"
    name = "Production"
    direction = "two-way"
    conditions = [[{ key = "labels.env", oper = "IN", vals = ["prod"] }]]
    flashduty = { channels = [410000000777], credential = "flashduty" }
    servicenow = { url = "https://example.service-now.com", credential = "servicenow" }
    [[integration.field]]
    column = "u_service"
    value = "{{labels.service}}"
    [[integration.field]]
    column = "u_tier"
    value = "{{labels.env}}"
    map = { staging = "2" }
"#;

/// A second integration, which takes the same events of Flashduty.
const SECOND: &str = r#"
    [[integration]]
    id = "test"
    name = "Test"
    direction = "to-servicenow"
    flashduty = { channels = [410000000777], credential = "flashduty" }
    servicenow = { url = "https://example.service-now.com", credential = "servicenow" }
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn event(name: &str) -> Vec<u8> {
    fs::read(root().join("tests/events").join(name)).unwrap()
}

fn application(variables: &[(&str, &str)]) -> Application {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Application {
        source: root().join("dist/servicenow_sync_explain.wasm"),
        environment: variables.iter().map(owned).collect::<BTreeMap<_, _>>(),
        ..Application::default()
    }
}

/// The service, which ends with this value.
async fn service(variables: &[(&str, &str)]) -> Server {
    let cache = root().join("dist/cache");
    let loaded = Loaded::on_wasi_alone(application(variables), &cache).unwrap();
    Server::start(&loaded, &cache, MEMORY).await.unwrap()
}

async fn configured(configuration: &str) -> Server {
    service(&[("SYNC_CONFIG", configuration), ("ADMIN_TOKEN", TOKEN)]).await
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Why there is no explanation.
    fn error(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["error"].as_str().unwrap().to_owned()
    }
}

/// Sends a request and reads all of its answer.
async fn send(
    server: &Server,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(server.address()).await?;
    let length = body.len();
    let mut head =
        format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let request = [head.as_bytes(), b"\r\n", body].concat();
    stream.write_all(&request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains(TOKEN));
    Ok(Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: answer[end + 4..].to_vec(),
    })
}

async fn ask(server: &Server, target: &str, content_type: &str, body: &[u8]) -> Answer {
    let token = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", content_type),
    ];
    let line = format!("POST {target}");
    send(server, &line, &headers, body).await.unwrap()
}

/// A form as curl sends it.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, content) in parts {
        let head = format!(
            "--b42\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.json\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        form.extend(head.into_bytes());
        form.extend(*content);
        form.extend(b"\r\n");
    }
    form.extend(b"--b42--\r\n");
    form
}

const FORM: &str = "multipart/form-data; boundary=b42";

/// What the command says about the same: its exit code, what it prints, and what
/// it complains of.
fn command(
    configuration: &str,
    event: &[u8],
    path: Option<&str>,
    pair: Option<&[u8]>,
) -> (Option<i32>, Vec<u8>, String) {
    let folder = tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        file
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_servicenow-sync"));
    command.args(["explain", "--json", "--plugin"]);
    command.arg(root().join("dist/servicenow_sync.wasm"));
    command.arg("--config");
    command.arg(file("sync.toml", configuration.as_bytes()));
    command.arg("--event").arg(file("event", event));
    if let Some(path) = path {
        command.args(["--path", path]);
    }
    if let Some(pair) = pair {
        command.arg("--pair").arg(file("pair", pair));
    }
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    (status.code(), stdout, stderr.trim_end().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_answers_to_the_byte_what_the_command_prints() {
    let server = configured(CONFIGURATION).await;
    let new = event("i_new.json");
    let other = String::from_utf8(new.clone()).unwrap();
    let other = other.replace("\"prod\"", "\"staging\"").into_bytes();
    for (name, event, kind) in [
        ("a new incident", new, "sends"),
        ("one that takes no part", other, "nothing"),
        ("an acknowledgement", event("i_ack.json"), "sends"),
        ("the business rule", event("business_rule.json"), "sends"),
        ("the button", event("ui_action.json"), "sends"),
    ] {
        let (code, printed, complaint) = command(CONFIGURATION, &event, None, None);
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "{name}");
        let answer = ask(&server, "/explain", "application/json", &event).await;
        assert_eq!(answer.status, 200, "{name}");
        assert!(answer.head.contains("content-type: application/json"));
        assert!(answer.body == printed, "{name}");
        let document: Value = serde_json::from_slice(&printed).unwrap();
        assert_eq!(document["outcome"]["kind"], kind, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pair_is_a_part_of_a_form_and_the_path_stands_in_the_query() {
    let event = event("i_ack.json");
    let pair = self::event("pair.json");
    let configuration = format!("{CONFIGURATION}{SECOND}");
    let path = "/flashduty/prod";
    let (code, printed, complaint) = command(&configuration, &event, Some(path), Some(&pair));
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let document: Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(document["requests"][0]["body"]["state"], "2");

    let server = configured(&configuration).await;
    let form = form(&[("event", &event), ("pair", &pair)]);
    let answer = ask(&server, "/explain?path=/flashduty/prod", FORM, &form).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == printed);

    // Without the path the command and the service say what they want of it.
    let (code, _, complaint) = command(&configuration, &event, None, Some(&pair));
    assert_eq!(code, Some(1));
    let answer = ask(&server, "/explain", FORM, &form).await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.error(),
        complaint.replace("one with --path: ", "one of them as /explain?path=PATH: ")
    );
    assert!(answer.error().ends_with("/flashduty/prod, /flashduty/test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_cannot_explain_the_service_refuses_with_the_same_words() {
    let server = configured(CONFIGURATION).await;
    let ack = event("i_ack.json");
    for (event, path, pair) in [
        (b"{}".as_slice(), None, None),
        (b"", None, None),
        (b"\xff\x00{", None, None),
        (b"[[[[[[[[", None, None),
        (&ack, Some("/flashduty/staging"), None),
        (&ack, Some("/servicenow/prod"), None),
        (&ack, None, Some(b"{\"servicenow\": 1}".as_slice())),
        (&ack, None, Some(b"no JSON")),
    ] {
        let (code, printed, complaint) = command(CONFIGURATION, event, path, pair);
        assert_eq!((code, printed.len()), (Some(1), 0), "{complaint}");
        let query = path.map_or(String::new(), |path| format!("?path={path}"));
        let mut parts = vec![("event", event)];
        parts.extend(pair.map(|pair| ("pair", pair)));
        let answer = ask(&server, &format!("/explain{query}"), FORM, &form(&parts)).await;
        assert_eq!((answer.status, answer.error()), (422, complaint));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_is_told_so_whatever_is_asked_and_however_it_is_configured() {
    let expected = "expected the header authorization: Bearer <token>, with the token that the \
                    environment variable ADMIN_TOKEN holds here";
    for configuration in [CONFIGURATION, "", "no = toml = at all"] {
        let server = configured(configuration).await;
        for line in [
            "POST /explain",
            "GET /explain",
            "GET /status",
            "POST /healthz",
        ] {
            for token in ["", "Bearer", "Bearer x", "Bearer ", "Basic YTpi"] {
                let headers = [("authorization", token)];
                let answer = send(&server, line, &headers, b"{").await.unwrap();
                assert_eq!(
                    (answer.status, answer.error().as_str()),
                    (401, expected),
                    "{line} {token}"
                );
                assert!(answer.head.contains("www-authenticate: bearer"));
            }
        }
        let answer = send(&server, "GET /healthz", &[], b"").await.unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, b"{\"alive\":true}\n".as_slice())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_configured_token_it_answers_nobody_and_says_what_to_do() {
    let expected = "the environment variable ADMIN_TOKEN is empty, so nobody may ask; set it to a \
                    token that nobody can guess, and start this again";
    for token in [None, Some(""), Some(" \n")] {
        let mut variables = vec![("SYNC_CONFIG", CONFIGURATION)];
        variables.extend(token.map(|token| ("ADMIN_TOKEN", token)));
        let server = service(&variables).await;
        for presented in ["", "Bearer ", "Bearer x"] {
            let headers = [("authorization", presented)];
            let event = event("i_new.json");
            let answer = send(&server, "POST /explain", &headers, &event).await;
            let answer = answer.unwrap();
            assert_eq!((answer.status, answer.error().as_str()), (503, expected));
        }
        let alive = send(&server, "GET /healthz", &[], b"").await.unwrap();
        assert_eq!(alive.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_used_is_told_to_the_operator() {
    let misspelt = CONFIGURATION
        .replace("kind = \"basic\"", "kind = \"basic\"\nspeed = 1")
        .replace("two-way", "two-ways");
    for (configuration, expected) in [
        (
            "",
            "the configuration cannot be used:\n  the environment variable SYNC_CONFIG is empty; \
             expected the text of sync.toml in it, for instance by SYNC_CONFIG=\"$(cat sync.toml)\"",
        ),
        (
            "[admin]\n= 1",
            "the configuration cannot be used:\n  SYNC_CONFIG: line 2: not valid TOML: expected a key",
        ),
        (
            misspelt.as_str(),
            "the configuration cannot be used:\n  SYNC_CONFIG: credential.servicenow.speed: \
             unknown key \"speed\"; ",
        ),
        (
            misspelt.as_str(),
            "\n  SYNC_CONFIG: integration.0.direction: unknown value \"two-ways\"; did you mean \
             \"two-way\"?",
        ),
    ] {
        let server = configured(configuration).await;
        let answer = ask(&server, "/explain", "", &event("i_new.json")).await;
        assert_eq!(answer.status, 503);
        let told = answer.error();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_told() {
    let server = configured(CONFIGURATION).await;
    let token = format!("Bearer {TOKEN}");
    let headers = [("authorization", token.as_str())];
    for (line, status, expected) in [
        ("GET /explain", 405, "expected POST"),
        ("PUT /explain", 405, "expected POST"),
        ("POST /", 404, "expected POST /explain or GET /healthz"),
        (
            "POST /healthz",
            404,
            "expected POST /explain or GET /healthz",
        ),
        (
            "POST /explain?pair=a",
            400,
            "expected the query path=PATH or none, found \"pair\"; the event and the pair go into \
             the body",
        ),
    ] {
        let answer = send(&server, line, &headers, b"{}").await.unwrap();
        assert_eq!((answer.status, answer.error().as_str()), (status, expected));
        assert_eq!(answer.head.contains("allow: post"), status == 405);
    }
    let answer = ask(&server, "/explain", FORM, b"--b42\r\n").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.error(),
        "the form is cut: it ends before its last boundary"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_512_kib_is_read_and_a_longer_one_is_not() {
    let server = configured(CONFIGURATION).await;
    let mut body = event("i_new.json");
    body.resize(MOST, b' ');
    let answer = ask(&server, "/explain", "application/json", &body).await;
    assert_eq!(answer.status, 200);
    // As much of it as fits into the memory of 64 MiB that this instance has.
    let list = [b"[".as_slice(), &b"[],".repeat(MOST / 3 - 1), b"1]"].concat();
    let answer = ask(&server, "/explain", "application/json", &list).await;
    assert_eq!(answer.status, 422);
    body.push(b' ');
    let answer = ask(&server, "/explain", "application/json", &body).await;
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.error(),
        "the body is longer than the 524288 bytes that are accepted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_malformed_body_is_answered_with_a_failure_of_the_service() {
    let server = configured(CONFIGURATION).await;
    let mut random = fastrand::Rng::with_seed(20_261_201);
    let events = [
        "i_new.json",
        "i_ack.json",
        "business_rule.json",
        "ui_action.json",
    ]
    .map(event);
    let pair = event("pair.json");
    let mut refused = 0;
    for _ in 0..200 {
        let mut parts = [events[random.usize(..events.len())].clone(), pair.clone()];
        for _ in 0..random.usize(1..5) {
            let part = &mut parts[random.usize(..2)];
            let at = random.usize(..part.len());
            match random.u8(..4) {
                0 => part[at] = random.u8(..),
                1 => part.insert(at, part[random.usize(..part.len())]),
                2 => part.truncate(at.max(1)),
                _ => drop(part.remove(at)),
            }
            if part.is_empty() {
                part.push(b'{');
            }
        }
        let body = form(&[("event", &parts[0]), ("pair", &parts[1])]);
        let answer = ask(&server, "/explain", FORM, &body).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert!(
            matches!(answer.status, 200 | 400 | 422),
            "{}: {body}",
            answer.status
        );
        refused += usize::from(answer.status != 200);
    }
    assert!((20..200).contains(&refused), "{refused} were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn spin_runs_it_too() {
    let variables = [("SYNC_CONFIG", CONFIGURATION), ("ADMIN_TOKEN", TOKEN)];
    let cache = root().join("dist/cache");
    let loaded = Loaded::new(application(&variables), &cache).unwrap();
    let server = Server::start(&loaded, &cache, MEMORY).await.unwrap();
    let answer = ask(&server, "/explain", "", &event("i_new.json")).await;
    assert_eq!(answer.status, 200);
}

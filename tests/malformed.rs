//! Ten thousand bodies that nobody meant to send, made of real ones, against
//! the real component: each is taken or refused with a reason, none breaks
//! anything, and nothing is written anywhere.
//!
//! `MALFORMED_BODIES` says how many, `MALFORMED_SEED` which.
#![allow(clippy::unwrap_used)]

use integration_gateway::Client;
use integration_gateway::Environment;
use integration_gateway::Gateway;
use integration_gateway::Incoming;
use integration_gateway::MemoryStore;
use integration_gateway::Next;
use integration_gateway::OutgoingRequest;
use integration_gateway::Policy;
use integration_gateway::Secret;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;
use integration_gateway::settings::Settings;
use serde_json::Value;
use serde_json::json;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::Mutex;
use support::world::component;

/// As they are sent, and to which path.
const REAL: [(&str, &str); 4] = [
    ("flashduty", include_str!("events/i_new.json")),
    ("flashduty", include_str!("events/i_ack.json")),
    ("servicenow", include_str!("events/business_rule.json")),
    ("servicenow", include_str!("events/ui_action.json")),
];

/// The only paths of Flashduty's API that change nothing.
const READS: [&str; 5] = ["info", "list", "list-by-ids", "feed", "past/list"];

/// After so many a new gateway, as if the old one had been started again.
const BODIES: usize = 500;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// xorshift64*: the same seed, the same bodies.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// A real body with some of its values exchanged.
fn value(dice: &mut Dice, real: &str) -> Value {
    let mut body: Value = serde_json::from_str(real).unwrap();
    for _ in 0..=dice.below(4) {
        let mut at = &mut body;
        for _ in 0..dice.below(5) {
            let inside = match at {
                Value::Object(object) => object.len(),
                Value::Array(list) => list.len(),
                _ => 0,
            };
            if inside == 0 {
                break;
            }
            let index = dice.below(inside);
            at = match at {
                Value::Object(object) => object.values_mut().nth(index).unwrap(),
                other => &mut other[index],
            };
        }
        *at = strange(dice, at);
    }
    body
}

/// Something that does not belong there.
fn strange(dice: &mut Dice, old: &Value) -> Value {
    match dice.below(12) {
        0 => Value::Null,
        1 => json!([old]),
        2 => json!({ "": old }),
        3 => json!(old.to_string()),
        4 => json!(dice.below(2) == 0),
        5 => json!(*dice.of(&[0_i64, -1, i64::MAX, i64::MIN, 1_780_300_800_000])),
        6 => json!(*dice.of(&[0.5, -0.0, 1e300, 1e-300])),
        7 => json!(u64::MAX),
        8 => json!(dice.of(&[
            "é",
            "\0",
            "\u{202e}",
            "^NQ",
            "{{title}}",
            "[code]",
            "../..",
            ""
        ])),
        9 => json!("x".repeat(dice.below(20_000))),
        10 => (0..dice.below(120)).fold(json!(1), |inside, _| json!([inside])),
        _ => (0..dice.below(300)).map(|n| json!({ "n": n })).collect(),
    }
}

/// The bytes of a body with some of them exchanged.
fn bytes(dice: &mut Dice, body: &Value) -> Vec<u8> {
    let mut bytes = body.to_string().into_bytes();
    let at = |dice: &mut Dice, bytes: &[u8]| dice.below(bytes.len().max(1));
    match dice.below(10) {
        0 => bytes.truncate(at(dice, &bytes)),
        1 => {
            for _ in 0..=dice.below(8) {
                let index = at(dice, &bytes);
                bytes[index] = dice.below(256) as u8;
            }
        }
        2 => {
            let (index, more) = (at(dice, &bytes), "[".repeat(dice.below(400)));
            bytes.splice(index..index, more.into_bytes());
        }
        3 => {
            bytes = body
                .to_string()
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect();
        }
        4 => {
            let prefix = *dice.of(&[
                &b"\xef\xbb\xbf"[..],
                b"\x1f\x8b\x08",
                b"--boundary\r\n",
                b"a=",
            ]);
            bytes.splice(0..0, prefix.iter().copied());
        }
        5 => {
            let index = at(dice, &bytes);
            let part = bytes[index..].to_vec();
            bytes.extend(part);
        }
        _ => {}
    }
    bytes
}

/// The far ends, where nothing is to be found.
#[derive(Clone, Default)]
struct Nothing {
    asked: Arc<Mutex<u64>>,
}

impl Client for Nothing {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        *self.asked.lock().unwrap() += 1;
        let (path, method) = (request.url.path().to_owned(), request.method.as_str());
        let is_read = match path.strip_prefix("/incident/") {
            Some(call) => READS.contains(&call),
            None => method == "GET",
        };
        assert!(is_read, "{method} {path} was sent");
        Ok(Response {
            status: 404,
            headers: vec![("content-type".into(), "application/json".into())],
            body: br#"{"error":{"code":"ResourceNotFound","message":"No Record found"}}"#.to_vec(),
        })
    }
}

struct Still;

impl Environment for Still {
    fn now_ms(&self) -> u64 {
        1_780_300_800_000
    }

    fn steady_ms(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        7
    }

    async fn sleep(&self, _: u64) {}

    fn work_due(&self, _: u64) {}
}

fn gateway(
    runtime: &WasmRuntime,
    far_ends: &Nothing,
) -> Gateway<WasmRuntime, MemoryStore, Nothing, Still> {
    let secret = json!([{ "env": "TOKEN" }]);
    let settings = json!({
        "webhook": [
            { "path": "/flashduty/prod", "bearer": secret },
            { "path": "/servicenow/prod", "bearer": secret },
        ],
        "credential": {
            "flashduty": { "kind": "query", "origin": "https://api.flashcat.cloud",
                "name": "app_key", "value": secret[0] },
            "servicenow": { "kind": "basic", "origin": "https://example.service-now.com",
                "user": secret[0], "password": secret[0] },
        },
    });
    let settings: Settings = serde_json::from_value(settings).unwrap();
    let configuration = json!({ "integration": [{
        "id": "prod",
        "direction": "two-way",
        "flashduty": { "credential": "flashduty", "channels": [410_000_000_777_i64] },
        "servicenow": { "url": "https://example.service-now.com", "credential": "servicenow" },
    }] });
    let configuration = configuration.to_string();
    let requirements = runtime.configure(&configuration).unwrap().unwrap();
    let resolve = |_: &_| Ok(Secret::new("correct-horse-battery"));
    let policy = Policy::build(&settings, "test", &requirements, &resolve).unwrap();
    let (runtime, far_ends) = (runtime.clone(), far_ends.clone());
    Gateway::new(
        policy,
        configuration,
        runtime,
        MemoryStore::new(),
        far_ends,
        Still,
    )
}

/// What this process holds in memory, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn no_malformed_body_breaks_the_plugin_or_is_written_anywhere() {
    let bodies = usize::try_from(setting("MALFORMED_BODIES", 10_000)).unwrap();
    let mut dice = Dice(setting("MALFORMED_SEED", 0x5eed));
    let options = RuntimeOptions {
        cache_directory: Some(component().with_file_name("cache")),
        ..RuntimeOptions::default()
    };
    let runtime = WasmRuntime::from_file(&component(), &options).unwrap();
    let far_ends = Nothing::default();
    let mut answers: BTreeMap<u16, u64> = BTreeMap::new();
    let mut after_warming_up = 0;
    let mut under_test = gateway(&runtime, &far_ends);
    for number in 0..bodies {
        if number % BODIES == 0 {
            under_test = gateway(&runtime, &far_ends);
            under_test.recover().await.unwrap();
        }
        let (side, real) = *dice.of(&REAL);
        let body = value(&mut dice, real);
        let body = bytes(&mut dice, &body);
        let content_type = match dice.below(8) {
            0 => *dice.of(&[
                "text/plain",
                "application/json; charset=utf-16",
                "",
                "\u{e9}/\0",
            ]),
            _ => "application/json",
        };
        let incoming = Incoming {
            method: "POST".into(),
            path: format!("/{side}/prod"),
            query: String::new(),
            headers: vec![
                (
                    "authorization".into(),
                    "Bearer correct-horse-battery".into(),
                ),
                ("content-type".into(), content_type.into()),
            ],
            body,
        };
        let mut given = None;
        under_test
            .receive(incoming.clone(), |answer| given = Some(answer))
            .await;
        let answer = given.unwrap();
        let shown = || String::from_utf8_lossy(&incoming.body).into_owned();
        let expected: &[u16] = match content_type {
            "application/json" | "application/json; charset=utf-16" => &[200, 400],
            _ => &[415],
        };
        assert!(
            expected.contains(&answer.status),
            "body {number}: {} {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body),
            shown()
        );
        *answers.entry(answer.status).or_default() += 1;
        while under_test.run_next().await == Next::Ran {}
        let metrics = under_test.metrics().encode();
        assert!(
            !metrics.contains("verdict=\"failed\""),
            "body {number}: {}",
            shown()
        );
        if number == bodies / 10 {
            after_warming_up = resident();
        }
    }
    let grown = resident().saturating_sub(after_warming_up);
    assert!(grown < 16 << 20, "memory has grown by {grown} bytes");
    let asked = *far_ends.asked.lock().unwrap();
    assert!(
        asked > 0,
        "no body was taken for what it looks like: {answers:?}"
    );
    for status in [200, 400, 415] {
        assert!(answers[&status] > 0, "{answers:?}");
    }
}

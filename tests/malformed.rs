//! Ten thousand bodies that nobody meant to send, made of real ones, against
//! the real component: each is taken or refused with a reason, none breaks
//! anything, and nothing is written anywhere, though the incidents of which they
//! tell are there.
//!
//! `MALFORMED_BODIES` says how many, `MALFORMED_SEED` which.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use integration_gateway::Client;
use integration_gateway::Environment;
use integration_gateway::Gateway;
use integration_gateway::Incoming;
use integration_gateway::MemoryStore;
use integration_gateway::Next;
use integration_gateway::OutgoingRequest;
use integration_gateway::Policy;
use integration_gateway::Refused;
use integration_gateway::Secret;
use integration_gateway::SendFailure;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::contract::Entry;
use integration_gateway::contract::Page;
use integration_gateway::contract::Response;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use integration_gateway::settings::SecretRef;
use integration_gateway::settings::Settings;
use serde_json::Value;
use serde_json::json;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use simulators::Simulator as _;
use simulators::flashduty;
use simulators::flashduty::Action;
use simulators::flashduty::Flashduty;
use simulators::flashduty::NewIncident;
use simulators::flashduty::READS;
use simulators::flashduty::Reset;
use simulators::flashduty::Severity;
use simulators::servicenow;
use simulators::servicenow::ServiceNow;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use support::world::component;

/// As they are sent, and to which path.
const REAL: [(&str, &str); 4] = [
    ("flashduty", include_str!("events/i_new.json")),
    ("flashduty", include_str!("events/i_ack.json")),
    ("servicenow", include_str!("events/business_rule.json")),
    ("servicenow", include_str!("events/ui_action.json")),
];

/// With which both systems prove themselves.
const TOKEN: &str = "correct-horse-battery";

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

/// Both systems, in each of which one incident was opened.
struct Systems {
    flashduty: Flashduty,
    servicenow: ServiceNow,
    /// Requests about the two incidents, and all.
    asked: [u64; 2],
    written: Vec<String>,
}

/// The systems, in a time that passes when it is told to.
#[derive(Clone)]
struct FarEnds {
    systems: Arc<Mutex<Systems>>,
    now_ms: Arc<AtomicU64>,
}

const FLASHDUTY: &str = "https://flashduty.example.com";
const SERVICENOW: &str = "https://servicenow.example.com";

impl FarEnds {
    fn new() -> Self {
        let flashduty = Flashduty::new(flashduty::Options {
            base_url: FLASHDUTY.to_owned(),
            ..flashduty::Options::default()
        });
        let servicenow = ServiceNow::new(servicenow::Options {
            base_url: Some(SERVICENOW.to_owned()),
            ..servicenow::Options::default()
        });
        let systems = Systems {
            flashduty,
            servicenow,
            asked: [0; 2],
            written: Vec::new(),
        };
        Self {
            systems: Arc::new(Mutex::new(systems)),
            now_ms: Arc::new(AtomicU64::new(1_780_300_800_000)),
        }
    }

    /// Opens an incident in each: its id, and the other's.
    fn open(&self) -> (String, String) {
        let now_ms = self.now_ms();
        let Systems {
            flashduty,
            servicenow,
            ..
        } = &mut *self.systems.lock().unwrap();
        let new = NewIncident::new("Checkout latency", Severity::Warning, flashduty::PAYMENTS);
        let incident = flashduty.create(flashduty::ANA, new, now_ms).unwrap();
        let fields = [("short_description", "VPN down"), ("urgency", "2")];
        let record = servicenow.create_incident("abel.tuter", &fields, now_ms);
        (incident, record.unwrap())
    }

    /// All that both hold.
    fn all(&self) -> String {
        let systems = self.systems.lock().unwrap();
        let incidents: Vec<_> = systems.flashduty.incidents().collect();
        let records: Vec<_> = systems.servicenow.incidents().collect();
        format!("{incidents:#?} {records:#?}")
    }
}

impl Client for FarEnds {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        let now_ms = self.now_ms();
        let mut systems = self.systems.lock().unwrap();
        let is_flashduty = request.url.as_str().starts_with(FLASHDUTY);
        let path = request.url.path().to_owned();
        let is_read = match is_flashduty {
            true => READS.contains(&path.as_str()),
            false => request.method == "GET",
        };
        if !is_read {
            systems.written.push(format!("{} {path}", request.method));
        }
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        let request = simulators::Request {
            method: request.method,
            path,
            query: request.url.query().unwrap_or_default().to_owned(),
            headers: request.headers.into_iter().map(lower).collect(),
            body: request.body,
        };
        let answer = match is_flashduty {
            true => systems.flashduty.handle(&request, now_ms),
            false => systems.servicenow.handle(&request, now_ms),
        };
        systems.asked[usize::from(answer.status != 200)] += 1;
        Ok(Response {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }
}

impl Environment for FarEnds {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn steady_ms(&self) -> u64 {
        self.now_ms()
    }

    fn random(&self) -> u64 {
        7
    }

    async fn sleep(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn work_due(&self, _: u64) {}
}

/// A store that outlives a gateway.
#[derive(Clone, Default)]
struct Kept(Arc<MemoryStore>);

impl Store for Kept {
    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.0.get(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        self.0.scan(scan).await
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        self.0.write(write).await
    }
}

type UnderTest = Gateway<WasmRuntime, Kept, FarEnds, FarEnds>;

fn gateway(runtime: &WasmRuntime, far_ends: &FarEnds, store: &Kept) -> UnderTest {
    let secret = |name: &str| json!({ "env": name });
    let webhook =
        |side: &str| json!({ "path": format!("/{side}/prod"), "bearer": [secret("token")] });
    let settings = json!({
        "webhook": [webhook("flashduty"), webhook("servicenow")],
        "credential": {
            "flashduty": { "kind": "query", "origin": FLASHDUTY, "name": "app_key",
                "value": secret("app-key") },
            "servicenow": { "kind": "basic", "origin": SERVICENOW,
                "user": secret("flashduty"), "password": secret("flashduty-password") },
        },
    });
    let settings: Settings = serde_json::from_value(settings).unwrap();
    let configuration = json!({ "integration": [{
        "id": "prod",
        "direction": "two-way",
        // What a poll finds is no body.
        "reconcile": { "flashduty": false, "servicenow": false },
        "flashduty": { "url": FLASHDUTY, "credential": "flashduty",
            "channels": [flashduty::PAYMENTS] },
        "servicenow": { "url": SERVICENOW, "credential": "servicenow" },
    }] });
    let configuration = configuration.to_string();
    let requirements = runtime.configure(&configuration).unwrap().unwrap();
    let app_key = {
        let systems = far_ends.systems.lock().unwrap();
        let key = systems.flashduty.app_key(flashduty::INTEGRATION_MEMBER);
        key.unwrap().to_owned()
    };
    let resolve = |reference: &SecretRef| match reference {
        SecretRef::Env(name) if name == "token" => Ok(Secret::new(TOKEN)),
        SecretRef::Env(name) if name == "app-key" => Ok(Secret::new(app_key.as_str())),
        SecretRef::Env(name) => Ok(Secret::new(name.as_str())),
        SecretRef::File(path) => Err(format!("there are no files: {path}")),
    };
    let policy = Policy::build(&settings, "test", &requirements, &resolve).unwrap();
    Gateway::new(
        policy,
        configuration,
        runtime.clone(),
        store.clone(),
        far_ends.clone(),
        far_ends.clone(),
    )
}

/// A webhook with the right token.
fn incoming(side: &str, content_type: &str, body: Vec<u8>) -> Incoming {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Incoming {
        method: "POST".into(),
        path: format!("/{side}/prod"),
        query: String::new(),
        headers: vec![
            header("authorization", &format!("Bearer {TOKEN}")),
            header("content-type", content_type),
        ],
        body,
    }
}

/// Hands the gateway a webhook, and lets it do what is due.
async fn given(gateway: &UnderTest, incoming: Incoming) -> Response {
    let mut given = None;
    gateway
        .receive(incoming, |answer| given = Some(answer))
        .await;
    while gateway.run_next().await == Next::Ran {}
    given.unwrap()
}

/// Lets the gateway do all that it has put off.
async fn settled(gateway: &UnderTest, far_ends: &FarEnds) {
    for _ in 0..20 {
        far_ends.now_ms.fetch_add(60_000, Ordering::SeqCst);
        while gateway.run_next().await == Next::Ran {}
    }
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
    let (far_ends, store) = (FarEnds::new(), Kept::default());
    let mut under_test = gateway(&runtime, &far_ends, &store);
    under_test.recover().await.unwrap();
    // What the bodies speak of is there, on both sides, and in step.
    let (incident, record) = far_ends.open();
    let ours = |real: &str| {
        real.replace("6a1d2f45c0ffee0123456789", &incident)
            .replace("9f0d6c1a2b3c4d5e6f708192a3b4c5d6", &record)
            .replace("410000000777", &flashduty::PAYMENTS.to_string())
    };
    let real = REAL.map(|(side, real)| (side, ours(real)));
    for (side, real) in &real {
        let genuine = incoming(side, "application/json", real.clone().into_bytes());
        assert_eq!(given(&under_test, genuine).await.status, 200);
    }
    settled(&under_test, &far_ends).await;
    let before = {
        let mut systems = far_ends.systems.lock().unwrap();
        let (incidents, records) = (
            systems.flashduty.incidents().count(),
            systems.servicenow.incidents().count(),
        );
        assert_eq!((incidents, records), (2, 2));
        systems.written.clear();
        systems.asked = [0; 2];
        drop(systems);
        far_ends.all()
    };
    let mut answers: BTreeMap<u16, u64> = BTreeMap::new();
    let mut after_warming_up = 0;
    for number in 0..bodies {
        if number % BODIES == 0 {
            under_test = gateway(&runtime, &far_ends, &store);
            under_test.recover().await.unwrap();
        }
        // So that no account is asked too often.
        far_ends.now_ms.fetch_add(1000, Ordering::SeqCst);
        let (side, real) = dice.of(&real);
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
        let incoming = incoming(side, content_type, body);
        let answer = given(&under_test, incoming.clone()).await;
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
        let written = far_ends.systems.lock().unwrap().written.join(", ");
        assert_eq!(written, "", "body {number}: {}", shown());
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
    for status in [200, 400, 415] {
        assert!(answers[&status] > 0, "{answers:?}");
    }
    assert_eq!(far_ends.all(), before);
    let [found, missed] = far_ends.systems.lock().unwrap().asked;
    println!(
        "{bodies} bodies, answered {answers:?}; {found} requests found something, {missed} nothing"
    );
    assert!(
        found > bodies as u64 / 8,
        "few bodies were taken for what they look like: {answers:?}"
    );

    // The same bodies lead to writes once something did happen.
    settled(&under_test, &far_ends).await;
    assert_eq!(far_ends.systems.lock().unwrap().written, [""; 0]);
    let title = Action::Reset(Reset {
        title: Some("Checkout fails".to_owned()),
        ..Reset::default()
    });
    let now_ms = far_ends.now_ms();
    let acted = {
        let mut systems = far_ends.systems.lock().unwrap();
        systems
            .flashduty
            .act(flashduty::ANA, &incident, &title, now_ms)
    };
    acted.unwrap();
    let genuine = incoming("flashduty", "application/json", ours(REAL[1].1).into());
    assert_eq!(given(&under_test, genuine).await.status, 200);
    assert_eq!(far_ends.systems.lock().unwrap().written.len(), 1);
}

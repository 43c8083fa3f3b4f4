//! One plugin that does whatever harm the name of its work asks for, in one
//! gateway: each harm ends its own session with a reason, and the next event is
//! served.

use super::options;
use super::plugin::Plugin;
use super::run;
use integration_gateway::Client;
use integration_gateway::Gateway;
use integration_gateway::Incoming;
use integration_gateway::MemoryStore;
use integration_gateway::Next;
use integration_gateway::OutgoingRequest;
use integration_gateway::Policy;
use integration_gateway::Secret;
use integration_gateway::SendFailure;
use integration_gateway::contract::Requirements;
use integration_gateway::contract::Response;
use integration_gateway::contract::Route;
use serde_json::json;
use servicenow_sync::environment::SystemEnvironment;
use servicenow_sync::runtime::WasmRuntime;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// By how much the process may grow, in MiB, however often a plugin tries. What
/// was leaked once a session would be far more.
pub(crate) const MOST_GROWTH: usize = 128;

/// Functions that make effects at 2048, and return the pointer to their list.
const FIELDS: &str = r#"
    (table $table 1 funcref)
    (type $nothing (func))
    (global $harm (mut i32) (i32.const 0))
    (global $key (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))
    (func $list (param i32 i32) (result i32)
        (i32.store (i32.const 1024) (local.get 0))
        (i32.store (i32.const 1028) (local.get 1))
        (i32.const 1024))
    ;; One effect of a kind, with four words behind its head.
    (func $one (param i32 i32 i32 i32 i32) (result i32)
        (i32.store8 (i32.const 2048) (local.get 0))
        (i32.store (i32.const 2056) (local.get 1))
        (i32.store (i32.const 2060) (local.get 2))
        (i32.store (i32.const 2064) (local.get 3))
        (i32.store (i32.const 2068) (local.get 4))
        (call $list (i32.const 2048) (i32.const 1)))
    ;; Answers 200 and schedules work of the key that the body names.
    (func $schedule (result i32)
        (i32.store8 (i32.const 2048) (i32.const 5))
        (i32.store (i32.const 2056) (global.get $key))
        (i32.store (i32.const 2060) (global.get $length))
        (i32.store (i32.const 2104) (i32.const 0))
        (i32.store16 (i32.const 2112) (i32.const 200))
        (call $list (i32.const 2048) (i32.const 2)))
    (data (i32.const 3000) "get\ff\fe../x")
    (data (i32.const 3100) "https://evil.example/")
    (data (i32.const 3200) "POST")"#;

/// Takes note of the body of a request, or of the harm in the key of work.
const OPEN: &str = r#"
    (if (i32.eqz (local.get 0))
        (then
            (global.set $key (local.get 9))
            (global.set $length (local.get 10)))
        (else
            (global.set $harm (i32.add
                (i32.mul (i32.const 10) (i32.sub (i32.load8_u (local.get 1)) (i32.const 48)))
                (i32.sub (i32.load8_u offset=1 (local.get 1)) (i32.const 48))))))"#;

/// What a session does in its constructor, or in `resume`, and why it ends.
struct Harm {
    open: &'static str,
    resume: &'static str,
    reason: &'static str,
}

const fn resumed(resume: &'static str, reason: &'static str) -> Harm {
    Harm {
        open: "",
        resume,
        reason,
    }
}

const fn opened(open: &'static str, reason: &'static str) -> Harm {
    Harm {
        open,
        resume: "",
        reason,
    }
}

const SLOW: &str = "the plugin was stopped: a call took more than 200 ms";
const DEEP: &str = "the plugin was stopped: it recursed too deeply";
const LARGE: &str = "the plugin was stopped: it needs more than 64 MiB of memory";
const WORDY: &str = "the plugin was stopped: it returned more than 32 MiB at once";
const PANIC: &str = "the plugin was stopped: it panicked";
const MANY: &str = "the session asked for more than 2000 effects (limits.effects)";
const OUTSIDE_LIST: &str = "the plugin was stopped: list pointer/length out of bounds of memory";
const OUTSIDE_TEXT: &str = "the plugin was stopped: string pointer/length out of bounds of memory";

#[rustfmt::skip]
const HARMS: &[Harm] = &[
    // Time, stack, memory and tables.
    resumed("(loop $l (br $l))", SLOW),
    opened("(loop $l (br $l))", SLOW),
    resumed("(drop (call $recurse (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))", DEEP),
    opened("(drop (call $recurse (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))", DEEP),
    resumed("(loop $l (drop (memory.grow (i32.const 1))) (br $l))", LARGE),
    opened("(drop (memory.grow (i32.const 65535)))", LARGE),
    resumed("(loop $l (br_if $l (i32.ge_s (table.grow $table (ref.null func) (i32.const 1000)) (i32.const 0))))
        (if (i32.le_u (table.size $table) (i32.const 20000)) (then unreachable))", PANIC),
    // Handles of sessions, which the gateway must remember.
    resumed("(loop $l (drop (call $new (i32.const 1))) (br $l))", "the plugin was stopped: cannot allocate another handle: store handle limit exceeded"),
    // Faults.
    resumed("unreachable", PANIC),
    opened("unreachable", PANIC),
    opened("(return (i32.const 77))", "the plugin was stopped: unknown handle index 77"),
    resumed("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "the plugin was stopped: wasm trap: integer divide by zero"),
    resumed("(drop (i32.load (i32.const -4)))", "the plugin was stopped: wasm trap: out of bounds memory access"),
    resumed("(call_indirect (type $nothing) (i32.const 0))", "the plugin was stopped: wasm trap: uninitialized element"),
    // Answers of millions of things, most of which are not there.
    resumed("(return (call $list (i32.const 4096) (i32.const 1000000)))", WORDY),
    resumed("(return (call $list (i32.const 65536) (i32.const 50000)))", MANY),
    resumed("(return (call $list (i32.const 4096) (i32.const 1200000)))", OUTSIDE_LIST),
    resumed("(return (call $list (i32.const 4096) (i32.const -1)))", OUTSIDE_LIST),
    resumed("(return (call $list (i32.const -8) (i32.const 1)))", OUTSIDE_LIST),
    resumed("(return (call $one (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0x40000000) (i32.const 0)))", OUTSIDE_TEXT),
    resumed("(return (call $one (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 60000000) (i32.const 0)))", WORDY),
    resumed("(return (call $one (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 4000000) (i32.const 0)))", WORDY),
    resumed("(return (call $one (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 0x08000000) (i32.const 0)))", OUTSIDE_LIST),
    resumed("(return (call $one (i32.const 2) (i32.const 4096) (i32.const 1001) (i32.const 0) (i32.const 0)))", "the plugin asked for 1001 keys at once; at most 1000 are read"),
    // Answers that mean nothing.
    resumed("(return (i32.const -1))", "the plugin was stopped: return pointer not aligned"),
    resumed("(return (i32.const -4))", "the plugin was stopped: pointer out of bounds of memory"),
    resumed("(return (call $list (i32.const 2049) (i32.const 1)))", "the plugin was stopped: list pointer is not aligned"),
    resumed("(return (call $one (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))", "the plugin was stopped: unexpected discriminant: 200"),
    resumed("(i32.store (i32.const 2056) (i32.const 0))
        (return (call $one (i32.const 7) (i32.const 0) (i32.const 3000) (i32.const 8) (i32.const 0)))", "the plugin was stopped: invalid utf-8 sequence of 1 bytes from index 3"),
    // What the contract does not allow.
    resumed("(return (call $one (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0)))", "the plugin responded in a work session, where nobody is waiting"),
    resumed("(return (call $one (i32.const 0) (i32.const 99) (i32.const 0) (i32.const 0) (i32.const 0)))", "the plugin responded with status 99; expected 200 to 599"),
    resumed("(return (call $one (i32.const 4) (i32.const 3005) (i32.const 4) (i32.const 0) (i32.const 0)))", "expected a key of 1 to 200 of A-Z a-z 0-9 . _ -, found \"../x\""),
    // Something for ever: nothing at all, and a request that is not allowed.
    resumed("(return (call $one (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))", MANY),
    resumed("(drop (call $one (i32.const 1) (i32.const 3200) (i32.const 4) (i32.const 3100) (i32.const 21)))
        (return (i32.const 1024))", MANY),
];

/// The plugin. Work of a key that begins with 00 is done at once.
fn hostile() -> WasmRuntime {
    let choice = |part: fn(&Harm) -> &str| -> String {
        let harms = HARMS.iter().enumerate();
        let cases = harms.map(|(n, harm)| {
            let n = n + 1;
            let body = part(harm);
            format!("(if (i32.eq (global.get $harm) (i32.const {n})) (then {body}))")
        });
        cases.collect()
    };
    let resume = format!(
        "{}
        (if (i32.eqz (global.get $key)) (then (return (call $one (i32.const 8) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0)))))
        (if (i32.eq (global.get $calls) (i32.const 1)) (then (return (call $schedule))))
        (i32.const 0)",
        choice(|harm| harm.resume)
    );
    let component = Plugin {
        pages: 1023,
        fields: FIELDS,
        open: &format!("{OPEN}{}", choice(|harm| harm.open)),
        resume: &resume,
        ..Plugin::default()
    };
    WasmRuntime::from_bytes(&component.component(), &options()).unwrap()
}

/// Counts what gets out.
struct Wall(Arc<AtomicUsize>);

impl Client for Wall {
    async fn send(&self, _: OutgoingRequest) -> Result<Response, SendFailure> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(SendFailure::Unreachable("a wall".into()))
    }
}

struct Site {
    gateway: Gateway<WasmRuntime, MemoryStore, Wall, SystemEnvironment>,
    sent: Arc<AtomicUsize>,
}

impl Site {
    async fn new(runtime: WasmRuntime) -> Self {
        let settings = json!({
            "webhook": [{ "path": "/x", "bearer": [{ "env": "T" }] }],
            "limits": { "failures": 1 },
        });
        let needs = Requirements {
            routes: vec![Route {
                path: "/x".into(),
                summary: String::new(),
            }],
            destinations: vec![],
            standing: vec![],
        };
        let settings = serde_json::from_value(settings).unwrap();
        let secret = |_: &_| Ok(Secret::new("a-token-that-nobody-guesses"));
        let policy = Policy::build(&settings, "hostile", &needs, &secret);
        let sent = Arc::<AtomicUsize>::default();
        let gateway = Gateway::new(
            policy.unwrap_or_else(|problems| panic!("{problems:?}")),
            "{}".into(),
            runtime,
            MemoryStore::new(),
            Wall(Arc::clone(&sent)),
            SystemEnvironment::default(),
        );
        gateway.recover().await.unwrap();
        Self { gateway, sent }
    }

    /// An event comes, and the work that it leads to is tried once. Returns why
    /// it is parked, if it is.
    async fn serve(&self, key: &str) -> Option<String> {
        let authorization = "Bearer a-token-that-nobody-guesses".to_owned();
        let event = Incoming {
            method: "POST".into(),
            path: "/x".into(),
            query: String::new(),
            headers: vec![("authorization".into(), authorization)],
            body: key.into(),
        };
        let mut status = 0;
        self.gateway.receive(event, |r| status = r.status).await;
        assert_eq!(status, 200, "{key}");
        assert_eq!(self.gateway.run_next().await, Next::Ran, "{key}");
        let page = self.gateway.work(None).await.unwrap();
        let item = page.work.into_iter().find(|item| item.key == key)?;
        item.parked_reason
    }

    /// Every harm is done once, and an event is served after each.
    async fn suffer(&self) {
        for (n, harm) in HARMS.iter().enumerate() {
            let key = format!("{:02}", n + 1);
            let parked = self.serve(&key).await.unwrap_or_default();
            assert_eq!(
                parked,
                format!("tried 1 times in vain; {}", harm.reason),
                "harm {key}"
            );
            assert_eq!(self.serve("00").await, None, "after harm {key}");
        }
    }
}

/// The process's memory, in MiB.
pub(crate) fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib >> 10
}

#[tokio::test]
async fn every_harm_ends_its_own_session_and_the_next_event_is_served() {
    let runtime = hostile();
    let site = Site::new(runtime.clone()).await;
    site.suffer().await;
    let before = resident();
    for _ in 0..5 {
        Site::new(runtime.clone()).await.suffer().await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < MOST_GROWTH, "{grown} MiB more than before");
    assert_eq!(site.sent.load(Ordering::SeqCst), 0, "something got out");
}

/// The harm is done before a session is there, where the plugin is loaded and a
/// configuration checked.
#[tokio::test]
async fn a_plugin_that_fails_before_its_first_session_is_told_apart() {
    let load = |plugin: Plugin<'_>| WasmRuntime::from_bytes(&plugin.component(), &options());
    let of = |plugin: Plugin<'_>| load(plugin).unwrap();
    let spin = "(loop $l (br $l)) (i32.const 0)";
    let slow = "the plugin was stopped: a call took more than 200 ms";
    for (body, reason) in [
        (spin, slow),
        ("unreachable", PANIC),
        (
            "(i32.const -4)",
            "the plugin was stopped: pointer out of bounds of memory",
        ),
    ] {
        let plugin = Plugin {
            describe: body,
            ..Plugin::default()
        };
        assert_eq!(of(plugin).describe().unwrap_err().to_string(), reason);
        let plugin = Plugin {
            configure: body,
            ..Plugin::default()
        };
        assert_eq!(of(plugin).configure("{}").unwrap_err().to_string(), reason);
    }
    for (realloc, reason) in [
        (spin, slow),
        ("unreachable", PANIC),
        (
            "(i32.const -8)",
            "the plugin was stopped: realloc return: beyond end of memory",
        ),
        (
            "(i32.const 1)",
            "the plugin was stopped: realloc return: result not aligned",
        ),
    ] {
        let plugin = Plugin {
            realloc,
            ..Plugin::default()
        };
        assert_eq!(run(&of(plugin)).await.unwrap_err(), reason);
    }
    let start = Plugin {
        fields: "(func $start (loop $l (br $l))) (start $start)",
        ..Plugin::default()
    };
    assert_eq!(run(&of(start)).await.unwrap_err(), slow);
}

#[test]
fn what_is_too_large_to_run_is_refused_when_it_is_loaded() {
    let refusal = |plugin: Plugin<'_>| {
        let loaded = WasmRuntime::from_bytes(&plugin.component(), &options());
        loaded.err().map(|error| error.to_string()).unwrap()
    };
    let here = "the plugin is no WebAssembly component that runs here: ";
    let memory = refusal(Plugin {
        pages: 1025,
        ..Plugin::default()
    });
    let expected = "memory has a minimum byte size of 67174400 which exceeds the limit of";
    assert!(memory.starts_with(&format!("{here}{expected}")), "{memory}");
    let table = refusal(Plugin {
        fields: "(table 20001 funcref)",
        ..Plugin::default()
    });
    let expected = "table index 0 has a minimum element size of 20001 which exceeds the limit of";
    assert!(table.starts_with(&format!("{here}{expected}")), "{table}");
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let endless = WasmRuntime::from_file("/dev/zero".as_ref(), &options());
    assert_eq!(
        endless.err().unwrap().to_string(),
        "the plugin is larger than 8 MiB; no plugin is loaded that is"
    );
}

/// None of them is ended by anybody: each is dropped with all it had.
#[tokio::test]
async fn thousands_of_sessions_that_do_not_end_leave_nothing() {
    let resume = "(drop (memory.grow (i32.const 15))) (i32.store8 (i32.const 900000) (i32.const 1))
        (i32.store (i32.const 4) (i32.const 1)) (i32.store8 (i32.const 8) (i32.const 2))
        (i32.store (i32.const 0) (i32.const 8)) (i32.const 0)";
    let plugin = Plugin {
        resume,
        ..Plugin::default()
    };
    let runtime = WasmRuntime::from_bytes(&plugin.component(), &options()).unwrap();
    let mut before = 0;
    for n in 0..5000 {
        assert_eq!(run(&runtime).await.unwrap().len(), 1);
        if n == 500 {
            before = resident();
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < MOST_GROWTH, "{grown} MiB more than before");
}

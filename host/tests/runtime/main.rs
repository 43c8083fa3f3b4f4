//! A plugin that means harm, or is broken, ends its own session and nothing
//! else.
#![allow(clippy::unwrap_used)]

mod hostile;
#[path = "../plugin/mod.rs"]
mod plugin;
mod random;

use integration_gateway::Runtime;
use integration_gateway::Session;
use integration_gateway::contract::Context;
use integration_gateway::contract::Effect;
use integration_gateway::contract::Input;
use integration_gateway::contract::Work;
use plugin::Plugin;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::time::Duration;
use std::time::Instant;

fn component(pages: u32, resume: &str) -> Vec<u8> {
    Plugin {
        pages,
        resume,
        ..Plugin::default()
    }
    .component()
}

fn options() -> RuntimeOptions {
    RuntimeOptions {
        sessions: 4,
        cpu: Duration::from_millis(200),
        ..RuntimeOptions::default()
    }
}

async fn run(runtime: &WasmRuntime) -> Result<Vec<Effect>, String> {
    let work = Work {
        key: "k".into(),
        reasons: vec!["test".into()],
        attempt: 0,
    };
    let context = Context {
        configuration: "{}".into(),
        rehearsal: None,
    };
    let opened = runtime.open(Input::Work(work), context).await;
    opened
        .map_err(|e| e.to_string())?
        .resume(1, vec![])
        .await
        .map_err(|e| e.to_string())
}

async fn outcome(pages: u32, resume: &str) -> Result<Vec<Effect>, String> {
    run(&WasmRuntime::from_bytes(&component(pages, resume), &options()).unwrap()).await
}

#[tokio::test]
async fn a_session_that_asks_for_nothing_ends() {
    assert_eq!(outcome(1, "(i32.const 0)").await, Ok(vec![]));
}

#[tokio::test]
async fn an_endless_loop_is_stopped() {
    let start = Instant::now();
    let stopped = outcome(1, "(loop $l (br $l)) (i32.const 0)").await;
    assert_eq!(
        stopped.unwrap_err(),
        "the plugin was stopped: a call took more than 200 ms"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_memory_bomb_is_stopped() {
    let grow = "(loop $l (drop (memory.grow (i32.const 16))) (br $l)) (i32.const 0)";
    let stopped = outcome(1, grow).await;
    assert_eq!(
        stopped.unwrap_err(),
        "the plugin was stopped: it needs more than 64 MiB of memory"
    );
}

#[tokio::test]
async fn a_panic_is_told() {
    assert_eq!(
        outcome(1, "unreachable").await.unwrap_err(),
        "the plugin was stopped: it panicked"
    );
}

#[tokio::test]
async fn endless_recursion_is_stopped() {
    let stopped = outcome(
        1,
        "(i32.wrap_i64 (call $recurse (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))",
    )
    .await;
    assert_eq!(
        stopped.unwrap_err(),
        "the plugin was stopped: it recursed too deeply"
    );
}

/// One effect, `get` with 100,000 keys, each of which is the same megabyte.
#[tokio::test]
async fn an_answer_that_lies_over_itself_is_not_copied() {
    let resume = "
        (loop $l
            (i32.store offset=1048576 (i32.shl (local.get $i) (i32.const 3)) (i32.const 0))
            (i32.store offset=1048580 (i32.shl (local.get $i) (i32.const 3)) (i32.const 1000000))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 100000))))
        (i32.store8 offset=2097152 (i32.const 0) (i32.const 2))
        (i32.store offset=2097160 (i32.const 0) (i32.const 1048576))
        (i32.store offset=2097164 (i32.const 0) (i32.const 100000))
        (i32.store offset=2097140 (i32.const 0) (i32.const 2097152))
        (i32.store offset=2097144 (i32.const 0) (i32.const 1))
        (i32.const 2097140)";
    let stopped = outcome(64, resume).await.unwrap_err();
    assert_eq!(
        stopped,
        "the plugin was stopped: it returned more than 32 MiB at once"
    );
}

#[tokio::test]
async fn sessions_share_nothing() {
    // Traps when it is called a second time in the same instance.
    let resume =
        "(if (i32.gt_u (global.get $calls) (i32.const 1)) (then unreachable)) (i32.const 0)";
    let runtime = WasmRuntime::from_bytes(&component(1, resume), &options()).unwrap();
    for _ in 0..20 {
        assert_eq!(run(&runtime).await, Ok(vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_beyond_the_pool_wait_and_broken_ones_leave_no_hole_in_it() {
    let resume = "unreachable";
    let runtime = WasmRuntime::from_bytes(&component(1, resume), &options()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let runtime = runtime.clone();
        tasks.spawn(async move { run(&runtime).await });
    }
    for stopped in tasks.join_all().await {
        assert_eq!(stopped.unwrap_err(), "the plugin was stopped: it panicked");
    }
}

#[test]
fn what_imports_something_is_refused() {
    let importing = wat::parse_str(
        r#"(component
            (import "wasi:cli/environment@0.2.0" (instance))
            (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#,
    );
    assert_eq!(
        WasmRuntime::from_bytes(&importing.unwrap(), &options())
            .err()
            .unwrap()
            .to_string(),
        "the plugin imports wasi:cli/environment@0.2.0, wasi:http/outgoing-handler@0.2.0; a plugin \
         must import nothing",
    );
}

#[test]
fn what_is_no_plugin_is_refused() {
    let refusal = |bytes: &[u8]| {
        WasmRuntime::from_bytes(bytes, &options())
            .err()
            .unwrap()
            .to_string()
    };
    assert!(
        refusal(b"{}").starts_with("the plugin is no WebAssembly component that runs here: "),
        "{}",
        refusal(b"{}")
    );
    let module = wat::parse_str("(module)").unwrap();
    assert!(
        refusal(&module).starts_with("the plugin is no WebAssembly component that runs here: "),
        "{}",
        refusal(&module)
    );
    let empty = wat::parse_str("(component)").unwrap();
    let refusal = refusal(&empty);
    assert!(
        refusal.starts_with("the plugin does not implement integration:plugin/integration@0.1.0: "),
        "{refusal}",
    );
}

#[test]
fn compiled_code_is_kept_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = RuntimeOptions {
        cache_directory: Some(folder.path().join("code")),
        ..options()
    };
    let component = component(1, "(i32.const 0)");
    for _ in 0..2 {
        WasmRuntime::from_bytes(&component, &options).unwrap();
    }
    let kept = walk(folder.path());
    assert!(kept > 0);
}

fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|e| {
            if e.file_type().unwrap().is_dir() {
                walk(&e.path())
            } else {
                1
            }
        })
        .sum()
}

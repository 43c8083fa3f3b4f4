//! Thousands of components that nobody wrote: none brings the process down, and
//! none takes more than it may.
//!
//! Each is made of its number alone. `cargo xtask endure components` says how many,
//! and which is the first.
#![allow(clippy::print_stderr)]

use super::hostile::MOST_GROWTH;
use super::hostile::resident;
use super::plugin::Plugin;
use super::plugin::wrapped;
use super::run;
use arbitrary::Unstructured;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::collections::BTreeMap;
use std::env;
use std::time::Duration;
use std::time::Instant;
use wasm_smith::Component;
use wasm_smith::Config;
use wasm_smith::Module;

/// To be compiled, and to be stopped in each of a few calls.
const LONGEST: Duration = Duration::from_secs(10);

fn number(name: &str, usual: u64) -> u64 {
    env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Bytes that depend on the seed alone.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(length).collect()
}

/// What the gateway's engine knows, and no imports but those of the shape.
fn config(shape: Option<Vec<u8>>) -> Config {
    Config {
        module_shape: shape,
        max_memories: 1,
        reference_types_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        memory64_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        tail_call_enabled: true,
        ..Config::default()
    }
}

/// Three of four have the exports of a plugin around code of chance, the others
/// are components of chance altogether.
fn component(seed: u64, shape: &[u8]) -> Option<Vec<u8>> {
    let bytes = bytes(seed, 4096);
    let mut chance = Unstructured::new(&bytes);
    if seed.is_multiple_of(4) {
        return Component::new(config(None), &mut chance)
            .ok()
            .map(|c| c.to_bytes());
    }
    let module = Module::new(config(Some(shape.to_vec())), &mut chance).ok()?;
    wrapped(module.to_bytes()).ok()
}

/// Does with a plugin all that is ever done. Tells how its session ended, if it
/// could be loaded.
async fn try_out(component: &[u8]) -> Option<String> {
    let options = RuntimeOptions {
        sessions: 2,
        cpu: Duration::from_millis(20),
        ..RuntimeOptions::default()
    };
    let runtime = WasmRuntime::from_bytes(component, &options).ok()?;
    let _ = runtime.describe();
    let _ = runtime.configure("{}");
    Some(run(&runtime).await.err().unwrap_or_default())
}

#[tokio::test]
async fn components_of_chance_end_their_own_sessions() {
    let shape = Plugin::default().module();
    let first = number("ENDURE_SEED", 1);
    let count = number("ENDURE_TIMES", 300);
    let good = WasmRuntime::from_bytes(&Plugin::default().component(), &RuntimeOptions::default());
    let good = good.unwrap();
    let mut ends = BTreeMap::<String, u64>::new();
    let mut before = 0;
    for seed in first..first + count {
        let component = component(seed, &shape).unwrap_or_default();
        let begin = Instant::now();
        let outcome = tokio::spawn(async move { try_out(&component).await }).await;
        let outcome = outcome.unwrap_or_else(|panic| panic!("seed {seed}: {panic}"));
        let took = begin.elapsed();
        assert!(took < LONGEST, "seed {seed} took {took:?}");
        if let Some(end) = outcome {
            *ends.entry(end).or_default() += 1;
        }
        assert_eq!(run(&good).await, Ok(vec![]), "after seed {seed}");
        if seed == first + count / 4 {
            before = resident();
        }
    }
    eprintln!("how sessions of {count} components ended: {ends:#?}");
    let loaded: u64 = ends.values().sum();
    assert!(loaded * 2 > count, "only {loaded} of {count} were run");
    assert!(ends.len() > 5, "they do not differ: {ends:?}");
    let grown = resident().saturating_sub(before);
    assert!(grown < MOST_GROWTH, "{grown} MiB more than before");
}

//! The simulation with the built component: what it does is what the plugin's
//! own code does, to the byte.
#![allow(clippy::unwrap_used)]

use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use simulation::Native;
use simulation::Plan;
use simulation::run;
use support::world::component;

/// How many worlds. Each takes some ten times as long as it does natively.
fn worlds() -> u64 {
    let worlds = std::env::var("SIMULATED_WORLDS").ok();
    worlds.map_or(2, |worlds| worlds.parse().unwrap())
}

#[test]
fn the_component_lives_through_the_same_worlds_as_the_plugin_itself() {
    let component = component();
    let options = RuntimeOptions {
        cache_directory: Some(component.with_file_name("cache")),
        ..RuntimeOptions::default()
    };
    let runtime = WasmRuntime::from_file(&component, &options)
        .expect("run `cargo xtask build` first, which builds the component");
    for seed in 1..=worlds() {
        let plan = Plan::of(seed, 300);
        let (native, built) = (run(&plan, Native), run(&plan, runtime.clone()));
        assert_eq!(built.violations, [], "{seed}");
        assert_eq!(built.hash, native.hash, "{seed}");
        assert!(built.report.sessions > 300, "{seed}");
    }
}

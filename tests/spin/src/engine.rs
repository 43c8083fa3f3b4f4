//! Compiles components.

use anyhow::Context as _;
use std::path::Path;
use std::thread;
use std::time::Duration;
use wasmtime::Cache;
use wasmtime::CacheConfig;
use wasmtime::Config;
use wasmtime::Engine;
use wasmtime::component::Component;

/// How often an instance that calculates lets others go on.
const TICK: Duration = Duration::from_millis(10);

/// Compiles a component, in an engine of its own whose clock goes on while there
/// is anything of it. Compiled code is kept in the folder.
pub(crate) fn compile(source: &Path, cache: &Path) -> anyhow::Result<Component> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let mut kept = CacheConfig::new();
    kept.with_directory(std::path::absolute(cache)?);
    config.cache(Some(Cache::new(kept).map_err(anyhow_of)?));
    let engine = Engine::new(&config).map_err(anyhow_of)?;
    let component = Component::from_file(&engine, source).map_err(anyhow_of);
    let component =
        component.with_context(|| format!("{}; `cargo xtask dist` makes it", source.display()))?;
    let weak = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    });
    Ok(component)
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed over")]
pub(crate) fn anyhow_of(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}

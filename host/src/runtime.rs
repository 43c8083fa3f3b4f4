//! Runs the plugin with wasmtime.
//!
//! One engine, one component, linked once against nothing: a component that
//! imports anything is refused when it is loaded. Every session gets a store
//! and an instance of its own, taken from a pool of memory slots, so a trap ends
//! one session and leaves no trace in the next.
//!
//! A call into the plugin takes microseconds and never waits, since a plugin
//! asks by returning. So calls run on the caller's thread. What bounds them:
//! CPU time by epochs, memory by a limiter, the copies made of what a call
//! returns by fuel, the number of sessions by a semaphore.

use integration_gateway::Runtime;
use integration_gateway::Session;
use integration_gateway::Trap;
use integration_gateway::contract;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use wasmtime::Cache;
use wasmtime::CacheConfig;
use wasmtime::Config;
use wasmtime::Engine;
use wasmtime::InstanceAllocationStrategy;
use wasmtime::PoolingAllocationConfig;
use wasmtime::ResourceLimiter;
use wasmtime::Store;
use wasmtime::component::Component;
use wasmtime::component::Linker;
use wasmtime::component::ResourceAny;

#[allow(missing_docs, unreachable_pub)]
mod generated {
    wasmtime::component::bindgen!({ path: "../wit", world: "plugin" });
}

integration_gateway::bridge!(generated::exports::integration::plugin::integration);

/// How often running code looks whether its time is up.
const TICK: Duration = Duration::from_millis(20);
/// Instances of a session's component, of which a plugin without imports needs
/// one or two.
const INSTANCES: u32 = 4;
/// Memory slots beside those of the sessions, for `describe` and `configure`.
const SPARE: usize = 4;
/// The most bytes that one call may make the gateway copy. A plugin could
/// otherwise return a million strings that all lie over each other in its
/// 64 MiB, and exhaust the memory of the gateway without exhausting its own.
const COPIED_BYTES: usize = 32 << 20;

/// The largest component that is compiled, many times the size of ours: time
/// and memory that compiling takes grow with it, and nothing else bounds them.
const LARGEST: usize = 8 << 20;

/// What a plugin may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// Where compiled code is kept, so that the next start need not compile.
    /// Whoever can write there decides what the gateway executes.
    pub cache_directory: Option<PathBuf>,
    /// Sessions that may be open at a time; more wait.
    pub sessions: usize,
    /// Linear memory of one session.
    pub memory_bytes: usize,
    /// Time that one call into the plugin may take.
    pub cpu: Duration,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            cache_directory: None,
            sessions: 256,
            memory_bytes: 64 << 20,
            cpu: Duration::from_secs(1),
        }
    }
}

/// Why a plugin was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file, or it may not be read.
    #[error("plugin {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// It has too many bytes.
    #[error("the plugin is larger than {} MiB; no plugin is loaded that is", LARGEST >> 20)]
    TooLarge,
    /// The bytes are no component, perhaps a core module; or one that needs more
    /// than it may have.
    #[error("the plugin is no WebAssembly component that runs here: {0}")]
    NotAComponent(String),
    /// It asks for something.
    #[error("the plugin imports {}; a plugin must import nothing", .0.join(", "))]
    Imports(Vec<String>),
    /// It does not export what a plugin exports.
    #[error("the plugin does not implement integration:plugin/integration@0.1.0: {0}")]
    WrongExports(String),
    /// wasmtime cannot run here.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
}

impl LoadError {
    /// The error with the name of the file that was loaded.
    pub(crate) fn of(&self, path: &Path) -> String {
        match self {
            Self::Unreadable { .. } => self.to_string(),
            _ => format!("{}: {self}", path.display()),
        }
    }
}

/// A loaded plugin. Clones share it.
#[derive(Clone)]
pub struct WasmRuntime {
    plugin: generated::PluginPre<Limits>,
    permits: Arc<Semaphore>,
    memory_bytes: usize,
    cpu: Duration,
}

impl WasmRuntime {
    /// Loads a plugin from a `.wasm` file.
    pub fn from_file(path: &Path, options: &RuntimeOptions) -> Result<Self, LoadError> {
        Self::from_bytes(&read(path)?, options)
    }

    /// Loads a plugin from the bytes of a component.
    pub fn from_bytes(component: &[u8], options: &RuntimeOptions) -> Result<Self, LoadError> {
        if component.len() > LARGEST {
            return Err(LoadError::TooLarge);
        }
        let engine = engine(options)?;
        let component = Component::from_binary(&engine, component)
            .map_err(|e| LoadError::NotAComponent(in_one_line(&e)))?;
        let imports = component.component_type();
        let imports: Vec<_> = imports
            .imports(&engine)
            .map(|(name, _)| name.to_owned())
            .collect();
        if !imports.is_empty() {
            return Err(LoadError::Imports(imports));
        }
        let plugin = Linker::new(&engine)
            .instantiate_pre(&component)
            .and_then(generated::PluginPre::new)
            .map_err(|e| LoadError::WrongExports(in_one_line(&e)))?;
        Ok(Self {
            plugin,
            permits: Arc::new(Semaphore::new(options.sessions)),
            memory_bytes: options.memory_bytes,
            cpu: options.cpu,
        })
    }

    /// Asks the plugin what it is.
    pub fn describe(&self) -> Result<contract::Manifest, Trap> {
        let (mut store, plugin) = self.instantiate()?;
        let manifest = plugin
            .integration_plugin_integration()
            .call_describe(&mut store)
            .map_err(|e| self.trap(&e))?;
        Ok(contract::Manifest {
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            configuration_schema: manifest.configuration_schema,
        })
    }

    /// Asks the plugin what a configuration, JSON text, needs; or what is wrong
    /// with it.
    pub fn configure(
        &self,
        configuration: &str,
    ) -> Result<Result<contract::Requirements, Vec<contract::Problem>>, Trap> {
        let (mut store, plugin) = self.instantiate()?;
        let answer = plugin
            .integration_plugin_integration()
            .call_configure(&mut store, configuration)
            .map_err(|e| self.trap(&e))?;
        Ok(match answer {
            Ok(needs) => Ok(from_requirements(needs)),
            Err(problems) => Err(problems
                .into_iter()
                .map(|p| contract::Problem {
                    pointer: p.pointer,
                    message: p.message,
                })
                .collect()),
        })
    }

    fn instantiate(&self) -> Result<(Store<Limits>, generated::Plugin), Trap> {
        let limits = Limits {
            memory_bytes: self.memory_bytes,
        };
        let mut store = Store::new(self.plugin.engine(), limits);
        store.limiter(|limits| limits);
        store.set_hostcall_fuel(COPIED_BYTES);
        store.set_epoch_deadline(ticks(self.cpu));
        let plugin = self
            .plugin
            .instantiate(&mut store)
            .map_err(|e| self.trap(&e))?;
        Ok((store, plugin))
    }

    fn trap(&self, error: &wasmtime::Error) -> Trap {
        Trap(match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::Interrupt) => {
                format!("a call took more than {} ms", self.cpu.as_millis())
            }
            Some(wasmtime::Trap::UnreachableCodeReached) => "it panicked".into(),
            Some(wasmtime::Trap::StackOverflow) => "it recursed too deeply".into(),
            Some(other) => other.to_string(),
            None => match error.downcast_ref::<OutOfMemory>() {
                Some(out) => out.to_string(),
                // wasmtime has no type for it.
                None if first_line(error).contains("too much data is being copied") => {
                    format!("it returned more than {} MiB at once", COPIED_BYTES >> 20)
                }
                None => first_line(error),
            },
        })
    }
}

/// Reads a plugin's bytes, no more than are loaded.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    let most = LARGEST as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(LoadError::Unreadable {
            path: path.to_owned(),
            error,
        }),
    }
}

impl Runtime for WasmRuntime {
    type Session = WasmSession;

    async fn open(
        &self,
        input: contract::Input,
        context: contract::Context,
    ) -> Result<WasmSession, Trap> {
        // Beyond the pool an instantiation would fail instead of waiting.
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|e| Trap(e.to_string()))?;
        let (mut store, plugin) = self.instantiate()?;
        let session = plugin
            .integration_plugin_integration()
            .session()
            .call_constructor(&mut store, &to_input(input), &to_context(context))
            .map_err(|e| self.trap(&e))?;
        Ok(WasmSession {
            store,
            plugin,
            session,
            runtime: self.clone(),
            _permit: permit,
        })
    }
}

/// A session in an instance of its own.
pub struct WasmSession {
    // Dropped in this order: the slot in the pool is free before the permit is.
    store: Store<Limits>,
    plugin: generated::Plugin,
    session: ResourceAny,
    runtime: WasmRuntime,
    _permit: OwnedSemaphorePermit,
}

impl Session for WasmSession {
    async fn resume(
        &mut self,
        now_ms: u64,
        replies: Vec<contract::Reply>,
    ) -> Result<Vec<contract::Effect>, Trap> {
        let replies: Vec<_> = replies.into_iter().map(to_reply).collect();
        self.store.set_epoch_deadline(ticks(self.runtime.cpu));
        let effects = self
            .plugin
            .integration_plugin_integration()
            .session()
            .call_resume(&mut self.store, self.session, now_ms, &replies)
            .map_err(|e| self.runtime.trap(&e))?;
        Ok(effects.into_iter().map(from_effect).collect())
    }
}

/// Bounds what one store may grow to, and fails the growth with a reason rather
/// than letting the plugin's allocator abort without one.
struct Limits {
    memory_bytes: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("it needs more than {} MiB of memory", .0 >> 20)]
struct OutOfMemory(usize);

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.memory_bytes {
            return Err(wasmtime::Error::from(OutOfMemory(self.memory_bytes)));
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000)
    }

    fn instances(&self) -> usize {
        INSTANCES as usize
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        INSTANCES as usize
    }
}

/// An engine with a pool of memory slots; or, where the address space does not
/// hold the pool, one that maps memory when it is needed.
fn engine(options: &RuntimeOptions) -> Result<Engine, LoadError> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    if let Some(directory) = &options.cache_directory {
        match code_cache(directory) {
            Ok(cache) => {
                config.cache(Some(cache));
            }
            Err(error) => tracing::warn!(
                directory = %directory.display(),
                error = %first_line(&error),
                "compiled code is not kept; every start compiles the plugin again; name a folder \
                 that can be written with `cache-directory` in `[plugin]`",
            ),
        }
    }
    let slots = u32::try_from(options.sessions + SPARE).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(INSTANCES))
        .total_tables(slots.saturating_mul(INSTANCES))
        .total_memories(slots)
        .max_memory_size(options.memory_bytes);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = match Engine::new(&config) {
        Ok(engine) => engine,
        Err(error) => {
            tracing::info!(error = %first_line(&error), "no pool of memory slots; sessions open more slowly");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config).map_err(|e| LoadError::Engine(first_line(&e)))?
        }
    };
    let weak = engine.weak();
    thread::Builder::new()
        .name("wasm-ticker".into())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map_err(|e| LoadError::Engine(e.to_string()))?;
    Ok(engine)
}

/// wasmtime's own cache: it knows best on what compiled code depends (its own
/// version, the settings, the processor, the bytes), and needs no `unsafe` here.
fn code_cache(directory: &Path) -> wasmtime::Result<Cache> {
    let mut config = CacheConfig::new();
    config.with_directory(std::path::absolute(directory)?);
    Cache::new(config)
}

fn ticks(cpu: Duration) -> u64 {
    // The first tick may come at once.
    u64::try_from(cpu.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

/// Why a file is no plugin, which may take wasmtime several lines.
fn in_one_line(error: &wasmtime::Error) -> String {
    let reason = error.root_cause().to_string();
    let lines = reason.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// wasmtime's messages go on over several lines with backtraces and causes.
fn first_line(error: &wasmtime::Error) -> String {
    error
        .root_cause()
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

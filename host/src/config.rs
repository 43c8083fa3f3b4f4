//! Reads `sync.toml`.
//!
//! Three parties own parts of the file: the host (`[server]`, `[store]`,
//! `[log]`, `[plugin]`, and where the admin listener listens), every gateway
//! (`[[webhook]]`, `[credential.NAME]`, `[egress]`, `[limits]`, `[admin]`), and
//! the plugin, to whom all the rest is passed on as JSON. Whoever finds
//! something wrong points at it, and it is shown with its line and its key;
//! everything that is wrong is shown at once.
//!
//! Paths in the file are relative to the folder that the file is in.

mod document;
mod problem;
mod schema;
mod section;

use crate::runtime::WasmRuntime;
use crate::store::Location;
use crate::store::PostgresStore;
use document::Document;
use document::below;
use integration_gateway::Policy;
use integration_gateway::Secret;
use integration_gateway::contract::Manifest;
use integration_gateway::contract::Requirements;
use integration_gateway::did_you_mean;
use integration_gateway::settings::AdminSettings;
use integration_gateway::settings::LimitSettings;
use integration_gateway::settings::SECTIONS;
use integration_gateway::settings::SecretRef;
use integration_gateway::settings::Settings;
pub use problem::Problem;
pub use problem::Problems;
pub use schema::schema;
use schemars::JsonSchema;
use section::read;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de;
use serde_json::Map;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

/// Where webhooks come in. A reverse proxy with TLS stands in front.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ServerSection {
    /// Address and port for plain HTTP/1.1. A host name is not taken; port 0
    /// takes a free one.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Time for the header of a request, and between two requests.
    #[schemars(range(min = 1))]
    pub header_timeout_seconds: u32,
    /// Time for the body of a request.
    #[schemars(range(min = 1))]
    pub body_timeout_seconds: u32,
    /// Connections at a time; beyond it the oldest idle one makes room. This
    /// and both timeouts hold for the admin listener too.
    #[schemars(range(min = 1))]
    pub max_connections: u32,
    /// Work sessions at a time.
    #[schemars(range(min = 1))]
    pub workers: u32,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            header_timeout_seconds: 5,
            body_timeout_seconds: 10,
            max_connections: 1024,
            workers: 16,
        }
    }
}

/// The operator's listener: health, metrics and the list of work.
// Every gateway has the token, and this host the address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct AdminSection {
    /// Address and port.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    listen: SocketAddr,
    /// Opens all but the health checks, as `Authorization: Bearer …`; without
    /// one they stay closed.
    #[schemars(length(max = 2))]
    token: Vec<SecretRef>,
}

impl Default for AdminSection {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8081).into(),
            token: Vec::new(),
        }
    }
}

/// Everything that must survive a restart: in a file, or in a database that
/// several gateways share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct StoreSection {
    /// One file, `sync.redb` unless given. It is created with the folders above
    /// it, and one process has it open.
    path: Option<PathBuf>,
    /// Instead of a file, a PostgreSQL database:
    /// `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`. Any number of gateways
    /// may share it. It is a secret, since it holds a password. Name
    /// `cache-directory` in `[plugin]` too: compiled code has no place beside
    /// a database.
    url: Option<SecretRef>,
}

impl StoreSection {
    fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new("sync.redb"))
    }

    fn file_in_words(&self) -> String {
        match &self.url {
            None => self.path().display().to_string(),
            Some(_) => "none".into(),
        }
    }

    /// Where the URL stands, which itself is a secret.
    fn database_in_words(&self) -> String {
        match &self.url {
            None => "none".into(),
            Some(SecretRef::Env(name)) => format!("the variable {name}"),
            Some(SecretRef::File(path)) => format!("the file {path}"),
        }
    }
}

/// What is written to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LogSection {
    /// For people or for machines; one record a line either way.
    pub format: LogFormat,
    /// The least important level that is written. What was written to a system
    /// is `info`; why something was *not* written is `debug`.
    pub level: LogLevel,
}

/// How a log record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One line of text.
    #[default]
    Human,
    /// One line of JSON. `fields` holds what a record is about, such as `pair` and `number`.
    Json,
}

/// How important a log record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The usual five.
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// The plugin, a WebAssembly component.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct PluginSection {
    /// The component's file; unless given, `servicenow_sync.wasm` beside the
    /// program, else `dist/servicenow_sync.wasm`. The option `--plugin` goes
    /// first.
    path: Option<PathBuf>,
    /// Where compiled code is kept; the store's path ending in `.cache` unless
    /// given. With `url` in `[store]` that is `sync.cache` beside this file,
    /// where the gateway should not be able to write: name another folder then.
    /// Whoever can write there decides what the gateway executes.
    cache_directory: Option<PathBuf>,
}

/// A file that was read, and not yet checked against the plugin. It is good
/// enough to find the plugin by.
pub struct Draft {
    file: PathBuf,
    document: Document,
    problems: Vec<Problem>,
    server: ServerSection,
    admin: AdminSection,
    store: StoreSection,
    log: LogSection,
    plugin: PluginSection,
    settings: Settings,
}

/// A configuration that holds, with every secret in place.
pub struct Config {
    /// `[server]`.
    pub server: ServerSection,
    /// Where the admin listener listens.
    pub admin: SocketAddr,
    /// Where the store is.
    pub store: Location,
    /// What the gateway goes by.
    pub policy: Policy,
    /// The plugin's document, as JSON text.
    pub configuration: String,
    /// What the plugin says it is.
    pub manifest: Manifest,
    /// What the plugin needs, given its document.
    pub requirements: Requirements,
}

/// What the plugin said about itself and its document.
pub(crate) struct Asked {
    pub(crate) configuration: String,
    manifest: Manifest,
    pub(crate) requirements: Requirements,
}

/// The keys that take effect at the start only, by JSON Pointer, with their
/// values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled([(&'static str, String); 10]);

impl Settled {
    /// JSON Pointers of the keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(key, _)| *key)
    }
}

impl Draft {
    /// Reads a file. It fails only if there is no such file or it is no TOML;
    /// all other problems come with [`check`](Self::check).
    pub fn read(file: &Path) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let remedy = "name another file with --config";
            let message = format!("cannot be read: {error}; {remedy}");
            let problem = Problem {
                line: None,
                key: String::new(),
                message,
            };
            Problems::new(file.to_owned(), vec![problem])
        })?;
        Self::parse(file, &text)
    }

    /// Reads a text as if it stood in the given file.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let document = Document::parse(text).map_err(|p| Problems::new(file.to_owned(), p))?;
        let mut problems = Vec::new();
        let mut sections = Sections {
            document: &document,
            problems: &mut problems,
        };
        let server = sections.read("server").unwrap_or_default();
        let admin: AdminSection = sections.read("admin").unwrap_or_default();
        let store = sections.read("store").unwrap_or_default();
        let log = sections.read("log").unwrap_or_default();
        let plugin = sections.read("plugin").unwrap_or_default();
        let settings = Settings {
            webhook: sections.elements("webhook"),
            credential: sections.members("credential"),
            egress: sections.read("egress").unwrap_or_default(),
            limits: sections.read("limits").unwrap_or_default(),
            admin: AdminSettings {
                token: admin.token.clone(),
            },
        };
        let file = file.to_owned();
        let mut draft = Self {
            file,
            document,
            problems,
            server,
            admin,
            store,
            log,
            plugin,
            settings,
        };
        draft.check_numbers();
        draft.check_addresses();
        Ok(draft)
    }

    /// The file of the plugin: what `[plugin] path` names, else
    /// `servicenow_sync.wasm` beside the running program, else in `dist`.
    pub fn plugin(&self) -> PathBuf {
        match &self.plugin.path {
            Some(path) => self.beside(path),
            None => usual_plugin(),
        }
    }

    /// Where compiled code is kept: what `[plugin] cache-directory` names, else
    /// a folder beside the store, or beside this file if that is a database.
    pub fn cache_directory(&self) -> PathBuf {
        match &self.plugin.cache_directory {
            Some(path) => self.beside(path),
            None => self.file_of_store().with_extension("cache"),
        }
    }

    /// Where the admin listener listens, and the token that opens it.
    pub fn admin(&self) -> Result<(SocketAddr, Secret), String> {
        let token = self
            .admin
            .token
            .first()
            .ok_or("expected a token in [admin], found none; add token = [{ file = \"…\" }]")?;
        Ok((self.admin.listen, self.secret(token, &|_| {})?))
    }

    /// The ids of the integrations.
    pub fn integrations(&self) -> Vec<String> {
        let list = self.document.root.get("integration");
        let ids = list.and_then(Value::as_array).into_iter().flatten();
        ids.filter_map(|integration| integration["id"].as_str().map(str::to_owned))
            .collect()
    }

    /// `[log]`.
    pub fn log(&self) -> LogSection {
        self.log
    }

    /// Where `[store]` says that the store is.
    pub fn store(mut self) -> Result<Location, Problems> {
        match self.location(&|_| {}) {
            Some(location) if self.problems.is_empty() => Ok(location),
            _ => Err(self.into_problems()),
        }
    }

    /// What stays as it is for as long as the process runs.
    pub fn settled(&self) -> Settled {
        let Self {
            server,
            admin,
            store,
            log,
            plugin,
            ..
        } = self;
        let cache_directory = plugin.cache_directory.as_ref();
        Settled([
            ("/server/listen", server.listen.to_string()),
            (
                "/server/header-timeout-seconds",
                server.header_timeout_seconds.to_string(),
            ),
            (
                "/server/body-timeout-seconds",
                server.body_timeout_seconds.to_string(),
            ),
            (
                "/server/max-connections",
                server.max_connections.to_string(),
            ),
            ("/server/workers", server.workers.to_string()),
            ("/admin/listen", admin.listen.to_string()),
            ("/store/path", store.file_in_words()),
            ("/store/url", store.database_in_words()),
            ("/log/format", format!("{:?}", log.format).to_lowercase()),
            (
                "/plugin/cache-directory",
                cache_directory.map_or("none".into(), |path| path.display().to_string()),
            ),
        ])
    }

    /// Finds it wrong if anything differs that needs a restart.
    pub fn must_keep(&mut self, settled: &Settled) {
        // What could not be read has its default now, and no change was meant.
        if !self.problems.is_empty() {
            return;
        }
        let found = self.settled();
        for ((pointer, before), (_, now)) in settled.0.iter().zip(found.0) {
            if *before != now {
                let message =
                    format!("a change of this needs a restart; running with {before}, found {now}");
                self.problems.push(self.document.problem(pointer, message));
            }
        }
    }

    /// Asks the plugin, looks up the secrets, and returns the configuration or
    /// everything that is wrong with it.
    pub fn check(self, runtime: &WasmRuntime) -> Result<Config, Problems> {
        self.check_noting(runtime, &|_| {})
    }

    /// As [`check`](Self::check), and tells of each file of a secret right
    /// before it is read.
    pub(crate) fn check_noting(
        mut self,
        runtime: &WasmRuntime,
        note: &dyn Fn(&Path),
    ) -> Result<Config, Problems> {
        let Some(asked) = self.ask(runtime) else {
            return Err(self.into_problems());
        };
        let Asked {
            configuration,
            manifest,
            requirements,
        } = asked;
        let Some(store) = self.location(note) else {
            return Err(self.into_problems());
        };
        let resolve = |secret: &SecretRef| self.secret(secret, note);
        match Policy::build(&self.settings, &manifest.name, &requirements, &resolve) {
            Ok(policy) => Ok(Config {
                store,
                server: self.server,
                admin: self.admin.listen,
                policy,
                configuration,
                manifest,
                requirements,
            }),
            Err(problems) => {
                let problems = problems
                    .iter()
                    .map(|p| self.document.problem(&p.pointer, p.message.as_str()));
                self.problems.extend(problems);
                Err(self.into_problems())
            }
        }
    }

    /// Checks all that can be checked without a secret, and returns what a
    /// rehearsal needs.
    pub(crate) fn check_without_secrets(
        mut self,
        runtime: &WasmRuntime,
    ) -> Result<(Asked, LimitSettings), Problems> {
        match self.ask(runtime) {
            Some(asked) => Ok((asked, self.settings.limits)),
            None => Err(self.into_problems()),
        }
    }

    /// Asks the plugin what it makes of its document; none if anything is
    /// wrong so far.
    fn ask(&mut self, runtime: &WasmRuntime) -> Option<Asked> {
        let plugins = self
            .document
            .root
            .iter()
            .filter(|(key, _)| !SECTIONS.contains(&key.as_str()));
        let plugins: Map<_, _> = plugins
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let configuration = Value::Object(plugins).to_string();
        let asked = runtime
            .describe()
            .and_then(|manifest| Ok((manifest, runtime.configure(&configuration)?)));
        let (manifest, requirements) = match asked {
            Ok((manifest, Ok(requirements))) => (manifest, requirements),
            Ok((_, Err(problems))) => {
                let problems = problems.iter().map(|p| {
                    let message = format!("{}{}", p.message, misspelt_section(&p.pointer));
                    self.document.problem(&p.pointer, message)
                });
                self.problems.extend(problems);
                return None;
            }
            Err(trap) => {
                self.problems
                    .push(self.document.problem("", trap.to_string()));
                return None;
            }
        };
        // A section that could not be read is missing from the settings, and
        // whoever refers to it would be blamed for it.
        self.problems.is_empty().then_some(Asked {
            configuration,
            manifest,
            requirements,
        })
    }

    /// What was found wrong so far.
    pub(crate) fn into_problems(self) -> Problems {
        Problems::new(self.file, self.problems)
    }

    fn check_numbers(&mut self) {
        for (key, value) in [
            ("header-timeout-seconds", self.server.header_timeout_seconds),
            ("body-timeout-seconds", self.server.body_timeout_seconds),
            ("max-connections", self.server.max_connections),
            ("workers", self.server.workers),
        ] {
            if value == 0 {
                let pointer = below("/server", key);
                let problem = self
                    .document
                    .problem(&pointer, "expected at least 1, found 0");
                self.problems.push(problem);
            }
        }
    }

    /// Two listeners on one address would be found out only at the start.
    fn check_addresses(&mut self) {
        let address = self.server.listen;
        // With port 0 each gets one of its own.
        if address == self.admin.listen && address.port() != 0 {
            let message = "server.listen has this address already; take another port";
            let problem = self.document.problem("/admin/listen", message);
            self.problems.push(problem);
        }
    }

    fn beside(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// Where the store is; if that cannot be told, there is one more problem.
    fn location(&mut self, note: &dyn Fn(&Path)) -> Option<Location> {
        let url = match (&self.store.url, &self.store.path) {
            (None, _) => return Some(Location::File(self.file_of_store())),
            (Some(_), Some(_)) => Err("expected `path` or `url`, found both".to_owned()),
            (Some(url), None) => self.secret(url, note),
        };
        let checked = url.and_then(|url| match PostgresStore::check(&url) {
            Ok(()) => Ok(Location::Postgres(url)),
            Err(error) => Err(error.to_string()),
        });
        checked
            .map_err(|message| {
                let problem = self.document.problem("/store/url", message);
                self.problems.push(problem);
            })
            .ok()
    }

    fn file_of_store(&self) -> PathBuf {
        self.beside(self.store.path())
    }

    fn secret(&self, secret: &SecretRef, note: &dyn Fn(&Path)) -> Result<Secret, String> {
        let (what, text) = match secret {
            SecretRef::Env(name) => {
                let what = format!("the environment variable {name}");
                let text = std::env::var(name)
                    .map_err(|_| format!("{what} is not set; set it, or name another"))?;
                (what, text)
            }
            SecretRef::File(path) => {
                let path = self.beside(Path::new(path));
                let what = format!("the file {}", path.display());
                note(&path);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("{what} cannot be read: {error}"))?;
                (what, text)
            }
        };
        match text.trim_end() {
            "" => Err(format!("{what} is empty; expected a secret in it")),
            text => Ok(Secret::new(text)),
        }
    }
}

/// The file of the plugin where none is named: `servicenow_sync.wasm` beside
/// the running program, else in `dist`.
pub(crate) fn usual_plugin() -> PathBuf {
    const NAME: &str = "servicenow_sync.wasm";
    let beside_us = std::env::current_exe()
        .ok()
        .map(|exe| exe.with_file_name(NAME));
    beside_us
        .filter(|path| path.exists())
        .unwrap_or_else(|| Path::new("dist").join(NAME))
}

/// A misspelt section of ours looks like a section of the plugin's.
fn misspelt_section(pointer: &str) -> String {
    match pointer.strip_prefix('/') {
        Some(section) if !section.contains('/') => did_you_mean(section, SECTIONS),
        _ => String::new(),
    }
}

/// Reads sections, and collects what is wrong with them.
struct Sections<'a> {
    document: &'a Document,
    problems: &'a mut Vec<Problem>,
}

impl Sections<'_> {
    fn read<T: de::DeserializeOwned>(&mut self, section: &str) -> Option<T> {
        let value = self.document.root.get(section)?;
        read(self.document, &below("", section), value, self.problems)
    }

    /// The elements of `[[section]]`, each read by itself.
    fn elements<T: de::DeserializeOwned>(&mut self, section: &str) -> Vec<T> {
        let pointer = below("", section);
        match self.document.root.get(section) {
            None => Vec::new(),
            Some(Value::Array(elements)) => elements
                .iter()
                .enumerate()
                .filter_map(|(i, element)| {
                    read(
                        self.document,
                        &below(&pointer, &i.to_string()),
                        element,
                        self.problems,
                    )
                })
                .collect(),
            Some(_) => {
                let message = format!("expected [[{section}]], with two brackets on either side");
                self.problems.push(self.document.problem(&pointer, message));
                Vec::new()
            }
        }
    }

    /// The members of `[section.NAME]`, each read by itself.
    fn members<T: de::DeserializeOwned, C: FromIterator<(String, T)> + Default>(
        &mut self,
        section: &str,
    ) -> C {
        let pointer = below("", section);
        match self.document.root.get(section) {
            None => C::default(),
            Some(Value::Object(members)) => members
                .iter()
                .filter_map(|(name, member)| {
                    let pointer = below(&pointer, name);
                    Some((
                        name.clone(),
                        read(self.document, &pointer, member, self.problems)?,
                    ))
                })
                .collect(),
            Some(_) => {
                let message = format!("expected [{section}.NAME], a table for each {section}");
                self.problems.push(self.document.problem(&pointer, message));
                C::default()
            }
        }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format!(
            "expected an address and a port such as \"127.0.0.1:8080\", found {text:?}"
        ))
    })
}

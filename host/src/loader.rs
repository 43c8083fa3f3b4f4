//! Reads a configuration and loads the plugin that it is for, at the start and
//! whenever one of them has changed.

use crate::config::Config;
use crate::config::Draft;
use crate::config::Problems;
use crate::runtime::LoadError;
use crate::runtime::RuntimeOptions;
use crate::runtime::WasmRuntime;
use crate::runtime::read;
use crate::watch::Watch;
use std::path::Path;
use std::path::PathBuf;

/// Where a configuration and its plugin are.
#[derive(Clone, Debug)]
pub(crate) struct Loader {
    /// The configuration.
    pub(crate) file: PathBuf,
    /// The plugin, if not where the configuration says.
    pub(crate) plugin: Option<PathBuf>,
    /// Whether compiled code is kept in a folder for the next start.
    pub(crate) keeps_compiled: bool,
}

/// A plugin, with the bytes that it was compiled from: as long as they stay the
/// same, it need not be compiled again.
pub(crate) struct Plugin {
    bytes: Vec<u8>,
    pub(crate) runtime: WasmRuntime,
}

impl Loader {
    /// Reads the configuration, as far as that goes without the plugin.
    pub(crate) fn read(&self, watch: &Watch) -> Result<Draft, Problems> {
        watch.note(&self.file);
        Draft::read(&self.file)
    }

    /// Loads the plugin, checks one with the other, and looks up the secrets.
    pub(crate) fn complete(
        &self,
        draft: Draft,
        watch: &Watch,
        before: Option<&Plugin>,
    ) -> anyhow::Result<(Config, Plugin)> {
        let (draft, plugin) = self.load(draft, before)?;
        let config = draft.check_noting(&plugin.runtime, &|file| watch.note(file))?;
        Ok((config, plugin))
    }

    /// Loads the plugin that a configuration names.
    pub(crate) fn load(
        &self,
        draft: Draft,
        before: Option<&Plugin>,
    ) -> anyhow::Result<(Draft, Plugin)> {
        let path = self.plugin.clone().unwrap_or_else(|| draft.plugin());
        match self.plugin(&path, &draft, before) {
            Ok(plugin) => Ok((draft, plugin)),
            Err(error) => {
                let hint = match error {
                    LoadError::Unreadable { .. } => {
                        "; name the plugin with --plugin or with `path` in `[plugin]`"
                    }
                    _ => "",
                };
                let told = format!("{}{hint}", error.of(&path));
                // Whoever has both kinds of trouble should learn of both.
                let problems = draft.into_problems().to_string();
                let lines = problems.lines().map(str::to_owned).chain([told]);
                anyhow::bail!(lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }

    fn plugin(
        &self,
        path: &Path,
        draft: &Draft,
        before: Option<&Plugin>,
    ) -> Result<Plugin, LoadError> {
        let bytes = read(path)?;
        let same = before.filter(|before| before.bytes == bytes);
        let runtime = match same {
            Some(same) => same.runtime.clone(),
            None => {
                let options = RuntimeOptions {
                    cache_directory: self.keeps_compiled.then(|| draft.cache_directory()),
                    ..RuntimeOptions::default()
                };
                let runtime = WasmRuntime::from_bytes(&bytes, &options)?;
                if before.is_some() {
                    tracing::info!(path = %path.display(), "the plugin is another one");
                }
                runtime
            }
        };
        Ok(Plugin { bytes, runtime })
    }
}

//! The applications of the repository: `spin.toml` and `spin.p3.toml`.

use spin_like::manifest::Application;
use spin_like::server::Loaded;
use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

/// The memory of an instance, as `spin up --max-instance-memory` sets it.
pub(crate) const MEMORY: usize = 256 << 20;

/// The gateway's two builds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Build {
    /// For WASI 0.2.
    P2,
    /// For WASI 0.3.
    P3,
}

impl Build {
    fn manifest(self) -> &'static str {
        match self {
            Self::P2 => "spin.toml",
            Self::P3 => "spin.p3.toml",
        }
    }

    /// The file with the probe in the plugin's place.
    pub(crate) fn with_probe(self) -> &'static str {
        match self {
            Self::P2 => "integration_probe_spin.wasm",
            Self::P3 => "integration_probe_spin_p3.wasm",
        }
    }
}

/// What is built for others.
pub(crate) fn dist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist")
}

/// The application with this configuration, between two far ends. Secrets are
/// variables, by the names of the files that the configuration names.
pub(crate) fn application(
    build: Build,
    configuration: &str,
    origins: [String; 2],
    secrets: &[(&str, &str)],
) -> Application {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = root.join(build.manifest());
    let [flashduty, servicenow] = origins;
    let given = [
        ("sync_config", configuration.to_owned()),
        ("flashduty_origin", flashduty),
        ("servicenow_origin", servicenow),
        ("postgres_origin", "postgres://127.0.0.1:*".to_owned()),
    ];
    let given: BTreeMap<String, String> = given
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let mut application = Application::read(&manifest, &given).unwrap();
    for (name, secret) in secrets {
        let variables = &mut application.variables;
        variables.insert((*name).to_owned(), (*secret).to_owned());
    }
    application
}

/// Compiled, or from the cache.
pub(crate) fn load(application: Application) -> Loaded {
    Loaded::new(application, &dist().join("cache")).unwrap()
}

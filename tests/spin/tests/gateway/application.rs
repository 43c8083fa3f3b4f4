//! The applications of the repository: `spin.toml` and `spin.p3.toml`.

use serde_json::Value;
use spin_like::manifest::Application;
use spin_like::server::Loaded;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

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
    /// The file that describes the application.
    pub(crate) fn manifest(self) -> PathBuf {
        root().join(match self {
            Self::P2 => "spin.toml",
            Self::P3 => "spin.p3.toml",
        })
    }

    /// The file with the probe in the plugin's place.
    pub(crate) fn with_probe(self) -> &'static str {
        match self {
            Self::P2 => "integration_probe_spin.wasm",
            Self::P3 => "integration_probe_spin_p3.wasm",
        }
    }
}

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is built for others.
pub(crate) fn dist() -> PathBuf {
    root().join("dist")
}

/// The application with this configuration, between two far ends. Secrets are
/// variables, by the names of the files that the configuration names.
pub(crate) fn application(
    build: Build,
    configuration: &str,
    origins: [String; 2],
    secrets: &[(&str, &str)],
) -> Application {
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
    let mut application = Application::read(&build.manifest(), &given).unwrap();
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

/// What `spin build` compiles of this repository: the manifests and the first files of
/// the gateway and the plugin, and of what they depend on.
fn sources() -> Vec<String> {
    let cargo = env::var("CARGO").unwrap_or("cargo".to_owned());
    let told = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let root = format!("{}/", told["workspace_root"].as_str().unwrap());
    let inside = |path: &Value| path.as_str().unwrap().replace(&root, "");
    let packages = list(&told["packages"]);
    let mut names = vec![
        "servicenow-sync-spin".into(),
        "servicenow-sync-plugin".into(),
    ];
    let (mut sources, mut at) = (Vec::new(), 0);
    while let Some(name) = names.get(at).cloned() {
        at += 1;
        let package = packages.iter().find(|p| p["name"] == name).unwrap();
        sources.push(inside(&package["manifest_path"]));
        let is_compiled = |target: &Value| {
            let kinds = list(&target["kind"]);
            kinds.iter().any(|kind| {
                ["lib", "cdylib", "custom-build"]
                    .map(Value::from)
                    .contains(kind)
            })
        };
        let targets = list(&package["targets"]).into_iter().filter(is_compiled);
        sources.extend(targets.map(|target| inside(&target["src_path"])));
        for dependency in list(&package["dependencies"]) {
            let name = &dependency["name"];
            if dependency["path"].is_string()
                && dependency["kind"] != "dev"
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
    }
    sources
}

#[test]
fn spin_watches_what_it_builds_from() {
    let sources = sources();
    assert!(
        sources.contains(&"json/src/lib.rs".to_owned()),
        "{sources:?}"
    );
    for build in [Build::P2, Build::P3] {
        let text = fs::read_to_string(build.manifest()).unwrap();
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let watch = manifest["component"]["gateway"]["build"]["watch"].as_array();
        let watch: Vec<_> = watch.unwrap().iter().map(|w| w.as_str().unwrap()).collect();
        for source in &sources {
            let covers = |pattern: &&str| match (pattern.split_once('*'), pattern.rsplit_once('*'))
            {
                (Some((begin, _)), Some((_, end))) => {
                    source.starts_with(begin) && source.ends_with(end)
                }
                _ => source == pattern,
            };
            assert!(
                watch.iter().any(covers),
                "{build:?} does not watch {source}"
            );
        }
    }
}

//! Builds what is handed out, into `dist`; `docs/distribution.md` says what each
//! file is.
//!
//! The plugin's bytes are the same everywhere. The Spin gateway is a component
//! of its own, and so is the explain service; composed with the plugin each is
//! the one file that a runtime loads, and holds the plugin's bytes as they are,
//! which is checked here.

use crate::checkout;
use crate::command::output;
use crate::component;
use crate::component::Places;
use crate::component::Source;
use crate::metadata;
use crate::sbom;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain;
use crate::toolchain::Toolchain;
use crate::toolchain::Way;
use crate::wit_package;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use wac_graph::CompositionGraph;
use wac_graph::EncodeOptions;
use wac_graph::plug;
use wac_graph::types::Package;

/// A gateway that is a component.
struct Gateway {
    /// Without a plugin.
    source: Source,
    /// With ours in it.
    composed: &'static str,
    /// How many bytes it may have then.
    most_bytes: usize,
    /// With what the conformance suite puts in the plugin's place.
    with_probe: &'static str,
}

const GATEWAYS: [Gateway; 2] = [
    Gateway {
        source: Source {
            package: "servicenow-sync-spin",
            features: "",
            module: "servicenow_sync_spin.wasm",
            flags: &[],
            component: "servicenow_sync_spin_gateway.wasm",
            most_bytes: 512_000,
        },
        composed: "servicenow_sync_spin.wasm",
        most_bytes: 932_000,
        with_probe: "integration_probe_spin.wasm",
    },
    Gateway {
        source: Source {
            package: "servicenow-sync-spin",
            features: "p3",
            module: "servicenow_sync_spin.wasm",
            flags: &[],
            component: "servicenow_sync_spin_p3_gateway.wasm",
            most_bytes: 598_000,
        },
        composed: "servicenow_sync_spin_p3.wasm",
        most_bytes: 1_018_000,
        with_probe: "integration_probe_spin_p3.wasm",
    },
];
/// What calls `/tick`, by Spin's cron trigger.
const CRON: Source = Source {
    package: "servicenow-sync-spin-cron",
    features: "",
    module: "servicenow_sync_spin_cron.wasm",
    flags: &[],
    component: "servicenow_sync_spin_cron.wasm",
    most_bytes: 60_000,
};
/// What explains and does nothing. Its size is that with the plugin in it, since
/// it is handed out in no other form.
const EXPLAIN: Source = Source {
    package: "servicenow-sync-explain",
    features: "",
    module: "servicenow_sync_explain.wasm",
    flags: &[],
    component: "servicenow_sync_explain.wasm",
    most_bytes: 610_000,
};
const CHECKSUMS: &str = "SHA256SUMS";

/// A file of `dist`.
struct Artifact {
    name: &'static str,
    bytes: Vec<u8>,
}

/// Everything that is handed out, with the revision of the sources in it.
pub(crate) fn run(way: Option<Way>) -> Result<()> {
    let revision = revision();
    if revision.is_none() {
        say("not everything is committed, so the components tell no revision");
    }
    let mut artifacts = Parts::build(way)?.components(revision.as_deref())?;
    let text = fs::read(checkout::root().join("wit/plugin.wit"))?;
    artifacts.push(artifact("integration_plugin.wasm", wit_package::encode()?));
    artifacts.push(artifact("integration_plugin.wit", text));
    for (name, text) in sbom::bills()? {
        artifacts.push(artifact(name, text.into_bytes()));
    }
    artifacts.push(artifact(CHECKSUMS, checksums(&artifacts).into_bytes()));
    write(&artifacts)
}

/// The components alone; and with the probe of the conformance suite in the
/// plugin's place, which is not handed out.
pub(crate) fn for_tests(way: Option<Way>) -> Result<()> {
    let parts = Parts::build(way)?;
    write(&parts.components(None)?)?;
    let probe = component::build(&component::PROBE, way)?;
    for (gateway, bytes) in GATEWAYS.iter().zip(&parts.gateways) {
        let composed = compose(&probe, bytes)?;
        component::write(&checkout::dist().join(gateway.with_probe), &composed)?;
    }
    Ok(())
}

/// The commit that is checked out, if there is nothing else in the checkout.
fn revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        output(git.args(arguments).current_dir(checkout::root())).ok()
    };
    let is_clean = git(&["status", "--porcelain"])?.is_empty();
    is_clean.then(|| git(&["rev-parse", "HEAD"]))?
}

/// What all of it is made of.
struct Parts {
    toolchain: Toolchain,
    places: Places,
    plugin: Vec<u8>,
    /// Those of [`GATEWAYS`], which tell nothing about themselves yet.
    gateways: Vec<Vec<u8>>,
    cron: Vec<u8>,
    /// Without the plugin.
    explain: Vec<u8>,
}

impl Parts {
    fn build(way: Option<Way>) -> Result<Self> {
        let toolchain = toolchain::prepare(way)?;
        let places = Places::here()?;
        let plugin = stage("building the plugin", || {
            component::compile(&component::PLUGIN, &toolchain, &places)
        })?;
        let build = |source: &Source| {
            stage(&format!("building {}", source.component), || {
                let flags = toolchain.std_build_flags;
                let module = component::compile_module(source, &toolchain, flags, &places)?;
                component::encode(&module)
            })
        };
        let gateways = GATEWAYS.iter().map(|gateway| build(&gateway.source));
        let gateways = gateways.collect::<Result<_>>()?;
        let cron = build(&CRON)?;
        let explain = build(&EXPLAIN)?;
        Ok(Self {
            toolchain,
            places,
            plugin,
            gateways,
            cron,
            explain,
        })
    }

    fn components(&self, revision: Option<&str>) -> Result<Vec<Artifact>> {
        let stamped = |component: Vec<u8>| match revision {
            Some(revision) => metadata::stamp(&component, revision),
            None => Ok(component),
        };
        let plugin = stamped(self.plugin.clone())?;
        let described = |package, component: &[u8]| {
            let cargo = component::cargo(&self.toolchain, &self.places);
            let compiler = &self.toolchain.rustc.version;
            stamped(metadata::describe(component, package, compiler, cargo)?)
        };
        let mut artifacts = Vec::new();
        let mut push = |source: &Source, component: &[u8]| {
            let component = described(source.package, component)?;
            component::check_size(source.component, component.len(), source.most_bytes)?;
            artifacts.push(artifact(source.component, component));
            anyhow::Ok(())
        };
        push(&CRON, &self.cron)?;
        push(&EXPLAIN, &compose(&plugin, &self.explain)?)?;
        for (gateway, alone) in GATEWAYS.iter().zip(&self.gateways) {
            push(&gateway.source, alone)?;
        }
        for (gateway, alone) in GATEWAYS.iter().zip(&self.gateways) {
            let whole = compose(&plugin, alone)?;
            let whole = described(gateway.source.package, &whole)?;
            component::check_size(gateway.composed, whole.len(), gateway.most_bytes)?;
            artifacts.push(artifact(gateway.composed, whole));
        }
        artifacts.push(artifact(component::PLUGIN.component, plugin));
        Ok(artifacts)
    }
}

fn artifact(name: &'static str, bytes: Vec<u8>) -> Artifact {
    Artifact { name, bytes }
}

fn write(artifacts: &[Artifact]) -> Result<()> {
    for Artifact { name, bytes } in artifacts {
        component::write(&checkout::dist().join(name), bytes)?;
        let digest = component::digest(bytes);
        say(&format!(
            "dist/{name}: {} bytes, SHA-256 {digest}",
            bytes.len()
        ));
    }
    Ok(())
}

/// Gives a gateway, or the explain service, the plugin that it imports.
fn compose(plugin: &[u8], gateway: &[u8]) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let mut register = |name, bytes: &[u8]| {
        let package = Package::from_bytes(name, None, bytes.to_vec(), graph.types_mut())?;
        anyhow::Ok(graph.register_package(package)?)
    };
    let part = register("integration:plugin-part", plugin)?;
    let socket = register("integration:gateway-part", gateway)?;
    plug(&mut graph, vec![part], socket).context("the component does not import the plugin")?;
    let composed = graph.encode(EncodeOptions::default())?;
    if !holds(&composed, plugin) {
        bail!("the composed component does not hold the plugin's bytes as they are");
    }
    let (imports, _) = component::interface(&composed)?;
    if let Some(left) = imports.iter().find(|name| name.starts_with("integration:")) {
        bail!("the composed component still imports {left}");
    }
    Ok(composed)
}

fn holds(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// As `sha256sum --check` reads it.
fn checksums(artifacts: &[Artifact]) -> String {
    let mut lines = String::new();
    for Artifact { name, bytes } in artifacts {
        let _ = writeln!(lines, "{}  {name}", component::digest(bytes));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_written_as_the_usual_tool_reads_them() {
        let bytes = b"abc".to_vec();
        let name = "a.wasm";
        assert_eq!(
            checksums(&[Artifact { name, bytes }]),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.wasm\n"
        );
    }

    #[test]
    fn a_part_is_found_only_whole() {
        assert!(holds(b"xabcx", b"abc"));
        assert!(!holds(b"xab cx", b"abc"));
    }
}

//! Bills of materials, in CycloneDX 1.5: what is in the gateways, in the explain
//! service, and in the plugin.
//!
//! They are made from what cargo itself resolves, for one target, and list what
//! the program is linked of: neither what only builds it (build scripts,
//! procedural macros) nor what only tests it. There is no time and no chance in
//! them, so the same `Cargo.lock` gives the same bytes; the serial number is
//! made of the rest.

use crate::checkout;
use crate::command::cargo;
use crate::command::output;
use crate::stage::say;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fs;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A program, and the target that it is built for.
struct Program {
    package: &'static str,
    /// As `cargo` takes them, with the package before each.
    features: &'static str,
    target: &'static str,
    file: &'static str,
}

const GATEWAY: Program = Program {
    package: "servicenow-sync",
    features: "",
    target: "x86_64-unknown-linux-gnu",
    file: "servicenow-sync.cdx.json",
};

const PLUGIN: Program = Program {
    package: "servicenow-sync-plugin",
    features: "",
    target: "wasm32-unknown-unknown",
    file: "servicenow_sync.wasm.cdx.json",
};

const SPIN: Program = Program {
    package: "servicenow-sync-spin",
    features: "",
    target: "wasm32-unknown-unknown",
    file: "servicenow_sync_spin_gateway.wasm.cdx.json",
};

const SPIN_P3: Program = Program {
    package: "servicenow-sync-spin",
    features: "servicenow-sync-spin/p3",
    target: "wasm32-unknown-unknown",
    file: "servicenow_sync_spin_p3_gateway.wasm.cdx.json",
};

const CRON: Program = Program {
    package: "servicenow-sync-spin-cron",
    features: "",
    target: "wasm32-unknown-unknown",
    file: "servicenow_sync_spin_cron.wasm.cdx.json",
};

const EXPLAIN: Program = Program {
    package: "servicenow-sync-explain",
    features: "",
    target: "wasm32-unknown-unknown",
    file: "servicenow_sync_explain.wasm.cdx.json",
};

pub(crate) fn run() -> Result<()> {
    let dist = checkout::dist();
    fs::create_dir_all(&dist)?;
    for (file, text) in bills()? {
        fs::write(dist.join(file), text)?;
        say(&format!("dist/{file}"));
    }
    Ok(())
}

/// All bills, with the names of their files.
pub(crate) fn bills() -> Result<Vec<(&'static str, String)>> {
    let programs = [GATEWAY, PLUGIN, SPIN, SPIN_P3, CRON, EXPLAIN].into_iter();
    programs
        .map(|program| {
            let text = serde_json::to_string_pretty(&bill(&program)?)?;
            Ok((program.file, text + "\n"))
        })
        .collect()
}

fn bill(program: &Program) -> Result<Value> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--locked", "--format-version", "1"]);
    metadata.args(["--filter-platform", program.target]);
    metadata.args(["--features", program.features]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata)?)?;
    let lock = fs::read_to_string(checkout::root().join("Cargo.lock"))?;
    assemble(program.package, &metadata, &checksums(&lock))
}

/// The bill of a package and of all that it is linked of.
fn assemble(
    name: &str,
    metadata: &Value,
    checksums: &BTreeMap<(String, String), String>,
) -> Result<Value> {
    let by_id = |list: &Value| -> BTreeMap<String, Value> {
        let entries = list.as_array().into_iter().flatten();
        entries
            .map(|entry| (text(&entry["id"]), entry.clone()))
            .collect()
    };
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let root = packages
        .values()
        .find(|package| package["name"] == name && package["source"].is_null())
        .with_context(|| format!("the workspace has no package {name}"))?;

    // By reference, so that the order is that of names.
    let mut linked = BTreeMap::new();
    let mut waiting = vec![text(&root["id"])];
    while let Some(id) = waiting.pop() {
        let (Some(package), Some(node)) = (packages.get(&id), nodes.get(&id)) else {
            bail!("cargo does not tell of {id}");
        };
        let mut needs = BTreeMap::new();
        for dependency in node["deps"].as_array().into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array();
            let is_linked = kinds.is_some_and(|kinds| kinds.iter().any(|k| k["kind"].is_null()));
            let id = text(&dependency["pkg"]);
            let Some(needed) = packages.get(&id).filter(|_| is_linked) else {
                continue;
            };
            if !is_macro(needed) {
                needs.insert(reference(needed), id);
            }
        }
        let references: Vec<_> = needs.keys().cloned().collect();
        if linked
            .insert(reference(package), (package, references))
            .is_none()
        {
            waiting.extend(needs.into_values());
        }
    }

    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for (reference, (package, needs)) in &linked {
        if package["id"] != root["id"] {
            components.push(component(package, "library", checksums)?);
        }
        dependencies.push(json!({ "ref": reference, "dependsOn": needs }));
    }
    let mut bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(root, "application", checksums)? },
        "components": components,
        "dependencies": dependencies,
    });
    bill["serialNumber"] = json!(serial_number(&bill.to_string()));
    Ok(bill)
}

fn component(
    package: &Value,
    kind: &str,
    checksums: &BTreeMap<(String, String), String>,
) -> Result<Value> {
    let (name, version) = (text(&package["name"]), text(&package["version"]));
    let Some(licence) = package["license"].as_str() else {
        bail!("{name} {version} names no licence");
    };
    let mut component = json!({
        "type": kind,
        "bom-ref": reference(package),
        "name": name,
        "version": version,
        "licenses": [{ "expression": expression(licence) }],
    });
    if let Some(description) = package["description"].as_str() {
        let words: Vec<_> = description.split_whitespace().collect();
        component["description"] = json!(words.join(" "));
    }
    if package["source"] == REGISTRY {
        component["purl"] = json!(reference(package));
        let Some(checksum) = checksums.get(&(name.clone(), version.clone())) else {
            bail!("Cargo.lock has no checksum of {name} {version}");
        };
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    } else if !package["source"].is_null() {
        bail!("{name} {version} is not from crates.io");
    }
    if let Some(repository) = package["repository"].as_str() {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    Ok(component)
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    let mut kinds = targets.flat_map(|target| target["kind"].as_array().into_iter().flatten());
    kinds.any(|kind| kind == "proc-macro")
}

/// A package URL, which is also what a component is called within the bill.
fn reference(package: &Value) -> String {
    let (name, version) = (text(&package["name"]), text(&package["version"]));
    // Of what a version may contain, the plus sign must be written otherwise.
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// An SPDX expression; old packages write `MIT/Apache-2.0`.
fn expression(licence: &str) -> String {
    licence
        .split('/')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" OR ")
}

/// What the lock file says of each package from the registry.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut checksums = BTreeMap::new();
    let (mut name, mut version) = (String::new(), String::new());
    for line in lock.lines() {
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        let value = value.trim_matches('"').to_owned();
        match key {
            "name" => name = value,
            "version" => version = value,
            "checksum" => {
                checksums.insert((name.clone(), version.clone()), value);
            }
            _ => {}
        }
    }
    checksums
}

/// A UUID of version 8, which leaves it to us how it is made.
fn serial_number(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let mut bytes: [u8; 16] = std::array::from_fn(|index| digest[index]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    format!("urn:uuid:{}", parts.join("-"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn components(bill: &Value) -> Vec<&Value> {
        let components = bill["components"].as_array().expect("components");
        components
            .iter()
            .chain([&bill["metadata"]["component"]])
            .collect()
    }

    fn is_valid_expression(text: &str) -> bool {
        let parts = text.split([' ', '(', ')']).filter(|part| !part.is_empty());
        let is_id = |part: &str| {
            part.bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"-.+".contains(&c))
        };
        !text.is_empty() && parts.into_iter().all(is_id)
    }

    /// The rules of the specification that a bill can break.
    fn keeps_the_rules(bill: &Value) {
        assert_eq!(bill["bomFormat"], "CycloneDX");
        assert_eq!(bill["specVersion"], "1.5");
        assert_eq!(bill["version"], 1);
        let serial = bill["serialNumber"].as_str().expect("a serial number");
        let uuid = serial.strip_prefix("urn:uuid:").expect("a UUID");
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert!(
            uuid.bytes().all(|c| c == b'-' || c.is_ascii_hexdigit()),
            "{uuid}"
        );

        let mut references = BTreeSet::new();
        for component in components(bill) {
            let reference = component["bom-ref"].as_str().expect("a reference");
            assert!(references.insert(reference), "{reference} stands twice");
            for key in ["name", "version"] {
                assert!(!text(&component[key]).is_empty(), "{component}");
            }
            assert!(["library", "application"].contains(&component["type"].as_str().unwrap_or("")));
            let licence = component["licenses"][0]["expression"]
                .as_str()
                .expect("a licence");
            assert!(is_valid_expression(licence), "{licence}");
            if let Some(hash) = component["hashes"][0]["content"].as_str() {
                assert_eq!(hash.len(), 64, "{component}");
                assert!(
                    component["purl"]
                        .as_str()
                        .is_some_and(|purl| purl.starts_with("pkg:cargo/"))
                );
            }
        }
        let mut told = BTreeSet::new();
        for entry in bill["dependencies"].as_array().expect("dependencies") {
            let reference = entry["ref"].as_str().expect("a reference");
            assert!(told.insert(reference), "{reference} stands twice");
            let mut needs = BTreeSet::new();
            for need in entry["dependsOn"].as_array().expect("a list") {
                let need = need.as_str().expect("a reference");
                assert!(references.contains(need), "{need} is no component");
                assert!(needs.insert(need), "{need} stands twice");
            }
        }
        assert_eq!(told, references, "all have their dependencies told");
    }

    fn names(bill: &Value) -> BTreeSet<String> {
        components(bill)
            .into_iter()
            .map(|c| text(&c["name"]))
            .collect()
    }

    #[test]
    fn the_gateways_bill_has_what_it_is_linked_of_and_nothing_else() {
        let bill = bill(&GATEWAY).expect("a bill");
        keeps_the_rules(&bill);
        let names = names(&bill);
        for linked in ["integration-gateway", "wasmtime", "redb", "rustls", "tokio"] {
            assert!(names.contains(linked), "{linked} is missing");
        }
        for not_linked in [
            "proptest",
            "serde_derive",
            "simulators",
            "cc",
            "libfuzzer-sys",
        ] {
            assert!(!names.contains(not_linked), "{not_linked} is no part of it");
        }
    }

    #[test]
    fn the_plugins_bill_is_that_of_the_component_and_not_of_this_machine() {
        let bill = bill(&PLUGIN).expect("a bill");
        keeps_the_rules(&bill);
        let names = names(&bill);
        for linked in ["servicenow-sync-plugin", "serde_json", "rlsf", "sha2"] {
            assert!(names.contains(linked), "{linked} is missing");
        }
        for not_linked in ["wasmtime", "regex", "schemars"] {
            assert!(!names.contains(not_linked), "{not_linked} is no part of it");
        }
    }

    #[test]
    fn the_spin_gateways_bill_is_without_the_plugin_and_without_another_runtime() {
        let bill = bill(&SPIN).expect("a bill");
        keeps_the_rules(&bill);
        let names = names(&bill);
        for linked in ["integration-gateway", "wit-bindgen", "url"] {
            assert!(names.contains(linked), "{linked} is missing");
        }
        for not_linked in ["servicenow-sync-plugin", "spin-sdk", "wasmtime", "redb"] {
            assert!(!names.contains(not_linked), "{not_linked} is no part of it");
        }
    }

    #[test]
    fn the_bill_of_the_spin_gateway_for_wasi_0_3_has_spins_sdk_and_what_that_needs() {
        let bill = bill(&SPIN_P3).expect("a bill");
        keeps_the_rules(&bill);
        let names = names(&bill);
        for linked in ["integration-gateway", "spin-sdk", "wasip3"] {
            assert!(names.contains(linked), "{linked} is missing");
        }
        // JavaScript's clock, of which another feature of the SDK is made.
        for not_linked in ["servicenow-sync-plugin", "chrono", "js-sys"] {
            assert!(!names.contains(not_linked), "{not_linked} is no part of it");
        }
    }

    #[test]
    fn the_explain_services_bill_is_without_the_plugin_and_without_a_store() {
        let bill = bill(&EXPLAIN).expect("a bill");
        keeps_the_rules(&bill);
        let names = names(&bill);
        for linked in ["integration-gateway", "wit-bindgen", "url"] {
            assert!(names.contains(linked), "{linked} is missing");
        }
        for not_linked in ["servicenow-sync-plugin", "servicenow-sync-spin", "redb"] {
            assert!(!names.contains(not_linked), "{not_linked} is no part of it");
        }
    }

    #[test]
    fn the_same_lock_file_gives_the_same_bytes() {
        let text = |program| bill(program).expect("a bill").to_string();
        assert_eq!(text(&PLUGIN), text(&PLUGIN));
        assert_ne!(
            bill(&PLUGIN).expect("a bill")["serialNumber"],
            bill(&GATEWAY).expect("a bill")["serialNumber"]
        );
    }

    #[test]
    fn a_package_without_a_licence_is_refused() {
        let package = json!({ "name": "a", "version": "1.0.0+b", "license": null, "source": null });
        let error = component(&package, "library", &BTreeMap::new()).expect_err("no licence");
        assert_eq!(error.to_string(), "a 1.0.0+b names no licence");
        assert_eq!(reference(&package), "pkg:cargo/a@1.0.0%2Bb");
        assert_eq!(expression("MIT/Apache-2.0"), "MIT OR Apache-2.0");
    }
}

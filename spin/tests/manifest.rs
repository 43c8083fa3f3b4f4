//! Whether the manifests at the top of the checkout fit to what the gateway
//! and its example configuration ask for.

// A test that meets something unexpected should stop right there.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use toml::Table;
use toml::Value;

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(file)).unwrap()
}

fn manifest() -> Table {
    read("spin.toml").parse().unwrap()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_table().unwrap().keys().cloned().collect()
}

/// The variables that a document's secrets are.
fn secrets(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => {
            if let Some(Value::String(path)) = table.get("file").filter(|_| table.len() == 1) {
                found.insert(path.rsplit('/').next().unwrap().replace('-', "_"));
            }
            table.values().for_each(|value| secrets(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| secrets(value, found)),
        _ => {}
    }
}

#[test]
fn every_secret_of_the_example_is_a_secret_variable_of_the_application() {
    let manifest = manifest();
    let mut named = BTreeSet::new();
    secrets(
        &Value::Table(read("docs/sync.example.toml").parse().unwrap()),
        &mut named,
    );
    assert_eq!(named.len(), 5, "{named:?}");
    let handed_on = keys(&manifest["component"]["gateway"]["variables"]);
    for name in named {
        assert_eq!(
            manifest["variables"][&name]["secret"],
            Value::Boolean(true),
            "{name}"
        );
        assert!(handed_on.contains(&name), "{name}");
    }
}

#[test]
fn every_variable_is_used_and_every_one_that_is_used_is_declared() {
    let manifest = manifest();
    let gateway = &manifest["component"]["gateway"];
    let hosts = gateway["allowed_outbound_hosts"].as_array().unwrap();
    let values = gateway["variables"].as_table().unwrap().values();
    let used: BTreeSet<String> = hosts
        .iter()
        .chain(values)
        .map(|template| {
            let name = template.as_str().unwrap().strip_prefix("{{ ").unwrap();
            name.strip_suffix(" }}").unwrap().to_owned()
        })
        .collect();
    assert_eq!(used, keys(&manifest["variables"]));
}

/// What is said in one of them holds for the other.
#[test]
fn the_manifest_of_the_build_for_wasi_0_3_differs_in_its_component_only() {
    let mut p3: Table = read("spin.p3.toml").parse().unwrap();
    let source = &mut p3["component"]["gateway"]["source"];
    let p3_file = source.as_str().unwrap().to_owned();
    assert_eq!(p3_file, "dist/servicenow_sync_spin_p3.wasm");
    *source = Value::from("dist/servicenow_sync_spin.wasm");
    assert_eq!(p3, manifest());
}

/// Whoever sees processes sees a command line, and a variable is filled in there.
#[test]
fn no_secret_stands_on_the_command_line_of_the_kubernetes_clock() {
    let yaml = read("deploy/tick-cronjob.yaml");
    let (_, args) = yaml.split_once(" args:\n").unwrap();
    let args: Vec<_> = args
        .lines()
        .map_while(|line| line.trim_start().strip_prefix("- "))
        .collect();
    assert!(args.contains(&"\"@/etc/tick/tick-header\""), "{args:?}");
    for arg in args {
        assert!(!arg.contains("$("), "{arg}");
    }
}

#[test]
fn the_kubernetes_manifest_sets_variables_that_there_are() {
    let declared = keys(&manifest()["variables"]);
    let yaml = read("deploy/spinapp.yaml");
    let set: Vec<_> = yaml
        .lines()
        .filter_map(|line| line.strip_prefix("    - name: "))
        .collect();
    assert_eq!(set.len(), 9);
    for name in set {
        assert!(declared.contains(name), "{name}");
    }
}

//! Which artifact loads in which runtime, by what each imports and exports and
//! what each offers and expects (`tests/worlds`). The table in `docs/gateways.md` is
//! made here: `BLESS=1 cargo test -p xtask --test worlds`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use wit_component::DecodedWasm;
use wit_parser::Resolve;

/// What is handed out: its file in `dist`, and what it is called.
const ARTIFACTS: [(&str, &str); 7] = [
    ("servicenow_sync.wasm", "the plugin"),
    (
        "servicenow_sync_spin.wasm",
        "the Spin gateway with the plugin in it",
    ),
    (
        "servicenow_sync_spin_gateway.wasm",
        "the Spin gateway, and the plugin as its dependency",
    ),
    (
        "servicenow_sync_spin_p3.wasm",
        "that for WASI 0.3 with the plugin in it",
    ),
    (
        "servicenow_sync_spin_p3_gateway.wasm",
        "that for WASI 0.3, and the plugin as its dependency",
    ),
    (
        "servicenow_sync_spin_cron.wasm",
        "the component for the cron trigger",
    ),
    (
        "servicenow_sync_explain.wasm",
        "the explain service with the plugin in it",
    ),
];

/// The worlds and what people call the runtime: a component needs one of them,
/// of which some are that of the runtime joining two components by itself.
const RUNTIMES: [(&str, &[&str]); 8] = [
    (
        "Spin 3.6, SpinKube's shim 0.24",
        &["spin-3-6", "spin-3-6-joining"],
    ),
    ("the cron trigger of Spin 3", &["spin-3-cron"]),
    ("Spin 4.0", &["spin-4-0", "spin-4-0-joining"]),
    (
        "Spin 4.1 (pre-release)",
        &[
            "spin-4-1",
            "spin-4-1-joining",
            "spin-4-1-wasi-0-3",
            "spin-4-1-wasi-0-3-joining",
        ],
    ),
    (
        "`wasmtime serve` 48",
        &["wasmtime-serve-48", "wasmtime-serve-48-wasi-0-3"],
    ),
    ("wasmCloud, `wash` 2", &["wash-2"]),
    ("`jco serve` 1", &["jco-serve-1"]),
    ("a program that embeds it: wasmtime, jco", &["embedding"]),
];

const BEGIN: &str = "<!-- begin matrix -->\n\n";
const END: &str = "\n<!-- end matrix -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All worlds, after the interfaces that they are made of.
fn worlds() -> Resolve {
    let mut resolve = Resolve::default();
    let files = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let paths = paths.filter(|path| path.is_file());
        paths.map(|path| fs::read_to_string(path).unwrap())
    };
    let interfaces = [
        "wit",
        "spin/wit/p2/deps",
        "spin/cron/wit/deps",
        "tests/spin/wit/p3/deps",
        "tests/worlds/wasi-0.3",
    ];
    let interfaces = interfaces.into_iter().flat_map(files);
    let mut waiting: Vec<String> = interfaces.collect();
    // Each after those that it uses, in whatever order that is.
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|text| {
            // What fails may have left half of itself behind.
            let mut with_it = resolve.clone();
            let is_missing = with_it.push_str("interface.wit", text).is_err();
            if !is_missing {
                resolve = with_it;
            }
            is_missing
        });
        assert!(
            waiting.len() < before,
            "an interface uses one that is not there"
        );
    }
    let worlds: String = files("tests/worlds").collect();
    resolve.push_str("worlds.wit", &worlds).unwrap();
    resolve
}

fn artifact(file: &str) -> Vec<u8> {
    let read = fs::read(root().join("dist").join(file));
    read.unwrap_or_else(|error| panic!("dist/{file}: {error}; `cargo xtask dist` makes it"))
}

/// The names of what a component imports and exports.
fn interface(component: &[u8]) -> [Vec<String>; 2] {
    let Ok(DecodedWasm::Component(resolve, world)) = wit_component::decode(component) else {
        panic!("it is no component");
    };
    let world = &resolve.worlds[world];
    [&world.imports, &world.exports].map(|items| {
        let names = items.keys().map(|key| resolve.name_world_key(key));
        names.collect()
    })
}

/// Why an artifact does not load in a world; nothing if it does.
fn obstacle(resolve: &Resolve, world: &str, component: &[u8]) -> Option<String> {
    let id = resolve.worlds.iter().find(|(_, found)| found.name == world);
    let (id, found) = id.unwrap_or_else(|| panic!("there is no world {world}"));
    let Err(error) = wit_component::targets(resolve, id, component) else {
        return None;
    };
    let [imports, exports] = interface(component);
    let mut expected = found.exports.keys().map(|key| resolve.name_world_key(key));
    if let Some(missing) = expected.find(|name| !exports.contains(name)) {
        return Some(format!("does not export `{missing}`"));
    }
    let offered: Vec<String> = found
        .imports
        .keys()
        .map(|key| resolve.name_world_key(key))
        .collect();
    if let Some(missing) = imports.iter().find(|name| !offered.contains(name)) {
        return Some(format!("there is no `{missing}`"));
    }
    Some(format!("{error:#}"))
}

/// A line for each runtime.
fn matrix() -> String {
    let resolve = worlds();
    let heads: String = ARTIFACTS
        .iter()
        .map(|(_, name)| format!(" {name} |"))
        .collect();
    let mut table = format!("| |{heads}\n|{}\n", " --- |".repeat(ARTIFACTS.len() + 1));
    let artifacts = ARTIFACTS.map(|(file, _)| artifact(file));
    for (runtime, worlds) in RUNTIMES {
        table += &format!("| {runtime} |");
        for component in &artifacts {
            let obstacles = worlds
                .iter()
                .map(|world| obstacle(&resolve, world, component));
            let obstacles: Option<Vec<String>> = obstacles.collect();
            table += &match obstacles {
                None => " loads |".to_owned(),
                Some(obstacles) => {
                    // What is missing tells more than what is called otherwise.
                    let missing = obstacles.iter().find(|why| why.starts_with("there is no"));
                    format!(" no: {} |", missing.unwrap_or(&obstacles[0]))
                }
            };
        }
        table.push('\n');
    }
    table
}

#[test]
fn the_table_of_runtimes_is_what_the_artifacts_say() {
    let page = root().join("docs/gateways.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", matrix());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&page, &expected).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap() == expected,
        "docs/gateways.md is out of date; run: \
         BLESS=1 cargo test -p xtask --test worlds"
    );
}

#[test]
fn the_plugin_asks_for_nothing() {
    assert_eq!(interface(&artifact("servicenow_sync.wasm"))[0], [""; 0]);
}

/// It can send nothing, keep nothing and open nothing.
#[test]
fn the_explain_service_asks_for_requests_a_clock_variables_and_standard_error_only() {
    let [mut imports, exports] = interface(&artifact("servicenow_sync_explain.wasm"));
    imports.sort();
    let expected = [
        "wasi:cli/environment@0.2.0",
        "wasi:cli/stderr@0.2.0",
        "wasi:clocks/wall-clock@0.2.0",
        "wasi:http/types@0.2.0",
        "wasi:io/error@0.2.0",
        "wasi:io/poll@0.2.0",
        "wasi:io/streams@0.2.0",
    ];
    assert_eq!(imports, expected);
    assert_eq!(exports, ["wasi:http/incoming-handler@0.2.0"]);
}

#[test]
fn what_is_not_offered_is_noticed() {
    let resolve = worlds();
    let gateway = artifact("servicenow_sync_spin.wasm");
    let why = obstacle(&resolve, "wasmtime-serve-48", &gateway);
    assert!(why.is_some_and(|why| why.contains("fermyon:spin/")));
    let plugin = artifact("servicenow_sync.wasm");
    let why = obstacle(&resolve, "spin-3-6", &plugin);
    let expected = "does not export `wasi:http/incoming-handler@0.2.0`";
    assert_eq!(why.as_deref(), Some(expected));
}

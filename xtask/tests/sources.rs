//! What must never stand in the sources, however good the reason seems.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// All sources of the gateways, without the tests in them.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = [
        "explain/src",
        "gateway/src",
        "host/src",
        "spin/src",
        "spin/cron/src",
    ]
    .map(|folder| root.join(folder))
    .to_vec();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
                sources.push((path, code));
            }
        }
    }
    assert!(sources.len() > 50, "these are not the sources");
    sources
}

/// The lines that an expression of ours finds suspicious.
fn found(is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, code) in sources() {
        for (index, line) in code.lines().enumerate() {
            let line = line.trim();
            if !line.starts_with("//") && is_bad(line) {
                found.push(format!("{}:{}: {line}", path.display(), index + 1));
            }
        }
    }
    found
}

/// The names under which rustls and reqwest offer to trust everybody.
fn trusts_everybody(line: &str) -> bool {
    [
        "danger",
        "NoVerifier",
        "with_custom_certificate_verifier",
        "tls_sni(false)",
    ]
    .iter()
    .any(|name| line.contains(name))
}

/// A comparison that ends at the first difference. `Secret` has none; its text
/// has, and so have the digests of what is accepted.
fn compares_a_secret(line: &str) -> bool {
    let touches = [
        "reveal()",
        "digest",
        "signature",
        "expected.as_slice()",
        "accepted.0",
    ]
    .iter()
    .any(|name| line.contains(name));
    let compares = [
        "== ",
        "!= ",
        ".eq(",
        ".ne(",
        ".cmp(",
        ".starts_with(",
        "matches!(",
    ]
    .iter()
    .any(|operator| line.contains(operator));
    touches && compares
}

#[test]
fn no_switch_turns_certificate_checks_off() {
    assert_eq!(found(trusts_everybody), [""; 0]);
    assert!(trusts_everybody(".danger_accept_invalid_certs(true)"));
    assert!(trusts_everybody(
        "config.dangerous().set_certificate_verifier(v);"
    ));
}

#[test]
fn no_secret_is_compared_in_a_time_that_tells() {
    assert_eq!(found(compares_a_secret), [""; 0]);
    assert!(compares_a_secret("if a.reveal() == token {"));
    assert!(compares_a_secret("digest(a) != digest(b)"));
    assert!(compares_a_secret("expected.as_slice().eq(&decoded)"));
}

/// Where `unsafe` may be, and nowhere else: what wit-bindgen generates to read
/// and write the memory of a component, and how libFuzzer finds its function.
const UNSAFE: [&str; 10] = [
    "explain/src/bindings.rs",
    "fuzz/libfuzzer.rs",
    "gateway/src/contract.rs",
    "plugin/src/component.rs",
    "plugin/src/lib.rs",
    "spin/cron/src/bindings.rs",
    "spin/src/p2/bindings.rs",
    "spin/src/p3/bindings.rs",
    "tests/conformance/probe/src/component.rs",
    "tests/conformance/probe/src/lib.rs",
];

/// The crates that need none of it, and forbid it: there an exception does not
/// even compile.
const SAFE: [&str; 11] = [
    "examples/embed-rust/src/main.rs",
    "fuzz/src/lib.rs",
    "host/src/lib.rs",
    "host/src/main.rs",
    "simulators/src/lib.rs",
    "tests/conformance/src/lib.rs",
    "tests/conformance/src/main.rs",
    "tests/native/src/lib.rs",
    "tests/spin/src/lib.rs",
    "tests/support/lib.rs",
    "xtask/src/main.rs",
];

/// All files in Rust of a folder, by their places below the checkout.
fn rust(folder: &Path, root: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust(&path, root, files);
        } else if name.ends_with(".rs") {
            files.push(
                path.strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
    }
}

#[test]
fn unsafe_code_is_where_bindings_are_generated_and_nowhere_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let lints: String = read("Cargo.toml");
    assert!(lints.contains("unsafe_code = \"deny\""), "the workspace");
    for file in SAFE {
        assert!(read(file).contains("#![forbid(unsafe_code)]"), "{file}");
    }
    let mut files = Vec::new();
    rust(&root, &root, &mut files);
    assert!(files.len() > 200, "these are not the sources");
    files.retain(|file| {
        let code = read(file);
        let mut lines = code.lines().map(str::trim_start);
        lines.any(|l| l.starts_with('#') && l.contains("allow(") && l.contains("unsafe_code"))
    });
    files.sort();
    assert_eq!(files, UNSAFE);
    for folder in [
        "examples/embed-rust",
        "explain",
        "fuzz",
        "gateway",
        "host",
        "plugin",
        "simulators",
        "tests",
        "xtask",
    ] {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{folder}");
    }
}

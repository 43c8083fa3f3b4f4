//! Builds a plugin or a gateway and wraps it as a component.
//!
//! Cargo makes a core module, `wit-component` the component around it, from the
//! section that `wit-bindgen` left in the module. The result imports nothing,
//! which is checked here, and is the same to the byte wherever it was built by
//! the same compiler.

use crate::checkout;
use crate::command::run;
use crate::metadata;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain;
use crate::toolchain::TARGET;
use crate::toolchain::Toolchain;
use crate::toolchain::Way;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use sha2::Digest;
use sha2::Sha256;
use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use wasmparser::Chunk;
use wasmparser::Parser;
use wasmparser::Payload;
use wit_component::ComponentEncoder;
use wit_component::DecodedWasm;

/// A package that becomes a component.
pub(crate) struct Source {
    pub(crate) package: &'static str,
    /// Its features that are wanted, with commas between.
    pub(crate) features: &'static str,
    /// The core module that cargo makes of it.
    pub(crate) module: &'static str,
    /// What the compiler is told besides.
    pub(crate) flags: &'static [&'static str],
    /// The component's name in `dist`.
    pub(crate) component: &'static str,
    /// How many bytes the component may have: nothing large is let in unseen.
    pub(crate) most_bytes: usize,
}

/// The plugin.
pub(crate) const PLUGIN: Source = Source {
    package: "servicenow-sync-plugin",
    features: "",
    module: "servicenow_sync_plugin.wasm",
    // Less is inlined than is usual for small code: the plugin loses a kilobyte by
    // that, while the gateways for Spin gain two.
    flags: &["-Cllvm-args=--inline-threshold=0"],
    component: "servicenow_sync.wasm",
    most_bytes: 413_000,
};

/// What the conformance suite puts in the plugin's place.
pub(crate) const PROBE: Source = Source {
    package: "integration-probe",
    features: "",
    module: "integration_probe.wasm",
    flags: &[],
    component: "integration_probe.wasm",
    most_bytes: 200_000,
};

/// What makes the component smaller beyond its profile.
const SMALLER: [&str; 2] = [
    // The linker leaves room for the largest address at each place where one
    // stands, and this takes it away again.
    "-Clink-arg=--compress-relocations",
    // SHA-256 without unrolled loops; it is used for a few short texts.
    "--cfg=sha2_backend_soft=\"compact\"",
];

/// The places whose names must not show in the component.
pub(crate) struct Places {
    /// The workspace's root.
    pub(crate) sources: PathBuf,
    pub(crate) cargo_home: PathBuf,
    /// Where cargo puts what it builds. Its own, since a cargo that runs inside
    /// a `cargo run` or a build script must not wait for the outer one's lock.
    pub(crate) target: PathBuf,
}

impl Places {
    /// This checkout and the user's cargo.
    pub(crate) fn here() -> Result<Self> {
        let sources = checkout::root();
        let cargo_home = env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
            .context("neither CARGO_HOME nor a home folder is set")?;
        Ok(Self {
            target: sources.join("target").join("component"),
            sources,
            cargo_home,
        })
    }

    /// Flags that replace each place by a name that is the same everywhere.
    ///
    /// Of several prefixes that fit, the compiler takes the last, so the order
    /// is from the general to the particular. The registry's folder is named
    /// after the mirror in use, so it has a flag of its own.
    fn remap(&self, registries: &[PathBuf], toolchain: &Toolchain) -> Vec<String> {
        let library = toolchain.sysroot.join("lib/rustlib/src/rust");
        let library_name = format!("/rustc/{}", toolchain.rustc.commit);
        let mut pairs = vec![
            (self.sources.as_path(), "/servicenow-sync"),
            (self.target.as_path(), "/target"),
            (self.cargo_home.as_path(), "/cargo"),
        ];
        pairs.extend(
            registries
                .iter()
                .map(|folder| (folder.as_path(), "/registry")),
        );
        let linked = library.canonicalize();
        pairs.push((library.as_path(), &library_name));
        if let Ok(linked) = &linked {
            pairs.push((linked, &library_name));
        }
        pairs
            .iter()
            .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
            .collect()
    }

    /// The folders with the sources of crates, one for each registry.
    fn registries(&self) -> Vec<PathBuf> {
        let folder = self.cargo_home.join("registry").join("src");
        let mut found: Vec<_> = folder
            .read_dir()
            .map(|entries| {
                entries
                    .filter_map(Result::ok)
                    .map(|entry| entry.path())
                    .collect()
            })
            .unwrap_or_default();
        found.sort();
        found
    }
}

/// Builds a component in `dist` and tells its size and digest.
pub(crate) fn build(source: &Source, way: Option<Way>) -> Result<Vec<u8>> {
    let toolchain = toolchain::prepare(way)?;
    let places = Places::here()?;
    let component = stage(
        &format!(
            "building {} with {}",
            source.component, toolchain.rustc.version
        ),
        || compile(source, &toolchain, &places),
    )?;
    let path = checkout::dist().join(source.component);
    write(&path, &component)?;
    say(&describe(&path, &component));
    Ok(component)
}

/// The component's bytes, built from the sources in `places`.
pub(crate) fn compile(source: &Source, toolchain: &Toolchain, places: &Places) -> Result<Vec<u8>> {
    let module = compile_module(source, toolchain, toolchain.build_flags, places)?;
    let component = wrap(source.package, &module)?;
    let compiler = &toolchain.rustc.version;
    let cargo = cargo(toolchain, places);
    let component = metadata::describe(&component, source.package, compiler, cargo)?;
    check_size(source.component, component.len(), source.most_bytes)?;
    Ok(component)
}

/// Refuses a component that has grown too large.
pub(crate) fn check_size(name: &str, bytes: usize, most: usize) -> Result<()> {
    if bytes > most {
        bail!(
            "{name} has {bytes} bytes, and may have {most}: look for what made it larger, or raise \
             the limit and say in the commit what it is for"
        );
    }
    Ok(())
}

/// The core module of which a component is made.
pub(crate) fn compile_module(
    source: &Source,
    toolchain: &Toolchain,
    build_flags: &[&str],
    places: &Places,
) -> Result<Vec<u8>> {
    // The folders of registries exist only once something was fetched.
    run(cargo(toolchain, places).args(["fetch", "--locked", "--quiet", "--target", TARGET]))?;
    let mut flags = places.remap(&places.registries(), toolchain);
    flags.extend(
        SMALLER
            .iter()
            .chain(source.flags)
            .map(|&flag| flag.to_owned()),
    );
    let flags = flags.join("\u{1f}");
    let mut build = cargo(toolchain, places);
    build
        .args([
            "rustc",
            "--locked",
            "--package",
            source.package,
            "--features",
            source.features,
            "--crate-type",
            "cdylib",
        ])
        .args(["--profile", "component", "--target", TARGET])
        .args(build_flags)
        // Separated by U+001F, so that a path may hold a space.
        .env("CARGO_ENCODED_RUSTFLAGS", flags);
    run(&mut build)?;
    let folder = places.target.join(TARGET).join("component");
    let module = folder.join(source.module);
    fs::read(&module).with_context(|| format!("cannot read {}", module.display()))
}

/// A cargo on which nothing of the user's environment leaves a trace.
pub(crate) fn cargo(toolchain: &Toolchain, places: &Places) -> std::process::Command {
    let mut cargo = toolchain.cargo();
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(shapes_the_build) {
            cargo.env_remove(name);
        }
    }
    cargo
        .current_dir(&places.sources)
        .env("CARGO_HOME", &places.cargo_home)
        .env("CARGO_TARGET_DIR", &places.target)
        // A build script that asks for the commit of its own crate shall not
        // find that of whatever cargo's home is in.
        .env("GIT_CEILING_DIRECTORIES", &places.cargo_home);
    cargo
}

fn shapes_the_build(variable: &str) -> bool {
    variable.starts_with("CARGO_PROFILE_")
        || matches!(
            variable,
            "RUSTFLAGS" | "CARGO_ENCODED_RUSTFLAGS" | "CARGO_INCREMENTAL" | "CARGO_BUILD_TARGET"
        )
}

/// Makes a component of a core module and proves that it asks for nothing.
fn wrap(package: &str, module: &[u8]) -> Result<Vec<u8>> {
    let component = encode(module)?;
    let (imports, exports) = interface(&component)?;
    if !imports.is_empty() {
        bail!(
            "the component must import nothing, but imports {}: a dependency of {package} uses \
             something that only a system has, such as a clock or random numbers",
            imports.join(", ")
        );
    }
    if exports.is_empty() {
        bail!("the component exports nothing: does {package} call `export!`?");
    }
    Ok(component)
}

/// Makes a component of a core module.
pub(crate) fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    without_names(&encoder.module(module)?.validate(true).encode()?)
}

/// A component without the names of its parts, which are for people who take it
/// to pieces: one and a half percent of the Spin gateway.
fn without_names(component: &[u8]) -> Result<Vec<u8>> {
    let mut kept = Vec::with_capacity(component.len());
    let mut parser = Parser::new(0);
    let mut rest = component;
    loop {
        let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? else {
            bail!("the component has no end");
        };
        let mut length = consumed;
        if let Payload::ModuleSection {
            unchecked_range, ..
        }
        | Payload::ComponentSection {
            unchecked_range, ..
        } = &payload
        {
            length += usize::try_from(unchecked_range.end - unchecked_range.start)?;
        }
        let (part, behind) = rest
            .split_at_checked(length)
            .context("a section of the component has no end")?;
        rest = behind;
        match payload {
            Payload::End(_) => return Ok(kept),
            Payload::CustomSection(section) if section.name() == "component-name" => {}
            _ => kept.extend_from_slice(part),
        }
    }
}

/// The names of what a component imports and exports.
pub(crate) fn interface(component: &[u8]) -> Result<(Vec<String>, Vec<String>)> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("it is a WIT package, not a component");
    };
    let world = &resolve.worlds[world];
    let imports = world
        .imports
        .keys()
        .map(|key| resolve.name_world_key(key))
        .collect();
    let exports = world
        .exports
        .keys()
        .map(|key| resolve.name_world_key(key))
        .collect();
    Ok((imports, exports))
}

/// Replaces the file in one step: a gateway that watches it, or a test that
/// reads it, never sees half of it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let put = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let draft = path.with_extension(format!("wasm.{}", std::process::id()));
        fs::write(&draft, bytes)?;
        fs::rename(&draft, path)
    };
    put().with_context(|| format!("cannot write {}", path.display()))
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One line: name, size and digest.
pub(crate) fn describe(path: &Path, bytes: &[u8]) -> String {
    let digest = digest(bytes);
    let path = path.strip_prefix(checkout::root()).unwrap_or(path);
    format!(
        "{}: {} bytes, no imports, SHA-256 {digest}",
        path.display(),
        bytes.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(component)`, and the same with `(import "clock" (func))`.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
    const IMPORTS_A_CLOCK: &[u8] =
        b"\0asm\x0d\0\x01\0\x07\x05\x01\x40\x00\x01\x00\x0a\x0a\x01\x00\x05clock\x01\x00";

    #[test]
    fn imports_are_found() {
        assert_eq!(
            interface(EMPTY).expect("it is a component").0,
            Vec::<String>::new()
        );
        assert_eq!(
            interface(IMPORTS_A_CLOCK).expect("it is a component").0,
            ["clock"]
        );
    }

    #[test]
    fn only_names_are_taken_away() {
        let names = b"\0\x12\x0ecomponent-name\x00\x01a";
        let module = b"\x01\x08\0asm\x01\0\0\0";
        let named = [&IMPORTS_A_CLOCK[..8], module, names, &IMPORTS_A_CLOCK[8..]].concat();
        let plain = [&IMPORTS_A_CLOCK[..8], module, &IMPORTS_A_CLOCK[8..]].concat();
        assert_eq!(without_names(&named).expect("a component"), plain);
        assert_eq!(without_names(&plain).expect("a component"), plain);
        assert!(without_names(&plain[..20]).is_err());
    }

    #[test]
    fn a_module_without_an_interface_is_refused() {
        let module = b"\0asm\x01\0\0\0";
        let error = wrap("probe", module).expect_err("it fails").to_string();
        assert_eq!(
            error,
            "the component exports nothing: does probe call `export!`?"
        );
    }

    #[test]
    fn a_component_that_has_grown_too_large_is_refused() {
        check_size("a.wasm", 400_000, 400_000).expect("it is not too large");
        let error = check_size("a.wasm", 400_001, 400_000);
        let error = error.expect_err("it is").to_string();
        assert_eq!(
            error,
            "a.wasm has 400001 bytes, and may have 400000: look for what made it \
             larger, or raise the limit and say in the commit what it is for"
        );
    }

    #[test]
    fn the_digest_is_told_with_the_size() {
        assert_eq!(
            describe(&checkout::component(), b"abc"),
            "dist/servicenow_sync.wasm: 3 bytes, no imports, SHA-256 \
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn settings_of_the_user_do_not_shape_the_component() {
        assert!(shapes_the_build("CARGO_PROFILE_RELEASE_LTO"));
        assert!(shapes_the_build("RUSTFLAGS"));
        assert!(!shapes_the_build("CARGO_NET_OFFLINE"));
        assert!(!shapes_the_build("RUSTUP_TOOLCHAIN"));
    }
}

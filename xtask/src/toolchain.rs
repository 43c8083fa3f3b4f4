//! Gets a compiler for the plugin's target.
//!
//! The target is `wasm32-unknown-unknown`: with it the standard library imports
//! nothing, while `wasm32-wasip2` adds thirteen imports of WASI. Its library is
//! part of no fresh installation, so it is fetched the usual way, by rustup, or
//! where rustup cannot reach its server, built from Debian's packages.

use crate::command;
use crate::command::output;
use crate::command::run_within;
use crate::debian::install;
use crate::debian::is_installed;
use crate::stage::say;
use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use clap::ValueEnum;
use std::env;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The packages hold a compiler, its cargo, and the library's sources.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// Long enough for 30 MB over a slow line.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Where the target's standard library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// `rustup target add`.
    Rustup,
    /// Debian's packages, which build it from source.
    Debian,
}

/// A cargo that can build for [`TARGET`].
pub(crate) struct Toolchain {
    cargo: Option<PathBuf>,
    /// Set for every call of that cargo.
    variables: Vec<(&'static str, PathBuf)>,
    /// Added to its build commands.
    pub(crate) build_flags: &'static [&'static str],
    /// The same for what needs the whole of the standard library.
    pub(crate) std_build_flags: &'static [&'static str],
    /// Where this compiler keeps its files.
    pub(crate) sysroot: PathBuf,
    pub(crate) rustc: Rustc,
}

impl Toolchain {
    /// A cargo command, in the checkout's root.
    pub(crate) fn cargo(&self) -> Command {
        let base = command::cargo();
        let Some(program) = &self.cargo else {
            return base;
        };
        let mut command = Command::new(program);
        if let Some(folder) = base.get_current_dir() {
            command.current_dir(folder);
        }
        for (name, value) in base.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// What a compiler says about itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rustc {
    /// For example `rustc 1.95.0 (59807616e 2026-04-14)`.
    pub(crate) version: String,
    pub(crate) commit: String,
    host: String,
}

impl Rustc {
    fn ask(rustc: impl AsRef<Path>) -> Result<Self> {
        Self::parse(&output(Command::new(rustc.as_ref()).arg("-vV"))?)
    }

    fn parse(text: &str) -> Result<Self> {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
                .with_context(|| format!("`rustc -vV` has no line `{name}`"))
        };
        Ok(Self {
            version: text.lines().next().unwrap_or_default().to_owned(),
            commit: field("commit-hash:")?,
            host: field("host:")?,
        })
    }
}

/// Finds or gets a toolchain; says what it does where it changes the machine.
///
/// What is there is used before anything is fetched: where rustup reaches
/// nothing, only the first build waits to learn it.
pub(crate) fn prepare(way: Option<Way>) -> Result<Toolchain> {
    match way {
        Some(Way::Rustup) => {
            add_by_rustup()?;
            installed()?.context("rustup said it added the target, but it is not there")
        }
        Some(Way::Debian) => debian(),
        None => {
            if let Some(toolchain) = installed()? {
                return Ok(toolchain);
            }
            if DEBIAN_PACKAGES.into_iter().all(is_installed) {
                return debian();
            }
            let by_rustup = match add_by_rustup() {
                Ok(()) => installed()?.map_or_else(|| Err(anyhow!("it added nothing")), Ok),
                Err(error) => Err(error),
            };
            by_rustup.or_else(|rustup| {
                say(&format!(
                    "rustup could not add it ({rustup:#}); trying Debian's packages"
                ));
                debian().map_err(|debian| {
                    anyhow!(
                        "the compiler has no standard library for {TARGET}: run `rustup target add \
                         {TARGET}` where static.rust-lang.org can be reached, or install Debian's \
                         {} (rustup: {rustup:#}; Debian: {debian:#})",
                        DEBIAN_PACKAGES.join(", ")
                    )
                })
            })
        }
    }
}

/// The toolchain in use, if it has the target.
fn installed() -> Result<Option<Toolchain>> {
    let libraries =
        output(Command::new("rustc").args(["--print=target-libdir", "--target", TARGET]))?;
    let sysroot = sysroot("rustc")?;
    let toolchain = Toolchain {
        cargo: None,
        variables: Vec::new(),
        build_flags: &[],
        std_build_flags: &[],
        sysroot,
        rustc: Rustc::ask("rustc")?,
    };
    Ok(has_core(Path::new(&libraries)).then_some(toolchain))
}

fn sysroot(rustc: &str) -> Result<PathBuf> {
    Ok(output(Command::new(rustc).arg("--print=sysroot"))?.into())
}

/// Whether a target's folder of libraries holds the core library. The folder's
/// existence says nothing: an uninstalled target leaves it behind.
fn has_core(folder: &Path) -> bool {
    folder.read_dir().is_ok_and(|files| {
        files.filter_map(Result::ok).any(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libcore-") && name.ends_with(".rlib")
        })
    })
}

/// Asks rustup for the target of exactly the toolchain in use, so that it does
/// not update or install another.
fn add_by_rustup() -> Result<()> {
    let toolchain = active_toolchain()?;
    say(&format!(
        "rustup target add --toolchain {toolchain} {TARGET} (gives up after {} s)",
        RUSTUP_LIMIT.as_secs()
    ));
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", "--toolchain", &toolchain, TARGET]);
    run_within(RUSTUP_LIMIT, &mut rustup)
}

fn active_toolchain() -> Result<String> {
    if let Ok(toolchain) = env::var("RUSTUP_TOOLCHAIN") {
        return Ok(toolchain);
    }
    let line = output(Command::new("rustup").args(["show", "active-toolchain"]))?;
    let name = line.split_whitespace().next();
    name.map(str::to_owned)
        .context("`rustup show active-toolchain` names none")
}

/// Debian's compiler, which has no library for the target but can build it:
/// `-Zbuild-std`, with the linker that comes with rustup's toolchain.
fn debian() -> Result<Toolchain> {
    let missing: Vec<_> = DEBIAN_PACKAGES
        .into_iter()
        .filter(|package| !is_installed(package))
        .collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    let host = Rustc::ask("rustc")?.host;
    let linker = sysroot("rustc")?.join(format!("lib/rustlib/{host}/bin/rust-lld"));
    if !linker.is_file() {
        bail!(
            "the active Rust toolchain has no linker for WebAssembly at {}",
            linker.display()
        );
    }
    Ok(Toolchain {
        cargo: Some(DEBIAN_CARGO.into()),
        variables: vec![
            ("RUSTC", DEBIAN_RUSTC.into()),
            // Building the standard library is no stable feature of cargo.
            ("RUSTC_BOOTSTRAP", "1".into()),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker),
        ],
        build_flags: &["-Zbuild-std=core,alloc"],
        std_build_flags: &["-Zbuild-std=std,panic_abort"],
        sysroot: sysroot(DEBIAN_RUSTC)?,
        rustc: Rustc::ask(DEBIAN_RUSTC)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_tells_what_it_is() {
        let text = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\n\
                    commit-hash: 59807616e1fa2540724bfbac14d7976d7e4a3860\n\
                    host: x86_64-unknown-linux-gnu\nrelease: 1.95.0";
        let rustc = Rustc::parse(text).expect("it is complete");
        assert_eq!(rustc.version, "rustc 1.95.0 (59807616e 2026-04-14)");
        assert_eq!(rustc.commit, "59807616e1fa2540724bfbac14d7976d7e4a3860");
        assert_eq!(rustc.host, "x86_64-unknown-linux-gnu");
    }

    #[test]
    fn an_answer_without_a_host_is_refused_by_name() {
        let error = Rustc::parse("rustc 1.95.0\ncommit-hash: 1")
            .expect_err("it fails")
            .to_string();
        assert_eq!(error, "`rustc -vV` has no line `host:`");
    }

    #[test]
    fn an_empty_folder_of_libraries_is_no_target() {
        assert!(!has_core(Path::new(env!("CARGO_MANIFEST_DIR"))));
        assert!(!has_core(Path::new("/no/such/folder")));
    }
}

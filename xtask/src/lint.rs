//! Everything that a machine can say about the sources.

use crate::checkout;
use crate::command;
use crate::command::cargo;
use crate::command::run as run_command;
use crate::command::succeeds;
use crate::stage::say;
use crate::stage::stage;
use anyhow::Result;
use anyhow::bail;
use std::path::PathBuf;
use std::process::Command;

/// One version for all, so that its checks do not change under us.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run() -> Result<()> {
    stage("checking the format", || {
        run_command(cargo().args(["fmt", "--all", "--check"]))
    })?;
    if !succeeds(Command::new("clippy-driver").arg("--version")) {
        bail!("clippy is missing; get it with: rustup component add clippy");
    }
    stage("clippy and documentation", || {
        run_command(
            cargo()
                .args(["test", "--workspace", "--all-targets", "--no-run"])
                .args(["--locked", "--quiet"])
                .env("RUSTC_WORKSPACE_WRAPPER", linter()),
        )
    })?;
    dependencies()
}

/// What takes the compiler's place.
fn linter() -> PathBuf {
    checkout::root().join("xtask").join("linter")
}

/// Licences, sources and banned crates of all dependencies, as in `deny.toml`.
///
/// Known vulnerabilities are not part of it: their database is on the network,
/// and a check that depends on the day would fail without a change. The owner
/// of a release runs `cargo deny check advisories`.
fn dependencies() -> Result<()> {
    if !succeeds(cargo().args(["deny", "--version"])) {
        if !command::is_ci() {
            say(&format!(
                "cargo-deny is not installed, so licences and sources are not checked: \
                 cargo install --locked cargo-deny@{CARGO_DENY}"
            ));
            return Ok(());
        }
        stage(
            "installing cargo-deny: this takes minutes, once on a machine",
            install,
        )?;
    }
    stage(
        "licences, sources and bans (advisories need the network: not checked)",
        || run_command(cargo().args(["deny", "check", "bans", "licenses", "sources"])),
    )
}

/// It runs for a second, so optimising it would cost more than it gives.
fn install() -> Result<()> {
    run_command(
        cargo()
            .args([
                "install",
                "--locked",
                "--quiet",
                "cargo-deny",
                "--version",
                CARGO_DENY,
            ])
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    )
}

//! Packages of Debian, for what no toolchain brings along.

use crate::command::output;
use crate::command::run_within;
use crate::command::succeeds;
use crate::stage::say;
use anyhow::Result;
use anyhow::bail;
use std::process::Command;
use std::time::Duration;

const APT_LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    query
        .output()
        .is_ok_and(|answer| answer.stdout == b"installed")
}

/// Installs packages, after saying so; only as root.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let by_hand = format!("apt-get install --no-install-recommends {list}");
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("this machine has no apt-get");
    }
    if output(Command::new("id").arg("-u"))? != "0" {
        bail!("installing packages needs root: run `sudo {by_hand}`");
    }
    say(&format!("apt-get update && {by_hand}"));
    run_within(
        APT_LIMIT,
        Command::new("apt-get").args(["--quiet", "update"]),
    )?;
    let mut apt = Command::new("apt-get");
    apt.args(["--quiet", "install", "--yes", "--no-install-recommends"])
        .args(packages);
    run_within(APT_LIMIT, apt.env("DEBIAN_FRONTEND", "noninteractive"))
}

//! Measures a release build of the gateway with the component, and the Spin
//! gateway beside it.

use crate::checkout;
use crate::command::cargo;
use crate::command::run as run_command;
use crate::dist;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain::Way;
use anyhow::Result;

const EXAMPLE: [&str; 6] = [
    "--release",
    "--locked",
    "--package",
    "servicenow-sync",
    "--example",
    "measure",
];

/// The example measures the program as well, as a process. Built in one go, the
/// two share what is compiled.
const PROGRAM: [&str; 2] = ["--bin", "servicenow-sync"];

pub(crate) fn run(way: Option<Way>) -> Result<()> {
    dist::for_tests(way)?;
    stage(
        "building for release, wasmtime included: this takes minutes",
        || run_command(cargo().arg("build").args(EXAMPLE).args(PROGRAM)),
    )?;
    say("measuring");
    run_command(
        cargo()
            .arg("run")
            .args(EXAMPLE)
            .arg("--")
            .arg(checkout::component()),
    )
}

//! Runs the demo, which is a program of the `tests` package.
//!
//! It uses the same build as the tests: optimised dependencies, and our own
//! crates without. A release build would take longer to make than the demo
//! takes to run, and whoever ran the tests has nothing left to compile.

use crate::command::cargo;
use crate::command::run as run_command;
use crate::component;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain::Way;
use anyhow::Result;

const PACKAGE: &str = "servicenow-sync-tests";

pub(crate) fn run(way: Option<Way>, flags: &[String]) -> Result<()> {
    component::build(&component::PLUGIN, way)?;
    stage(
        "building the gateway; the first time compiles wasmtime, which takes minutes",
        || run_command(cargo().args(["build", "--locked", "--package", PACKAGE, "--bin", "demo"])),
    )?;
    say("starting the demo");
    let mut demo = cargo();
    demo.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        PACKAGE,
        "--bin",
        "demo",
        "--",
    ]);
    run_command(demo.args(flags))
}

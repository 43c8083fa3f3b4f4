//! Runs the demo, which is a program of the `tests` package.
//!
//! It uses the same build as the tests. A release build would take longer to make
//! than the demo takes to run, and whoever ran the tests has nothing left to compile.

use crate::command::run as run_command;
use crate::component;
use crate::program;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain::Way;
use anyhow::Result;

/// The program.
const EXAMPLE: &str = "demo";

pub(crate) fn run(way: Option<Way>, flags: &[String]) -> Result<()> {
    component::build(&component::PLUGIN, way)?;
    let mut demo = stage(
        "building the gateway; the first time compiles wasmtime, which takes minutes",
        || program::one_built(program::example(EXAMPLE).arg("--locked"), EXAMPLE),
    )?;
    say("starting the demo");
    run_command(demo.args(flags))
}

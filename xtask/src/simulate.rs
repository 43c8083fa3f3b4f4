//! Runs the simulation, as it was built for the tests, and the built component in
//! some of its worlds.

use crate::checkout;
use crate::command::run as run_command;
use crate::component;
use crate::program;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain::Way;
use anyhow::Result;

/// The program.
pub(crate) const EXAMPLE: &str = "simulate";

pub(crate) fn run(way: Option<Way>, flags: &[String]) -> Result<()> {
    component::build(&component::PLUGIN, way)?;
    let mut simulate = stage(
        "building the simulation; the first time takes minutes",
        || program::one_built(program::example(EXAMPLE).arg("--locked"), EXAMPLE),
    )?;
    say("simulating");
    let component = checkout::dist().join(component::PLUGIN.component);
    run_command(simulate.arg("--component").arg(component).args(flags))
}

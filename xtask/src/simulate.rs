//! Runs the simulation, as it was built for the tests.

use crate::command::run as run_command;
use crate::program;
use crate::stage::say;
use crate::stage::stage;
use anyhow::Result;

/// The program.
pub(crate) const EXAMPLE: &str = "simulate";

pub(crate) fn run(flags: &[String]) -> Result<()> {
    let mut simulate = stage(
        "building the simulation; the first time takes minutes",
        || program::one_built(program::example(EXAMPLE).arg("--locked"), EXAMPLE),
    )?;
    say("simulating");
    run_command(simulate.args(flags))
}

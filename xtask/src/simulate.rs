//! Runs the simulation, optimised: it is about how much can be tried.

use crate::command::cargo;
use crate::command::run as run_command;
use crate::stage::say;
use crate::stage::stage;
use anyhow::Result;

/// What cargo is told of the simulation.
pub(crate) const BUILD: [&str; 6] = [
    "--profile",
    "simulation",
    "--package",
    "servicenow-sync-simulation",
    "--bin",
    "simulate",
];

pub(crate) fn run(flags: &[String]) -> Result<()> {
    stage(
        "building the simulation; the first time takes minutes",
        || run_command(cargo().args(["build", "--locked"]).args(BUILD)),
    )?;
    say("simulating");
    let mut simulate = cargo();
    simulate
        .args(["run", "--quiet", "--locked"])
        .args(BUILD)
        .arg("--");
    run_command(simulate.args(flags))
}

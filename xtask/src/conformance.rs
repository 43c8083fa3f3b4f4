//! Puts a gateway to the test of the contract.

use crate::command::run as run_command;
use crate::component;
use crate::program;
use crate::toolchain::Way;
use anyhow::Result;

pub(crate) fn run(way: Option<Way>, flags: &[String]) -> Result<()> {
    component::build(&component::PROBE, way)?;
    if flags.is_empty() {
        return Ok(());
    }
    let mut suite = program::optimising("run");
    suite.args([
        "--quiet",
        "--locked",
        "--package",
        "integration-conformance",
        "--",
    ]);
    run_command(suite.args(flags))
}

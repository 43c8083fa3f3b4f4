//! Runs every test of the workspace, with the components that some of them load.

use crate::command::cargo;
use crate::command::run as run_command;
use crate::dist;
use crate::postgres;
use crate::runtimes;
use crate::stage::stage;
use crate::toolchain::Way;
use anyhow::Result;

pub(crate) fn run(way: Option<Way>, all_gateways: bool, filters: &[String]) -> Result<()> {
    dist::for_tests(way)?;
    postgres::prepare();
    if all_gateways {
        runtimes::prepare();
    }
    stage(
        "building the tests; the first time compiles wasmtime, which takes minutes",
        || run_command(cargo().args(["test", "--workspace", "--locked", "--no-run"])),
    )?;
    stage("running the tests", || {
        let mut test = cargo();
        test.args(["test", "--workspace", "--locked"]);
        test.args(arguments(all_gateways, filters));
        run_command(&mut test)
    })
}

/// What goes to the test programs themselves. Filters stand behind the `--`,
/// where there may be several.
fn arguments(all_gateways: bool, filters: &[String]) -> Vec<String> {
    let mut arguments = vec!["--".to_owned()];
    if all_gateways {
        arguments.push("--include-ignored".to_owned());
    }
    arguments.extend_from_slice(filters);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_ignored_tests_go_to_the_test_programs() {
        let filters = ["create".to_owned(), "resolve".to_owned()];
        assert_eq!(arguments(false, &[]), ["--"]);
        assert_eq!(
            arguments(true, &filters),
            ["--", "--include-ignored", "create", "resolve"]
        );
    }
}

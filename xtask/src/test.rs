//! Runs every test of the workspace, with the components that some of them load.
//!
//! `cargo test` runs one test program at a time. Some of ours wait for most of
//! theirs, for leases to lapse and gateways to start; so several run at a time here.

use crate::dist;
use crate::postgres;
use crate::program;
use crate::program::Program;
use crate::runtimes;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain::Way;
use crate::workers;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use std::io::Write;
use std::process::Stdio;

/// How many test programs run at a time.
const TOGETHER: usize = 3;

/// The longest, which wait the most, begin first: else they would end alone.
const FIRST: [&str; 3] = [
    "host/tests/endure/main.rs",
    "tests/spin/tests/gateway/main.rs",
    "host/tests/process/main.rs",
];

/// The tests that need another gateway's runtime. What is ignored elsewhere is a
/// measurement, or a part of another test.
const ALL_GATEWAYS: &str = "tests/embedding.rs";

pub(crate) fn run(way: Option<Way>, all_gateways: bool, filters: &[String]) -> Result<()> {
    dist::for_tests(way)?;
    postgres::prepare()?;
    if all_gateways {
        runtimes::prepare();
    }
    let built = stage(
        "building the tests; the first time compiles wasmtime, which takes minutes",
        || program::built(program::tests().arg("--locked")),
    )?;
    let mut programs: Vec<Program> = built.into_iter().filter(|p| p.is_test).collect();
    programs.sort_by_key(|program| !FIRST.contains(&program.source.as_str()));
    // It is the one that builds something.
    programs.insert(0, documentation());
    stage("running the tests", || {
        workers::each(programs, TOGETHER, |program| {
            let arguments = arguments(&program.source, all_gateways, filters);
            run_one(program, &arguments)
        })
    })?;
    Ok(())
}

/// The examples in the documentation, which cargo alone can run.
fn documentation() -> Program {
    let mut command = program::optimising("test");
    command.args(["--workspace", "--locked", "--doc", "--"]);
    Program {
        name: "documentation".to_owned(),
        is_test: true,
        source: "documentation".to_owned(),
        command,
    }
}

/// Runs tests, then prints what they said, as one piece.
fn run_one(mut program: Program, arguments: &[String]) -> Result<()> {
    let name = &program.source;
    say(&format!("testing {name}"));
    let output = program
        .command
        .args(arguments)
        .stdin(Stdio::null())
        // Where tests say that they are skipped, and cargo what it builds.
        // What tests print, panics included, the program itself prints.
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start the tests of {name}"))?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "     Running {name}")?;
    stdout.write_all(&output.stdout)?;
    stdout.flush()?;
    if !output.status.success() {
        bail!("tests of {name} failed: {}", output.status);
    }
    Ok(())
}

/// What goes to a test program itself.
fn arguments(source: &str, all_gateways: bool, filters: &[String]) -> Vec<String> {
    let is_meant = all_gateways && source == ALL_GATEWAYS;
    let ignored = is_meant.then(|| "--include-ignored".to_owned());
    ignored.into_iter().chain(filters.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_ignored_tests_go_to_the_test_programs() {
        let filters = ["create".to_owned(), "resolve".to_owned()];
        assert_eq!(arguments(ALL_GATEWAYS, false, &[]), [""; 0]);
        assert_eq!(
            arguments(ALL_GATEWAYS, true, &filters),
            ["--include-ignored", "create", "resolve"]
        );
        assert_eq!(arguments("host/tests/store.rs", true, &[]), [""; 0]);
    }
}

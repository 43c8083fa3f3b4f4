//! Runs every test of the workspace, with the components that some of them load.
//!
//! `cargo test` runs one test program at a time. Some of ours wait for most of
//! theirs, for leases to lapse and gateways to start; so two run at a time here.

use crate::checkout;
use crate::command::cargo;
use crate::command::output;
use crate::dist;
use crate::postgres;
use crate::runtimes;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain::Way;
use crate::workers;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

/// How many test programs run at a time.
const TOGETHER: usize = 2;

pub(crate) fn run(way: Option<Way>, all_gateways: bool, filters: &[String]) -> Result<()> {
    dist::for_tests(way)?;
    postgres::prepare();
    if all_gateways {
        runtimes::prepare();
    }
    let built = stage(
        "building the tests; the first time compiles wasmtime, which takes minutes",
        || {
            let mut build = cargo();
            build.args(["test", "--workspace", "--locked", "--no-run"]);
            output(build.arg("--message-format=json-render-diagnostics"))
        },
    )?;
    let mut programs = built
        .lines()
        .filter_map(|line| Program::of(line).transpose())
        .collect::<Result<Vec<_>>>()?;
    // It is the one that builds something.
    programs.insert(0, Program::of_documentation());
    let arguments = arguments(all_gateways, filters);
    stage("running the tests", || {
        workers::each(programs, TOGETHER, |program| program.run(&arguments))
    })?;
    Ok(())
}

/// A test program.
struct Program {
    name: String,
    /// To start it.
    command: Command,
}

impl Program {
    /// What a line of cargo's messages tells of, if that is a test program.
    fn of(message: &str) -> Result<Option<Self>> {
        let message: Value = serde_json::from_str(message)
            .with_context(|| format!("expected cargo's messages, found {message:?}"))?;
        let is_test = message["profile"]["test"] == true;
        let Some(executable) = message["executable"].as_str().filter(|_| is_test) else {
            return Ok(None);
        };
        let text = |value: &Value| value.as_str().map(PathBuf::from).unwrap_or_default();
        let manifest = text(&message["manifest_path"]);
        let folder = manifest.parent().context("a manifest without a folder")?;
        let source = text(&message["target"]["src_path"]);
        let source = source.strip_prefix(checkout::root()).unwrap_or(&source);
        let mut command = Command::new(executable);
        command
            .current_dir(folder)
            .env("CARGO_MANIFEST_DIR", folder);
        Ok(Some(Self {
            name: source.display().to_string(),
            command,
        }))
    }

    /// The examples in the documentation, which cargo alone can run.
    fn of_documentation() -> Self {
        let mut command = cargo();
        command.args(["test", "--workspace", "--locked", "--doc", "--"]);
        Self {
            name: "documentation".to_owned(),
            command,
        }
    }

    /// Runs it, then prints what it said, as one piece.
    fn run(mut self, arguments: &[String]) -> Result<()> {
        say(&format!("testing {}", self.name));
        let output = self
            .command
            .args(arguments)
            .stdin(Stdio::null())
            // Where tests say that they are skipped, and cargo what it builds.
            // What tests print, panics included, the program itself prints.
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start the tests of {}", self.name))?;
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "     Running {}", self.name)?;
        stdout.write_all(&output.stdout)?;
        stdout.flush()?;
        if !output.status.success() {
            bail!("tests of {} failed: {}", self.name, output.status);
        }
        Ok(())
    }
}

/// What goes to the test programs themselves.
fn arguments(all_gateways: bool, filters: &[String]) -> Vec<String> {
    let ignored = all_gateways.then(|| "--include-ignored".to_owned());
    ignored.into_iter().chain(filters.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_ignored_tests_go_to_the_test_programs() {
        let filters = ["create".to_owned(), "resolve".to_owned()];
        assert_eq!(arguments(false, &[]), [""; 0]);
        assert_eq!(
            arguments(true, &filters),
            ["--include-ignored", "create", "resolve"]
        );
    }
}

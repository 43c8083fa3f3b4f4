//! Programs of the workspace that cargo builds for a task.
//!
//! Always for all packages, and with what their tests depend on: which features
//! a dependency is compiled with depends on who takes part. So what serves the
//! tests serves the demo and the simulation, and nothing is compiled twice.
//! What all of them spend their time in is optimised, which a plain `cargo test` does not do.

use crate::checkout;
use crate::command::cargo;
use crate::command::output;
use anyhow::Context;
use anyhow::Result;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// A program that cargo has built.
pub(crate) struct Program {
    /// What its manifest calls it.
    pub(crate) name: String,
    pub(crate) is_test: bool,
    /// Its first file, from the checkout's root.
    pub(crate) source: String,
    /// To start it, in its package's folder.
    pub(crate) command: Command,
}

impl Program {
    /// What a line of cargo's messages tells of, if that is a program.
    fn of(message: &str) -> Result<Option<Self>> {
        let message: Value = serde_json::from_str(message)
            .with_context(|| format!("expected cargo's messages, found {message:?}"))?;
        let Some(executable) = message["executable"].as_str() else {
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
            name: message["target"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            is_test: message["profile"]["test"] == true,
            source: source.display().to_string(),
            command,
        }))
    }
}

/// Our own packages that are optimised. What overflows still shows.
const BUSY: [&str; 7] = [
    "integration-gateway",
    "integration-json",
    "servicenow-sync-fuzz",
    "servicenow-sync-native",
    "servicenow-sync-plugin",
    "servicenow-sync-simulation",
    "simulators",
];

/// A cargo whose programs are made so.
pub(crate) fn optimising(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.arg(command);
    for package in BUSY {
        let level = format!("profile.dev.package.{package}.opt-level=2");
        cargo.args(["--config", &level]);
    }
    cargo
}

/// Has tests built, which takes further arguments.
pub(crate) fn tests() -> Command {
    let mut tests = optimising("test");
    tests.arg("--no-run");
    tests
}

/// Has an example built.
pub(crate) fn example(name: &str) -> Command {
    let mut build = optimising("build");
    build.args(["--example", name]);
    build
}

/// Builds, and returns the programs that came of it.
pub(crate) fn built(build: &mut Command) -> Result<Vec<Program>> {
    let messages = "--message-format=json-render-diagnostics";
    let built = output(build.args(["--workspace", messages]))?;
    let programs = built.lines().map(|line| Program::of(line).transpose());
    programs.flatten().collect()
}

/// As [`built`], of which one has this name.
pub(crate) fn one_built(build: &mut Command, name: &str) -> Result<Command> {
    let mut programs = built(build)?.into_iter();
    let program = programs.find(|program| program.name == name);
    let program = program.with_context(|| format!("cargo built no program {name}"))?;
    Ok(program.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_whatever_else_cargo_says() {
        let said = [
            r#"{"reason":"build-script-executed","package_id":"x"}"#,
            r#"{"reason":"compiler-artifact","executable":null,"target":{"name":"support"}}"#,
        ];
        for message in said {
            assert!(Program::of(message).expect("it is a message").is_none());
        }
        let message = r#"{
            "executable": "/target/debug/examples/demo",
            "manifest_path": "/somewhere/tests/Cargo.toml",
            "profile": { "test": false },
            "target": { "name": "demo", "src_path": "/somewhere/tests/demo/main.rs" }
        }"#;
        let program = Program::of(message).expect("it is a message");
        let program = program.expect("it is a program");
        assert_eq!((program.name.as_str(), program.is_test), ("demo", false));
        assert_eq!(program.command.get_program(), "/target/debug/examples/demo");
        let folder = program.command.get_current_dir();
        assert_eq!(folder, Some("/somewhere/tests".as_ref()));
        assert!(Program::of("warning: x").is_err());
    }
}

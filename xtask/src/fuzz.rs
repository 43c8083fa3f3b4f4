//! Runs the targets of `fuzz/` with libFuzzer, on stable Rust.
//!
//! What makes a program fit for it is a pass of LLVM that rustc can be asked
//! for. Only the project's own crates go through it, by a wrapper around rustc:
//! so the dependencies are those of the tests, and nothing is built twice.

use crate::checkout;
use crate::command::run as run_command;
use crate::program;
use crate::stage::say;
use crate::stage::stage;
use crate::workers;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::thread;

/// The program.
const EXAMPLE: &str = "fuzz";

/// Looks for inputs of at most so many bytes that break a target, for so long
/// each.
pub(crate) fn run(names: &[String], seconds: u32, longest: u32) -> Result<()> {
    let targets = targets(names)?;
    let program = build()?;
    say(&format!(
        "running {} targets, {seconds} s each",
        targets.len()
    ));
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let fuzzed = workers::each(targets, cores, |target| {
        target.fuzz(&program, seconds, longest)
    })?;
    let mut executions = 0;
    let mut crashed = Vec::new();
    for outcome in fuzzed {
        match outcome {
            Outcome::Sound(number) => executions += number,
            Outcome::Broken(how) => crashed.push(how),
        }
    }
    if !crashed.is_empty() {
        bail!("{}", crashed.join("\n\n"));
    }
    println!("{:16} {executions:>10} executions", "all");
    Ok(())
}

/// Runs one target with one input.
pub(crate) fn try_out(target: &str, input: &Path) -> Result<()> {
    let target = Target::of(target)?;
    let input = std::path::absolute(input)?;
    let program = build()?;
    run_command(target.command(&program).arg(input))
}

/// Renews the corpus: the fewest inputs that go all the ways that were found,
/// beside those that bear a name and stay.
pub(crate) fn minimise(names: &[String], longest: u32) -> Result<()> {
    let program = build()?;
    for target in targets(names)? {
        let fewer = target.found().with_extension("fewer");
        remove(&fewer)?;
        fs::create_dir_all(&fewer)?;
        fs::create_dir_all(target.found())?;
        for input in inputs(&target.corpus())? {
            if !is_found(&input) {
                fs::copy(&input, fewer.join(input.file_name().unwrap_or_default()))?;
            }
        }
        let mut merge = target.command(&program);
        // How often a way is gone would make ten times as many inputs.
        merge.args(["-set_cover_merge=1", "-use_counters=0"]);
        merge.arg(format!("-max_len={longest}"));
        merge.arg(&fewer).args([target.corpus(), target.found()]);
        let output = merge.output().context("cannot start the fuzzer")?;
        if !output.status.success() {
            bail!("{}: {}", target.0, told(&output));
        }
        remove(&target.corpus())?;
        fs::create_dir(target.corpus())?;
        let mut bytes = 0;
        let fewest = inputs(&fewer)?;
        for input in &fewest {
            let name = input.file_name().unwrap_or_default();
            bytes += fs::copy(input, target.corpus().join(name))?;
        }
        remove(&fewer)?;
        remove(&target.found())?;
        println!("{:16} {:>6} inputs, {bytes} bytes", target.0, fewest.len());
    }
    Ok(())
}

fn inputs(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Whether the fuzzer named an input, by a hash, and no person did.
fn is_found(input: &Path) -> bool {
    let name = input.file_name().unwrap_or_default().to_string_lossy();
    name.len() == 40 && name.bytes().all(|c| c.is_ascii_hexdigit())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// The program for all targets.
fn build() -> Result<PathBuf> {
    stage("building the fuzzer", || {
        let mut build = program::example(EXAMPLE);
        build
            .args(["--locked", "--features", "servicenow-sync-fuzz/libfuzzer"])
            .env("RUSTC_WORKSPACE_WRAPPER", folder().join("instrumented"));
        let program = program::one_built(&mut build, EXAMPLE)?;
        Ok(program.get_program().into())
    })
}

fn folder() -> PathBuf {
    checkout::root().join("fuzz")
}

/// How a target went.
enum Outcome {
    /// So many inputs broke nothing.
    Sound(u64),
    /// One did, and how to see it again.
    Broken(String),
}

/// One of the folders in the corpus.
#[derive(Debug)]
struct Target(String);

/// Those of the given names, or all.
fn targets(names: &[String]) -> Result<Vec<Target>> {
    match names {
        [] => known()?.into_iter().map(|name| Target::of(&name)).collect(),
        names => names.iter().map(|name| Target::of(name)).collect(),
    }
}

fn known() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder().join("corpus")).context("cannot read the corpus")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

impl Target {
    fn of(name: &str) -> Result<Self> {
        let known = known()?;
        match known.iter().any(|known| known == name) {
            true => Ok(Self(name.to_owned())),
            false => bail!("expected one of {}, found \"{name}\"", known.join(", ")),
        }
    }

    fn corpus(&self) -> PathBuf {
        folder().join("corpus").join(&self.0)
    }

    /// What was found on this machine, which later runs go on from.
    fn found(&self) -> PathBuf {
        checkout::root().join("target").join("fuzz").join(&self.0)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("FUZZ_TARGET", &self.0);
        // Else a crash while merging is written into whatever folder this runs in.
        let crashes = format!("-artifact_prefix={}.", self.found().display());
        command.arg(crashes);
        command
    }

    /// Says how it went, and returns it.
    fn fuzz(&self, program: &Path, seconds: u32, longest: u32) -> Result<Outcome> {
        let found = self.found();
        fs::create_dir_all(&found)?;
        let crash = found.with_extension("crash");
        if crash.exists() {
            fs::remove_file(&crash)?;
        }
        let mut fuzz = self.command(program);
        fuzz.arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={longest}"))
            .arg(format!("-exact_artifact_path={}", crash.display()))
            .args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"])
            .args([found, self.corpus()]);
        let output = fuzz.output().context("cannot start the fuzzer")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            let executions = executions(&stderr).unwrap_or_default();
            println!("{:16} {executions:>10} executions", self.0);
            return Ok(Outcome::Sound(executions));
        }
        Ok(Outcome::Broken(format!(
            "{}: an input breaks it.\n{}\nSee it again with\n    cargo xtask fuzz {} --input {}\n\
             Once it is mended, put the input into fuzz/corpus/{}/: every run of the tests tries it.",
            self.0,
            told(&output),
            self.0,
            crash.display(),
            self.0
        )))
    }
}

/// The end of what a program said.
fn told(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn executions(stderr: &str) -> Option<u64> {
    let line = stderr
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_the_fuzzers_statistics() {
        let stderr = "Done\nstat::number_of_executed_units: 8659\nstat::average_exec_per_sec: 1\n";
        assert_eq!(executions(stderr), Some(8659));
        assert_eq!(executions("Done"), None);
    }

    #[test]
    fn what_a_person_named_is_told_from_what_was_found() {
        let found = "fuzz/corpus/regex/0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";
        assert!(is_found(Path::new(found)));
        assert!(!is_found(Path::new("fuzz/corpus/regex/nested_class")));
    }

    #[test]
    fn an_unknown_target_is_refused_with_those_there_are() {
        let error = Target::of("web-hook").expect_err("unknown").to_string();
        assert!(
            error.starts_with("expected one of authentication, "),
            "{error}"
        );
        assert!(error.ends_with(", found \"web-hook\""), "{error}");
    }
}

//! Puts one bug after another into a copy of the plugin, and sees whether the
//! tests notice.
//!
//! A test that nobody has seen fail says little. Each of the bugs is one that a
//! person could make and that would write something wrong into somebody's
//! incident; whichever of them passes the tests is a test that is missing.

mod bugs;
mod planted;

use crate::checkout;
use crate::command::cargo;
use crate::command::run as run_command;
use crate::copy::copy;
use crate::program;
use crate::simulate;
use crate::stage::say;
use crate::stage::stage;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use bugs::BUGS;
use planted::PLANTED;
use planted::Planted;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::time::Instant;

/// One deliberate bug.
struct Bug {
    /// What it does.
    name: &'static str,
    /// Below `plugin/src`.
    file: &'static str,
    /// Stands just once in the file.
    text: &'static str,
    /// What takes its place.
    instead: &'static str,
    /// Whose tests must notice.
    noticed_by: Tests,
}

/// Some tests of the plugin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tests {
    /// Those beside the code.
    Beside,
    /// Those in a file of `plugin/tests`.
    In(&'static str),
}

impl Tests {
    /// What cargo is told.
    fn arguments(self) -> Vec<&'static str> {
        match self {
            Self::Beside => vec!["--lib"],
            Self::In(file) => vec!["--test", file],
        }
    }
}

pub(crate) fn run(filters: &[String]) -> Result<()> {
    let is_meant = |bug: &&Bug| filters.is_empty() || filters.iter().any(|f| bug.name.contains(f));
    let bugs: Vec<&Bug> = BUGS.iter().filter(is_meant).collect();
    if bugs.is_empty() {
        bail!("no bug has a name with {}", filters.join(" or "));
    }
    let place = Place::new()?;
    stage("running the tests without any bug", || {
        let mut tests: Vec<Tests> = Vec::new();
        for bug in &bugs {
            if !tests.contains(&bug.noticed_by) {
                tests.push(bug.noticed_by);
            }
        }
        let which: Vec<&str> = tests.into_iter().flat_map(Tests::arguments).collect();
        let output = place.test(&which)?;
        match output.status.success() {
            true => Ok(()),
            false => bail!(
                "they fail:\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    })?;
    let mut unnoticed = Vec::new();
    for bug in &bugs {
        let start = Instant::now();
        let noticed = place.try_out(bug).with_context(|| bug.name)?;
        let seconds = start.elapsed().as_secs_f64();
        match noticed {
            Some(test) => println!("{seconds:5.1} s  {}  <-  {test}", bug.name),
            None => {
                println!("{seconds:5.1} s  {}  <-  NOBODY", bug.name);
                unnoticed.push(bug.name);
            }
        }
    }
    if !unnoticed.is_empty() {
        bail!(
            "{} of {} bugs pass the tests: {}; write the test that notices",
            unnoticed.len(),
            bugs.len(),
            unnoticed.join(", ")
        );
    }
    say(&format!("all of {} bugs were noticed", bugs.len()));
    Ok(())
}

/// How many events the simulation may take to notice a bug.
const EVENTS: &str = "50000";

/// How many show that nothing is wrong with the copy itself.
const EVENTS_WITHOUT: &str = "1000";

/// Plants bugs in a copy, switches on one after another, and sees whether the
/// simulation notices.
pub(crate) fn run_planted(filters: &[String]) -> Result<()> {
    let is_meant = |(_, bug): &(usize, &Planted)| {
        filters.is_empty() || filters.iter().any(|f| bug.name.contains(f))
    };
    let bugs: Vec<(usize, &Planted)> = PLANTED.iter().enumerate().filter(is_meant).collect();
    if bugs.is_empty() {
        bail!("no planted bug has a name with {}", filters.join(" or "));
    }
    let place = Place::new()?;
    let simulate = stage("building the simulation with the bugs in it", || {
        place.plant()?;
        place.simulation()
    })?;
    stage("running it without any bug", || {
        run_command(Command::new(&simulate).args(["--events", EVENTS_WITHOUT]))
    })?;
    let mut unnoticed = Vec::new();
    for (number, bug) in &bugs {
        let mut run = Command::new(&simulate);
        run.args(["--events", EVENTS]);
        run.env(planted::VARIABLE, number.to_string());
        let ran = run.output().context("cannot start the simulation")?;
        match ran.status.success() {
            false => {
                let stdout = String::from_utf8_lossy(&ran.stdout);
                println!("{}  <-  {}", bug.name, broken(&stdout)?);
            }
            true => {
                println!("{}  <-  NOBODY", bug.name);
                unnoticed.push(bug.name);
            }
        }
    }
    if !unnoticed.is_empty() {
        bail!(
            "{} of {} bugs pass {EVENTS} events: {}",
            unnoticed.len(),
            bugs.len(),
            unnoticed.join(", ")
        );
    }
    say(&format!(
        "the simulation noticed all of {} bugs",
        bugs.len()
    ));
    Ok(())
}

/// A copy of the workspace, with a target folder of its own that stays, so
/// that only the plugin is built again.
struct Place {
    sources: PathBuf,
    target: PathBuf,
}

impl Place {
    fn new() -> Result<Self> {
        let folder = checkout::root().join("target").join("mutants");
        let sources = folder.join("sources");
        if sources.exists() {
            fs::remove_dir_all(&sources).context("cannot remove the last copy")?;
        }
        fs::create_dir_all(&folder).context("cannot make a folder for the copy")?;
        copy(&checkout::root(), &sources).context("cannot copy the sources")?;
        Ok(Self {
            sources,
            target: folder.join("target"),
        })
    }

    /// Which test notices a bug; none if all of them pass.
    fn try_out(&self, bug: &Bug) -> Result<Option<String>> {
        let file = self.sources.join("plugin").join("src").join(bug.file);
        let source = read(&file)?;
        fs::write(&file, with(bug, &source)?)?;
        let noticed = self.noticed(bug.noticed_by);
        fs::write(&file, source)?;
        noticed
    }

    /// Plants every bug that the simulation must notice.
    fn plant(&self) -> Result<()> {
        let manifest = self.sources.join("Cargo.toml");
        fs::write(&manifest, renumbered(&read(&manifest)?)?)?;
        for (number, bug) in PLANTED.iter().enumerate() {
            let file = self.sources.join(bug.file);
            let source = bug.plant(number, &read(&file)?).context(bug.name)?;
            fs::write(&file, source)?;
        }
        Ok(())
    }

    /// Builds the simulation. What is not the project's own is the same as in the
    /// checkout, and need not be built again.
    fn simulation(&self) -> Result<PathBuf> {
        let mut build = program::example(simulate::EXAMPLE);
        build
            .current_dir(&self.sources)
            // The file of locked versions has the project's own ones.
            .arg("--offline")
            .env("CARGO_TARGET_DIR", checkout::root().join("target"));
        let program = program::one_built(&mut build, simulate::EXAMPLE)?;
        // Where it is, whoever runs the simulation meanwhile puts another one.
        let kept = self.sources.with_file_name(simulate::EXAMPLE);
        fs::copy(program.get_program(), &kept).context("cannot copy the simulation")?;
        Ok(kept)
    }

    fn noticed(&self, tests: Tests) -> Result<Option<String>> {
        let which = tests.arguments();
        // A bug that the compiler finds needs no test.
        let built = self.test(&[&which[..], &["--no-run"]].concat())?;
        if !built.status.success() {
            bail!(
                "it does not compile:\n{}",
                String::from_utf8_lossy(&built.stderr)
            );
        }
        let output = self.test(&which)?;
        if output.status.success() {
            return Ok(None);
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        let failed = failed(&stdout).context("the tests ended without telling which failed")?;
        Ok(Some(failed))
    }

    fn test(&self, which: &[&str]) -> Result<Output> {
        let mut test: Command = cargo();
        test.current_dir(&self.sources)
            .args(["test", "--locked", "--package", "servicenow-sync-plugin"])
            // They run for a moment, so what counts is how long they take to build.
            .args(["--profile", "xtask"])
            .args(which)
            .env("CARGO_TARGET_DIR", &self.target);
        test.output().context("cannot start cargo")
    }
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The manifest of the workspace with another version of everything in it: to
/// cargo, the same version below two folders is one thing, built once.
fn renumbered(manifest: &str) -> Result<String> {
    let heading = "[workspace.package]\nversion = \"";
    replaced("Cargo.toml", heading, &format!("{heading}9999"), manifest)
}

/// The source with the bug in it.
fn with(bug: &Bug, source: &str) -> Result<String> {
    let file = format!("plugin/src/{}", bug.file);
    replaced(&file, bug.text, bug.instead, source)
}

fn replaced(file: &str, text: &str, instead: &str, source: &str) -> Result<String> {
    match source.matches(text).count() {
        1 => Ok(source.replacen(text, instead, 1)),
        found => bail!(
            "expected the text once in {file}, found it {found} times; \
             bring xtask/src/mutants up to date:\n{text}"
        ),
    }
}

/// What the simulation says of the first world that failed.
fn broken(stdout: &str) -> Result<String> {
    let mut lines = stdout.lines().map(str::trim);
    let events = lines.by_ref().find(|line| line.starts_with("seed "));
    let rule = lines.skip_while(|line| !line.starts_with("FAILED")).nth(1);
    let (Some(events), Some(rule)) = (events, rule) else {
        bail!("the simulation ended without telling what it noticed:\n{stdout}");
    };
    Ok(format!("{rule} ({events})"))
}

/// The first test that failed, and how many did besides.
fn failed(stdout: &str) -> Option<String> {
    let mut names = stdout.lines().filter_map(|line| {
        let name = line.strip_prefix("test ")?;
        name.strip_suffix(" ... FAILED")
    });
    let first = names.next()?;
    Some(match names.count() {
        0 => first.to_owned(),
        more => format!("{first} and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_place_in_the_sources_and_a_name_of_its_own() {
        let sources = checkout::root().join("plugin").join("src");
        for (index, bug) in BUGS.iter().enumerate() {
            let source = read(&sources.join(bug.file)).expect("a source");
            let changed = with(bug, &source).unwrap_or_else(|e| panic!("{}: {e}", bug.name));
            assert_ne!(changed, source, "{}", bug.name);
            let twin = BUGS[..index].iter().find(|other| other.name == bug.name);
            assert!(twin.is_none(), "{} stands twice", bug.name);
        }
    }

    #[test]
    fn every_planted_bug_has_its_place_in_the_sources() {
        for bug in PLANTED {
            let source = read(&checkout::root().join(bug.file)).expect("a source");
            let changed = bug.plant(7, &source);
            let changed = changed.unwrap_or_else(|e| panic!("{}: {e}", bug.name));
            assert!(changed.contains("bug == \"7\""), "{}", bug.name);
        }
    }

    #[test]
    fn the_copy_with_bugs_has_a_version_of_its_own() {
        let manifest = read(&checkout::root().join("Cargo.toml")).expect("a manifest");
        let changed = renumbered(&manifest).expect("a version");
        assert!(changed.contains("\nversion = \"9999"));
    }

    #[test]
    fn the_rule_that_was_broken_is_told() {
        let stdout = "worlds 3\nseed 1: 700 events in 2 s\nFAILED: cargo …\n    silence: 2 writes";
        assert_eq!(
            broken(stdout).expect("a rule"),
            "silence: 2 writes (seed 1: 700 events in 2 s)"
        );
        let error = broken("worlds 3").expect_err("no rule").to_string();
        assert!(error.starts_with("the simulation ended without telling"));
    }

    #[test]
    fn a_bug_without_a_place_of_its_own_is_refused() {
        let bug = Bug {
            name: "a bug",
            file: "state.rs",
            text: "== 1",
            instead: "== 2",
            noticed_by: Tests::Beside,
        };
        assert_eq!(with(&bug, "a == 1").expect("a place"), "a == 2");
        for (source, found) in [("a", 0), ("a == 1 || b == 1", 2)] {
            let error = with(&bug, source).expect_err("no place").to_string();
            assert_eq!(
                error,
                format!(
                    "expected the text once in plugin/src/state.rs, found it {found} times; \
                     bring xtask/src/mutants up to date:\n== 1"
                )
            );
        }
    }

    #[test]
    fn the_tests_that_failed_are_told() {
        let stdout =
            "test a ... ok\ntest b::c ... FAILED\ntest d ... FAILED\n\ntest result: FAILED.";
        assert_eq!(failed(stdout).as_deref(), Some("b::c and 1 more"));
        assert_eq!(failed("test a ... ok"), None);
    }
}

//! Gets what the gateways in other languages run on: below `target/`, with the
//! versions and hashes that stand beside each example, and never for the whole
//! machine.

use crate::checkout;
use crate::command::run_within;
use crate::stage::say;
use anyhow::Context;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Whatever takes longer waits for a network that is not there.
const LIMIT: Duration = Duration::from_secs(300);

/// A language, and how its packages get into a folder.
struct Language {
    name: &'static str,
    /// Of the example, and of the folder below `target/`.
    folder: &'static str,
    /// The file with versions and hashes. It is copied when all is there, so it
    /// also tells whether anything has changed since.
    lock: &'static str,
    install: fn(&Path, &Path) -> Result<()>,
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "Python",
        folder: "embed-python",
        lock: "requirements.txt",
        install: python,
    },
    Language {
        name: "Node.js",
        folder: "embed-node",
        lock: "package-lock.json",
        install: node,
    },
];

/// Installs what is missing; says what is left out where that cannot be done.
pub(crate) fn prepare() {
    let root = checkout::root();
    for language in LANGUAGES {
        let example = root.join("examples").join(language.folder);
        let target = root.join("target").join(language.folder);
        if let Err(error) = language.prepare(&example, &target) {
            say(&format!(
                "what the gateway in {} needs could not be installed ({error:#}), so it is skipped",
                language.name
            ));
        }
    }
}

impl Language {
    fn prepare(&self, example: &Path, target: &Path) -> Result<()> {
        let (wanted, installed) = (example.join(self.lock), target.join(self.lock));
        let wanted = fs::read(&wanted).with_context(|| format!("no {}", wanted.display()))?;
        if fs::read(&installed).is_ok_and(|lock| lock == wanted) {
            return Ok(());
        }
        say(&format!(
            "installing what the gateway in {} needs, in target/{}",
            self.name, self.folder
        ));
        if target.exists() {
            fs::remove_dir_all(target)?;
        }
        let done = (self.install)(example, target);
        if done.is_err() && target.exists() {
            // The tests take what is there for whole.
            fs::remove_dir_all(target)?;
        }
        done?;
        Ok(fs::write(installed, wanted)?)
    }
}

fn python(example: &Path, target: &Path) -> Result<()> {
    run_within(
        LIMIT,
        Command::new("python3").args(["-m", "venv"]).arg(target),
    )?;
    let requirements = example.join("requirements.txt");
    run_within(
        LIMIT,
        Command::new(target.join("bin").join("python"))
            .args(["-m", "pip", "--disable-pip-version-check", "install"])
            .args(["--quiet", "--no-deps", "--only-binary", ":all:"])
            .args(["--require-hashes", "--requirement"])
            .arg(requirements),
    )
}

fn node(example: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(example.join(file), target.join(file))?;
    }
    run_within(
        LIMIT,
        Command::new("npm")
            .args(["ci", "--silent", "--ignore-scripts"])
            .args(["--no-audit", "--no-fund"])
            .current_dir(target),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_not_installed_again_and_what_fails_leaves_nothing() {
        let folder = std::env::temp_dir().join(format!("runtimes {}", std::process::id()));
        let (example, target) = (folder.join("example"), folder.join("target"));
        fs::create_dir_all(&example).expect("a folder");
        fs::write(example.join("lock"), "1").expect("a file");
        let language = |install| Language {
            name: "Test",
            folder: "test",
            lock: "lock",
            install,
        };
        let works = language(|_, target| Ok(fs::create_dir_all(target)?));
        let fails = language(|_, target| {
            fs::create_dir_all(target)?;
            anyhow::bail!("no network")
        });
        works.prepare(&example, &target).expect("it is installed");
        fails.prepare(&example, &target).expect("it is there");
        fs::write(example.join("lock"), "2").expect("a file");
        let error = fails.prepare(&example, &target).expect_err("it is another");
        assert_eq!(error.to_string(), "no network");
        assert!(!target.exists());
        fs::remove_dir_all(&folder).expect("it is removed");
    }
}

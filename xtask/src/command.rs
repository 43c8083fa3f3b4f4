//! Running other programs.

use crate::checkout;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use std::env;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// The cargo that started this program, in the checkout's root.
///
/// `cargo run` tells a program about the program's own package. Build scripts
/// of dependencies watch the same variables, so handing them on would rebuild
/// those dependencies at each change between `cargo xtask test` and `cargo test`.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(checkout::root());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether this is the whole check, which leaves nothing out: `.ci/run`.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some()
}

fn describes_a_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
        || matches!(
            variable,
            "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR"
        )
}

/// Runs a command to its end; anything but success is an error that shows it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs a command and returns what it printed, without the last line end.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", output.status);
    }
    let text = String::from_utf8(output.stdout)
        .with_context(|| format!("`{line}` printed something that is not UTF-8"))?;
    Ok(text.trim_end().to_owned())
}

/// Whether a program can be started and then ends well; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// As [`run`], but ends the command and all that it started after `limit`.
///
/// For programs that use the network, which wait for ever where a firewall
/// drops what they send.
pub(crate) fn run_within(limit: Duration, command: &mut Command) -> Result<()> {
    let line = shown(command);
    own_group(command);
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("`{line}` failed: {status}");
            }
            return Ok(());
        }
        if start.elapsed() >= limit {
            end_group(child.id());
            child.kill()?;
            child.wait()?;
            bail!(
                "`{line}` did not finish within {} s and was ended",
                limit.as_secs_f64()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

/// Ends the group led by `leader`: the child itself and what it started. By the
/// shell, since a slim container has no `kill` of its own.
#[cfg(unix)]
fn end_group(leader: u32) {
    let script = format!("kill -s KILL -- -{leader}");
    succeeds(Command::new("sh").args(["-c", &script]));
}

#[cfg(not(unix))]
fn end_group(_: u32) {}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    let mut line = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use std::io::Read;

    #[test]
    fn only_what_describes_xtask_itself_is_withheld() {
        assert!(describes_a_package("CARGO_PKG_VERSION"));
        assert!(describes_a_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_a_package("CARGO_HOME"));
        assert!(!describes_a_package("CARGO_TARGET_DIR"));
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("/bin/false").arg("-x"))
            .expect_err("it fails")
            .to_string();
        assert_eq!(error, "`false -x` failed: exit status: 1");
    }

    #[test]
    #[cfg(unix)]
    fn a_command_that_hangs_is_ended_with_its_children() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut hanging = Command::new("sh");
        hanging.args(["-c", "sleep 60 & wait"]).stdout(writer);
        let limit = Duration::from_millis(200);
        let error = run_within(limit, &mut hanging)
            .expect_err("it hangs")
            .to_string();
        assert_eq!(
            error,
            "`sh -c sleep 60 & wait` did not finish within 0.2 s and was ended"
        );
        // The pipe ends when its last holder has, which is the `sleep`.
        drop(hanging);
        let start = Instant::now();
        reader.read_to_end(&mut Vec::new()).expect("an end");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}

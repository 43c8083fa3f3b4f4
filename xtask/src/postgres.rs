//! Gets PostgreSQL, of which tests start servers of their own.

use crate::command;
use crate::debian;
use crate::stage::say;
use anyhow::Result;
use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Where Debian's package puts the programs of each version, which are not in
/// the path.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
/// With it comes a user for the server, which does not run as root, and on most
/// machines a server that is no concern of ours.
const DEBIAN_PACKAGE: &str = "postgresql";

/// Installs it if it is missing; says what is left out where that cannot be
/// done. In CI nothing is left out.
pub(crate) fn prepare() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let Err(error) = debian::install(&[DEBIAN_PACKAGE]) else {
        return Ok(());
    };
    if command::is_ci() {
        return Err(error.context("PostgreSQL could not be installed"));
    }
    say(&format!(
        "PostgreSQL could not be installed ({error:#}), so what is tested with it is skipped"
    ));
    Ok(())
}

fn is_there() -> bool {
    let debians = fs::read_dir(Path::new(DEBIAN_VERSIONS))
        .into_iter()
        .flatten();
    let debians = debians.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let path = env::var_os("PATH").unwrap_or_default();
    let others = env::split_paths(&path).collect::<Vec<PathBuf>>();
    debians.chain(others).any(|folder| holds_server(&folder))
}

fn holds_server(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_programs_holds_no_server() {
        assert!(!holds_server(Path::new(env!("CARGO_MANIFEST_DIR"))));
        assert!(!holds_server(Path::new("/no/such/folder")));
    }
}

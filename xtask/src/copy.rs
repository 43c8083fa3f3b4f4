//! Copying the sources to another place.

use std::fs;
use std::io;
use std::path::Path;

/// Made by builds, or by git: no part of the sources.
const LEFT_OUT: [&str; 3] = ["target", "dist", ".git"];

/// Copies the sources of a folder, which are all of it but what builds and git
/// put there, to a place where nothing is yet.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    copy_but(from, to, &LEFT_OUT)
}

fn copy_but(from: &Path, to: &Path, left_out: &[&str]) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        if left_out.iter().any(|left| name == *left) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_but(&entry.path(), &to.join(name), &[])?;
        } else {
            // Not `fs::copy`, which on some systems keeps the time of change: cargo
            // would take what it built of an earlier copy for new.
            fs::write(to.join(name), fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_leaves_out_what_was_built() {
        let folder = std::env::temp_dir().join(format!("a copy {}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        for inner in ["target", "src", "src/target"] {
            fs::create_dir_all(from.join(inner)).expect("a folder");
        }
        fs::write(from.join("src/main.rs"), "").expect("a file");
        copy(&from, &to).expect("a copy");
        assert!(to.join("src/main.rs").is_file());
        assert!(to.join("src/target").is_dir(), "one of the sources' own");
        assert!(!to.join("target").exists());
        fs::remove_dir_all(&folder).expect("an end");
    }
}

//! Proves that the component's bytes depend on its sources alone.
//!
//! It is built here, then from a copy of the sources in another folder, with
//! another target folder and under another name of cargo's home. So whoever has
//! the sources can check that a released component was made of them.

use crate::checkout;
use crate::component;
use crate::component::Places;
use crate::copy::copy;
use crate::stage::say;
use crate::stage::stage;
use crate::toolchain;
use crate::toolchain::Way;
use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

pub(crate) fn run(way: Option<Way>) -> Result<()> {
    let here = component::build(&component::PLUGIN, way)?;
    let toolchain = toolchain::prepare(way)?;
    let elsewhere = Elsewhere::new()?;
    let places = elsewhere.places(&Places::here()?)?;
    let there = stage("building it again, from a copy in another folder", || {
        component::compile(&component::PLUGIN, &toolchain, &places)
    })?;
    if here != there {
        let kept = checkout::root()
            .join("target")
            .join("component")
            .join("elsewhere.wasm");
        fs::write(&kept, &there)?;
        bail!(
            "the two builds differ, first at byte {}: compare dist/servicenow_sync.wasm with {}",
            first_difference(&here, &there),
            kept.display()
        );
    }
    say(&format!(
        "both builds are equal to the byte ({})",
        toolchain.rustc.version
    ));
    Ok(())
}

fn first_difference(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// A temporary folder, removed at the end.
struct Elsewhere(PathBuf);

impl Elsewhere {
    fn new() -> Result<Self> {
        let folder = env::temp_dir().join(format!("another place {}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// Copies the sources and gives cargo's home another name.
    fn places(&self, here: &Places) -> Result<Places> {
        let sources = self.0.join("sources");
        copy(&here.sources, &sources).context("cannot copy the sources")?;
        Ok(Places {
            sources,
            cargo_home: renamed(&here.cargo_home, &self.0)?,
            target: self.0.join("target"),
        })
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

/// A link, so that nothing is downloaded twice.
#[cfg(unix)]
fn renamed(cargo_home: &Path, folder: &Path) -> Result<PathBuf> {
    let link = folder.join("cargo");
    std::os::unix::fs::symlink(cargo_home, &link).context("cannot link cargo's home")?;
    Ok(link)
}

#[cfg(not(unix))]
fn renamed(cargo_home: &Path, _: &Path) -> Result<PathBuf> {
    Ok(cargo_home.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told() {
        assert_eq!(first_difference(b"abc", b"abd"), 2);
        assert_eq!(first_difference(b"abc", b"abcd"), 3);
    }
}

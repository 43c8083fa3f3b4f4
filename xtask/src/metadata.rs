//! What a component tells of itself: the custom sections that `wasm-tools metadata
//! show` reads, and of which registries make annotations.
//!
//! Name, version, licence and so on are those of the package, so that the bytes
//! still depend on the sources alone. A revision is stamped only on what is handed
//! out: it is another one after every commit, and no build for a test should be.

use crate::command::output;
use anyhow::Context;
use anyhow::Result;
use serde_json::Value;
use std::process::Command;
use wasm_metadata::AddMetadata;
use wasm_metadata::AddMetadataField;
use wasm_metadata::Description;
use wasm_metadata::Revision;
use wasm_metadata::Version;

/// Adds what the manifest of a package says, and which compiler made it: `rustc
/// 1.95.0 (…)`. `cargo` runs where the package is.
pub(crate) fn describe(
    component: &[u8],
    package: &str,
    compiler: &str,
    mut cargo: Command,
) -> Result<Vec<u8>> {
    cargo.args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]);
    let metadata: Value = serde_json::from_str(&output(&mut cargo)?)?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .find(|found| found["name"] == package)
        .with_context(|| format!("the workspace has no package {package}"))?;
    add(component, manifest, compiler)
}

fn add(component: &[u8], manifest: &Value, compiler: &str) -> Result<Vec<u8>> {
    let field = |key: &str| {
        let value = manifest[key].as_str();
        value.with_context(|| format!("the package's manifest has no {key}"))
    };
    let mut sections = AddMetadata::default();
    sections.name = AddMetadataField::Set(field("name")?.to_owned());
    sections.version = AddMetadataField::Set(Version::new(field("version")?.to_owned()));
    sections.description =
        AddMetadataField::Set(Description::new(field("description")?.to_owned()));
    sections.licenses = AddMetadataField::Set(field("license")?.parse()?);
    sections.source = AddMetadataField::Set(field("repository")?.parse()?);
    let (tool, version) = compiler.split_once(' ').unwrap_or((compiler, ""));
    sections.processed_by = vec![(tool.to_owned(), version.to_owned())];
    sections.to_wasm(component)
}

/// Adds the commit that a component was built of.
pub(crate) fn stamp(component: &[u8], revision: &str) -> Result<Vec<u8>> {
    let mut sections = AddMetadata::default();
    sections.revision = AddMetadataField::Set(Revision::new(revision.to_owned()));
    sections.to_wasm(component)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wasm_metadata::Payload;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_component_tells_its_name_version_licence_sources_revision_and_compiler() {
        let manifest = json!({
            "name": "a-plugin",
            "version": "1.2.3",
            "description": "Does something",
            "license": "Apache-2.0",
            "repository": "https://example.com/a-plugin",
        });
        let described = add(EMPTY, &manifest, "rustc 1.2.3 (abc)").expect("it is a component");
        let stamped = stamp(&described, "0123abc").expect("it is a component");
        let payload = Payload::from_binary(&stamped).expect("it is a component");
        let told = payload.metadata();
        assert_eq!(told.name.as_deref(), Some("a-plugin"));
        let text = |told: Option<String>| told.unwrap_or_default();
        assert_eq!(
            text(told.version.as_ref().map(ToString::to_string)),
            "1.2.3"
        );
        assert_eq!(
            text(told.licenses.as_ref().map(ToString::to_string)),
            "Apache-2.0"
        );
        assert_eq!(
            text(told.source.as_ref().map(ToString::to_string)),
            "https://example.com/a-plugin"
        );
        assert_eq!(
            text(told.revision.as_ref().map(ToString::to_string)),
            "0123abc"
        );
        let producers = told.producers.as_ref().expect("it has a producer");
        let tools = producers.get("processed-by").expect("a compiler");
        assert_eq!(tools.get("rustc").map(String::as_str), Some("1.2.3 (abc)"));
    }

    #[test]
    fn a_package_that_leaves_something_out_is_refused() {
        let error = add(EMPTY, &json!({ "name": "a-plugin" }), "rustc").expect_err("no version");
        assert_eq!(error.to_string(), "the package's manifest has no version");
    }
}

//! The contract as registries hand it out: the WIT package as a component, of
//! which tools make bindings without a checkout of this project.

use crate::checkout;
use anyhow::Result;
use wit_parser::Resolve;

/// Encodes the package in `wit/`.
pub(crate) fn encode() -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(checkout::root().join("wit"))?;
    wit_component::encode(&resolve, package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_component::DecodedWasm;
    use wit_component::WitPrinter;

    #[test]
    fn the_package_holds_what_the_text_says_comments_included() {
        let encoded = encode().expect("the contract is WIT");
        let decoded = wit_component::decode(&encoded).expect("it is a WIT package");
        let DecodedWasm::WitPackage(resolve, package) = decoded else {
            panic!("it is a component, not a WIT package");
        };
        let name = resolve.packages[package].name.to_string();
        assert_eq!(name, "integration:plugin@0.1.0");
        let mut printer = WitPrinter::default();
        printer.print(&resolve, package, &[]).expect("it is WIT");
        let text = printer.output.to_string();
        for line in [
            "resume: func(now-ms: u64, replies: list<reply>) -> list<effect>;",
            "/// Changes at every write of this key, and is never 0.",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}

//! What the documentation claims is tested by what it names.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// The pages whose claims name their tests.
const PAGES: [&str; 3] = ["docs/features.md", "docs/pains.md", "SECURITY.md"];

/// The text and the target of each link in a text.
fn links(text: &str) -> Vec<(&str, &str)> {
    let ends = text.match_indices("](");
    ends.filter_map(|(at, _)| {
        let label = text[..at].rsplit('[').next()?;
        let target = text[at + 2..].split(')').next()?;
        Some((label, target))
    })
    .collect()
}

/// Whether a file of Rust has a test of that name.
fn has_test(source: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let Some(at) = source.find(&head) else {
        return false;
    };
    let attributes = source[..at].rsplit("\n\n").next().unwrap_or_default();
    ["#[test]", "#[tokio::test"]
        .iter()
        .any(|attribute| attributes.contains(attribute))
}

/// What is wrong with a page: each line that claims something without a proof,
/// and each proof that is not there.
fn problems(page: &str, text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let place = format!("{page}:{}", index + 1);
        let links = links(line);
        let is_rule = |line: &str| line.starts_with("| ---");
        let is_head = lines.peek().is_some_and(|(_, next)| is_rule(next));
        let is_claim = line.starts_with("| ") && !is_rule(line) && !is_head;
        if is_claim && links.is_empty() {
            problems.push(format!(
                "{place}: expected a test or a limit, found no link"
            ));
        }
        for (label, target) in links {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let Some(source) = read(file) else {
                problems.push(format!("{place}: there is no {file}"));
                continue;
            };
            if file.ends_with(".rs") && !has_test(&source, label) {
                problems.push(format!("{place}: {file} has no test {label}"));
            }
        }
    }
    problems
}

#[test]
fn every_feature_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for page in PAGES {
        let page_file = root.join(page);
        let text = fs::read_to_string(&page_file).unwrap();
        let read = |file: &str| fs::read_to_string(page_file.parent()?.join(file)).ok();
        assert_eq!(problems(page, &text, read), [""; 0]);
    }
}

#[test]
fn a_claim_without_a_proof_is_found_out() {
    let text = "\
| feature | tests |
| --- | --- |
| good | [it_works](../a.rs) |
| bare | of course |
| gone | [it_worked](../a.rs) |
| no test | [helper](../a.rs) |
| no file | [it_works](../b.rs) |
";
    let source = "fn helper() {}\n\n#[test]\nfn it_works() {}\n";
    let read = |file: &str| (file == "../a.rs").then(|| source.to_owned());
    assert_eq!(
        problems("p.md", text, read),
        [
            "p.md:4: expected a test or a limit, found no link",
            "p.md:5: ../a.rs has no test it_worked",
            "p.md:6: ../a.rs has no test helper",
            "p.md:7: there is no ../b.rs",
        ]
    );
}

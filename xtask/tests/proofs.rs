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

/// What stands above a test of that name in a file of Rust, if it has one.
fn test<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let at = source.find(&format!("fn {name}("))?;
    let attributes = source[..at].rsplit("\n\n").next()?;
    let is_test = ["#[test]", "#[tokio::test"]
        .iter()
        .any(|attribute| attributes.contains(attribute));
    is_test.then_some(attributes)
}

/// Behind the link to a test that runs only when it is asked for.
const BY_HAND: &str = " (by hand)";

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
            if !file.ends_with(".rs") {
                continue;
            }
            let Some(attributes) = test(&source, label) else {
                problems.push(format!("{place}: {file} has no test {label}"));
                continue;
            };
            let is_marked = line.contains(&format!("]({target}){BY_HAND}"));
            if attributes.contains("#[ignore") && !is_marked {
                problems.push(format!("{place}: {label} is no test of every run"));
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
| asleep | [it_waits](../a.rs) |
| measured | [it_waits](../a.rs) (by hand) |
";
    let source = "fn helper() {}\n\n#[test]\nfn it_works() {}\n\n\
                  #[test]\n#[ignore = \"slow\"]\nfn it_waits() {}\n";
    let read = |file: &str| (file == "../a.rs").then(|| source.to_owned());
    assert_eq!(
        problems("p.md", text, read),
        [
            "p.md:4: expected a test or a limit, found no link",
            "p.md:5: ../a.rs has no test it_worked",
            "p.md:6: ../a.rs has no test helper",
            "p.md:7: there is no ../b.rs",
            "p.md:8: it_waits is no test of every run",
        ]
    );
}

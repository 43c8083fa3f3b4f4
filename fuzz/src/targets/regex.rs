//! A regular expression on the first line, and a text, against the crate
//! `regex`.
//!
//! The two have different syntaxes, so only what both take is compared, in
//! ASCII, and without what they read differently.

use crate::first_line;
use crate::lossy;
use regex::bytes::RegexBuilder;
use serde_json::json;
use servicenow_sync_plugin::condition::Condition;
use servicenow_sync_plugin::condition::Operator;

/// Set operations and the ends of words of the crate, whose classes also nest;
/// `{,2}`; and `\v`, which is a space to the crate alone.
const READ_DIFFERENTLY: [&str; 10] = [
    "&&", "--", "~~", "{,", r"\b{", r"\B{", r"\<", r"\>", r"\x", r"\v",
];

pub(crate) fn run(data: &[u8]) {
    let (expression, text) = first_line(data);
    let text = lossy(text);
    let condition = Condition {
        key: "title".into(),
        oper: Operator::In,
        vals: vec![format!("/{expression}/")],
    };
    let incident = json!({ "incident_id": "6a1d2f45c0ffee0123456789", "title": text });
    let Ok(incident) = incident.try_into() else {
        panic!("no incident");
    };
    let ours = condition.holds(&incident);
    if !condition.problems().is_empty() {
        assert!(!ours, "refused, and matches");
        return;
    }
    let is_comparable = expression.is_ascii()
        && text.is_ascii()
        && !text.contains('\x0b')
        && !has_nested_class(&expression)
        && !has_spaced_count(&expression)
        && !READ_DIFFERENTLY
            .iter()
            .any(|part| expression.contains(part));
    if !is_comparable {
        return;
    }
    let theirs = RegexBuilder::new(&expression).unicode(false).build();
    if let Ok(theirs) = theirs {
        assert_eq!(
            ours,
            theirs.is_match(text.as_bytes()),
            "{expression:?} {text:?}"
        );
    }
}

/// Whether there is a space in `{2,3}`, which is text to RE2 then and a
/// repetition to the crate.
fn has_spaced_count(expression: &str) -> bool {
    let braces = expression.split('{').skip(1);
    braces
        .filter_map(|behind| behind.split_once('}'))
        .any(|(count, _)| {
            let is_count = |c: char| c.is_ascii_digit() || c == ',' || c.is_whitespace();
            count.chars().all(is_count) && count.contains(char::is_whitespace)
        })
}

/// Whether a class holds a `[` that begins no `[:name:]`, which is a letter in
/// RE2 and a class in the crate.
fn has_nested_class(expression: &str) -> bool {
    let mut rest = expression;
    let mut is_inside = false;
    while let Some(letter) = rest.chars().next() {
        let behind = &rest[letter.len_utf8()..];
        rest = match letter {
            '\\' => behind.get(1..).unwrap_or_default(),
            '[' if is_inside => match behind.strip_prefix(':').and_then(|b| b.split_once(":]")) {
                Some((name, behind))
                    if name.bytes().all(|c| c == b'^' || c.is_ascii_lowercase()) =>
                {
                    behind
                }
                _ => return true,
            },
            '[' => {
                is_inside = true;
                let behind = behind.strip_prefix('^').unwrap_or(behind);
                behind.strip_prefix(']').unwrap_or(behind)
            }
            ']' => {
                is_inside = false;
                behind
            }
            _ => behind,
        };
    }
    false
}

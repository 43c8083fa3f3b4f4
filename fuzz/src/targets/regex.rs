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

/// Set operations and `\b{start}` of the crate, `{,2}`, and `\v`, which is a
/// space to the crate alone.
const READ_DIFFERENTLY: [&str; 9] = ["&&", "--", "~~", "[[", "{,", r"\b{", r"\B{", r"\x", r"\v"];

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

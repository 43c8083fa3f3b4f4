//! Regular expressions in conditions against the `regex` crate, for any
//! expression and any text.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;
use serde_json::json;
use servicenow_sync_plugin::condition::Condition;
use servicenow_sync_plugin::condition::Operator;

/// An expression in the syntax of RE2 and, where that differs, in that of the
/// crate: there `\d`, `\w` and `\s` are Unicode's, and nothing is quoted.
#[derive(Clone, Debug)]
struct Expression {
    re2: String,
    rust: String,
}

impl Expression {
    fn new(re2: &str, rust: &str) -> Self {
        Self {
            re2: re2.into(),
            rust: rust.into(),
        }
    }

    fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self::new(&change(&self.re2), &change(&self.rust))
    }

    fn join(parts: &[Self], separator: &str) -> Self {
        let join = |part: fn(&Self) -> &str| {
            let parts: Vec<_> = parts.iter().map(part).collect();
            parts.join(separator)
        };
        Self::new(&join(|p| &p.re2), &join(|p| &p.rust))
    }
}

fn one_of(list: &'static [(&str, &str)]) -> impl Strategy<Value = Expression> {
    select(list).prop_map(|(re2, rust)| Expression::new(re2, rust))
}

fn atom() -> impl Strategy<Value = Expression> {
    one_of(&[
        ("a", "a"),
        ("B", "B"),
        ("é", "é"),
        ("磁", "磁"),
        ("_", "_"),
        ("-", "-"),
        (".", "."),
        (r"\d", "[0-9]"),
        (r"\D", "[^0-9]"),
        (r"\w", "[0-9A-Za-z_]"),
        (r"\W", "[^0-9A-Za-z_]"),
        (r"\s", r"[\t\n\x0c\r ]"),
        (r"\S", r"[^\t\n\x0c\r ]"),
        (r"\n", r"\n"),
        (r"\.", r"\."),
        (r"\x61", r"\x61"),
        (r"\x{c9}", r"\x{c9}"),
        (r"\141", "a"),
        (r"\Q.a\E", r"\.a"),
        (r"\Q\E", ""),
        ("]", r"\]"),
        ("{", r"\{"),
        ("a{,2}", r"a\{,2\}"),
    ])
}

fn place() -> impl Strategy<Value = Expression> {
    one_of(&[
        ("^", "^"),
        ("$", "$"),
        ("(?m)^", "(?m)^"),
        ("(?m:$)", "(?m:$)"),
        (r"\A", r"\A"),
        (r"\z", r"\z"),
        (r"\b", r"(?-u:\b)"),
        (r"\B", r"\B"),
    ])
}

fn class() -> impl Strategy<Value = Expression> {
    let item = one_of(&[
        ("a", "a"),
        ("B", "B"),
        ("É", "É"),
        ("磁", "磁"),
        (".", "."),
        (r"\]", r"\]"),
        (r"\\", r"\\"),
        ("a-c", "a-c"),
        ("A-_", "A-_"),
        (r"\x30-9", "0-9"),
        ("à-þ", "à-þ"),
        (r"\d", "0-9"),
        (r"\D", "[^0-9]"),
        (r"\W", "[^0-9A-Za-z_]"),
        (r"\s", r"\t\n\x0c\r "),
        ("[:upper:]", "[:upper:]"),
        ("[:^lower:]", "[:^lower:]"),
        ("[:punct:]", "[:punct:]"),
    ]);
    let ends = [
        ("[", "[", ""),
        ("[^", "[^", ""),
        ("[]", r"[\]", ""),
        ("[", "[", "-"),
    ];
    (vec(item, 1..4), select(ends.to_vec())).prop_map(|(items, (re2, rust, last))| {
        let items = Expression::join(&items, "");
        Expression {
            re2: format!("{re2}{}{last}]", items.re2),
            rust: format!("{rust}{}{}]", items.rust, last.replace('-', r"\-")),
        }
    })
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![3 => atom(), 1 => place(), 2 => class()];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let group = select(&[
            "(", "(?:", "(?i:", "(?s:", "(?m:", "(?-i:", "(?im-s:", "(?U:",
        ]);
        let repetition = select(&[
            "*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,}", "{0,2}", "{2,3}?",
        ]);
        let flags = select(&["(?i)", "(?s)", "(?m)", "(?-i)"]);
        prop_oneof![
            4 => vec(inner.clone(), 0..4).prop_map(|parts| Expression::join(&parts, "")),
            2 => (vec(inner.clone(), 1..4), group.clone())
                .prop_map(|(parts, group)| {
                    Expression::join(&parts, "|").map(|inside| format!("{group}{inside})"))
                }),
            2 => (inner.clone(), group, repetition).prop_map(|(inner, group, repetition)| {
                inner.map(|inside| format!("{group}{inside}){repetition}"))
            }),
            1 => (flags, inner).prop_map(|(flags, inner)| {
                inner.map(|inside| format!("(?:a{flags}{inside})"))
            }),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    let letter = select(&[
        'a', 'a', 'b', 'A', 'B', 'é', 'É', '磁', '0', '_', '-', '.', ' ', '\n', '\n', '\x0b', ']',
        '{',
    ]);
    vec(letter, 0..8).prop_map(|letters| letters.into_iter().collect())
}

fn condition(expression: &str) -> Condition {
    Condition {
        key: "title".into(),
        oper: Operator::In,
        vals: vec![format!("/{expression}/")],
    }
}

fn matches(condition: &Condition, text: &str) -> bool {
    let incident = json!({ "incident_id": "6a1d2f45c0ffee0123456789", "title": text });
    condition.holds(&incident.try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn an_expression_matches_what_the_regex_crate_matches(
        expression in expression(),
        texts in vec(text(), 6),
    ) {
        let condition = condition(&expression.re2);
        prop_assert_eq!(condition.problems(), []);
        let reference = Regex::new(&expression.rust).unwrap();
        for mut text in texts {
            if expression.re2.contains(r"\B") {
                // The crate knows no boundaries of ASCII words inside a character.
                text.retain(|c| c.is_ascii());
            }
            prop_assert_eq!(
                matches(&condition, &text),
                reference.is_match(&text),
                "{:?} in {:?}", expression, text
            );
        }
    }

    #[test]
    fn whatever_is_written_is_either_understood_or_refused(
        expression in r"[()\[\]{}|*+?^$.\\:,=!<>PQEUimsaAzbdx10-]{0,12}",
        text in text(),
    ) {
        let condition = condition(&expression);
        let refused = !condition.problems().is_empty();
        prop_assert!(!(refused && matches(&condition, &text)));
    }
}

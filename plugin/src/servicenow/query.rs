//! Encoded queries, built only from parts that cannot change their meaning.
//!
//! An encoded query has no bound parameters: a `^` in a value starts a new
//! condition, and a value that begins with `javascript:` is run. A condition
//! with an empty value matches every record that lacks one, and a condition on
//! an unknown column is ignored, so that more rows come back, not fewer.
//! Therefore values are ids, or text without anything that a query could take
//! for its own; an empty value does not build; and whoever asks compares the
//! key of every row that comes back.

use super::SysId;
use crate::date;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;

/// One encoded query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query(String);

impl Query {
    /// `column = value`. None unless the value is 1 to 100 of
    /// `A-Z a-z 0-9 _ : -`.
    pub fn equals(column: &'static str, value: &str) -> Option<Self> {
        let ok = (1..=100).contains(&value.len())
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b))
            && !value.starts_with("javascript:");
        ok.then(|| Self(format!("{column}={value}")))
    }

    /// `column` begins with a value, which is as for [`equals`](Self::equals).
    pub(crate) fn prefixed(column: &'static str, value: &str) -> Option<Self> {
        Self::equals(column, value).map(|_| Self(format!("{column}STARTSWITH{value}")))
    }

    /// `column = value` for text that people wrote. None if the text holds
    /// anything that means something to a query: `^`, control characters, or
    /// `javascript:` at its beginning.
    pub fn text(column: &str, value: &str) -> Option<Self> {
        let lower_case = text::lower_case(value);
        let script = lower_case.trim_start().strip_prefix("javascript");
        let ok = (1..=200).contains(&value.len())
            && is_name(column)
            && !value.contains(|c: char| c == '^' || c.is_control())
            && !script.is_some_and(|rest| rest.trim_start().starts_with(':'));
        ok.then(|| Self(format!("{column}={value}")))
    }

    /// The choices of a column of the incident table, which has some of them
    /// from the table that it extends.
    pub fn choices(column: &str) -> Option<Self> {
        let condition = format!("nameINincident,task^element={column}^inactive=false");
        is_name(column).then_some(Self(condition))
    }

    /// `column` holds one of these values, which are part of the program.
    pub fn one_of(column: &'static str, values: &[&'static str]) -> Self {
        Self(format!("{column}IN{}", text::joined(values, ",")))
    }

    /// What was changed at or after a time of the form `YYYY-MM-DD HH:MM:SS`;
    /// where a record is given, only what comes behind one that was changed
    /// just then. In that order, in which nothing is left out however many have
    /// the same time.
    pub(crate) fn changed(since: &str, behind: Option<&SysId>) -> Option<Self> {
        date::unix_ms(since)?;
        let behind = behind.map_or_else(String::new, |id| {
            format!("^sys_updated_on>{since}^ORsys_id>{id}")
        });
        Some(Self(format!(
            "sys_updated_on>={since}{behind}^ORDERBYsys_updated_on^ORDERBYsys_id"
        )))
    }

    /// Records of these ids.
    pub(crate) fn ids(ids: &[SysId]) -> Self {
        let ids: Vec<&str> = ids.iter().map(SysId::as_str).collect();
        Self(format!("sys_idIN{}", text::joined(&ids, ",")))
    }

    /// A query that an operator wrote. None if it could not be joined to
    /// another condition.
    pub(crate) fn given(text: &str) -> Option<Self> {
        let ok = (1..=1000).contains(&text.len())
            && text.contains(|c: char| !c.is_ascii_alphanumeric())
            && !text.contains(char::is_control)
            && !text::contains(text, "^NQ")
            && !text::contains(text, "ORDERBY");
        let mut text = text;
        // It ends a query, so nothing could be joined behind it.
        while let Some(rest) = text.strip_suffix("^EQ") {
            text = rest;
        }
        ok.then(|| Self(text.into()))
    }

    /// Either of two conditions.
    pub fn or(self, other: &Self) -> Self {
        Self(self.0 + "^OR" + &other.0)
    }

    /// Both of two conditions.
    pub fn and(self, other: &Self) -> Self {
        Self(self.0 + "^" + &other.0)
    }

    /// Oldest first.
    pub fn ascending(self, column: &'static str) -> Self {
        Self(self.0 + "^ORDERBY" + column)
    }

    /// As a value in a URL's query.
    pub fn encoded(&self) -> String {
        let mut encoded = String::new();
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    encoded.push(char::from(byte));
                }
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        encoded
    }
}

/// Whether a text is the name of a table or column: `a-z`, `0-9` and `_`.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=80).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_could_change_the_query_does_not_build() {
        for value in [
            "",
            "a^b",
            "a,b",
            "a b",
            "javascript:gs.sleep",
            "ä",
            &"x".repeat(101),
        ] {
            assert_eq!(Query::equals("correlation_id", value), None, "{value}");
        }
    }

    #[test]
    fn text_with_a_meaning_to_queries_does_not_build() {
        for value in ["", "a^ORa=b", "a\nb", "javascript:x", " JavaScript:gs.x"] {
            assert_eq!(Query::text("name", value), None, "{value}");
        }
        assert_eq!(Query::text("na^me", "x"), None);
        assert!(Query::text("name", "JavaScript Platform").is_some());
        assert_eq!(Query::text("name", "javascript :x"), None);
        let query = Query::text("email", "ana+1@example.com").unwrap();
        assert_eq!(query.encoded(), "email%3Dana%2B1%40example.com");
    }

    #[test]
    fn what_was_changed_is_asked_for_behind_a_record_of_the_same_second() {
        let id = SysId::parse("00000000000000000000000000000001");
        let query = Query::changed("2026-06-01 08:00:00", id.as_ref()).unwrap();
        assert_eq!(
            query.0,
            "sys_updated_on>=2026-06-01 08:00:00^sys_updated_on>2026-06-01 08:00:00\
             ^ORsys_id>00000000000000000000000000000001^ORDERBYsys_updated_on^ORDERBYsys_id"
        );
        assert_eq!(Query::changed("2026-06-01^state=1", None), None);
    }

    #[test]
    fn a_query_of_an_operator_that_would_break_out_does_not_build() {
        for text in ["", "everything", "a=1^NQb=2", "a=1^ORDERBYb", "a=1\n"] {
            assert_eq!(Query::given(text), None, "{text}");
        }
        let pasted = Query::given("category=network^ORcategory=db^EQ").unwrap();
        assert_eq!(pasted.0, "category=network^ORcategory=db");
    }

    #[test]
    fn conditions_are_joined_and_encoded() {
        let by_id = Query::equals("sys_id", "ab").unwrap();
        let by_key = Query::equals("correlation_id", "f:1").unwrap();
        assert_eq!(
            by_id.or(&by_key).encoded(),
            "sys_id%3Dab%5EORcorrelation_id%3Df%3A1"
        );
    }
}

//! Encoded queries, built only from parts that cannot change their meaning.
//!
//! An encoded query has no bound parameters: a `^` in a value starts a new
//! condition, and a value that begins with `javascript:` is run. A condition
//! with an empty value matches every record that lacks one, and a condition on
//! an unknown column is ignored, so that more rows come back, not fewer.
//! Therefore values are ids and nothing else, an empty value does not build,
//! and whoever asks compares the key of every row that comes back.

use alloc::string::String;

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
        self.0
            .replace('^', "%5E")
            .replace('=', "%3D")
            .replace(':', "%3A")
    }
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
    fn conditions_are_joined_and_encoded() {
        let by_id = Query::equals("sys_id", "ab").unwrap();
        let by_key = Query::equals("correlation_id", "f:1").unwrap();
        assert_eq!(
            by_id.or(&by_key).encoded(),
            "sys_id%3Dab%5EORcorrelation_id%3Df%3A1"
        );
    }
}

use super::SysId;
use crate::json;
use crate::text;
use alloc::string::String;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

/// What a business rule or a UI action pushes: labels, no version, no author.
///
/// What it says is a hint. Only where no access to the Table API is configured
/// is it also the source of the values; a key that is missing then leaves the
/// field alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Names the record.
    pub sys_id: SysId,
    /// `insert`, `update` or `rule_update`; the scripts guess, so it means
    /// nothing.
    pub action_type: String,
    /// The human id.
    pub number: Option<String>,
    /// One line.
    pub short_description: Option<String>,
    /// More lines.
    pub description: Option<String>,
    /// A label, in the language of whoever saved the record; the newer manual
    /// script leaves it out.
    pub state: Option<String>,
    /// A label, or the raw value.
    pub urgency: Option<String>,
    /// A label.
    pub impact: Option<String>,
    /// The newest additional comment, repeated on every later update.
    pub comments: Option<String>,
}

impl Body {
    /// Reads a webhook's body, or tells what is wrong with it in a sentence
    /// for whoever maintains the script.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let body = json::parse(body)
            .map_err(|e| format!("expected a ServiceNow incident as JSON: {e}"))?;
        let Some(sys_id) = body["sys_id"].as_str().and_then(SysId::parse) else {
            let found = match &body["sys_id"] {
                Value::Null => "none".into(),
                other => text::cut(&json::text(other), 40),
            };
            return Err(format!(
                "expected \"sys_id\", 32 hexadecimal digits, found {found}; \
                 send current.getUniqueValue()"
            ));
        };
        Ok(Self {
            sys_id,
            action_type: field(&body, "action_type").unwrap_or_default(),
            number: field(&body, "number"),
            short_description: field(&body, "short_description"),
            description: field(&body, "description"),
            state: field(&body, "state"),
            urgency: field(&body, "urgency"),
            impact: field(&body, "impact"),
            comments: field(&body, "comments"),
        })
    }
}

/// A scalar as text. An empty column arrives as `null`, or, from a script that
/// glues strings together, as the word `null`.
fn field(body: &Value, name: &str) -> Option<String> {
    match &body[name] {
        Value::String(text) if text == "null" => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(json::text(value)),
        Value::Null if body.get(name).is_some() => Some(String::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789ABCDEF";

    fn body(rest: &str) -> Body {
        Body::parse(format!(r#"{{"sys_id":"{ID}"{rest}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn a_missing_key_is_not_an_empty_value() {
        let body = body(r#","description":null,"short_description":"null","urgency":2"#);
        assert_eq!(body.sys_id.as_str(), ID.to_ascii_lowercase());
        assert_eq!(body.state, None);
        assert_eq!(body.description.as_deref(), Some(""));
        assert_eq!(body.short_description.as_deref(), Some(""));
        assert_eq!(body.urgency.as_deref(), Some("2"));
    }

    #[test]
    fn a_missing_or_malformed_sys_id_is_named_with_the_remedy() {
        for (given, found) in [("{}", "none"), (r#"{"sys_id":"../x"}"#, "\"../x\"")] {
            assert_eq!(
                Body::parse(given.as_bytes()).unwrap_err(),
                format!(
                    "expected \"sys_id\", 32 hexadecimal digits, found {found}; send current.getUniqueValue()"
                )
            );
        }
    }
}

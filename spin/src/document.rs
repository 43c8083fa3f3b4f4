//! The configuration's text, TOML or JSON, as JSON.
//!
//! JSON, because a plugin takes its configuration as JSON; so one form serves
//! the gateway's sections and the plugin's.

use crate::toml;
use serde_json::Map;
use serde_json::Value;

/// Reads a text that begins with `{` as JSON, and any other as TOML.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim_start().starts_with('{') {
        return match serde_json::from_slice(text.as_bytes()) {
            Ok(Value::Object(document)) => Ok(document),
            Ok(_) => Err("expected a JSON object, found something else".to_owned()),
            Err(error) => Err(format!("not valid JSON: {error}")),
        };
    }
    toml::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn toml_and_json_say_the_same() {
        let toml =
            "[[integration]]\nid = \"prod\"\nlimits = { n = 0x10, share = 0.5, on = true }\n";
        let json = r#"{"integration":[{"id":"prod","limits":{"n":16,"share":0.5,"on":true}}]}"#;
        assert_eq!(parse(toml), parse(json));
        assert_eq!(
            parse(toml).unwrap()["integration"][0]["limits"]["n"],
            json!(16)
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let problem = parse("[admin]\n\n= 1\n").unwrap_err();
        assert!(problem.starts_with("line 3: not valid TOML: "), "{problem}");
        let problem = parse("{\n\"admin\": }").unwrap_err();
        assert!(problem.starts_with("not valid JSON: "), "{problem}");
        assert!(problem.contains("line 2"), "{problem}");
        assert_eq!(
            parse("[limits]\neffects = nan").unwrap_err(),
            "line 2: not valid TOML: expected a finite number of at most 64 bits"
        );
    }
}

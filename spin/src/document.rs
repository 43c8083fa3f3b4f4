//! The configuration's text, TOML or JSON, as JSON.
//!
//! JSON, because a plugin takes its configuration as JSON; so one form serves
//! the gateway's sections and the plugin's.

use serde_json::Map;
use serde_json::Number;
use serde_json::Value;
use toml::de::DeTable;
use toml::de::DeValue;

/// Reads a text that begins with `{` as JSON, and any other as TOML.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"));
    }
    let root = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            let before = text.as_bytes().iter().take(span.start);
            1 + before.filter(|byte| **byte == b'\n').count()
        });
        format!("line {line}: not valid TOML: {}", error.message())
    })?;
    table(root.get_ref())
}

fn table(table: &DeTable<'_>) -> Result<Map<String, Value>, String> {
    let members = table.iter().map(|(key, found)| {
        let key = key.get_ref().to_string();
        let found = value(found.get_ref()).map_err(|why| format!("{key}: {why}"))?;
        Ok((key, found))
    });
    members.collect()
}

fn value(value: &DeValue<'_>) -> Result<Value, String> {
    let number = |number: Option<Number>| {
        let number = number.map(Value::Number);
        number.ok_or_else(|| "expected a finite number of at most 64 bits".to_owned())
    };
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Integer(digits) => {
            let parsed = i64::from_str_radix(digits.as_str(), digits.radix());
            number(parsed.ok().map(Number::from))?
        }
        DeValue::Float(digits) => number(digits.as_str().parse().ok().and_then(Number::from_f64))?,
        DeValue::Array(elements) => {
            let elements = elements
                .iter()
                .map(|element| self::value(element.get_ref()));
            Value::Array(elements.collect::<Result<_, _>>()?)
        }
        DeValue::Table(members) => Value::Object(table(members)?),
    })
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
            "limits: effects: expected a finite number of at most 64 bits"
        );
    }
}

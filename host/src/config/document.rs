use super::problem::Problem;
use serde_json::Map;
use serde_json::Number;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

/// A TOML file as JSON that remembers on which line each value stands.
///
/// JSON, because a plugin takes its configuration as JSON and points into it
/// with JSON Pointers; so one form serves the gateway's sections and the
/// plugin's.
pub(super) struct Document {
    pub(super) root: Map<String, Value>,
    /// By JSON Pointer.
    lines: BTreeMap<String, usize>,
}

impl Document {
    /// Parses a file, or tells every place where it is no TOML.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader {
            text,
            lines: BTreeMap::new(),
            problems: Vec::new(),
        };
        reader.problems.extend(errors.iter().map(|error| Problem {
            line: error.span().map(|span| line_of(text, &span)),
            key: String::new(),
            message: format!("not valid TOML: {}", error.message().replace('\n', "; ")),
        }));
        let root = reader.table("", table.get_ref());
        if reader.problems.is_empty() {
            Ok(Self {
                root,
                lines: reader.lines,
            })
        } else {
            Err(reader.problems)
        }
    }

    /// The line of what a JSON Pointer points at, or of the nearest thing
    /// around it that the file has.
    pub(super) fn line(&self, pointer: &str) -> Option<usize> {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return Some(*line);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// A problem at what a JSON Pointer points at.
    pub(super) fn problem(&self, pointer: &str, message: impl Into<String>) -> Problem {
        Problem {
            line: self.line(pointer),
            key: key_of(pointer),
            message: message.into(),
        }
    }
}

/// Adds one step to a JSON Pointer.
pub(super) fn below(pointer: &str, step: &str) -> String {
    format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"))
}

/// A JSON Pointer as one would write the key: `webhook[0].path`.
fn key_of(pointer: &str) -> String {
    let mut key = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !key.is_empty() && !step.is_empty() && step.chars().all(|c| c.is_ascii_digit()) {
            key.push_str(&format!("[{step}]"));
            continue;
        }
        if !key.is_empty() {
            key.push('.');
        }
        if !step.is_empty() && step.chars().all(bare) {
            key.push_str(&step);
        } else {
            key.push_str(&format!("{step:?}"));
        }
    }
    key
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(span.start)
        .filter(|b| **b == b'\n')
        .count()
}

struct Reader<'t> {
    text: &'t str,
    lines: BTreeMap<String, usize>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, pointer: &str, table: &DeTable<'_>) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            let pointer = below(pointer, key.get_ref());
            self.lines
                .insert(pointer.clone(), line_of(self.text, &key.span()));
            let value = self.value(&pointer, value);
            map.insert(key.get_ref().to_string(), value);
        }
        map
    }

    fn value(&mut self, pointer: &str, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                self.number(pointer, parsed.ok().map(Number::from))
            }
            DeValue::Float(number) => {
                let parsed = number.as_str().parse().ok();
                self.number(pointer, parsed.and_then(Number::from_f64))
            }
            DeValue::Array(array) => {
                let mut values = Vec::new();
                for (i, value) in array.iter().enumerate() {
                    let pointer = below(pointer, &i.to_string());
                    self.lines
                        .insert(pointer.clone(), line_of(self.text, &value.span()));
                    values.push(self.value(&pointer, value));
                }
                Value::Array(values)
            }
            DeValue::Table(table) => Value::Object(self.table(pointer, table)),
        }
    }

    fn number(&mut self, pointer: &str, number: Option<Number>) -> Value {
        number.map_or_else(
            || {
                self.problems.push(Problem {
                    line: self.lines.get(pointer).copied(),
                    key: key_of(pointer),
                    message: "expected a finite number of at most 64 bits".into(),
                });
                Value::Null
            },
            Value::Number,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
[server]
listen = \"127.0.0.1:0\"

[credential.servicenow]
kind = \"basic\"

[[integration]]
name = \"prod\"
fields = [
  { from = \"title\" },
  { from = \"x/y\" },
]
[integration.map]
\"a/b\" = 1_000
hex = 0xff

[[integration]]
name = \"test\"
";

    #[test]
    fn every_value_knows_its_line() {
        let document = Document::parse(FILE).unwrap();
        for (pointer, line) in [
            ("/server", 1),
            ("/server/listen", 2),
            ("/server/missing", 1),
            ("/credential/servicenow/kind", 5),
            ("/credential/servicenow/missing/deep", 4),
            ("/integration/0", 7),
            ("/integration/0/name", 8),
            ("/integration/0/fields/1", 11),
            ("/integration/0/fields/1/from", 11),
            ("/integration/0/map/a~1b", 14),
            ("/integration/1", 17),
            ("/integration/1/missing", 17),
            ("/integration/1/name", 18),
        ] {
            assert_eq!(document.line(pointer), Some(line), "{pointer}");
        }
        assert_eq!(document.line(""), None);
        assert_eq!(document.root["integration"][0]["map"]["a/b"], 1000);
        assert_eq!(document.root["integration"][0]["map"]["hex"], 255);
    }

    #[test]
    fn pointers_are_shown_as_keys() {
        assert_eq!(
            key_of("/integration/0/fields/12/from"),
            "integration[0].fields[12].from"
        );
        assert_eq!(
            key_of("/integration/0/map/a~1b"),
            "integration[0].map.\"a/b\""
        );
        assert_eq!(key_of(""), "");
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        let mut problems = Document::parse("[server]\nlisten = \n[admin\n")
            .err()
            .unwrap();
        problems.sort();
        assert_eq!(
            problems.iter().map(|p| p.line).collect::<Vec<_>>(),
            [Some(2), Some(3)]
        );
        let problems = Document::parse("a = nan\n").err().unwrap();
        assert_eq!(
            problems,
            [Problem {
                line: Some(1),
                key: "a".into(),
                message: "expected a finite number of at most 64 bits".into(),
            }],
        );
    }
}

//! The generated parts of `docs/configuration.md`.

use super::words::Shape;
use super::words::kind_key;
use super::words::list;
use super::words::plain;
use super::words::resolve;
use super::words::shape;
use super::words::value;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Writes sections of one schema.
pub(crate) struct Page<'s> {
    pub(crate) schema: &'s Value,
    /// JSON Pointers of the keys that take effect at the start only.
    pub(crate) settled: BTreeSet<&'s str>,
}

/// A table that is still to be described.
struct Part<'s> {
    heading: String,
    /// As its keys begin: `integration.flashduty`.
    path: String,
    schema: &'s Value,
}

/// One row of a table of keys.
struct Row<'s> {
    key: &'s str,
    path: String,
    required: bool,
    schema: &'s Value,
}

impl<'s> Page<'s> {
    /// Everything about one key at the top of the file.
    pub(crate) fn section(&self, name: &str) -> String {
        let schema = &self.schema["properties"][name];
        let mut parts: Vec<Part<'s>> = Vec::new();
        let mut written = BTreeSet::new();
        let mut text = String::new();
        let mut level = "##";
        self.enqueue(name, schema, &mut parts);
        while !parts.is_empty() {
            let part = parts.remove(0);
            if written.insert(part.heading.clone()) {
                let _ = write!(text, "{level} {}\n\n", part.heading);
                self.describe(&part, &mut text, &mut parts);
                level = "###";
            }
        }
        text
    }

    /// What has to be described in a part of its own, in the order of the page.
    fn enqueue(&self, path: &str, schema: &'s Value, parts: &mut Vec<Part<'s>>) {
        let part = |heading: String, path: String, schema| Part {
            heading,
            path,
            schema,
        };
        match shape(self.schema, schema) {
            Shape::Table | Shape::Kinds(_) => match self.shared(schema) {
                Some(name) => parts.push(part(name.clone(), name, schema)),
                None => parts.push(part(format!("`[{path}]`"), path.into(), schema)),
            },
            Shape::Names(inner) => self.enqueue(&format!("{path}.NAME"), inner, parts),
            Shape::List(items) => match shape(self.schema, items) {
                Shape::Table | Shape::Kinds(_) => {
                    parts.push(part(format!("`[[{path}]]`"), path.into(), items));
                }
                Shape::List(inner) => {
                    if let Shape::Table = shape(self.schema, inner) {
                        let heading = format!("`{path}`");
                        parts.push(part(heading, path.into(), inner));
                    }
                }
                _ => {}
            },
            Shape::Choice(choices) => {
                for choice in choices {
                    self.enqueue(path, choice, parts);
                }
            }
            Shape::Words(_) => {
                if let Some(name) = self.shared(schema) {
                    parts.push(part(name.clone(), name, schema));
                }
            }
            Shape::Named(_) | Shape::Plain => {}
        }
    }

    /// The name of a table that stands under several keys, or of words that
    /// stand under many: they are explained once.
    fn shared(&self, schema: &Value) -> Option<String> {
        let reference = schema["$ref"].as_str()?;
        let quoted = format!("{reference:?}");
        let uses = self.schema.to_string().matches(&quoted).count();
        let most = match shape(self.schema, schema) {
            Shape::Words(_) => 2,
            Shape::Table | Shape::Kinds(_) => 1,
            _ => return None,
        };
        let name = reference.rsplit('/').next()?;
        let name = name.strip_prefix("Plugin").unwrap_or(name);
        (uses > most).then(|| name.to_owned())
    }

    fn describe(&self, part: &Part<'s>, text: &mut String, parts: &mut Vec<Part<'s>>) {
        let schema = resolve(self.schema, part.schema);
        let description = schema["description"].as_str().unwrap_or_default();
        let (prose, example) = match description.split_once("```") {
            Some((prose, example)) => (prose.trim(), format!("```{}\n\n", example.trim())),
            None => (description, String::new()),
        };
        if !prose.is_empty() {
            let _ = write!(text, "{prose}\n\n");
        }
        let rows = match shape(self.schema, part.schema) {
            Shape::Kinds(kinds) => self.kinds(part, &kinds, text),
            Shape::Words(words) => {
                *text += "| word | meaning |\n| --- | --- |\n";
                for (word, meaning) in words {
                    let _ = writeln!(text, "| `{word:?}` | {} |", cell(meaning));
                }
                *text += "\n";
                Vec::new()
            }
            _ => self.keys(part, schema, text),
        };
        *text += &example;
        let mut inner = Vec::new();
        for row in rows {
            self.enqueue(&row.path, row.schema, &mut inner);
        }
        // Depth first, so that what belongs together stands together.
        inner.append(parts);
        *parts = inner;
    }

    fn rows(part: &Part<'s>, table: &'s Value) -> Vec<Row<'s>> {
        let properties = table["properties"].as_object();
        let required: Vec<&str> = table["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut rows: Vec<_> = properties
            .into_iter()
            .flatten()
            .map(|(key, schema)| Row {
                key,
                path: format!("{}.{key}", part.path),
                required: required.contains(&key.as_str()),
                schema,
            })
            .collect();
        // Required keys as the type has them, then the others by name, and
        // those with a part of their own last.
        rows.sort_by_key(|row| {
            let place = required.iter().position(|key| *key == row.key);
            place.unwrap_or(required.len())
        });
        rows
    }

    fn keys(&self, part: &Part<'s>, table: &'s Value, text: &mut String) -> Vec<Row<'s>> {
        let rows = Self::rows(part, table);
        *text += "| key | type | default | meaning |\n| --- | --- | --- | --- |\n";
        for row in &rows {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                row.key,
                cell(&self.kind(&row.path, row.schema)),
                cell(&self.default(row)),
                cell(&self.meaning(row)),
            );
        }
        *text += "\n";
        rows
    }

    /// A table of the kinds, and one of all their keys.
    fn kinds(&self, part: &Part<'s>, kinds: &[&'s Value], text: &mut String) -> Vec<Row<'s>> {
        let word = |kind| kind_key(kind).map_or("", |(_, word)| word);
        let key = kinds.first().and_then(|kind| kind_key(kind));
        let key = key.map_or("", |(key, _)| key);
        let _ = write!(text, "| `{key}` | meaning |\n| --- | --- |\n");
        for kind in kinds {
            let meaning = kind["description"].as_str().unwrap_or_default();
            let _ = writeln!(text, "| `{:?}` | {} |", word(kind), cell(meaning));
        }
        // What is said of a key for several kinds is said once.
        let mut said: Vec<([String; 4], Vec<&str>)> = Vec::new();
        let mut rows = Vec::new();
        for kind in kinds {
            for row in Self::rows(part, kind) {
                if row.key == key {
                    continue;
                }
                let cells = [
                    row.key.to_owned(),
                    self.kind(&row.path, row.schema),
                    self.default(&row),
                    self.meaning(&row),
                ];
                match said.iter_mut().find(|(other, _)| *other == cells) {
                    Some((_, of)) => of.push(word(kind)),
                    None => said.push((cells, vec![word(kind)])),
                }
                rows.push(row);
            }
        }
        let keys: Vec<String> = said.iter().map(|(cells, _)| cells[0].clone()).collect();
        said.sort_by_key(|(cells, _)| keys.iter().position(|key| *key == cells[0]));
        *text += "\n| key | for | type | default | meaning |\n| --- | --- | --- | --- | --- |\n";
        for (cells, of) in said {
            let of: Vec<_> = of.iter().map(|word| format!("`{word:?}`")).collect();
            let of = if of.len() == kinds.len() {
                "all".into()
            } else {
                of.join(", ")
            };
            let [key, kind, default, meaning] = cells.map(|text| cell(&text));
            let _ = writeln!(text, "| `{key}` | {of} | {kind} | {default} | {meaning} |");
        }
        *text += "\n";
        rows
    }

    fn kind(&self, path: &str, schema: &Value) -> String {
        let link = |words: &str, heading: &str| format!("[{words}](#{})", anchor(heading));
        if let Some(name) = self.shared(schema) {
            return link(&name.to_lowercase(), &name);
        }
        match shape(self.schema, schema) {
            Shape::Table | Shape::Kinds(_) => link("table", path),
            Shape::Names(inner) => {
                let inner = self.kind(&format!("{path}.NAME"), inner);
                format!("table of `NAME` = {inner}")
            }
            Shape::List(items) => {
                let items = self.kind(path, items);
                list(resolve(self.schema, schema), &items)
            }
            Shape::Words(words) => {
                let words: Vec<_> = words
                    .iter()
                    .map(|(word, _)| format!("`{word:?}`"))
                    .collect();
                words.join(", ")
            }
            Shape::Named(words) => words.into(),
            Shape::Choice(choices) => {
                let choices: Vec<_> = choices.iter().map(|c| self.kind(path, c)).collect();
                choices.join(" or ")
            }
            Shape::Plain => plain(resolve(self.schema, schema)),
        }
    }

    fn default(&self, row: &Row<'_>) -> String {
        if row.required {
            return "**required**".into();
        }
        let is_table = matches!(shape(self.schema, row.schema), Shape::Table);
        match value(&row.schema["default"]) {
            None => "none".into(),
            Some(_) if is_table && self.shared(row.schema).is_none() => "see there".into(),
            Some(value) => format!("`{value}`{}", binary(row)),
        }
    }

    fn meaning(&self, row: &Row<'_>) -> String {
        let mut text = row.schema["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let pointer = format!("/{}", row.path.replace('.', "/"));
        if self.settled.contains(pointer.as_str()) {
            text += " Needs a restart.";
        }
        let items = match shape(self.schema, row.schema) {
            Shape::List(items) => items,
            _ => row.schema,
        };
        if let Shape::Words(words) = shape(self.schema, items)
            && self.shared(items).is_none()
        {
            for (word, meaning) in words.iter().filter(|(_, meaning)| !meaning.is_empty()) {
                let _ = write!(text, "<br>`{word:?}`: {meaning}");
            }
        }
        text
    }
}

/// What a number of bytes is in larger units.
fn binary(row: &Row<'_>) -> String {
    match row.schema["default"].as_u64() {
        Some(bytes) if row.key.ends_with("bytes") => match bytes {
            _ if bytes % (1 << 20) == 0 => format!(" ({} MiB)", bytes >> 20),
            _ => format!(" ({} KiB)", bytes >> 10),
        },
        _ => String::new(),
    }
}

/// A text within one cell of a table.
fn cell(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

/// What GitHub makes of a heading, to link to it.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase().replace(' ', "-");
    heading
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
        .collect()
}

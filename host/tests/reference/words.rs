//! Schemas and values in the words of the page.

use serde_json::Value;

/// A schema, told apart by what has to be said about it.
pub(crate) enum Shape<'s> {
    /// A table with keys of its own.
    Table,
    /// A table whose keys one key decides, `kind` for instance.
    Kinds(Vec<&'s Value>),
    /// A table with any keys, and what stands under each.
    Names(&'s Value),
    List(&'s Value),
    /// One of some words, each with its meaning.
    Words(Vec<(&'s str, &'s str)>),
    /// A definition that the page explains by its name.
    Named(&'static str),
    Choice(&'s [Value]),
    Plain,
}

/// Definitions that stand for ideas rather than tables: they are explained in
/// the text around the generated parts.
const NAMED: [(&str, &str); 2] = [
    ("#/$defs/Secret", "[secret](#secrets)"),
    ("#/$defs/Text", "[text](#secrets)"),
];

/// Follows a reference.
pub(crate) fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(&reference[1..]).expect(reference),
        None => schema,
    }
}

pub(crate) fn shape<'s>(root: &'s Value, schema: &'s Value) -> Shape<'s> {
    let named = NAMED.iter().find(|(name, _)| schema["$ref"] == *name);
    if let Some((_, words)) = named {
        return Shape::Named(words);
    }
    let schema = resolve(root, schema);
    let choices = ["oneOf", "anyOf"]
        .iter()
        .find_map(|of| schema[of].as_array());
    if let Some(choices) = choices {
        let words: Option<Vec<_>> = choices.iter().map(words).collect();
        let kinds = choices.iter().all(|c| kind_key(c).is_some());
        return match words {
            Some(words) => Shape::Words(words.concat()),
            None if kinds => Shape::Kinds(choices.iter().collect()),
            None => Shape::Choice(choices),
        };
    }
    if let Some(words) = words(schema) {
        return Shape::Words(words);
    }
    if schema["properties"].is_object() {
        Shape::Table
    } else if schema["additionalProperties"].is_object() {
        Shape::Names(&schema["additionalProperties"])
    } else if schema["type"] == "array" {
        Shape::List(&schema["items"])
    } else {
        Shape::Plain
    }
}

/// The words that are accepted, if they are all that is.
fn words(schema: &Value) -> Option<Vec<(&str, &str)>> {
    let meaning = schema["description"].as_str().unwrap_or_default();
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![(word, meaning)]);
    }
    let words = schema["enum"].as_array()?.iter();
    words.map(|word| Some((word.as_str()?, ""))).collect()
}

/// The key that tells one kind of table from the others, and its word.
pub(crate) fn kind_key(schema: &Value) -> Option<(&str, &str)> {
    let keys = schema["properties"].as_object()?.iter();
    keys.filter_map(|(key, value)| Some((key.as_str(), value["const"].as_str()?)))
        .next()
}

/// Numbers and lengths, in words.
pub(crate) fn plain(schema: &Value) -> String {
    let at = |key: &str| schema[key].as_i64();
    let text = schema["type"].as_str().unwrap_or("any value");
    match (text, at("minimum"), at("maximum")) {
        // Those that Rust's types have by themselves.
        ("integer", Some(0), None | Some(255 | 65535)) => "integer ≥ 0".into(),
        ("integer", Some(least), None) => format!("integer ≥ {least}"),
        ("integer", Some(least), Some(most)) => format!("integer, {least} to {most}"),
        _ => match range(at("minLength"), at("maxLength")) {
            Some(range) => format!("{text} of {range} characters"),
            None => text.into(),
        },
    }
}

/// `list of at most 2 secrets`.
pub(crate) fn list(schema: &Value, item: &str) -> String {
    let items = plural(item);
    match range(schema["minItems"].as_i64(), schema["maxItems"].as_i64()) {
        Some(range) => format!("list of {range} {items}"),
        None => format!("list of {items}"),
    }
}

/// Several of what is named: a word, a linked word, or words to choose from.
fn plural(item: &str) -> String {
    let (word, rest) = match item.find([']', ' ']) {
        Some(end) => item.split_at(end),
        None => (item, ""),
    };
    if word.starts_with('`') {
        return item.into();
    }
    format!("{word}s{rest}")
}

fn range(least: Option<i64>, most: Option<i64>) -> Option<String> {
    match (least, most) {
        (None | Some(0), None) => None,
        (None | Some(0), Some(most)) => Some(format!("at most {most}")),
        (Some(least), None) => Some(format!("at least {least}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
    }
}

/// A value as one would write it; none if it says no more than that there is
/// nothing.
pub(crate) fn value(value: &Value) -> Option<String> {
    let inline = |value: &Value| self::value(value).unwrap_or_else(|| value.to_string());
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Array(values) if values.is_empty() => None,
        Value::Object(members) if members.is_empty() => None,
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(inline).collect();
            Some(format!("[{}]", values.join(", ")))
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, value)| format!("{key} = {}", inline(value)));
            Some(format!("{{ {} }}", members.collect::<Vec<_>>().join(", ")))
        }
        plain => Some(plain.to_string()),
    }
}

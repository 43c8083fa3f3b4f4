//! Reads a part of the file into a type, and turns what serde says about a
//! mistake into what a person needs: where it is, what was expected, what was
//! found, and what was probably meant.

use super::document::Document;
use super::document::below;
use super::problem::Problem;
use integration_gateway::did_you_mean;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

/// Reads the value that a JSON Pointer points at, or reports everything that is
/// wrong in it.
///
/// serde stops at the first mistake. So the mistaken value is taken out and the
/// rest is read again, until nothing is wrong, or what is wrong cannot be taken
/// out.
pub(super) fn read<T: DeserializeOwned>(
    document: &Document,
    pointer: &str,
    value: &Value,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let mut value = value.clone();
    let mut taken = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(read) if taken.is_empty() => return Some(read),
            Ok(_) => return None,
            Err(error) => error,
        };
        let mut inside = error
            .path()
            .iter()
            .fold(String::new(), |at, segment| match segment {
                Segment::Seq { index } => below(&at, &index.to_string()),
                Segment::Map { key } => below(&at, key),
                Segment::Enum { .. } | Segment::Unknown => at,
            });
        // The name of an unknown field is a part of some paths, and not of all.
        while value.pointer(&inside).is_none() {
            inside.truncate(inside.rfind('/').unwrap_or(0));
        }
        let message = error.inner().to_string();
        if let Some(unknown) = quoted_behind(&message, "unknown field ") {
            let at = below(&inside, unknown);
            if value.pointer(&at).is_some() {
                inside = at;
            }
        } else if let Some(missing) = quoted_behind(&message, "missing field ") {
            let missing = below(&inside, missing);
            if !taken.contains(&missing) {
                let at = format!("{pointer}{inside}");
                let missing = missing.rsplit('/').next().unwrap_or_default();
                problems.push(document.problem(&at, format!("{missing:?} is missing")));
            }
            return None;
        } else {
            inside = culprit::<T>(&value, &inside, &message);
        }
        problems.push(document.problem(&format!("{pointer}{inside}"), reworded(&message)));
        if !take(&mut value, &inside) {
            return None;
        }
        taken.push(inside);
    }
}

/// Inside a table whose type is chosen by its `kind`, serde does not know where
/// it is. To blame is the field that brings the same complaint when it stands
/// there alone.
fn culprit<T: DeserializeOwned>(value: &Value, inside: &str, message: &str) -> String {
    let table = value.pointer(inside).and_then(Value::as_object);
    let Some((table, kind)) = table.and_then(|table| Some((table, table.get("kind")?))) else {
        return inside.to_owned();
    };
    let complains = |field: &String| {
        let fields = [("kind", kind), (field.as_str(), &table[field])];
        let alone = fields.map(|(name, value)| (name.to_owned(), value.clone()));
        let mut value = value.clone();
        if let Some(place) = value.pointer_mut(inside) {
            *place = Value::Object(alone.into_iter().collect());
        }
        T::deserialize(value).is_err_and(|error| error.to_string() == message)
    };
    // `kind` comes first, since without it nothing can be read.
    let fields = ["kind".to_owned()].into_iter().chain(table.keys().cloned());
    let guilty = fields.into_iter().find(complains);
    guilty.map_or_else(|| inside.to_owned(), |field| below(inside, &field))
}

/// Takes one member out of its table, or one element out of its array.
fn take(value: &mut Value, pointer: &str) -> bool {
    let Some(slash) = pointer.rfind('/') else {
        return false;
    };
    let step = pointer[slash + 1..].replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(&pointer[..slash]) {
        Some(Value::Object(table)) => table.remove(&step).is_some(),
        // Removing it would shift the places of those behind it.
        _ => false,
    }
}

/// serde's sentence in our words.
fn reworded(message: &str) -> String {
    for (words, what) in [
        ("unknown field ", "no such key; "),
        ("unknown variant ", ""),
    ] {
        if let Some(unknown) = quoted_behind(message, words) {
            let accepted = accepted(message);
            let hint = did_you_mean(unknown, accepted.iter().map(String::as_str));
            let expected = one_of(&accepted);
            return format!("{what}expected {expected}, found {unknown:?}{hint}");
        }
    }
    let parts = message.split_once(", expected ");
    if let Some((found, expected)) = parts
        && let Some(found) = found.strip_prefix("invalid type: ")
    {
        return format!("expected {}, found {}", in_words(expected), in_words(found));
    }
    if let Some((found, expected)) = parts
        && let Some(found) = found.strip_prefix("invalid value: integer ")
    {
        return format!(
            "expected {}, found {}",
            in_words(expected),
            found.replace('`', "")
        );
    }
    message.to_owned()
}

/// serde names types as Rust does, and TOML has names of its own.
fn in_words(serde: &str) -> &str {
    match serde.split(' ').next().unwrap_or_default() {
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" => "an integer of at least 0",
        "integer" => "an integer",
        "floating" => "a float",
        "boolean" => "a boolean",
        // Also `string or map`, where a word is to be chosen.
        "string" => "a string",
        "sequence" => "an array",
        "map" | "struct" | "internally" => "a table",
        _ => match serde {
            "a sequence" => "an array",
            "a map" => "a table",
            "path string" => "a string",
            other => other,
        },
    }
}

/// The word in back quotes that follows the given words.
fn quoted_behind<'m>(message: &'m str, words: &str) -> Option<&'m str> {
    message
        .strip_prefix(words)?
        .strip_prefix('`')?
        .split('`')
        .next()
}

/// The words in back quotes behind `expected`.
fn accepted(message: &str) -> Vec<String> {
    let expected = message
        .split_once(", expected ")
        .map_or("", |(_, expected)| expected);
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// `"a"`, `"a" or "b"`, `one of "a", "b", "c"`.
fn one_of(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    match words.as_slice() {
        [] => "nothing here".into(),
        [one] => one.clone(),
        [one, other] => format!("{one} or {other}"),
        many => format!("one of {}", many.join(", ")),
    }
}

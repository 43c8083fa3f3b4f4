//! Says in an operator's words what the parser of the document found wrong.

use crate::Problem;

/// Says what a parse error means, where it is, and what was perhaps meant.
pub(super) fn explained(
    at: &str,
    error: &serde_path_to_error::Error<serde_json::Error>,
) -> Problem {
    let mut pointer = at.to_owned();
    for segment in error.path().iter() {
        use serde_path_to_error::Segment;
        match segment {
            Segment::Seq { index } => pointer += &format!("/{index}"),
            Segment::Map { key } => pointer += &format!("/{key}"),
            Segment::Enum { variant } => pointer += &format!("/{variant}"),
            Segment::Unknown => {}
        }
    }
    let message = error.inner().to_string();
    let mut quoted = message.split('`').skip(1).step_by(2);
    for (prefix, noun) in [("unknown field", "key"), ("unknown variant", "value")] {
        if message.starts_with(prefix)
            && let Some(found) = quoted.next()
        {
            let known: Vec<&str> = quoted.collect();
            let end = format!("/{found}");
            if noun == "key" && !pointer.ends_with(&end) {
                pointer += &end;
            }
            let hint = nearest(found, &known).map_or_else(
                || format!("expected one of {}", known.join(", ")),
                |near| format!("did you mean \"{near}\"?"),
            );
            return Problem {
                pointer,
                message: format!("unknown {noun} \"{found}\"; {hint}"),
            };
        }
    }
    if let Some(missing) = message.strip_prefix("missing field ").and(quoted.next()) {
        return Problem {
            pointer,
            message: format!("expected \"{missing}\", found none; add it"),
        };
    }
    let parts = message.split_once(", expected ");
    let found = parts.and_then(|(found, expected)| {
        let found = found
            .strip_prefix("invalid type: ")
            .or_else(|| found.strip_prefix("invalid value: "))?;
        Some(format!(
            "expected {}, found {}",
            in_words(expected),
            found.replace('`', "")
        ))
    });
    let message = found.unwrap_or(message);
    Problem { pointer, message }
}

/// serde names types as Rust does; these are the ones that a key here can have.
fn in_words(serde: &str) -> &str {
    match serde.split(' ').next().unwrap_or_default() {
        "u16" => "an integer from 0 to 65535",
        "i64" => "an integer",
        "struct" => "a table",
        _ if serde.starts_with("a sequence") => "a list",
        _ => serde,
    }
}

/// The known word that differs from `found` by the fewest letters, if few.
fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known
        .iter()
        .map(|word| (distance(found, word), *word))
        .min()?;
    (near.0 <= 1 + found.len() / 4).then_some(near.1)
}

/// Letters to insert, delete or replace to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.bytes().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *above;
            left = replaced.min(left + 1).min(*above + 1);
            *above = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A question to append to a message about an unknown name, if one of the
/// known ones is so close that a slip of the keyboard explains it; else empty.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = 1 + name.chars().count() / 5;
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, candidate)| format!("; did you mean {candidate:?}?"))
        .unwrap_or_default()
}

/// Levenshtein distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["servicenow", "flashduty"];
        assert_eq!(
            did_you_mean("servcienow", known),
            "; did you mean \"servicenow\"?"
        );
        assert_eq!(
            did_you_mean("flashdutyy", known),
            "; did you mean \"flashduty\"?"
        );
        assert_eq!(did_you_mean("jira", known), "");
        assert_eq!(did_you_mean("x", []), "");
    }
}

/// A question to append to a message about an unknown name, if one of the
/// known ones is so close that a slip of the keyboard explains it; else empty.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = 1 + name.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, candidate)| format!("; did you mean {candidate:?}?"))
        .unwrap_or_default()
}

/// How many characters must be added, dropped, replaced or swapped with their
/// neighbour to get from one name to the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 0..a.len() {
        let above = &rows[i];
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
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
        assert_eq!(did_you_mean("kye", ["key"]), "; did you mean \"key\"?");
        assert_eq!(did_you_mean("ab", ["xy"]), "");
        assert_eq!(did_you_mean("jira", known), "");
        assert_eq!(did_you_mean("x", []), "");
    }
}

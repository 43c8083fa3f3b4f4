//! What a misspelt word was perhaps meant to be.

use alloc::vec::Vec;

/// The known word that differs from `found` by the fewest letters, if few.
pub(crate) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().min_by_key(|word| distance(found, word))?;
    (distance(found, near) <= 1 + found.len() / 4).then_some(*near)
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

//! Text that others wrote, fit for one line: of the log, or of what an operator
//! reads in a terminal.

use crate::redaction::without_queries;

/// A text as it stands in the log.
pub(crate) fn one_line(text: &str) -> String {
    const LONGEST: usize = 2000;
    cut(&without_queries(text), LONGEST)
}

/// The first characters of a text, without those that do harm in a line.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    let first = text.chars().take(longest);
    first
        .map(|c| if breaks_lines(c) { ' ' } else { c })
        .collect()
}

/// A text without the characters that end a line for some reader, steer a
/// terminal, or show what follows in another order.
pub fn harmless(text: &str) -> String {
    cut(text, usize::MAX)
}

fn breaks_lines(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

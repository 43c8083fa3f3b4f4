//! Text on its way from one system to the other: limits, line ends, markup.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// Shown where text was cut.
const CUT: &str = "\u{2026}";

/// Alphabets of which each small letter stands so far behind the capital one:
/// ASCII, Latin-1 in two parts, Greek, Cyrillic in two parts. The tables of Unicode
/// would be 17 kB of the component.
pub(crate) const ALPHABETS: [(char, char, u32); 6] = [
    ('A', 'Z', 0x20),
    ('À', 'Ö', 0x20),
    ('Ø', 'Þ', 0x20),
    ('Α', 'Ω', 0x20),
    ('А', 'Я', 0x20),
    ('Ѐ', 'Џ', 0x50),
];

/// Small letters instead of the capital ones of [`ALPHABETS`].
pub(crate) fn lower_case(text: &str) -> String {
    text.chars()
        .map(|c| {
            let has = |(a, z, _): &&(char, char, u32)| (*a..=*z).contains(&c);
            let distance = ALPHABETS.iter().find(has).map_or(0, |(_, _, d)| *d);
            char::from_u32(u32::from(c) + distance).unwrap_or(c)
        })
        .collect()
}

/// Bytes as text, or words in its place.
pub(crate) fn of(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or("bytes that are no text")
}

/// At most `max` characters, with a visible mark where something was cut off.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if length(text) <= max {
        return text.into();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short + CUT
}

/// One form for text that means the same: line ends of one kind, nothing blank
/// at the ends, no control characters but line feed and tab. Both systems
/// rewrite some of these, and none of them is a change that a person made.
pub(crate) fn normal(text: &str) -> String {
    let mut before = ' ';
    let kept = text.chars().filter_map(|c| {
        let is_second = core::mem::replace(&mut before, c) == '\r' && c == '\n';
        match c {
            _ if is_second => None,
            '\r' => Some('\n'),
            '\n' | '\t' => Some(c),
            c => (!c.is_control()).then_some(c),
        }
    });
    kept.collect::<String>().trim().into()
}

/// As [`normal`], and without characters that are not seen but reorder or hide
/// what stands around them. Joiners stay: emoji and some scripts need them.
pub(crate) fn visible(text: &str) -> String {
    let text = normal(text);
    let kept = text.chars().filter(|c| {
        !matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{feff}'
            | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    });
    kept.collect::<String>().trim().into()
}

/// Without the joiners that [`visible`] leaves.
pub(crate) fn without_joiners(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| !matches!(c, '\u{200c}' | '\u{200d}'));
    kept.collect()
}

/// How many characters a text has.
pub(crate) fn length(text: &str) -> usize {
    // The library's count is made for long texts, and long itself.
    text.chars().fold(0, |length, _| length + 1)
}

/// Texts with a separator between them.
pub(crate) fn joined(parts: &[impl AsRef<str>], separator: &str) -> String {
    let mut all = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            all.push_str(separator);
        }
        all.push_str(part.as_ref());
    }
    all
}

/// Decimal digits as a number.
pub(crate) fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let mut values = digits.bytes().map(|b| u64::from(b & 0xf));
    let number = values.try_fold(0_u64, |n, digit| n.checked_mul(10)?.checked_add(digit));
    number.filter(|_| is_number)
}

/// Decimal digits, with or without a sign, as a number.
pub(crate) fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(digits) => 0_i64.checked_sub_unsigned(number(digits)?),
        None => i64::try_from(number(text.strip_prefix('+').unwrap_or(text))?).ok(),
    }
}

/// Where a part stands first in a text. The search of the standard library takes
/// no long time whatever it is given, and is 5 kB of the component: what is
/// looked for here is short.
#[inline(never)]
pub(crate) fn find(text: &str, part: &str) -> Option<usize> {
    windows(text, part).position(|is_part| is_part)
}

/// Whether a part stands in a text.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    find(text, part).is_some()
}

/// What stands before and behind the first such part.
pub(crate) fn split_once<'a>(text: &'a str, part: &str) -> Option<(&'a str, &'a str)> {
    let at = find(text, part)?;
    Some((text.get(..at)?, text.get(at + part.len()..)?))
}

/// What stands before and behind the last such part.
pub(crate) fn rsplit_once<'a>(text: &'a str, part: &str) -> Option<(&'a str, &'a str)> {
    let at = windows(text, part).rposition(|is_part| is_part)?;
    Some((text.get(..at)?, text.get(at + part.len()..)?))
}

/// For each place in a text, whether the part stands there; an empty one never
/// does.
fn windows(text: &str, part: &str) -> impl DoubleEndedIterator<Item = bool> + ExactSizeIterator {
    let part = part.as_bytes();
    let windows = text.as_bytes().windows(part.len().max(1));
    windows.map(move |window| window.first() == part.first() && window == part)
}

/// As [`normal`], on one line.
pub(crate) fn single_line(text: &str) -> String {
    let text = normal(text);
    joined(&text.split_whitespace().collect::<Vec<_>>(), " ")
}

/// Makes text harmless in a ServiceNow journal, which renders what stands
/// between `[code]` and `[/code]` as HTML.
pub(crate) fn without_markup(text: &str) -> String {
    let mut parts = text.split('[');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.strip_prefix('/').unwrap_or(part);
        if !name
            .get(..4)
            .is_some_and(|name| name.eq_ignore_ascii_case("code"))
        {
            out.push('[');
            out.push_str(part);
        } else if let Some((tag, rest)) = part.split_once(']') {
            out.push_str(&format!("({tag}){rest}"));
        } else {
            out.push('(');
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_within_the_limit_is_left_alone() {
        assert_eq!(cut("déjà", 4), "déjà");
    }

    #[test]
    fn text_over_the_limit_is_cut_with_a_mark_and_stays_within_it() {
        assert_eq!(cut("abcdef", 4), "abc\u{2026}");
        assert_eq!(cut("ab  ef", 4), "ab\u{2026}");
    }

    #[test]
    fn capital_letters_of_the_common_alphabets_become_small() {
        assert_eq!(lower_case("ÄRGER@X.DE Θ Я Ё 磁 ×"), "ärger@x.de θ я ё 磁 ×");
    }

    #[test]
    fn line_ends_and_blanks_at_the_ends_do_not_matter() {
        assert_eq!(normal(" a\r\nb\rc \u{7}\n"), "a\nb\nc");
    }

    #[test]
    fn code_tags_do_not_survive() {
        assert_eq!(
            without_markup("[code]<b>x</b>[/CODE] [1]"),
            "(code)<b>x</b>(/CODE) [1]"
        );
        assert_eq!(without_markup("[[code]"), "[(code)");
        assert_eq!(without_markup("[code"), "(code");
    }
}

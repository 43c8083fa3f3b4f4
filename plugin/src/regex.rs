//! Regular expressions in the syntax of RE2, as Flashduty's filters take them:
//! whether one occurs in a text, in time that grows with the text and no
//! faster.
//!
//! An expression is compiled, while it is read, to a program of [`Step`]s. All
//! the ways through the program are followed at once, a character at a time;
//! two that arrive at one step are one from there on. Jumps are relative, so
//! what is repeated is copied as it stands.
//!
//! Nothing but the answer is wanted, which leaves out captures and makes lazy
//! repetitions equal to greedy ones. That, and letters without Unicode's
//! tables, is why this is here: `regex-lite` is more than four times the size.

use crate::text::ALPHABETS;
use alloc::vec::Vec;
use core::mem;

/// Steps of a program: bounds the time for each character.
const MOST_STEPS: usize = 3000;

/// Groups inside each other: each takes room on the stack while it is read.
const MOST_NESTED: usize = 200;

/// What RE2 takes in `{n,m}`.
const MOST_REPEATS: usize = 1000;

const NOTHING_TO_REPEAT: &str = "nothing stands before this repetition; write \\ before it";

/// Code points, from the first to the last of each pair.
type Ranges = Vec<(u32, u32)>;

const LAST: u32 = char::MAX as u32;

/// The ends of each range, one after the other.
const DIGIT: &str = "09";
const SPACE: &str = "\t\n\x0c\r  ";
const WORD: &str = "09AZ__az";

const POSIX: [(&str, &str); 14] = [
    ("alnum", "09AZaz"),
    ("alpha", "AZaz"),
    ("ascii", "\0\x7f"),
    ("blank", "\t\t  "),
    ("cntrl", "\0\x1f\x7f\x7f"),
    ("digit", DIGIT),
    ("graph", "!~"),
    ("lower", "az"),
    ("print", " ~"),
    ("punct", "!/:@[`{~"),
    ("space", "\t\r  "),
    ("upper", "AZ"),
    ("word", WORD),
    ("xdigit", "09AFaf"),
];

/// What is wrong with an expression.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    /// Where: the first character is 1.
    pub(crate) character: usize,
    pub(crate) what: &'static str,
}

/// A compiled expression.
pub(crate) struct Regex {
    program: Vec<Step>,
    ranges: Ranges,
}

#[derive(Clone, Copy)]
enum Step {
    /// Takes one character of the ranges from here to there.
    Take(usize, usize),
    /// Goes on only at such a place.
    At(Place),
    /// Goes on at the next step and at the one so far away.
    Fork(isize),
    /// Goes on at the step so far away.
    Jump(isize),
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    InsideOrOutsideWord,
}

impl Place {
    /// Whether it is between these two characters; none is an end of the text.
    fn is_between(self, before: Option<char>, after: Option<char>) -> bool {
        let is_word = |c: Option<char>| c.is_some_and(is_word);
        match self {
            Self::TextStart => before.is_none(),
            Self::TextEnd => after.is_none(),
            Self::LineStart => matches!(before, None | Some('\n')),
            Self::LineEnd => matches!(after, None | Some('\n')),
            Self::WordBoundary => is_word(before) != is_word(after),
            Self::InsideOrOutsideWord => is_word(before) == is_word(after),
        }
    }
}

impl Regex {
    /// Compiles an expression.
    pub(crate) fn new(expression: &str) -> Result<Self, Fault> {
        let mut compiler = Compiler {
            expression: expression.chars().collect(),
            at: 0,
            flags: Flags::default(),
            quoting: false,
            nested: 0,
            regex: Self {
                program: Vec::new(),
                ranges: Ranges::new(),
            },
        };
        let outcome = compiler.alternatives().and_then(|()| {
            // Alternatives end at the end of the expression, or at this.
            match compiler.peek() {
                Some(_) => Err("this ) closes no group; write \\)"),
                None => Ok(()),
            }
        });
        match outcome {
            Ok(()) => Ok(compiler.regex),
            Err(what) => Err(Fault {
                character: compiler.at + 1,
                what,
            }),
        }
    }

    /// Whether the expression matches somewhere in a text.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        let mut here = Vec::new();
        let mut next = Vec::new();
        let mut seen = Vec::new();
        let mut before = None;
        let mut rest = text.chars();
        loop {
            let after = rest.next();
            // A match may begin at every character.
            here.push(0);
            seen.clear();
            seen.resize(self.program.len(), false);
            while let Some(at) = here.pop() {
                let Some(step) = self.program.get(at) else {
                    return true;
                };
                if seen.get_mut(at).is_none_or(|seen| mem::replace(seen, true)) {
                    continue;
                }
                match *step {
                    Step::Take(from, to) => {
                        let ranges = self.ranges.get(from..to).unwrap_or_default();
                        if after.is_some_and(|c| contain(ranges, c)) {
                            next.push(at + 1);
                        }
                    }
                    Step::At(place) => {
                        if place.is_between(before, after) {
                            here.push(at + 1);
                        }
                    }
                    Step::Fork(distance) => {
                        here.push(at + 1);
                        here.push(at.saturating_add_signed(distance));
                    }
                    Step::Jump(distance) => here.push(at.saturating_add_signed(distance)),
                }
            }
            if after.is_none() {
                return false;
            }
            before = after;
            mem::swap(&mut here, &mut next);
        }
    }
}

/// What `(?…)` switches.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// `i`: capital and small letters are the same.
    ignore_case: bool,
    /// `m`: `^` and `$` are ends of lines too.
    lines: bool,
    /// `s`: `.` is a line feed too.
    dot_is_all: bool,
}

/// Reads an expression and writes its program.
struct Compiler {
    expression: Vec<char>,
    at: usize,
    flags: Flags,
    /// Between `\Q` and `\E`.
    quoting: bool,
    nested: usize,
    regex: Regex,
}

/// Or what is wrong at the character that was reached.
type Outcome<T> = Result<T, &'static str>;

impl Compiler {
    fn peek(&self) -> Option<char> {
        self.expression.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Goes over a text if it is what comes next.
    fn skip(&mut self, text: &str) -> bool {
        let rest = self.expression.iter().skip(self.at);
        let ahead = rest.take(text.len()).copied().eq(text.chars());
        if ahead {
            self.at += text.len();
        }
        ahead
    }

    /// Complains about what began at `at`.
    fn refuse<T>(&mut self, at: usize, problem: &'static str) -> Outcome<T> {
        self.at = at;
        Err(problem)
    }

    fn emit(&mut self, step: Step) -> Outcome<()> {
        if self.regex.program.len() >= MOST_STEPS {
            return Err("the expression is too large; repeat less often");
        }
        self.regex.program.push(step);
        Ok(())
    }

    /// How far the program has grown since it had a length.
    fn length(&self, start: usize) -> isize {
        // Far below the limit of the type: see MOST_STEPS.
        self.regex.program.len().saturating_sub(start) as isize
    }

    /// `a|b|c`, up to the end of the group or of the expression.
    fn alternatives(&mut self) -> Outcome<()> {
        let start = self.regex.program.len();
        self.sequence()?;
        while self.skip("|") {
            let right = Step::Fork(self.length(start) + 2);
            self.regex.program.insert(start, right);
            let jump = self.regex.program.len();
            self.emit(Step::Jump(0))?;
            self.sequence()?;
            let distance = self.length(jump);
            if let Some(step) = self.regex.program.get_mut(jump) {
                *step = Step::Jump(distance);
            }
        }
        Ok(())
    }

    /// `abc`, each with its repetition.
    fn sequence(&mut self) -> Outcome<()> {
        loop {
            let start = self.regex.program.len();
            let repeatable = match self.peek() {
                _ if self.quoting => self.quoted()?,
                None | Some('|' | ')') => return Ok(()),
                Some(_) => self.element()?,
            };
            if self.quoting && self.skip("\\E") {
                self.quoting = false;
            }
            if !self.quoting {
                self.repetition(start, repeatable)?;
            }
        }
    }

    /// A character between `\Q` and `\E`; whether there was one.
    fn quoted(&mut self) -> Outcome<bool> {
        // What is quoted may go on to the end of the expression.
        match self.take() {
            Some(c) => self.characters(one(c)).map(|()| true),
            None => {
                self.quoting = false;
                Ok(false)
            }
        }
    }

    /// What stands alone or is repeated; whether it can be repeated.
    fn element(&mut self) -> Outcome<bool> {
        let begin = self.at;
        if self.counts()?.is_some() {
            return self.refuse(begin, NOTHING_TO_REPEAT);
        }
        match self.take() {
            Some('(') => return self.group(begin),
            Some('[') => {
                let ranges = self.class(begin)?;
                self.characters(ranges)?;
            }
            Some('.') if self.flags.dot_is_all => self.characters(vec![(0, LAST)])?,
            Some('.') => self.characters(inverted(&one('\n')))?,
            Some('^') if self.flags.lines => self.emit(Step::At(Place::LineStart))?,
            Some('^') => self.emit(Step::At(Place::TextStart))?,
            Some('$') if self.flags.lines => self.emit(Step::At(Place::LineEnd))?,
            Some('$') => self.emit(Step::At(Place::TextEnd))?,
            Some('\\') => {
                let place = match self.peek() {
                    Some('A') => Place::TextStart,
                    Some('z') => Place::TextEnd,
                    Some('b') => Place::WordBoundary,
                    Some('B') => Place::InsideOrOutsideWord,
                    Some('Q') => {
                        self.at += 1;
                        self.quoting = true;
                        return Ok(false);
                    }
                    _ => {
                        let ranges = self.escape(begin)?;
                        self.characters(ranges)?;
                        return Ok(true);
                    }
                };
                self.at += 1;
                self.emit(Step::At(place))?;
            }
            Some(c) => self.characters(one(c))?,
            None => {}
        }
        Ok(true)
    }

    /// A step that takes one of these, and of their other case if that is the
    /// same.
    fn characters(&mut self, ranges: Ranges) -> Outcome<()> {
        let from = self.regex.ranges.len();
        self.regex.ranges.extend(self.in_any_case(ranges));
        self.emit(Step::Take(from, self.regex.ranges.len()))
    }

    fn in_any_case(&self, mut ranges: Ranges) -> Ranges {
        if self.flags.ignore_case {
            fold(&mut ranges);
        }
        ranges
    }

    /// All characters but these, in whatever case.
    fn all_but(&self, ranges: Ranges) -> Ranges {
        inverted(&self.in_any_case(ranges))
    }

    /// `(…)`, `(?:…)`, `(?P<name>…)`, `(?i)`, `(?i:…)`; whether it can be
    /// repeated.
    fn group(&mut self, begin: usize) -> Outcome<bool> {
        let outside = self.flags;
        if self.skip("?") {
            if ["=", "!", "<=", "<!"]
                .into_iter()
                .any(|look| self.skip(look))
            {
                return self.refuse(begin, "RE2 has no look-ahead and no look-behind");
            }
            if self.skip("P<") || self.skip("<") {
                let name = self.at;
                while self.peek().is_some_and(is_word) {
                    self.at += 1;
                }
                if self.at == name || !self.skip(">") {
                    return Err("expected a name of letters, digits and _, then >");
                }
            } else if self.switch()? {
                return Ok(false);
            }
        }
        if self.nested == MOST_NESTED {
            return self.refuse(begin, "groups are nested too deeply");
        }
        self.nested += 1;
        self.alternatives()?;
        self.nested -= 1;
        if !self.skip(")") {
            return self.refuse(begin, "this group is not closed; add ) or write \\(");
        }
        self.flags = outside;
        Ok(true)
    }

    /// Flags, and whether they hold from here on instead of in a group.
    fn switch(&mut self) -> Outcome<bool> {
        let mut on = true;
        loop {
            match self.peek() {
                Some('i') => self.flags.ignore_case = on,
                Some('m') => self.flags.lines = on,
                Some('s') => self.flags.dot_is_all = on,
                // Which of several matches is found first does not matter.
                Some('U') => {}
                Some('-') if on => on = false,
                end @ Some(':' | ')') => {
                    self.at += 1;
                    return Ok(end == Some(')'));
                }
                _ => return Err("expected the flags i, m, s or U, then : or )"),
            }
            self.at += 1;
        }
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`, lazy or not, for what was
    /// written since the program had a length.
    fn repetition(&mut self, start: usize, repeatable: bool) -> Outcome<()> {
        let begin = self.at;
        let Some((least, most)) = self.counts()? else {
            return Ok(());
        };
        if !repeatable {
            return self.refuse(begin, NOTHING_TO_REPEAT);
        }
        self.skip("?");
        let second = self.at;
        if self.counts()?.is_some() {
            return self.refuse(
                second,
                "a repetition of a repetition; group the first with ( )",
            );
        }
        let element = self.regex.program.split_off(start);
        let length = element.len() as isize;
        for _ in 0..least {
            self.copy(&element)?;
        }
        match most {
            Some(most) => {
                for _ in least..most {
                    self.emit(Step::Fork(length + 1))?;
                    self.copy(&element)?;
                }
            }
            None if least > 0 => self.emit(Step::Fork(-length))?,
            None => {
                self.emit(Step::Fork(length + 2))?;
                self.copy(&element)?;
                self.emit(Step::Jump(-length - 1))?;
            }
        }
        Ok(())
    }

    fn copy(&mut self, steps: &[Step]) -> Outcome<()> {
        steps.iter().try_for_each(|step| self.emit(*step))
    }

    /// How often something is repeated, at least and at most, if it is. A brace
    /// that begins no such counts stands for itself.
    fn counts(&mut self) -> Outcome<Option<(usize, Option<usize>)>> {
        let begin = self.at;
        let counts = match self.take() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let least = self.number();
                let most = if self.skip(",") { self.number() } else { least };
                match least {
                    Some(least) if self.skip("}") => (least, most),
                    _ => {
                        self.at = begin;
                        return Ok(None);
                    }
                }
            }
            _ => {
                self.at = begin;
                return Ok(None);
            }
        };
        let (least, most) = counts;
        if least.max(most.unwrap_or(0)) > MOST_REPEATS {
            return self.refuse(begin, "RE2 repeats at most 1000 times");
        }
        if most.is_some_and(|most| most < least) {
            return self.refuse(begin, "the first count is above the second");
        }
        Ok(Some(counts))
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            self.at += 1;
            let above = number.unwrap_or(0_usize).saturating_mul(10);
            number = Some(above.saturating_add(digit as usize));
        }
        number
    }

    /// `[…]`, after its bracket.
    fn class(&mut self, begin: usize) -> Outcome<Ranges> {
        let negated = self.skip("^");
        let mut ranges = Ranges::new();
        let mut first = true;
        while first || !self.skip("]") {
            first = false;
            let item = self.at;
            let low = match self.take() {
                None => return self.refuse(begin, "this class is not closed; add ] or write \\["),
                Some('[') if self.peek() == Some(':') => match self.posix()? {
                    Some(class) => {
                        ranges.extend(class);
                        continue;
                    }
                    None => '['.into(),
                },
                Some('\\') => {
                    let escaped = self.escape(item)?;
                    match escaped.as_slice() {
                        [(low, high)] if low == high => *low,
                        _ => {
                            ranges.extend(escaped);
                            continue;
                        }
                    }
                }
                Some(c) => c.into(),
            };
            // A hyphen at the end stands for itself.
            let is_range = self.peek() == Some('-')
                && self.expression.get(self.at + 1).is_some_and(|c| *c != ']');
            let mut high = low;
            if is_range {
                self.at += 1;
                let end = self.at;
                high = match self.take() {
                    Some('\\') => match self.escape(end)?.as_slice() {
                        [(low, high)] if low == high => *low,
                        _ => return self.refuse(item, "a class cannot end a range"),
                    },
                    other => other.map_or(low, u32::from),
                };
            }
            if high < low {
                return self.refuse(item, "the range ends before it begins");
            }
            ranges.push((low, high));
        }
        Ok(if negated {
            self.all_but(ranges)
        } else {
            ranges
        })
    }

    /// `[:alpha:]` or `[:^alpha:]` inside a class, after the bracket. None if
    /// it only looks like one.
    fn posix(&mut self) -> Outcome<Option<Ranges>> {
        let begin = self.at;
        self.at += 1;
        let negated = self.skip("^");
        for (name, ends) in POSIX {
            if self.skip(name) {
                if self.skip(":]") {
                    let ranges = between(ends);
                    return Ok(Some(if negated {
                        self.all_but(ranges)
                    } else {
                        ranges
                    }));
                }
                break;
            }
        }
        while self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            self.at += 1;
        }
        if self.skip(":]") {
            return self.refuse(begin, "expected the name of a class, such as [:alpha:]");
        }
        self.at = begin;
        Ok(None)
    }

    /// What follows a backslash, where that is one character of some.
    fn escape(&mut self, begin: usize) -> Outcome<Ranges> {
        let c = match self.take() {
            Some('d') => return Ok(between(DIGIT)),
            Some('s') => return Ok(between(SPACE)),
            Some('w') => return Ok(between(WORD)),
            Some('D') => return Ok(self.all_but(between(DIGIT))),
            Some('S') => return Ok(self.all_but(between(SPACE))),
            Some('W') => return Ok(self.all_but(between(WORD))),
            Some('a') => '\x07',
            Some('f') => '\x0c',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\x0b',
            Some('x') => self.hexadecimal(begin)?,
            Some(c @ '0'..='7') => {
                let mut code = u32::from(c) - u32::from('0');
                let mut digits = 1;
                while digits < 3
                    && let Some(digit) = self.peek().and_then(|c| c.to_digit(8))
                {
                    code = code * 8 + digit;
                    digits += 1;
                    self.at += 1;
                }
                match char::from_u32(code) {
                    Some(octal) if c == '0' || digits > 1 => octal,
                    _ => return self.refuse(begin, "RE2 has no back-references"),
                }
            }
            Some('8' | '9') => return self.refuse(begin, "RE2 has no back-references"),
            Some('p' | 'P') => {
                return self.refuse(
                    begin,
                    "classes of Unicode are not supported; write a range, such as \
                     [\\x{4E00}-\\x{9FFF}]",
                );
            }
            Some(c) if c.is_ascii() && !is_word(c) => c,
            Some(_) => return self.refuse(begin, "RE2 knows no such escape"),
            None => return self.refuse(begin, "nothing stands after this \\; write \\\\"),
        };
        Ok(one(c))
    }

    /// `41` or `{1F600}`, after `\x`.
    fn hexadecimal(&mut self, begin: usize) -> Outcome<char> {
        let braced = self.skip("{");
        let mut code = 0_u32;
        let mut digits = 0;
        while (braced || digits < 2)
            && let Some(digit) = self.peek().and_then(|c| c.to_digit(16))
        {
            code = code.saturating_mul(16).saturating_add(digit);
            digits += 1;
            self.at += 1;
        }
        let complete = if braced {
            digits > 0 && self.skip("}")
        } else {
            digits == 2
        };
        match char::from_u32(code) {
            Some(c) if complete => Ok(c),
            _ => self.refuse(begin, "expected \\x41 or \\x{1F600}, a character's number"),
        }
    }
}

/// The ranges that have these ends.
fn between(ends: &str) -> Ranges {
    let ends: Vec<u32> = ends.chars().map(u32::from).collect();
    ends.chunks_exact(2)
        .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
        .collect()
}

fn one(c: char) -> Ranges {
    vec![(c.into(), c.into())]
}

fn contain(ranges: &[(u32, u32)], c: char) -> bool {
    let c = c.into();
    ranges.iter().any(|&(first, last)| first <= c && c <= last)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// All characters but these.
fn inverted(ranges: &[(u32, u32)]) -> Ranges {
    let mut others = vec![(0, LAST)];
    for &(first, last) in ranges {
        for (low, high) in mem::take(&mut others) {
            if low < first {
                others.push((low, high.min(first - 1)));
            }
            if last < high {
                others.push((low.max(last + 1), high));
            }
        }
    }
    others
}

/// Adds each letter's other case.
fn fold(ranges: &mut Ranges) {
    for index in 0..ranges.len() {
        let Some(&(first, last)) = ranges.get(index) else {
            break;
        };
        for (a, z, distance) in ALPHABETS {
            let (a, z) = (u32::from(a), u32::from(z));
            let (low, high) = (first.max(a), last.min(z));
            if low <= high {
                ranges.push((low + distance, high + distance));
            }
            let (low, high) = (first.max(a + distance), last.min(z + distance));
            if low <= high {
                ranges.push((low - distance, high - distance));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expression: &str, text: &str) -> bool {
        match Regex::new(expression) {
            Ok(regex) => regex.is_match(text),
            Err(fault) => panic!("{expression}: {fault:?}"),
        }
    }

    #[test]
    fn an_expression_matches_anywhere_unless_it_is_anchored() {
        for (expression, text, expected) in [
            ("", "", true),
            ("b", "abc", true),
            ("^b", "abc", false),
            ("^abc$", "abc", true),
            (r"\Aabc\z", "abc\n", false),
            ("^b", "a\nb", false),
            ("(?m)^b$", "a\nb\nc", true),
            (r"\bcat\b", "the cat sat", true),
            (r"\bcat\b", "concatenate", false),
            (r"\Bcat\B", "concatenate", true),
            ("a.c", "a\nc", false),
            ("(?s)a.c", "a\nc", true),
        ] {
            assert_eq!(matches(expression, text), expected, "{expression} {text}");
        }
    }

    #[test]
    fn alternatives_groups_and_repetitions_combine() {
        for (expression, text, expected) in [
            ("^(checkout|pay(ment|roll)?)-[0-9]+$", "payroll-07", true),
            ("^(checkout|pay(ment|roll)?)-[0-9]+$", "payrol-07", false),
            ("^(?:ab){2,3}$", "abab", true),
            ("^(?:ab){2,3}$", "abababab", false),
            ("^a{2}$", "aaa", false),
            ("^a{2,}?$", "aaa", true),
            ("^(|a)+$", "aaa", true),
            ("^(a*)*b$", "aab", true),
            ("^(?P<host>[a-z]+)[.](?<domain>x|y)$", "db.y", true),
            ("^a{,2}$", "a{,2}", true),
            ("^x{y$", "x{y", true),
        ] {
            assert_eq!(matches(expression, text), expected, "{expression} {text}");
        }
    }

    #[test]
    fn classes_and_escapes_are_those_of_re2() {
        for (expression, text, expected) in [
            (r"^\d\w\s$", "7_ ", true),
            (r"^\d$", "٣", false),
            (r"^\s$", "\x0b", false),
            ("^[[:space:]]$", "\x0b", true),
            ("^[^[:alpha:]]$", "1", true),
            ("^[[:^alpha:]x]+$", "1x", true),
            (r"^[\d.-]+$", "-1.5", true),
            ("^[]a]+$", "]a", true),
            ("^[^]a]$", "]", false),
            ("^[[:]+$", "[:", true),
            (r"^[\]\\]+$", "]\\", true),
            (r"^\x41\x{1F600}\101\t$", "A\u{1F600}A\t", true),
            (r"^\Qa.b|c\E+$", "a.b|ccc", true),
            (r"^\Qa.b", "axb", false),
            ("^[一-龥]+$", "磁盘", true),
        ] {
            assert_eq!(matches(expression, text), expected, "{expression} {text}");
        }
    }

    #[test]
    fn letters_are_told_apart_by_case_unless_the_expression_says_otherwise() {
        for (expression, text, expected) in [
            ("error", "ERROR", false),
            ("(?i)error", "ERROR", true),
            ("(?i:e)rror", "Error", true),
            ("(?i:e)rror", "ERROR", false),
            ("(?i)a(?-i)b", "AB", false),
            ("(a(?i)b)c", "aBC", false),
            ("(?i)^[b-d]$", "C", true),
            ("(?i)^[^b-d]$", "C", false),
            ("(?i)^[[:^upper:]]$", "c", false),
            ("(?i)störung", "STÖRUNG", true),
            ("(?i)сбой", "СБОЙ", true),
        ] {
            assert_eq!(matches(expression, text), expected, "{expression} {text}");
        }
    }

    #[test]
    fn what_re2_refuses_is_refused_with_its_place_and_the_reason() {
        for (expression, character, what) in [
            ("ab(c", 3, "this group is not closed; add ) or write \\("),
            ("ab)c", 3, "this ) closes no group; write \\)"),
            ("a[b", 2, "this class is not closed; add ] or write \\["),
            ("a|*b", 3, NOTHING_TO_REPEAT),
            ("{2}", 1, NOTHING_TO_REPEAT),
            ("(?i)*", 5, NOTHING_TO_REPEAT),
            (
                "a**",
                3,
                "a repetition of a repetition; group the first with ( )",
            ),
            ("a{2,1}", 2, "the first count is above the second"),
            ("a{1001}", 2, "RE2 repeats at most 1000 times"),
            ("a(?=b)", 2, "RE2 has no look-ahead and no look-behind"),
            ("(?<!a)b", 1, "RE2 has no look-ahead and no look-behind"),
            (r"(a)\1", 4, "RE2 has no back-references"),
            (r"a\", 2, "nothing stands after this \\; write \\\\"),
            (r"\Z", 1, "RE2 knows no such escape"),
            (r"[a\b]", 3, "RE2 knows no such escape"),
            (
                r"\x{110000}",
                1,
                "expected \\x41 or \\x{1F600}, a character's number",
            ),
            ("[z-a]", 2, "the range ends before it begins"),
            (r"[a-\d]", 2, "a class cannot end a range"),
            (
                "[[:alfa:]]",
                3,
                "expected the name of a class, such as [:alpha:]",
            ),
            ("(?x)a", 3, "expected the flags i, m, s or U, then : or )"),
            (
                "(?P<a-b>c)",
                6,
                "expected a name of letters, digits and _, then >",
            ),
            (
                r"\p{Han}",
                1,
                "classes of Unicode are not supported; write a range, such as [\\x{4E00}-\\x{9FFF}]",
            ),
        ] {
            let expected = Some(Fault { character, what });
            assert_eq!(Regex::new(expression).err(), expected, "{expression}");
        }
    }

    #[test]
    fn neither_size_nor_depth_nor_time_gets_out_of_hand() {
        let what = |expression: &str| Regex::new(expression).err().map(|fault| fault.what);
        assert_eq!(
            what("((a{100}){100}){100}"),
            Some("the expression is too large; repeat less often")
        );
        assert_eq!(
            what(&"(".repeat(10_000)),
            Some("groups are nested too deeply")
        );
        assert!(!matches("^(a*)*(a|aa)+$", &("a".repeat(5000) + "b")));
    }
}

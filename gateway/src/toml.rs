//! Reads TOML, into JSON, for gateways that are components.
//!
//! The crate that does this elsewhere is half as large as all the rest of the
//! Spin gateway's own code. This reader takes what TOML 1.1 has and gives the
//! same values; of mistakes it finds those that change a meaning, such as a key
//! that stands twice, and lets others pass. What it says shows no value, since
//! that may be a secret that somebody forgot to quote.

use serde_json::Map;
use serde_json::Number;
use serde_json::Value;

/// Reads a document, or tells what is wrong, with its line.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, String> {
    let mut reader = Reader { text, at: 0 };
    reader.document().map_err(|why| {
        let read = text.get(..reader.at).unwrap_or(text);
        let line = 1 + read.matches('\n').count();
        format!("line {line}: not valid TOML: {why}")
    })
}

type Result<T, E = String> = std::result::Result<T, E>;

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Map<String, Value>> {
        let mut root = Map::new();
        let mut path = Vec::new();
        // Pointers of the tables that have a head line.
        let mut opened = Vec::new();
        loop {
            self.skip_lines()?;
            if self.rest().is_empty() {
                return Ok(root);
            }
            if self.take("[[") {
                path = self.key()?;
                self.expect("]]")?;
                let (last, before) = split(&path)?;
                let (table, _) = enter(&mut root, before)?;
                let elements = table
                    .entry(last)
                    .or_insert_with(|| Value::Array(Vec::new()));
                match elements {
                    Value::Array(elements) => elements.push(Value::Object(Map::new())),
                    _ => return Err(format!("{last:?} is no array of tables")),
                }
            } else if self.take("[") {
                path = self.key()?;
                self.expect("]")?;
                let (_, pointer) = enter(&mut root, &path)?;
                if opened.contains(&pointer) {
                    return Err("this table stands twice".to_owned());
                }
                opened.push(pointer);
            } else {
                let (table, _) = enter(&mut root, &path)?;
                self.member(table)?;
            }
            self.end_of_line()?;
        }
    }

    /// `key = value`, into a table.
    fn member(&mut self, table: &mut Map<String, Value>) -> Result<()> {
        let key = self.key()?;
        self.expect("=")?;
        self.skip_blanks();
        let value = self.value()?;
        insert(table, &key, value)
    }

    /// `a."b c".d`
    fn key(&mut self) -> Result<Vec<String>> {
        let mut steps = Vec::new();
        loop {
            self.skip_blanks();
            let step = match self.rest().chars().next() {
                Some('"') if !self.rest().starts_with("\"\"\"") => self.quoted()?,
                Some('\'') if !self.rest().starts_with("'''") => self.quoted()?,
                _ => {
                    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                    self.take_while(bare).to_owned()
                }
            };
            if step.is_empty() && !self.text[..self.at].ends_with(['"', '\'']) {
                return Err("expected a key".to_owned());
            }
            steps.push(step);
            self.skip_blanks();
            if !self.take(".") {
                return Ok(steps);
            }
        }
    }

    fn value(&mut self) -> Result<Value> {
        match self.rest().chars().next() {
            Some('"' | '\'') => self.quoted().map(Value::String),
            Some('[') => self.array(),
            Some('{') => self.inline_table(),
            _ => {
                let token = self.take_while(|c| !matches!(c, ',' | ']' | '}' | '#' | '\n' | '\r'));
                scalar(token.trim_end())
            }
        }
    }

    fn array(&mut self) -> Result<Value> {
        self.expect("[")?;
        let mut elements = Vec::new();
        loop {
            self.skip_lines()?;
            if self.take("]") {
                return Ok(Value::Array(elements));
            }
            elements.push(self.value()?);
            self.skip_lines()?;
            if !self.take(",") {
                self.expect("]")?;
                return Ok(Value::Array(elements));
            }
        }
    }

    fn inline_table(&mut self) -> Result<Value> {
        self.expect("{")?;
        let mut members = Map::new();
        loop {
            self.skip_lines()?;
            if self.take("}") {
                return Ok(Value::Object(members));
            }
            let key = self.key()?;
            self.skip_lines()?;
            self.expect("=")?;
            self.skip_lines()?;
            let value = self.value()?;
            insert(&mut members, &key, value)?;
            self.skip_lines()?;
            if !self.take(",") {
                self.expect("}")?;
                return Ok(Value::Object(members));
            }
        }
    }

    /// A string of any of the four kinds.
    fn quoted(&mut self) -> Result<String> {
        let quote = if self.rest().starts_with('"') {
            '"'
        } else {
            '\''
        };
        let three = if quote == '"' { "\"\"\"" } else { "'''" };
        let is_long = self.take(three);
        if is_long {
            // A line break right behind the quotes is no part of the text.
            let _ = self.take("\n") || self.take("\r\n");
        } else {
            self.at += 1;
        }
        let mut text = String::new();
        loop {
            if is_long && self.take(three) {
                // Up to two quotes may stand before the three that end it.
                for _ in 0..2 {
                    if self.rest().starts_with(quote) {
                        self.at += 1;
                        text.push(quote);
                    }
                }
                return Ok(text);
            }
            let Some(c) = self.next() else {
                return Err("a string has no end".to_owned());
            };
            match c {
                c if c == quote && !is_long => return Ok(text),
                '\n' if !is_long => return Err("a string goes on over the line's end".to_owned()),
                '\\' if quote == '"' => self.escape(is_long, &mut text)?,
                '\r' if self.rest().starts_with('\n') => {}
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self, is_long: bool, text: &mut String) -> Result<()> {
        let digits = match self.next() {
            Some('b') => return push(text, '\u{8}'),
            Some('t') => return push(text, '\t'),
            Some('n') => return push(text, '\n'),
            Some('f') => return push(text, '\u{c}'),
            Some('r') => return push(text, '\r'),
            Some(c @ ('"' | '\\')) => return push(text, c),
            Some('e') => return push(text, '\u{1b}'),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some(c) if is_long && c.is_ascii_whitespace() => {
                let blank = self.take_while(|c| c.is_ascii_whitespace());
                return match c == '\n' || blank.contains('\n') {
                    true => Ok(()),
                    false => Err("a backslash stands before a blank".to_owned()),
                };
            }
            _ => return Err("a string has an escape that TOML does not know".to_owned()),
        };
        let digits = self.rest().get(..digits).unwrap_or_default();
        let code = u32::from_str_radix(digits, 16)
            .ok()
            .and_then(char::from_u32);
        let code = code.ok_or("a string has an escape that is no character")?;
        self.at += digits.len();
        push(text, code)
    }

    /// Blanks, line breaks and comments.
    fn skip_lines(&mut self) -> Result<()> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            if !self.rest().starts_with('#') {
                return Ok(());
            }
            self.comment()?;
        }
    }

    fn skip_blanks(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t'));
    }

    fn comment(&mut self) -> Result<()> {
        let comment = self.take_while(|c| c != '\n');
        let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\r');
        match comment.chars().all(is_plain) {
            true => Ok(()),
            false => Err("a comment holds a control character".to_owned()),
        }
    }

    fn end_of_line(&mut self) -> Result<()> {
        self.skip_blanks();
        if self.rest().starts_with('#') {
            self.comment()?;
        }
        if self.rest().is_empty() || self.take("\n") || self.take("\r\n") {
            return Ok(());
        }
        Err("expected the end of the line".to_owned())
    }

    fn expect(&mut self, token: &str) -> Result<()> {
        self.skip_blanks();
        match self.take(token) {
            true => Ok(()),
            false => Err(format!("expected `{token}`")),
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}

fn push(text: &mut String, c: char) -> Result<()> {
    text.push(c);
    Ok(())
}

fn insert(table: &mut Map<String, Value>, key: &[String], value: Value) -> Result<()> {
    let (last, before) = split(key)?;
    let (table, _) = enter(table, before)?;
    match table.insert(last.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(format!("the key {last:?} stands twice")),
    }
}

fn split(path: &[String]) -> Result<(&str, &[String])> {
    let (last, before) = path.split_last().ok_or("expected a key")?;
    Ok((last, before))
}

/// The table at a path, made if it is not there, and its JSON Pointer, or near
/// enough. Of an array of tables it is the last one.
fn enter<'m>(
    table: &'m mut Map<String, Value>,
    path: &[String],
) -> Result<(&'m mut Map<String, Value>, String)> {
    let (mut table, mut pointer) = (table, String::new());
    for step in path {
        pointer = format!("{pointer}/{step:?}");
        let found = table
            .entry(step.as_str())
            .or_insert_with(|| Value::Object(Map::new()));
        let found = match found {
            Value::Array(elements) => {
                pointer = format!("{pointer}/{}", elements.len());
                elements.last_mut()
            }
            found => Some(found),
        };
        table = match found {
            Some(Value::Object(table)) => table,
            _ => return Err(format!("{step:?} is no table")),
        };
    }
    Ok((table, pointer))
}

/// What stands without quotes. A date stays a text.
fn scalar(token: &str) -> Result<Value> {
    match token {
        "" => return Err("expected a value".to_owned()),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let digits = token.strip_prefix(['+', '-']).unwrap_or(token);
    let begins_with_a_digit = digits.starts_with(|c: char| c.is_ascii_digit());
    if matches!(digits, "inf" | "nan") {
        return Err(NOT_FINITE.to_owned());
    }
    let is_date = token.len() >= 8 && matches!(token.as_bytes().get(4), Some(b'-'))
        || matches!(token.as_bytes().get(2), Some(b':'));
    if begins_with_a_digit && is_date {
        return Ok(Value::String(token.to_owned()));
    }
    let has_zeros =
        digits.len() > 1 && digits.starts_with('0') && !digits.contains(['.', 'e', 'E']);
    let plain = token.replace('_', "");
    let number = match digits.get(..2) {
        Some("0x") => i64::from_str_radix(&plain[2..], 16).ok().map(Number::from),
        Some("0o") => i64::from_str_radix(&plain[2..], 8).ok().map(Number::from),
        Some("0b") => i64::from_str_radix(&plain[2..], 2).ok().map(Number::from),
        _ if !begins_with_a_digit || has_zeros => None,
        _ if digits.contains(['.', 'e', 'E']) => Some(fraction(&plain)?),
        _ if plain
            .trim_start_matches(['+', '-'])
            .bytes()
            .all(|b| b.is_ascii_digit()) =>
        {
            Some(Number::from(plain.parse::<i64>().map_err(|_| NOT_FINITE)?))
        }
        _ => None,
    };
    number.map(Value::Number).ok_or_else(|| NO_VALUE.to_owned())
}

/// What the same digits mean in JSON. They may differ from the nearest number in
/// the last bit; no setting is a fraction.
fn fraction(digits: &str) -> Result<Number> {
    match serde_json::from_slice(digits.trim_start_matches('+').as_bytes()) {
        Ok(Value::Number(number)) => Ok(number),
        _ => Err(NOT_FINITE.to_owned()),
    }
}

const NOT_FINITE: &str = "expected a finite number of at most 64 bits";
const NO_VALUE: &str = "expected a value: a text in quotes, a number, true, false, [ or {";

#[cfg(test)]
mod tests {
    use super::*;
    use ::toml::de::DeTable;
    use ::toml::de::DeValue;

    const EXAMPLE: &str = include_str!("../../docs/sync.example.toml");
    const ODD: &str = r#"
# every form there is
top = 'C:\temp' # behind it
"quoted key" = "a\tb\"\\\u00e9\U0001F600"
dotted.inner."and more" = 1_000
dotted.other = -17
empty = ""
numbers = [0, +1, 0xff, 0o17, 0b101, 3.25, -1e3, 6.02E-2, 1_0.0_1]
nested = [[1, 2], ["a", 'b',], [],
  # between
  { x = 1, y.z = [true, false] },
]
inline = { a = { b = "c" }, "d e" = 'f' }
long = """
one
  two \
     three "quotes" and ""two
""""
raw = '''
\no ''escapes
'''
[table]
[table.deep.deeper]
key = true
[[list]]
name = "first"
[list.sub]
x = 1
[[list.inner]]
y = 1
[[list.inner]]
y = 2
[[list]]
name = "second"
[list.sub]
x = 2
["odd.name"]
z = 0.0
"#;

    /// What the usual crate makes of it.
    fn usual(text: &str) -> Option<Value> {
        fn table(table: &DeTable<'_>) -> Option<Value> {
            let members = table.iter();
            let members =
                members.map(|(k, v)| Some((k.get_ref().to_string(), value(v.get_ref())?)));
            Some(Value::Object(members.collect::<Option<_>>()?))
        }
        fn value(found: &DeValue<'_>) -> Option<Value> {
            Some(match found {
                DeValue::String(text) => Value::String(text.to_string()),
                DeValue::Boolean(truth) => Value::Bool(*truth),
                DeValue::Datetime(time) => Value::String(time.to_string()),
                DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                    .ok()?
                    .into(),
                DeValue::Float(digits) => fraction(digits.as_str()).ok()?.into(),
                DeValue::Array(elements) => elements
                    .iter()
                    .map(|e| value(e.get_ref()))
                    .collect::<Option<_>>()?,
                DeValue::Table(members) => table(members)?,
            })
        }
        table(DeTable::parse(text).ok()?.get_ref())
    }

    #[test]
    fn every_form_has_the_value_that_the_usual_crate_gives_it() {
        for text in [
            EXAMPLE,
            ODD,
            "",
            "a = 1",
            "dates = [1979-05-27, 07:32:00, 1979-05-27T07:32:00Z]",
            "\r\n[a]\r\nb = 2\r\n",
            "a = '''x'''",
        ] {
            assert_eq!(parse(text).map(Value::Object).ok(), usual(text), "{text}");
            assert!(usual(text).is_some(), "{text}");
        }
    }

    /// Documents with a mistake here and there: whatever still is TOML means the
    /// same to both, and nothing panics.
    #[test]
    fn damaged_documents_mean_the_same_or_nothing() {
        let mut random = fastrand::Rng::with_seed(20_261_128);
        let mut taken = 0;
        for _ in 0..20_000 {
            let mut text: Vec<char> = if random.bool() { ODD } else { EXAMPLE }.chars().collect();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..text.len());
                let other = text[random.usize(..text.len())];
                match random.u8(..3) {
                    0 => text[at] = other,
                    1 => text.insert(at, other),
                    _ => drop(text.remove(at)),
                }
            }
            let text: String = text.into_iter().collect();
            let (ours, theirs) = (parse(&text), usual(&text));
            if let Some(theirs) = theirs {
                taken += 1;
                assert_eq!(ours.map(Value::Object), Ok(theirs), "{text:?}");
            }
        }
        assert!(taken > 4000, "only {taken} were TOML still");
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_without_the_value() {
        for (text, expected) in [
            (
                "a = 1\na = 2",
                "line 2: not valid TOML: the key \"a\" stands twice",
            ),
            (
                "[a]\nb = 1\n[a]\n",
                "line 3: not valid TOML: this table stands twice",
            ),
            (
                "a = 1\n[a.b]\n",
                "line 2: not valid TOML: \"a\" is no table",
            ),
            ("\n= 1", "line 2: not valid TOML: expected a key"),
            ("[a\nb = 1", "line 1: not valid TOML: expected `]`"),
            ("a 1", "line 1: not valid TOML: expected `=`"),
            ("a =\n", "line 1: not valid TOML: expected a value"),
            (
                "a = 1 b = 2",
                "line 1: not valid TOML: expected a value: a text in quotes, a number, true, false, [ or {",
            ),
            (
                "a = canary",
                "line 1: not valid TOML: expected a value: a text in quotes, a number, true, false, [ or {",
            ),
            ("a = 'canary", "line 1: not valid TOML: a string has no end"),
            (
                "a = \"canary\nb = 1",
                "line 2: not valid TOML: a string goes on over the line's end",
            ),
            (
                "a = \"\\q\"",
                "line 1: not valid TOML: a string has an escape that TOML does not know",
            ),
            (
                "a = \"\\ud800\"",
                "line 1: not valid TOML: a string has an escape that is no character",
            ),
            (
                "a = inf",
                "line 1: not valid TOML: expected a finite number of at most 64 bits",
            ),
            (
                "a = 99999999999999999999",
                "line 1: not valid TOML: expected a finite number of at most 64 bits",
            ),
            ("a = [1\n2]", "line 2: not valid TOML: expected `]`"),
            (
                "a = 'b' c",
                "line 1: not valid TOML: expected the end of the line",
            ),
        ] {
            let found = parse(text).unwrap_err();
            assert_eq!(found, expected, "{text}");
        }
    }
}

//! Reading types out of JSON.
//!
//! Every type is read out of a [`Value`], by one reader: so the code that
//! reads a type exists once in a component, and an error knows its place and
//! speaks to operators, whatever is read.
//!
//! The code that serde derives for a struct can take it as a map or as a list.
//! The reader offers each struct its fields as a list, in the order that the
//! type names them in: the list costs a third of the map, whose code compares
//! each key with each field. And it prints no fractions. Together that saves
//! each component a tenth or more.

#![no_std]
#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)] // A plugin uses it, where a panic takes the whole session with it.

#[macro_use]
extern crate alloc;

mod nearest;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::string::ToString;
use core::fmt;
use core::slice;
use nearest::nearest;
use serde::Deserialize;
use serde::Deserializer;
use serde::de;
use serde::de::DeserializeSeed;
use serde::de::Expected;
use serde::de::Unexpected;
use serde::de::Visitor;
use serde::de::value::StrDeserializer;
use serde::de::value::U32Deserializer;
use serde::forward_to_deserialize_any;
use serde_json::Map;
use serde_json::Value;

/// So many characters are shown of a text that stands where none is expected.
const LONGEST_SHOWN: usize = 40;

/// Reads a type out of a value, which may hold more than the type knows: far
/// ends grow, and so do records of our own.
pub fn from_value<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, Error> {
    T::deserialize(Reader {
        value: Some(value),
        is_strict: false,
    })
}

/// Reads a type out of what an operator wrote: a key that the type does not
/// know is a problem.
pub fn from_document<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, Error> {
    T::deserialize(Reader {
        value: Some(value),
        is_strict: true,
    })
}

/// A key as a step of a JSON Pointer.
pub fn step(key: &str) -> String {
    let mut step = String::new();
    for c in key.chars() {
        match c {
            '~' => step.push_str("~0"),
            '/' => step.push_str("~1"),
            c => step.push(c),
        }
    }
    step
}

/// What is wrong with a value, in the words of whoever wrote it. Boxed, since
/// every result that is passed on in the derived code has room for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Problem>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    pointer: String,
    message: String,
}

impl Error {
    /// The place as a JSON Pointer, seen from the value that was read, and what
    /// is wrong there.
    pub fn into_parts(self) -> (String, String) {
        (self.0.pointer, self.0.message)
    }

    fn new(message: String) -> Self {
        let pointer = String::new();
        Self(Box::new(Problem { pointer, message }))
    }

    /// The same, seen from the value one step further out.
    fn below(mut self, key: &str) -> Self {
        self.0.pointer = ["/", &step(key), &self.0.pointer].concat();
        self
    }

    fn unknown(noun: &str, found: &str, known: &[&str]) -> Self {
        let hint = match nearest(found, known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => one_of(known),
        };
        Self::new(format!("unknown {noun} \"{found}\"; {hint}"))
    }

    fn missing(field: &str) -> Self {
        Self::new(format!("expected \"{field}\", found none; add it"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { pointer, message } = &*self.0;
        if !pointer.is_empty() {
            write!(f, "{pointer}: ")?;
        }
        f.write_str(message)
    }
}

impl core::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let expected = in_words(&expected);
        // Perhaps a secret, in the place of where secrets stand, or one of digits
        // that nobody quoted.
        let may_be_secret =
            matches!(expected, "a list" | "a table") || expected.starts_with("a string");
        // To let it print itself would bring code that prints fractions.
        let found = match found {
            Unexpected::Bool(_) => "a boolean".into(),
            Unexpected::Signed(_) | Unexpected::Unsigned(_) if may_be_secret => "an integer".into(),
            Unexpected::Str(_) if may_be_secret => "a string".into(),
            Unexpected::Signed(integer) => format!("integer {integer}"),
            Unexpected::Unsigned(integer) => format!("integer {integer}"),
            Unexpected::Str(text) => format!("string \"{text:.LONGEST_SHOWN$}\""),
            Unexpected::Other(what) => what.into(),
            _ => "something else".into(),
        };
        Self::new(format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        Self::unknown("key", found, known).below(found)
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::unknown("value", found, known)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::missing(field)
    }

    /// Says nothing: which field is missing is known to whoever reads the struct.
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self::new(String::new())
    }
}

fn one_of(words: &[&str]) -> String {
    let mut list = String::from("expected one of ");
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            list.push_str(", ");
        }
        list.push_str(word);
    }
    list
}

/// serde names types as Rust does; these are the ones that are read here.
fn in_words(serde: &str) -> &str {
    match serde {
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" => "an integer of at least 0",
        "i64" => "an integer",
        "a map" => "a table",
        _ if serde.starts_with("struct ") => "a table",
        _ if serde.starts_with("a sequence") => "a list",
        _ => serde,
    }
}

/// Reads a type out of a value.
#[derive(Clone, Copy)]
struct Reader<'a> {
    /// None where there is nothing: an option is none then, and any other type
    /// an error that nobody reads.
    value: Option<&'a Value>,
    /// Whether a key that the type does not know is a problem.
    is_strict: bool,
}

impl<'de> Reader<'de> {
    /// Reads another value in the same way.
    fn of(self, value: Option<&'de Value>) -> Self {
        Self { value, ..self }
    }

    fn unexpected(self, expected: &dyn Expected) -> Error {
        let found = match self.value {
            None => return Error::new(String::new()),
            Some(Value::Null) => Unexpected::Other("null"),
            Some(Value::Bool(yes)) => Unexpected::Bool(*yes),
            Some(Value::Number(number)) => match (number.as_u64(), number.as_i64()) {
                (Some(integer), _) => Unexpected::Unsigned(integer),
                (_, Some(integer)) => Unexpected::Signed(integer),
                _ => Unexpected::Other("a fraction"),
            },
            Some(Value::String(text)) => Unexpected::Str(text),
            Some(Value::Array(_)) => Unexpected::Other("a list"),
            Some(Value::Object(_)) => Unexpected::Other("a table"),
        };
        de::Error::invalid_type(found, expected)
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Some(integer) = self.value.and_then(Value::as_u64) {
            visitor.visit_u64(integer)
        } else if let Some(integer) = self.value.and_then(Value::as_i64) {
            visitor.visit_i64(integer)
        } else {
            Err(self.unexpected(&visitor))
        }
    }

    /// What a struct with these fields is read from.
    fn fields(
        self,
        names: &'static [&'static str],
        expected: &dyn Expected,
    ) -> Result<Fields<'de>, Error> {
        let Some(Value::Object(map)) = self.value else {
            return Err(self.unexpected(expected));
        };
        if self.is_strict {
            for (key, value) in map {
                if !value.is_null() && !names.contains(&key.as_str()) {
                    return Err(Error::unknown("key", key, names).below(key));
                }
            }
        }
        Ok(Fields {
            reader: self,
            map,
            rest: names.iter(),
            name: "",
        })
    }

    /// Which of these variants an enum is, and what is in it.
    fn variant(self, names: &[&str], expected: &dyn Expected) -> Result<Variant<'de>, Error> {
        let (name, content) = match self.value {
            Some(Value::String(name)) => (name, &Value::Null),
            Some(Value::Object(map)) if map.len() == 1 => match map.iter().next() {
                Some(entry) => entry,
                None => return Err(self.unexpected(expected)),
            },
            _ => return Err(self.unexpected(expected)),
        };
        let index = names.iter().position(|known| known == name);
        let index = index.and_then(|index| u32::try_from(index).ok());
        Ok(Variant {
            index: index.ok_or_else(|| Error::unknown("value", name, names))?,
            content: self.of(Some(content)),
        })
    }
}

/// Methods that read a kind of integer.
macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.integer(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Error;

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            None => Err(self.unexpected(&visitor)),
            Some(Value::Null) => visitor.visit_unit(),
            Some(Value::Bool(_)) => self.deserialize_bool(visitor),
            Some(Value::Number(_)) => self.integer(visitor),
            Some(Value::String(_)) => self.deserialize_str(visitor),
            Some(Value::Array(_)) => self.deserialize_seq(visitor),
            Some(Value::Object(_)) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Some(Value::Bool(yes)) => visitor.visit_bool(*yes),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Some(Value::String(text)) => visitor.visit_str(text),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            None | Some(Value::Null) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Some(Value::Array(list)) => {
                let mut elements = Elements {
                    reader: self,
                    rest: list.iter(),
                };
                let read = visitor.visit_seq(&mut elements);
                let index = list.len().saturating_sub(elements.rest.len() + 1);
                read.map_err(|error| error.below(&index.to_string()))
            }
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Some(Value::Object(map)) => {
                let mut entries = Entries {
                    reader: self,
                    rest: map.iter(),
                    key: None,
                };
                let read = visitor.visit_map(&mut entries);
                read.map_err(|error| entries.explain(error))
            }
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut fields = self.fields(fields, &visitor)?;
        let read = visitor.visit_seq(&mut fields);
        read.map_err(|error| fields.explain(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = self.variant(variants, &visitor)?;
        visitor.visit_enum(variant)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// What is left of a list.
struct Elements<'a> {
    /// Of the list.
    reader: Reader<'a>,
    rest: slice::Iter<'a, Value>,
}

impl<'de> de::SeqAccess<'de> for &mut Elements<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        match self.rest.next() {
            None => Ok(None),
            value => seed.deserialize(self.reader.of(value)).map(Some),
        }
    }
}

/// What is left of the fields of a struct. Many write `null` where they mean
/// nothing, so an entry that is null is not there.
struct Fields<'a> {
    /// Of the struct; after a field of its value.
    reader: Reader<'a>,
    map: &'a Map<String, Value>,
    rest: slice::Iter<'static, &'static str>,
    /// The field that was read last.
    name: &'static str,
}

impl Fields<'_> {
    /// Goes on to the next field. Apart from what is generic, as is `explain`: so
    /// there is one of it.
    #[inline(never)]
    fn advance(&mut self) {
        self.name = self.rest.next().copied().unwrap_or_default();
        self.reader.value = self.map.get(self.name).filter(|value| !value.is_null());
    }

    /// What is wrong with the field that was read last. That one without a
    /// default is missing the derived code tells by its number.
    #[inline(never)]
    fn explain(&self, error: Error) -> Error {
        match self.reader.value {
            Some(_) => error.below(self.name),
            None => Error::missing(self.name),
        }
    }
}

impl<'de> de::SeqAccess<'de> for &mut Fields<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.advance();
        match seed.deserialize(self.reader) {
            Ok(field) => Ok(Some(field)),
            Err(_) if self.reader.value.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What is left of an object, without what is null.
struct Entries<'a> {
    /// Of the object; after a key of its value.
    reader: Reader<'a>,
    rest: serde_json::map::Iter<'a>,
    /// The one that was read last; none at the end.
    key: Option<&'a str>,
}

impl Entries<'_> {
    #[inline(never)]
    fn explain(&self, error: Error) -> Error {
        match self.key {
            Some(key) => error.below(key),
            None => error,
        }
    }
}

impl<'de> de::MapAccess<'de> for &mut Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.find(|(_, value)| !value.is_null()) else {
            self.key = None;
            return Ok(None);
        };
        (self.key, self.reader.value) = (Some(key.as_str()), Some(value));
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.reader)
    }
}

/// A variant of an enum: its name alone, or an object of that one key. The
/// derived code knows variants by their numbers too.
struct Variant<'a> {
    index: u32,
    content: Reader<'a>,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Reader<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Error> {
        let variant = seed.deserialize(U32Deserializer::new(self.index))?;
        Ok((variant, self.content))
    }
}

impl<'de> de::VariantAccess<'de> for Reader<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            Some(Value::Null) => Ok(()),
            _ => Err(self.unexpected(&"a name alone")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use serde::Serialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Shape {
        Point,
        Named(String),
        Circle { radius: u16 },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Picture {
        shapes: Vec<Shape>,
        #[serde(default)]
        labels: BTreeMap<String, i64>,
        visible: bool,
        title: Option<String>,
    }

    fn problem(value: &Value) -> String {
        from_document::<Picture>(value).unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let picture = Picture {
            shapes: vec![
                Shape::Point,
                Shape::Named("x".into()),
                Shape::Circle { radius: 7 },
            ],
            labels: [("least".into(), i64::MIN), ("most".into(), i64::MAX)].into(),
            visible: true,
            title: None,
        };
        let written = serde_json::to_value(&picture).unwrap();
        assert_eq!(from_value::<Picture>(&written), Ok(picture));
    }

    #[test]
    fn null_means_that_nothing_is_there() {
        let picture = json!({ "shapes": [], "visible": true, "labels": null, "other": null });
        assert_eq!(from_value::<Picture>(&picture).unwrap().labels, [].into());
        assert_eq!(
            problem(&json!({ "shapes": null, "visible": true })),
            "expected \"shapes\", found none; add it"
        );
    }

    #[test]
    fn a_problem_names_its_place_and_what_was_found_there() {
        let shape = |shape: Value| problem(&json!({ "visible": true, "shapes": ["point", shape] }));
        assert_eq!(
            shape(json!({ "circle": { "radius": "long" } })),
            "/shapes/1/radius: expected an integer from 0 to 65535, found string \"long\""
        );
        assert_eq!(
            shape(json!({ "circle": { "radius": 70000 } })),
            "/shapes/1/radius: expected an integer from 0 to 65535, found integer 70000"
        );
        assert_eq!(
            shape(json!({ "circle": { "radius": 1.5 } })),
            "/shapes/1/radius: expected an integer from 0 to 65535, found a fraction"
        );
        assert_eq!(
            shape(json!({ "point": 1 })),
            "/shapes/1: expected a name alone, found integer 1"
        );
        assert_eq!(
            shape(json!("pont")),
            "/shapes/1: unknown value \"pont\"; did you mean \"point\"?"
        );
        assert_eq!(
            problem(&json!({ "shapes": [], "visible": [] })),
            "/visible: expected a boolean, found a list"
        );
        assert_eq!(
            problem(&json!({ "shapes": [], "labels": { "a": true } })),
            "/labels/a: expected an integer, found a boolean"
        );
        assert_eq!(
            problem(&json!({ "colour": 1 })),
            "/colour: unknown key \"colour\"; expected one of shapes, labels, visible, title"
        );
        assert_eq!(problem(&json!([])), "expected a table, found a list");
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let picture = |key: &str, found: Value| {
            let mut picture = json!({ "visible": true, "shapes": [] });
            picture[key] = found;
            problem(&picture)
        };
        for (found, kind) in [
            (json!("canary"), "a string"),
            (json!(4711), "an integer"),
            (json!(-4711), "an integer"),
            (json!(47.11), "a fraction"),
            (json!(true), "a boolean"),
        ] {
            assert_eq!(
                picture("shapes", found.clone()),
                format!("/shapes: expected a list, found {kind}")
            );
            assert_eq!(
                picture("labels", found.clone()),
                format!("/labels: expected a table, found {kind}")
            );
            assert_eq!(problem(&found), format!("expected a table, found {kind}"));
            if !found.is_string() {
                assert_eq!(
                    picture("title", found),
                    format!("/title: expected a string, found {kind}")
                );
            }
        }
    }
}

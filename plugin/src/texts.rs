//! Texts by their names.
//!
//! There are few in any one place, so a list does; a second kind of tree would
//! be 3 kB of the component.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::MapAccess;
use serde::de::Visitor;

/// Texts by their names, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(Vec<(String, String)>);

impl Texts {
    /// The text of a name.
    pub fn get(&self, name: &str) -> Option<&String> {
        let (known, text) = self.0.get(self.place(name))?;
        (known == name).then_some(text)
    }

    /// Puts a text in the place of what has its name.
    pub fn insert(&mut self, name: String, text: String) {
        let at = self.place(&name);
        match self.0.get_mut(at) {
            Some(held) if held.0 == name => held.1 = text,
            _ => self.0.insert(at, (name, text)),
        }
    }

    /// Where a name stands, or would.
    fn place(&self, name: &str) -> usize {
        self.0.partition_point(|(known, _)| known.as_str() < name)
    }

    /// Names and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().map(|(name, text)| (name, text))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                let mut texts = Texts::default();
                while let Some((name, text)) = map.next_entry()? {
                    texts.insert(name, text);
                }
                Ok(texts)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_in_order_and_have_one_text_each() {
        let mut texts = Texts::default();
        for (name, text) in [("b", "1"), ("a", "2"), ("c", "3"), ("b", "4")] {
            texts.insert(name.into(), text.into());
        }
        let written = serde_json::to_string(&texts).unwrap();
        assert_eq!(written, r#"{"a":"2","b":"4","c":"3"}"#);
        assert_eq!(texts.get("b").unwrap(), "4");
        assert_eq!(texts.get("d"), None);
    }

    #[test]
    fn what_was_written_is_read_again() {
        let texts: Texts = serde_json::from_value(json!({ "b": "1", "a": "2" })).unwrap();
        assert_eq!(json!(texts), json!({ "a": "2", "b": "1" }));
    }
}

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde::de::value::MapAccessDeserializer;
use std::fmt;

/// Where a secret is to be found: `{ env = "NAME" }` or `{ file = "PATH" }`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Secret", rename_all = "kebab-case")]
pub enum SecretRef {
    /// Name of an environment variable.
    Env(String),
    /// Path of a file; white space at the end of the file does not count.
    File(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {path}"),
        }
    }
}

/// A text that need not be hidden, a user name for instance: the text itself,
/// or where it is to be found.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Text {
    /// The text itself.
    Plain(String),
    /// It is kept with the secrets all the same.
    Kept(SecretRef),
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretRefVisitor)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

const FORMS: &str = "{ env = \"NAME\" } or { file = \"PATH\" }";

/// By hand, because serde repeats what it did not expect in its messages, and
/// what stands in the place of a reference may be the secret.
struct SecretRefVisitor;

/// Whatever the value is, it is not shown.
fn written<E: Error>() -> E {
    E::custom(format!(
        "a secret is never written into the file; use {FORMS}"
    ))
}

impl<'de> Visitor<'de> for SecretRefVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(written())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretRef, E> {
        Err(written())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(written())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(written())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(written())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let (mut references, mut keys) = (Vec::new(), Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "env" => references.push(SecretRef::Env(map.next_value()?)),
                "file" => references.push(SecretRef::File(map.next_value()?)),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            keys.push(format!("{key:?}"));
        }
        match (references.pop(), keys.as_slice()) {
            (Some(reference), [_]) => Ok(reference),
            (_, []) => Err(A::Error::custom(format!(
                "expected {FORMS}, found an empty table"
            ))),
            (_, keys) => {
                let keys = keys.join(" and ");
                Err(A::Error::custom(format!("expected {FORMS}, found {keys}")))
            }
        }
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string, {FORMS}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Plain(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
        SecretRef::deserialize(MapAccessDeserializer::new(map)).map(Text::Kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use serde_json::json;

    fn secret(value: Value) -> Result<SecretRef, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn text(value: Value) -> Result<Text, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_reference_names_one_place() {
        let env = SecretRef::Env("NAME".to_owned());
        assert_eq!(secret(json!({ "env": "NAME" })), Ok(env.clone()));
        let file = SecretRef::File("a/b".to_owned());
        assert_eq!(secret(json!({ "file": "a/b" })), Ok(file));
        assert_eq!(text(json!({ "env": "NAME" })), Ok(Text::Kept(env)));
    }

    #[test]
    fn a_text_may_be_written_as_it_is_and_a_secret_may_not() {
        assert_eq!(
            text(json!("flashduty")),
            Ok(Text::Plain("flashduty".to_owned()))
        );
        for canary in [
            json!("canary"),
            json!("env"),
            json!(4711),
            json!(-4711),
            json!(47.11),
            json!(true),
        ] {
            assert_eq!(
                secret(canary).unwrap_err(),
                "a secret is never written into the file; use { env = \"NAME\" } or { file = \
                 \"PATH\" }",
            );
        }
    }

    #[test]
    fn what_names_no_place_or_two_is_told_without_its_values() {
        for (value, found) in [
            (json!({}), "an empty table"),
            (json!({ "evn": "canary" }), "\"evn\""),
            (
                json!({ "env": "canary", "file": "canary" }),
                "\"env\" and \"file\"",
            ),
            (
                json!({ "env": "canary", "default": "canary" }),
                "\"default\" and \"env\"",
            ),
        ] {
            let message = format!("expected {FORMS}, found {found}");
            assert_eq!(secret(value.clone()).unwrap_err(), message);
            assert_eq!(text(value).unwrap_err(), message);
        }
    }
}

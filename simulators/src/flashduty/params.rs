//! The parameters of a call, read from a JSON body.
//!
//! An empty body is an empty object, `null` is the same as absent, and what
//! nobody asks for is ignored: real clients rely on all three. Whatever is
//! wrong is told with the name of the field.

use std::ops::RangeInclusive;

use serde_json::Map;
use serde_json::Value;

use super::envelope::ApiError;
use super::envelope::ErrorCode;
use super::severity::Severity;

/// A JSON object of parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    pub(super) fn parse(body: &[u8]) -> Result<Params, ApiError> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Params::default());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Params(map)),
            Ok(Value::Null) => Ok(Params::default()),
            Ok(other) => Err(ApiError::new(
                ErrorCode::BadRequest,
                format!("body: expected a JSON object, found {}", kind(&other)),
            )),
            Err(error) => Err(ApiError::new(
                ErrorCode::BadRequest,
                format!("body: expected a JSON object: {error}"),
            )),
        }
    }

    /// Whatever is there, of any type but `null`.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        self.read(name, "a string", Value::as_str)
    }

    pub(super) fn required_text(&self, name: &str) -> Result<&str, ApiError> {
        required(name, self.text(name)?)
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.read(name, "an integer", Value::as_i64)
    }

    pub(super) fn required_integer(&self, name: &str) -> Result<i64, ApiError> {
        required(name, self.integer(name)?)
    }

    /// An integer that counts something: an amount, a page, a time.
    pub(super) fn amount(&self, name: &str) -> Result<Option<u64>, ApiError> {
        self.read(name, "an integer not below 0", Value::as_u64)
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.read(name, "true or false", Value::as_bool)
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Params>, ApiError> {
        self.read(name, "an object", |value| {
            value.as_object().cloned().map(Params)
        })
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        self.read(name, "an array of strings", |value| {
            value
                .as_array()?
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect()
        })
    }

    pub(super) fn integers(&self, name: &str) -> Result<Option<Vec<i64>>, ApiError> {
        self.read(name, "an array of integers", |value| {
            value.as_array()?.iter().map(Value::as_i64).collect()
        })
    }

    /// `incident_ids` and the like: from 1 to 100 ids.
    pub(super) fn ids(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let ids = required(name, self.texts(name)?)?;
        if ids.is_empty() || ids.len() > 100 {
            return Err(ApiError::invalid(format!(
                "{name}: expected 1 to 100 ids, found {}",
                ids.len()
            )));
        }
        Ok(ids)
    }

    pub(super) fn severity(&self, name: &str) -> Result<Option<Severity>, ApiError> {
        self.text(name)?
            .map(|word| {
                Severity::parse(word).ok_or_else(|| {
                    ApiError::invalid(format!(
                        "{name}: expected Critical, Warning or Info, found {word:?}"
                    ))
                })
            })
            .transpose()
    }

    /// Every name and value, for maps whose keys the caller chooses.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    fn read<'a, T>(
        &'a self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        match read(value) {
            Some(found) => Ok(Some(found)),
            None => Err(ApiError::invalid(format!(
                "{name}: expected {expected}, found {}",
                kind(value)
            ))),
        }
    }
}

/// Insists on a parameter.
pub(super) fn required<T>(name: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::invalid(format!("{name}: is required")))
}

/// Insists on a length, counted in characters.
pub(super) fn check_length(
    name: &str,
    text: &str,
    allowed: RangeInclusive<usize>,
) -> Result<(), ApiError> {
    let length = text.chars().count();
    if allowed.contains(&length) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "{name}: expected {} to {} characters, found {length}",
        allowed.start(),
        allowed.end()
    )))
}

/// Describes a JSON value without showing it at length.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Params;

    #[test]
    fn an_empty_body_and_null_values_count_as_absent() {
        assert!(Params::parse(b"").unwrap().value("p").is_none());
        let params = Params::parse(br#"{"search_after_ctx":null}"#).unwrap();
        assert_eq!(params.text("search_after_ctx").unwrap(), None);
    }

    #[test]
    fn a_wrong_type_is_told_with_the_name_of_the_field() {
        let params = Params::parse(br#"{"incident_ids":["a",7],"minutes":"2"}"#).unwrap();
        assert_eq!(
            params.ids("incident_ids").unwrap_err().message,
            "incident_ids: expected an array of strings, found an array"
        );
        assert_eq!(
            params.required_integer("minutes").unwrap_err().message,
            "minutes: expected an integer, found a string"
        );
    }

    #[test]
    fn no_call_takes_more_than_100_ids() {
        let ids = serde_json::json!({ "incident_ids": vec!["a"; 101] });
        let params = Params::parse(ids.to_string().as_bytes()).unwrap();
        assert_eq!(
            params.ids("incident_ids").unwrap_err().message,
            "incident_ids: expected 1 to 100 ids, found 101"
        );
    }
}

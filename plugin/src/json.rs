//! Reading and writing JSON.
//!
//! Everything is read by way of a [`Value`], and every type out of that as the
//! crate `integration-json` does it.

use alloc::string::String;
use alloc::vec::Vec;
pub(crate) use integration_json::Error;
pub(crate) use integration_json::from_document;
pub(crate) use integration_json::from_value;
pub(crate) use integration_json::step;
use serde::Serialize;
use serde::de;
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::Value;

/// Reads JSON text. An error tells where it breaks: what else serde_json can say
/// of it would be 2 kB of the component.
pub(crate) fn parse(text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(text).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        de::Error::custom(format_args!("no JSON at line {line} column {column}"))
    })
}

/// Reads a value that this product wrote.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    from_value(&parse(text)?)
}

/// Writes JSON text. Only a map whose keys are no text could not be written, and
/// nothing here has one.
pub(crate) fn write(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// A value as JSON text.
pub(crate) fn text(value: &Value) -> String {
    String::from_utf8(write(value)).unwrap_or_default()
}

/// An object of JSON.
pub(crate) type Object = Map<String, Value>;

/// An object with these entries. What is done for each of them stands in [`set`],
/// and not, as with `json!`, wherever an object is made.
macro_rules! object {
    ($($name:literal: $value:expr),* $(,)?) => {{
        let mut object = $crate::json::Object::new();
        $($crate::json::set(&mut object, $name, $value);)*
        object
    }};
}

pub(crate) use object;

/// Puts a value into an object.
#[inline(never)]
pub(crate) fn set(object: &mut Object, name: &str, value: impl Into<Value>) {
    put(object, name, value.into());
}

/// What does not depend on the type: so there is one of it.
fn put(object: &mut Object, name: &str, value: Value) {
    object.insert(name.into(), value);
}

/// The entries of an object that shall stay. They are put into a new one: to take
/// something out of a map would be 4 kB of the component.
pub(crate) fn kept(object: Object, stays: &dyn Fn(&str, &Value) -> bool) -> Object {
    let mut kept = Object::new();
    kept.extend(
        object
            .into_iter()
            .filter(|(name, value)| stays(name, value)),
    );
    kept
}

/// The elements of a list; none of anything else.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

//! Reading JSON. Everything is read by way of a [`Value`], so that the code
//! which reads a type exists once in the component, whatever it is read from.

use serde::Deserialize;
use serde_json::Value;

/// Reads a value that this product wrote.
pub(crate) fn read<T>(bytes: &[u8]) -> Result<T, serde_json::Error>
where
    T: for<'a> Deserialize<'a>,
{
    let value: Value = serde_json::from_slice(bytes)?;
    T::deserialize(&value)
}

/// The elements of a list; none of anything else.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

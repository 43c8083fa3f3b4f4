//! Records of the gateway's own, each with the number of its schema.

use integration_json::from_value;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::RangeInclusive;

/// Reads a record of one of these schemas. `remedy` ends the sentence about a
/// record of another, and is empty if there is nothing to do.
pub(crate) fn read<T: DeserializeOwned>(
    value: &[u8],
    schemas: RangeInclusive<u64>,
    remedy: &str,
) -> Result<T, String> {
    let record = parse(value, schemas, remedy)?;
    from_value(&record).map_err(|error| damaged(&error))
}

fn parse(value: &[u8], schemas: RangeInclusive<u64>, remedy: &str) -> Result<Value, String> {
    let record: Value = serde_json::from_slice(value).map_err(|error| damaged(&error))?;
    let schema = record["schema"].as_u64();
    let schema = schema.ok_or_else(|| damaged(&"expected the number of its schema, found none"))?;
    if schemas.contains(&schema) {
        return Ok(record);
    }
    let (oldest, newest) = schemas.into_inner();
    let expected = match oldest == newest {
        true => newest.to_string(),
        false => format!("{oldest} to {newest}"),
    };
    Err(format!(
        "expected a record of schema {expected}, found {schema}; it was written by another version \
         of the gateway{remedy}"
    ))
}

fn damaged(why: &dyn std::fmt::Display) -> String {
    format!("the record is damaged: {why}")
}

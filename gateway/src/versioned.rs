//! Records of the gateway's own, each with the number of its schema.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;

/// Reads a record of one of these schemas. `remedy` ends the sentence about a
/// record of another, and is empty if there is nothing to do.
pub(crate) fn read<T: DeserializeOwned>(
    value: &[u8],
    schemas: RangeInclusive<u32>,
    remedy: &str,
) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: u32,
    }
    let unreadable = |error: serde_json::Error| format!("the record is damaged: {error}");
    let Versioned { schema } = serde_json::from_slice(value).map_err(unreadable)?;
    if schemas.contains(&schema) {
        return serde_json::from_slice(value).map_err(unreadable);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_another_version_is_told_with_those_that_can_be_read() {
        let read = |schemas| read::<serde_json::Value>(br#"{"schema":9}"#, schemas, ", alas");
        assert_eq!(
            read(1..=1).unwrap_err(),
            "expected a record of schema 1, found 9; it was written by another version of the \
             gateway, alas"
        );
        let problem = read(2..=3).unwrap_err();
        assert!(problem.starts_with("expected a record of schema 2 to 3, found 9; "));
        assert!(read(8..=9).is_ok());
    }
}

//! The configuration's schema, as the manifest tells it.

use alloc::string::String;

// `WORDS` and `PACKED`, by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/schema.rs"));

/// `configuration.schema.json`, byte for byte.
pub(crate) fn schema() -> String {
    let mut schema = String::new();
    for c in PACKED.chars() {
        match WORDS.get(c as usize) {
            Some(word) => schema.push_str(word),
            None => schema.push(c),
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_put_back_as_it_was() {
        assert_eq!(schema(), include_str!("configuration.schema.json"));
        assert!(PACKED.len() * 5 < schema().len() * 3);
    }
}

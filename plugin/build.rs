//! Packs the configuration's schema: what is said often in it is said once.
//!
//! The component carries the schema for whoever asks, which is hardly ever, and its
//! bytes are counted. Each of a few words is a byte that no JSON holds;
//! `src/schema.rs` puts them back.
#![allow(clippy::print_stdout, reason = "cargo reads what is printed")]

use std::env;
use std::fs;
use std::path::Path;

const SCHEMA: &str = "src/configuration.schema.json";

/// The words, in the order in which they are looked for: each is what saves most once
/// those before it are taken out. No more than 32, the bytes that no JSON holds; the
/// line's end is one that it does hold, and stands for itself.
const WORDS: [&str; 27] = [
    "\"description\":\"",
    "\":{\"$ref\":\"#/$defs/",
    "{\"const\":\"",
    "\"type\":\"",
    "\":{\"additionalProperties\":",
    "\"default\":",
    " ServiceNow",
    "Flashduty",
    " the ",
    "\"},",
    "\n",
    " incident",
    ".\",\"properties\":{\"",
    "s ",
    "\",",
    "re",
    "hat ",
    "tion",
    "in",
    "en",
    "\"oneOf\":[",
    "er",
    "\":{",
    " a",
    "e ",
    "it",
    "object",
];

fn main() {
    println!("cargo:rerun-if-changed={SCHEMA}");
    println!("cargo:rerun-if-changed=build.rs");
    let mut packed = fs::read_to_string(SCHEMA).expect("the schema stands beside the sources");
    for (word, byte) in WORDS.iter().zip(0_u8..) {
        packed = packed.replace(word, &char::from(byte).to_string());
    }
    let folder = env::var("OUT_DIR").expect("cargo says where to write");
    let source = format!(
        "const WORDS: [&str; {}] = {WORDS:?};\nconst PACKED: &str = {packed:?};\n",
        WORDS.len()
    );
    fs::write(Path::new(&folder).join("schema.rs"), source).expect("cargo's folder can be written");
}

//! Standard error.

use spin_sdk::wasip3::cli::stderr;
use spin_sdk::wasip3::wit_bindgen::block_on;
use spin_sdk::wasip3::wit_stream;

/// Writes bytes, and returns when they are on their way: what a panic says
/// would not get there otherwise.
pub(crate) fn write(bytes: &[u8]) {
    let (mut writer, reader) = wit_stream::new();
    let _end = stderr::write_via_stream(reader);
    block_on(writer.write_all(bytes.to_vec()));
}

//! Standard error.

use crate::p2::bindings::stderr::get_stderr;
use crate::p2::body::write_now;

/// Writes bytes, and returns when they are on their way.
pub(crate) fn write(bytes: &[u8]) {
    write_now(&get_stderr(), bytes);
}

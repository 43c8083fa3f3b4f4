//! Variables of the application.

use crate::p2::bindings::variables;
pub(crate) use crate::p2::bindings::variables::Error;

/// The value of one.
pub(crate) async fn get(name: &str) -> Result<String, Error> {
    variables::get(name)
}

//! Variables of the application.

pub(crate) use spin_sdk::variables::Error;
pub(crate) use spin_sdk::variables::get;

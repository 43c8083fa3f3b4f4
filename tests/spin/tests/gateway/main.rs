//! The Spin gateway, in a host that links what Spin links.
#![allow(clippy::unwrap_used)]

mod application;
mod contract;
mod load;
mod tick;

//! The Spin gateway, in a host that links what Spin links.
#![allow(clippy::unwrap_used)]

mod application;
mod contract;
mod cron;
mod load;
mod operator;
#[path = "../../../../host/tests/postgres/mod.rs"]
mod postgres;
mod real;
mod shared;
mod story;
mod tick;
mod trickling;
mod waiting;
